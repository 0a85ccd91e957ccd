-- Executions are ordered by when they began and by how long they ran. What never
-- began stays out of both: a run costs one insertion when it begins and one when it
-- ends, and what waits costs nothing.

CREATE INDEX executions_began ON executions (started_at, seq) WHERE started_at > 0;
CREATE INDEX executions_took ON executions ((finished_at - started_at), seq) WHERE finished_at > 0 AND started_at > 0;
