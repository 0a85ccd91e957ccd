package scheduler

import (
	"context"
	"errors"
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

// startTriggered begins what e's job starts after such an outcome.
func (s *Service) startTriggered(ctx context.Context, tx Tx, fx *effects, triggers []Dependency, e Execution) error {
	for _, t := range triggers {
		if !t.On.Met(e.State) {
			continue
		}
		j, exists, err := currentJob(ctx, tx, t.JobID)
		if err != nil {
			return err
		}
		if exists {
			if err := s.runDependent(ctx, tx, fx, j, Trigger{TriggerDependency, e.JobName}); err != nil {
				return err
			}
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
			*e, inserted, err = s.beginCopies(ctx, tx, fx, j, *e, false)
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

// resolve fills in the ids of j's dependencies and triggers by their names.
// CodeInvalid: one is not known, or they lead back to j.
func (s *Service) resolve(ctx context.Context, tx Tx, j *Job) error {
	var f fields
	parents, err := lookUp(ctx, tx, j, "depends_on", j.DependsOn, &f)
	if err != nil {
		return err
	}
	children, err := lookUp(ctx, tx, j, "triggers", j.Triggers, &f)
	if err != nil || f.err() != nil {
		return errors.Join(err, f.err())
	}
	j.DependsOn, j.Triggers = parents, children
	if len(parents) == 0 && len(children) == 0 {
		return nil
	}
	path, err := cycle(ctx, tx, *j)
	if err == nil && path != nil {
		field := "depends_on"
		if len(parents) == 0 {
			field = "triggers"
		}
		f.add(field, "makes a cycle: %s", strings.Join(path, " → "))
	}
	return errors.Join(err, f.err())
}

// lookUp finds the jobs that a list of j names.
func lookUp(ctx context.Context, tx Tx, j *Job, field string, list []Dependency, f *fields) ([]Dependency, error) {
	list = slices.Clone(list)
	for i := range list {
		d := &list[i]
		if d.Job == j.Name {
			f.add(field, "job %s would wait for itself", j.Name)
			continue
		}
		other, err := tx.JobByName(ctx, d.Job)
		if CodeOf(err) == CodeNotFound {
			*f = append(*f, noSuchJob(field, d.Job))
			continue
		}
		if err != nil {
			return nil, err
		}
		if d.JobID = other.ID; d.JobID == j.ID {
			f.add(field, "job %s would wait for itself", j.Name)
		}
	}
	return list, nil
}

// cycle looks for a way from j's dependencies, and what triggers j, back to j. It
// returns the names along it, j first and last: each waits for the next. What is
// stored of j itself is about to be replaced and does not count.
func cycle(ctx context.Context, tx Tx, j Job) ([]string, error) {
	type step struct {
		id, name string
		before   *step
	}
	triggered := map[string]bool{}
	for _, t := range j.Triggers {
		triggered[t.JobID] = true
	}
	seen := map[string]bool{j.ID: true}
	var todo []*step
	next := func(from *step, d Dependency) (back *step) {
		at := &step{d.JobID, d.Job, from}
		if d.JobID == j.ID || triggered[d.JobID] {
			return at
		}
		if !seen[d.JobID] {
			seen[d.JobID] = true
			todo = append(todo, at)
		}
		return nil
	}
	deps := j.DependsOn
	for at := (&step{id: j.ID, name: j.Name}); ; at, todo = todo[0], todo[1:] {
		if at.id != j.ID {
			var err error
			if deps, err = dependenciesOf(ctx, tx, at.id); err != nil {
				return nil, err
			}
		}
		by, err := tx.TriggeredBy(ctx, at.id)
		if err != nil {
			return nil, err
		}
		by = slices.DeleteFunc(by, func(d Dependency) bool { return d.JobID == j.ID })
		for _, d := range slices.Concat(deps, by) {
			if end := next(at, d); end != nil {
				var names []string
				if end.id != j.ID {
					names = append(names, j.Name)
				}
				for ; end != nil; end = end.before {
					names = append(names, end.name)
				}
				slices.Reverse(names)
				return names, nil
			}
		}
		if len(todo) == 0 {
			return nil, nil
		}
	}
}

// dependenciesOf reads what a job depends on.
func dependenciesOf(ctx context.Context, tx Tx, id string) ([]Dependency, error) {
	satisfied, err := tx.Satisfied(ctx, id)
	list := make([]Dependency, len(satisfied))
	for i, d := range satisfied {
		list[i] = d.Dependency
	}
	return list, err
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
