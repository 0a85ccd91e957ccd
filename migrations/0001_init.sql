-- The schema of the first Belfry.
-- Times are unix microseconds, 0 means none. Durations are nanoseconds. Ids are
-- made by the program. JSON is text the database never looks into.

CREATE TABLE counters (
    name  TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO counters (name, value) VALUES ('job_num', 0), ('ping', 0);

-- num is the row's key everywhere inside the database: eight bytes, where the
-- id that the world sees has thirty-six.
CREATE TABLE jobs (
    num             INTEGER PRIMARY KEY,
    id              TEXT NOT NULL UNIQUE,
    name            TEXT NOT NULL UNIQUE,
    name_key        TEXT NOT NULL, -- the name folded, for order
    search          TEXT NOT NULL, -- name and display name folded, for LIKE
    display_name    TEXT NOT NULL,
    notes           TEXT NOT NULL,
    enabled         BOOLEAN NOT NULL,
    schedules       TEXT NOT NULL, -- JSON
    executor        TEXT NOT NULL,
    config          TEXT NOT NULL, -- JSON
    concurrency     TEXT NOT NULL,
    retries         BIGINT NOT NULL,
    retry_delay     BIGINT NOT NULL,
    retry_factor    DOUBLE PRECISION NOT NULL,
    retry_max_delay BIGINT NOT NULL,
    timeout         BIGINT NOT NULL,
    grace           BIGINT NOT NULL,
    origin          TEXT NOT NULL,
    version         BIGINT NOT NULL,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL
);
CREATE INDEX jobs_by_name ON jobs (name_key, num);
CREATE INDEX jobs_by_created ON jobs (created_at, num);
CREATE INDEX jobs_by_updated ON jobs (updated_at, num);

-- Jobs that are deleted while executions of them are still stored.
CREATE TABLE job_purge (
    num        BIGINT PRIMARY KEY,
    id         TEXT NOT NULL,
    name       TEXT NOT NULL,
    deleted_at BIGINT NOT NULL
);

-- How a job's executions ended. The active ones are counted from their index:
-- they are few, and counting them here would cost each run two more row updates.
CREATE TABLE job_stats (
    job             BIGINT PRIMARY KEY REFERENCES jobs (num) ON DELETE CASCADE,
    succeeded       BIGINT NOT NULL DEFAULT 0,
    failed          BIGINT NOT NULL DEFAULT 0,
    timed_out       BIGINT NOT NULL DEFAULT 0,
    cancelled       BIGINT NOT NULL DEFAULT 0,
    lost            BIGINT NOT NULL DEFAULT 0,
    skipped         BIGINT NOT NULL DEFAULT 0,
    missed          BIGINT NOT NULL DEFAULT 0,
    last_state      TEXT NOT NULL DEFAULT '', -- of the newest (due, attempt) that ended
    last_due        BIGINT NOT NULL DEFAULT 0,
    last_attempt    BIGINT NOT NULL DEFAULT 0,
    last_success_at BIGINT NOT NULL DEFAULT 0,
    last_failure_at BIGINT NOT NULL DEFAULT 0
);

-- All executions of all jobs by state. PostgreSQL spreads its writers over the
-- shards, so that they do not wait for one row; SQLite uses the first.
CREATE TABLE execution_totals (
    shard     BIGINT PRIMARY KEY,
    queued    BIGINT NOT NULL DEFAULT 0,
    running   BIGINT NOT NULL DEFAULT 0,
    succeeded BIGINT NOT NULL DEFAULT 0,
    failed    BIGINT NOT NULL DEFAULT 0,
    timed_out BIGINT NOT NULL DEFAULT 0,
    cancelled BIGINT NOT NULL DEFAULT 0,
    lost      BIGINT NOT NULL DEFAULT 0,
    skipped   BIGINT NOT NULL DEFAULT 0,
    missed    BIGINT NOT NULL DEFAULT 0
);
INSERT INTO execution_totals (shard) VALUES (0), (1), (2), (3), (4), (5), (6), (7);

CREATE TABLE execution_hours (
    hour  BIGINT NOT NULL, -- its start
    state TEXT NOT NULL,
    shard BIGINT NOT NULL,
    n     BIGINT NOT NULL,
    PRIMARY KEY (hour, state, shard)
);

-- finished_at is 0 exactly while the state is queued or running: the partial
-- indexes depend on it, so that a claim touches none of them but its own.
-- job has no foreign key: a deleted job's executions stay until they are purged.
CREATE TABLE executions (
    seq          INTEGER PRIMARY KEY,
    id           TEXT NOT NULL UNIQUE,
    job          BIGINT NOT NULL,
    state        TEXT NOT NULL,
    attempt      BIGINT NOT NULL,
    due_at       BIGINT NOT NULL,
    run_at       BIGINT NOT NULL,
    queued_at    BIGINT NOT NULL,
    started_at   BIGINT NOT NULL DEFAULT 0,
    finished_at  BIGINT NOT NULL DEFAULT 0,
    trigger_kind TEXT NOT NULL,
    trigger_by   TEXT NOT NULL,
    first_id     TEXT NOT NULL, -- the group, '' when it is the execution's own id
    worker       TEXT NOT NULL DEFAULT '',
    reason       TEXT NOT NULL,
    exit_code    BIGINT,
    signal       TEXT NOT NULL DEFAULT '',
    peak_memory  BIGINT NOT NULL DEFAULT 0,
    cpu_time     BIGINT NOT NULL DEFAULT 0,
    output_bytes BIGINT NOT NULL DEFAULT 0,
    output_lines BIGINT NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX executions_fire ON executions (job, due_at, attempt);
CREATE INDEX executions_claim ON executions (run_at, seq) WHERE state = 'queued';
CREATE INDEX executions_active ON executions (queued_at, seq) WHERE finished_at = 0;
CREATE INDEX executions_active_job ON executions (job, due_at, attempt) WHERE finished_at = 0;
CREATE INDEX executions_ended ON executions (finished_at, seq) WHERE finished_at > 0;
CREATE INDEX executions_ended_state ON executions (state, queued_at, seq) WHERE finished_at > 0;
CREATE INDEX executions_ended_job ON executions (job, state, due_at, attempt) WHERE finished_at > 0;
CREATE INDEX executions_time ON executions (queued_at, seq);
CREATE INDEX executions_trigger ON executions (trigger_kind, queued_at, seq);
CREATE INDEX executions_worker ON executions (worker, queued_at, seq) WHERE worker <> '';
CREATE INDEX executions_group ON executions (first_id, attempt) WHERE first_id <> '';

-- Consecutive output. data comes last, so that reading the columns before it
-- does not read the pages it fills.
CREATE TABLE output_chunks (
    execution  BIGINT NOT NULL REFERENCES executions (seq) ON DELETE CASCADE,
    first_byte BIGINT NOT NULL,
    byte_count BIGINT NOT NULL,
    first_line BIGINT NOT NULL, -- the line of the first byte
    last_line  BIGINT NOT NULL, -- the line of the last byte
    codec      BIGINT NOT NULL, -- 0 as is, 1 zstd
    pieces     BYTEA NOT NULL,
    data       BYTEA NOT NULL,
    PRIMARY KEY (execution, first_byte)
);
CREATE INDEX output_chunks_by_line ON output_chunks (execution, last_line, first_byte);

CREATE TABLE users (
    id            TEXT PRIMARY KEY,
    name          TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    role          TEXT NOT NULL,
    created_at    BIGINT NOT NULL,
    last_login_at BIGINT NOT NULL
);

-- holds_name is true while no other token may have the name.
CREATE TABLE tokens (
    id           TEXT PRIMARY KEY,
    name         TEXT NOT NULL,
    hash         TEXT NOT NULL UNIQUE,
    role         TEXT NOT NULL,
    user_id      TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    revoked_at   BIGINT NOT NULL,
    holds_name   BOOLEAN NOT NULL
);
CREATE UNIQUE INDEX tokens_live_name ON tokens (name) WHERE holds_name;

CREATE TABLE logins (
    id         TEXT PRIMARY KEY,
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    address    TEXT NOT NULL,
    agent      TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT NOT NULL
);
CREATE INDEX logins_by_user ON logins (user_id);

CREATE TABLE session_data (
    token      TEXT PRIMARY KEY,
    data       BYTEA NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX session_data_by_expiry ON session_data (expires_at);

CREATE TABLE audit (
    id      BIGINT PRIMARY KEY,
    at      BIGINT NOT NULL,
    actor   TEXT NOT NULL,
    via     TEXT NOT NULL,
    address TEXT NOT NULL,
    action  TEXT NOT NULL,
    object  TEXT NOT NULL,
    before  TEXT NOT NULL,
    after   TEXT NOT NULL
);
