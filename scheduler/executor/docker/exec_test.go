package docker

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"belfry/scheduler"
)

// container makes a container that ends with the test.
func (f *fixture) container(o client.ContainerCreateOptions, argv ...string) string {
	f.Helper()
	if o.Config == nil {
		o.Config = &container.Config{}
	}
	o.Config.Image, o.Config.Cmd = f.d.Image, argv
	made, err := f.api.ContainerCreate(f.Context(), o)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_, _ = f.api.ContainerRemove(ctx, made.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	})
	return made.ID
}

func TestExecEnds(t *testing.T) {
	f := start(t)
	in := f.service()
	for _, tt := range []struct {
		name   string
		c      ExecConfig
		state  scheduler.State
		code   int
		reason string
		stdout string
		stderr string
	}{
		{"succeeds", ExecConfig{Argv: sh("echo out; echo err >&2")}, scheduler.Succeeded, 0, "", "out\n", "err\n"},
		{"words", ExecConfig{Command: `printf '%s|' "a b" c\ d '$HOME;'`}, scheduler.Succeeded, 0, "", "a b|c d|$HOME;|", ""},
		{"fails", ExecConfig{Argv: sh("exit 3")}, scheduler.Failed, 3, "exit code 3", "", ""},
		{"killed", ExecConfig{Argv: sh("kill -9 $$")}, scheduler.Failed, 137, "killed by SIGKILL", "", ""},
		{"user and dir", ExecConfig{Argv: sh("id -un; pwd"), User: "worker", Dir: "/tmp"}, scheduler.Succeeded, 0, "", "worker\n/tmp\n", ""},
		{"terminal", ExecConfig{Argv: sh(`test -t 1 && printf '\033[31mred'`), TTY: true}, scheduler.Succeeded, 0, "", "\x1b[31mred", ""},
		{"closes its output and goes on", ExecConfig{Argv: sh("exec >&- 2>&-; sleep 0.3; exit 4")}, scheduler.Failed, 4, "exit code 4", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &fixture{t, f.e, f.api, f.d}
			tt.c.Container = in
			r, out := f.run(tt.c)
			must(t, r, out, tt.state, tt.code, tt.reason)
			if out.of(scheduler.Stdout) != tt.stdout || out.of(scheduler.Stderr) != tt.stderr {
				t.Errorf("stdout %q, stderr %q", out.of(scheduler.Stdout), out.of(scheduler.Stderr))
			}
		})
	}
	r, out := f.run(ExecConfig{Container: in, Command: "/no/such/program"})
	if r.State != scheduler.Failed || r.ExitCode == nil || *r.ExitCode < 126 || !strings.Contains(out.of(scheduler.Stdout), "no such file") {
		t.Errorf("a program that is not there: %+v, %q", r, out.of(scheduler.Stdout))
	}
	r, out = f.run(ExecConfig{Container: "nobody", Command: "true"})
	must(t, r, out, scheduler.Failed, -1, "docker: no such container: nobody")
	stopped := f.container(client.ContainerCreateOptions{Name: "stopped-one"}, "true")
	r, out = f.run(ExecConfig{Container: "stopped-one", Command: "true"})
	must(t, r, out, scheduler.Failed, -1, "docker: container "+stopped+" is not running")
}

func TestExecEnvironment(t *testing.T) {
	f := start(t)
	file := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(file, []byte("\ufeff# comment\n\n  FROM_FILE=\"kept\" # too\nBOTH=file\nNOT_THERE\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r, out := f.run(ExecConfig{
		Container: f.service(), Command: "env", EnvFiles: []string{file}, Env: map[string]string{"BOTH": "job", "LINES": "a\nb"},
	})
	must(t, r, out, scheduler.Succeeded, 0, "")
	env := "\n" + out.of(scheduler.Stdout)
	for _, want := range []string{
		"\nFROM_FILE=\"kept\" # too\n", "\nBOTH=job\n", "\nLINES=a\nb\n", "\nBELFRY_JOB=job\n", "\nBELFRY_ATTEMPT=2\n",
		"\nBELFRY_DUE_AT=2026-01-02T02:04:05Z\n", "\nBELFRY_TRIGGER=retry\n", "\nBELFRY_EXECUTION_ID=execution-",
	} {
		if !strings.Contains(env, want) {
			t.Errorf("no %q in %s", want, env)
		}
	}
	if strings.Contains(env, "NOT_THERE") {
		t.Error("a variable that the server does not have is set")
	}
}

// deaf does not listen to a SIGTERM, nor does its child; both are there when it
// says ready.
const deaf = `trap 'echo asked' TERM; (trap "" TERM; sleep 1000) & echo ready; while :; do wait; done`

