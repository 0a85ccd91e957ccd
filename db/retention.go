package db

import (
	"context"
	"database/sql"
	"slices"
	"strconv"
	"strings"
	"time"

	"belfry/scheduler"
)

// keptBytes is the length of an execution's output without what was cut out.
const keptBytes = "e.output_bytes - (e.cut_to - e.cut_from)"

// inactive says that no execution of e's group is active: all attempts of a group
// have its due time.
const inactive = "NOT EXISTS (SELECT 1 FROM executions a WHERE a.job = e.job AND a.due_at = e.due_at AND a.finished_at = 0)"

// Histories lists jobs by number.
func (s *Store) Histories(ctx context.Context, after int64, limit int) ([]scheduler.History, error) {
	var list []scheduler.History
	err := each(ctx, s.read, `SELECT j.num, j.rules, COALESCE(s.succeeded + s.failed + s.timed_out + s.cancelled + s.lost + s.skipped + s.missed, 0)
		FROM jobs j LEFT JOIN job_stats s ON s.job = j.num WHERE j.num > $1 ORDER BY j.num LIMIT `+number("$2"),
		[]any{after, limit}, func(rows *sql.Rows) error {
			var h scheduler.History
			var j scheduler.Job
			var rules string
			if err := rows.Scan(&h.JobNum, &rules, &h.Ended); err != nil {
				return err
			}
			err := readRules(rules, &j)
			h.Retention = j.Retention
			list = append(list, h)
			return err
		})
	return list, err
}

// lasting returns the keys of the executions of a job that are always kept.
func (s *Store) lasting(ctx context.Context, job int64) ([]int64, error) {
	type last struct{ seq, due, attempt int64 }
	var newest, success, failure last
	later := func(a, b last) last {
		if b.due > a.due || (b.due == a.due && b.attempt > a.attempt) {
			return b
		}
		return a
	}
	var q strings.Builder
	for i, state := range scheduler.States {
		if !state.Final() {
			continue
		}
		if q.Len() > 0 {
			q.WriteString(" UNION ALL ")
		}
		q.WriteString("SELECT * FROM (SELECT e.seq, e.state, e.due_at, e.attempt FROM executions e WHERE e.job = $1 AND e.finished_at > 0 AND e.state = '" +
			string(state) + "' ORDER BY e.due_at DESC, e.attempt DESC LIMIT 1) q" + strconv.Itoa(i))
	}
	err := each(ctx, s.read, q.String(), []any{job}, func(rows *sql.Rows) error {
		var l last
		var state scheduler.State
		if err := rows.Scan(&l.seq, (*string)(&state), &l.due, &l.attempt); err != nil {
			return err
		}
		newest = later(newest, l)
		switch state {
		case scheduler.Succeeded:
			success = l
		case scheduler.Failed, scheduler.TimedOut, scheduler.Lost:
			failure = later(failure, l)
		}
		return nil
	})
	return []int64{newest.seq, success.seq, failure.seq}, err
}

// Expendable lists executions of a job that may be deleted.
func (s *Store) Expendable(ctx context.Context, jobNum int64, before time.Time, limit int) ([]scheduler.Record, error) {
	keep, err := s.lasting(ctx, jobNum)
	if err != nil {
		return nil, err
	}
	var list []scheduler.Record
	err = each(ctx, s.read, "SELECT e.seq, e.job, e.finished_at, "+keptBytes+` FROM executions e WHERE e.job = $1 AND e.due_at < $2
		AND e.finished_at > 0 AND e.seq NOT IN ($3, $4, $5) AND `+inactive+" ORDER BY e.due_at, e.attempt LIMIT "+number("$6"),
		[]any{jobNum, micros(before), keep[0], keep[1], keep[2], limit}, func(rows *sql.Rows) error {
			r, err := scanRecord(rows)
			list = append(list, r)
			return err
		})
	return list, err
}

func scanRecord(rows *sql.Rows, more ...any) (r scheduler.Record, err error) {
	var finished int64
	err = rows.Scan(append([]any{&r.Key, &r.JobNum, &finished, &r.Bytes}, more...)...)
	r.FinishedAt = fromMicros(finished)
	return r, err
}

// ExpendableOutput lists executions with output that may be deleted, of all jobs.
func (s *Store) ExpendableOutput(ctx context.Context, after *scheduler.Record, before time.Time, limit int) ([]scheduler.Record, *scheduler.Record, error) {
	var from scheduler.Record
	if after != nil {
		from = *after
	}
	var found []scheduler.Record
	var active []bool
	err := each(ctx, s.read, "SELECT e.seq, e.job, e.finished_at, "+keptBytes+", e.due_at >= $3 OR NOT ("+inactive+`)
		FROM executions e CROSS JOIN jobs j WHERE j.num = e.job AND e.finished_at > 0 AND (e.finished_at, e.seq) > ($1, $2)
		ORDER BY e.finished_at, e.seq LIMIT `+number("$4"),
		[]any{micros(from.FinishedAt), from.Key, micros(before), limit}, func(rows *sql.Rows) error {
			var is bool
			r, err := scanRecord(rows, &is)
			found, active = append(found, r), append(active, is)
			return err
		})
	if err != nil || len(found) == 0 {
		return nil, nil, err
	}
	var list []scheduler.Record
	lasting := map[int64][]int64{}
	for i, r := range found {
		if active[i] || r.Bytes == 0 {
			continue
		}
		if lasting[r.JobNum] == nil {
			if lasting[r.JobNum], err = s.lasting(ctx, r.JobNum); err != nil {
				return nil, nil, err
			}
		}
		if !slices.Contains(lasting[r.JobNum], r.Key) {
			list = append(list, r)
		}
	}
	return list, &found[len(found)-1], nil
}

