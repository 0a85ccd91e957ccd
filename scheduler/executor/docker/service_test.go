package docker

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"belfry/scheduler"
	"belfry/scheduler/executor/docker/dockertest"
)

// TestServices has an engine of its own, since all of an engine joins a swarm.
func TestServices(t *testing.T) {
	if shared == nil {
		dockertest.Start(t)
	}
	t.Parallel()
	f := on(t, dockertest.Start(t))
	r, out := f.run(ServiceConfig{Image: f.d.Image, Command: "true"})
	must(t, r, out, scheduler.Failed, -1, "docker: this node is not a swarm manager")
	if _, err := f.api.SwarmInit(t.Context(), client.SwarmInitOptions{ListenAddr: "127.0.0.1:0", AdvertiseAddr: "127.0.0.1"}); err != nil {
		t.Fatal(err)
	}
	t.Run("ends", func(t *testing.T) { serviceEnds(&fixture{t, f.e, f.api, f.d}) })
	t.Run("is stopped", func(t *testing.T) { serviceIsStopped(&fixture{t, f.e, f.api, f.d}) })
	t.Run("is swept", func(t *testing.T) { serviceIsSwept(&fixture{t, f.e, f.api, f.d}) })
}

func serviceEnds(f *fixture) {
	for _, tt := range []struct {
		name   string
		c      ServiceConfig
		state  scheduler.State
		code   int
		reason string
		stdout string
		stderr string
	}{
		{"succeeds", ServiceConfig{Argv: sh("echo out; echo err >&2")}, scheduler.Succeeded, 0, "", "out\n", "err\n"},
		{"fails", ServiceConfig{Command: `sh -c "exit 3"`}, scheduler.Failed, 3, "exit code 3", "", ""},
		{"much", ServiceConfig{Argv: sh("seq 20000")}, scheduler.Succeeded, 0, "", numbers(20000), ""},
		{"as asked", ServiceConfig{
			Argv: sh("id -un; pwd; hostname; echo $A $BELFRY_JOB; test -d /data && echo there"), User: "worker", Dir: "/tmp", Hostname: "tower",
			Env: map[string]string{"A": "b"}, Volumes: []string{"/data"}, Memory: 32 << 20, CPUs: 0.5, Annotations: map[string]string{"team": "a"},
		}, scheduler.Succeeded, 0, "", "worker\n/tmp\ntower\nb job\nthere\n", ""},
		{"out of memory", ServiceConfig{Argv: sh("tail /dev/zero"), Memory: 16 << 20}, scheduler.Failed, 137, "killed: out of memory", "", ""},
		{"terminal", ServiceConfig{Argv: sh("test -t 1 && echo yes"), TTY: true}, scheduler.Succeeded, 0, "", "yes\r\n", ""},
	} {
		f.Run(tt.name, func(t *testing.T) {
			f := &fixture{t, f.e, f.api, f.d}
			tt.c.Image = f.d.Image
			r, out := f.run(tt.c)
			must(t, r, out, tt.state, tt.code, tt.reason)
			if got := out.of(scheduler.Stdout); got != tt.stdout || out.of(scheduler.Stderr) != tt.stderr {
				t.Errorf("stdout %.200q, stderr %q", got, out.of(scheduler.Stderr))
			}
			f.noServices(t)
		})
	}
	// What is kept keeps its output too.
	r, out := f.run(ServiceConfig{Image: f.d.Image, Argv: sh("echo kept"), Delete: new(false)})
	must(f.T, r, out, scheduler.Succeeded, 0, "")
	containers, err := f.api.ContainerList(f.Context(), client.ContainerListOptions{All: true})
	if err != nil || len(containers.Items) != 1 {
		f.Errorf("%+v, %v", containers.Items, err)
	}
	if n, err := f.e.Sweep(f.Context()); n != 0 || err != nil {
		f.Errorf("%d, %v", n, err)
	}
	f.removeServices()
	r, _ = f.run(ServiceConfig{Image: "127.0.0.1:1/nothing:here"})
	if r.State != scheduler.Failed || !strings.HasPrefix(r.Reason, "docker: the task was rejected: no such image: 127.0.0.1:1/nothing:here") {
		f.Errorf("an image that is not there: %+v", r)
	}
}

func (f *fixture) noServices(t *testing.T) {
	t.Helper()
	list, err := f.api.ServiceList(t.Context(), client.ServiceListOptions{})
	if err != nil || len(list.Items) > 0 {
		t.Errorf("services left: %+v, %v", list.Items, err)
	}
	// An engine under load lists what it has removed once more.
	eventually(t, "no container", func() bool {
		containers, err := f.api.ContainerList(t.Context(), client.ContainerListOptions{All: true})
		return err == nil && len(containers.Items) == 0
	})
}

func serviceIsStopped(f *fixture) {
	for _, keep := range []bool{false, true} {
		c := ServiceConfig{Image: f.d.Image, Argv: sh(deaf), Delete: new(!keep)}
		tk := task(f.T, c)
		tk.Job.Grace = time.Second
		ctx, stop := context.WithCancelCause(f.Context())
		out := &paper{}
		done := f.background(ctx, c, tk, out)
		out.await(f.T, "ready") // while it runs
		stop(errStopped)
		r := await(f.T, done, "the end")
		if r.State != scheduler.Failed {
			f.Errorf("%+v", r)
		}
		gone(f.T, tk)
		if keep {
			f.removeServices()
			continue
		}
		f.noServices(f.T)
	}
}

func (f *fixture) removeServices() {
	list, err := f.api.ServiceList(f.Context(), client.ServiceListOptions{})
	if err != nil || len(list.Items) != 1 {
		f.Fatalf("%+v, %v", list.Items, err)
	}
	if _, err := f.api.ServiceRemove(f.Context(), list.Items[0].ID, client.ServiceRemoveOptions{}); err != nil {
		f.Error(err)
	}
	f.noServices(f.T)
}

func serviceIsSwept(f *fixture) {
	c := ServiceConfig{Image: f.d.Image, Argv: sh("echo ready; sleep 1000")}
	tk := task(f.T, c)
	tk.Job.Grace = time.Second
	out := &paper{}
	ctx, cancel := context.WithCancel(f.Context())
	defer cancel()
	done := f.background(ctx, c, tk, out)
	out.await(f.T, "ready")
	later := New(Options{Host: f.d.Host, Instance: f.e.opts.Instance})
	defer later.Close()
	if n, err := later.Sweep(f.Context()); n < 1 || err != nil {
		f.Errorf("%d, %v", n, err)
	}
	gone(f.T, tk)
	f.noServices(f.T)
	if r := await(f.T, done, "the end"); r.State != scheduler.Failed {
		f.Errorf("%+v", r)
	}
}
