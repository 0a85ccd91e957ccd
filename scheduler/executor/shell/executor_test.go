package shell

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"belfry/scheduler"
)

func TestHowARunEnded(t *testing.T) {
	e, _ := started(t)
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/no/such/interpreter\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	noShebang := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(noShebang, []byte("echo interpreted $1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	first, second := filepath.Join(t.TempDir(), "first"), filepath.Join(t.TempDir(), "second")
	for file, text := range map[string]string{first: "\ufeffA=1\r\nB=1\n\n# no\n  C=file\n", second: "B=2\nD=x = y \"z\""} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	many := append([]string{"/bin/true"}, strings.Split(strings.Repeat("0123456789abcd,", 100_000), ",")...)
	tests := []struct {
		name   string
		c      Config
		state  scheduler.State
		reason string
		out    string
	}{
		{"ok", Config{Command: "echo hello"}, scheduler.Succeeded, "", "hello\n"},
		{"no newline", Config{Command: "printf hello"}, scheduler.Succeeded, "", "hello"},
		{"plain words", Config{Command: "/bin/echo  a b=c"}, scheduler.Succeeded, "", "a b=c\n"},
		{"plain words that are no program", Config{Command: noShebang + " yes"}, scheduler.Succeeded, "", "interpreted yes\n"},
		{"plain words that do not exist", Config{Command: "/no/such/program x"}, scheduler.Failed, "exit code 127", ""},
		{"argv", Config{Argv: []string{"echo", "a  b", "*", ""}}, scheduler.Succeeded, "", "a  b * \n"},
		{"exit code", Config{Command: "exit 3"}, scheduler.Failed, "exit code 3", ""},
		{"signal", Config{Command: "kill -SEGV $$"}, scheduler.Failed, "killed by SIGSEGV", ""},
		{"real-time signal", Config{Command: "kill -40 $$"}, scheduler.Failed, "killed by signal 40", ""},
		{"stdin", Config{Argv: []string{"cat"}, Stdin: "one\x00two"}, scheduler.Succeeded, "", "one\x00two"},
		{"no stdin", Config{Argv: []string{"cat"}}, scheduler.Succeeded, "", ""},
		{"reopened stdin", Config{Command: "cat /dev/stdin", Stdin: "x"}, scheduler.Succeeded, "", "x"},
		{"directory", Config{Command: "pwd; echo $PWD", Dir: "/usr"}, scheduler.Succeeded, "", "/usr\n/usr\n"},
		{"umask", Config{Command: "umask", Umask: "0027"}, scheduler.Succeeded, "", "0027\n"},
		{"shell", Config{Command: "echo $0", Shell: "/bin/bash"}, scheduler.Succeeded, "", "/bin/bash\n"},
		{"no shell", Config{Command: `echo "a  b" 'c;d' $HOME * e\ f`, Shell: NoShell}, scheduler.Succeeded, "", "a  b c;d $HOME * e f\n"},
		{"no shell and no program", Config{Command: "no-such-program", Shell: NoShell}, scheduler.Failed, "cannot start: no-such-program: not found in PATH", ""},
		{"open quotes without a shell", Config{Command: `echo "a`, Shell: NoShell}, scheduler.Failed, "the configuration is not valid: command cannot be split into words: Unterminated double-quoted string", ""},
		{"environment files", Config{
			Command: "echo $A,$B,$C,$D", Env: map[string]string{"C": "own"}, EnvFiles: []string{first, second},
		}, scheduler.Succeeded, "", "1,2,own,x = y \"z\"\n"},
		{"no environment file", Config{Command: "true", EnvFiles: []string{"/no/such"}}, scheduler.Failed, "cannot start: env_files: open /no/such: no such file or directory", ""},
		{"a wrong environment file", Config{Command: "true", EnvFiles: []string{noShebang}}, scheduler.Failed, "cannot start: env_files: " + noShebang + ": line 1 is not NAME=value", ""},
		{"terminal", Config{Command: "[ -t 0 ] || [ -t 1 ] || [ -e /dev/tty ] && : </dev/tty"}, scheduler.Failed, "exit code 2", ""},
		{"a long script", Config{Command: "echo $#; #" + strings.Repeat("x", 200<<10) + "\necho end"}, scheduler.Succeeded, "", "0\nend\n"},
		{"no such directory", Config{Argv: []string{"/bin/true"}, Dir: "/no/such/dir"}, scheduler.Failed, "cannot start: /no/such/dir: no such file or directory", ""},
		{"no such program", Config{Argv: []string{"/no/such/program"}}, scheduler.Failed, "cannot start: /no/such/program: no such file or directory", ""},
		{"not in PATH", Config{Argv: []string{"no-such-program"}}, scheduler.Failed, "cannot start: no-such-program: not found in PATH", ""},
		{"PATH of the job", Config{Argv: []string{"true"}, Env: map[string]string{"PATH": "/no"}}, scheduler.Failed, "cannot start: true: not found in PATH", ""},
		{"no interpreter", Config{Argv: []string{script}}, scheduler.Failed, "cannot start: " + script + ": the program that should interpret it does not exist", ""},
		{"not executable", Config{Argv: []string{"/etc/passwd"}}, scheduler.Failed, "cannot start: /etc/passwd: permission denied", ""},
		{"too many arguments", Config{Argv: many}, scheduler.Failed, "cannot start: the arguments and the environment are too long for the kernel", ""},
		{"invalid", Config{}, scheduler.Failed, "the configuration is not valid: command is required (or argv)", ""},
		{"no such user", Config{Command: "true", User: "no-such-user"}, scheduler.Failed, "no such user: no-such-user", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, out := execute(t, e, tt.c)
			if r.State != tt.state || r.Reason != tt.reason || out.of(scheduler.Stdout) != tt.out {
				t.Errorf("%+v\nstdout %q\nstderr %q", r, out.of(scheduler.Stdout), out.of(scheduler.Stderr))
			}
			if s := out.of(scheduler.System); s != "" {
				t.Errorf("system: %q", s)
			}
		})
	}
}

func TestCodeSignalMemoryAndTimeAreKnown(t *testing.T) {
	e, _ := started(t)
	r, _ := execute(t, e, Config{Command: "exit 3"})
	if r.ExitCode == nil || *r.ExitCode != 3 || r.Signal != "" {
		t.Errorf("%+v", r)
	}
	r, _ = execute(t, e, Config{Command: "kill -KILL $$"})
	if r.ExitCode != nil || r.Signal != "SIGKILL" {
		t.Errorf("%+v", r)
	}
	// 256 MiB held at once, and read, by a child of the command: more than a
	// supervisor has, under the race detector too.
	r, _ = execute(t, e, Config{Command: "head -c 256M /dev/zero | dd of=/dev/null bs=256M iflag=fullblock 2>&1; true"})
	if r.PeakMemory < 256<<20 || r.PeakMemory > 512<<20 || r.CPUTime <= 0 || r.CPUTime > patience {
		t.Errorf("%+v", r)
	}
}

func TestStreamsAreApart(t *testing.T) {
	e, _ := started(t)
	_, out := execute(t, e, Config{Command: "echo out; echo err >&2"})
	if out.of(scheduler.Stdout) != "out\n" || out.of(scheduler.Stderr) != "err\n" {
		t.Errorf("%q %q", out.of(scheduler.Stdout), out.of(scheduler.Stderr))
	}
}

func TestOutputIsLive(t *testing.T) {
	e, _ := started(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, done := background(ctx, e, task(t, Config{Command: "echo first; read x; exec sleep 1000", Stdin: "x"}))
	out.await(t, "first\n")
	cancel()
	if r := await(t, done, "the end"); r.Signal != "SIGTERM" || r.Reason != "killed by SIGTERM" {
		t.Errorf("%+v", r)
	}
}

// counter counts bytes and holds none.
type counter struct {
	mu sync.Mutex
	n  int
}

func (c *counter) Write(_ scheduler.Stream, b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n += len(b)
}

func TestLargeOutputIsNotHeld(t *testing.T) {
	e, _ := started(t)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	out := &counter{}
	begin := time.Now()
	r := e.Execute(t.Context(), task(t, Config{Argv: []string{"head", "-c", "100M", "/dev/zero"}}), out)
	runtime.ReadMemStats(&after)
	if r.State != scheduler.Succeeded || out.n != 100<<20 {
		t.Errorf("%+v, %d bytes", r, out.n)
	}
	if after.Sys > before.Sys+16<<20 {
		t.Errorf("memory grew from %d to %d bytes", before.Sys, after.Sys)
	}
	t.Logf("100 MiB in %s", time.Since(begin))
}

func TestManyAtOnceLeakNothing(t *testing.T) {
	e, _ := started(t)
	count := func() int { return len(numbers("/proc/self/fd")) }
	inSupervisor := func() (n int) {
		for _, pid := range supervisors(e) {
			n += len(numbers(fmt.Sprintf("/proc/%d/fd", pid)))
		}
		return n
	}
	for range supervisors(e) {
		execute(t, e, Config{Command: "true"})
	}
	files, theirs := count(), inSupervisor()
	var wg sync.WaitGroup
	errs := make(chan error, 200)
	for i := range 200 {
		wg.Go(func() {
			out := &paper{}
			r := e.Execute(t.Context(), task(t, Config{Command: fmt.Sprintf("read x; echo $x %d; exit %d", i, i%100), Stdin: "in"}), out)
			if r.ExitCode == nil || *r.ExitCode != i%100 || out.of(scheduler.Stdout) != fmt.Sprintf("in %d\n", i) {
				errs <- fmt.Errorf("%d: %+v %q", i, r, out.of(scheduler.Stdout))
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
	if a, b := count(), inSupervisor(); a != files || b != theirs {
		t.Errorf("files: %d, were %d; the supervisor's: %d, were %d", a, files, b, theirs)
	}
}

func TestOnlyBetweenStartAndClose(t *testing.T) {
	e, err := New(testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	if r, _ := execute(t, e, Config{Command: "true"}); r.Reason != "cannot start: the shell executor is not started" {
		t.Errorf("%+v", r)
	}
	if err := e.Start("once"); err != nil {
		t.Fatal(err)
	}
	if err := e.Start("twice"); err == nil {
		t.Error("started twice")
	}
	out, done := background(t.Context(), e, task(t, Config{Command: "echo up; exec sleep 1000"}))
	out.await(t, "up")
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if r := await(t, done, "the run"); r.Reason != "killed: the server is stopping" {
		t.Errorf("%+v", r)
	}
	if r, _ := execute(t, e, Config{Command: "true"}); r.Reason != "cannot start: the server is stopping" {
		t.Errorf("%+v", r)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("stopped by ann"))
	if r := e.Execute(ctx, task(t, Config{Command: "true"}), &paper{}); r.Reason != "not started: stopped by ann" {
		t.Errorf("%+v", r)
	}
}
