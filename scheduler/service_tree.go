package scheduler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ExecutorTree is the kind of the jobs of the tree. Nothing here runs them: workers
// take them.
const ExecutorTree = "tree"

// TreeName is the name of the Job of a job of the tree.
func TreeName(num int64) string { return "tree-" + strconv.FormatInt(num, 10) }

const settingAffinities = "tree.affinities"

// Affinities returns the names of affinities.
func (s *Service) Affinities(ctx context.Context) (Affinities, error) {
	return readAffinities(ctx, s.Store.Setting)
}

func readAffinities(ctx context.Context, setting func(ctx context.Context, name string) (string, error)) (a Affinities, err error) {
	text, err := setting(ctx, settingAffinities)
	if err == nil && text != "" {
		err = json.Unmarshal([]byte(text), &a)
	}
	return a, err
}

// SetAffinities names bits, from 1; "" takes a name away. Other names are from now
// on no affinities. It needs the role editor.
func (s *Service) SetAffinities(ctx context.Context, by Principal, names map[int]string) error {
	if err := authorize(by, Editor, "naming affinities"); err != nil {
		return err
	}
	return s.inTx(ctx, func(tx Tx, fx *effects) error {
		return s.nameAffinities(ctx, tx, fx, by, func(a *Affinities) error {
			a.Listed = true
			for n, name := range names {
				if n < 1 {
					return Invalid(strconv.Itoa(n), "affinities are numbered from 1 to %d", MaxAffinities)
				}
				name = strings.TrimSpace(name) // as where it is demanded
				if err := checkAffinity(strconv.Itoa(n), name); err != nil {
					return err
				}
				if n <= MaxAffinities {
					a.Names[n-1] = name
				}
			}
			return nil
		})
	})
}

// nameAffinities applies change to the names, with an audit row when it changes any.
func (s *Service) nameAffinities(ctx context.Context, tx Tx, fx *effects, by Principal, change func(a *Affinities) error) error {
	before, err := readAffinities(ctx, tx.TreeSetting)
	if err != nil {
		return err
	}
	after := before
	if err := change(&after); err != nil || after == before {
		return err
	}
	fx.named = true
	if err := tx.PutSetting(ctx, settingAffinities, jsonOrEmpty(after)); err != nil {
		return err
	}
	return tx.InsertAudit(ctx, s.audit(by, "affinity.name", "affinities", before.named(), after.named()))
}

// demand reads what a job of the tree is to demand, affinities with commas; new
// names are given a bit, unless it is said which there are.
func (s *Service) demand(ctx context.Context, tx Tx, fx *effects, by Principal, text string) (mask int64, err error) {
	if text == "" {
		return 0, nil
	}
	err = s.nameAffinities(ctx, tx, fx, by, func(a *Affinities) (err error) {
		mask, err = a.take("affinity", text)
		return err
	})
	return mask, err
}

// AffinityMask reads a list of affinities with commas, to look for jobs that demand
// them: NoMask when one of them is none. CodeInvalid, about field: it cannot be one.
func (s *Service) AffinityMask(ctx context.Context, field, text string) (int64, error) {
	a, err := s.Affinities(ctx)
	if err != nil {
		return 0, err
	}
	return a.find(field, text)
}

// treeTx runs fn in one transaction that changes the tree, with an audit row, and
// tells open pages.
func (s *Service) treeTx(ctx context.Context, by Principal, action, object string, after any, fn func(tx Tx, fx *effects) error) error {
	return s.inTx(ctx, func(tx Tx, fx *effects) error {
		fx.tree = true
		if err := fn(tx, fx); err != nil {
			return err
		}
		return tx.InsertAudit(ctx, s.audit(by, action, object, nil, after))
	})
}

// CreateTreeJob stores a job of the tree, or a group. It needs the role editor.
// CodeInvalid: something of it is wrong, its parent for example; CodeConflict: it
// would wait for itself. The affinities are names with commas, and d's are of no
// matter.
func (s *Service) CreateTreeJob(ctx context.Context, by Principal, d TreeDraft, affinities string, dependsOn []int64) (TreeJob, error) {
	if err := s.submitting(by, "creating a job"); err != nil {
		return TreeJob{}, err
	}
	d.Normalize()
	if err := d.Validate(); err != nil {
		return TreeJob{}, err
	}
	var made TreeJob
	err := s.inTx(ctx, func(tx Tx, fx *effects) error {
		fx.tree = true
		num, err := tx.NextJobNum(ctx)
		if err != nil {
			return err
		}
		if err := s.intoGroup(ctx, tx, num, d.Parent); err != nil {
			return err
		}
		if d.Affinity, err = s.demand(ctx, tx, fx, by, affinities); err != nil {
			return err
		}
		job := s.jobOfTree(num, d.Title)
		if err := tx.InsertJob(ctx, &job); err != nil {
			return err
		}
		made = TreeJob{ID: job.ID, Num: job.Num, TreeDraft: d, State: TreeWaiting, Retry: d.Retries, Done: NoProgress}
		if err := tx.InsertTree(ctx, made, dependsOn); err != nil {
			return err
		}
		if err := s.noCircle(ctx, tx, made.Num, dependsOn); err != nil {
			return err
		}
		return tx.InsertAudit(ctx, s.audit(by, "tree.create", job.Name, nil, auditTree(made, dependsOn)))
	})
	return made, err
}

