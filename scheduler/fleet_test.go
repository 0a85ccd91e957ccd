package scheduler_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"belfry/db"
	"belfry/scheduler"
)

// fleet is a service without a worker of its own, within a bubble of time, and
// workers that dial in.
type fleet struct {
	t       *testing.T
	path    string
	store   *db.Store
	service *scheduler.Service
	token   scheduler.WorkerToken
	ids     atomic.Int64
	end     func()
}

// quiet is what a service needs that the tests of workers do not look at.
type quiet struct{}

func (quiet) Put(scheduler.JobTimes) error       { return nil }
func (quiet) Remove(string)                      {}
func (quiet) Refresh()                           {}
func (quiet) Next(string) (at time.Time, _ bool) { return at, false }
func (quiet) Upcoming(int) []scheduler.Due       { return nil }
func (quiet) Wake()                              {}
func (quiet) Stop(string, string) bool           { return false }
func (quiet) Workers() []scheduler.Worker {
	return []scheduler.Worker{{Name: "server", Tags: []string{"local"}, Slots: 1, Used: 1}}
}
func (quiet) Publish(scheduler.Event) {}

// inFleet runs a test in a bubble.
func inFleet(t *testing.T, test func(f *fleet)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := &fleet{t: t, path: filepath.Join(t.TempDir(), "x.db")}
		f.start()
		secret := f.newToken("farm")
		var err error
		f.token, err = f.service.AuthenticateWorker(bg, secret)
		f.must(err)
		test(f)
		f.stop()
	})
}

