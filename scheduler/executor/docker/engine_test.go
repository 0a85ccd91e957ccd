package docker

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"belfry/scheduler"
	"belfry/scheduler/executor/docker/dockertest"
)

func TestNoEngine(t *testing.T) {
	t.Parallel()
	host := "unix://" + filepath.Join(t.TempDir(), "none.sock")
	f := &fixture{T: t, e: New(Options{Host: host})}
	if s := f.e.Ping(t.Context()); s != Disconnected {
		t.Error(s)
	}
	for _, c := range []any{
		ExecConfig{Container: "c", Command: "true"}, RunConfig{Image: "i", Command: "true"}, RunConfig{Container: "c"}, ServiceConfig{Image: "i"},
	} {
		r, out := f.run(c)
		must(t, r, out, scheduler.Failed, -1, "docker: the engine at "+host+" is not reachable: is it running?")
	}
	if _, err := f.e.Containers(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "docker: the engine at ") {
		t.Error(err)
	}
	if _, err := f.e.Sweep(t.Context()); err == nil {
		t.Error("there was nothing to sweep in")
	}
	off := &fixture{T: t, e: New(Options{Disabled: true})}
	if s := off.e.Ping(t.Context()); s != Disabled {
		t.Error(s)
	}
	r, out := off.run(RunConfig{Image: "i"})
	must(t, r, out, scheduler.Failed, -1, "docker: jobs in Docker are switched off on this server")
	r, out = off.run(RunConfig{Image: "i", EnvFiles: []string{"/no/such/file"}})
	must(t, r, out, scheduler.Failed, -1, "env_files: open /no/such/file: no such file or directory")
}

// An engine that hangs is not waited for.
func TestPingIsQuick(t *testing.T) {
	start(t)
	f := on(t, dockertest.Start(t))
	if s := f.e.Ping(t.Context()); s != Connected {
		t.Fatal(s)
	}
	if err := f.d.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the engine hangs", func() bool {
		began := time.Now()
		s := f.e.Ping(t.Context())
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("took %s", took)
		}
		return s == Disconnected
	})
	if err := f.d.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the engine is back", func() bool { return f.e.Ping(t.Context()) == Connected })
}

// TestEngineDies kills an engine under two runs and starts it again.
func TestEngineDies(t *testing.T) {
	start(t)
	f := on(t, dockertest.Start(t))
	f.e.log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	watching, stopWatching := context.WithCancel(t.Context())
	defer stopWatching()
	watched := make(chan struct{})
	go func() {
		f.e.Run(watching)
		close(watched)
	}()
	exec := ExecConfig{Container: f.service(), Argv: sh("echo ready; sleep 1000")}
	run := f.image(RunConfig{Argv: sh("echo ready; sleep 1000")})
	execTask, runTask := task(t, exec), task(t, run)
	execOut, runOut := &paper{}, &paper{}
	execDone, runDone := f.background(t.Context(), exec, execTask, execOut), f.background(t.Context(), run, runTask, runOut)
	execOut.await(t, "ready")
	runOut.await(t, "ready")
	killed := time.Now()
	if err := f.d.Kill(); err != nil {
		t.Fatal(err)
	}
	r := await(t, execDone, "the command's end")
	must(t, r, execOut, scheduler.Failed, -1, "docker: the engine went away during the run")
	gone(t, execTask)
	r = await(t, runDone, "the container's end")
	if r.State != scheduler.Failed || !strings.HasPrefix(r.Reason, "docker: the engine ") ||
		!strings.Contains(r.Reason, "its container could not be removed yet") {
		t.Errorf("%+v", r)
	}
	if took := time.Since(killed); took > 10*time.Second {
		t.Errorf("took %s", took)
	}
	eventually(t, "disconnected", func() bool { return f.e.state.Load() == Disconnected })
	if err := f.d.Restart(); err != nil {
		t.Fatal(err)
	}
	t.Log("restarted")
	eventually(t, "what was left is swept", func() bool { return len(marked(runEnv+"="+runTask.Execution.ID)) == 0 })
	eventually(t, "the container is removed", func() bool {
		list, err := f.e.Containers(t.Context())
		return err == nil && len(list) == 1
	})
	r, out := f.run(f.image(RunConfig{Argv: sh("echo again")}))
	must(t, r, out, scheduler.Succeeded, 0, "")
	stopWatching()
	await(t, watched, "the end of Run")
}