// jobOfTree is the Job that a job of the tree hangs its executions on.
func (s *Service) jobOfTree(num int64, title string) Job {
	now := s.now()
	d := Draft{Name: TreeName(num), DisplayName: cut(title, maxName), Enabled: true, Executor: ExecutorTree, Config: json.RawMessage("{}"), Concurrency: Allow}
	d.Normalize()
	return Job{ID: s.NewID(), Draft: d, Origin: OriginTree, Version: 1, LiveSince: now, CreatedAt: now, UpdatedAt: now}
}

// intoGroup refuses a parent that is no group, or is inside the job itself.
func (s *Service) intoGroup(ctx context.Context, tx Tx, num, parent int64) error {
	if parent == 0 {
		return nil
	}
	list, err := tx.TreeJobs(ctx, []int64{parent})
	switch {
	case err != nil:
		return err
	case len(list) == 0:
		return Invalid("parent", "there is no job %d", parent)
	case !list[0].IsGroup():
		return Invalid("parent", "job %d is no group: it has a command", parent)
	}
	inside, err := tx.TreeHolds(ctx, num, parent)
	if inside {
		return &Error{Code: CodeConflict, Message: "a group cannot be moved into itself", Fields: []FieldError{{"parent", fmt.Sprintf("%d is inside of %d", parent, num)}}}
	}
	return err
}

// noCircle refuses that a job depends on what cannot end before it.
func (s *Service) noCircle(ctx context.Context, tx Tx, num int64, on []int64) error {
	seen := map[int64]bool{}
	for todo := slices.Clone(on); len(todo) > 0; {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[n] {
			continue
		}
		seen[n] = true
		around, err := tx.TreeHolds(ctx, n, num)
		if err != nil {
			return err
		}
		within, err := tx.TreeHolds(ctx, num, n)
		if err != nil {
			return err
		}
		if around || within {
			return &Error{Code: CodeConflict, Message: "a job cannot wait for itself", Fields: []FieldError{{
				"dependencies", fmt.Sprintf("what job %d depends on cannot end before it does: job %d is in the circle", num, n),
			}}}
		}
		required, err := tx.TreeRequires(ctx, n)
		if err != nil {
			return err
		}
		for _, e := range required {
			todo = append(todo, e.Dependency)
		}
	}
	return nil
}

// noCircleBelow looks at everything that waits differently since a job was changed or
// moved.
func (s *Service) noCircleBelow(ctx context.Context, tx Tx, num int64) error {
	required, err := tx.TreeRequires(ctx, num)
	if err != nil {
		return err
	}
	on := map[int64][]int64{}
	for _, e := range required {
		on[e.Num] = append(on[e.Num], e.Dependency)
	}
	for n, list := range on {
		if err := s.noCircle(ctx, tx, n, list); err != nil {
			return err
		}
	}
	return nil
}

// TreeEdit is what changes of a job of the tree; nil fields stay.
type TreeEdit struct {
	Title, Command, Dir, Environment, User, URL, Progress *string
	Affinity                                              *string // names with commas
	Priority, Parent                                      *int64
	Timeout                                               *time.Duration
	Retries                                               *int
	Paused                                                *bool
	State                                                 *TreeState // waiting starts it, paused pauses it; finished and error say so
	DependsOn                                             *[]int64
}

// Apply changes a draft, but for what has to be looked up.
func (e *TreeEdit) Apply(d *TreeDraft) {
	set(&d.Title, e.Title)
	set(&d.Command, e.Command)
	set(&d.Dir, e.Dir)
	set(&d.Environment, e.Environment)
	set(&d.User, e.User)
	set(&d.URL, e.URL)
	set(&d.Progress, e.Progress)
	set(&d.Priority, e.Priority)
	set(&d.Parent, e.Parent)
	set(&d.Timeout, e.Timeout)
	set(&d.Retries, e.Retries)
	set(&d.Paused, e.Paused)
}

func set[T any](field, to *T) {
	if to != nil {
		*field = *to
	}
}

// EditTreeJobs changes jobs of the tree, all or none; those that do not exist are
// passed over. It needs the role editor. CodeInvalid: a change is wrong;
// CodeConflict: a job would wait for itself, or be inside itself.
func (s *Service) EditTreeJobs(ctx context.Context, by Principal, edits map[int64]TreeEdit) error {
	if err := s.submitting(by, "changing a job"); err != nil {
		return err
	}
	nums := make([]int64, 0, len(edits))
	for num := range edits {
		nums = append(nums, num)
	}
	slices.Sort(nums)
	return s.treeTx(ctx, by, "tree.update", treeObjects(nums), auditEdits(edits), func(tx Tx, fx *effects) error {
		for _, num := range nums {
			if err := s.editTree(ctx, tx, fx, by, num, edits[num]); err != nil {
				return aboutJob(num, err)
			}
		}
		// What one edit would close in a circle, another one of them may open.
		for _, num := range nums {
			if e := edits[num]; e.DependsOn != nil || e.Parent != nil {
				if err := s.noCircleBelow(ctx, tx, num); err != nil {
					return aboutJob(num, err)
				}
			}
		}
		return nil
	})
}

