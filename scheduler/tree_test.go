package scheduler_test

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"belfry/scheduler"
)

// leaf is what the model knows of a job of the tree.
type leaf struct {
	state   scheduler.TreeState
	paused  bool
	retry   int
	retries int
	runs    int
	worker  string
	due     time.Time // when its timeout ends it
}

// treeModel does at random what people and workers do with the tree, and knows by
// itself what should become of each job.
type treeModel struct {
	*simulation
	groups  []int64
	parents map[int64]int64 // of all
	held    map[int64]bool  // groups that are paused
	leaves  map[int64]*leaf
	deps    map[int64]int64 // of leaves on leaves
}

// TestTreeModel compares the service with the model after every step: states, runs,
// who runs what, which executions are running, and what a worker gets.
func TestTreeModel(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	m := &treeModel{
		simulation: newSimulation(t, seed), parents: map[int64]int64{}, held: map[int64]bool{}, leaves: map[int64]*leaf{}, deps: map[int64]int64{},
	}
	m.rand = rand.New(rand.NewPCG(seed, 7))
	for i := range 600 {
		m.now = m.now.Add(time.Second)
		what := m.do()
		m.compare(fmt.Sprintf("seed %d, step %d, %s", seed, i, what))
		if t.Failed() {
			return
		}
	}
}

func (m *treeModel) one() int64 {
	nums := slices.Sorted(maps.Keys(m.parents))
	if len(nums) == 0 {
		return 0
	}
	return nums[m.rand.IntN(len(nums))]
}

// within lists the leaves of a job.
func (m *treeModel) within(num int64) (list []int64) {
	for n := range m.leaves {
		for at := n; at != 0; at = m.parents[at] {
			if at == num {
				list = append(list, n)
			}
		}
	}
	return list
}

func (m *treeModel) do() string {
	switch n := m.rand.IntN(12); {
	case len(m.leaves) < 6 || n == 0:
		return m.create()
	case n <= 3:
		return m.take()
	case n <= 6:
		return m.end()
	case n == 7:
		num := m.one()
		m.must(m.service.PauseTreeJobs(bg, admin, []int64{num}))
		if l := m.leaves[num]; l != nil {
			l.leave()
			l.paused = true
		} else if num != 0 {
			m.held[num] = true
		}
		return fmt.Sprintf("pause %d", num)
	case n == 8:
		num := m.one()
		m.must(m.service.StartTreeJobs(bg, admin, []int64{num}))
		if l := m.leaves[num]; l != nil {
			*l = leaf{state: scheduler.TreeWaiting, retry: l.retries, retries: l.retries, runs: l.runs, worker: l.worker}
		}
		delete(m.held, num)
		return fmt.Sprintf("start %d", num)
	case n == 9:
		num, only := m.one(), m.rand.IntN(2) == 0
		m.must(m.service.ResetTreeJobs(bg, admin, []int64{num}, only))
		for _, n := range m.within(num) {
			if l := m.leaves[n]; !only || l.state == scheduler.TreeError {
				l.leave()
				l.state, l.retry = scheduler.TreeWaiting, l.retries
			}
		}
		return fmt.Sprintf("reset %d, only errors: %t", num, only)
	case n == 10 && len(m.leaves) > 12:
		return m.remove()
	default:
		m.now = m.now.Add(time.Minute)
		m.must(m.service.EndOverdueTreeJobs(bg))
		for _, l := range m.leaves {
			if l.state == scheduler.TreeWorking && !l.due.IsZero() && !l.due.After(m.now) {
				l.end(false)
			}
		}
		return "timeouts"
	}
}

func (l *leaf) leave() {
	if l.state == scheduler.TreeWorking {
		l.state = scheduler.TreeWaiting
	}
	l.due = time.Time{}
}

func (l *leaf) end(well bool) {
	l.leave()
	l.runs++
	switch {
	case well:
		l.state = scheduler.TreeFinished
	case l.retry > 0:
		l.retry--
	default:
		l.state = scheduler.TreeError
	}
}

