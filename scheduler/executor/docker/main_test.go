package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"go.uber.org/goleak"

	"belfry/scheduler"
	"belfry/scheduler/executor/docker/dockertest"
)

// shared is the engine of the tests that do not harm it.
var shared *dockertest.Daemon

func TestMain(m *testing.M) {
	if dockertest.Available() == nil {
		d, err := dockertest.Launch()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		shared = d
	}
	code := m.Run()
	if shared != nil {
		if err := shared.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// patience is far more than anything here takes on a busy machine.
const patience = 30 * time.Second

// fixture is an Engine of an instance of its own.
type fixture struct {
	*testing.T
	e   *Engine
	api *client.Client
	d   *dockertest.Daemon
}

// start returns a fixture on the shared engine; at the end nothing may be left of
// its instance.
func start(t *testing.T) *fixture {
	t.Helper()
	if shared == nil {
		dockertest.Start(t) // skips, or fails, with the reason
	}
	t.Parallel()
	return on(t, shared)
}

var instances atomic.Int64

func on(t *testing.T, d *dockertest.Daemon) *fixture {
	t.Helper()
	api, err := d.Client()
	if err != nil {
		t.Fatal(err)
	}
	instance := fmt.Sprintf("%s-%d", strings.ReplaceAll(t.Name(), "/", "-"), instances.Add(1))
	e := New(Options{Host: d.Host, Instance: instance})
	f := &fixture{t, e, api, d}
	t.Cleanup(func() {
		if left := f.mine(); len(left) > 0 && !t.Failed() {
			t.Errorf("left in the engine: %v", left)
		}
		e.Close()
		api.Close()
	})
	return f
}

// mine lists the containers of the fixture's instance.
func (f *fixture) mine() []string {
	f.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	list, err := f.api.ContainerList(ctx, client.ContainerListOptions{
		All: true, Filters: client.Filters{}.Add("label", labelInstance+"="+f.e.opts.Instance),
	})
	if err != nil {
		return nil // the engine is down
	}
	var names []string
	for _, c := range list.Items {
		names = append(names, c.Names[0]+" "+c.Status)
	}
	return names
}

// paper keeps what a run writes.
type paper struct {
	mu   sync.Mutex
	text [3]strings.Builder
}

func (p *paper) Write(s scheduler.Stream, b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text[s].Write(b)
}

func (p *paper) of(s scheduler.Stream) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text[s].String()
}

func (p *paper) await(t testing.TB, text string) {
	t.Helper()
	eventually(t, fmt.Sprintf("%q in the output", text), func() bool { return strings.Contains(p.of(scheduler.Stdout), text) })
}

// eventually waits for a condition that nothing tells of.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("still waiting for: %s", what)
		}
	}
}

var executions atomic.Int64

func task(t testing.TB, c any) scheduler.Task {
	t.Helper()
	config, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return scheduler.Task{
		Execution: scheduler.Execution{
			ID: fmt.Sprintf("execution-%d-%d", os.Getpid(), executions.Add(1)), Attempt: 2,
			DueAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600)), Trigger: scheduler.Trigger{Kind: "retry"},
		},
		Job: scheduler.Job{ID: "job-1", Draft: scheduler.Draft{Name: "job", Config: config, Grace: 5 * time.Second}},
	}
}

// executor returns the one for a configuration.
func (f *fixture) executor(c any) scheduler.Executor {
	switch c.(type) {
	case ExecConfig:
		return f.e.Exec()
	case RunConfig:
		return f.e.RunContainer()
	}
	return f.e.Service()
}

// run runs c to its end.
func (f *fixture) run(c any) (scheduler.Result, *paper) {
	f.Helper()
	out := &paper{}
	return await(f.T, f.background(f.Context(), c, task(f.T, c), out), "the run's end"), out
}

func (f *fixture) background(ctx context.Context, c any, t scheduler.Task, out *paper) <-chan scheduler.Result {
	done := make(chan scheduler.Result, 1)
	go func() { done <- f.executor(c).Execute(ctx, t, out) }()
	return done
}

func await[T any](t testing.TB, c <-chan T, what string) T {
	t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case v := <-c:
		return v
	case <-timer.C:
		t.Fatalf("still waiting for %s", what)
		panic("unreachable")
	}
}

// must fails the test unless r is as expected; code -1 is none.
func must(t testing.TB, r scheduler.Result, out *paper, state scheduler.State, code int, reason string) {
	t.Helper()
	got := -1
	if r.ExitCode != nil {
		got = *r.ExitCode
	}
	if r.State != state || got != code || r.Reason != reason {
		t.Fatalf("got %s, exit code %d, %q; want %s, %d, %q\nstdout: %s\nstderr: %s", r.State, got, r.Reason, state, code, reason,
			out.of(scheduler.Stdout), out.of(scheduler.Stderr))
	}
}

func sh(script string) []string { return []string{"sh", "-c", script} }

// service starts a container to run commands in, and returns its id.
func (f *fixture) service() string {
	f.Helper()
	id := f.container(client.ContainerCreateOptions{}, "sleep", "1000")
	if _, err := f.api.ContainerStart(f.Context(), id, client.ContainerStartOptions{}); err != nil {
		f.Fatal(err)
	}
	return id
}

// gone waits until no live process has the execution's id in its environment.
func gone(t testing.TB, tk scheduler.Task) {
	t.Helper()
	if list := marked(runEnv + "=" + tk.Execution.ID); len(list) > 0 {
		t.Errorf("still there: %+v", list)
	}
}

func itoa(n int) string { return strconv.Itoa(n) }

// labelled makes a container that does not run yet.
func (f *fixture) labelled(name string, labels map[string]string) string {
	f.Helper()
	return f.container(client.ContainerCreateOptions{Name: name, Config: &container.Config{Labels: labels}}, "sleep", "1000")
}
