-- Workers that dial in, their tokens, and executions in copies.

-- The hash is SHA-256 of a secret with 256 bits of chance. holds_name is true
-- while no other token may have the name.
CREATE TABLE worker_tokens (
    id           TEXT PRIMARY KEY,
    name         TEXT NOT NULL,
    hash         TEXT NOT NULL UNIQUE,
    made_by      TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    revoked_at   BIGINT NOT NULL,
    holds_name   BOOLEAN NOT NULL
);
CREATE UNIQUE INDEX worker_tokens_live_name ON worker_tokens (name) WHERE holds_name;

-- epoch counts up with each connection and when the worker is given up: what was
-- claimed with a lower one is not its any more. mode is what people decided,
-- presence what was last known of it.
CREATE TABLE workers (
    name         TEXT PRIMARY KEY,
    kind         TEXT NOT NULL,
    token        TEXT NOT NULL,
    epoch        BIGINT NOT NULL,
    mode         TEXT NOT NULL,
    presence     TEXT NOT NULL,
    slots        BIGINT NOT NULL,
    tags         TEXT NOT NULL, -- JSON
    rules        TEXT NOT NULL, -- JSON
    sleep        TEXT NOT NULL, -- JSON
    about        TEXT NOT NULL, -- JSON
    connected_at BIGINT NOT NULL,
    seen_at      BIGINT NOT NULL
);

-- Failures of a job on a worker since it last succeeded there.
CREATE TABLE worker_failures (
    worker    TEXT NOT NULL,
    job       BIGINT NOT NULL REFERENCES jobs (num) ON DELETE CASCADE,
    failures  BIGINT NOT NULL,
    last_at   BIGINT NOT NULL,
    execution TEXT NOT NULL, -- the last
    PRIMARY KEY (worker, job)
);
CREATE INDEX worker_failures_by_job ON worker_failures (job);

-- fence is the epoch that claimed the execution, 0 on the server's own worker.
-- copy counts from 0 the executions of a fire that runs on several workers.
ALTER TABLE executions ADD COLUMN fence BIGINT NOT NULL DEFAULT 0;
ALTER TABLE executions ADD COLUMN copy BIGINT NOT NULL DEFAULT 0;
DROP INDEX executions_fire;
CREATE UNIQUE INDEX executions_fire ON executions (job, due_at, attempt, copy);