func (m *treeModel) create() string {
	d := scheduler.TreeDraft{Command: "x", Priority: int64(m.rand.IntN(3)), Retries: m.rand.IntN(2)}
	if len(m.groups) > 0 {
		d.Parent = m.groups[m.rand.IntN(len(m.groups))]
	}
	group := m.rand.IntN(4) == 0
	if group {
		d.Command = ""
	}
	if m.rand.IntN(3) == 0 {
		d.Timeout = 30 * time.Second
	}
	var on []int64
	if nums := slices.Sorted(maps.Keys(m.leaves)); !group && len(nums) > 0 && m.rand.IntN(3) == 0 {
		on = []int64{nums[m.rand.IntN(len(nums))]}
	}
	j, err := m.service.CreateTreeJob(bg, admin, d, "", on)
	m.must(err)
	m.parents[j.Num] = d.Parent
	if group {
		m.groups = append(m.groups, j.Num)
	} else {
		m.leaves[j.Num] = &leaf{state: scheduler.TreeWaiting, retry: d.Retries, retries: d.Retries}
		if len(on) > 0 {
			m.deps[j.Num] = on[0]
		}
	}
	return fmt.Sprintf("create %d in %d", j.Num, d.Parent)
}

func (m *treeModel) worker() string { return fmt.Sprintf("w%d", m.rand.IntN(4)) }

// take asks for a job: what the worker had waits again, and it gets the first of
// those that nothing holds.
func (m *treeModel) take() string {
	w := m.worker()
	for _, l := range m.leaves {
		if l.state == scheduler.TreeWorking && l.worker == w {
			l.leave()
		}
	}
	list, _, err := m.store.ListTree(bg, scheduler.TreeFilter{})
	m.must(err)
	var free []scheduler.TreeJob
	for _, j := range list {
		l := m.leaves[j.Num]
		if l == nil || l.paused || l.state != scheduler.TreeWaiting && !(l.state == scheduler.TreeWorking && l.worker == w) || m.isHeld(j.Num) {
			continue
		}
		if on, waits := m.deps[j.Num]; waits && m.leaves[on].state != scheduler.TreeFinished {
			continue
		}
		free = append(free, j)
	}
	slices.SortFunc(free, func(a, b scheduler.TreeJob) int {
		pad := func(p string) string { return p + strings.Repeat("0", 100-len(p)) }
		return cmp.Or(cmp.Compare(pad(b.Path), pad(a.Path)), cmp.Compare(a.Num, b.Num))
	})
	got, ok, err := m.service.TakeTreeJob(bg, w, nil)
	m.must(err)
	if ok != (len(free) > 0) || ok && got.Num != free[0].Num {
		m.t.Errorf("%s got %d (%t), of %d", w, got.Num, ok, len(free))
	}
	if !ok {
		return w + " finds nothing"
	}
	l := m.leaves[got.Num]
	l.state, l.worker, l.due = scheduler.TreeWorking, w, time.Time{}
	if got.Timeout > 0 {
		l.due = m.now.Add(got.Timeout)
	}
	return fmt.Sprintf("%s takes %d", w, got.Num)
}

func (m *treeModel) isHeld(num int64) bool {
	for at := m.parents[num]; at != 0; at = m.parents[at] {
		if m.held[at] {
			return true
		}
	}
	return false
}

// end lets a worker say that a job ended, which may be another one's, after a
// heartbeat.
func (m *treeModel) end() string {
	num, w, code := m.one(), m.worker(), m.rand.IntN(2)
	l := m.leaves[num]
	mine := l != nil && l.state == scheduler.TreeWorking && l.worker == w
	goes, err := m.service.BeatTreeJob(bg, w, num, []byte("PROGRESS:50\n"))
	m.must(err)
	if mine && m.isHeld(num) {
		l.leave()
		mine = false
	}
	if goes != mine {
		m.t.Errorf("a heartbeat of %d from %s: %t", num, w, goes)
	}
	ended, err := m.service.EndTreeJob(bg, w, num, code)
	m.must(err)
	if ended != mine {
		m.t.Errorf("the end of %d from %s: %t", num, w, ended)
	}
	if mine {
		l.end(code == 0)
	}
	return fmt.Sprintf("%s ends %d with %d", w, num, code)
}

