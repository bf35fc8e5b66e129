select * exclude (basis) from forecast_backtests order by measure, level desc, not served, method
