package scheduler

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"belfry/scheduler/cron"
)

// CreateJob stores a new job. It needs the role editor. CodeInvalid names the
// fields that are wrong; CodeConflict: the name is taken.
func (s *Service) CreateJob(ctx context.Context, by Principal, d Draft, origin Origin) (Job, error) {
	if err := s.submitting(by, "creating a job"); err != nil {
		return Job{}, err
	}
	if err := s.knownClass(&d, nil); err != nil {
		return Job{}, err
	}
	return s.createJob(ctx, by, d, origin)
}

// CheckJob says with CodeInvalid what is wrong with a job by itself, as CreateJob
// would.
func (s *Service) CheckJob(ctx context.Context, d Draft) error {
	d.Normalize()
	return s.validate(ctx, &d)
}

func (s *Service) createJob(ctx context.Context, by Principal, d Draft, origin Origin) (Job, error) {
	if err := s.submitting(by, "creating a job"); err != nil {
		return Job{}, err
	}
	d.Normalize()
	if err := s.validate(ctx, &d); err != nil {
		return Job{}, err
	}
	var j Job
	err := s.inTx(ctx, func(tx Tx, fx *effects) (err error) {
		j, err = s.createIn(ctx, tx, fx, by, d, origin, "")
		return err
	})
	if err != nil {
		return Job{}, nameTaken(err, d.Name)
	}
	return j, nil
}

// createIn stores a new job within a transaction.
func (s *Service) createIn(ctx context.Context, tx Tx, fx *effects, by Principal, d Draft, origin Origin, source string) (Job, error) {
	now := s.now()
	j := Job{
		ID: s.NewID(), Draft: d, Origin: origin, Source: source, Version: 1,
		LiveSince: now, CreatedAt: now, UpdatedAt: now,
	}
	if err := s.resolve(ctx, tx, &j); err != nil {
		return j, err
	}
	if err := tx.InsertJob(ctx, &j); err != nil {
		return j, err
	}
	if err := s.inherit(ctx, tx, j, nil); err != nil {
		return j, err
	}
	if err := s.runOnce(ctx, tx, fx, j, Trigger{triggerKind(by), by.Name}); err != nil {
		return j, err
	}
	fx.jobs = append(fx.jobs, jobChange{Job: j, change: JobAdded})
	return j, tx.InsertAudit(ctx, s.audit(by, "job.create", j.Name, nil, auditJob(j)))
}

// UpdateJob replaces what people decide about the named job. It needs the role
// editor. version is the one the change was made from, 0 for any; CodeConflict:
// the job changed meanwhile, or the new name is taken.
func (s *Service) UpdateJob(ctx context.Context, by Principal, name string, version int64, d Draft) (Job, error) {
	if err := s.submitting(by, "changing a job"); err != nil {
		return Job{}, err
	}
	if d.Executor == ClassExecutor {
		stored, err := s.Store.JobByName(ctx, name)
		if err != nil {
			return Job{}, err
		}
		if err := s.knownClass(&d, &stored.Draft); err != nil {
			return Job{}, err
		}
	}
	return s.updateJob(ctx, by, name, version, d)
}

func (s *Service) updateJob(ctx context.Context, by Principal, name string, version int64, d Draft) (Job, error) {
	if err := s.submitting(by, "changing a job"); err != nil {
		return Job{}, err
	}
	d.Normalize()
	if err := s.keepSecrets(ctx, name, &d); err != nil {
		return Job{}, err
	}
	if err := s.validate(ctx, &d); err != nil {
		return Job{}, err
	}
	return s.changeJob(ctx, by, "job.update", name, func(j *Job) error {
		if version != 0 && version != j.Version {
			return Errorf(CodeConflict, "job %s was changed by somebody else since you opened it (version %d, now %d)", j.Name, version, j.Version)
		}
		if err := j.owned("changed"); err != nil {
			return err
		}
		if d.Extra == nil {
			d.Extra = j.Extra
		}
		if sameDraft(j.Draft, d) && sameJobs(j.DependsOn, d.DependsOn) && sameJobs(j.Triggers, d.Triggers) {
			return errUnchanged // what was read was sent back: no version, no audit row, no event
		}
		j.Draft = d
		return nil
	})
}

