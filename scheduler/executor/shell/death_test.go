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
	for _, command := range []string{
		stubborn,
		`(setsid sh -c 'trap "" TERM; echo pid $$; exec sleep 1000' &); ` + stubborn,
		`(env -i setsid sh -c 'trap "" TERM; echo pid $$; exec sleep 1000' &); ` + stubborn,
	} {
		config := fmt.Sprintf(`{"command":%q}`, command)
		go e.Execute(context.Background(), scheduler.Task{Job: scheduler.Job{Draft: scheduler.Draft{Config: []byte(config)}}}, console{})
	}
	fmt.Println("supervisor", supervisorOf(e))
	select {}
}

// server starts that server and returns it with the pids of its supervisor and
// of everything that it runs.
func server(t *testing.T, instance string) (cmd *exec.Cmd, supervisor int, all []int) {
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
	for (len(all) < 5 || supervisor == 0) && lines.Scan() {
		var pid int
		if n, _ := fmt.Sscanf(lines.Text(), "pid %d", &pid); n == 1 {
			all = append(all, pid)
		} else if n, _ := fmt.Sscanf(lines.Text(), "supervisor %d", &pid); n == 1 {
			supervisor = pid
		}
	}
	if len(all) != 5 || supervisor == 0 {
		t.Fatalf("supervisor %d, runs %v", supervisor, all)
	}
	return cmd, supervisor, all
}

func TestNothingSurvivesTheServer(t *testing.T) {
	needPrograms(t, "setsid")
	instance := "killed-server-" + fmt.Sprint(os.Getpid())
	cmd, supervisor, all := server(t, instance)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	awaitDeath(t, supervisor) // which is the last
	for _, pid := range all {
		if alive(pid) {
			t.Errorf("process %d is alive", pid)
		}
	}
}

func TestOnlyTheServersEndEndsTheSupervisor(t *testing.T) {
	cmd, supervisor, all := server(t, "signalled-"+fmt.Sprint(os.Getpid()))
	for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM} {
		if err := syscall.Kill(supervisor, sig); err != nil {
			t.Fatal(err)
		}
	}
	if !alive(supervisor) || !alive(all[0]) {
		t.Error("a signal that is not SIGKILL ended the supervisor")
	}
	if st, _ := readStat(supervisor); st.pgrp == cmd.Process.Pid || st.session != supervisor {
		t.Errorf("the supervisor is in group %d and session %d", st.pgrp, st.session)
	}
	if st, _ := readStat(all[0]); st.pgrp == cmd.Process.Pid {
		t.Error("a run is in the server's group")
	}
	_ = cmd.Process.Kill()
	awaitDeath(t, supervisor)
}

func TestStartEndsWhatAnEarlierLifeLeft(t *testing.T) {
	needPrograms(t, "setsid")
	instance := "earlier-life-" + fmt.Sprint(os.Getpid())
	cmd, supervisor, all := server(t, instance)
	if err := syscall.Kill(supervisor, syscall.SIGSTOP); err != nil { // so that it cannot help
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(supervisor, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	awaitDeath(t, supervisor)
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
	if err := syscall.Kill(supervisorOf(e), syscall.SIGKILL); err != nil {
		t.Fatal(err)
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