func (m *treeModel) remove() string {
	num := m.one()
	m.must(m.service.DeleteTreeJobs(bg, admin, []int64{num}))
	for again := true; again; {
		again = false
		for n, parent := range m.parents {
			_, there := m.parents[parent]
			if n != num && (parent == 0 || there) {
				continue
			}
			delete(m.parents, n)
			delete(m.leaves, n)
			delete(m.held, n)
			delete(m.deps, n)
			m.groups = slices.DeleteFunc(m.groups, func(g int64) bool { return g == n })
			again = true
		}
	}
	maps.DeleteFunc(m.deps, func(_, on int64) bool { return m.leaves[on] == nil })
	return fmt.Sprintf("delete %d", num)
}

// compare looks at everything.
func (m *treeModel) compare(what string) {
	m.t.Helper()
	list, _, err := m.store.ListTree(bg, scheduler.TreeFilter{})
	m.must(err)
	if len(list) != len(m.parents) {
		m.t.Errorf("%s: %d jobs, want %d", what, len(list), len(m.parents))
	}
	want, got := map[int64]leaf{}, map[int64]leaf{}
	var working []string
	sums := map[int64]scheduler.TreeCounts{}
	for _, j := range list {
		if j.IsGroup() {
			continue
		}
		got[j.Num] = leaf{j.State, j.Paused, j.Retry, j.Retries, j.Runs, j.Worker, j.Deadline}
		if j.State == scheduler.TreeWorking {
			working = append(working, j.Execution)
		}
		for at := j.Parent; at != 0; at = m.parents[at] {
			c := sums[at]
			u := j.Units()
			c.TotalFinished, c.TotalErrors, c.TotalWorking = c.TotalFinished+u.TotalFinished, c.TotalErrors+u.TotalErrors, c.TotalWorking+u.TotalWorking
			sums[at] = c
		}
	}
	for n, l := range m.leaves {
		want[n] = *l
	}
	if d := gocmp.Diff(want, got, gocmp.AllowUnexported(leaf{})); d != "" {
		m.t.Errorf("%s (-want +got):\n%s", what, d)
	}
	for _, j := range list {
		c := sums[j.Num]
		if j.IsGroup() && (c.TotalFinished != j.TotalFinished || c.TotalErrors != j.TotalErrors || c.TotalWorking != j.TotalWorking) {
			m.t.Errorf("%s: group %d has %+v, want %+v", what, j.Num, j.TreeCounts, c)
		}
	}
	running, _, err := m.store.ListExecutions(bg, scheduler.ExecutionFilter{States: []scheduler.State{scheduler.Running}})
	m.must(err)
	var ids []string
	for _, e := range running {
		ids = append(ids, e.ID)
	}
	slices.Sort(ids)
	slices.Sort(working)
	if !slices.Equal(ids, working) {
		m.t.Errorf("%s: running are %v, the tree says %v", what, ids, working)
	}
}

func TestTreeProgress(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          float64
		ok            bool
	}{
		{"", "PROGRESS:25\nmore\nPROGRESS:50%\n", 0.5, true},
		{"", "PROGRESS:250\n", 1, true},
		{"", "PROGRESS:1.2.3\nPROGRESS:....\n", 0, false},
		{"#%percent", "#40", 0.4, true},
		{"P:%one", "P:1", 1, true},
		{"(frame) %percent of", "frame 7 of", 0.07, true}, // a group of its own does not count
		{"%one %percent", "%one 30", 0.3, true},           // percent wins
	} {
		p, err := scheduler.ParseTreeProgress(c.pattern)
		if err != nil {
			t.Error(err)
			continue
		}
		if got, ok := p.Find([]byte(c.text)); got != c.want || ok != c.ok {
			t.Errorf("%q in %q: %v, %t; want %v, %t", c.pattern, c.text, got, ok, c.want, c.ok)
		}
	}
	for _, bad := range []string{"nothing", "(%percent"} {
		if _, err := scheduler.ParseTreeProgress(bad); scheduler.CodeOf(err) != scheduler.CodeInvalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
