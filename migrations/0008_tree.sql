-- Jobs that run once each, when a worker takes them, in groups of groups.
--
-- A group has no command. state is what a job came to by itself: 'waiting',
-- 'working', 'finished' or 'error'; a group's follows from its counters. blocked is
-- how many of its dependencies are not finished, deps how many it has. ready says
-- that nothing of its own keeps it from being taken.
-- Of groups only: the counters of jobs directly below (finished, errors, working)
-- and of all below (total…), a group without jobs counting as one; path, the
-- priorities from the root down, two hexadecimal digits each; h_mask, the
-- affinities from the root down; held_paused and held_blocked, how many groups from
-- the root down are paused, or wait for a dependency.
CREATE TABLE tree (
    num              INTEGER PRIMARY KEY REFERENCES jobs (num) ON DELETE CASCADE,
    id               TEXT NOT NULL, -- the job's
    parent           BIGINT NOT NULL, -- 0: the root
    is_group         BOOLEAN NOT NULL,
    title            TEXT NOT NULL,
    command          TEXT NOT NULL,
    dir              TEXT NOT NULL,
    environment      TEXT NOT NULL,
    owner            TEXT NOT NULL,
    url              TEXT NOT NULL,
    progress_pattern TEXT NOT NULL,
    priority         BIGINT NOT NULL,
    rank             BIGINT NOT NULL, -- the priority as it orders: 0 to 255
    mask             BIGINT NOT NULL, -- its own affinities, a bit each
    timeout          BIGINT NOT NULL,
    retries          BIGINT NOT NULL,
    retry_left       BIGINT NOT NULL,
    state            TEXT NOT NULL,
    paused           BOOLEAN NOT NULL,
    blocked          BIGINT NOT NULL,
    deps             BIGINT NOT NULL,
    ready            BOOLEAN NOT NULL,
    worker           TEXT NOT NULL,
    execution        TEXT NOT NULL, -- the last one's id
    started_at       BIGINT NOT NULL,
    took             BIGINT NOT NULL,
    ping_at          BIGINT NOT NULL,
    deadline         BIGINT NOT NULL, -- while it is working: when its timeout ends it
    runs             BIGINT NOT NULL,
    progress         DOUBLE PRECISION NOT NULL, -- -1: none
    finished         BIGINT NOT NULL DEFAULT 0,
    errors           BIGINT NOT NULL DEFAULT 0,
    working          BIGINT NOT NULL DEFAULT 0,
    total            BIGINT NOT NULL DEFAULT 0,
    total_finished   BIGINT NOT NULL DEFAULT 0,
    total_errors     BIGINT NOT NULL DEFAULT 0,
    total_working    BIGINT NOT NULL DEFAULT 0,
    path             TEXT NOT NULL DEFAULT '',
    h_mask           BIGINT NOT NULL DEFAULT 0,
    held_paused      BIGINT NOT NULL DEFAULT 0,
    held_blocked     BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX tree_children ON tree (parent, num);
CREATE INDEX tree_groups ON tree (parent, num) WHERE is_group;
CREATE INDEX tree_ready ON tree (parent, mask, rank, num) WHERE ready;
CREATE INDEX tree_started ON tree (parent, started_at) WHERE started_at > 0;
CREATE INDEX tree_waits ON tree (parent, num) WHERE deps > 0;
CREATE INDEX tree_deadlines ON tree (deadline) WHERE deadline > 0;
CREATE INDEX tree_working ON tree (worker, num) WHERE state = 'working' AND NOT is_group;

CREATE TABLE tree_dependencies (
    num        BIGINT NOT NULL REFERENCES tree (num) ON DELETE CASCADE,
    dependency BIGINT NOT NULL REFERENCES tree (num) ON DELETE CASCADE,
    PRIMARY KEY (num, dependency)
);
CREATE INDEX tree_dependencies_by_dependency ON tree_dependencies (dependency, num);

-- The jobs that are ready, by what decides which is next: those of one group with
-- the same affinities and priority are one row. first is the lowest of them.
-- h_mask, held and key repeat what the group says; key is the path with the
-- priority, without zeros at its end. Whoever takes a job reads one row of an
-- index, and pausing a group of thousands changes few.
CREATE TABLE tree_next (
    parent BIGINT NOT NULL,
    mask   BIGINT NOT NULL,
    rank   BIGINT NOT NULL,
    first  BIGINT NOT NULL,
    h_mask BIGINT NOT NULL,
    held   BIGINT NOT NULL,
    key    TEXT NOT NULL,
    PRIMARY KEY (parent, mask, rank)
);
CREATE INDEX tree_next_order ON tree_next (h_mask, key DESC, first) WHERE held = 0;

INSERT INTO counters (name, value) VALUES ('tree', 0);

-- What is kept of workers of the tree beside their row in workers: it stays when
-- they are forgotten, and rules may be there before they first come.
CREATE TABLE tree_workers (
    name     TEXT PRIMARY KEY,
    rules    TEXT NOT NULL DEFAULT '', -- affinities, a line for each rule
    finished BIGINT NOT NULL DEFAULT 0,
    errors   BIGINT NOT NULL DEFAULT 0,
    last_job BIGINT NOT NULL DEFAULT 0,
    last_run BIGINT NOT NULL DEFAULT 0, -- seq of its last execution
    since    BIGINT NOT NULL DEFAULT 0
);
