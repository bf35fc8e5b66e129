-- By month of the crash and column of {dataset}: rows, values that are there, and values set to null by reason.
-- Months are numbers until the end: as text, each of two million rows would carry one.
WITH spanned AS (
    SELECT 12 * year(crash_date) + month(crash_date) - 1 AS during, *
    FROM {dataset}
    WHERE crash_date >= $start::DATE AND crash_date < $end::DATE
),

counted AS (
    SELECT during, count(*) AS total, count(COLUMNS(* EXCLUDE (during, quality_flags, crash_key))) AS '\0'
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
    strftime(make_date(filled.during // 12, filled.during % 12 + 1, 1), '%Y-%m') AS "month",
    filled."column",
    filled.total AS "rows",
    filled.filled,
    coalesce(flags.unparsable, 0) AS unparsable,
    coalesce(flags.impossible, 0) AS impossible
FROM filled
LEFT JOIN flags ON flags.during = filled.during AND flags."column" = filled."column"
ORDER BY filled.during, filled."column"
