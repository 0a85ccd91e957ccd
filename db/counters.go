package db

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"belfry/scheduler"
)

const microsPerHour = 3600 * 1e6

// deltas are the changes of the counters that a transaction's executions cause.
// They are added up in memory and written once per transaction, which on SQLite
// serves many callers: a busy second costs a few updates, not three per run.
type deltas struct {
	jobs  map[int64]*jobDelta
	hours map[hourKey]int64
}

type hourKey struct {
	hour  int64
	state scheduler.State
}

// jobDelta is what changed of one job.
type jobDelta struct {
	n                [9]int64 // by place in scheduler.States
	ended            bool
	removed          bool  // executions that ended were deleted
	due, attempt     int64 // the newest that ended,
	state            scheduler.State
	success, failure int64 // when the last ended so

	outcome                           scheduler.State // of the last group; "": none ended
	groupsSucceeded, groupsFailed     int64
	groupsSucceededAt, groupsFailedAt int64
}

func newDeltas() *deltas { return &deltas{} }

func (d *deltas) reset() { d.jobs, d.hours = nil, nil }

// change counts an execution of a job that went from one state to another; ""
// is "did not exist".
func (d *deltas) change(job int64, from, to scheduler.State) *jobDelta {
	j := d.jobs[job]
	if j == nil {
		if d.jobs == nil {
			d.jobs = map[int64]*jobDelta{}
		}
		j = &jobDelta{}
		d.jobs[job] = j
	}
	if i := slices.Index(scheduler.States, from); i >= 0 {
		j.n[i]--
	}
	if i := slices.Index(scheduler.States, to); i >= 0 {
		j.n[i]++
	}
	return j
}

// end counts an execution that ended.
func (d *deltas) end(job int64, from, to scheduler.State, due, attempt, finished int64) {
	j := d.change(job, from, to)
	if !j.ended || due > j.due || (due == j.due && attempt >= j.attempt) {
		j.due, j.attempt, j.state = due, attempt, to
	}
	j.ended = true
	if to == scheduler.Succeeded {
		j.success = max(j.success, finished)
	} else if to.Bad() && to != scheduler.Missed {
		j.failure = max(j.failure, finished)
	}
	if d.hours == nil {
		d.hours = map[hourKey]int64{}
	}
	d.hours[hourKey{finished - finished%microsPerHour, to}]++
}

// remove counts an execution of a job that exists, which ended and is deleted.
// What is known of the job's last ones stays true.
func (d *deltas) remove(job int64, from scheduler.State) {
	d.change(job, from, "").removed = true
}

// flush writes the changes. Rows are taken in one order, so that two servers on
// one PostgreSQL do not lock each other out, and the one row that all share last.
func (d *deltas) flush(t *tx) error {
	ctx := context.Background()
	var total [9]int64
	for _, job := range slices.Sorted(maps.Keys(d.jobs)) {
		j := d.jobs[job]
		if j.ended {
			// A deleted job's executions left the totals with it.
			if exists, err := j.flush(ctx, t, job); err != nil {
				return err
			} else if !exists {
				continue
			}
		} else if j.removed {
			if err := j.take(ctx, t, job); err != nil {
				return err
			}
		}
		for i, n := range j.n {
			total[i] += n
		}
	}
	shard := 0
	if t.s.dialect.shards > 1 {
		shard = rand.IntN(t.s.dialect.shards)
	}
	keys := slices.SortedFunc(maps.Keys(d.hours), func(a, b hourKey) int {
		return cmp.Or(cmp.Compare(a.hour, b.hour), cmp.Compare(a.state, b.state))
	})
	for _, k := range keys {
		_, err := t.exec(ctx, `INSERT INTO execution_hours (hour, state, shard, n) VALUES ($1, $2, $3, $4)
			ON CONFLICT (hour, state, shard) DO UPDATE SET n = execution_hours.n + excluded.n`,
			k.hour, string(k.state), shard, d.hours[k])
		if err != nil {
			return err
		}
	}
	return addTotals(ctx, t, shard, total)
}

func addTotals(ctx context.Context, t *tx, shard int, total [9]int64) error {
	if total == [9]int64{} {
		return nil
	}
	_, err := t.exec(ctx, `UPDATE execution_totals SET queued = queued + $1, running = running + $2,
		succeeded = succeeded + $3, failed = failed + $4, timed_out = timed_out + $5,
		cancelled = cancelled + $6, lost = lost + $7, skipped = skipped + $8, missed = missed + $9
		WHERE shard = $10`,
		total[0], total[1], total[2], total[3], total[4], total[5], total[6], total[7], total[8], shard)
	return err
}

// take updates the job's row where executions were only deleted.
func (j *jobDelta) take(ctx context.Context, t *tx, job int64) error {
	args := []any{job}
	var set []string
	for i, s := range scheduler.States {
		if s.Final() && j.n[i] != 0 {
			args = append(args, j.n[i])
			set = append(set, fmt.Sprintf("%s = %s + $%d", s, s, len(args)))
		}
	}
	if len(set) == 0 {
		return nil
	}
	_, err := t.exec(ctx, "UPDATE job_stats SET "+strings.Join(set, ", ")+" WHERE job = $1", args...)
	return err
}

// flush updates the job's row, and makes it for the first execution that ended.
func (j *jobDelta) flush(ctx context.Context, t *tx, job int64) (exists bool, err error) {
	args := []any{job, j.due, j.attempt, string(j.state)}
	add := func(v any) string {
		args = append(args, v)
		return fmt.Sprintf("$%d", len(args))
	}
	var set strings.Builder
	for i, s := range scheduler.States {
		if s.Final() && j.n[i] != 0 {
			set.WriteString(string(s) + " = " + string(s) + " + " + add(j.n[i]) + ", ")
		}
	}
	if j.success != 0 {
		p := add(j.success)
		set.WriteString("last_success_at = CASE WHEN last_success_at > " + p + " THEN last_success_at ELSE " + p + " END, ")
	}
	if j.failure != 0 {
		p := add(j.failure)
		set.WriteString("last_failure_at = CASE WHEN last_failure_at > " + p + " THEN last_failure_at ELSE " + p + " END, ")
	}
	set.WriteString(j.groups(add))
	const newer = "CASE WHEN last_due > $2 OR (last_due = $2 AND last_attempt > $3) THEN "
	update := "UPDATE job_stats SET " + set.String() +
		"last_state = " + newer + "last_state ELSE $4 END, " +
		"last_attempt = " + newer + "last_attempt ELSE $3 END, " +
		"last_due = CASE WHEN last_due > $2 THEN last_due ELSE $2 END WHERE job = $1"
	for range 2 {
		n, err := t.exec(ctx, update, args...)
		if err != nil || n > 0 {
			return n > 0, err
		}
		n, err = t.exec(ctx, "INSERT INTO job_stats (job) SELECT num FROM jobs WHERE num = $1"+
			t.s.dialect.share+" ON CONFLICT DO NOTHING", job)
		if err != nil {
			return false, err
		}
		if n == 0 && t.s.dialect.shards == 1 {
			return false, nil
		}
	}
	return false, nil
}