// errUnchanged ends a transaction that would store what is stored.
var errUnchanged = errors.New("nothing changes")

// SetEnabled lets the named job's schedules fire, or not. It needs the role
// operator. What is queued or running goes on.
func (s *Service) SetEnabled(ctx context.Context, by Principal, name string, enabled bool) (Job, error) {
	action, what := enabling(enabled)
	if err := authorize(by, Operator, what); err != nil {
		return Job{}, err
	}
	return s.changeJob(ctx, by, action, name, func(j *Job) error {
		if j.Enabled == enabled {
			return errUnchanged
		}
		j.Enabled = enabled
		return nil
	})
}

// Toggle is SetEnabled to the other of the two. Each of many at once counts.
func (s *Service) Toggle(ctx context.Context, by Principal, name string) (j Job, err error) {
	if err := authorize(by, Operator, "enabling or disabling a job"); err != nil {
		return Job{}, err
	}
	found, err := s.Store.JobByName(ctx, name)
	if err != nil {
		return Job{}, err
	}
	err = s.inTx(ctx, func(tx Tx, fx *effects) error {
		before, err := tx.Job(ctx, found.ID)
		if err != nil {
			return err
		}
		action, _ := enabling(!before.Enabled)
		j, err = s.changeIn(ctx, tx, fx, by, action, found.ID, func(j *Job) error {
			j.Enabled = !before.Enabled
			return nil
		})
		return err
	})
	return j, err
}

// enabling is what setting Enabled is called in audit rows and in words.
func enabling(enabled bool) (action, what string) {
	if enabled {
		return "job.enable", "enabling a job"
	}
	return "job.disable", "disabling a job"
}

// validate says everything that is wrong with a draft at once, also what only the
// store knows. The transaction that stores it looks again.
func (s *Service) validate(ctx context.Context, d *Draft) error {
	err := validateNotify(d, s.Senders, d.Validate(s.Executors))
	var invalid *Error
	if !errors.As(err, &invalid) {
		return err
	}
	for field, list := range map[string][]Dependency{"depends_on": d.DependsOn, "triggers": d.Triggers} {
		for _, dep := range list {
			if _, missing := s.Store.JobByName(ctx, dep.Job); dep.Job != "" && CodeOf(missing) == CodeNotFound {
				invalid.Fields = append(invalid.Fields, noSuchJob(field, dep.Job))
			}
		}
	}
	return err
}

func noSuchJob(field, name string) FieldError {
	return FieldError{field, fmt.Sprintf("there is no job %q", cut(name, 80))}
}

// changeJob applies change to the named job in one transaction with its audit row.
func (s *Service) changeJob(ctx context.Context, by Principal, action, name string, change func(*Job) error) (Job, error) {
	found, err := s.Store.JobByName(ctx, name)
	if err != nil {
		return Job{}, err
	}
	var j Job
	err = s.inTx(ctx, func(tx Tx, fx *effects) (err error) {
		j, err = s.changeIn(ctx, tx, fx, by, action, found.ID, change)
		return err
	})
	if errors.Is(err, errUnchanged) {
		return j, nil
	}
	if err != nil {
		return Job{}, nameTaken(err, j.Name)
	}
	return j, nil
}

// changeIn is changeJob within a transaction.
func (s *Service) changeIn(ctx context.Context, tx Tx, fx *effects, by Principal, action, id string, change func(*Job) error) (Job, error) {
	before, err := tx.Job(ctx, id)
	if err != nil {
		return before, err
	}
	if err := before.inTree(); err != nil {
		return before, err
	}
	j := before
	if err := change(&j); err != nil {
		return j, err
	}
	if err := s.resolve(ctx, tx, &j); err != nil {
		return j, err
	}
	j.Version, j.UpdatedAt = before.Version+1, s.now()
	if before.Enabled != j.Enabled || !before.Times().Equal(j.Times()) {
		if err := s.settleChange(ctx, tx, fx, before); err != nil {
			return j, err
		}
		j.LiveSince = j.UpdatedAt
	}
	if err := tx.UpdateJob(ctx, j); err != nil {
		return j, err
	}
	if err := s.inherit(ctx, tx, j, before.DependsOn); err != nil {
		return j, err
	}
	if err := s.restrain(ctx, tx, fx, j); err != nil {
		return j, err
	}
	if err := s.advance(ctx, tx, fx, j); err != nil {
		return j, err
	}
	if err := s.runOnce(ctx, tx, fx, j, Trigger{triggerKind(by), by.Name}); err != nil {
		return j, err
	}
	fx.jobs = append(fx.jobs, jobChange{Job: j, change: JobUpdated})
	return j, tx.InsertAudit(ctx, s.audit(by, action, before.Name, auditJob(before), auditJob(j)))
}

