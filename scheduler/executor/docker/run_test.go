package docker

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"belfry/scheduler"
)

// image is a RunConfig that needs no registry.
func (f *fixture) image(c RunConfig) RunConfig {
	c.Image = f.d.Image
	if c.Pull == "" {
		c.Pull = "never"
	}
	return c
}

func TestRunEnds(t *testing.T) {
	f := start(t)
	for _, tt := range []struct {
		name   string
		c      RunConfig
		state  scheduler.State
		code   int
		reason string
		stdout string
		stderr string
	}{
		{"succeeds", RunConfig{Argv: sh("echo out; echo err >&2")}, scheduler.Succeeded, 0, "", "out\n", "err\n"},
		{"words", RunConfig{Command: `printf '%s|' "a b" c\ d`}, scheduler.Succeeded, 0, "", "a b|c d|", ""},
		{"fails", RunConfig{Argv: sh("exit 3")}, scheduler.Failed, 3, "exit code 3", "", ""},
		{"killed", RunConfig{Argv: sh("sh -c 'kill -9 $$'; exit 137")}, scheduler.Failed, 137, "killed by SIGKILL", "", ""},
		{
			"user, dir and host",
			RunConfig{Argv: sh("id -un; pwd; hostname"), User: "worker", Dir: "/tmp", Hostname: "tower"},
			scheduler.Succeeded, 0, "", "worker\n/tmp\ntower\n", "",
		},
		{"entrypoint", RunConfig{Entrypoint: "printf '%s|'", Argv: []string{"a", "b"}}, scheduler.Succeeded, 0, "", "a|b|", ""},
		{"terminal", RunConfig{Argv: sh(`test -t 1 && printf '\033[31mred'`), TTY: true}, scheduler.Succeeded, 0, "", "\x1b[31mred", ""},
		{"out of memory", RunConfig{Argv: sh("tail /dev/zero"), Memory: 16 << 20}, scheduler.Failed, 137, "killed: out of memory", "", ""},
		{"much", RunConfig{Argv: sh("seq 200000")}, scheduler.Succeeded, 0, "", numbers(200000), ""},
		{"the image's command", RunConfig{}, scheduler.Succeeded, 0, "", "", ""},
		{"kept", RunConfig{Argv: sh("true"), Delete: new(bool)}, scheduler.Succeeded, 0, "", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := on(t, f.d)
			r, out := f.run(f.image(tt.c))
			must(t, r, out, tt.state, tt.code, tt.reason)
			if got := out.of(scheduler.Stdout); got != tt.stdout || !strings.HasSuffix(out.of(scheduler.Stderr), tt.stderr) {
				t.Errorf("stdout %.200q, stderr %q", got, out.of(scheduler.Stderr))
			}
			left := f.mine()
			if want := tt.c.Delete != nil; (len(left) == 1) != want {
				t.Errorf("left in the engine: %v", left)
			}
			f.removeMine()
		})
	}
	r, out := f.run(f.image(RunConfig{Command: "/no/such/program"}))
	if r.State != scheduler.Failed || r.ExitCode == nil || *r.ExitCode != 127 || !strings.HasPrefix(r.Reason, "docker: the container cannot be started: ") {
		t.Errorf("a program that is not there: %+v, %q", r, out.of(scheduler.Stderr))
	}
	r, out = f.run(RunConfig{Image: "nothing:here", Pull: "never"})
	must(t, r, out, scheduler.Failed, -1, "docker: the image nothing:here is not there, and the job says never to pull it")
}

func numbers(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(itoa(i+1) + "\n")
	}
	return b.String()
}

func (f *fixture) removeMine() {
	list, err := f.api.ContainerList(f.Context(), client.ContainerListOptions{
		All: true, Filters: client.Filters{}.Add("label", labelInstance+"="+f.e.opts.Instance),
	})
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range list.Items {
		if _, err := f.api.ContainerRemove(f.Context(), c.ID, client.ContainerRemoveOptions{Force: true}); err != nil {
			f.Error(err)
		}
	}
}

