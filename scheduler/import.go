package scheduler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ImportAction is what an import does with one job.
type ImportAction string

// The actions.
const (
	ImportCreate ImportAction = "create"
	ImportChange ImportAction = "change"
	ImportKeep   ImportAction = "keep"   // it is here already, and the same
	ImportRefuse ImportAction = "refuse" // Err says why
)

// Imported is a job of another system, as it would be here.
type Imported struct {
	Draft Draft
	Notes []string // what of it is not done here, in sentences
	Err   error    // why it cannot be taken at all; then Draft has its name, or nothing
}

// ImportFormat is how another system keeps its jobs. All that are known are in one
// list, which the command line and the pages share.
type ImportFormat struct {
	Name  string // in commands and addresses
	Title string // for people
	Hint  string // where to get it, in a sentence
	// Read makes jobs of what was saved. CodeInvalid: it is not of this format.
	Read func(ctx context.Context, raw []byte) ([]Imported, error)
	// List is the address of all jobs on a server that runs, by that server's own;
	// nil: there are no such servers.
	List func(server string) string
	// Login is the path below a server's root to which a user's name and password are
	// sent as a form, for a cookie; empty: they are sent with Basic.
	Login string
}

// DistinctNames returns the names with a number behind each that stands a second
// time and further, none of which is another's: "a", "a", "a 2" become "a", "a 3", "a 2".
func DistinctNames(names []string) []string {
	given, used := map[string]bool{}, map[string]bool{}
	for _, name := range names {
		given[name] = true
	}
	distinct := make([]string, len(names))
	for i, name := range names {
		one := name
		for n := 2; used[one] || one != name && given[one]; n++ {
			one = fmt.Sprintf("%s %d", name, n)
		}
		used[one] = true
		distinct[i] = one
	}
	return distinct
}

// ImportStep is what an import does with one job.
type ImportStep struct {
	Imported
	Action  ImportAction
	Changes []Difference // without secrets; of a new job, what is not at its default
}

// Problem is why the job was refused, in words; "" when it was not.
func (s *ImportStep) Problem() string {
	var e *Error
	switch {
	case s.Err == nil:
		return ""
	case !errors.As(s.Err, &e) || len(e.Fields) == 0:
		return s.Err.Error()
	}
	words := make([]string, len(e.Fields))
	for i, f := range e.Fields {
		words[i] = f.Field + " " + f.Message
	}
	return strings.Join(words, "; ")
}

// importBatch is how many jobs one transaction stores.
const importBatch = 200

// errPreview takes back what a preview wrote.
var errPreview = errors.New("a preview")

// Import stores jobs that were read elsewhere, by name: new ones are created,
// others changed, and the same import again changes nothing. A job that is not
// valid is refused alone. What jobs depend on may come in any order. The steps are
// in the order of list. With preview nothing is stored, and the steps say what
// would be. It needs the role editor.
func (s *Service) Import(ctx context.Context, by Principal, list []Imported, origin Origin, preview bool) ([]ImportStep, error) {
	if err := s.submitting(by, "importing jobs"); err != nil {
		return nil, err
	}
	steps := make([]ImportStep, len(list))
	seen := map[string]bool{}
	for i := range list {
		step := &steps[i]
		step.Imported = list[i]
		if step.Err != nil {
			step.Action = ImportRefuse
			continue
		}
		d := &step.Draft
		d.Normalize()
		if seen[d.Name] {
			step.refuse(Invalid("name", "comes twice"))
		}
		seen[d.Name] = true
	}
	for _, batch := range batches(steps, preview) {
		var done []ImportStep
		err := s.inTx(ctx, func(tx Tx, fx *effects) (err error) {
			done, err = s.importBatch(ctx, tx, fx, by, steps, batch, origin)
			if err == nil && preview {
				err = errPreview
			}
			return err
		})
		if err != nil && !errors.Is(err, errPreview) {
			return nil, err
		}
		for at, i := range batch {
			steps[i] = done[at]
		}
	}
	return steps, nil
}

// batches are the steps of each transaction, as indexes in an order in which they
// can be stored. A preview's transaction sees nothing of another one, so that there
// all that depend on others, or have dependents, share one; still, no more than
// that keeps everybody else from writing.
func batches(steps []ImportStep, preview bool) [][]int {
	order := parentsFirst(steps)
	if !preview {
		return slices.Collect(slices.Chunk(order, importBatch))
	}
	parents := map[string]bool{}
	for i := range steps {
		for _, d := range steps[i].Draft.relations() {
			parents[d.Job] = true
		}
	}
	var alone, related []int
	for _, i := range order {
		if d := &steps[i].Draft; parents[d.Name] || len(d.relations()) > 0 {
			related = append(related, i)
		} else {
			alone = append(alone, i)
		}
	}
	return append(slices.Collect(slices.Chunk(alone, importBatch)), related)
}

