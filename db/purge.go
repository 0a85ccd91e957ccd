package db

import (
	"context"
	"database/sql"
)

// PurgeDeleted deletes executions of deleted jobs that are not active, with
// their output.
func (t *tx) PurgeDeleted(ctx context.Context, limit int) (more bool, err error) {
	var jobs []int64
	err = each(ctx, t, "SELECT num FROM job_purge ORDER BY num"+t.s.dialect.update, nil, func(rows *sql.Rows) error {
		var num int64
		err := rows.Scan(&num)
		jobs = append(jobs, num)
		return err
	})
	if err != nil {
		return false, err
	}
	left := limit
	for _, job := range jobs {
		n, err := t.exec(ctx, `DELETE FROM executions WHERE seq IN
			(SELECT seq FROM executions WHERE job = $1 AND finished_at > 0 LIMIT `+number("$2")+")", job, left)
		if err != nil {
			return false, err
		}
		if left -= int(n); left <= 0 {
			return true, nil
		}
		// Only what still runs is left of it, if anything.
		if _, err := t.exec(ctx, `DELETE FROM job_purge WHERE num = $1
			AND NOT EXISTS (SELECT 1 FROM executions WHERE job = $1)`, job); err != nil {
			return false, err
		}
	}
	return false, nil
}
