package scheduler_test

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"belfry/db"
	"belfry/scheduler"
)

// idle is a timetable, a launcher and a publisher of a service on which nothing
// happens by itself.
type idle struct{ told *[]scheduler.Event }

func (idle) Put(scheduler.JobTimes) error       { return nil }
func (idle) Remove(string)                      {}
func (idle) Refresh()                           {}
func (idle) Next(string) (at time.Time, _ bool) { return at, false }
func (idle) Upcoming(int) []scheduler.Due       { return nil }
func (idle) Wake()                              {}
func (idle) Stop(string, string) bool           { return false }
func (idle) Workers() []scheduler.Worker        { return nil }
func (i idle) Publish(e scheduler.Event)        { *i.told = append(*i.told, e) }

// past is a service with a history.
type past struct {
	t       *testing.T
	store   *db.Store
	service *scheduler.Service
	now     time.Time
	ids     int
	told    []scheduler.Event
	made    map[string]string // what was made, by id
}

func newPast(t *testing.T, keep scheduler.Retention) *past {
	t.Helper()
	store, err := db.Open(bg, db.Options{Path: filepath.Join(t.TempDir(), "x.db"), NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	p := &past{t: t, store: store, now: simStart, made: map[string]string{}}
	world := idle{&p.told}
	p.service = scheduler.New(scheduler.Options{
		Store: store, Timetable: world, Launcher: world, Publisher: world,
		Executors: map[string]scheduler.Executor{"sim": simExecutor{}}, Passwords: simPasswords{},
		Now: func() time.Time { return p.now }, NewID: func() string { p.ids++; return fmt.Sprintf("%08d", p.ids) },
		Log: slog.New(slog.DiscardHandler), Keep: keep,
	})
	return p
}

func (p *past) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *past) job(name string, keep scheduler.Retention) {
	p.t.Helper()
	_, err := p.service.CreateJob(bg, admin, scheduler.Draft{Name: name, Executor: "sim", Retention: keep}, scheduler.OriginAPI)
	p.must(err)
}

// start makes a job run now.
func (p *past) start(job string) scheduler.Assignment {
	p.t.Helper()
	_, err := p.service.RunJob(bg, admin, job, nil)
	p.must(err)
	claimed, err := p.service.Claim(bg, scheduler.Worker{Name: "w"}, 1)
	p.must(err)
	return claimed[0]
}

// ran makes a job run now, with so much output, and an hour pass.
func (p *past) ran(name, job string, state scheduler.State, output int) {
	p.t.Helper()
	a := p.start(job)
	p.made[a.Execution.ID] = name
	end := scheduler.Ending{Execution: a.Execution, Job: a.Job}
	end.Execution.State, end.Execution.FinishedAt = state, p.now
	if output > 0 {
		end.Output.Append = &scheduler.Chunk{
			FirstLine: 1, Data: make([]byte, output), Pieces: []scheduler.Piece{{Len: output, At: p.now}},
		}
	}
	p.must(p.service.Finish(bg, end))
	p.now = p.now.Add(time.Hour)
}

// retain deletes all that is to be deleted.
func (p *past) retain() {
	p.t.Helper()
	for range 100 {
		more, err := p.service.Retain(bg)
		p.must(err)
		if !more {
			return
		}
	}
	p.t.Fatal("there is always more to delete")
}

// want compares what is left, oldest first, and recounts.
func (p *past) want(when string, names ...string) {
	p.t.Helper()
	all, total, err := p.store.ListExecutions(bg, scheduler.ExecutionFilter{})
	p.must(err)
	var left []string
	for _, e := range slices.Backward(all) {
		if name := p.made[e.ID]; name != "" {
			left = append(left, name)
		}
	}
	if d := cmp.Diff(names, left); d != "" {
		p.t.Errorf("%s (-want +left):\n%s", when, d)
	}
	if total.N != int64(len(all)) {
		p.t.Errorf("%s: total %d, recounted %d", when, total.N, len(all))
	}
	for _, state := range scheduler.States {
		list, total, err := p.store.ListExecutions(bg, scheduler.ExecutionFilter{States: []scheduler.State{state}})
		p.must(err)
		if total.N != int64(len(list)) {
			p.t.Errorf("%s: total of %s %d, recounted %d", when, state, total.N, len(list))
		}
	}
}

const (
	good = scheduler.Succeeded
	bad  = scheduler.Failed
)

func TestRetentionByAge(t *testing.T) {
	p := newPast(t, scheduler.Retention{MaxAge: 10 * time.Hour})
	p.job("a", scheduler.Retention{})
	p.job("strict", scheduler.Retention{MaxAge: 4 * time.Hour})
	p.job("lax", scheduler.Retention{MaxAge: 100 * time.Hour})
	p.ran("a failed", "a", bad, 0)
	p.ran("a1", "a", good, 10)
	p.ran("a2", "a", good, 10)
	p.ran("strict1", "strict", good, 10)
	p.ran("strict2", "strict", scheduler.Cancelled, 0)
	p.ran("strict3", "strict", good, 10)
	p.ran("lax1", "lax", bad, 10)
	p.ran("lax2", "lax", bad, 10)
	p.retain()
	p.want("after 8 hours", "a failed", "a1", "a2", "strict3", "lax1", "lax2")
	p.now = p.now.Add(90 * time.Minute)
	p.retain()
	p.want("after 9.5 hours", "a failed", "a1", "a2", "strict3", "lax1", "lax2")
	p.now = p.now.Add(90 * time.Minute)
	p.retain()
	p.want("after 11 hours: the last success and failure stay", "a failed", "a2", "strict3", "lax1", "lax2")
	p.now = p.now.Add(1000 * time.Hour)
	p.retain()
	p.want("long after", "a failed", "a2", "strict3", "lax2")
	p.ran("a3", "a", good, 0)
	p.now = p.now.Add(2 * time.Hour)
	p.retain()
	p.want("a newer success replaces the last", "a failed", "strict3", "lax2", "a3")
}

func TestRetentionByCount(t *testing.T) {
	p := newPast(t, scheduler.Retention{MaxCount: 5})
	p.job("a", scheduler.Retention{MaxCount: 3})
	p.job("b", scheduler.Retention{MaxCount: 1000})
	p.ran("a failed", "a", bad, 0)
	for i := range 6 {
		p.ran(fmt.Sprint("a", i), "a", good, 0)
		p.ran(fmt.Sprint("b", i), "b", good, 0)
	}
	p.retain()
	p.want("the stricter bound counts", "a failed", "b1", "b2", "b3", "a4", "b4", "a5", "b5")
	p.retain()
	p.want("again", "a failed", "b1", "b2", "b3", "a4", "b4", "a5", "b5")
}

func TestRetentionByBytes(t *testing.T) {
	p := newPast(t, scheduler.Retention{MaxBytes: 1000})
	p.job("a", scheduler.Retention{MaxBytes: 250})
	p.job("b", scheduler.Retention{})
	for i := range 5 {
		p.ran(fmt.Sprint("a", i), "a", good, 100)
	}
	p.ran("b small", "b", good, 0)
	p.ran("b0", "b", good, 300)
	p.retain()
	p.want("a job's bound", "a3", "a4", "b small", "b0")
	for i := range 3 {
		p.ran(fmt.Sprint("b", i+1), "b", good, 300)
	}
	p.retain() // of 1400 bytes the oldest output goes, of whatever job, but what is always kept
	p.want("the bound of all", "a4", "b small", "b1", "b2", "b3")
	p.ran("b huge", "b", bad, 5000)
	p.retain()
	p.want("one that alone is too large", "a4", "b small", "b3", "b huge")
	p.ran("b4", "b", bad, 10)
	p.now = p.now.Add(2 * time.Hour) // when it counts anew
	p.retain()
	p.want("the large one is not the last failure any more", "a4", "b small", "b3", "b4")
}

func TestRetentionKeepsWhatIsActive(t *testing.T) {
	p := newPast(t, scheduler.Retention{MaxAge: time.Hour, MaxCount: 1})
	p.job("a", scheduler.Retention{})
	running := p.start("a")
	p.made[running.Execution.ID] = "running"
	p.now = p.now.Add(time.Hour)
	p.ran("old", "a", good, 10)
	p.ran("first", "a", bad, 10)
	retried := ""
	for id, name := range p.made {
		if name == "first" {
			retried = id
		}
	}
	again, err := p.service.RetryExecution(bg, admin, retried, nil)
	p.must(err)
	p.made[again.ID] = "again"
	for i := range 3 {
		a, err := p.service.RunJob(bg, admin, "a", nil)
		p.must(err)
		p.must(p.service.StopExecution(bg, admin, a.ID))
		p.made[a.ID] = fmt.Sprint("stopped", i)
		p.now = p.now.Add(time.Hour)
	}
	p.ran("new", "a", good, 10) // claims the retry, which is due earlier
	p.now = p.now.Add(1000 * time.Hour)
	p.retain()
	p.want("a", "running", "first", "new", "stopped2")
}

// TestRetentionOfMuchOutput: long output goes in steps, and so does that of a
// deleted job.
func TestRetentionOfMuchOutput(t *testing.T) {
	p := newPast(t, scheduler.Retention{})
	p.job("a", scheduler.Retention{MaxAge: time.Hour})
	p.job("gone", scheduler.Retention{})
	for _, job := range []string{"a", "gone"} {
		a := p.start(job)
		chunk := scheduler.Chunk{FirstLine: 1, Data: make([]byte, 60_000), Pieces: []scheduler.Piece{{Len: 60_000, At: p.now}}}
		for range 150 {
			p.must(p.service.AddOutput(bg, a.Execution.ID, scheduler.Output{Append: &chunk}, 0))
			chunk.FirstByte, chunk.FirstLine = chunk.EndByte(), chunk.EndLine()
		}
		end := scheduler.Ending{Execution: a.Execution, Job: a.Job}
		end.Execution.State, end.Execution.FinishedAt = good, p.now
		p.must(p.service.Finish(bg, end))
		p.made[a.Execution.ID] = "long of " + job
		p.now = p.now.Add(time.Hour)
		p.ran("short of "+job, job, good, 10)
	}
	p.retain()
	p.want("long output", "short of a", "long of gone", "short of gone")
	p.must(p.service.DeleteJob(bg, admin, "gone", false))
	p.must(p.service.PurgeDeleted(bg))
	p.want("a deleted job", "short of a")
	bytes, err := p.store.KeptOutput(bg, 0, time.Time{}, p.now.Add(time.Hour))
	p.must(err)
	if bytes != 10 {
		t.Errorf("%d bytes of output are left, want 10", bytes)
	}
}

func TestProgressIsPublished(t *testing.T) {
	p := newPast(t, scheduler.Retention{})
	p.job("a", scheduler.Retention{})
	a := p.start("a")
	percent := 12.5
	p.told = nil
	chunk := scheduler.Chunk{FirstLine: 1, Data: []byte("12.5%\n"), Pieces: []scheduler.Piece{{Len: 6, At: p.now}}}
	p.must(p.service.AddOutput(bg, a.Execution.ID, scheduler.Output{Append: &chunk, Progress: &percent}, 6))
	if len(p.told) != 1 || p.told[0].Kind != scheduler.ExecutionChanged || p.told[0].ExecutionID != a.Execution.ID ||
		p.told[0].Execution.Progress != percent || p.told[0].Execution.OutputBytes != 6 {
		t.Errorf("told %+v", p.told)
	}
	chunk.FirstByte, chunk.FirstLine, p.told = 6, 2, nil
	p.must(p.service.AddOutput(bg, a.Execution.ID, scheduler.Output{Append: &chunk}, 12))
	if len(p.told) != 1 || p.told[0].Kind != scheduler.OutputGrew {
		t.Errorf("told %+v", p.told)
	}
}
