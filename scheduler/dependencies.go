package scheduler

import (
	"context"
	"slices"
	"strings"
	"time"
)

// trigger tells the dependents of e's job how e's group ended, in the transaction
// that ends it: none is lost and none doubled, whatever happens next. A dependent
// runs when the last outcome of each job it depends on was what it waits for,
// since it last ran for them.
func (s *Service) trigger(ctx context.Context, tx Tx, fx *effects, e Execution) error {
	dependents, err := tx.Dependents(ctx, e.JobID)
	if err != nil {
		return err
	}
	// All of them know before the first begins: that may end others' groups.
	var complete []string
	for _, d := range dependents {
		met := d.On.Met(e.State)
		if met != d.Satisfied {
			if err := tx.Satisfy(ctx, d.JobID, e.JobID, met); err != nil {
				return err
			}
		}
		if !met {
			continue
		}
		all, err := allSatisfied(ctx, tx, d.JobID)
		if err != nil {
			return err
		}
		if all {
			complete = append(complete, d.JobID)
		}
	}
	jobs := make([]Job, 0, len(complete))
	for _, id := range complete {
		j, exists, err := currentJob(ctx, tx, id)
		if err != nil {
			return err
		}
		if exists && !j.Once {
			err = tx.Use(ctx, id)
		}
		if err != nil {
			return err
		}
		if exists {
			jobs = append(jobs, j)
		}
	}
	for _, j := range jobs {
		if err := s.runDependent(ctx, tx, fx, j, Trigger{TriggerDependency, e.JobName}); err != nil {
			return err
		}
	}
	return nil
}

// allSatisfied reports whether all of a job's dependencies are fulfilled.
func allSatisfied(ctx context.Context, tx Tx, id string) (bool, error) {
	deps, err := tx.Satisfied(ctx, id)
	if err != nil {
		return false, err
	}
	return !slices.ContainsFunc(deps, func(d SatisfiedDependency) bool { return !d.Satisfied }), nil
}

// runDependent begins an execution of a job all of whose dependencies are
// fulfilled.
func (s *Service) runDependent(ctx context.Context, tx Tx, fx *effects, j Job, by Trigger) error {
	if j.Once {
		return s.runOnce(ctx, tx, fx, j, by)
	}
	now := s.now()
	e := s.first(j, by, now, now)
	if reason := j.off(now); reason != "" {
		e.State, e.Reason = Skipped, "skipped: "+reason
	}
	return s.beginNow(ctx, tx, fx, j, &e)
}

// off says why nothing but a person may start j at now, "" when everything may.
func (j *Job) off(now time.Time) string {
	switch {
	case !j.Enabled:
		return "the job is disabled"
	case now.Before(j.PausedUntil):
		return "the job is paused until " + clock(j.PausedUntil)
	case now.Before(j.StartsAt):
		return "the job starts at " + clock(j.StartsAt)
	case !j.EndsAt.IsZero() && !now.Before(j.EndsAt):
		return "the job ended at " + clock(j.EndsAt)
	default:
		return ""
	}
}

// beginNow stores an execution that has no due time of a schedule: where its
// instant is taken, the next microsecond serves as well. Whole seconds are left to
// the schedules.
func (s *Service) beginNow(ctx context.Context, tx Tx, fx *effects, j Job, e *Execution) error {
	if e.DueAt.Nanosecond() == 0 {
		e.DueAt = e.DueAt.Add(time.Microsecond)
	}
	for {
		var inserted bool
		var err error
		if e.State.Final() {
			*e, inserted, err = s.insert(ctx, tx, fx, *e)
		} else {
			*e, inserted, err = s.begin(ctx, tx, fx, j, *e, false)
		}
		if err != nil || inserted {
			return err
		}
		e.DueAt = e.DueAt.Add(time.Microsecond)
	}
}

// runOnce begins the one execution of a job that runs once, if it has not run, is
// not off, and its dependencies are fulfilled.
func (s *Service) runOnce(ctx context.Context, tx Tx, fx *effects, j Job, by Trigger) error {
	now := s.now()
	if !j.Once || !j.Enabled || (!j.EndsAt.IsZero() && !now.Before(j.EndsAt)) {
		return nil
	}
	has, err := tx.HasRun(ctx, j.ID)
	if err != nil || has {
		return err
	}
	if all, err := allSatisfied(ctx, tx, j.ID); err != nil || !all {
		return err
	}
	e := s.first(j, by, now, now)
	for _, t := range []time.Time{j.StartsAt, j.PausedUntil} {
		if t.After(e.RunAt) {
			e.RunAt = t
		}
	}
	return s.beginNow(ctx, tx, fx, j, &e)
}

// resolve fills in the ids of j's dependencies by their names. CodeInvalid: one is
// not known, or they lead back to j.
func (s *Service) resolve(ctx context.Context, tx Tx, j *Job) error {
	var f fields
	j.DependsOn = slices.Clone(j.DependsOn)
	for i := range j.DependsOn {
		d := &j.DependsOn[i]
		if d.Job == j.Name {
			f.add("depends_on", "job %s would wait for itself", j.Name)
			continue
		}
		parent, err := tx.JobByName(ctx, d.Job)
		if CodeOf(err) == CodeNotFound {
			f = append(f, noSuchDependency(d.Job))
			continue
		}
		if err != nil {
			return err
		}
		if d.JobID = parent.ID; d.JobID == j.ID {
			f.add("depends_on", "job %s would wait for itself", j.Name)
			continue
		}
		path, err := s.path(ctx, tx, parent, j.ID)
		if err != nil {
			return err
		}
		if path != nil {
			f.add("depends_on", "makes a cycle: %s", strings.Join(append([]string{j.Name}, append(path, j.Name)...), " → "))
		}
	}
	return f.err()
}

// path returns the names of the jobs from one to another along what they depend
// on, without the last; nil when there is no way.
func (s *Service) path(ctx context.Context, tx Tx, from Job, to string) ([]string, error) {
	type step struct {
		id, name string
		before   *step
	}
	seen := map[string]bool{from.ID: true}
	for todo := []*step{{id: from.ID, name: from.Name}}; len(todo) > 0; todo = todo[1:] {
		at := todo[0]
		deps, err := tx.Satisfied(ctx, at.id)
		if err != nil {
			return nil, err
		}
		for _, d := range deps {
			if d.JobID == to {
				var names []string
				for ; at != nil; at = at.before {
					names = append(names, at.name)
				}
				slices.Reverse(names)
				return names, nil
			}
			if !seen[d.JobID] {
				seen[d.JobID] = true
				todo = append(todo, &step{d.JobID, d.Job, at})
			}
		}
	}
	return nil, nil
}

// inherit notes for a job that runs once, and is new to its dependencies, which
// of them have had their outcome already.
func (s *Service) inherit(ctx context.Context, tx Tx, j Job, before []Dependency) error {
	if !j.Once {
		return nil
	}
	for _, d := range j.DependsOn {
		if slices.ContainsFunc(before, func(b Dependency) bool { return b.JobID == d.JobID && b.On == d.On }) {
			continue
		}
		last, err := tx.LastOutcome(ctx, d.JobID)
		if err != nil {
			return err
		}
		if d.On.Met(last) {
			if err := tx.Satisfy(ctx, j.ID, d.JobID, true); err != nil {
				return err
			}
		}
	}
	return nil
}
