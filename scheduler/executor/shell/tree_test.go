package shell

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"belfry/scheduler"
)

// pids are the numbers after "pid " in text.
func pids(t *testing.T, text string) []int {
	t.Helper()
	var list []int
	for line := range strings.Lines(text) {
		var pid int
		if n, _ := fmt.Sscanf(line, "pid %d", &pid); n == 1 {
			list = append(list, pid)
		}
	}
	if len(list) == 0 {
		t.Fatalf("no pids in %q", text)
	}
	return list
}

func alive(pid int) bool {
	st, ok := readStat(pid)
	return ok && !st.dead
}

// awaitDeath waits for the end of a process that is not our child.
func awaitDeath(t *testing.T, pid int) {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for begin := time.Now(); ; {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 1000)
		if n == 1 {
			return
		}
		if err != nil && !errors.Is(err, unix.EINTR) || time.Since(begin) > patience {
			t.Fatalf("process %d lives", pid)
		}
	}
}

func needPrograms(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			t.Skip(err)
		}
	}
}

// stubborn is a script that ignores SIGTERM, tells its pid and prints for ever.
const stubborn = `trap '' TERM; echo pid $$; while :; do echo noise; sleep 0.01; done`

func TestNothingSurvivesTheGrace(t *testing.T) {
	needPrograms(t, "setsid", "bash")
	e, _ := started(t)
	scripts := map[string]string{
		"alone":               stubborn,
		"a child":             `(` + strings.ReplaceAll(stubborn, "$$", "$BASHPID") + `) & ` + stubborn,
		"a session":           `setsid bash -c "$S" & ` + stubborn,
		"a daemon":            `(setsid bash -c "$S" &) ; ` + stubborn,
		"without environment": `(env -i PATH="$PATH" setsid bash -c "$S" &) ; ` + stubborn,
		"a silent daemon":     `echo $(setsid bash -c 'trap "" TERM; echo pid $BASHPID; exec >/dev/null 2>&1; sleep 1000 & wait; sleep 1000' &) ; ` + stubborn,
		"one that forks on":   `f() { trap '' TERM; echo pid $BASHPID; sleep 0.02; f & }; f & ` + stubborn,
		"stopped":             `(setsid sh -c 'echo pid $$; kill -STOP $$' &); ` + stubborn,
	}
	for name, script := range scripts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tk := task(t, Config{Command: script, Shell: "/bin/bash", Env: map[string]string{"S": stubborn}})
			tk.Job.Grace = 300 * time.Millisecond
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			out, done := background(ctx, e, tk)
			out.await(t, "pid ")
			out.await(t, "noise\nnoise\n")
			begin := time.Now()
			cancel()
			r := await(t, done, "the end of the run")
			took := time.Since(begin)
			if r.State != scheduler.Failed || r.Signal != "SIGKILL" {
				t.Errorf("%+v", r)
			}
			if took < tk.Job.Grace || took > tk.Job.Grace+time.Second {
				t.Errorf("it took %s", took)
			}
			for _, pid := range pids(t, out.of(scheduler.Stdout)) {
				if alive(pid) {
					t.Errorf("process %d is alive", pid)
				}
			}
			if s := out.of(scheduler.System); s != "" {
				t.Errorf("told of leftovers when all was to end: %q", s)
			}
		})
	}
}

