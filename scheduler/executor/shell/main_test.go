package shell

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"belfry/scheduler"
)

// The test binary plays the other processes too: the supervisor, as the belfry
// binary does, and a server that tests kill.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "supervise" {
		if err := Supervise(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if os.Getenv(actAsServer) != "" {
		serve()
	}
	goleak.VerifyTestMain(m)
}

// patience is far more than anything here takes on a busy machine.
const patience = 20 * time.Second

// paper keeps what a run writes, and tells who waits for it.
type paper struct {
	mu   sync.Mutex
	text [3]strings.Builder
	grew chan struct{} // closed and replaced with each write
}

func (p *paper) Write(s scheduler.Stream, b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text[s].Write(b)
	if p.grew != nil {
		close(p.grew)
		p.grew = nil
	}
}

func (p *paper) of(s scheduler.Stream) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text[s].String()
}

// await waits until stdout holds text and returns all of it.
func (p *paper) await(t *testing.T, text string) string {
	t.Helper()
	return p.awaitThat(t, text, func(s string) bool { return strings.Contains(s, text) })
}

func (p *paper) awaitThat(t *testing.T, what string, ok func(stdout string) bool) string {
	t.Helper()
	deadline := time.After(patience)
	for {
		p.mu.Lock()
		got := p.text[scheduler.Stdout].String()
		if p.grew == nil {
			p.grew = make(chan struct{})
		}
		grew := p.grew
		p.mu.Unlock()
		if ok(got) {
			return got
		}
		select {
		case <-grew:
		case <-deadline:
			t.Fatalf("no %s in %q; stderr %q", what, got, p.of(scheduler.Stderr))
		}
	}
}

// started returns an executor with a supervisor of its own, and its instance.
func started(t testing.TB) (*Executor, string) {
	t.Helper()
	e, err := New(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	instance := fmt.Sprintf("%s-%d-%d", t.Name(), os.Getpid(), time.Now().UnixNano())
	if err := e.Start(instance); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		for i := range maxSupervisors {
			if found := leftovers(markerOf(instance, i)); len(found) > 0 {
				t.Errorf("left over: %+v", found)
			}
		}
	})
	return e, instance
}

// supervisors are the pids of e's supervisors.
func supervisors(e *Executor) []int {
	e.mu.Lock()
	defer e.mu.Unlock()
	var list []int
	for _, k := range e.keepers {
		k.mu.Lock()
		list = append(list, k.cur.cmd.Process.Pid)
		k.mu.Unlock()
	}
	return list
}

func task(t testing.TB, c Config) scheduler.Task {
	t.Helper()
	config, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return scheduler.Task{
		Execution: scheduler.Execution{ID: "execution-1", Attempt: 1},
		Job:       scheduler.Job{ID: "job-1", Draft: scheduler.Draft{Name: "job", Config: config, Grace: 10 * time.Second}},
	}
}

// execute runs c to its end.
func execute(t *testing.T, e *Executor, c Config) (scheduler.Result, *paper) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out := &paper{}
	return e.Execute(ctx, task(t, c), out), out
}

// background runs tk; the result comes when it has ended.
func background(ctx context.Context, e *Executor, tk scheduler.Task) (*paper, <-chan scheduler.Result) {
	out := &paper{}
	done := make(chan scheduler.Result, 1)
	go func() { done <- e.Execute(ctx, tk, out) }()
	return out, done
}

func await[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("still waiting for %s", what)
		panic("unreachable")
	}
}
