-- Gold's tables beside crashes, vehicles and people, which follow from streams/domain/schemas.py.
-- Times of our own are UTC and end in _at; the portal's are local as published.

-- What rows of one crash are joined by. An id is 128 characters long: to join by it takes five times as long.
create or replace macro crash_key_of(crash_record_id) as md5(crash_record_id)::uuid;

-- Key: crash_record_id, target. It has no index, as the tables of crashes have none (see tables.py).
create table if not exists scores (
    crash_record_id varchar not null,
    target varchar not null,
    model_version varchar not null,
    probability double not null,
    label boolean not null,
    tier varchar not null,
    scored_at timestamp not null,
    contributions struct(feature varchar, contribution double)[], -- the largest, in log-odds; null where not asked for
    crash_key uuid not null
);

-- The content version of each crash month that Gold holds: written in the transaction of its rows.
create table if not exists applied (
    month varchar primary key,
    version bigint not null,
    applied_at timestamp not null
);

-- One row: `version` counts the commits; `faceted` is the one that the facets are of (see facets.py).
create table if not exists clock (version bigint not null);
alter table clock add column if not exists faceted bigint;
insert into clock (version) select 0 where not exists (from clock);

-- What was heard of each run. An event may come twice, and in any order; `runs` is derived from these.
create table if not exists run_plans (
    run_id varchar primary key,
    kind varchar not null,
    "start" date not null,
    "end" date not null,
    datasets varchar[] not null,
    windows integer not null,
    rows_planned bigint not null,
    first_at timestamp not null,
    planned_at timestamp not null
);

create table if not exists run_pages (
    run_id varchar not null,
    page_id varchar not null,
    dataset varchar not null,
    "start" date not null,
    "end" date not null,
    number integer not null,
    last boolean not null,
    bronze_key varchar not null,
    request varchar not null,
    "rows" bigint not null,
    size bigint not null,
    months varchar[] not null,
    fetched_at timestamp not null,
    primary key (run_id, page_id)
);

create table if not exists run_merges (
    run_id varchar not null,
    page_id varchar not null,
    month varchar not null,
    version bigint not null,
    "rows" bigint not null,
    crashes_changed bigint not null,
    merged_at timestamp not null,
    loaded_at timestamp, -- since when Gold holds that version
    primary key (run_id, page_id, month)
);
alter table run_merges add column if not exists loaded_at timestamp;

-- The last failure of each part; page_id and month are '' where it names none. It stands until the part succeeded
-- later; `healed_at` is when a poll did that found nothing new, and so left no page.
create table if not exists run_failures (
    run_id varchar not null,
    stage varchar not null,
    page_id varchar not null,
    month varchar not null,
    error varchar not null,
    failed_at timestamp not null,
    first_at timestamp,
    healed_at timestamp,
    primary key (run_id, stage, page_id, month)
);
alter table run_failures add column if not exists first_at timestamp;
alter table run_failures add column if not exists healed_at timestamp;

create table if not exists runs (
    run_id varchar primary key,
    kind varchar,
    status varchar not null,
    "start" date,
    "end" date,
    datasets varchar[],
    requested_at timestamp,
    finished_at timestamp,
    windows integer,
    windows_done integer not null,
    rows_planned bigint,
    pages_fetched integer not null,
    rows_fetched bigint not null,
    bytes_fetched bigint not null,
    merges_expected integer not null,
    merges_done integer not null,
    merges_loaded integer not null,
    crashes_changed bigint not null,
    failures integer not null,
    error varchar
);

-- How far each dataset is followed, and what the last poll of it found.
create table if not exists watermarks (
    dataset varchar primary key,
    watermark varchar,
    "rows" bigint not null,
    out_of_date boolean not null,
    run_id varchar not null,
    polled_at timestamp not null
);

create table if not exists audits (
    run_id varchar not null,
    dataset varchar not null,
    month varchar not null,
    portal bigint not null,
    ours bigint not null,
    missing bigint not null,
    gone bigint not null,
    moved bigint not null,
    audited_at timestamp not null,
    primary key (run_id, dataset, month)
);

