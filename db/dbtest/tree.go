package dbtest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"belfry/db"
	"belfry/scheduler"
)

// NewTreeJob stores a job of the tree within a transaction.
func NewTreeJob(tx scheduler.Tx, d scheduler.TreeDraft, dependsOn ...int64) (scheduler.TreeJob, error) {
	num, err := tx.NextJobNum(bg)
	if err != nil {
		return scheduler.TreeJob{}, err
	}
	j := NewJob(fmt.Sprintf("tree-%d", num))
	if err := tx.InsertJob(bg, &j); err != nil {
		return scheduler.TreeJob{}, err
	}
	made := scheduler.TreeJob{ID: j.ID, Num: j.Num, TreeDraft: d, State: scheduler.TreeWaiting, Done: scheduler.NoProgress, Retry: d.Retries}
	return made, tx.InsertTree(bg, made, dependsOn)
}

func addTreeJob(t *testing.T, s *db.Store, d scheduler.TreeDraft, dependsOn ...int64) (made scheduler.TreeJob) {
	t.Helper()
	tx(t, s, func(tx scheduler.Tx) (err error) {
		made, err = NewTreeJob(tx, d, dependsOn...)
		return err
	})
	return made
}

func treeWhole(t *testing.T, s *db.Store) {
	group := addTreeJob(t, s, scheduler.TreeDraft{Title: "g", Priority: 1000, Affinity: 4})
	d := scheduler.TreeDraft{
		Parent: group.Num, Title: "café \"x\" 'y' \\n", Command: "echo", Dir: "/tmp", Environment: "A=1\nB=2", User: "bob", URL: "http://x",
		Progress: "#%percent", Priority: 7, Affinity: 1 << 62, Timeout: time.Minute, Retries: 3, Paused: true,
	}
	made := addTreeJob(t, s, d, group.Num+100, group.Num)
	got := must(s.TreeJob(bg, made.Num))
	if diff := gocmp.Diff(d, got.TreeDraft); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
	want := scheduler.Place{Path: "ff07", Mask: 4 | 1<<62, HeldPaused: 1, HeldBlocked: 1}
	if got.Place != want || got.Deps != 1 || got.Blocked != 1 || got.Retry != 3 || got.Completed() != scheduler.NoProgress || got.ID != made.ID {
		t.Errorf("stored: %+v", got)
	}
	now := time.Unix(1700000000, 0).UTC()
	is := got
	is.State, is.Worker, is.Execution, is.StartedAt, is.PingAt, is.Deadline = scheduler.TreeWorking, "w", "e", now, now.Add(1), now.Add(time.Minute)
	is.Took, is.Runs, is.Done, is.Paused, is.PingAt = time.Second, 2, 0.25, false, now
	tx(t, s, func(tx scheduler.Tx) error { return tx.UpdateTree(bg, scheduler.TreeChange{Before: got, After: is}) })
	is.HeldPaused = 0
	if diff := gocmp.Diff(is, must(s.TreeJob(bg, made.Num))); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}
	if got := must(s.TreeWorkingOn(bg, "w")); !slices.Equal(got, []int64{made.Num}) {
		t.Errorf("working on w: %v", got)
	}
	if got := must(s.TreeAtWork(bg)); !slices.Equal(got, []string{"w"}) {
		t.Errorf("at work: %v", got)
	}
	if got := must(s.TreeOverdue(bg, now.Add(time.Minute), 10)); !slices.Equal(got, []int64{made.Num}) {
		t.Errorf("overdue: %v", got)
	}
	if got := must(s.TreeOverdue(bg, now, 10)); len(got) > 0 {
		t.Errorf("overdue before the deadline: %v", got)
	}
	if _, err := s.TreeJob(bg, 999); scheduler.CodeOf(err) != scheduler.CodeNotFound {
		t.Errorf("a job that does not exist: %v", err)
	}
	values := must(s.TreeValues(bg, scheduler.TreePriorities))
	if diff := gocmp.Diff([]any{int64(1000), int64(7)}, values); diff != "" {
		t.Errorf("priorities (-want +got):\n%s", diff)
	}
}

