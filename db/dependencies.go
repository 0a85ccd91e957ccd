package db

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"belfry/scheduler"
)

// addDependencies reads what the jobs depend on and what they trigger, for those
// where scanJob says that there is something, in the order in which it was written.
func addDependencies(ctx context.Context, q querier, jobs []*scheduler.Job) error {
	err := addRelated(ctx, q, jobs, func(j *scheduler.Job) *[]scheduler.Dependency { return &j.DependsOn },
		"SELECT d.child, p.id, p.name, d.condition FROM job_dependencies d JOIN jobs p ON p.num = d.parent WHERE d.child", "d.child")
	if err != nil {
		return err
	}
	return addRelated(ctx, q, jobs, func(j *scheduler.Job) *[]scheduler.Dependency { return &j.Triggers },
		"SELECT t.parent, c.id, c.name, t.condition FROM job_triggers t JOIN jobs c ON c.num = t.child WHERE t.parent", "t.parent")
}

// addRelated fills one list of the jobs in which it is not empty.
func addRelated(ctx context.Context, q querier, jobs []*scheduler.Job, of func(*scheduler.Job) *[]scheduler.Dependency, query, by string) error {
	lists := map[int64]*[]scheduler.Dependency{}
	var nums []int64
	for _, j := range jobs {
		if list := of(j); len(*list) > 0 {
			*list = nil
			lists[j.Num] = list
			nums = append(nums, j.Num)
		}
	}
	for part := range slices.Chunk(nums, idsPerQuery) {
		args := padded(part)
		err := each(ctx, q, query+" IN ("+placeholders(1, len(args))+") ORDER BY "+by+", position", args, func(rows *sql.Rows) error {
			var num int64
			var d scheduler.Dependency
			err := rows.Scan(&num, &d.JobID, &d.Job, (*string)(&d.On))
			*lists[num] = append(*lists[num], d)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// setDependencies stores what j depends on. What is fulfilled stays so.
func (t *tx) setDependencies(ctx context.Context, j *scheduler.Job) error {
	old := map[string]string{}
	if j.Version > 1 {
		err := each(ctx, t, "SELECT p.id, d.condition FROM job_dependencies d JOIN jobs p ON p.num = d.parent WHERE d.child = $1",
			[]any{j.Num}, func(rows *sql.Rows) error {
				var id, on string
				err := rows.Scan(&id, &on)
				old[id] = on
				return err
			})
		if err != nil {
			return err
		}
	}
	if len(j.DependsOn) > 0 {
		t.s.jobs.related()
	}
	for i, d := range j.DependsOn {
		keep := ", satisfied = excluded.satisfied"
		if old[d.JobID] == string(d.On) {
			keep = ""
		}
		delete(old, d.JobID)
		n, err := t.exec(ctx, `INSERT INTO job_dependencies (child, parent, position, condition, satisfied)
			SELECT $1, num, $2, $3, $4 FROM jobs WHERE id = $5`+t.s.dialect.share+`
			ON CONFLICT (child, parent) DO UPDATE SET position = excluded.position, condition = excluded.condition`+keep,
			j.Num, i, string(d.On), false, d.JobID)
		if err != nil {
			return err
		}
		if n == 0 {
			return noJob(d.Job)
		}
	}
	for id := range old {
		if _, err := t.exec(ctx, "DELETE FROM job_dependencies WHERE child = $1 AND parent = (SELECT num FROM jobs WHERE id = $2)",
			j.Num, id); err != nil {
			return err
		}
	}
	return nil
}

// setTriggers stores what j triggers.
func (t *tx) setTriggers(ctx context.Context, j *scheduler.Job) error {
	if j.Version > 1 {
		if _, err := t.exec(ctx, "DELETE FROM job_triggers WHERE parent = $1", j.Num); err != nil {
			return err
		}
	}
	for i, d := range j.Triggers {
		n, err := t.exec(ctx, `INSERT INTO job_triggers (parent, child, position, condition)
			SELECT $1, num, $2, $3 FROM jobs WHERE id = $4`+t.s.dialect.share, j.Num, i, string(d.On), d.JobID)
		if err != nil {
			return err
		}
		if n == 0 {
			return noJob(d.Job)
		}
	}
	return nil
}

// TriggeredBy lists the jobs that trigger a job.
func (t *tx) TriggeredBy(ctx context.Context, jobID string) ([]scheduler.Dependency, error) {
	var list []scheduler.Dependency
	err := each(ctx, t, `SELECT p.id, p.name, t.condition FROM job_triggers t JOIN jobs p ON p.num = t.parent
		WHERE t.child = (SELECT num FROM jobs WHERE id = $1) ORDER BY t.parent`, []any{jobID}, func(rows *sql.Rows) error {
		var d scheduler.Dependency
		err := rows.Scan(&d.JobID, &d.Job, (*string)(&d.On))
		list = append(list, d)
		return err
	})
	return list, err
}

// untrigger lets no job trigger one that goes: a change of each that did.
func (t *tx) untrigger(ctx context.Context, id string) error {
	parents, err := t.TriggeredBy(ctx, id)
	for _, p := range parents {
		t.s.jobs.drop(p.JobID)
		if _, err := t.exec(ctx, "UPDATE jobs SET version = version + 1 WHERE id = $1", p.JobID); err != nil {
			return err
		}
	}
	return err
}

// dependents asks for those of $1.
const dependents = `SELECT c.id, c.name, d.condition, d.satisfied FROM job_dependencies d JOIN jobs c ON c.num = d.child
	WHERE d.parent = (SELECT num FROM jobs WHERE id = $1) ORDER BY d.child`

func readDependents(ctx context.Context, q querier, jobID string) ([]scheduler.Dependent, error) {
	var list []scheduler.Dependent
	err := each(ctx, q, dependents, []any{jobID}, func(rows *sql.Rows) error {
		var d scheduler.Dependent
		err := rows.Scan(&d.JobID, &d.Job, (*string)(&d.On), &d.Satisfied)
		list = append(list, d)
		return err
	})
	return list, err
}

// Dependents lists the jobs that depend on a job.
func (s *Store) Dependents(ctx context.Context, jobID string) ([]scheduler.Dependent, error) {
	return readDependents(ctx, s.read, jobID)
}

// Dependents lists the jobs that depend on a job.
func (t *tx) Dependents(ctx context.Context, jobID string) ([]scheduler.Dependent, error) {
	if t.s.writer != nil && t.s.jobs.isAlone(jobID) {
		return nil, nil
	}
	list, err := readDependents(ctx, t, jobID)
	if t.s.writer != nil && err == nil && len(list) == 0 {
		t.s.jobs.setAlone(jobID)
	}
	return list, err
}

// Satisfied reports which of a job's dependencies are fulfilled. On PostgreSQL
// it keeps others from deciding about the job until the transaction ends: of two
// parents that end at once, the second sees the first.
func (t *tx) Satisfied(ctx context.Context, jobID string) ([]scheduler.SatisfiedDependency, error) {
	if t.s.dialect.update != "" {
		var num int64
		if _, err := get(ctx, t, "SELECT num FROM jobs WHERE id = $1"+t.s.dialect.update, []any{jobID}, &num); err != nil {
			return nil, err
		}
	}
	var list []scheduler.SatisfiedDependency
	err := each(ctx, t, `SELECT p.id, p.name, d.condition, d.satisfied FROM job_dependencies d JOIN jobs p ON p.num = d.parent
		WHERE d.child = (SELECT num FROM jobs WHERE id = $1) ORDER BY d.parent`, []any{jobID}, func(rows *sql.Rows) error {
		var d scheduler.SatisfiedDependency
		err := rows.Scan(&d.JobID, &d.Job, (*string)(&d.On), &d.Satisfied)
		list = append(list, d)
		return err
	})
	return list, err
}

// Satisfy notes that a dependency is fulfilled or not.
func (t *tx) Satisfy(ctx context.Context, jobID, parentID string, is bool) error {
	_, err := t.exec(ctx, `UPDATE job_dependencies SET satisfied = $3 WHERE child = (SELECT num FROM jobs WHERE id = $1)
		AND parent = (SELECT num FROM jobs WHERE id = $2)`, jobID, parentID, is)
	return err
}

// Use notes that all of a job's dependencies were used.
func (t *tx) Use(ctx context.Context, jobID string) error {
	_, err := t.exec(ctx, "UPDATE job_dependencies SET satisfied = $2 WHERE child = (SELECT num FROM jobs WHERE id = $1)", jobID, false)
	return err
}

// Release removes all dependencies on a job: a change of each job that had one.
func (t *tx) Release(ctx context.Context, parentID string) error {
	children, err := t.Dependents(ctx, parentID)
	if err != nil || len(children) == 0 {
		return err
	}
	for _, c := range children {
		t.s.jobs.drop(c.JobID)
		if _, err := t.exec(ctx, "UPDATE jobs SET version = version + 1 WHERE id = $1", c.JobID); err != nil {
			return err
		}
	}
	_, err = t.exec(ctx, "DELETE FROM job_dependencies WHERE parent = (SELECT num FROM jobs WHERE id = $1)", parentID)
	return err
}

// HasRun reports whether any execution of a job is stored.
func (t *tx) HasRun(ctx context.Context, jobID string) (bool, error) {
	var one int
	return get(ctx, t, "SELECT 1 FROM executions WHERE job = (SELECT num FROM jobs WHERE id = $1) LIMIT 1", []any{jobID}, &one)
}

// LastOutcome returns how the newest execution of a job ended that ran or was
// cancelled.
func (t *tx) LastOutcome(ctx context.Context, jobID string) (scheduler.State, error) {
	var state string
	_, err := get(ctx, t, `SELECT state FROM executions WHERE job = (SELECT num FROM jobs WHERE id = $1) AND finished_at > 0
		AND state NOT IN ('skipped', 'missed') ORDER BY due_at DESC, attempt DESC LIMIT 1`, []any{jobID}, &state)
	return scheduler.State(state), err
}

// LastDue returns the newest due time of a schedule's execution of a job.
func (t *tx) LastDue(ctx context.Context, jobID string) (at time.Time, err error) {
	var due int64
	_, err = get(ctx, t, `SELECT due_at FROM executions WHERE job = (SELECT num FROM jobs WHERE id = $1)
		AND trigger_kind || '' = 'schedule' ORDER BY due_at DESC, attempt DESC LIMIT 1`, []any{jobID}, &due)
	return fromMicros(due), err
}
