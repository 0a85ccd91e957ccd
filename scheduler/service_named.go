package scheduler

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Title is what people call a job: its display name, or its name.
func (j *Job) Title() string {
	if j.DisplayName != "" {
		return j.DisplayName
	}
	return j.Name
}

// maxNamesakes is how many jobs may have one title.
const maxNamesakes = 10_000

// CreateJobTitled is CreateJob for clients who make jobs before their classes, and
// whose names of jobs are not unique: when
// the name is taken the job gets the next one that is free ("backup 2"), and the
// name that was wanted as its display name.
func (s *Service) CreateJobTitled(ctx context.Context, by Principal, d Draft, origin Origin) (Job, error) {
	var j Job
	err := named(d.Name, func(name, title string) (err error) {
		d.Name, d.DisplayName = name, title
		j, err = s.createJob(ctx, by, d, origin)
		return err
	})
	return j, err
}

// UpdateJobTitled is UpdateJob where d.Name is the job's title: the name follows it
// as in CreateJobTitled.
func (s *Service) UpdateJobTitled(ctx context.Context, by Principal, j Job, d Draft) (Job, error) {
	if d.Name == j.Title() {
		d.Name, d.DisplayName = j.Name, j.DisplayName
		return s.updateJob(ctx, by, j.Name, j.Version, d)
	}
	var changed Job
	err := named(d.Name, func(name, title string) (err error) {
		d.Name, d.DisplayName = name, title
		changed, err = s.updateJob(ctx, by, j.Name, j.Version, d)
		return err
	})
	return changed, err
}

// named tries a title as name, then with numbers behind it.
func named(title string, try func(name, title string) error) error {
	err := try(title, "")
	for n := 2; n <= maxNamesakes && taken(err); n++ {
		err = try(fmt.Sprintf("%s %d", title, n), title)
	}
	return err
}

// taken reports whether an error is about a name that another job has.
func taken(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == CodeConflict && e.Message == ErrNameTaken.Message
}

// ResumeJob lets the named job's schedules fire again, whether it was disabled or
// paused until a time. It needs the role operator.
func (s *Service) ResumeJob(ctx context.Context, by Principal, name string) (Job, error) {
	if err := authorize(by, Operator, "enabling a job"); err != nil {
		return Job{}, err
	}
	return s.changeJob(ctx, by, "job.enable", name, func(j *Job) error {
		if j.Enabled && j.PausedUntil.IsZero() {
			return errUnchanged
		}
		j.Enabled, j.PausedUntil = true, time.Time{}
		return nil
	})
}
