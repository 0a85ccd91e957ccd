package remote

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"belfry/scheduler"
)

// TestChunksSurviveTheWire: any chunk comes out as it went in.
func TestChunksSurviveTheWire(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := scheduler.Chunk{FirstByte: rapid.Int64Range(0, 1<<40).Draw(t, "byte"), FirstLine: rapid.Int64Range(1, 1<<40).Draw(t, "line")}
		at := time.UnixMilli(1_700_000_000_000).UTC()
		for range rapid.IntRange(1, 20).Draw(t, "pieces") {
			data := rapid.SliceOfN(rapid.Byte(), 0, 30).Draw(t, "data")
			at = at.Add(time.Duration(rapid.IntRange(-5, 5000).Draw(t, "ms")) * time.Millisecond)
			c.Data = append(c.Data, data...)
			c.Pieces = append(c.Pieces, scheduler.Piece{
				Len: len(data), Stream: scheduler.Stream(rapid.IntRange(0, 2).Draw(t, "stream")), At: at, Open: rapid.Bool().Draw(t, "open"),
			})
		}
		b, err := json.Marshal(FromChunk(c))
		if err != nil {
			t.Fatal(err)
		}
		var w Chunk
		if err := json.Unmarshal(b, &w); err != nil {
			t.Fatal(err)
		}
		got, err := w.Chunk()
		if len(got.Data) == 0 {
			got.Data = c.Data
		}
		if d := cmp.Diff(c, got); d != "" || err != nil {
			t.Fatalf("%v\n%s", err, d)
		}
	})
}

func TestAssignmentsSurviveTheWire(t *testing.T) {
	a := scheduler.Assignment{Execution: scheduler.Execution{
		ID: "e", JobID: "j", JobName: "n", State: scheduler.Running, Group: "g", Attempt: 3, Copy: 2, Worker: "w", Progress: -1,
		Trigger: scheduler.Trigger{Kind: scheduler.TriggerRetry, By: "anna"},
		DueAt:   time.Unix(1, 0).UTC(), RunAt: time.Unix(2, 0).UTC(), QueuedAt: time.Unix(3, 0).UTC(), StartedAt: time.Unix(4, 0).UTC(),
	}}
	a.Job.ID, a.Job.Version, a.Job.Name, a.Job.Executor, a.Job.Config = "j", 5, "n", "shell", json.RawMessage(`{"a":1}`)
	a.Job.Timeout, a.Job.Grace, a.Job.Progress = time.Minute, 5*time.Second, `(\d+)%`
	a.Job.OutputLimit = scheduler.OutputLimit{Head: 1, Tail: 2}
	if d := cmp.Diff(a, FromAssignment(a).Assignment("w")); d != "" {
		t.Error(d)
	}
}

// TestSplit: output that one request cannot hold goes in several, in order, and each
// ends behind the one before.
func TestSplit(t *testing.T) {
	var out scheduler.Output
	at := int64(0)
	for range 12 {
		n := 100 << 10
		out.Seal = append(out.Seal, scheduler.Chunk{FirstByte: at, FirstLine: 1, Data: make([]byte, n), Pieces: []scheduler.Piece{{Len: n}}})
		at += int64(n)
	}
	out.Append = &scheduler.Chunk{FirstByte: at, FirstLine: 1, Data: []byte("x"), Pieces: []scheduler.Piece{{Len: 1}}}
	out.Cut = scheduler.Cut{From: 1, To: 2}
	parts := split(out)
	if len(parts) < 2 {
		t.Fatalf("%d parts", len(parts))
	}
	var seals, last int64
	for i, p := range parts {
		seals += int64(len(p.Seal))
		if p.end <= last || (p.Cut.To > 0) != (i == len(parts)-1) || (p.Append != nil) != (i == len(parts)-1) {
			t.Errorf("part %d ends at %d after %d: cut %v, append %v", i, p.end, last, p.Cut, p.Append != nil)
		}
		last = p.end
		b, err := json.Marshal(FromOutput(p.Output))
		if err != nil || len(b) > 1<<20 {
			t.Errorf("part %d takes %d bytes, %v", i, len(b), err)
		}
	}
	if seals != 12 || last != at+1 {
		t.Errorf("%d seals up to %d", seals, last)
	}
}

// fakeServer answers the protocol in memory, without a network.
type fakeServer struct {
	mu      sync.Mutex
	epoch   int64
	ahead   time.Duration // of the server's clock
	broken  map[string]int
	refuse  map[string]Problem
	give    []Assignment
	stops   map[string]string
	output  []OutputIn
	ends    []FinishIn
	beats   []BeatIn
	claims  []ClaimIn
	left    bool
	notify  chan struct{}
	stopped []string
}

