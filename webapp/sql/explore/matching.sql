-- A period's crashes that meet the filters. The outcome of the newest is not known yet: that is not "nobody was hurt".
select
    '{period}' as period,
    case
        when injury_severe then 'severe'
        when injury then 'injury'
        when not injury then 'no_injury'
        else 'unknown'
    end as outcome,
    *
from crashes
where {filters}