// aboutJob says which of several jobs an error is about.
func aboutJob(num int64, err error) error {
	var e *Error
	if !errors.As(err, &e) || len(e.Fields) == 0 {
		return err
	}
	named := *e
	named.Fields = slices.Clone(e.Fields)
	for i := range named.Fields {
		named.Fields[i].Message += fmt.Sprintf(" (job %d)", num)
	}
	return &named
}

// editTree leaves it to the caller to look for circles.
func (s *Service) editTree(ctx context.Context, tx Tx, fx *effects, by Principal, num int64, e TreeEdit) error {
	list, err := tx.TreeJobs(ctx, []int64{num})
	if err != nil || len(list) == 0 {
		return err
	}
	was := list[0]
	is := was
	e.Apply(&is.TreeDraft)
	is.Normalize()
	if err := is.Validate(); err != nil {
		return err
	}
	if e.Affinity != nil {
		if is.Affinity, err = s.demand(ctx, tx, fx, by, *e.Affinity); err != nil {
			return err
		}
	}
	if was.IsGroup() != is.IsGroup() {
		return Invalid("command", "a job cannot become a group, nor a group a job")
	}
	if is.Parent != was.Parent {
		if err := s.intoGroup(ctx, tx, num, is.Parent); err != nil {
			return err
		}
	}
	if is.Retries != was.Retries {
		is.Retry = is.Retries
	}
	if is.State == TreeWorking && is.Timeout != was.Timeout {
		is.Deadline = time.Time{}
		if is.Timeout > 0 {
			is.Deadline = is.StartedAt.Add(is.Timeout)
		}
	}
	if e.State != nil {
		if err := s.setTreeState(ctx, tx, fx, by, &is, *e.State); err != nil {
			return err
		}
	} else if is.Paused && is.State == TreeWorking && !is.IsGroup() {
		if err := s.endTreeRun(ctx, tx, fx, &is, "paused by "+by.Name); err != nil {
			return err
		}
	}
	if err := tx.UpdateTree(ctx, TreeChange{was, is}); err != nil {
		return err
	}
	if is.Title != was.Title {
		if err := s.retitle(ctx, tx, is); err != nil {
			return err
		}
	}
	if e.DependsOn != nil {
		return tx.SetTreeDependencies(ctx, num, *e.DependsOn)
	}
	return nil
}

// retitle gives the Job the title too.
func (s *Service) retitle(ctx context.Context, tx Tx, j TreeJob) error {
	job, err := tx.Job(ctx, j.ID)
	if err != nil {
		return err
	}
	job.DisplayName, job.Version, job.UpdatedAt = cut(j.Title, maxName), job.Version+1, s.now()
	return tx.UpdateJob(ctx, job)
}

// SetTreeDependencies replaces what a job of the tree depends on; jobs that do not
// exist are passed over. It needs the role editor. CodeConflict: it would wait for
// itself.
func (s *Service) SetTreeDependencies(ctx context.Context, by Principal, num int64, on []int64) error {
	if err := s.submitting(by, "changing a job"); err != nil {
		return err
	}
	return s.treeTx(ctx, by, "tree.depend", TreeName(num), map[string]any{"dependencies": on}, func(tx Tx, _ *effects) error {
		if err := s.noCircle(ctx, tx, num, on); err != nil {
			return err
		}
		return tx.SetTreeDependencies(ctx, num, on)
	})
}

// DeleteTreeJobs deletes jobs of the tree with all that is in groups of them; what
// runs is ended, and what depended on them does not any more. It needs the role
// editor.
func (s *Service) DeleteTreeJobs(ctx context.Context, by Principal, nums []int64) error {
	if err := authorize(by, Editor, "deleting a job"); err != nil {
		return err
	}
	return s.treeTx(ctx, by, "tree.delete", treeObjects(nums), nums, func(tx Tx, fx *effects) error {
		for _, num := range nums {
			if err := s.deleteTree(ctx, tx, fx, by, num); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Service) deleteTree(ctx context.Context, tx Tx, fx *effects, by Principal, num int64) error {
	list, err := tx.TreeJobs(ctx, []int64{num})
	if err != nil || len(list) == 0 {
		return err
	}
	below, err := tx.TreeBelow(ctx, num)
	if err != nil {
		return err
	}
	list = append(list, below...)
	for i := range list {
		if j := &list[i]; !j.IsGroup() && j.State == TreeWorking {
			if err := s.finishTreeRun(ctx, tx, fx, j, Execution{State: Cancelled, Reason: "job deleted by " + by.Name}); err != nil {
				return err
			}
		}
	}
	if err := tx.DeleteTree(ctx, num); err != nil {
		return err
	}
	for _, j := range list {
		if err := tx.DeleteJob(ctx, j.ID); err != nil {
			return err
		}
	}
	return nil
}