// RoundTrip implements http.RoundTripper. A request waits as a server lets it.
func (f *fakeServer) RoundTrip(r *http.Request) (*http.Response, error) {
	path := strings.TrimPrefix(r.URL.Path, Prefix)
	body, _ := io.ReadAll(r.Body)
	rec := httptest.NewRecorder()
	f.mu.Lock()
	defer f.mu.Unlock()
	answer := func(v any) { _ = json.NewEncoder(rec).Encode(v) }
	if f.broken[path] > 0 {
		f.broken[path]--
		return nil, errors.New("connection reset")
	}
	if p, ok := f.refuse[path]; ok {
		delete(f.refuse, path)
		rec.WriteHeader(http.StatusConflict)
		answer(p)
		return rec.Result(), nil
	}
	now := time.Now().Add(f.ahead)
	switch path {
	case "/connect":
		f.epoch++
		answer(ConnectOut{Worker: "w", Epoch: f.epoch, Time: now})
	case "/claim":
		var in ClaimIn
		_ = json.Unmarshal(body, &in)
		f.claims = append(f.claims, in)
		if len(f.give) == 0 && in.WaitMS > 0 {
			if err := f.wait(r, time.Duration(in.WaitMS)*time.Millisecond); err != nil {
				return nil, err
			}
		}
		answer(ClaimOut{Executions: f.give})
		f.give = nil
	case "/beat":
		var in BeatIn
		_ = json.Unmarshal(body, &in)
		f.beats = append(f.beats, in)
		if len(f.stops) == 0 && in.WaitMS > 0 {
			if err := f.wait(r, time.Duration(in.WaitMS)*time.Millisecond); err != nil {
				return nil, err
			}
		}
		answer(BeatOut{Time: now, Stop: f.stops})
		f.stops = nil
	case "/output":
		var in OutputIn
		_ = json.Unmarshal(body, &in)
		f.output = append(f.output, in)
	case "/finish":
		var in FinishIn
		_ = json.Unmarshal(body, &in)
		f.ends = append(f.ends, in)
	case "/leave":
		f.left = true
	}
	return rec.Result(), nil
}

// wait lets others in until something happens, the request is given up, or a time.
func (f *fakeServer) wait(r *http.Request, d time.Duration) error {
	happened := f.notify
	f.mu.Unlock()
	defer f.mu.Lock()
	select {
	case <-happened:
	case <-time.After(d):
	case <-r.Context().Done():
		return r.Context().Err()
	}
	return nil
}

// change does something and wakes whoever waits.
func (f *fakeServer) change(fn func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fn()
	close(f.notify)
	f.notify = make(chan struct{})
}

func inClient(t *testing.T, test func(f *fakeServer, c *Client)) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeServer{broken: map[string]int{}, refuse: map[string]Problem{}, notify: make(chan struct{}), ahead: -time.Hour}
		c := New(Options{
			Server: "http://x/", Token: "bfw_t", Name: "w", Slots: 2, HTTP: &http.Client{Transport: f}, Log: slog.New(slog.DiscardHandler),
			Stop: func(id, _ string) bool {
				f.mu.Lock()
				defer f.mu.Unlock()
				f.stopped = append(f.stopped, id)
				return true
			},
		})
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error)
		go func() { done <- c.Run(ctx) }()
		test(f, c)
		cancel()
		<-done
	})
}

func (f *fakeServer) look(fn func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fn()
}

// TestClientRuns: from the claim to the end, with connections that break.
func TestClientRuns(t *testing.T) {
	inClient(t, func(f *fakeServer, c *Client) {
		ctx := context.Background()
		f.look(func() { f.broken["/claim"], f.broken["/output"], f.broken["/finish"] = 2, 2, 2 })
		claimed := make(chan []scheduler.Assignment)
		claim := func() {
			list, err := c.Claim(ctx, scheduler.Worker{}, 2)
			if err != nil {
				t.Error(err)
			}
			claimed <- list
		}
		go claim()
		pass(30 * time.Second)
		f.change(func() { f.give = []Assignment{{ID: "e", JobName: "n", Executor: "shell"}} })
		list := <-claimed
		if len(list) != 1 || list[0].Execution.ID != "e" || list[0].Job.Executor != "shell" {
			t.Fatalf("claimed %+v", list)
		}
		if skew := time.Until(c.Now()); (skew + time.Hour).Abs() > time.Second {
			t.Errorf("the server's clock is taken to be %s ahead, want -1h", skew)
		}
		chunk := scheduler.Chunk{FirstLine: 1, Data: []byte("ab"), Pieces: []scheduler.Piece{{Len: 2, At: time.Now()}}}
		if err := c.AddOutput(ctx, "e", scheduler.Output{Append: &chunk}, 2); err != nil {
			t.Fatal(err)
		}
		go claim()
		synctest.Wait()
		f.change(func() { f.stops = map[string]string{"e": "stopped by anna"} })
		synctest.Wait()
		e := scheduler.Ending{Execution: list[0].Execution}
		e.Execution.State = scheduler.Cancelled
		if err := c.Finish(ctx, e); err != nil {
			t.Fatal(err)
		}
		f.look(func() {
			if len(f.output) != 1 || f.output[0].End != 2 || string(f.output[0].Append.Data) != "ab" || f.output[0].Epoch != 1 {
				t.Errorf("output: %+v", f.output)
			}
			if len(f.ends) != 1 || f.ends[0].State != "cancelled" || !slices.Equal(f.stopped, []string{"e"}) {
				t.Errorf("ends %+v, stopped %v", f.ends, f.stopped)
			}
			if have := f.claims[len(f.claims)-1].Have; !slices.Equal(have, []string{"e"}) {
				t.Errorf("it said that it has %v", have)
			}
		})
		if err := c.Finish(ctx, e); scheduler.CodeOf(err) != scheduler.CodeConflict {
			t.Errorf("ended twice: %v", err)
		}
		f.change(func() { f.give = []Assignment{{ID: "e2"}} })
		<-claimed
	})
}