// KeptOutput adds up the output of executions that ended within a time.
func (s *Store) KeptOutput(ctx context.Context, jobNum int64, from, to time.Time) (bytes int64, err error) {
	q, args := "SELECT COALESCE(SUM("+keptBytes+"), 0) FROM executions e WHERE e.finished_at > 0 AND ", []any{micros(from), micros(to)}
	if jobNum != 0 {
		// The job's own index, not the one of times.
		q, args = q+"e.job = $3 AND e.finished_at + 0 >= $1 AND e.finished_at + 0 < $2", append(args, jobNum)
	} else {
		q += "e.finished_at >= $1 AND e.finished_at < $2"
	}
	_, err = get(ctx, s.read, q, args, &bytes)
	return bytes, err
}

// DeleteExecutions deletes what is not active. The jobs are locked first, in one
// order: their deletion and new attempts wait, and find the counters as they are.
func (t *tx) DeleteExecutions(ctx context.Context, list []scheduler.Record) error {
	byJob := map[int64][]int64{}
	var jobs []int64
	for _, r := range list {
		if byJob[r.JobNum] == nil {
			jobs = append(jobs, r.JobNum)
		}
		byJob[r.JobNum] = append(byJob[r.JobNum], r.Key)
	}
	slices.Sort(jobs)
	for _, job := range jobs {
		var num int64
		found, err := get(ctx, t, "SELECT num FROM jobs WHERE num = $1"+t.s.dialect.update, []any{job}, &num)
		if err != nil {
			return err
		}
		if !found {
			continue // PurgeDeleted has it
		}
		for part := range slices.Chunk(byJob[job], idsPerQuery) {
			args := padded(part)
			err := each(ctx, t, "DELETE FROM executions AS e WHERE e.seq IN ("+placeholders(1, len(args))+") AND e.finished_at > 0 AND "+
				inactive+" RETURNING job, state", args, func(rows *sql.Rows) error {
				var job int64
				var state scheduler.State
				err := rows.Scan(&job, (*string)(&state))
				t.wrote = true
				t.pending.remove(job, state)
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// DropOutput deletes the first chunks of an output.
func (t *tx) DropOutput(ctx context.Context, r scheduler.Record, n int) (more bool, err error) {
	dropped, err := t.exec(ctx, `DELETE FROM output_chunks WHERE execution = $1 AND first_byte IN
		(SELECT first_byte FROM output_chunks WHERE execution = $1 ORDER BY first_byte LIMIT `+number("$2")+")", r.Key, n)
	return dropped == int64(n), err
}

const (
	shrinkPages = 256 // given back by one step: a megabyte
	spareShare  = 16  // one of so many pages may be free: they are soon used again
)

// Shrink gives free pages at the end of SQLite's file back. PostgreSQL does so by
// itself.
func (s *Store) Shrink(ctx context.Context) (more bool, err error) {
	if s.writer == nil {
		return false, nil
	}
	free, err := s.spare(ctx)
	if err != nil || free == 0 {
		return false, err
	}
	err = s.write(ctx, func(t *tx) error {
		t.wrote = true
		return each(ctx, t, "PRAGMA incremental_vacuum("+strconv.Itoa(shrinkPages)+")", nil, noRows)
	})
	if err != nil || free > shrinkPages {
		return err == nil, err
	}
	// The file gets shorter when the log is merged into it. A reader connection may
	// do that, and does not keep the writer waiting.
	return false, each(ctx, s.read, "PRAGMA wal_checkpoint(PASSIVE)", nil, noRows)
}

// spare returns how many pages are free beyond those that may stay so; 0 where it
// is not worth a step.
func (s *Store) spare(ctx context.Context) (int64, error) {
	var free, pages int64
	if _, err := get(ctx, s.read, "PRAGMA freelist_count", nil, &free); err != nil {
		return 0, err
	}
	if _, err := get(ctx, s.read, "PRAGMA page_count", nil, &pages); err != nil {
		return 0, err
	}
	over := free - (pages-free)/spareShare
	if over < shrinkPages/4 {
		return 0, nil
	}
	return over, nil
}

// noRows reads rows to their end, for what they do.
func noRows(*sql.Rows) error { return nil }