func (f *fleet) start() {
	var err error
	f.store, err = db.Open(bg, db.Options{Path: f.path, NoSync: true})
	f.must(err)
	f.service = scheduler.New(scheduler.Options{
		Store: f.store, Timetable: quiet{}, Launcher: quiet{}, Publisher: quiet{},
		Executors: map[string]scheduler.Executor{"sim": simExecutor{}}, Passwords: simPasswords{},
		Now: time.Now, NewID: func() string { return fmt.Sprintf("%08d", f.ids.Add(1)) }, Log: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(bg)
	var wg sync.WaitGroup
	wg.Go(func() { f.service.Tend(ctx) })
	f.end = func() { cancel(); wg.Wait(); f.must(f.store.Close()) }
}

func (f *fleet) stop() { f.end() }

func (f *fleet) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fleet) code(err error, code scheduler.Code) {
	f.t.Helper()
	if got := scheduler.CodeOf(err); got != code {
		f.t.Fatalf("error %v has the code %q, want %q", err, got, code)
	}
}

func (f *fleet) newToken(name string) (secret string) {
	f.t.Helper()
	_, secret, err := f.service.CreateWorkerToken(bg, admin, name)
	f.must(err)
	return secret
}

func (f *fleet) job(name string, change ...func(*scheduler.Draft)) {
	f.t.Helper()
	d := scheduler.Draft{Name: name, Executor: "sim", Config: json.RawMessage("{}")}
	for _, c := range change {
		c(&d)
	}
	_, err := f.service.CreateJob(bg, admin, d, scheduler.OriginAPI)
	f.must(err)
}

func (f *fleet) run(job string) string {
	f.t.Helper()
	e, err := f.service.RunJob(bg, admin, job, nil)
	f.must(err)
	return e.ID
}

func (f *fleet) connect(name string, tags ...string) scheduler.WorkerSession {
	f.t.Helper()
	ws, err := f.service.ConnectWorker(bg, f.token, scheduler.Hello{Name: name, Kind: scheduler.WorkerRemote, Tags: tags, Slots: 2})
	f.must(err)
	return ws
}

// claim asks without waiting and returns the ids it got.
func (f *fleet) claim(ws scheduler.WorkerSession, have ...string) []string {
	f.t.Helper()
	return f.claimWait(ws, 0, have...)
}

func (f *fleet) claimWait(ws scheduler.WorkerSession, wait time.Duration, have ...string) (ids []string) {
	f.t.Helper()
	list, err := f.service.WorkerClaim(bg, ws, scheduler.ClaimAsk{Have: have, Limit: 1, Wait: wait})
	f.must(err)
	for _, a := range list {
		ids = append(ids, a.Execution.ID)
	}
	return ids
}

func (f *fleet) beat(ws scheduler.WorkerSession, running ...string) (scheduler.Orders, error) {
	return f.service.WorkerBeat(bg, ws, scheduler.Beat{Running: running})
}

func (f *fleet) finish(ws scheduler.WorkerSession, id string, state scheduler.State) error {
	r := scheduler.Report{ID: id, State: state}
	if state != good {
		r.Reason = "exit code 1"
	}
	return f.service.WorkerFinish(bg, ws, r)
}

func (f *fleet) execution(id string) scheduler.Execution {
	f.t.Helper()
	e, err := f.store.Execution(bg, id)
	f.must(err)
	return e
}

func (f *fleet) wantState(id string, state scheduler.State, reason string) {
	f.t.Helper()
	if e := f.execution(id); e.State != state || !strings.Contains(e.Reason, reason) {
		f.t.Errorf("%s is %s (%q), want %s with %q", id, e.State, e.Reason, state, reason)
	}
}

func (f *fleet) want(got []string, want ...string) {
	f.t.Helper()
	if !slices.Equal(got, want) {
		f.t.Errorf("got %v, want %v", got, want)
	}
}

func (f *fleet) waiting(id string) string {
	e := f.execution(id)
	return f.service.Waiting(&e)
}

func tagged(tags ...string) func(*scheduler.Draft) {
	return func(d *scheduler.Draft) { d.Tags = tags }
}

// TestWorkerRuns: a worker waits for work, gets it the moment it comes, streams
// output, and ends it once.
func TestWorkerRuns(t *testing.T) {
	inFleet(t, func(f *fleet) {
		f.job("j")
		ws := f.connect("w")
		got := make(chan []string)
		start := time.Now()
		go func() { got <- f.claimWait(ws, time.Minute) }()
		pass(3 * time.Second)
		id := f.run("j")
		f.want(<-got, id)
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("it was given after %s, want at once", took-3*time.Second)
		}
		e := f.execution(id)
		if e.State != scheduler.Running || e.Worker != "w" {
			t.Errorf("it is %s on %q", e.State, e.Worker)
		}
		chunk := func(from int64, text string) scheduler.Output {
			return scheduler.Output{Append: &scheduler.Chunk{
				FirstByte: from, FirstLine: 1, Data: []byte(text), Pieces: []scheduler.Piece{{Len: len(text), At: time.Now(), Open: true}},
			}}
		}
		f.must(f.service.WorkerOutput(bg, ws, id, chunk(0, "ab"), 2))
		f.must(f.service.WorkerOutput(bg, ws, id, chunk(0, "ab"), 2)) // its answer was lost
		f.must(f.service.WorkerOutput(bg, ws, id, chunk(2, "c"), 3))
		f.code(f.service.WorkerOutput(bg, ws, id, chunk(7, "x"), 8), scheduler.CodeConflict)
		c, err := f.store.OutputAt(bg, id, 0, 100)
		f.must(err)
		if string(c.Data) != "abc" {
			t.Errorf("the output is %q", c.Data)
		}
		f.must(f.finish(ws, id, good))
		f.must(f.finish(ws, id, good)) // its answer was lost
		f.code(f.finish(ws, id, bad), scheduler.CodeConflict)
		f.wantState(id, good, "")
		f.code(f.service.WorkerFinish(bg, ws, scheduler.Report{ID: id, State: scheduler.Lost}), scheduler.CodeInvalid)
		f.want(f.claim(ws))
	})
}