// TestClientIsFenced: what ran is stopped and forgotten, whatever waits to be sent of
// it is dropped, and the worker connects again.
func TestClientIsFenced(t *testing.T) {
	inClient(t, func(f *fakeServer, c *Client) {
		ctx := context.Background()
		f.look(func() { f.give = []Assignment{{ID: "e"}} })
		if list, err := c.Claim(ctx, scheduler.Worker{}, 2); len(list) != 1 || err != nil {
			t.Fatal(list, err)
		}
		f.look(func() { f.broken["/output"] = 1000 })
		sent := make(chan error)
		go func() {
			chunk := scheduler.Chunk{FirstLine: 1, Data: []byte("ab"), Pieces: []scheduler.Piece{{Len: 2, At: time.Now()}}}
			sent <- c.AddOutput(ctx, "e", scheduler.Output{Append: &chunk}, 2)
		}()
		pass(time.Minute) // it is tried again and again
		f.change(func() {
			f.refuse["/beat"] = Problem{ProblemBody{Code: CodeFenced, Message: "given up"}}
		})
		if err := <-sent; err != nil {
			t.Error(err)
		}
		pass(10 * time.Second)
		c.mu.Lock()
		epoch, runs := c.epoch, slices.Collect(maps.Keys(c.runs))
		c.mu.Unlock()
		f.look(func() {
			if epoch != 2 || len(runs) > 0 || !slices.Equal(f.stopped, []string{"e"}) || len(f.output) > 0 {
				t.Errorf("epoch %d, runs %v, stopped %v, output %v", epoch, runs, f.stopped, f.output)
			}
		})
	})
}

// TestClientLeaves: a claim that waits is answered when the worker ends, and what it
// brings is still run.
func TestClientLeaves(t *testing.T) {
	inClient(t, func(f *fakeServer, c *Client) {
		working, stop := context.WithCancel(context.Background())
		claimed := make(chan []scheduler.Assignment)
		go func() {
			list, err := c.Claim(working, scheduler.Worker{}, 2)
			if err != nil {
				t.Error(err)
			}
			claimed <- list
		}()
		pass(time.Second)
		stop()
		synctest.Wait()
		f.look(func() {
			if !f.beats[len(f.beats)-1].Leaving {
				t.Error("the server was not told")
			}
		})
		f.change(func() { f.give = []Assignment{{ID: "late"}} })
		if list := <-claimed; len(list) != 1 {
			t.Errorf("claimed %+v", list)
		}
		if err := c.Leave(context.Background()); err != nil || !f.left {
			t.Errorf("left: %v, %v", f.left, err)
		}
	})
}

// TestClientIsRefused: what will never be let in ends; what may be later goes on.
func TestClientIsRefused(t *testing.T) {
	for code, ends := range map[string]bool{"unauthenticated": true, "replaced": true, "invalid": true, "forbidden": false, "internal": false, "": false} {
		synctest.Test(t, func(t *testing.T) {
			f := &fakeServer{refuse: map[string]Problem{"/connect": {ProblemBody{Code: code}}}, notify: make(chan struct{})}
			c := New(Options{Server: "http://x", Name: "w", HTTP: &http.Client{Transport: f}, Log: slog.New(slog.DiscardHandler), Stop: func(string, string) bool { return true }})
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			err := c.Run(ctx)
			if ended := err != nil; ended != ends || (f.epoch > 0) == ends {
				t.Errorf("%q: %v, epoch %d", code, err, f.epoch)
			}
		})
	}
}

// pass lets time go by on the clock of a synctest bubble.
func pass(d time.Duration) { <-time.After(d) }