func TestWhoObeysEndsAtOnce(t *testing.T) {
	e, _ := started(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, done := background(ctx, e, task(t, Config{Command: `trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.01; done`}))
	out.await(t, "up")
	cancel()
	r := await(t, done, "the end")
	if r.ExitCode == nil || *r.ExitCode != 5 || !strings.HasSuffix(out.of(scheduler.Stdout), "bye\n") {
		t.Errorf("%+v %q", r, out.of(scheduler.Stdout))
	}
}

func TestWhatIsLeftBehindIsEnded(t *testing.T) {
	needPrograms(t, "setsid", "prlimit", "mkfifo")
	e, _ := started(t)
	// Each says "up" in the fifo when it is what it wants to be.
	tests := []struct{ name, command string }{
		{"a child", `(echo up >$F; exec sleep 1000) & echo pid $!`},
		{"a daemon", `setsid sh -c 'sleep 1000 & echo pid $!; echo pid $$; echo up >$F; wait' &`},
		{"a stubborn one", `sh -c 'trap "" TERM; echo pid $$; exec 1>&- 2>&-; echo up >$F; exec sleep 1000' &`},
		{"one in another's group", `bash -c 'set -m; (echo pid $BASHPID; echo up >$F; exec sleep 1000) & disown'`},
		{"one without any trace", `(prlimit --locks=unlimited env -i /usr/bin/setsid /bin/sh -c "echo pid \$\$; echo up >$F; exec >/dev/null 2>&1; exec /bin/sleep 1000" &)`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fifo := t.TempDir() + "/fifo"
			command := "mkfifo $F; " + tt.command + "\nread x <$F"
			r, out := execute(t, e, Config{Command: command, Env: map[string]string{"F": fifo}})
			if told := out.of(scheduler.System); r.State != scheduler.Succeeded || !strings.HasSuffix(told, " left behind by the command: ended\n") {
				t.Errorf("%+v, told %q, stderr %q", r, told, out.of(scheduler.Stderr))
			}
			for _, pid := range pids(t, out.of(scheduler.Stdout)) {
				if alive(pid) {
					t.Errorf("process %d is alive", pid)
				}
			}
		})
	}
}

func TestWhatEndsByItselfMayDoSo(t *testing.T) {
	needPrograms(t, "mkfifo")
	e, _ := started(t)
	// The reader sees the end of the fifo when the command has ended.
	command := `mkfifo $F; (exec 3<$F; read x <&3; echo late) & exec 4>$F; exit 0`
	r, out := execute(t, e, Config{Command: command, Env: map[string]string{"F": t.TempDir() + "/fifo"}})
	if r.State != scheduler.Succeeded || out.of(scheduler.Stdout) != "late\n" || out.of(scheduler.System) != "" {
		t.Errorf("%+v %q, told %q", r, out.of(scheduler.Stdout), out.of(scheduler.System))
	}
}

func TestARunEndsOnlyItsOwn(t *testing.T) {
	e, _ := started(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	tk := task(t, Config{Command: `(setsid sh -c 'echo pid $$; exec sleep 1000' &); echo up; exec sleep 1000`})
	tk.Execution.ID = "other"
	other, done := background(ctx, e, tk)
	other.await(t, "up")
	kept := pids(t, other.await(t, "pid "))[0]
	r, out := execute(t, e, Config{
		Command: "mkfifo $F; (setsid sh -c 'echo up >$F; exec sleep 1000' &); read x <$F",
		Env:     map[string]string{"F": t.TempDir() + "/fifo"},
	})
	if r.State != scheduler.Succeeded || !strings.HasPrefix(out.of(scheduler.System), "1 process ") {
		t.Errorf("%+v %q", r, out.of(scheduler.System))
	}
	if !alive(kept) {
		t.Error("a run ended a process of another")
	}
	cancel()
	await(t, done, "the other run")
	if alive(kept) {
		t.Error("the other run left its own")
	}
}

// An escaped writer, outside of every tree, must not hold up a run.
func TestAPipeHeldOutsideDoesNotHang(t *testing.T) {
	e, _ := started(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, done := background(ctx, e, task(t, Config{Command: `echo pid $$; read x </proc/self/fd/0; while [ ! -e "$F" ]; do sleep 0.01; done; echo end`, Env: map[string]string{"F": t.TempDir() + "/go"}}))
	pid := pids(t, out.await(t, "pid "))[0]
	held, err := os.OpenFile(fmt.Sprintf("/proc/%d/fd/1", pid), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if err := syscall.Kill(-pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if r := await(t, done, "the run"); r.Signal != "SIGKILL" {
		t.Errorf("%+v", r)
	}
}