// TestWorkerFence: a worker that was not heard of is given up within thirty
// seconds; what it then says changes nothing, and it can come back.
func TestWorkerFence(t *testing.T) {
	inFleet(t, func(f *fleet) {
		f.job("j", func(d *scheduler.Draft) { d.Retries = 1; d.Retry.Delay = time.Second })
		f.run("j")
		ws := f.connect("w")
		id := f.claim(ws)[0]
		for range 5 {
			pass(10 * time.Second) // it says something from time to time
			o, err := f.beat(ws, id)
			f.must(err)
			if len(o.Stop) > 0 {
				t.Errorf("it is to stop %v", o.Stop)
			}
		}
		start := time.Now()
		for f.execution(id).State == scheduler.Running {
			pass(time.Second)
		}
		if took := time.Since(start); took > 30*time.Second || took < 20*time.Second {
			t.Errorf("given up after %s", took)
		}
		f.wantState(id, scheduler.Lost, "lost: worker w was not heard of for 25s")
		f.code(f.finish(ws, id, good), scheduler.CodeConflict)
		_, err := f.beat(ws, id)
		if !errors.Is(err, scheduler.ErrFenced) {
			t.Errorf("a beat gets %v", err)
		}
		_, err = f.service.WorkerClaim(bg, ws, scheduler.ClaimAsk{Limit: 1})
		f.code(err, scheduler.CodeConflict)
		f.code(f.service.WorkerOutput(bg, ws, id, scheduler.Output{}, 1), scheduler.CodeConflict)
		f.wantState(id, scheduler.Lost, "")

		pass(2 * time.Second)
		again := f.connect("w")
		if again.Epoch <= ws.Epoch {
			t.Errorf("the epoch went from %d to %d", ws.Epoch, again.Epoch)
		}
		retry := f.claim(again)
		if len(retry) != 1 || retry[0] == id {
			t.Fatalf("the retry is %v", retry)
		}
		o, err := f.beat(again, id, retry[0])
		f.must(err)
		if d := cmp.Diff(map[string]string{id: "it is not this worker's any more"}, o.Stop); d != "" {
			t.Errorf("orders (-want +got):\n%s", d)
		}
		f.code(f.finish(ws, retry[0], bad), scheduler.CodeConflict)
		f.must(f.finish(again, retry[0], good))
		f.wantState(retry[0], good, "")
	})
}

// TestWorkerRestart: who comes again under the same name takes its own place.
func TestWorkerRestart(t *testing.T) {
	inFleet(t, func(f *fleet) {
		f.job("j")
		f.run("j")
		old := f.connect("w")
		id := f.claim(old)[0]
		waits := make(chan error)
		go func() {
			_, err := f.service.WorkerClaim(bg, old, scheduler.ClaimAsk{Have: []string{id}, Limit: 1, Wait: time.Minute})
			waits <- err
		}()
		synctest.Wait()
		f.connect("w")
		if err := <-waits; !errors.Is(err, scheduler.ErrReplaced) {
			t.Errorf("the one before hears %v", err)
		}
		f.wantState(id, scheduler.Lost, "connected anew")
		f.code(f.finish(old, id, good), scheduler.CodeConflict)

		other, err := f.service.AuthenticateWorker(bg, f.newToken("other"))
		f.must(err)
		_, err = f.service.ConnectWorker(bg, other, scheduler.Hello{Name: "w", Kind: scheduler.WorkerRemote, Slots: 1})
		f.code(err, scheduler.CodeForbidden)
		_, err = f.service.ConnectWorker(bg, other, scheduler.Hello{Name: "server", Kind: scheduler.WorkerRemote, Slots: 1})
		f.code(err, scheduler.CodeInvalid)
		_, err = f.service.ConnectWorker(bg, other, scheduler.Hello{Name: "x", Tags: []string{"a b"}, Slots: 0})
		f.code(err, scheduler.CodeInvalid)
	})
}

// TestWorkerAnswerLost: what was given to a worker that did not get it is given to
// it again, also after the server has started again.
func TestWorkerAnswerLost(t *testing.T) {
	inFleet(t, func(f *fleet) {
		f.job("j")
		id := f.run("j")
		ws := f.connect("w")
		f.want(f.claim(ws), id)
		f.want(f.claim(ws), id)
		f.want(f.claim(ws, id))
		f.stop()
		f.start()
		pass(20 * time.Second) // as long as a start may take
		f.want(f.claim(ws), id)
		f.must(f.finish(ws, id, good))
		f.want(f.claim(ws))
		f.wantState(id, good, "")
	})
}