// settleChange accounts for what came due of j before its due times change: within
// a freeze, or so recently that it may not be stored yet.
func (s *Service) settleChange(ctx context.Context, tx Tx, fx *effects, j Job) error {
	if !j.Live() {
		return nil
	}
	now := s.now()
	if f := s.Frozen(); f.Active() {
		from := later(f.Since, j.LiveSince)
		return s.settleJob(ctx, tx, fx, j, gap{from.Add(-1), now, f.String()})
	}
	due, err := j.Times().Parse()
	if err != nil {
		return err
	}
	from := later(now.Add(-missedAfter), j.LiveSince).Add(-1)
	if stored, err := tx.LastDue(ctx, j.ID); err != nil {
		return err
	} else if stored.After(from) {
		from = stored
	}
	for _, at := range due.collect(from, now, maxCounted) {
		if err := s.fireDue(ctx, tx, fx, j, at, now); err != nil {
			return err
		}
	}
	return nil
}

// DeleteJob deletes the named job with its history; what is queued or running of
// it is cancelled. It needs the role editor. CodeConflict: other jobs depend on
// it; with force they do not any more, and a job that only waited for this one to
// run once runs.
func (s *Service) DeleteJob(ctx context.Context, by Principal, name string, force bool) error {
	if err := authorize(by, Editor, "deleting a job"); err != nil {
		return err
	}
	j, err := s.Store.JobByName(ctx, name)
	if err != nil {
		return err
	}
	if err := j.owned("deleted"); err != nil {
		return err
	}
	return s.inTx(ctx, func(tx Tx, fx *effects) error { return s.deleteIn(ctx, tx, fx, by, j, force) })
}

// deleteIn is DeleteJob within a transaction.
func (s *Service) deleteIn(ctx context.Context, tx Tx, fx *effects, by Principal, j Job, force bool) error {
	dependents, err := tx.Dependents(ctx, j.ID)
	if err != nil {
		return err
	}
	if len(dependents) > 0 && !force {
		return dependedOn(j.Name, dependents)
	}
	if err := tx.Release(ctx, j.ID); err != nil {
		return err
	}
	for _, d := range dependents {
		child, exists, err := currentJob(ctx, tx, d.JobID)
		if err != nil {
			return err
		}
		if exists {
			if err := s.runOnce(ctx, tx, fx, child, Trigger{TriggerDependency, j.Name}); err != nil {
				return err
			}
		}
	}
	stats, err := tx.JobStats(ctx, j.ID)
	if err != nil {
		return err
	}
	running, err := s.cancelAll(ctx, tx, fx, j, "job deleted by "+by.Name)
	if err != nil {
		return err
	}
	if err := tx.DeleteJob(ctx, j.ID); err != nil {
		return err
	}
	fx.jobs = append(fx.jobs, jobChange{Job: j, change: JobRemoved, stats: &stats, running: running})
	return tx.InsertAudit(ctx, s.audit(by, "job.delete", j.Name, auditJob(j), nil))
}

// cancelAll ends what is active of a job that goes; nothing depends on it any more.
// What is running is stopped after the commit.
func (s *Service) cancelAll(ctx context.Context, tx Tx, fx *effects, j Job, reason string) (running []string, err error) {
	active, err := tx.ActiveExecutions(ctx, j.ID, maxParallel)
	if err != nil {
		return nil, err
	}
	for _, e := range active {
		if e.State == Running {
			fx.stop = append(fx.stop, stopping{e.ID, reason})
			running = append(running, e.ID)
			continue
		}
		e.State, e.Reason, e.FinishedAt = Cancelled, reason, s.now()
		if err := tx.Finish(ctx, e, Queued); err != nil {
			return nil, err
		}
	}
	return running, nil
}