-- Columns of the portal that are not as they were known.
create table if not exists drifts (
    dataset varchar not null,
    "column" varchar not null,
    drift varchar not null,
    detail varchar not null,
    run_id varchar not null,
    first_seen_at timestamp not null,
    last_seen_at timestamp not null,
    primary key (dataset, "column", drift)
);

-- Each schedule as its changes left it: times up to settled_at are dealt with, last_run_at is the time it last ran for.
create table if not exists schedules (
    schedule_id varchar primary key,
    cron varchar not null,
    mode varchar not null,
    days integer,
    datasets varchar[] not null,
    missed varchar not null,
    paused boolean not null,
    created_at timestamp not null,
    settled_at timestamp not null,
    last_run_at timestamp
);

create table if not exists dead_letters (
    topic varchar not null,
    "partition" integer not null,
    "offset" bigint not null,
    stage varchar not null,
    error varchar not null,
    message varchar not null,
    field varchar,
    run_id varchar,
    key blob,
    value blob,
    failed_at timestamp not null,
    replayed_at timestamp, -- when it was last published again to its topic
    primary key (topic, "partition", "offset")
);
alter table dead_letters add column if not exists replayed_at timestamp;

-- Trainings: what was asked for and how it stands; request, metrics and comparison are JSON.
create table if not exists training_jobs (
    request_id varchar primary key,
    state varchar not null, -- requested, running, finished, failed or cancelled
    target varchar not null,
    tier varchar not null,
    algorithm varchar not null,
    request varchar not null,
    requested_at timestamp not null,
    started_at timestamp,
    changed_at timestamp not null,
    ended_at timestamp,
    stage varchar,
    share double, -- how much is done, from 0 to 1
    score double, -- how good the best model is so far
    seconds_left double,
    model_version varchar,
    promoted boolean,
    metrics varchar,
    comparison varchar,
    error varchar,
    field varchar,
    hint varchar
);

-- The newest forecast, of the 14 days after data_through: a row a measure, place and day; beat is null for the city.
create table if not exists forecasts (
    measure varchar not null,
    level varchar not null,
    beat integer,
    "day" date not null,
    expected double not null,
    low_80 integer not null,
    high_80 integer not null,
    low_95 integer not null,
    high_95 integer not null,
    method varchar not null,
    data_through date not null,
    made_at timestamp not null
);

-- How each method did in its backtests: a row a measure, level and method, one of which is served.
create table if not exists forecast_backtests (
    measure varchar not null,
    level varchar not null,
    method varchar not null,
    served boolean not null,
    origins integer not null,
    deviance double,
    mae double,
    coverage_80 double,
    coverage_95 double,
    days_known integer not null,
    complete_through date,
    note varchar, -- what is missing, if something is
    basis varchar not null, -- what data it was made of
    made_at timestamp not null
);

-- How far a feature, or `probability`, is from what a model was trained on: the last measurement of each window.
create table if not exists model_drift (
    model_version varchar not null,
    target varchar not null,
    feature varchar not null,
    psi double not null,
    band varchar not null, -- stable, shifted, drifted or too few rows
    "rows" bigint not null,
    data_from date not null,
    data_through date not null,
    basis varchar not null, -- what was measured: the months' content versions
    measured_at timestamp not null,
    primary key (model_version, data_through, feature)
);

-- How good a model's scores of a crash month turned out to be: the last measurement.
create table if not exists model_quality (
    model_version varchar not null,
    target varchar not null,
    month varchar not null,
    "rows" bigint not null,
    positives bigint not null,
    base_rate double not null,
    predicted double not null, -- the mean probability
    roc_auc double, -- null, as ece, where rows are too few to tell
    brier double not null,
    ece double,
    basis varchar not null, -- what was measured: a digest of crashes, scores and outcomes
    measured_at timestamp not null,
    primary key (model_version, month)
);
