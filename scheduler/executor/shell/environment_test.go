package shell

import (
	"os"
	"strings"
	"testing"
	"time"

	"belfry/scheduler"
)

func TestEnvironment(t *testing.T) {
	t.Setenv("BELFRY_SECRET", "hunter2")
	t.Setenv("INHERITED", "yes")
	t.Setenv("REPLACED", "no")
	e, instance := started(t)
	tk := task(t, Config{Argv: []string{"env"}, Env: map[string]string{"REPLACED": "by the job", "OWN": "a=b\nc"}})
	tk.Execution = scheduler.Execution{
		ID: "id-7", Attempt: 2, DueAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600)),
		Trigger: scheduler.Trigger{Kind: scheduler.TriggerRetry},
	}
	out := &paper{}
	e.Execute(t.Context(), tk, out)
	env := "\n" + out.of(scheduler.Stdout)
	for _, want := range []string{
		"INHERITED=yes", "REPLACED=by the job", "OWN=a=b\nc", "BELFRY_EXECUTION_ID=id-7", "BELFRY_JOB=job",
		"BELFRY_ATTEMPT=2", "BELFRY_DUE_AT=2026-01-02T02:04:05Z", "BELFRY_TRIGGER=retry",
	} {
		if strings.Count(env, "\n"+want+"\n") != 1 {
			t.Errorf("no %q in %s", want, env)
		}
	}
	if !strings.Contains(env, "\nBELFRY_SUPERVISOR="+instance+"/") {
		t.Errorf("no marker in %s", env)
	}
	if strings.Contains(env, "hunter2") || strings.Contains(env, "REPLACED=no") {
		t.Error(env)
	}
}

func TestRunGetsNothingButItsThreeFiles(t *testing.T) {
	// A file that whoever started the server forgot to close.
	leak, err := os.Open("/dev/zero")
	if err != nil {
		t.Fatal(err)
	}
	defer leak.Close()
	e, _ := started(t)
	_, out := execute(t, e, Config{Argv: []string{"ls", "-l", "/proc/self/fd"}})
	if s := out.of(scheduler.Stdout); strings.Count(s, " -> ") != 4 || !strings.Contains(s, "/dev/null") { // 3 is ls's own
		t.Error(s)
	}
	_, out = execute(t, e, Config{Argv: []string{"grep", "^Sig[BI]", "/proc/self/status"}})
	if s := out.of(scheduler.Stdout); s != "SigBlk:\t0000000000000000\nSigIgn:\t"+ignored(t)+"\n" {
		t.Errorf("signals are blocked, or ignored that were not before:\n%s", s)
	}
}

// ignored are the signals that whoever started the tests wanted ignored, which
// is theirs to say: nohup does.
func ignored(t *testing.T) string {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "SigIgn:\t")
	mask, _, _ := strings.Cut(rest, "\n")
	return mask
}

func TestAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	e, _ := started(t)
	command := "id -un; id -G; echo $HOME $USER $LOGNAME; echo to stderr >/dev/stderr; cat /dev/stdin; touch /root/x 2>/dev/null || echo refused"
	for _, user := range []string{"nobody", "65534"} {
		r, out := execute(t, e, Config{Command: command, User: user, Dir: "/", Stdin: "in\n"})
		want := "nobody\n65534\n/nonexistent nobody nobody\nin\nrefused\n"
		if r.State != scheduler.Succeeded || out.of(scheduler.Stdout) != want || out.of(scheduler.Stderr) != "to stderr\n" {
			t.Errorf("%+v\n%s\n%s", r, out.of(scheduler.Stdout), out.of(scheduler.Stderr))
		}
	}
	closed := t.TempDir()
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	if r, _ := execute(t, e, Config{Command: "true", User: "nobody", Dir: closed}); !strings.HasSuffix(r.Reason, " as nobody: permission denied") {
		t.Errorf("%+v", r)
	}
}