// TestWorkerOrders: a stop reaches a worker that waits for orders at once, and
// comes again until it obeys.
func TestWorkerOrders(t *testing.T) {
	inFleet(t, func(f *fleet) {
		f.job("j")
		id := f.run("j")
		ws := f.connect("w")
		f.claim(ws)
		orders := make(chan scheduler.Orders)
		ask := func(stopping ...string) {
			go func() {
				o, err := f.service.WorkerBeat(bg, ws, scheduler.Beat{Running: []string{id}, Stopping: stopping, Wait: 10 * time.Second})
				if err != nil {
					t.Error(err)
				}
				orders <- o
			}()
		}
		ask()
		pass(time.Second)
		start := time.Now()
		f.must(f.service.StopExecution(bg, admin, id))
		if o := <-orders; o.Stop[id] != "stopped by anna" || time.Since(start) > 0 {
			t.Errorf("after %s: %v", time.Since(start), o)
		}
		ask() // the answer was lost
		if o := <-orders; o.Stop[id] == "" {
			t.Error("the order does not come again")
		}
		ask(id)
		if o := <-orders; len(o.Stop) > 0 || time.Since(start) < 10*time.Second {
			t.Errorf("told again what it does already: %v", o)
		}
		f.must(f.service.WorkerFinish(bg, ws, scheduler.Report{ID: id, State: scheduler.Cancelled, Reason: "stopped by anna"}))
		f.wantState(id, scheduler.Cancelled, "stopped by anna")
		f.code(f.service.StopExecution(bg, admin, id), scheduler.CodeConflict)
	})
}

// TestWorkerModes: draining, resuming, disconnecting, leaving and forgetting.
func TestWorkerModes(t *testing.T) {
	inFleet(t, func(f *fleet) {
		f.job("j", tagged("gpu"))
		ws := f.connect("w", "gpu")
		set := func(mode scheduler.WorkerMode) {
			t.Helper()
			_, err := f.service.SetWorkerMode(bg, admin, "w", mode)
			f.must(err)
		}
		first := f.run("j")
		f.want(f.claim(ws), first)
		set(scheduler.WorkerDraining)
		second := f.run("j")
		f.want(f.claim(ws, first))
		if got := f.waiting(second); got != "worker w drains" {
			t.Errorf("waits because %q", got)
		}
		f.must(f.finish(ws, first, good))
		waits := make(chan []string)
		go func() { waits <- f.claimWait(ws, time.Minute) }()
		pass(time.Second)
		set(scheduler.WorkerActive)
		f.want(<-waits, second)

		f.code(f.service.ForgetWorker(bg, admin, "w"), scheduler.CodeConflict)
		set(scheduler.WorkerDisconnected)
		f.wantState(second, scheduler.Lost, "was disconnected by anna")
		_, err := f.beat(ws)
		f.code(err, scheduler.CodeConflict)
		_, err = f.service.ConnectWorker(bg, f.token, scheduler.Hello{Name: "w", Slots: 1})
		f.code(err, scheduler.CodeForbidden)
		third := f.run("j")
		if got := f.waiting(third); got != "no worker with tags gpu is online" {
			t.Errorf("waits because %q", got)
		}
		set(scheduler.WorkerActive)
		ws = f.connect("w", "gpu")
		f.want(f.claim(ws), third)
		f.must(f.service.WorkerLeave(bg, ws))
		f.wantState(third, scheduler.Lost, "left while it ran")
		f.must(f.service.ForgetWorker(bg, admin, "w"))
		list, err := f.service.Workers(bg)
		f.must(err)
		if len(list) != 1 || list[0].Name != "server" {
			t.Errorf("after it was forgotten: %+v", list)
		}

		viewer := scheduler.Principal{Name: "v", Role: scheduler.Viewer}
		_, err = f.service.SetWorkerMode(bg, viewer, "server", scheduler.WorkerDraining)
		f.code(err, scheduler.CodeForbidden)
		_, err = f.service.SetWorkerMode(bg, admin, "server", scheduler.WorkerDisconnected)
		f.code(err, scheduler.CodeConflict)
		_, err = f.service.SetWorkerMode(bg, admin, "server", scheduler.WorkerDraining)
		f.must(err)
		f.job("plain")
		f.run("plain")
		if got, err := f.service.Claim(bg, scheduler.Worker{Name: "server"}, 5); len(got) > 0 || err != nil {
			t.Errorf("the server's own worker got %v while it drains, %v", got, err)
		}
		_, err = f.service.SetWorkerMode(bg, admin, "server", scheduler.WorkerActive)
		f.must(err)
		if got, err := f.service.Claim(bg, scheduler.Worker{Name: "server"}, 5); len(got) != 1 || err != nil {
			t.Errorf("the server's own worker got %v, %v", got, err)
		}
	})
}

