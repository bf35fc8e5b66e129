-- The rows of `runs` for the runs in the temporary table `touched(run_id)`, derived from what was heard of them.
update run_merges set loaded_at = greatest(merged_at, applied.applied_at)
from applied
where run_merges.loaded_at is null
    and run_merges.month = applied.month
    and run_merges.version <= applied.version
    and run_merges.run_id in (from touched);

insert or replace into runs by name
with plan as (from run_plans semi join touched using (run_id)),
page as (
    -- A page id is its window and its number: `crashes/2024-01-01_2024-02-01/00003`, `crashes/stream/00003`.
    select *, regexp_replace(page_id, '/[^/]*$', '') as "window" from run_pages semi join touched using (run_id)
),
merged as (from run_merges semi join touched using (run_id)),
due as (
    -- Each page is to be merged into each of its months, the tombstones of an audit into theirs, and all is to be loaded.
    select run_id, page_id, month, merged.merged_at, merged.loaded_at
    from (
        select run_id, page_id, unnest(months) as month from page
        union
        select run_id, concat_ws('/', 'audits', dataset, month) as page_id, month
        from audits semi join touched using (run_id) where gone + moved > 0
    )
    left join merged using (run_id, page_id, month)
),
page_merge as ( -- what a failure of a merge or of a load can be about: one month of a page, or all of them
    select run_id, page_id, month, merged_at, loaded_at from merged
    union all
    select
        run_id,
        page_id,
        '' as month,
        if(count(*) = count(merged_at), min(merged_at), null) as merged_at,
        if(count(*) = count(loaded_at), min(loaded_at), null) as loaded_at
    from due group by all
),
failure as ( -- those that stand: what failed has not succeeded since
    select failed.*, regexp_replace(page_id, '/[^/]*$', '') as "window"
    from run_failures failed
    semi join touched using (run_id)
    left join plan using (run_id)
    left join page using (run_id, page_id)
    left join page_merge using (run_id, page_id, month)
    where coalesce(failed.healed_at < failed.failed_at, true) and not coalesce(
        case
            when failed.stage = 'load' then page_merge.loaded_at is not null
            when failed.stage = 'merge' then page_merge.merged_at > failed.failed_at
            when page_id = '' then plan.planned_at > failed.failed_at
            else page.fetched_at > failed.failed_at
        end,
        false
    )
),
ended as ( -- windows of which no page is missing, or no further page will come
    select run_id, "window" from page group by all
    having bool_or(last) and count(*) > max(number) filter (last)
    union
    select run_id, "window" from failure anti join page using (run_id, page_id)
    where stage in ('fetch', 'poll') and page_id <> ''
),
merges as (
    select
        run_id,
        count(*) as expected,
        count(merged_at) as done,
        count(loaded_at) as loaded,
        bool_and(
            loaded_at is not null
            or exists (
                from failure f
                where f.run_id = due.run_id and f.page_id = due.page_id and f.month in (due.month, '')
            )
        ) as settled,
        max(loaded_at) as loaded_at
    from due group by run_id
),
pages as (
    select
        run_id,
        count(*) as fetched,
        sum("rows")::bigint as row_count,
        sum(size)::bigint as size,
        min(fetched_at) as first_at,
        max(fetched_at) as last_at
    from page group by run_id
),
changes as (
    select run_id, sum(crashes_changed)::bigint as crashes, min(merged_at) as first_at, max(merged_at) as last_at
    from merged group by run_id
),
windows as (select run_id, count(*) as done from ended group by run_id),
failures as (
    select
        run_id,
        count(*) as number,
        arg_min(error, (failed_at, stage, page_id, month)) as error,
        bool_or(page_id = '') as whole
    from failure group by run_id
),
troubles as ( -- whether they stand or not
    select
        run_id,
        bool_or(stage = 'poll') as polling,
        min(coalesce(first_at, failed_at)) as first_at,
        greatest(max(failed_at), max(healed_at)) as last_at
    from run_failures semi join touched using (run_id) group by run_id
),
state as (
    select
        run_id,
        coalesce(failures.whole, false)
        -- A poll is planned once the portal has answered: it may fail before.
        or (plan.windows is null and coalesce(troubles.polling, false))
        or (
            plan.windows is not null
            and coalesce(windows.done, 0) >= plan.windows
            and coalesce(merges.settled, true)
        ) as finished,
        case when not finished then 'running' when failures.number > 0 then 'failed' else 'complete' end as status,
        greatest(plan.planned_at, pages.last_at, changes.last_at, troubles.last_at, merges.loaded_at) as latest_at
    from touched
    left join plan using (run_id)
    left join pages using (run_id)
    left join merges using (run_id)
    left join changes using (run_id)
    left join windows using (run_id)
    left join failures using (run_id)
    left join troubles using (run_id)
)
select
    run_id,
    plan.kind,
    state.status,
    plan."start",
    plan."end",
    plan.datasets,
    least(plan.first_at, pages.first_at, changes.first_at, troubles.first_at) as requested_at,
    -- A run ends once: what is heard again of it later does not move its end, unless it ends otherwise.
    case
        when finished then coalesce(if(known.status = state.status, known.finished_at, null), latest_at)
    end as finished_at,
    plan.windows,
    coalesce(windows.done, 0) as windows_done,
    plan.rows_planned,
    coalesce(pages.fetched, 0) as pages_fetched,
    coalesce(pages.row_count, 0) as rows_fetched,
    coalesce(pages.size, 0) as bytes_fetched,
    coalesce(merges.expected, 0) as merges_expected,
    coalesce(merges.done, 0) as merges_done,
    coalesce(merges.loaded, 0) as merges_loaded,
    coalesce(changes.crashes, 0) as crashes_changed,
    coalesce(failures.number, 0) as failures,
    failures.error
from state
left join plan using (run_id)
left join pages using (run_id)
left join merges using (run_id)
left join changes using (run_id)
left join windows using (run_id)
left join failures using (run_id)
left join troubles using (run_id)
left join runs known using (run_id)
-- An idle poll, or a merge that nobody planned, is no run.
where plan.run_id is not null or pages.fetched > 0 or troubles.run_id is not null
    or exists (from audits where audits.run_id = state.run_id);
