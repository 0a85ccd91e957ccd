-- Executions are ordered by how long they ran. What never began has no duration,
-- and stays out: the index costs one insertion when a run ends, and nothing before.

CREATE INDEX executions_took ON executions ((finished_at - started_at), seq) WHERE finished_at > 0 AND started_at > 0;