// TestWorkerTokens: a revoked token is useless at once, and its workers are cut
// off.
func TestWorkerTokens(t *testing.T) {
	inFleet(t, func(f *fleet) {
		f.job("j")
		id := f.run("j")
		secret := f.newToken("x")
		token, err := f.service.AuthenticateWorker(bg, secret)
		f.must(err)
		ws, err := f.service.ConnectWorker(bg, token, scheduler.Hello{Name: "w", Slots: 1})
		f.must(err)
		f.want(f.claim(ws), id)
		f.must(f.service.RevokeWorkerToken(bg, admin, token.ID))
		_, err = f.service.AuthenticateWorker(bg, secret)
		f.code(err, scheduler.CodeUnauthenticated)
		_, err = f.beat(ws)
		f.code(err, scheduler.CodeConflict)
		f.wantState(id, scheduler.Lost, "the token of worker w was revoked by anna")
		_, err = f.service.ConnectWorker(bg, token, scheduler.Hello{Name: "w", Slots: 1})
		f.code(err, scheduler.CodeUnauthenticated)
		for _, bad := range []string{"", "bfw_", "bfy_" + secret[4:], secret + "x"} {
			_, err := f.service.AuthenticateWorker(bg, bad)
			f.code(err, scheduler.CodeUnauthenticated)
		}
		_, _, err = f.service.CreateWorkerToken(bg, admin, "farm")
		f.code(err, scheduler.CodeConflict)
		_, _, err = f.service.CreateWorkerToken(bg, scheduler.Principal{Name: "e", Role: scheduler.Editor}, "y")
		f.code(err, scheduler.CodeForbidden)
	})
}

// TestWithheld: after three failures in a row on one worker it does not get the
// job any more, others do; until that is cleared, or switched off.
func TestWithheld(t *testing.T) {
	inFleet(t, func(f *fleet) {
		f.job("j", tagged("x"))
		ws := f.connect("w", "x")
		fail := func(state scheduler.State) {
			t.Helper()
			id := f.run("j")
			f.want(f.claim(ws), id)
			f.must(f.finish(ws, id, state))
		}
		fail(bad)
		fail(bad)
		fail(good) // not in a row
		fail(bad)
		fail(scheduler.Cancelled) // says nothing
		fail(bad)
		fail(scheduler.TimedOut)
		id := f.run("j")
		f.want(f.claim(ws))
		if got := f.waiting(id); got != "worker w does not get the job any more: it failed there 3 times in a row" {
			t.Errorf("waits because %q", got)
		}
		f.stop()
		f.start() // it is remembered
		f.want(f.claim(ws))
		list := f.service.WorkerFailures("w")
		if len(list) != 1 || list[0].Job != "j" || !list[0].Blocked() {
			t.Errorf("failures: %+v", list)
		}
		f.must(f.service.SetWithholding(bg, admin, false))
		f.want(f.claim(ws), id)
		f.must(f.finish(ws, id, bad))
		f.must(f.service.SetWithholding(bg, admin, true))
		id = f.run("j")
		f.want(f.claim(ws))
		f.want(f.claim(f.connect("v", "x")), id) // another worker gets it
		id = f.run("j")
		f.code(f.service.ClearFailures(bg, admin, "w", "unknown"), scheduler.CodeNotFound)
		f.must(f.service.ClearFailures(bg, admin, "w", "j"))
		f.want(f.claim(ws), id)
	})
}

