-- Jobs that an outcome of another starts by itself; the starting job owns the row.
CREATE TABLE job_triggers (
    parent    BIGINT NOT NULL REFERENCES jobs (num) ON DELETE CASCADE,
    child     BIGINT NOT NULL REFERENCES jobs (num) ON DELETE CASCADE,
    position  BIGINT NOT NULL, -- among the parent's, as they were written
    condition TEXT NOT NULL,
    PRIMARY KEY (parent, child, condition)
);
CREATE INDEX job_triggers_by_child ON job_triggers (child, parent);

-- What one execution changes of its job's configuration: a JSON object, '' nothing.
ALTER TABLE executions ADD COLUMN config TEXT NOT NULL DEFAULT '';