// TestSweep leaves what a killed server leaves: an engine that goes on.
func TestSweep(t *testing.T) {
	f := start(t)
	other := on(t, f.d)
	in := f.service()
	type started struct {
		task scheduler.Task
		done <-chan scheduler.Result
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	begin := func(f *fixture, c any) started {
		tk, out := task(t, c), &paper{}
		tk.Job.Grace = time.Second
		done := f.background(ctx, c, tk, out)
		out.await(t, "ready")
		return started{tk, done}
	}
	script := sh("echo ready; exec sleep 1000")
	exec := begin(f, ExecConfig{Container: in, Argv: script})
	run := begin(f, f.image(RunConfig{Argv: script, Volumes: []string{"/data"}}))
	kept := begin(f, f.image(RunConfig{Argv: script, Delete: new(bool)}))
	foreignExec := begin(other, ExecConfig{Container: in, Argv: script})
	foreignRun := begin(other, f.image(RunConfig{Argv: script}))

	// A server that knows its runs leaves them alone.
	if n, err := f.e.Sweep(t.Context()); n != 0 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	later := New(Options{Host: f.d.Host, Instance: f.e.opts.Instance})
	defer later.Close()
	if n, err := later.Sweep(t.Context()); n != 3 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	for _, s := range []started{exec, run, kept} {
		if r := await(t, s.done, "the end"); r.State != scheduler.Failed {
			t.Errorf("%+v", r)
		}
		gone(t, s.task)
	}
	if left := f.mine(); len(left) != 1 || !strings.Contains(left[0], "Exited") {
		t.Errorf("what is to be kept: %v", left)
	}
	if n, err := later.Sweep(t.Context()); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	f.removeMine()
	for _, s := range []started{foreignExec, foreignRun} {
		if len(marked(runEnv+"="+s.task.Execution.ID)) == 0 {
			t.Error("another instance's is gone")
		}
	}
	cancel()
	await(t, foreignExec.done, "the end")
	await(t, foreignRun.done, "the end")
}

func TestHostFromTheEnvironment(t *testing.T) {
	if shared == nil {
		dockertest.Start(t)
	}
	t.Setenv("DOCKER_HOST", shared.Host)
	e := New(Options{})
	defer e.Close()
	if s := e.Ping(t.Context()); s != Connected {
		t.Error(s)
	}
	if e.host() != os.Getenv("DOCKER_HOST") {
		t.Error(e.host())
	}
}

// TestEngineHangs stops an engine under runs without ending it.
func TestEngineHangs(t *testing.T) {
	start(t)
	f := on(t, dockertest.Start(t))
	f.e.pulse = 100 * time.Millisecond
	exec := ExecConfig{Container: f.service(), Argv: sh("echo ready; sleep 1000")}
	run := f.image(RunConfig{Argv: sh("echo ready; sleep 1000")})
	execTask := task(t, exec)
	execOut, runOut := &paper{}, &paper{}
	execDone, runDone := f.background(t.Context(), exec, execTask, execOut), f.background(t.Context(), run, task(t, run), runOut)
	execOut.await(t, "ready")
	runOut.await(t, "ready")
	if err := f.d.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	r := await(t, execDone, "the command's end")
	must(t, r, execOut, scheduler.Failed, -1, "docker: the engine went away during the run")
	gone(t, execTask)
	r = await(t, runDone, "the container's end")
	if r.State != scheduler.Failed || !strings.HasPrefix(r.Reason, "docker: the engine went away during the run") {
		t.Errorf("%+v", r)
	}
	if err := f.d.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if n, err := f.e.Sweep(t.Context()); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}