// TestPlacement: rules in order, sleep, and words for what no worker has.
func TestPlacement(t *testing.T) {
	inFleet(t, func(f *fleet) { // a bubble's time begins on Saturday, 2000-01-01 at 00:00 UTC
		f.job("both", tagged("gpu", "linux"))
		f.job("linux", tagged("linux"), func(d *scheduler.Draft) { d.Priority = 9 })
		f.job("win", tagged("win", "local"))
		f.job("plain", func(d *scheduler.Draft) { d.Priority = 100 })
		ws := f.connect("w", "gpu", "linux", "role:web")
		set := func(r scheduler.WorkerRules) error {
			_, err := f.service.SetWorkerRules(bg, admin, "w", r)
			return err
		}
		f.code(set(scheduler.WorkerRules{Rules: [][]string{{"win"}}}), scheduler.CodeInvalid)
		f.code(set(scheduler.WorkerRules{Sleep: scheduler.Sleep{Text: "Mon"}}), scheduler.CodeInvalid)
		f.must(set(scheduler.WorkerRules{
			Rules: [][]string{{"linux", "gpu"}, nil, {"role:web"}}, Sleep: scheduler.Sleep{Text: "Sat 01:00-02:00\n", Zone: "UTC"},
		}))
		win, plain, both, linux := f.run("win"), f.run("plain"), f.run("both"), f.run("linux")
		if got := f.waiting(win); got != "no worker with tags win is online" {
			t.Errorf("waits because %q", got)
		}
		f.want(f.claim(ws), linux)
		f.want(f.claim(ws, linux), both)
		f.want(f.claim(ws, linux, both), plain)
		for _, id := range []string{linux, both, plain} {
			f.must(f.finish(ws, id, good))
		}
		alive := func(d time.Duration) {
			for range int(d / (10 * time.Second)) {
				pass(10 * time.Second)
				_, err := f.beat(ws)
				f.must(err)
			}
		}
		alive(time.Hour)
		id := f.run("linux")
		f.want(f.claim(ws))
		if got := f.waiting(id); got != "worker w is asleep" {
			t.Errorf("waits because %q", got)
		}
		alive(59*time.Minute + 50*time.Second)
		f.want(f.claim(ws))
		alive(10 * time.Second)
		f.want(f.claim(ws), id)
	})
}

// TestCopies: a fire runs on several workers at once, dependents wait for all, and
// the worst outcome counts.
func TestCopies(t *testing.T) {
	inFleet(t, func(f *fleet) {
		f.job("j", tagged("x"), func(d *scheduler.Draft) { d.Copies, d.Concurrency = 3, scheduler.Queue })
		f.job("failed", tagged("nobody"), func(d *scheduler.Draft) {
			d.Enabled, d.DependsOn = true, []scheduler.Dependency{{Job: "j", On: scheduler.OnFailure}}
		})
		f.job("fine", tagged("nobody"), func(d *scheduler.Draft) {
			d.Enabled, d.DependsOn = true, []scheduler.Dependency{{Job: "j", On: scheduler.OnSuccess}}
		})
		a, b := f.connect("a", "x"), f.connect("b", "x")
		runs := func(job string) (n int) {
			j, err := f.store.JobByName(bg, job)
			f.must(err)
			_, total, err := f.store.ListExecutions(bg, scheduler.ExecutionFilter{JobID: j.ID})
			f.must(err)
			return int(total.N)
		}
		f.run("j")
		if n := runs("j"); n != 2 {
			t.Fatalf("on two workers there are %d copies", n)
		}
		onA := f.claim(a)
		f.want(f.claim(a, onA...)) // the other one is not for it
		f.run("j")                 // waits for both
		if got := f.claim(a, onA...); got != nil {
			t.Errorf("the next fire began before: %v", got)
		}
		onB := f.claim(b)
		f.must(f.finish(b, onB[0], bad))
		if runs("failed") != 0 || f.claim(b) != nil {
			t.Error("somebody did not wait for the last copy")
		}
		f.must(f.finish(a, onA[0], good))
		if runs("failed") != 1 || runs("fine") != 0 {
			t.Errorf("one failed: failed ran %d times, fine %d", runs("failed"), runs("fine"))
		}
		onA, onB = f.claim(a), f.claim(b)
		if len(onA) != 1 || len(onB) != 1 {
			t.Fatalf("of the next fire a got %v and b %v", onA, onB)
		}
		f.must(f.finish(a, onA[0], good))
		f.must(f.finish(b, onB[0], good))
		if runs("failed") != 1 || runs("fine") != 1 {
			t.Errorf("all succeeded: failed ran %d times, fine %d", runs("failed"), runs("fine"))
		}
	})
}