var errStopped = errors.New("stopped by ann")

func TestExecIsStopped(t *testing.T) {
	f := start(t)
	in := f.service()
	for _, tt := range []struct {
		name, script string
		grace        time.Duration
		code         int
		reason       string
	}{
		{"asked", "trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.05; done", 10 * time.Second, 7, "exit code 7"},
		{"killed", deaf, 100 * time.Millisecond, 137, "killed by SIGKILL"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &fixture{t, f.e, f.api, f.d}
			c := ExecConfig{Container: in, Argv: sh(tt.script), User: "worker"}
			tk := task(t, c)
			tk.Job.Grace = tt.grace
			ctx, stop := context.WithCancelCause(t.Context())
			out := &paper{}
			done := f.background(ctx, c, tk, out)
			out.await(t, "ready")
			stop(errStopped)
			r := await(t, done, "the end")
			must(t, r, out, scheduler.Failed, tt.code, tt.reason)
			gone(t, tk)
		})
	}
}

// Where the container's processes cannot be seen, they are ended from within.
func TestExecIsStoppedFromWithin(t *testing.T) {
	f := start(t)
	in := f.service()
	c := ExecConfig{Container: in, Argv: sh(deaf), User: "worker"}
	tk := task(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &paper{}
	done := f.background(ctx, c, tk, out)
	out.await(t, "ready")
	n := &ender{api: f.api, container: in, user: "worker", marker: runEnv + "=" + tk.Execution.ID}
	if err := n.endBy(t.Context(), n.inside("worker", false), 100*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	gone(t, tk)
	must(t, await(t, done, "the end"), out, scheduler.Failed, 137, "killed by SIGKILL")
	if !strings.Contains(out.of(scheduler.Stdout), "asked") {
		t.Error("it was killed without being asked")
	}
}

func TestExecTimesOut(t *testing.T) {
	f := start(t)
	c := ExecConfig{Container: f.service(), Argv: sh("sleep 1000")}
	tk := task(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	out := &paper{}
	r := await(t, f.background(ctx, c, tk, out), "the end")
	if r.State != scheduler.Failed {
		t.Errorf("%+v", r)
	}
	gone(t, tk)
}

// A child that holds the output open does not hold the run.
func TestExecLeavesTheBackgroundAlone(t *testing.T) {
	f := start(t)
	c := ExecConfig{Container: f.service(), Argv: sh("sleep 1000 & echo done")}
	r, out := f.run(c)
	must(t, r, out, scheduler.Succeeded, 0, "")
	if out.of(scheduler.Stdout) != "done\n" {
		t.Errorf("%q", out.of(scheduler.Stdout))
	}
}

// What cannot be ended is said.
func TestExecCannotBeEnded(t *testing.T) {
	f := start(t)
	in := f.container(client.ContainerCreateOptions{Config: &container.Config{Env: []string{"PATH=/none"}}}, "/bin/sleep", "1000")
	if _, err := f.api.ContainerStart(t.Context(), in, client.ContainerStartOptions{}); err != nil {
		t.Fatal(err)
	}
	c := ExecConfig{Container: in, Argv: []string{"/bin/sh", "-c", "echo ready; exec /bin/sleep 1000"}}
	tk, out := task(t, c), &paper{}
	ctx, cancel := context.WithCancel(t.Context())
	done := f.background(ctx, c, tk, out)
	out.await(t, "ready")
	n := &ender{api: f.api, container: in, marker: runEnv + "=" + tk.Execution.ID}
	in1, err := f.api.ContainerInspect(t.Context(), in, client.ContainerInspectOptions{})
	if err != nil || len(in1.Container.ExecIDs) != 1 {
		t.Fatalf("%+v, %v", in1.Container.ExecIDs, err)
	}
	n.exec = in1.Container.ExecIDs[0]
	err = n.endBy(t.Context(), n.inside("", false), time.Second)
	if err == nil || err.Error() != "its processes could not be ended: the container has no shell to do it with" {
		t.Error(err)
	}
	cancel()
	await(t, done, "the end")
	gone(t, tk)
}

// Nothing of the output is lost, however short a run is.
func TestShortRuns(t *testing.T) {
	f := start(t)
	in := f.service()
	for range 15 {
		for _, c := range []any{ExecConfig{Container: in, Command: "echo out"}, f.image(RunConfig{Command: "echo out"})} {
			r, out := f.run(c)
			must(t, r, out, scheduler.Succeeded, 0, "")
			if got := out.of(scheduler.Stdout); got != "out\n" {
				t.Fatalf("%T: %q", c, got)
			}
		}
	}
}
