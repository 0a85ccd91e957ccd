-- What was missed is found by when it was due: it is noticed later.

CREATE INDEX executions_missed ON executions (due_at, seq) WHERE state = 'missed';
