-- What a job's groups came to, however much of its history is deleted, and when
-- the last ended so; outcome is the last one's state, '' for none yet.
ALTER TABLE job_stats ADD COLUMN groups_succeeded BIGINT NOT NULL DEFAULT 0;
ALTER TABLE job_stats ADD COLUMN groups_failed BIGINT NOT NULL DEFAULT 0;
ALTER TABLE job_stats ADD COLUMN groups_succeeded_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE job_stats ADD COLUMN groups_failed_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE job_stats ADD COLUMN outcome TEXT NOT NULL DEFAULT '';
UPDATE job_stats SET groups_succeeded = succeeded, groups_failed = failed + timed_out + lost + cancelled,
    groups_succeeded_at = last_success_at, groups_failed_at = last_failure_at,
    outcome = CASE WHEN last_state IN ('skipped', 'missed') THEN '' ELSE last_state END;
