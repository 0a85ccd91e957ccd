-- Executions are found by the code with which they ended; hardly any ends otherwise
-- than with 0, and those that do are few.

CREATE INDEX executions_exit ON executions (exit_code, queued_at, seq) WHERE exit_code <> 0;