// relations are the jobs that d names.
func (d *Draft) relations() []Dependency { return slices.Concat(d.DependsOn, d.Triggers) }

func (s *ImportStep) refuse(err error) { s.Action, s.Err = ImportRefuse, err }

// importBatch stores some of an import's jobs and returns their steps.
func (s *Service) importBatch(ctx context.Context, tx Tx, fx *effects, by Principal, steps []ImportStep, batch []int, origin Origin) ([]ImportStep, error) {
	done := make([]ImportStep, 0, len(batch))
	for _, i := range batch {
		step := steps[i]
		if step.Action != ImportRefuse {
			action, changes, err := s.importJob(ctx, tx, fx, by, step.Draft, origin)
			switch code := CodeOf(err); {
			case err == nil:
				step.Action, step.Changes = action, changes
			case code == CodeInvalid || code == CodeConflict:
				step.refuse(err)
			default:
				return nil, err
			}
		}
		done = append(done, step)
	}
	return done, nil
}

// importJob stores one job. What it refuses it refuses before it writes.
func (s *Service) importJob(ctx context.Context, tx Tx, fx *effects, by Principal, d Draft, origin Origin) (ImportAction, []Difference, error) {
	old, err := tx.JobByName(ctx, d.Name)
	isNew := CodeOf(err) == CodeNotFound
	if err != nil && !isNew {
		return "", nil, err
	}
	if !isNew {
		d.Notify = s.restoreSecrets(d.Notify, old.Notify)
	}
	if err := validateNotify(&d, s.Senders, d.Validate(s.Executors)); err != nil {
		return "", nil, err
	}
	if isNew {
		_, err = s.createIn(ctx, tx, fx, by, d, origin, "")
		return ImportCreate, s.particulars(d), err
	}
	if d.Extra == nil {
		d.Extra = old.Extra
	}
	if sameDraft(old.Draft, d) && sameJobs(old.DependsOn, d.DependsOn) && sameJobs(old.Triggers, d.Triggers) {
		return ImportKeep, nil, nil
	}
	if err := old.owned("changed"); err != nil {
		return "", nil, err
	}
	changes := s.differences(old.Draft, d)
	_, err = s.changeIn(ctx, tx, fx, by, "job.update", old.ID, func(j *Job) error {
		j.Draft = d
		return nil
	})
	return ImportChange, changes, err
}

// particulars are what of a new job is not at its default.
func (s *Service) particulars(d Draft) []Difference {
	usual := Draft{Name: d.Name, Enabled: true}
	usual.Normalize()
	all := s.differences(usual, d)
	for i := range all {
		all[i].Before = nil
	}
	return slices.DeleteFunc(all, func(one Difference) bool { return one.After == nil })
}

// differences are those of two drafts as an audit row would have them.
func (s *Service) differences(before, after Draft) []Difference {
	text := func(d Draft) string { return jsonOrEmpty(s.withoutSecrets(auditJob(Job{Draft: d}))) }
	return Differences(text(before), text(after))
}

// parentsFirst returns the order in which jobs can be stored, as indexes: what
// others depend on comes before them. Of a cycle somebody comes first, and is
// refused for what is not there yet.
func parentsFirst(steps []ImportStep) []int {
	byName := make(map[string]int, len(steps))
	for i := range steps {
		if steps[i].Action != ImportRefuse {
			byName[steps[i].Draft.Name] = i
		}
	}
	order := make([]int, 0, len(steps))
	state := make([]byte, len(steps)) // 1: on the way, 2: in order
	type visit struct{ at, next int }
	for i := range steps {
		for stack := []visit{{i, 0}}; len(stack) > 0; {
			v := &stack[len(stack)-1]
			needs := steps[v.at].Draft.relations()
			if state[v.at] == 2 || v.next == len(needs) {
				if state[v.at] != 2 {
					state[v.at] = 2
					order = append(order, v.at)
				}
				stack = stack[:len(stack)-1]
				continue
			}
			state[v.at] = 1
			other, ok := byName[needs[v.next].Job]
			v.next++
			if ok && state[other] == 0 {
				stack = append(stack, visit{other, 0})
			}
		}
	}
	return order
}
