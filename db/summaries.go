package db

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"strings"
	"time"

	"belfry/scheduler"
)

// JobSummaries answers for each of ids that exists.
func (s *Store) JobSummaries(ctx context.Context, ids []string) (map[string]scheduler.JobSummary, error) {
	all := make(map[string]scheduler.JobSummary, len(ids))
	for part := range slices.Chunk(ids, idsPerQuery) {
		args := padded(part)
		in := " IN (" + placeholders(1, len(args)) + ")"
		err := each(ctx, s.read, `SELECT j.id, COALESCE(s.groups_succeeded, 0), COALESCE(s.groups_failed, 0),
			COALESCE(s.groups_succeeded_at, 0), COALESCE(s.groups_failed_at, 0), COALESCE(s.outcome, '')
			FROM jobs j LEFT JOIN job_stats s ON s.job = j.num WHERE j.id`+in, args, func(rows *sql.Rows) error {
			var id string
			var m scheduler.JobSummary
			var succeeded, failed int64
			err := rows.Scan(&id, &m.Succeeded, &m.Failed, &succeeded, &failed, (*string)(&m.Outcome))
			m.SucceededAt, m.FailedAt = fromMicros(succeeded), fromMicros(failed)
			all[id] = m
			return err
		})
		if err != nil {
			return nil, err
		}
		err = each(ctx, s.read, `SELECT p.id, c.name FROM jobs p JOIN job_dependencies d ON d.parent = p.num JOIN jobs c ON c.num = d.child
			WHERE p.id`+in, args, func(rows *sql.Rows) error {
			var id, name string
			err := rows.Scan(&id, &name)
			m := all[id]
			m.Dependents = append(m.Dependents, name)
			all[id] = m
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	for _, m := range all {
		slices.SortFunc(m.Dependents, func(a, b string) int {
			return cmp.Or(cmp.Compare(strings.ToLower(a), strings.ToLower(b)), cmp.Compare(a, b))
		})
	}
	return all, nil
}

// nearStart is how long most executions wait at most: the index by due time finds
// those without a look at the whole history.
const nearStart = time.Hour

// StartedAt lists the executions of a job that began to run at an instant.
func (s *Store) StartedAt(ctx context.Context, jobID string, at time.Time) ([]scheduler.Execution, error) {
	const query = known + `e.job = (SELECT num FROM jobs WHERE id = $1) AND e.started_at = $2 AND e.due_at <= $2 AND e.due_at >= $3
		ORDER BY e.due_at, e.attempt`
	list, err := executions(ctx, s.read, query, jobID, micros(at), micros(at.Add(-nearStart)))
	if err != nil || len(list) > 0 {
		return list, err
	}
	return executions(ctx, s.read, query, jobID, micros(at), int64(0))
}

// CountOutcome notes how a group of a job ended.
func (t *tx) CountOutcome(ctx context.Context, jobID string, state scheduler.State, at time.Time) error {
	if !scheduler.OnAny.Met(state) {
		return nil
	}
	num, err := t.jobNum(ctx, jobID)
	if scheduler.CodeOf(err) == scheduler.CodeNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	d := t.pending.change(num, "", "")
	d.outcome = state
	if state == scheduler.Succeeded {
		d.groupsSucceeded++
		d.groupsSucceededAt = max(d.groupsSucceededAt, micros(at))
	} else {
		d.groupsFailed++
		d.groupsFailedAt = max(d.groupsFailedAt, micros(at))
	}
	return nil
}

// groups writes what CountOutcome noted into the columns of the job's row.
func (j *jobDelta) groups(add func(any) string) (set string) {
	if j.outcome == "" {
		return ""
	}
	for _, c := range []struct {
		column string
		n, at  int64
	}{{"groups_succeeded", j.groupsSucceeded, j.groupsSucceededAt}, {"groups_failed", j.groupsFailed, j.groupsFailedAt}} {
		if c.n != 0 {
			at := add(c.at)
			set += c.column + " = " + c.column + " + " + add(c.n) + ", " +
				c.column + "_at = CASE WHEN " + c.column + "_at > " + at + " THEN " + c.column + "_at ELSE " + at + " END, "
		}
	}
	return set + "outcome = " + add(string(j.outcome)) + ", "
}

// ClearSummary makes the numbers and times of a job's summary zero.
func (t *tx) ClearSummary(ctx context.Context, jobID string) error {
	if err := t.flush(); err != nil {
		return err
	}
	_, err := t.exec(ctx, `UPDATE job_stats SET groups_succeeded = 0, groups_failed = 0, groups_succeeded_at = 0, groups_failed_at = 0
		WHERE job = (SELECT num FROM jobs WHERE id = $1)`, jobID)
	return err
}

// DeleteHistory deletes executions of a job that ended until an instant.
func (t *tx) DeleteHistory(ctx context.Context, jobID string, until time.Time, limit int) (more bool, err error) {
	var list []scheduler.Record
	budget := int64(purgeBytes)
	err = each(ctx, t, "SELECT e.seq, e.job, e.finished_at, "+keptBytes+` FROM executions e WHERE e.job = (SELECT num FROM jobs WHERE id = $1)
		AND e.finished_at > 0 AND e.finished_at <= $2 AND `+inactive+" ORDER BY e.due_at, e.attempt LIMIT "+number("$3"),
		[]any{jobID, micros(until), limit}, func(rows *sql.Rows) error {
			r, err := scanRecord(rows)
			list = append(list, r)
			return err
		})
	if err != nil {
		return false, err
	}
	all := len(list) < limit
	for i, r := range list {
		if budget -= r.Bytes; budget < 0 && i > 0 {
			list, all = list[:i], false
			break
		}
	}
	return !all, t.DeleteExecutions(ctx, list)
}
