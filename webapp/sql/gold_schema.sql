select table_name as "table", column_name as "column", data_type as type
from information_schema.columns
where table_schema = 'main' and ($table is null or table_name = $table)
order by
    coalesce(list_position(['crashes', 'vehicles', 'people', 'scores', 'runs', 'dead_letters'], table_name), 99),
    table_name,
    ordinal_position
