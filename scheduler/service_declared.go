package scheduler

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Declared is a job as it is defined outside the store.
type Declared struct {
	Draft
	Source string // where, in words: what a person has to open to change it
}

// Declaration is all jobs of an origin.
type Declaration struct {
	Origin Origin
	Jobs   []Declared
}

// Applied counts what a declaration changed.
type Applied struct {
	Added, Updated, Removed int
}

// Refusal is one thing that is wrong with a declared job.
type Refusal struct {
	Job, Source string
	FieldError
}

// Refused lists everything that is wrong with a declaration, by job.
type Refused []Refusal

// Error says it in one line each.
func (r Refused) Error() string {
	var b bytes.Buffer
	for i, one := range r {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s: job %s: %s %s", one.Source, cut(one.Job, 80), one.Field, one.Message)
	}
	return b.String()
}

// Declare makes the jobs of origins those of lists, in one transaction: new ones
// are stored, others changed, and those that are not in them any more are deleted
// with their history. Whether a job is enabled or paused is left as people made it.
// It needs the role admin. CodeInvalid with a Refused in its chain: nothing was
// changed.
func (s *Service) Declare(ctx context.Context, by Principal, all ...Declaration) (Applied, error) {
	if err := authorize(by, Admin, "declaring jobs"); err != nil {
		return Applied{}, err
	}
	s.declaring.Lock()
	defer s.declaring.Unlock()
	d := declaration{by: by, old: map[string]Job{}}
	for _, one := range all {
		if err := s.declared(ctx, one.Origin, d.old); err != nil {
			return Applied{}, err
		}
		for _, w := range one.Jobs {
			w.Normalize()
			d.list = append(d.list, wanted{w, one.Origin})
		}
	}
	if err := d.check(s.Executors, s.Senders); err != nil {
		return Applied{}, err
	}
	var done Applied
	err := s.inTx(ctx, func(tx Tx, fx *effects) (err error) {
		done, err = s.declareIn(ctx, tx, fx, d)
		return err
	})
	if err != nil {
		return Applied{}, err
	}
	return done, nil
}

// declaration is what one Declare works on.
type declaration struct {
	by   Principal
	list []wanted
	old  map[string]Job // by name
}

// wanted is a job that is to be there.
type wanted struct {
	Declared
	origin Origin
}

// declared reads the jobs of an origin.
func (s *Service) declared(ctx context.Context, origin Origin, byName map[string]Job) error {
	for offset := 0; ; offset += MaxPage {
		jobs, _, err := s.Store.ListJobs(ctx, JobFilter{Origin: origin, Limit: MaxPage, Offset: offset})
		if err != nil {
			return err
		}
		for _, j := range jobs {
			byName[j.Name] = j
		}
		if len(jobs) < MaxPage {
			return nil
		}
	}
}

// check says everything that is wrong with the jobs by themselves.
func (d *declaration) check(executors map[string]Executor, senders map[string]Sender) error {
	var bad Refused
	seen := map[string]string{}
	for _, w := range d.list {
		bad = bad.add(w.Declared, validateNotify(&w.Draft, senders, w.Validate(executors)))
		if other, twice := seen[w.Name]; twice {
			bad = append(bad, Refusal{w.Name, w.Source, FieldError{"name", "is defined already in " + other}})
		}
		seen[w.Name] = w.Source
	}
	return bad.err()
}

func (r Refused) add(d Declared, err error) Refused {
	var invalid *Error
	switch {
	case err == nil:
	case errors.As(err, &invalid) && len(invalid.Fields) > 0:
		for _, f := range invalid.Fields {
			r = append(r, Refusal{d.Name, d.Source, f})
		}
	default:
		r = append(r, Refusal{d.Name, d.Source, FieldError{"name", err.Error()}})
	}
	return r
}

