package handlers

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"belfry/scheduler"
)

// counting counts the reads of outputs.
type counting struct {
	Store
	reads atomic.Int64
}

func (c *counting) OutputAt(ctx context.Context, id string, from int64, max int) (scheduler.Chunk, error) {
	c.reads.Add(1)
	return c.Store.OutputAt(ctx, id, from, max)
}

func TestWhatManyWatchIsReadOnce(t *testing.T) {
	w := newLiveWorld(t)
	store := &counting{Store: w.store}
	w.server.Store = store
	a := w.started("popular")
	out := &writer{w: w, id: a.Execution.ID}
	out.write("first\n")
	const readers = 20
	var streams []*stream
	for range readers {
		streams = append(streams, w.open("?format=html&topics=execution:"+a.Execution.ID, ""))
	}
	await := func(s *stream, what string) {
		t.Helper()
		for f, ok := s.next(); ; f, ok = s.next() {
			if !ok {
				t.Fatalf("the stream ended before %s", what)
			}
			if f.event == "output" && strings.Contains(f.data, what) {
				return
			}
		}
	}
	for _, s := range streams {
		await(s, "first")
	}
	before := store.reads.Load()
	const lines = 5
	for i := range lines {
		what := fmt.Sprintf("line %d", i)
		out.write(what + "\n")
		for _, s := range streams {
			await(s, what)
		}
	}
	// Each line may be read twice: once when it came, and once to see that there is no more.
	if reads := store.reads.Load() - before; reads > 3*lines {
		t.Errorf("%d reads of %d lines for %d readers", reads, lines, readers)
	}
	w.end(a, out.at, out.lines)
	for _, s := range streams {
		for f, ok := s.next(); f.event != "end"; f, ok = s.next() {
			if !ok {
				t.Fatal("no end")
			}
		}
	}
	for _, s := range streams {
		if f, ok := s.next(); ok {
			t.Errorf("after the end: %+v", f)
		}
	}
}

func TestPagesSkipWhatTheyWouldNotShow(t *testing.T) {
	w := newLiveWorld(t)
	a := w.started("fast")
	out := &writer{w: w, id: a.Execution.ID}
	var b strings.Builder
	const lines = 20_000
	for i := range lines {
		fmt.Fprintf(&b, "line %d of many\n", i+1)
	}
	out.write(b.String())
	w.end(a, out.at, lines)
	got := map[string]int{}
	for _, format := range []string{"html", "json"} {
		s := w.open("?format="+format+"&topics=execution:"+a.Execution.ID, "")
		for f, ok := s.next(); ok; f, ok = s.next() {
			if f.event == "output" {
				got[format] += strings.Count(f.data, " of many")
				if format == "html" && !strings.Contains(f.data, fmt.Sprintf(`id="L%d"`, lines)) {
					t.Error("a page does not get the last line")
				}
			}
		}
	}
	if got["html"] > 6000 || got["html"] == 0 || got["json"] != lines {
		t.Errorf("%v lines of %d", got, lines)
	}
}

func TestReaderThatComesBackFarBehindMissesNothing(t *testing.T) {
	w := newLiveWorld(t)
	a := w.started("resumed")
	out := &writer{w: w, id: a.Execution.ID}
	watcher := w.open("?topics=execution:"+a.Execution.ID, "") // keeps the relay far ahead
	out.write("line 1\n")
	var last string
	for f, ok := watcher.next(); ; f, ok = watcher.next() {
		if !ok {
			t.Fatal("ended")
		}
		if f.event == "output" {
			last = f.id
			break
		}
	}
	const lines = 30_000
	for i := 2; i <= lines; i += 5000 {
		var b strings.Builder
		for n := i; n < min(i+5000, lines+1); n++ {
			fmt.Fprintf(&b, "line %d\n", n)
		}
		out.write(b.String())
	}
	out.write("still open")
	back := w.open("?topics=execution:"+a.Execution.ID, last)
	next := int64(2)
	read := func(s *stream) {
		t.Helper()
		for f, ok := s.next(); ok; f, ok = s.next() {
			if f.event != "output" {
				continue
			}
			for _, l := range decodeJSON[heard](t, f.data).Lines {
				if l.N == lines+1 { // open, and then as a whole
					if l.Text == "still open, not any more" {
						return
					}
					continue
				}
				if l.N != next || l.Text != fmt.Sprintf("line %d", next) {
					t.Fatalf("line %d %q, expected %d", l.N, l.Text, next)
				}
				next++
			}
		}
		t.Fatal("ended too early")
	}
	out.write(", not any more\n")
	read(back)
	if next != lines+1 {
		t.Errorf("read up to line %d", next-1)
	}
}

func decodeJSON[T any](t *testing.T, text string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}