// TestIdlePollAsksNobody: while nothing new comes, a poll that does not wait is
// answered from memory.
func TestIdlePollAsksNobody(t *testing.T) {
	inFleet(t, func(f *fleet) {
		f.job("j", tagged("x"))
		ws := f.connect("w", "x")
		f.run("j")
		f.must(f.finish(ws, f.claim(ws)[0], good))
		f.want(f.claim(ws))
		f.must(f.store.Close()) // who asks it now, fails
		for range 4 {
			pass(2 * time.Second)
			f.want(f.claim(ws))
		}
		pass(3 * time.Second)
		_, err := f.service.WorkerClaim(bg, ws, scheduler.ClaimAsk{Limit: 1})
		f.code(err, scheduler.CodeUnavailable)
	})
}

// TestSessionsThatWorkersDoNotKeep: what a protocol needs whose workers only say
// their names.
func TestSessionsThatWorkersDoNotKeep(t *testing.T) {
	inFleet(t, func(f *fleet) {
		f.job("j")
		first, second := f.run("j"), f.run("j")
		if _, there, err := f.service.CurrentSession(bg, f.token, scheduler.WorkerRemote, "w"); there || err != nil {
			t.Errorf("a session of nobody: %v, %v", there, err)
		}
		made := f.connect("w")
		ws, there, err := f.service.CurrentSession(bg, f.token, scheduler.WorkerRemote, "w")
		if ws != made || !there || err != nil {
			t.Errorf("the session is %+v, %v, %v", ws, there, err)
		}
		if _, there, _ := f.service.CurrentSession(bg, scheduler.WorkerToken{ID: "another"}, scheduler.WorkerRemote, "w"); there {
			t.Error("another token has the session")
		}
		f.want(f.claim(ws), first)
		ws, err = f.service.DropAssigned(bg, ws, "lost: it forgot it")
		f.must(err)
		f.wantState(first, scheduler.Lost, "it forgot it")
		f.code(f.finish(made, first, good), scheduler.CodeConflict)
		f.want(f.claim(ws), second)
		f.must(f.finish(ws, second, good))
	})
}

// TestNameOfAnotherKind: neither a worker of Coalition nor one of Belfry takes the
// place of the other under its name while that is online, whatever its token.
func TestNameOfAnotherKind(t *testing.T) {
	inFleet(t, func(f *fleet) {
		_, err := f.service.CreateTreeJob(bg, admin, scheduler.TreeDraft{Command: "x"}, "", nil)
		f.must(err)
		f.job("j")
		id := f.run("j")
		native := f.connect("native")
		f.want(f.claim(native), id)
		if j, ok, err := f.service.PollTree(bg, f.token, scheduler.TreePing{Worker: "native"}); ok || scheduler.CodeOf(err) != scheduler.CodeForbidden {
			t.Errorf("the name of a worker that is online got job %d: %v", j.Num, err)
		}
		f.want(f.claim(native, id))
		f.must(f.finish(native, id, good))

		if _, ok, err := f.service.PollTree(bg, f.token, scheduler.TreePing{Worker: "c"}); !ok || err != nil {
			t.Fatal(ok, err)
		}
		_, err = f.service.ConnectWorker(bg, f.token, scheduler.Hello{Name: "c", Kind: scheduler.WorkerRemote, Slots: 1})
		f.code(err, scheduler.CodeForbidden)
		if goesOn, err := f.service.BeatTree(bg, f.token, scheduler.TreePing{Worker: "c"}, 1, nil); !goesOn || err != nil {
			t.Errorf("the one that was there may not go on: %v", err)
		}
		pass(2 * time.Minute)
		f.connect("c") // it is lost by now
	})
}

