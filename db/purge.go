package db

import (
	"context"
	"database/sql"
	"slices"

	"belfry/scheduler"
)

// PurgeDeleted deletes executions of deleted jobs that are not active, with
// their output. What is still to be told of one needs it.
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
	left, budget := limit, int64(purgeBytes)
	for _, job := range jobs {
		n, whole, err := t.purge(ctx, job, left, &budget)
		if err != nil {
			return false, err
		}
		if left -= n; left <= 0 || !whole {
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

const (
	purgeBytes  = 4 << 20 // of output that one transaction deletes, about
	purgeChunks = 64      // of an output that alone is longer
)

// purge deletes executions of a job, and reports whether none is left but by limit.
func (t *tx) purge(ctx context.Context, job int64, limit int, budget *int64) (n int, whole bool, err error) {
	var found []scheduler.Record
	err = each(ctx, t, "SELECT e.seq, e.job, e.finished_at, "+keptBytes+` FROM executions e WHERE e.job = $1 AND e.finished_at > 0
		AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.execution = e.seq AND d.state = 'pending') LIMIT `+number("$2"),
		[]any{job, limit}, func(rows *sql.Rows) error {
			r, err := scanRecord(rows)
			found = append(found, r)
			return err
		})
	if err != nil {
		return 0, false, err
	}
	var seqs []int64
	for _, r := range found {
		if *budget <= 0 {
			break
		}
		*budget -= r.Bytes
		if r.Bytes > purgeBytes {
			if more, err := t.DropOutput(ctx, r, purgeChunks); more || err != nil {
				if err != nil {
					return 0, false, err
				}
				break // its row goes last
			}
		}
		seqs = append(seqs, r.Key)
	}
	for part := range slices.Chunk(seqs, idsPerQuery) {
		args := padded(part)
		if _, err := t.exec(ctx, "DELETE FROM executions WHERE seq IN ("+placeholders(1, len(args))+")", args...); err != nil {
			return 0, false, err
		}
	}
	return len(seqs), len(seqs) == len(found), nil
}