// owned refuses to change here what is defined elsewhere.
func (j *Job) owned(what string) error {
	if err := j.inTree(); err != nil {
		return err
	}
	if !j.Origin.Declared() {
		return nil
	}
	return Errorf(CodeConflict, "job %s is defined in %s; it is %s there", j.Name, j.Source, what)
}

// inTree refuses to do with a job of the tree what is done with others.
func (j *Job) inTree() error {
	if j.Origin != OriginTree {
		return nil
	}
	return Errorf(CodeConflict, "job %s is part of the tree; start, pause, change and delete it there", j.Name)
}

// dependedOn refuses to delete a job, naming some of those that need it.
func dependedOn(name string, dependents []Dependent) error {
	const shown = 5
	var names []string
	for _, d := range dependents[:min(len(dependents), shown)] {
		names = append(names, d.Job)
	}
	text := strings.Join(names, ", ")
	if more := len(dependents) - shown; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return Errorf(CodeConflict, "other jobs depend on %s: %s; release them first", name, text)
}

// PauseJob lets the named job's schedules fire again only from an instant on;
// zero: at once. It needs the role operator.
func (s *Service) PauseJob(ctx context.Context, by Principal, name string, until time.Time) (Job, error) {
	if err := authorize(by, Operator, "pausing a job"); err != nil {
		return Job{}, err
	}
	if !until.IsZero() && !until.After(s.now()) {
		return Job{}, Invalid("paused_until", "must be in the future")
	}
	until = until.UTC().Truncate(time.Microsecond)
	return s.changeJob(ctx, by, "job.pause", name, func(j *Job) error {
		if j.PausedUntil.Equal(until) {
			return errUnchanged
		}
		j.PausedUntil = until
		return nil
	})
}

// jobChanged brings the timetable and open pages up to date after a commit.
func (s *Service) jobChanged(c jobChange) {
	if c.change == JobRemoved || !c.Live() {
		s.Timetable.Remove(c.ID)
	} else if err := s.Timetable.Put(c.Times()); err != nil {
		s.Log.Error("a stored job cannot be scheduled", "job", c.ID, "error", err)
	}
	s.Publisher.Publish(Event{Kind: JobChanged, JobID: c.ID, Job: &c.Job, Change: c.change, Stats: c.stats})
}

// nameTaken puts a store's conflict of names beside the field.
func nameTaken(err error, name string) error {
	if errors.Is(err, ErrNameTaken) {
		return &Error{
			Code: CodeConflict, Message: ErrNameTaken.Message,
			Fields: []FieldError{{"name", "the name " + cut(name, 80) + " is taken"}},
		}
	}
	return err
}

// ErrNameTaken is what a Store answers when a unique name is in use.
var ErrNameTaken = &Error{Code: CodeConflict, Message: "the name is taken"}

// FireTime is one coming fire of a preview.
type FireTime struct {
	At   time.Time // in the schedule's zone
	Note string    // a daylight-saving surprise in words, or empty
}

// Preview says what schedules mean before they are saved.
type Preview struct {
	Grammar string // which fields the grammar reads
	Meaning []string
	Fires   []FireTime
}

// PreviewSchedules reads schedules and returns their meaning and the next n
// fires of all of them together. CodeInvalid: one cannot be read.
func (s *Service) PreviewSchedules(schedules []Schedule, n int) (Preview, error) {
	d := Draft{Schedules: schedules}
	d.Normalize()
	var f fields
	f.schedules(d.Schedules)
	p := Preview{Grammar: cron.Standard.Help()}
	if err := f.err(); err != nil {
		return p, err
	}
	for _, sch := range d.Schedules {
		parsed, err := sch.Parse()
		if err != nil {
			return p, err
		}
		p.Meaning = append(p.Meaning, parsed.Describe())
		for _, fire := range cron.Preview(parsed, s.now(), n) {
			p.Fires = append(p.Fires, FireTime{fire.At, fire.Note})
		}
	}
	sortFires(&p.Fires, n)
	return p, nil
}
