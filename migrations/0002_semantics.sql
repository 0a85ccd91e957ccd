-- Overlap, dependencies, catching up and limits.

-- What people decide about a job and no query looks into: JSON, '' is all
-- defaults.
ALTER TABLE jobs ADD COLUMN rules TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN starts_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN ends_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN paused_until BIGINT NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN live_since BIGINT NOT NULL DEFAULT 0;
UPDATE jobs SET live_since = updated_at;

-- What jobs can be found by: tags (kind 't', the value is empty) and metadata
-- (kind 'm').
CREATE TABLE job_labels (
    kind  TEXT NOT NULL,
    name  TEXT NOT NULL,
    value TEXT NOT NULL,
    job   BIGINT NOT NULL REFERENCES jobs (num) ON DELETE CASCADE,
    PRIMARY KEY (kind, name, job)
);
CREATE INDEX job_labels_by_job ON job_labels (job, kind, name, value);

-- satisfied: the parent's last outcome met the condition, and the child has not
-- run for it yet.
CREATE TABLE job_dependencies (
    child     BIGINT NOT NULL REFERENCES jobs (num) ON DELETE CASCADE,
    parent    BIGINT NOT NULL REFERENCES jobs (num),
    position  BIGINT NOT NULL, -- among the child's, as they were written
    condition TEXT NOT NULL,
    satisfied BOOLEAN NOT NULL,
    PRIMARY KEY (child, parent)
);
CREATE INDEX job_dependencies_by_parent ON job_dependencies (parent, child);

CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

-- wait is what a queued execution waits for: '' nothing but a slot, 'time' its
-- run_at, 'turn' another one of its job. tags are the sorted tags that its worker
-- must have, a comma between and around each: ',a,b,'.
ALTER TABLE executions ADD COLUMN wait TEXT NOT NULL DEFAULT '';
ALTER TABLE executions ADD COLUMN priority BIGINT NOT NULL DEFAULT 0;
ALTER TABLE executions ADD COLUMN tags TEXT NOT NULL DEFAULT '';
ALTER TABLE executions ADD COLUMN progress DOUBLE PRECISION NOT NULL DEFAULT -1;
ALTER TABLE executions ADD COLUMN cut_from BIGINT NOT NULL DEFAULT 0;
ALTER TABLE executions ADD COLUMN cut_to BIGINT NOT NULL DEFAULT 0;
UPDATE executions SET wait = 'time' WHERE state = 'queued';

DROP INDEX executions_claim;
CREATE INDEX executions_claim ON executions (tags, priority DESC, due_at, job, seq) WHERE state = 'queued' AND wait = '';
CREATE INDEX executions_later ON executions (run_at, seq) WHERE state = 'queued' AND wait = 'time';
CREATE INDEX executions_turn ON executions (job, due_at, attempt) WHERE state = 'queued' AND wait = 'turn';
-- What takes a job's places, however many wait for their turn behind it.
CREATE INDEX executions_placed ON executions (job, wait) WHERE finished_at = 0 AND wait <> 'turn';
