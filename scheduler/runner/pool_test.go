package runner

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"belfry/scheduler"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// queue is a Source in memory.
type queue struct {
	mu      sync.Mutex
	waiting []scheduler.Assignment
	running map[string]bool
	output  map[string]string
	ended   map[string]scheduler.Ending
	refuse  int // this many calls fail first
	claims  int
}

func newQueue() *queue {
	return &queue{running: map[string]bool{}, output: map[string]string{}, ended: map[string]scheduler.Ending{}}
}

func (q *queue) add(id string, j scheduler.Job, runAt time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	j.Executor = "test"
	q.waiting = append(q.waiting, scheduler.Assignment{Execution: scheduler.Execution{ID: id, State: scheduler.Queued, RunAt: runAt}, Job: j})
}

func (q *queue) Claim(_ context.Context, worker scheduler.Worker, limit int) (got []scheduler.Assignment, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.claims++
	if q.refuse > 0 {
		q.refuse--
		return nil, errors.New("the disk is full")
	}
	q.waiting = slices.DeleteFunc(q.waiting, func(a scheduler.Assignment) bool {
		if len(got) == limit || a.Execution.RunAt.After(time.Now()) {
			return false
		}
		a.Execution.State, a.Execution.Worker = scheduler.Running, worker.Name
		q.running[a.Execution.ID] = true
		got = append(got, a)
		return true
	})
	return got, nil
}

func (q *queue) NextRunAt(context.Context) (at time.Time, ok bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, a := range q.waiting {
		if !ok || a.Execution.RunAt.Before(at) {
			at, ok = a.Execution.RunAt, true
		}
	}
	return at, ok, nil
}

func (q *queue) keep(id string, out scheduler.Output) {
	for _, c := range out.Seal {
		q.output[id] = q.output[id][:c.FirstByte] + string(c.Data)
	}
	if out.Append != nil {
		q.output[id] += string(out.Append.Data)
	}
}

func (q *queue) AddOutput(_ context.Context, id string, out scheduler.Output, _ int64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.refuse > 0 {
		q.refuse--
		return errors.New("the disk is full")
	}
	q.keep(id, out)
	return nil
}

func (q *queue) Finish(_ context.Context, end scheduler.Ending) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.refuse > 0 {
		q.refuse--
		return errors.New("the disk is full")
	}
	q.keep(end.Execution.ID, end.Output)
	delete(q.running, end.Execution.ID)
	q.ended[end.Execution.ID] = end
	return nil
}

func (q *queue) end(id string) scheduler.Execution {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.ended[id].Execution
}

func (q *queue) written(id string) string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.output[id]
}

// script is an executor that does what the job's configuration says, and counts
// how many of it run at once.
type script struct{ now, most *atomic.Int64 }

func (script) Check(json.RawMessage) error { return nil }

func (s script) Execute(ctx context.Context, t scheduler.Task, out scheduler.OutputWriter) scheduler.Result {
	s.most.Store(max(s.most.Load(), s.now.Add(1)))
	defer s.now.Add(-1)
	switch do := string(t.Job.Config); {
	case do == "panic":
		panic("oops")
	case do == "hang":
		out.Write(scheduler.Stdout, []byte("hanging\n"))
		<-ctx.Done()
		return scheduler.Result{State: scheduler.Failed, Reason: "killed", Signal: "SIGTERM"}
	case strings.HasPrefix(do, "sleep "):
		d, _ := time.ParseDuration(do[6:])
		time.Sleep(d)
	case do == "talk":
		for i := range 5 {
			out.Write(scheduler.Stdout, []byte("line "+strconv.Itoa(i)+"\n"))
			time.Sleep(time.Second)
		}
	}
	return scheduler.Result{State: scheduler.Succeeded}
}

func job(do string) scheduler.Job {
	return scheduler.Job{Draft: scheduler.Draft{Config: json.RawMessage(do)}}
}

func newPool(slots int) *Pool {
	return New(Options{
		Worker: "w", Slots: slots, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Executors: map[string]scheduler.Executor{"test": script{new(atomic.Int64), new(atomic.Int64)}},
	})
}

// inPool runs fn beside a running pool in a bubble of fake time, then drains it.
func inPool(t *testing.T, slots int, fn func(*Pool, *queue)) {
	synctest.Test(t, func(t *testing.T) {
		q, p := newQueue(), newPool(slots)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { p.Run(ctx, q); close(done) }()
		fn(p, q)
		cancel()
		<-done
		p.Drain(t.Context(), time.Hour, "server stopping")
		if used, _ := p.Usage(); used != 0 || len(q.running) != 0 {
			t.Errorf("after the drain %d slots are used, %d run", used, len(q.running))
		}
	})
}

