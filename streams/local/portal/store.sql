-- A page sorts ids, not rows, and needs little; a checkpoint rewrites the last rows of each table, so there are few.
SET memory_limit = '1GB';
SET checkpoint_threshold = '128MB';

-- Opaque row ids and versions: a one-to-one scramble of a serial number, 60 bits in 12 characters.
CREATE MACRO IF NOT EXISTS token(serial) AS (
    lower(to_base(((serial::HUGEINT * 716453109481253401) & 1152921504606846975)::BIGINT, 36, 12))
);

CREATE MACRO IF NOT EXISTS row_id(serial) AS (
    regexp_replace(
        token(serial),
        '(....)(....)(....)',
        'row-\1' || substr('~._-', serial % 4 + 1, 1) || '\2' || substr('._-~', serial // 4 % 4 + 1, 1) || '\3'
    )
);

CREATE MACRO IF NOT EXISTS row_version(serial) AS (
    regexp_replace(token(5 * serial), '(....)(....)(....)', 'rv-\1.\2-\3')
);

CREATE SEQUENCE IF NOT EXISTS serial;

-- When each dataset was last written, and how often: what ETag and Last-Modified tell.
CREATE TABLE IF NOT EXISTS publications (dataset VARCHAR PRIMARY KEY, updated_at TIMESTAMP, revision BIGINT);

-- Columns that are no longer of the type they were announced with, or never were announced.
CREATE TABLE IF NOT EXISTS retyped (dataset VARCHAR, name VARCHAR, type VARCHAR, PRIMARY KEY (dataset, name));

-- Facts about this file, for example what its rows were made from.
CREATE TABLE IF NOT EXISTS facts (name VARCHAR PRIMARY KEY, value VARCHAR);
