package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"belfry/db"
	"belfry/scheduler"
)

// noTimes is a timetable without jobs.
type noTimes struct{}

func (noTimes) Put(scheduler.JobTimes) error       { return nil }
func (noTimes) Remove(string)                      {}
func (noTimes) Refresh()                           {}
func (noTimes) Next(string) (at time.Time, _ bool) { return at, false }
func (noTimes) Upcoming(int) []scheduler.Due       { return nil }

// published keeps what was told.
type published struct {
	mu     sync.Mutex
	events []scheduler.Event
	ended  chan struct{}
}

func (p *published) Publish(e scheduler.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events = append(p.events, e)
	if e.Execution != nil && e.Execution.State.Final() {
		close(p.ended)
	}
}

// printer is an executor that writes.
type printer func(out scheduler.OutputWriter)

func (printer) Check(json.RawMessage) error { return nil }

func (p printer) Execute(_ context.Context, _ scheduler.Task, out scheduler.OutputWriter) scheduler.Result {
	p(out)
	return scheduler.Result{State: scheduler.Succeeded}
}

// runOnce runs a job of the draft on a real store until it has ended.
func runOnce(t *testing.T, d scheduler.Draft, print func(out scheduler.OutputWriter)) (*db.Store, scheduler.Execution, *published) {
	t.Helper()
	ctx := t.Context()
	store, err := db.Open(ctx, db.Options{Path: filepath.Join(t.TempDir(), "x.db"), NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	told := &published{ended: make(chan struct{})}
	executors := map[string]scheduler.Executor{"test": printer(print)}
	pool := New(Options{Worker: "w", Slots: 1, Executors: executors, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	ids := 0
	service := scheduler.New(scheduler.Options{
		Store: store, Timetable: noTimes{}, Launcher: pool, Publisher: told, Executors: executors, Now: time.Now,
		NewID: func() string { ids++; return strconv.Itoa(ids) }, Log: slog.New(slog.DiscardHandler),
	})
	d.Name, d.Executor = "j", "test"
	if _, err := service.CreateJob(ctx, scheduler.Server, d, scheduler.OriginAPI); err != nil {
		t.Fatal(err)
	}
	e, err := service.RunJob(ctx, scheduler.Server, "j", nil)
	if err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		pool.Run(running, service)
	}()
	<-told.ended
	stop()
	<-done
	pool.Drain(ctx, time.Minute, "server stopping")
	if e, err = store.Execution(ctx, e.ID); err != nil {
		t.Fatal(err)
	}
	return store, e, told
}

// TestLimitOnTheStore: of a run that writes four megabytes the store has the first and
// the last bytes, whole lines of them, and never more than a bounded rest besides.
func TestLimitOnTheStore(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 6))
	limit := scheduler.OutputLimit{Head: 1000, Tail: 2000}
	var all bytes.Buffer
	var starts []int64
	for all.Len() < 4_000_000 {
		starts = append(starts, int64(all.Len()))
		fmt.Fprintf(&all, "line %d %s\n", len(starts), bytes.Repeat([]byte("x"), r.IntN(60)))
	}
	text := all.Bytes()
	store, e, _ := runOnce(t, scheduler.Draft{OutputLimit: limit}, func(out scheduler.OutputWriter) {
		for rest := text; len(rest) > 0; {
			n := min(1+r.IntN(20_000), len(rest))
			out.Write(scheduler.Stdout, rest[:n])
			rest = rest[n:]
		}
	})
	if e.OutputBytes != int64(len(text)) || e.OutputLines != int64(len(starts)) {
		t.Errorf("%d bytes in %d lines, written %d in %d", e.OutputBytes, e.OutputLines, len(text), len(starts))
	}
	gap, err := store.OutputGap(t.Context(), e.ID)
	if err != nil || gap.Cut != e.Cut {
		t.Fatalf("%+v, %v; the execution says %+v", gap, err, e.Cut)
	}
	kept := []int64{gap.From, e.OutputBytes - gap.To}
	if kept[0] < limit.Head || kept[0] > limit.Head+100 || kept[1] < limit.Tail || kept[1] > limit.Tail+100 {
		t.Errorf("%d bytes are kept, want %+v and at most a line more", kept, limit)
	}
	if starts[gap.FirstLine-1] != gap.From || starts[gap.LastLine] != gap.To {
		t.Errorf("%+v is not between lines", gap)
	}
	head, err := store.OutputAt(t.Context(), e.ID, 0, 1<<20)
	if err != nil || !bytes.Equal(head.Data, text[:gap.From]) {
		t.Errorf("the head has %d bytes, %v", len(head.Data), err)
	}
	tail, err := store.OutputAt(t.Context(), e.ID, 500_000, 1<<20)
	if err != nil || tail.FirstByte != gap.To || tail.FirstLine != gap.LastLine+1 || !bytes.Equal(tail.Data, text[gap.To:]) {
		t.Errorf("the tail begins at %d, line %d, %v", tail.FirstByte, tail.FirstLine, err)
	}
}

// TestProgressOnTheStore: what a run says of its progress is stored with its
// output, and told.
func TestProgressOnTheStore(t *testing.T) {
	_, e, told := runOnce(t, scheduler.Draft{Progress: `(\d+) of (\d+)`}, func(out scheduler.OutputWriter) {
		out.Write(scheduler.Stdout, []byte("1 of 4\n2 of "))
		out.Write(scheduler.Stdout, []byte("4\n"))
	})
	if e.Progress != 50 {
		t.Errorf("progress %v, want 50", e.Progress)
	}
	last := told.events[len(told.events)-1].Execution
	if last == nil || last.Progress != 50 || !last.State.Final() {
		t.Errorf("told at last: %+v", last)
	}
	known := func(e scheduler.Event) bool { return e.Execution != nil && e.Execution.Progress >= 0 }
	if !slices.ContainsFunc(told.events, known) {
		t.Error("no progress was told")
	}
}