// TestTreeWorkersOnly: what changes workers of the tree passes the server's own over.
func TestTreeWorkersOnly(t *testing.T) {
	inFleet(t, func(f *fleet) {
		linux, no := "linux", false
		f.must(f.service.EditTreeWorkers(bg, admin, map[string]scheduler.TreeWorkerEdit{"server": {Affinity: &linux, Active: &no}}))
		f.must(f.service.StopTreeWorkers(bg, admin, []string{"server"}))
		f.must(f.service.ForgetTreeWorkers(bg, admin, []string{"server"}))
		w, err := f.service.Worker(bg, "server")
		f.must(err)
		if w.Mode != scheduler.WorkerActive || len(w.Rules) > 0 {
			t.Errorf("the server's own worker is %+v", w)
		}
		viewer := scheduler.Principal{Name: "v", Role: scheduler.Viewer}
		f.code(f.service.StopTreeWorkers(bg, viewer, []string{"server"}), scheduler.CodeForbidden)
		f.code(f.service.ForgetTreeWorkers(bg, viewer, []string{"nobody"}), scheduler.CodeForbidden)
	})
}

func TestSleep(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	at := func(day, hour, minute int) time.Time { return time.Date(2026, 11, day, hour, minute, 0, 0, berlin) } // 2 is a Monday
	for _, c := range []struct {
		text  string
		when  time.Time
		sleep bool
	}{
		{"", at(2, 9, 0), false},
		{"Mon-Fri 08:00-18:00", at(2, 8, 0), true},
		{"Mon-Fri 08:00-18:00", at(2, 7, 59), false},
		{"Mon-Fri 08:00-18:00", at(6, 17, 59), true},
		{"Mon-Fri 08:00-18:00", at(6, 18, 0), false},
		{"Mon-Fri 08:00-18:00", at(7, 12, 0), false},
		{"sat,sun 22:00-06:00", at(7, 23, 0), true},
		{"sat,sun 22:00-06:00", at(9, 5, 59), true},  // of Sunday's night
		{"sat,sun 22:00-06:00", at(7, 5, 59), false}, // Friday's
		{"Fri-Mon 10:00-11:00", at(8, 10, 30), true},
		{"Fri-Mon 10:00-11:00", at(4, 10, 30), false},
		{"daily 00:00-24:00", at(4, 23, 59), true},
		{"Mon 01:00-02:00\n\nTue 03:00-04:00", at(3, 3, 30), true},
	} {
		s := scheduler.Sleep{Text: c.text, Zone: "Europe/Berlin"}
		if err := s.Check(); err != nil {
			t.Errorf("%q: %v", c.text, err)
		}
		if got := s.At(c.when.UTC()); got != c.sleep {
			t.Errorf("%q at %s: asleep=%v", c.text, c.when.Format("Mon 15:04"), got)
		}
	}
	for _, bad := range []string{"Mon", "Mon 08:00", "Moon 08:00-09:00", "Mon 8-9", "Mon 08:00-25:00", "Mon 08:00 - 09:00", strings.Repeat("Mon 08:00-09:00\n", 21)} {
		if err := (scheduler.Sleep{Text: bad}).Check(); scheduler.CodeOf(err) != scheduler.CodeInvalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if err := (scheduler.Sleep{Zone: "Mars/Base"}).Check(); scheduler.CodeOf(err) != scheduler.CodeInvalid {
		t.Errorf("an unknown zone: %v", err)
	}
}

// pass lets time go by on the clock of a synctest bubble.
func pass(d time.Duration) { <-time.After(d) }