func TestNeverMoreThanTheSlotsAndNothingLeftWaiting(t *testing.T) {
	inPool(t, 3, func(p *Pool, q *queue) {
		for i := range 20 {
			q.add(strconv.Itoa(i), job("sleep 1s"), time.Now())
		}
		start := time.Now()
		p.Wake()
		time.Sleep(8 * time.Second)
		synctest.Wait()
		most := p.Executors["test"].(script).most.Load()
		if len(q.ended) != 20 || most != 3 {
			t.Fatalf("%d ended, at most %d at once", len(q.ended), most)
		}
		if last := q.end("19").FinishedAt.Sub(start); last != 7*time.Second {
			t.Errorf("the last ended after %v", last)
		}
	})
}

func TestWaitsForTheTimeOfADelayedExecution(t *testing.T) {
	inPool(t, 1, func(p *Pool, q *queue) {
		at := time.Now().Add(42 * time.Second)
		q.add("later", job(""), at)
		p.Wake()
		time.Sleep(43 * time.Second)
		synctest.Wait()
		if got := q.end("later").FinishedAt; got.Before(at) || got.Sub(at) > 10*time.Millisecond {
			t.Fatalf("ended %v after its time", got.Sub(at))
		}
		if q.claims > 6 {
			t.Errorf("%d claims while waiting", q.claims)
		}
	})
}

func TestTimeoutStopAndPanicEndWithTheirReasons(t *testing.T) {
	inPool(t, 4, func(p *Pool, q *queue) {
		slow := job("hang")
		slow.Timeout = 2 * time.Second
		q.add("slow", slow, time.Now())
		q.add("stopped", job("hang"), time.Now())
		q.add("panics", job("panic"), time.Now())
		q.add("fine", job(""), time.Now())
		p.Wake()
		synctest.Wait()
		if !p.Stop("stopped", "stopped by ann") || p.Stop("fine", "") {
			t.Error("Stop is wrong about what runs")
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		for id, want := range map[string][2]string{
			"slow":    {"timed_out", "still running after its timeout of 2s"},
			"stopped": {"cancelled", "stopped by ann"},
			"panics":  {"failed", "internal error in the executor test"},
			"fine":    {"succeeded", ""},
		} {
			if e := q.end(id); string(e.State) != want[0] || e.Reason != want[1] {
				t.Errorf("%s ended %s: %s", id, e.State, e.Reason)
			}
		}
		if q.written("stopped") != "hanging\n" || q.end("stopped").OutputBytes != 8 || q.end("stopped").OutputLines != 1 {
			t.Errorf("output %q", q.written("stopped"))
		}
	})
}

func TestOutputIsStoredWhileTheRunGoesOn(t *testing.T) {
	inPool(t, 1, func(p *Pool, q *queue) {
		q.add("a", job("talk"), time.Now())
		p.Wake()
		time.Sleep(2*time.Second + 100*time.Millisecond)
		synctest.Wait()
		if q.written("a") != "line 0\nline 1\nline 2\n" {
			t.Fatalf("after 2.1 s: %q", q.written("a"))
		}
	})
}

func TestStoreThatRefusesDelaysButLosesNothing(t *testing.T) {
	inPool(t, 2, func(p *Pool, q *queue) {
		q.mu.Lock()
		q.refuse = 3
		q.mu.Unlock()
		q.add("a", job("talk"), time.Now())
		p.Wake()
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if e := q.end("a"); e.State != scheduler.Succeeded || e.OutputLines != 5 {
			t.Fatalf("%s with %d lines", e.State, e.OutputLines)
		}
		if q.written("a") != "line 0\nline 1\nline 2\nline 3\nline 4\n" {
			t.Fatalf("output %q", q.written("a"))
		}
	})
}

func TestDrainCancelsWhatOutlivesTheGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, p := newQueue(), newPool(2)
		q.add("long", job("hang"), time.Now())
		q.add("short", job("sleep 2s"), time.Now())
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { p.Run(ctx, q); close(done) }()
		synctest.Wait()
		cancel()
		<-done
		start := time.Now()
		p.Drain(t.Context(), 5*time.Second, "server stopping")
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("the drain took %v", took)
		}
		if e := q.end("short"); e.State != scheduler.Succeeded {
			t.Errorf("short: %s", e.State)
		}
		if e := q.end("long"); e.State != scheduler.Cancelled || e.Reason != "server stopping" {
			t.Errorf("long: %s, %s", e.State, e.Reason)
		}
	})
}
