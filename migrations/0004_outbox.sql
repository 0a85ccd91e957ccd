-- Notifications that are to be sent, and what became of them.

CREATE TABLE deliveries (
    id         TEXT PRIMARY KEY,
    execution  BIGINT NOT NULL REFERENCES executions (seq) ON DELETE CASCADE,
    job_name   TEXT NOT NULL,
    kind       TEXT NOT NULL,
    config     TEXT NOT NULL, -- JSON with secrets; '' unless it is pending
    state      TEXT NOT NULL,
    attempts   BIGINT NOT NULL,
    next_at    BIGINT NOT NULL, -- while it is being sent: when somebody else may
    error      TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    sent_at    BIGINT NOT NULL
);
CREATE INDEX deliveries_due ON deliveries (next_at, id) WHERE state = 'pending';
CREATE INDEX deliveries_by_execution ON deliveries (execution, id);