func (r Refused) err() error {
	if len(r) == 0 {
		return nil
	}
	e := &Error{Code: CodeInvalid, Message: "the jobs are not valid, and nothing was changed", Err: r}
	for _, one := range r {
		e.Fields = append(e.Fields, FieldError{one.Job + "." + one.Field, one.Message})
	}
	return e
}

// declareIn stores a declaration. Jobs may name each other in any order, so that
// all of them are there before the first relation is.
func (s *Service) declareIn(ctx context.Context, tx Tx, fx *effects, d declaration) (done Applied, err error) {
	var bad Refused
	gone := maps.Clone(d.old)
	for _, w := range d.list {
		delete(gone, w.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(gone)) {
		if err := s.deleteIn(ctx, tx, fx, d.by, gone[name], true); err != nil {
			return done, err
		}
		done.Removed++
	}
	ids := make([]string, len(d.list))
	for i, w := range d.list {
		if ids[i], err = s.declareAlone(ctx, tx, fx, d, w, &done); errors.Is(err, ErrNameTaken) {
			bad = append(bad, Refusal{w.Name, w.Source, FieldError{"name", "there is a job of this name already that was not made here; rename one of them"}})
		} else if err != nil {
			return done, err
		}
	}
	if bad != nil {
		return done, bad.err()
	}
	for i, w := range d.list {
		j, err := tx.Job(ctx, ids[i])
		if err != nil {
			return done, err
		}
		if sameJobs(j.DependsOn, w.DependsOn) && sameJobs(j.Triggers, w.Triggers) {
			continue
		}
		_, err = s.changeIn(ctx, tx, fx, d.by, "job.update", j.ID, func(j *Job) error {
			j.DependsOn, j.Triggers = w.DependsOn, w.Triggers
			return nil
		})
		if CodeOf(err) == CodeInvalid {
			bad = bad.add(w.Declared, err)
		} else if err != nil {
			return done, err
		}
	}
	return done, bad.err()
}

// declareAlone stores a declared job without those relations that it does not have
// already, and returns its id.
func (s *Service) declareAlone(ctx context.Context, tx Tx, fx *effects, d declaration, w wanted, done *Applied) (string, error) {
	old, exists := d.old[w.Name]
	if !exists {
		done.Added++
		draft := w.Draft
		draft.DependsOn, draft.Triggers = nil, nil
		j, err := s.createIn(ctx, tx, fx, d.by, draft, w.origin, w.Source)
		return j.ID, err
	}
	want := w.Draft
	want.Enabled, want.PausedUntil = old.Enabled, old.PausedUntil
	related := sameJobs(old.DependsOn, want.DependsOn) && sameJobs(old.Triggers, want.Triggers)
	if related && old.Source == w.Source && old.Origin == w.origin && sameDraft(old.Draft, want) {
		return old.ID, nil
	}
	if related && sameDraft(old.Draft, want) {
		// Lines moved in a file: nobody has to hear of it.
		old.Source, old.Origin, old.Version = w.Source, w.origin, old.Version+1
		return old.ID, tx.UpdateJob(ctx, old)
	}
	done.Updated++
	if !related {
		want.DependsOn, want.Triggers = nil, nil
	}
	_, err := s.changeIn(ctx, tx, fx, d.by, "job.update", old.ID, func(j *Job) error {
		enabled, paused := j.Enabled, j.PausedUntil // toggled meanwhile
		j.Draft, j.Origin, j.Source = want, w.origin, w.Source
		j.Enabled, j.PausedUntil = enabled, paused
		return nil
	})
	return old.ID, err
}

// sameJobs compares relations by what people write.
func sameJobs(a, b []Dependency) bool {
	return slices.EqualFunc(a, b, func(x, y Dependency) bool { return x.Job == y.Job && x.On == y.On })
}

// sameDraft compares everything but relations.
func sameDraft(a, b Draft) bool {
	for _, d := range []*Draft{&a, &b} {
		d.DependsOn, d.Triggers = nil, nil
		d.Config = compacted(d.Config)
		d.Notify = slices.Clone(d.Notify)
		for i := range d.Notify {
			d.Notify[i].Config = compacted(d.Notify[i].Config)
		}
		if len(d.Schedules) == 0 {
			d.Schedules = nil
		}
		if len(d.Notify) == 0 {
			d.Notify = nil
		}
		if len(d.Metadata) == 0 {
			d.Metadata = nil
		}
		if len(d.Extra) == 0 {
			d.Extra = nil
		}
	}
	return reflect.DeepEqual(a, b)
}

// compacted is JSON with the keys of objects in order and without spaces.
func compacted(raw json.RawMessage) json.RawMessage {
	var v any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber() // two large ones may be one as a float
	if d.Decode(&v) != nil {
		return raw
	}
	b, err := json.Marshal(v)
	if err != nil {
		return raw
	}
	return b
}

// RunOnStart runs the jobs that ask for it: the server has started.
func (s *Service) RunOnStart(ctx context.Context) error {
	var wanted []Job
	for offset := 0; ; offset += MaxPage {
		enabled := true
		jobs, _, err := s.Store.ListJobs(ctx, JobFilter{Enabled: &enabled, Limit: MaxPage, Offset: offset})
		if err != nil {
			return err
		}
		for _, j := range jobs {
			if j.RunOnStart {
				wanted = append(wanted, j)
			}
		}
		if len(jobs) < MaxPage {
			break
		}
	}
	for _, j := range wanted {
		err := s.inTx(ctx, func(tx Tx, fx *effects) error {
			j, exists, err := currentJob(ctx, tx, j.ID)
			if err != nil || !exists {
				return err
			}
			return s.runDependent(ctx, tx, fx, j, Trigger{TriggerStart, ""})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// CheckDeclaration says what is wrong with declared jobs, as far as that can be
// known without a store: CodeInvalid with a Refused in its chain. elsewhere are the
// jobs that they name and that are not among them.
func CheckDeclaration(d Declaration, executors map[string]Executor, senders map[string]Sender) (elsewhere []string, err error) {
	all := declaration{}
	waits := map[string][]string{} // names of jobs by what waits for them
	for _, w := range d.Jobs {
		w.Normalize()
		all.list = append(all.list, wanted{w, d.Origin})
	}
	if err := all.check(executors, senders); err != nil {
		return nil, err
	}
	known := map[string]Declared{}
	for _, w := range all.list {
		known[w.Name] = w.Declared
	}
	for _, w := range all.list {
		for _, dep := range w.DependsOn {
			waits[w.Name] = append(waits[w.Name], dep.Job)
		}
		for _, t := range w.Triggers {
			waits[t.Job] = append(waits[t.Job], w.Name)
		}
		for _, dep := range slices.Concat(w.DependsOn, w.Triggers) {
			if _, here := known[dep.Job]; !here && !slices.Contains(elsewhere, dep.Job) {
				elsewhere = append(elsewhere, dep.Job)
			}
		}
	}
	var bad Refused
	for _, w := range all.list {
		if path := circle(waits, w.Name); path != nil {
			field := "depends_on"
			if len(w.DependsOn) == 0 {
				field = "triggers"
			}
			bad = append(bad, Refusal{w.Name, w.Source, FieldError{field, "makes a cycle: " + strings.Join(path, " → ")}})
		}
	}
	return elsewhere, bad.err()
}

// circle returns a way from a job over what it waits for back to it, nil when there
// is none.
func circle(waits map[string][]string, from string) []string {
	before := map[string]string{}
	for todo := []string{from}; len(todo) > 0; todo = todo[1:] {
		at := todo[0]
		for _, next := range waits[at] {
			if next == from {
				path := []string{from}
				for ; at != from; at = before[at] {
					path = append(path, at)
				}
				path = append(path, from)
				slices.Reverse(path)
				return path
			}
			if _, seen := before[next]; !seen {
				before[next] = at
				todo = append(todo, next)
			}
		}
	}
	return nil
}
