package db

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"belfry/scheduler"
)

// expendable is what may be deleted of executions e: what has ended, but not the
// newest success and the newest bad end of its job, nor what belongs to a group
// that is active. Executions of deleted jobs go by PurgeDeleted.
const expendable = ` AND e.finished_at > 0
	AND NOT (e.state = 'succeeded' AND NOT EXISTS (SELECT 1 FROM executions n WHERE n.job = e.job AND n.state = 'succeeded'
		AND n.finished_at > 0 AND (n.due_at, n.attempt) > (e.due_at, e.attempt)))
	AND NOT (e.state IN ('failed', 'timed_out', 'lost') AND NOT EXISTS (SELECT 1 FROM executions n WHERE n.job = e.job
		AND n.state IN ('failed', 'timed_out', 'lost') AND n.finished_at > 0 AND (n.due_at, n.attempt) > (e.due_at, e.attempt)))
	AND NOT EXISTS (SELECT 1 FROM executions a WHERE a.job = e.job AND a.due_at = e.due_at AND a.finished_at = 0)
	AND e.job NOT IN (SELECT num FROM job_purge)`

const victims = "SELECT e.seq, e.job, e.state, e.finished_at, e.output_bytes FROM executions e WHERE "

// ExpireEnded deletes what ended from an instant on and before another, the
// oldest first.
func (t *tx) ExpireEnded(ctx context.Context, from, before time.Time, limit int) (scheduler.Expired, error) {
	return t.expire(ctx, victims+"e.finished_at >= $1 AND e.finished_at < $2"+expendable+
		" ORDER BY e.finished_at, e.seq LIMIT "+number("$3"), max(1, micros(from)), micros(before), limit)
}

// ExpireJob deletes a job's oldest executions that ended before an instant.
func (t *tx) ExpireJob(ctx context.Context, jobID string, before time.Time, limit int) (scheduler.Expired, error) {
	// Nothing ends before it is due: the bound of due_at ends the search.
	return t.expire(ctx, victims+"e.job = (SELECT num FROM jobs WHERE id = $1) AND e.due_at < $2 AND e.finished_at < $2"+expendable+
		" ORDER BY e.due_at, e.attempt LIMIT "+number("$3"), jobID, micros(before), limit)
}

// expire deletes the victims of a query, and takes them out of the counters.
func (t *tx) expire(ctx context.Context, query string, args ...any) (gone scheduler.Expired, err error) {
	type counted struct {
		job   int64
		state scheduler.State
	}
	var seqs []int64
	counts := map[counted]int64{}
	err = each(ctx, t, query, args, func(rows *sql.Rows) error {
		var seq, finished, bytes int64
		var c counted
		err := rows.Scan(&seq, &c.job, (*string)(&c.state), &finished, &bytes)
		seqs = append(seqs, seq)
		counts[c]++
		gone.Bytes += bytes
		gone.Last = fromMicros(finished)
		return err
	})
	if gone.N = len(seqs); err != nil || gone.N == 0 {
		return gone, err
	}
	list := padded(seqs)
	if _, err := t.exec(ctx, "DELETE FROM executions WHERE seq IN ("+placeholders(1, len(list))+")", list...); err != nil {
		return gone, err
	}
	var total [9]int64
	for c, n := range counts {
		for i, state := range scheduler.States {
			if state == c.state {
				total[i] -= n
			}
		}
		column := string(c.state) // one of scheduler.States, by the schema's only writer
		if _, err := t.exec(ctx, "UPDATE job_stats SET "+column+" = "+column+" - $2 WHERE job = $1", c.job, n); err != nil {
			return gone, err
		}
	}
	return gone, addTotals(ctx, t, 0, total)
}

// Histories lists the jobs that have bounds of their own, and those with more than
// so many executions that ended, unless that is 0.
func (s *Store) Histories(ctx context.Context, above int) ([]scheduler.History, error) {
	sum := "COALESCE(" + strings.Join([]string{
		"s.succeeded", "s.failed", "s.timed_out", "s.cancelled", "s.lost", "s.skipped", "s.missed",
	}, " + ") + ", 0)"
	var list []scheduler.History
	err := each(ctx, s.read, "SELECT j.id, j.rules, "+sum+" FROM jobs j LEFT JOIN job_stats s ON s.job = j.num WHERE j.rules LIKE '%\"keep\\_%' ESCAPE '\\' OR ("+
		sum+" > $1 AND $1 > 0) ORDER BY j.num", []any{above}, func(rows *sql.Rows) error {
		var h scheduler.History
		var text string
		err := rows.Scan(&h.JobID, &text, &h.Count)
		if err == nil {
			var d scheduler.Draft
			_, err = readRules(text, &d)
			h.Keep = d.Retention
		}
		list = append(list, h)
		return err
	})
	return list, err
}

// OutputTotal sums the output of a job's executions, or with "" of all. It reads
// each of them.
func (s *Store) OutputTotal(ctx context.Context, jobID string) (total int64, err error) {
	query, args := "SELECT COALESCE(SUM(output_bytes), 0) FROM executions", []any{}
	if jobID != "" {
		query, args = query+" WHERE job = (SELECT num FROM jobs WHERE id = $1)", []any{jobID}
	}
	_, err = get(ctx, s.read, "SELECT CAST(t AS BIGINT) FROM ("+strings.Replace(query, ", 0)", ", 0) AS t", 1)+") x", args, &total)
	return total, err
}

const (
	pagesPerStep = 256 // a step must not keep others from writing for long
	spare        = 256 // free pages that are left for what comes next
)

// Shrink gives back the room of what was deleted, in small steps, until little is
// left or ctx ends. The file is smaller after the next checkpoint. PostgreSQL does
// this by itself.
func (s *Store) Shrink(ctx context.Context) error {
	if s.writer == nil {
		return nil
	}
	for ctx.Err() == nil {
		var free int64
		err := s.write(ctx, func(t *tx) error {
			if _, err := get(ctx, t, "PRAGMA freelist_count", nil, &free); err != nil || free <= spare {
				return err
			}
			t.wrote = true
			// It frees a page for each row that is read.
			return each(ctx, t, "PRAGMA incremental_vacuum(256)", nil, func(*sql.Rows) error { return nil })
		})
		if err != nil || free <= spare+pagesPerStep {
			return err
		}
	}
	return ctx.Err()
}
