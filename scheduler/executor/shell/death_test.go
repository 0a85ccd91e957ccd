package shell

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"belfry/scheduler"
)

func testLog(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}

// actAsServer names the instance of a server that the test binary is to play.
const actAsServer = "ACT_AS_SERVER"

// console writes a run's output to this process's own.
type console struct{}

func (console) Write(_ scheduler.Stream, b []byte) { os.Stdout.Write(b) }

// serve runs three commands until it is killed.
func serve() {
	e, err := New(slog.New(slog.DiscardHandler))
	if err == nil {
		err = e.Start(os.Getenv(actAsServer))
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for _, pid := range supervisors(e) {
		fmt.Println("supervisor", pid)
	}
	for _, command := range []string{
		stubborn,
		`(setsid sh -c 'trap "" TERM; echo pid $$; exec sleep 1000' &); ` + stubborn,
		`(env -i setsid sh -c 'trap "" TERM; echo pid $$; exec sleep 1000' &); ` + stubborn,
	} {
		config := fmt.Sprintf(`{"command":%q}`, command)
		go e.Execute(context.Background(), scheduler.Task{Job: scheduler.Job{Draft: scheduler.Draft{Config: []byte(config)}}}, console{})
	}
	select {}
}

// server starts that server and returns it with the pids of its supervisors and
// of everything that it runs.
func server(t *testing.T, instance string) (cmd *exec.Cmd, sups, all []int) {
	t.Helper()
	cmd = exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), actAsServer+"="+instance)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(stdout)
	for len(all) < 5 && lines.Scan() {
		var pid int
		if n, _ := fmt.Sscanf(lines.Text(), "pid %d", &pid); n == 1 {
			all = append(all, pid)
		} else if n, _ := fmt.Sscanf(lines.Text(), "supervisor %d", &pid); n == 1 {
			sups = append(sups, pid)
		}
	}
	if len(all) != 5 || len(sups) == 0 {
		t.Fatalf("supervisors %v, runs %v", sups, all)
	}
	return cmd, sups, all
}

func TestNothingSurvivesTheServer(t *testing.T) {
	needPrograms(t, "setsid")
	instance := "killed-server-" + fmt.Sprint(os.Getpid())
	cmd, sups, all := server(t, instance)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for _, pid := range sups { // the last ones
		awaitDeath(t, pid)
	}
	for _, pid := range all {
		if alive(pid) {
			t.Errorf("process %d is alive", pid)
		}
	}
}

func TestOnlyTheServersEndEndsTheSupervisor(t *testing.T) {
	cmd, sups, all := server(t, "signalled-"+fmt.Sprint(os.Getpid()))
	for _, pid := range sups {
		for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM} {
			if err := syscall.Kill(pid, sig); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, pid := range sups {
		if st, ok := readStat(pid); !ok || st.dead || st.pgrp != pid || st.session != pid {
			t.Errorf("supervisor %d: %+v", pid, st)
		}
	}
	for _, pid := range all {
		if st, ok := readStat(pid); !ok || st.dead || st.pgrp == cmd.Process.Pid {
			t.Errorf("run %d: %+v", pid, st)
		}
	}
	_ = cmd.Process.Kill()
	for _, pid := range sups {
		awaitDeath(t, pid)
	}
}

func TestStartEndsWhatAnEarlierLifeLeft(t *testing.T) {
	needPrograms(t, "setsid")
	instance := "earlier-life-" + fmt.Sprint(os.Getpid())
	cmd, sups, all := server(t, instance)
	signalEach := func(sig syscall.Signal) {
		for _, pid := range sups {
			if err := syscall.Kill(pid, sig); err != nil {
				t.Fatal(err)
			}
		}
	}
	signalEach(syscall.SIGSTOP) // so that they cannot help
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	signalEach(syscall.SIGKILL)
	for _, pid := range sups {
		awaitDeath(t, pid)
	}
	if !slices.ContainsFunc(all, alive) { // some die of the closed pipe
		t.Fatal("nothing was left; the test shows nothing")
	}
	e, err := New(testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(instance); err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for _, pid := range all {
		if alive(pid) {
			t.Errorf("process %d is alive", pid)
		}
	}
	if r, _ := execute(t, e, Config{Command: "true"}); r.State != scheduler.Succeeded {
		t.Errorf("%+v", r)
	}
}

func TestSupervisorsDeathEndsItsRunsAndIsMended(t *testing.T) {
	needPrograms(t, "setsid")
	e, _ := started(t)
	out, done := background(t.Context(), e, task(t, Config{Command: `(env -i setsid sh -c 'echo pid $$; exec sleep 1000' &); ` + stubborn}))
	out.awaitThat(t, "two pids", func(s string) bool { return strings.Count(s, "pid ") == 2 })
	sups := supervisors(e)
	for _, pid := range sups {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	for _, pid := range sups {
		awaitDeath(t, pid) // one still dying would take a request and never answer
	}
	r := await(t, done, "the run")
	if r.State != scheduler.Failed || r.Reason != "killed because Belfry's supervisor process died" {
		t.Errorf("%+v", r)
	}
	for _, pid := range pids(t, out.of(scheduler.Stdout)) {
		if alive(pid) {
			t.Errorf("process %d is alive", pid)
		}
	}
	if r, out := execute(t, e, Config{Command: "echo again"}); r.State != scheduler.Succeeded || out.of(scheduler.Stdout) != "again\n" {
		t.Errorf("%+v", r)
	}
}
