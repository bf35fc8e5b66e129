-- The first day of the copy, as its own runs were planned. Null before the first start.
SELECT min("start") AS since
FROM run_plans
WHERE kind IN ('first-start', 'stream', 'look-back')