func TestRunMakesTheContainerAsked(t *testing.T) {
	f := start(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "in"), []byte("mounted\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	other := f.container(client.ContainerCreateOptions{Config: &container.Config{Volumes: map[string]struct{}{"/other": {}}}}, "true")
	c := f.image(RunConfig{
		ContainerName: "made-to-order", Argv: sh("cat /mnt/in; test -d /other && test -d /anonymous && echo there; echo ready; exec sleep 1000"),
		Volumes: []string{dir + ":/mnt:ro", "/anonymous"}, VolumesFrom: []string{other}, Network: "none",
		Annotations: map[string]string{"team": "a"}, Env: map[string]string{"A": "b"},
		Memory: 32 << 20, CPUs: 0.5, PIDs: 20, StopSignal: "SIGINT", StopTimeout: "1500ms",
	})
	tk := task(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	out := &paper{}
	done := f.background(ctx, c, tk, out)
	out.await(t, "mounted\nthere\nready\n") // while it runs
	in, err := f.api.ContainerInspect(t.Context(), "made-to-order", client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	host, config := in.Container.HostConfig, in.Container.Config
	if host.Memory != 32<<20 || host.NanoCPUs != 5e8 || host.PidsLimit == nil || *host.PidsLimit != 20 || host.NetworkMode != "none" ||
		config.StopSignal != "SIGINT" || *config.StopTimeout != 2 {
		t.Errorf("%+v %+v", host, config)
	}
	for label, want := range map[string]string{
		"team": "a", labelJob: "job", labelExecution: tk.Execution.ID, labelInstance: f.e.opts.Instance,
	} {
		if config.Labels[label] != want {
			t.Errorf("label %s: %q", label, config.Labels[label])
		}
	}
	cancel()
	// sleep is the first process of its container: it does not see a SIGINT.
	must(t, await(t, done, "the end"), out, scheduler.Failed, 137, "killed by SIGKILL")
	gone(t, tk)
	for _, m := range in.Container.Mounts {
		if m.Destination == "/anonymous" {
			if _, err := f.api.VolumeInspect(t.Context(), m.Name, client.VolumeInspectOptions{}); err == nil {
				t.Error("the anonymous volume is still there")
			}
		}
	}
}

func TestRunIsStopped(t *testing.T) {
	f := start(t)
	for _, tt := range []struct {
		name, script, signal string
		grace                time.Duration
		code                 int
		reason               string
	}{
		{"asked", "trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.05; done", "", 10 * time.Second, 7, "exit code 7"},
		{"asked otherwise", "trap 'echo bye; exit 8' USR1; echo ready; while :; do sleep 0.05; done", "SIGUSR1", 10 * time.Second, 8, "exit code 8"},
		{"killed", deaf, "", 100 * time.Millisecond, 137, "killed by SIGKILL"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := on(t, f.d)
			c := f.image(RunConfig{Argv: sh(tt.script), StopSignal: tt.signal})
			tk := task(t, c)
			tk.Job.Grace = tt.grace
			ctx, stop := context.WithCancelCause(t.Context())
			out := &paper{}
			done := f.background(ctx, c, tk, out)
			out.await(t, "ready")
			stop(errStopped)
			must(t, await(t, done, "the end"), out, scheduler.Failed, tt.code, tt.reason)
			if tt.code < 10 && !strings.HasSuffix(out.of(scheduler.Stdout), "bye\n") {
				t.Errorf("the end of the output is missing: %q", out.of(scheduler.Stdout))
			}
			gone(t, tk)
		})
	}
}

func TestRunTimesOut(t *testing.T) {
	f := start(t)
	c := f.image(RunConfig{Argv: sh("sleep 1000")})
	tk := task(t, c)
	tk.Job.Grace = 0
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	r := await(t, f.background(ctx, c, tk, &paper{}), "the end")
	if r.State != scheduler.Failed {
		t.Errorf("%+v", r)
	}
	gone(t, tk)
}

func TestRunOfAnExistingContainer(t *testing.T) {
	f := start(t)
	id := f.container(client.ContainerCreateOptions{}, "sh", "-c", "echo again; exit 5")
	for range 2 {
		r, out := f.run(RunConfig{Container: id})
		must(t, r, out, scheduler.Failed, 5, "exit code 5")
		if out.of(scheduler.Stdout) != "again\n" {
			t.Errorf("%q", out.of(scheduler.Stdout))
		}
	}
	if _, err := f.api.ContainerInspect(t.Context(), id, client.ContainerInspectOptions{}); err != nil {
		t.Errorf("it is not there any more: %v", err)
	}
	busy := f.service()
	r, out := f.run(RunConfig{Container: busy})
	must(t, r, out, scheduler.Failed, -1, "docker: the container "+busy+" runs already")
	r, out = f.run(RunConfig{Container: "nobody"})
	must(t, r, out, scheduler.Failed, -1, "docker: no such container: nobody")
	slow := f.container(client.ContainerCreateOptions{Config: &container.Config{StopSignal: "SIGUSR2"}},
		"sh", "-c", "trap 'exit 6' USR2; echo ready; while :; do sleep 0.05; done")
	ctx, cancel := context.WithCancel(t.Context())
	out = &paper{}
	c := RunConfig{Container: slow}
	done := f.background(ctx, c, task(t, c), out)
	out.await(t, "ready")
	cancel()
	must(t, await(t, done, "the end"), out, scheduler.Failed, 6, "exit code 6")
}
