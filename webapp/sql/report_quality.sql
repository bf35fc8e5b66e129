-- By month of the crash and column of {dataset}: rows, values that are there, and values set to null by reason.
WITH spanned AS (
    SELECT strftime(crash_date, '%Y-%m') AS during, *
    FROM {dataset}
    WHERE crash_date >= $start::DATE AND crash_date < $end::DATE
),

counted AS (
    SELECT during, count(*) AS total, count(COLUMNS(* EXCLUDE (during, quality_flags))) AS '\0'
    FROM spanned
    GROUP BY during
),

filled AS (
    UNPIVOT counted ON COLUMNS(* EXCLUDE (during, total)) INTO NAME "column" VALUE filled
),

flags AS (
    SELECT
        during,
        split_part(flag, ':', 1) AS "column",
        count(*) FILTER (WHERE split_part(flag, ':', 2) = 'unparsable') AS unparsable,
        count(*) FILTER (WHERE split_part(flag, ':', 2) = 'impossible') AS impossible
    FROM (SELECT during, unnest(quality_flags) AS flag FROM spanned WHERE len(quality_flags) > 0)
    GROUP BY ALL
)

SELECT
    filled.during AS "month",
    filled."column",
    filled.total AS "rows",
    filled.filled,
    coalesce(flags.unparsable, 0) AS unparsable,
    coalesce(flags.impossible, 0) AS impossible
FROM filled
LEFT JOIN flags ON flags.during = filled.during AND flags."column" = filled."column"
ORDER BY filled.during, filled."column"