// treeSettings: who reads one in a transaction and writes it then has seen what all
// before wrote.
func treeSettings(t *testing.T, s *db.Store) {
	const each, writers = 5, 4
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for range each {
				err := s.InTx(bg, func(tx scheduler.Tx) error {
					text, err := tx.TreeSetting(bg, "count")
					if err != nil {
						return err
					}
					if err := tx.PutSetting(bg, "count", text+"x"); err != nil {
						return err
					}
					if now, err := tx.TreeSetting(bg, "count"); err != nil || now != text+"x" {
						return fmt.Errorf("read %q (%w)", now, err)
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if got := must(s.Setting(bg, "count")); len(got) != each*writers {
		t.Errorf("counted %d, want %d", len(got), each*writers)
	}
}

// forest is a tree that a test changes at random, and what is true of it by a
// count of everything.
type forest struct {
	t    *testing.T
	s    *db.Store
	rand *rand.Rand
	nums []int64
	deps map[int64][]int64
	now  time.Time
}

func treeRandom(t *testing.T, s *db.Store) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	f := &forest{t: t, s: s, rand: rand.New(rand.NewPCG(seed, 1)), deps: map[int64][]int64{}, now: time.Unix(1700000000, 0).UTC()}
	for i := range 400 {
		f.now = f.now.Add(time.Second)
		what := f.step()
		if i%4 == 0 || i > 380 {
			f.check(what)
		}
		if t.Failed() {
			return
		}
	}
}

func (f *forest) any() int64 {
	if len(f.nums) == 0 {
		return 0
	}
	return f.nums[f.rand.IntN(len(f.nums))]
}

func (f *forest) draft() scheduler.TreeDraft {
	d := scheduler.TreeDraft{Priority: int64(f.rand.IntN(3)), Affinity: []int64{0, 0, 1, 2, 3}[f.rand.IntN(5)], Paused: f.rand.IntN(8) == 0}
	if f.rand.IntN(3) > 0 {
		d.Command = "x"
	}
	return d
}

// someGroup returns the root, or a group.
func (f *forest) someGroup(tx scheduler.Tx) int64 {
	for range 5 {
		if list, err := tx.TreeJobs(bg, []int64{f.any()}); err == nil && len(list) > 0 && list[0].IsGroup() {
			return list[0].Num
		}
	}
	return 0
}

func (f *forest) step() (what string) {
	var after func()
	tx(f.t, f.s, func(tx scheduler.Tx) error {
		after = func() {}
		if len(f.nums) < 8 || f.rand.IntN(5) == 0 {
			what = "insert"
			d := f.draft()
			d.Parent = f.someGroup(tx)
			on := []int64{}
			if f.rand.IntN(3) == 0 {
				on = append(on, f.any())
			}
			j, err := NewTreeJob(tx, d, on...)
			after = func() {
				f.nums = append(f.nums, j.Num)
				if on = slices.DeleteFunc(on, func(n int64) bool { return n == 0 }); len(on) > 0 {
					f.deps[j.Num] = on
				}
			}
			return err
		}
		list, err := tx.TreeJobs(bg, []int64{f.any()})
		if err != nil || len(list) == 0 {
			return err
		}
		was := list[0]
		is := was
		switch f.rand.IntN(7) {
		case 0:
			what = "pause"
			is.Paused = !is.Paused
		case 1:
			what = "priority and affinity"
			is.Priority, is.Affinity = int64(f.rand.IntN(3)), int64(f.rand.IntN(4))
		case 2:
			what = "move"
			to := f.someGroup(tx)
			if inside, err := tx.TreeHolds(bg, was.Num, to); err != nil || inside {
				return err
			}
			is.Parent = to
		case 3:
			what = "dependencies"
			on := []int64{}
			for range f.rand.IntN(3) {
				if n := f.any(); !slices.Contains(on, n) {
					on = append(on, n)
				}
			}
			after = func() { f.deps[was.Num] = on }
			return tx.SetTreeDependencies(bg, was.Num, on)
		case 4:
			if f.rand.IntN(4) > 0 {
				return nil
			}
			what = "delete"
			below, err := tx.TreeBelow(bg, was.Num)
			if err != nil {
				return err
			}
			after = func() {
				for _, j := range append(below, was) {
					f.nums = slices.DeleteFunc(f.nums, func(n int64) bool { return n == j.Num })
					delete(f.deps, j.Num)
					for n, on := range f.deps {
						f.deps[n] = slices.DeleteFunc(on, func(d int64) bool { return d == j.Num })
					}
				}
			}
			return tx.DeleteTree(bg, was.Num)
		default:
			what = "states"
			below, err := tx.TreeBelow(bg, was.Num)
			if err != nil {
				return err
			}
			var changes []scheduler.TreeChange
			for _, j := range append(below, was) {
				if !j.IsGroup() && f.rand.IntN(2) == 0 {
					changes = append(changes, scheduler.TreeChange{Before: j, After: f.other(j)})
				}
			}
			return tx.UpdateTree(bg, changes...)
		}
		return tx.UpdateTree(bg, scheduler.TreeChange{Before: was, After: is})
	})
	after()
	return what
}

func (f *forest) other(j scheduler.TreeJob) scheduler.TreeJob {
	j.State = []scheduler.TreeState{scheduler.TreeWaiting, scheduler.TreeWorking, scheduler.TreeFinished, scheduler.TreeFinished, scheduler.TreeError}[f.rand.IntN(5)]
	j.StartedAt, j.Took = time.Time{}, time.Duration(f.rand.IntN(100))*time.Second
	if f.rand.IntN(3) > 0 {
		j.StartedAt = f.now
	}
	return j
}

// orders compares the lists, page by page, with what they promise of all.
func (f *forest) orders(what string, all []scheduler.TreeJob) {
	f.t.Helper()
	for _, sort := range []string{"num", "-num", "started", "-started"} {
		want := slices.Clone(all)
		slices.SortStableFunc(want, func(a, b scheduler.TreeJob) int {
			begun := cmp.Compare(b.StartedAt.Unix(), a.StartedAt.Unix()) // the newest first
			switch {
			case sort == "num" || a.StartedAt.IsZero() && b.StartedAt.IsZero() && sort != "-num":
				return cmp.Compare(a.Num, b.Num)
			case sort == "-num":
				return cmp.Compare(b.Num, a.Num)
			case a.StartedAt.IsZero() || b.StartedAt.IsZero() || sort == "-started":
				return cmp.Or(begun, cmp.Compare(b.Num, a.Num))
			}
			return cmp.Or(-begun, cmp.Compare(a.Num, b.Num))
		})
		var got []scheduler.TreeJob
		for len(got) <= len(all) {
			page, total, err := f.s.ListTree(bg, scheduler.TreeFilter{Sort: sort, Limit: 3, Offset: len(got)})
			if err != nil || total != int64(len(all)) {
				f.t.Fatalf("after %s, by %s: total %d, want %d (%v)", what, sort, total, len(all), err)
			}
			if len(page) == 0 {
				break
			}
			got = append(got, page...)
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			f.t.Errorf("after %s, by %s (-want +got):\n%s", what, sort, diff)
		}
	}
}

// check compares what is stored with a recount.
func (f *forest) check(what string) {
	f.t.Helper()
	list, _, err := f.s.ListTree(bg, scheduler.TreeFilter{})
	if err != nil {
		f.t.Fatal(err)
	}
	byNum := map[int64]*scheduler.TreeJob{}
	for i := range list {
		byNum[list[i].Num] = &list[i]
	}
	if len(list) != len(f.nums) {
		f.t.Errorf("after %s: %d jobs, want %d", what, len(list), len(f.nums))
	}
	for i := range list {
		want := f.naive(byNum, list[i].Num)
		if diff := gocmp.Diff(want, list[i]); diff != "" {
			f.t.Errorf("after %s: job %d (-recount +stored):\n%s", what, list[i].Num, diff)
		}
	}
	f.orders(what, list)
	for _, rules := range [][]int64{nil, {1}, {2, 1}, {3}, {0, 2}} {
		want := naiveNext(list, rules)
		got, ok, err := f.s.NextTreeJob(bg, rules)
		if err != nil || got != want || ok != (want != 0) {
			f.t.Errorf("after %s: next of %v is %d, want %d (%v)", what, rules, got, want, err)
		}
	}
}

// naive returns a job with everything that follows from other jobs counted anew.
func (f *forest) naive(all map[int64]*scheduler.TreeJob, num int64) scheduler.TreeJob {
	j := *all[num]
	j.Deps, j.Blocked = len(f.deps[num]), 0
	for _, d := range f.deps[num] {
		if f.state(all, d) != scheduler.TreeFinished {
			j.Blocked++
		}
	}
	j.Place = f.place(all, num)
	if !j.IsGroup() {
		return j
	}
	j.TreeCounts, j.Took, j.StartedAt = scheduler.TreeCounts{}, 0, time.Time{}
	for _, c := range all {
		if c.Parent != num {
			continue
		}
		child := f.naive(all, c.Num)
		j.Add(child.Units(), 1)
		j.Took += child.Took
		if !child.StartedAt.IsZero() && (j.StartedAt.IsZero() || child.StartedAt.Before(j.StartedAt)) {
			j.StartedAt = child.StartedAt
		}
	}
	j.State = j.TreeCounts.State()
	return j
}

func (f *forest) state(all map[int64]*scheduler.TreeJob, num int64) scheduler.TreeState {
	if j := all[num]; !j.IsGroup() {
		return j.State
	}
	var ends, finished int
	var anyError, working bool
	var walk func(num int64)
	walk = func(num int64) {
		leaf := true
		for _, c := range all {
			if c.Parent == num {
				leaf = false
				walk(c.Num)
			}
		}
		if j := all[num]; leaf {
			ends++
			switch {
			case j.IsGroup():
			case j.State == scheduler.TreeFinished:
				finished++
			case j.State == scheduler.TreeError:
				anyError = true
			case j.State == scheduler.TreeWorking:
				working = true
			}
		}
	}
	walk(num)
	switch {
	case anyError:
		return scheduler.TreeError
	case ends == finished:
		return scheduler.TreeFinished
	case working:
		return scheduler.TreeWorking
	}
	return scheduler.TreeWaiting
}

func (f *forest) place(all map[int64]*scheduler.TreeJob, num int64) (p scheduler.Place) {
	j := all[num]
	if j.Parent != 0 {
		p = f.place(all, j.Parent)
	}
	blocked := 0
	for _, d := range f.deps[num] {
		if f.state(all, d) != scheduler.TreeFinished {
			blocked++
		}
	}
	return p.Below(&j.TreeDraft, blocked)
}

// naiveNext looks at every job.
func naiveNext(list []scheduler.TreeJob, rules []int64) int64 {
	path := func(j *scheduler.TreeJob) string { return j.Path + fmt.Sprintf("%0*d", 200-len(j.Path), 0) }
	for _, rule := range append(slices.Clone(rules), 0) {
		var fit []scheduler.TreeJob
		for _, j := range list {
			if j.Ready() && !j.Held() && j.Mask&rule == j.Mask && (j.Mask == 0) == (rule == 0) {
				fit = append(fit, j)
			}
		}
		if len(fit) > 0 {
			return slices.MinFunc(fit, func(a, b scheduler.TreeJob) int {
				return cmp.Or(cmp.Compare(path(&b), path(&a)), cmp.Compare(a.Num, b.Num))
			}).Num
		}
	}
	return 0
}

// treeOrder: with equal paths the lower Num comes first, whatever its depth.
func treeOrder(t *testing.T, s *db.Store) {
	a := addTreeJob(t, s, scheduler.TreeDraft{Title: "a", Priority: 100})
	b := addTreeJob(t, s, scheduler.TreeDraft{Title: "b", Priority: 100})
	low := addTreeJob(t, s, scheduler.TreeDraft{Parent: a.Num, Command: "x", Priority: 5})
	high := addTreeJob(t, s, scheduler.TreeDraft{Parent: b.Num, Command: "x", Priority: 200})
	root := addTreeJob(t, s, scheduler.TreeDraft{Command: "x", Priority: 100})
	zero := addTreeJob(t, s, scheduler.TreeDraft{Parent: b.Num, Command: "x"})
	gpu := addTreeJob(t, s, scheduler.TreeDraft{Command: "x", Priority: 1, Affinity: 2})
	var got []int64
	for range 6 {
		tx(t, s, func(tx scheduler.Tx) error {
			num, ok, err := tx.NextTreeJob(bg, []int64{2})
			if err != nil || !ok {
				return err
			}
			list, err := tx.TreeJobs(bg, []int64{num})
			if err != nil {
				return err
			}
			is := list[0]
			is.State = scheduler.TreeWorking
			got = append(got, num)
			return tx.UpdateTree(bg, scheduler.TreeChange{Before: list[0], After: is})
		})
	}
	if want := []int64{gpu.Num, high.Num, low.Num, root.Num, zero.Num}; !slices.Equal(got, want) {
		t.Errorf("taken %v, want %v", got, want)
	}
}
