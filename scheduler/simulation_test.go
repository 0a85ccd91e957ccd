package scheduler_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"belfry/db"
	"belfry/scheduler"
)

// TestSimulation runs the engine on a real store, with a clock, a timetable and a
// worker of the test's own, through random operations: what people do, what the
// clock does, and crashes. After each step it compares what is stored with a model
// of what was promised. BELFRY_SIM_SEED replays a seed; BELFRY_SIM_STEPS says how
// many steps.
func TestSimulation(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("BELFRY_SIM_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	steps := simulationSteps
	if text := os.Getenv("BELFRY_SIM_STEPS"); text != "" {
		var err error
		if steps, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	} else if testing.Short() {
		steps = 1000
	}
	lines := 60
	if os.Getenv("BELFRY_SIM_LOG") != "" { // all of them
		lines = math.MaxInt
	}
	w := newSimulation(t, seed)
	for w.step = range steps {
		w.act()
		w.check()
		if w.step%500 == 499 {
			w.recount()
		}
		if t.Failed() {
			t.Fatalf("after step %d; replay with BELFRY_SIM_SEED=%d; the last steps:\n%s", w.step, seed, strings.Join(w.log[len(w.log)-min(lines, len(w.log)):], "\n"))
		}
	}
	w.recount()
	if t.Failed() {
		t.Fatalf("at the end; replay with BELFRY_SIM_SEED=%d", seed)
	}
	t.Logf("seed %d: %d steps, %s to %s: %d executions, %d due times accounted for, %d dependents triggered, %d crashes, %v",
		seed, steps, simStart.Format(time.DateOnly), w.now.Format(time.DateOnly), len(w.known), w.accounted, w.triggered, w.crashes, w.did)
}

var (
	bg       = context.Background()
	simStart = time.Date(2026, 3, 27, 22, 0, 0, 0, time.UTC) // two nights before clocks change in Europe
	admin    = scheduler.Principal{Name: "anna", Role: scheduler.Admin, Via: scheduler.ViaPage}
)

type simulation struct {
	t    *testing.T
	rand *rand.Rand
	step int
	log  []string
	did  map[string]int

	now     time.Time
	latest  time.Time // that now has been
	ids     int
	store   *db.Store
	service *scheduler.Service

	// The timetable.
	times map[string]scheduler.JobTimes
	next  map[string]time.Time

	// The worker.
	running  map[string]scheduler.Assignment
	stopping map[string]string

	// What happened in this step.
	events []scheduler.Execution

	// The model.
	known     map[string]scheduler.Execution // every execution as last published
	fired     map[string]bool                // (job, due time) of each fire
	delayed   map[string]bool                // executions that waited for their time
	summed    map[string]time.Time           // by job: the newest due time that shares a record
	jobs      map[string]*simJob             // by id
	frozen    time.Time
	accounted int
	triggered int
	crashes   int
}

type simJob struct {
	scheduler.Job
	owed      []time.Time     // due times that came, and are not accounted for yet
	owedUntil time.Time       // due times until here are in owed, or accounted for
	satisfied map[string]bool // by parent
	expected  int             // executions that dependencies triggered
	got       int
}

func newSimulation(t *testing.T, seed uint64) *simulation {
	store, err := db.Open(bg, db.Options{Path: filepath.Join(t.TempDir(), "sim.db"), NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	w := &simulation{
		t: t, rand: rand.New(rand.NewPCG(seed, 0)), now: simStart, store: store, did: map[string]int{},
		running: map[string]scheduler.Assignment{}, stopping: map[string]string{},
		known: map[string]scheduler.Execution{}, fired: map[string]bool{}, delayed: map[string]bool{}, summed: map[string]time.Time{}, jobs: map[string]*simJob{},
	}
	w.start()
	return w
}

// start is a server's start on what is stored.
func (w *simulation) start() {
	w.times, w.next = map[string]scheduler.JobTimes{}, map[string]time.Time{}
	w.service = scheduler.New(scheduler.Options{
		Store: w.store, Timetable: w, Launcher: w, Publisher: w,
		Executors: map[string]scheduler.Executor{"sim": simExecutor{}}, Passwords: simPasswords{},
		Now: func() time.Time { return w.now }, NewID: func() string { w.ids++; return fmt.Sprintf("%08d", w.ids) },
		Rand: w.rand.Float64, Log: slog.New(slog.DiscardHandler),
	})
	w.must(func() error { _, err := w.service.Recover(bg, "sim", "lost: crashed"); return err }())
	_, err := w.service.Resume(bg)
	w.must(err)
	w.reclock()
}

// reclock: what is still to come, by a clock that was set back, fires again.
func (w *simulation) reclock() {
	for _, j := range w.jobs {
		j.owed = slices.DeleteFunc(j.owed, func(at time.Time) bool { return at.After(w.now) })
		if j.owedUntil.After(w.now) {
			j.owedUntil = w.now
		}
	}
}

func (w *simulation) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Errorf("step %d: %v", w.step, err)
	}
}

// may is an operation that the rules may refuse.
func (w *simulation) may(err error) {
	w.t.Helper()
	switch scheduler.CodeOf(err) {
	case "", scheduler.CodeConflict, scheduler.CodeInvalid, scheduler.CodeNotFound:
		if err != nil {
			w.note("  refused: %v", err)
		}
	default:
		w.t.Errorf("step %d: %v", w.step, err)
	}
}

func (w *simulation) note(format string, args ...any) {
	w.log = append(w.log, fmt.Sprintf("%5d %s ", w.step, w.now.Format("01-02 15:04:05"))+fmt.Sprintf(format, args...))
}

type simExecutor struct{}

func (simExecutor) Check(json.RawMessage) error { return nil }
func (simExecutor) Execute(context.Context, scheduler.Task, scheduler.OutputWriter) scheduler.Result {
	panic("the simulation is the worker")
}

type simPasswords struct{}

func (simPasswords) Hash(string) (string, error) { return "", nil }
func (simPasswords) Matches(string, string) bool { return false }

// Put implements scheduler.Timetable.
func (w *simulation) Put(t scheduler.JobTimes) error {
	if old, ok := w.times[t.ID]; ok && old.Equal(t) {
		return nil
	}
	w.times[t.ID] = t
	w.arm(t.ID, w.now)
	return nil
}

func (w *simulation) arm(id string, after time.Time) {
	due, err := w.times[id].Parse()
	w.must(err)
	if at, ok := due.Next(after); ok {
		w.next[id] = at
	} else {
		delete(w.next, id)
	}
}

// Remove implements scheduler.Timetable.
func (w *simulation) Remove(id string) { delete(w.times, id); delete(w.next, id) }

// Refresh implements scheduler.Timetable.
func (w *simulation) Refresh() {
	for id, times := range w.times {
		due, err := times.Parse()
		w.must(err)
		if at, ok := due.Next(w.now); ok && at.Before(w.next[id]) || w.next[id].IsZero() && ok {
			w.next[id] = at
		}
	}
}

// Next implements scheduler.Timetable.
func (w *simulation) Next(id string) (time.Time, bool) { at, ok := w.next[id]; return at, ok }

// Upcoming implements scheduler.Timetable.
func (w *simulation) Upcoming(int) []scheduler.Due { return nil }

// Wake implements scheduler.Launcher.
func (w *simulation) Wake() {}

// Stop implements scheduler.Launcher.
func (w *simulation) Stop(id, reason string) bool {
	_, ok := w.running[id]
	if ok {
		w.stopping[id] = reason
	}
	return ok
}

// Workers implements scheduler.Launcher.
func (w *simulation) Workers() []scheduler.Worker {
	return []scheduler.Worker{{Name: "sim", Slots: 8, Used: len(w.running)}}
}

// Publish implements scheduler.Publisher.
func (w *simulation) Publish(e scheduler.Event) {
	if e.Kind == scheduler.ExecutionChanged {
		w.events = append(w.events, *e.Execution)
	}
}

// fire lets the timetable fire until now. Between a jump of the clock and this, it
// fires as scheduler/timer does: the first due time, then those behind the clock.
func (w *simulation) fire() {
	for {
		id, at := "", time.Time{}
		for _, job := range slices.Sorted(maps.Keys(w.next)) {
			if n := w.next[job]; !n.After(w.now) && (id == "" || n.Before(at)) {
				id, at = job, n
			}
		}
		if id == "" {
			break
		}
		w.service.Fire(id, at)
		w.arm(id, at)
		if n, ok := w.next[id]; ok && w.now.Sub(n) > scheduler.SkipsAfter {
			w.arm(id, w.now)
		}
	}
}

// advance lets time pass as it does: everything fires when it is due.
func (w *simulation) advance(d time.Duration) {
	for end := w.now.Add(d); ; {
		first := end
		for _, at := range w.next {
			if at.Before(first) {
				first = at
			}
		}
		w.now = later(w.now, first)
		w.owe()
		w.fire()
		w.must(w.service.StoreFires(bg))
		if !first.Before(end) {
			return
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// owe adds the due times that have come to what each job owes.
func (w *simulation) owe() {
	for _, j := range w.jobs {
		if !j.Live() || !w.now.After(j.owedUntil) {
			continue
		}
		due, err := j.Times().Parse()
		w.must(err)
		newest, older, _, _ := due.Between(j.owedUntil, w.now, 100)
		if older > 0 {
			newest = newest[1:] // the rest is in one record
		}
		j.owed = append(j.owed, newest...)
		j.owedUntil = w.now
	}
}

func (w *simulation) pick() *simJob {
	if len(w.jobs) == 0 {
		return nil
	}
	ids := slices.Sorted(maps.Keys(w.jobs))
	return w.jobs[ids[w.rand.IntN(len(ids))]]
}

func chance[T any](w *simulation, values ...T) T { return values[w.rand.IntN(len(values))] }

func (w *simulation) draft(name string) scheduler.Draft {
	d := scheduler.Draft{
		Name: name, Enabled: w.rand.IntN(10) > 0, Executor: "sim",
		Concurrency: chance(w, scheduler.Concurrencies...), MaxQueued: 1 + w.rand.IntN(3), MaxRunning: w.rand.IntN(3),
		Priority: w.rand.IntN(3), Retries: w.rand.IntN(3), CatchUp: chance(w, scheduler.CatchUps...),
		CatchUpWindow: chance(w, time.Minute, time.Hour, 24*time.Hour), Jitter: chance(w, 0, 0, 20*time.Second),
		Retry: scheduler.RetryPolicy{Delay: chance(w, time.Second, time.Minute), ExitCodes: chance(w, nil, nil, []int{1})},
	}
	if w.rand.IntN(4) > 0 {
		for range 1 + w.rand.IntN(2) {
			d.Schedules = append(d.Schedules, scheduler.Schedule{
				Text: chance(w, "*/5 * * * *", "* * * * *", "30 2 * * *", "0 0 * * *", "@every 7m", "15,45 1-3 * * *", "*/40 * * * * *"),
				Zone: chance(w, "", "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Atlantic/Azores"),
			})
		}
	} else {
		d.Once = w.rand.IntN(3) == 0
	}
	switch w.rand.IntN(12) {
	case 0:
		d.StartsAt = w.now.Add(time.Duration(w.rand.IntN(3600)) * time.Second)
	case 1:
		d.EndsAt = w.now.Add(time.Duration(w.rand.IntN(36000)) * time.Second)
	case 2:
		d.PausedUntil = w.now.Add(time.Duration(w.rand.IntN(3600)) * time.Second)
	}
	for range w.rand.IntN(3) {
		if p := w.pick(); p != nil && p.Name != name && !slices.ContainsFunc(d.DependsOn, func(x scheduler.Dependency) bool { return x.Job == p.Name }) {
			d.DependsOn = append(d.DependsOn, scheduler.Dependency{Job: p.Name, On: chance(w, scheduler.Conditions...)})
		}
	}
	return d
}

// put takes over a job as it was stored.
func (w *simulation) put(j scheduler.Job, err error) {
	if err != nil {
		w.may(err)
		return
	}
	old := w.jobs[j.ID]
	if old == nil {
		old = &simJob{satisfied: map[string]bool{}, owedUntil: w.now}
		w.jobs[j.ID] = old
	} else if old.Enabled != j.Enabled || !old.Times().Equal(j.Times()) {
		old.owedUntil = w.now
	}
	before := old.DependsOn
	old.Job = j
	sat := map[string]bool{}
	for _, d := range j.DependsOn {
		if slices.ContainsFunc(before, func(b scheduler.Dependency) bool { return b.JobID == d.JobID && b.On == d.On }) {
			sat[d.JobID] = old.satisfied[d.JobID]
		} else if j.Once {
			sat[d.JobID] = d.On.Met(w.lastOutcome(d.JobID))
		}
	}
	old.satisfied = sat
}

// lastOutcome is the state of the newest execution that was an outcome.
func (w *simulation) lastOutcome(job string) scheduler.State {
	var last *scheduler.Execution
	for _, e := range w.known {
		if e.JobID != job || !e.State.Final() || e.State == scheduler.Skipped || e.State == scheduler.Missed {
			continue
		}
		if last == nil || e.DueAt.After(last.DueAt) || e.DueAt.Equal(last.DueAt) && e.Attempt > last.Attempt {
			last = &e
		}
	}
	if last == nil {
		return ""
	}
	return last.State
}

func (w *simulation) act() {
	w.events = w.events[:0]
	w.latest = later(w.latest, w.now)
	actions := []struct {
		name   string
		weight int
		do     func()
	}{
		{"create", 2, func() {
			if len(w.jobs) >= 25 {
				return
			}
			d := w.draft(fmt.Sprint("job", w.step))
			w.put(w.service.CreateJob(bg, admin, d, scheduler.OriginAPI))
		}},
		{"edit", 4, func() {
			if j := w.pick(); j != nil {
				w.put(w.service.UpdateJob(bg, admin, j.Name, 0, w.draft(j.Name)))
			}
		}},
		{"zone", 2, func() {
			if j := w.pick(); j != nil && len(j.Schedules) > 0 {
				d := j.Draft
				d.Schedules = slices.Clone(d.Schedules)
				d.Schedules[0].Zone = chance(w, "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe")
				w.put(w.service.UpdateJob(bg, admin, j.Name, 0, d))
			}
		}},
		{"enable", 2, func() {
			if j := w.pick(); j != nil {
				w.put(w.service.SetEnabled(bg, admin, j.Name, w.rand.IntN(4) > 0))
			}
		}},
		{"pause", 1, func() {
			if j := w.pick(); j != nil {
				w.put(w.service.PauseJob(bg, admin, j.Name, chance(w, time.Time{}, w.now.Add(10*time.Minute))))
			}
		}},
		{"delete", 1, w.delete},
		{"pass", 30, func() { w.advance(time.Duration(1+w.rand.IntN(chance(w, 5, 60, 300))) * time.Second) }},
		{"claim", 30, w.claim},
		{"finish", 40, w.finish},
		{"run", 4, func() {
			if j := w.pick(); j != nil {
				_, err := w.service.RunJob(bg, admin, j.Name, nil)
				w.may(err)
			}
		}},
		{"retry", 2, func() {
			if e, ok := w.any(func(e scheduler.Execution) bool { return e.State.Final() && w.jobs[e.JobID] != nil }); ok {
				_, err := w.service.RetryExecution(bg, admin, e.ID, nil)
				w.may(err)
			}
		}},
		{"stop", 3, func() {
			if e, ok := w.any(func(e scheduler.Execution) bool { return e.State.Active() && w.jobs[e.JobID] != nil }); ok {
				w.may(w.service.StopExecution(bg, admin, e.ID))
			}
		}},
		{"tick", 2, func() { w.must(w.service.Tick(bg)); w.must(w.service.Alive(bg)) }},
		{"freeze", 1, func() {
			f, err := w.service.Freeze(bg, admin, "night", chance(w, time.Time{}, w.now.Add(5*time.Minute)))
			w.may(err)
			if err == nil {
				w.frozen = f.Since
			}
		}},
		{"unfreeze", 2, func() { w.may(w.service.Unfreeze(bg, admin)) }},
		{"crash", 1, w.crash},
		{"asleep", 1, func() {
			w.now = w.now.Add(time.Duration(w.rand.IntN(chance(w, 600, 3*3600))) * time.Second)
			w.owe()
			w.fire()
			w.must(w.service.StoreFires(bg))
		}},
		{"set back", 1, func() {
			w.now = w.now.Add(-time.Duration(w.rand.IntN(3600)) * time.Second)
			w.must(w.service.ClockSet(bg)) // as Watch does when it notices
			w.reclock()
			if w.frozen.After(w.now) {
				w.frozen = w.now
			}
		}},
	}
	total := 0
	for _, a := range actions {
		total += a.weight
	}
	n := w.rand.IntN(total)
	for _, a := range actions {
		if n -= a.weight; n < 0 {
			w.note("%s", a.name)
			w.did[a.name]++
			a.do()
			break
		}
	}
	if !w.service.Frozen().Active() {
		w.frozen = time.Time{}
	}
}

func (w *simulation) any(wanted func(scheduler.Execution) bool) (scheduler.Execution, bool) {
	var found []string
	for id, e := range w.known {
		if wanted(e) {
			found = append(found, id)
		}
	}
	if len(found) == 0 {
		return scheduler.Execution{}, false
	}
	slices.Sort(found)
	return w.known[found[w.rand.IntN(len(found))]], true
}

func (w *simulation) delete() {
	j := w.pick()
	if j == nil || len(w.jobs) < 10 {
		return
	}
	if err := w.service.DeleteJob(bg, admin, j.Name, w.rand.IntN(2) == 0); err != nil {
		w.may(err)
		return
	}
	delete(w.jobs, j.ID)
	for _, c := range w.jobs {
		if _, ok := c.satisfied[j.ID]; ok || slices.ContainsFunc(c.DependsOn, func(d scheduler.Dependency) bool { return d.JobID == j.ID }) {
			delete(c.satisfied, j.ID)
			c.DependsOn = slices.DeleteFunc(slices.Clone(c.DependsOn), func(d scheduler.Dependency) bool { return d.JobID == j.ID })
			if c.Once && w.complete(c) && w.mayRunOnce(c, "") {
				c.expected++
			}
		}
	}
	for id, e := range w.known {
		if e.JobID == j.ID {
			delete(w.known, id)
		}
	}
	w.events = slices.DeleteFunc(w.events, func(e scheduler.Execution) bool { return e.JobID == j.ID })
	for id, a := range w.running {
		if a.Job.ID == j.ID {
			delete(w.running, id)
			delete(w.stopping, id)
			e := a.Execution
			e.State, e.Reason, e.FinishedAt = scheduler.Cancelled, "deleted", w.now
			w.must(w.service.Finish(bg, scheduler.Ending{Execution: e, Job: a.Job}))
			w.events = slices.DeleteFunc(w.events, func(e scheduler.Execution) bool { return e.JobID == j.ID })
		}
	}
}

func (w *simulation) claim() {
	free := 8 - len(w.running)
	if free == 0 {
		return
	}
	claimed, err := w.service.Claim(bg, scheduler.Worker{Name: "sim"}, 1+w.rand.IntN(free))
	w.must(err)
	if len(claimed) > 0 && w.service.Frozen().Active() {
		w.t.Errorf("step %d: claimed during a freeze", w.step)
	}
	for _, a := range claimed {
		w.running[a.Execution.ID] = a
		j := w.jobs[a.Execution.JobID]
		if j == nil {
			w.t.Errorf("step %d: claimed %s of a job that does not exist", w.step, a.Execution.ID)
			continue
		}
		w.checkClaim(j, a.Execution)
	}
}

// checkClaim: a job's limit is kept, and its queue is in order.
func (w *simulation) checkClaim(j *simJob, e scheduler.Execution) {
	limit := j.MaxRunning
	switch j.Concurrency {
	case scheduler.Forbid, scheduler.Replace:
		limit = 1
	case scheduler.Queue:
		limit = max(1, j.MaxRunning)
	}
	n := 0
	for _, a := range w.running {
		if a.Job.ID == j.ID {
			n++
		}
	}
	if limit > 0 && n > limit {
		w.t.Errorf("step %d: %d executions of %s (%s, max_running %d) run at once", w.step, n, j.Name, j.Concurrency, j.MaxRunning)
	}
	if e.RunAt.After(w.latest) { // a clock that is set back does not undo that its time had come
		w.t.Errorf("step %d: %s was claimed before %s", w.step, e.ID, e.RunAt)
	}
	for _, other := range w.known {
		if other.JobID == j.ID && other.State == scheduler.Queued && other.Wait == scheduler.WaitTurn && !w.delayed[e.ID] &&
			!w.delayed[other.ID] && other.ID < e.ID && other.DueAt.Before(e.DueAt) {
			w.t.Errorf("step %d: %s (due %s) of %s (%s) came before %s (due %s)", w.step, e.ID, e.DueAt, j.Name, j.Concurrency, other.ID, other.DueAt)
		}
	}
}

func (w *simulation) finish() {
	if len(w.running) == 0 {
		return
	}
	ids := slices.Sorted(maps.Keys(w.running))
	id := ids[w.rand.IntN(len(ids))]
	a := w.running[id]
	delete(w.running, id)
	e := a.Execution
	e.FinishedAt = later(w.now, e.StartedAt)
	code := 0
	switch reason, stop := w.stopping[id]; {
	case stop:
		e.State, e.Reason = scheduler.Cancelled, reason
	case w.rand.IntN(10) == 0:
		e.State, e.Reason = scheduler.TimedOut, "slow"
	case w.rand.IntN(3) == 0:
		code = 1 + w.rand.IntN(2)
		e.State, e.Reason, e.ExitCode = scheduler.Failed, "broken", &code
	default:
		e.State, e.ExitCode = scheduler.Succeeded, &code
	}
	delete(w.stopping, id)
	w.must(w.service.Finish(bg, scheduler.Ending{Execution: e, Job: a.Job}))
}

// crash: fires that were not stored are gone, runs are gone, and nobody fires for
// a while.
func (w *simulation) crash() {
	w.crashes++
	w.now = w.now.Add(time.Second)
	w.owe()
	w.fire() // noticed, and never stored
	if w.rand.IntN(2) == 0 {
		w.must(w.service.StoreFires(bg))
	}
	clear(w.running)
	clear(w.stopping)
	w.now = w.now.Add(time.Duration(w.rand.IntN(chance(w, 10, 600, 6*3600))) * time.Second)
	w.owe()
	w.start()
}

// check compares what this step published with the model.
func (w *simulation) check() {
	for i, e := range w.events {
		before, was := w.known[e.ID]
		if was && before.State != e.State && !before.State.CanBecome(e.State) || !was && !scheduler.State("").CanBecome(e.State) {
			w.t.Errorf("step %d: %s went from %q to %q", w.step, e.ID, before.State, e.State)
		}
		if e.State != scheduler.Succeeded && e.State.Final() && e.Reason == "" {
			w.t.Errorf("step %d: %s is %s without a reason", w.step, e.ID, e.State)
		}
		w.known[e.ID] = e
		if e.Wait == scheduler.WaitTime {
			w.delayed[e.ID] = true
		}
		w.note("  %s of %s (%s, due %s): %s %s %s", e.ID, e.JobName, e.Trigger.Kind, e.DueAt.Format("15:04:05"), e.State, e.Wait, e.Reason)
		if j := w.jobs[e.JobID]; j != nil && !was && e.Trigger.Kind == scheduler.TriggerDependency {
			j.got++
		}
		if e.State.Final() && e.State != scheduler.Skipped && e.State != scheduler.Missed {
			retried := slices.ContainsFunc(w.events[i+1:], func(n scheduler.Execution) bool {
				return n.Group == e.Group && n.Attempt == e.Attempt+1
			})
			if !retried {
				w.ended(e)
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(w.jobs)) {
		j := w.jobs[id]
		if j.got != j.expected {
			w.t.Errorf("step %d: %d executions of %s by dependencies (%v, now %v), want %d", w.step, j.got, j.Name, j.DependsOn, j.satisfied, j.expected)
		}
	}
	w.settled()
}

// ended is what the end of a group means to the model of dependencies.
func (w *simulation) ended(e scheduler.Execution) {
	for _, id := range slices.Sorted(maps.Keys(w.jobs)) {
		c := w.jobs[id]
		at := slices.IndexFunc(c.DependsOn, func(d scheduler.Dependency) bool { return d.JobID == e.JobID })
		if at < 0 {
			continue
		}
		met := c.DependsOn[at].On.Met(e.State)
		c.satisfied[e.JobID] = met
		if !met {
			continue
		}
		if !w.complete(c) {
			continue
		}
		if c.Once {
			if w.mayRunOnce(c, e.ID) {
				c.expected++
			}
			continue
		}
		c.expected++
		w.triggered++
		clear(c.satisfied)
	}
}

func (w *simulation) complete(c *simJob) bool {
	return !slices.ContainsFunc(c.DependsOn, func(d scheduler.Dependency) bool { return !c.satisfied[d.JobID] })
}

// mayRunOnce reports whether a job that runs once did not before the execution
// that triggers it.
func (w *simulation) mayRunOnce(c *simJob, by string) bool {
	for _, e := range w.known {
		if e.JobID == c.ID && e.ID != by {
			return false
		}
	}
	return c.Enabled && (c.EndsAt.IsZero() || w.now.Before(c.EndsAt))
}

// settled: every due time that has come is an execution, once, unless a freeze
// still holds it back.
func (w *simulation) settled() {
	for _, e := range w.events {
		if e.Trigger.Kind == scheduler.TriggerSchedule && e.Attempt == 1 {
			w.fired[fire(e.JobID, e.DueAt)] = true
			if e.State == scheduler.Missed && strings.Contains(e.Reason, " due times from ") {
				w.summed[e.JobID] = later(w.summed[e.JobID], e.DueAt)
			}
		}
	}
	for _, j := range w.jobs {
		j.owed = slices.DeleteFunc(j.owed, func(at time.Time) bool {
			if w.fired[fire(j.ID, at)] || at.Before(w.summed[j.ID]) {
				w.accounted++
				return true
			}
			if !w.frozen.IsZero() && !at.Before(w.frozen) {
				return false
			}
			w.t.Errorf("step %d: nothing is known about %s at %s: it is %v, live since %s", w.step, j.Name, at, j.Schedules, j.LiveSince)
			return true
		})
	}
}

func fire(job string, due time.Time) string { return job + strconv.FormatInt(due.UnixMicro(), 10) }

// recount compares everything that is stored with what was published, and the
// counters with both.
func (w *simulation) recount() {
	total := map[scheduler.State]int64{}
	for id, j := range w.jobs {
		counts := map[scheduler.State]int64{}
		due := map[time.Time]string{}
		n := 0
		for offset := 0; ; offset += scheduler.MaxPage {
			list, _, err := w.store.ListExecutions(bg, scheduler.ExecutionFilter{JobID: id, Limit: scheduler.MaxPage, Offset: offset})
			w.must(err)
			for _, e := range list {
				n++
				counts[e.State]++
				total[e.State]++
				if known := w.known[e.ID]; known.State != e.State || known.Wait != e.Wait && e.State == scheduler.Queued {
					w.t.Errorf("step %d: %s is stored as %s %s, and was published as %s %s", w.step, e.ID, e.State, e.Wait, known.State, known.Wait)
				}
				if e.State == scheduler.Running && w.running[e.ID].Execution.ID == "" {
					w.t.Errorf("step %d: %s runs for ever", w.step, e.ID)
				}
				if e.Attempt == 1 && e.Trigger.Kind == scheduler.TriggerSchedule {
					if other, twice := due[e.DueAt]; twice {
						w.t.Errorf("step %d: %s and %s are of one due time", w.step, other, e.ID)
					}
					due[e.DueAt] = e.ID
				}
			}
			if len(list) < scheduler.MaxPage {
				break
			}
		}
		stats, err := w.store.JobStats(bg, []string{id}, 0)
		w.must(err)
		if !maps.Equal(counts, stats[id].Counts) {
			w.t.Errorf("step %d: %s is counted as %v, and is %v", w.step, j.Name, stats[id].Counts, counts)
		}
		known := 0
		for _, e := range w.known {
			if e.JobID == id {
				known++
			}
		}
		if known != n {
			w.t.Errorf("step %d: %d executions of %s are stored, %d were published", w.step, n, j.Name, known)
		}
	}
	for _, state := range scheduler.States {
		_, got, err := w.store.ListExecutions(bg, scheduler.ExecutionFilter{States: []scheduler.State{state}, Limit: 1})
		w.must(err)
		if got.N != total[state] {
			w.t.Errorf("step %d: %d executions are counted %s, and %d are", w.step, got.N, state, total[state])
		}
	}
}
