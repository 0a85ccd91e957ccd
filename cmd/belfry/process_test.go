package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestKillNineLeavesNoProcessAndNoRunningExecution(t *testing.T) {
	data := t.TempDir()
	s := serve(t, data, "--slots", "24")
	marker := fmt.Sprintf("8639%d", os.Getpid())
	var ids []string
	for i := range 20 {
		name := fmt.Sprintf("long-%d", i)
		// Half of them hide their work behind a double fork in a session of its own.
		command := "sleep " + marker
		if i%2 == 1 {
			command = "setsid sh -c 'sleep " + marker + " & sleep " + marker + "' & exec sleep " + marker
		}
		s.shellJob(name, "@manually", command, map[string]any{"retries": i % 2, "retry": map[string]any{"delay": "1h"}})
		ids = append(ids, s.run(name))
	}
	s.shellJob("tick", "* * * * * *", "true", nil)
	for _, id := range ids {
		s.until(id, is("running"))
	}
	s.untilTotal("/executions?job=tick&state=succeeded", 2)
	s.kill()
	gone := time.Now()
	for left := alive(t, marker); len(left) > 0; left = alive(t, marker) {
		if time.Since(gone) > 5*time.Second {
			t.Fatalf("%d processes survive the server: %v", len(left), left)
		}
	}
	t.Logf("every process was gone %v after the server", time.Since(gone).Round(time.Millisecond))

	s = serve(t, data)
	var running executionList
	s.call(http.MethodGet, "/executions?state=running&limit=100", nil, http.StatusOK, &running)
	for _, e := range running.Items {
		if e.Job != "tick" {
			t.Errorf("%s is still running", e.Job)
		}
	}
	for i, id := range ids {
		var e execution
		s.call(http.MethodGet, "/executions/"+id, nil, http.StatusOK, &e)
		if e.State != "lost" || !strings.Contains(e.Reason, "the server stopped without warning") {
			t.Errorf("%s is %s: %s", e.Job, e.State, e.Reason)
		}
		var attempts executionList
		s.call(http.MethodGet, "/executions?job="+e.Job, nil, http.StatusOK, &attempts)
		if want := 1 + i%2; attempts.Total != want {
			t.Errorf("%s has %d attempts, want %d", e.Job, attempts.Total, want)
		}
	}
	var ticks executionList
	s.call(http.MethodGet, "/executions?job=tick&limit=1000", nil, http.StatusOK, &ticks)
	due := map[string]bool{}
	for _, e := range ticks.Items {
		key := fmt.Sprint(e.DueAt, e.Attempt)
		if due[key] {
			t.Errorf("the fire of %s is doubled", key)
		}
		due[key] = true
	}
	if len(due) == 0 {
		t.Error("tick has never fired")
	}
}

func TestTermDrains(t *testing.T) {
	s := serve(t, t.TempDir(), "--drain-grace", "20s")
	s.shellJob("short", "@manually", "echo started; sleep 1; echo done", nil)
	id := s.run("short")
	s.until(id, is("running"))
	data := dataOf(s)
	if code := s.terminate(); code != 0 {
		t.Fatalf("exit code %d\n%s", code, s.log)
	}
	s = serve(t, data)
	var e execution
	s.call(http.MethodGet, "/executions/"+id, nil, http.StatusOK, &e)
	var output string
	s.call(http.MethodGet, "/executions/"+id+"/output", nil, http.StatusOK, &output)
	if e.State != "succeeded" || output != "started\ndone\n" {
		t.Fatalf("%s (%s), output %q", e.State, e.Reason, output)
	}
}

func TestTermCancelsWhatOutlivesTheGrace(t *testing.T) {
	s := serve(t, t.TempDir(), "--drain-grace", "300ms")
	marker := fmt.Sprintf("7639%d", os.Getpid())
	s.shellJob("stubborn", "@manually", "trap '' TERM; sleep "+marker+" & wait; sleep "+marker, map[string]any{"grace": "200ms"})
	id := s.run("stubborn")
	s.until(id, is("running"))
	data := dataOf(s)
	if code := s.terminate(); code != 0 {
		t.Fatalf("exit code %d\n%s", code, s.log)
	}
	if left := alive(t, marker); len(left) > 0 {
		t.Fatalf("processes survive the server: %v", left)
	}
	s = serve(t, data)
	var e execution
	s.call(http.MethodGet, "/executions/"+id, nil, http.StatusOK, &e)
	if e.State != "cancelled" || e.Reason != "server stopping" {
		t.Fatalf("%s: %s", e.State, e.Reason)
	}
}

func dataOf(s *server) string {
	for i, arg := range s.cmd.Args {
		if arg == "--data" {
			return s.cmd.Args[i+1]
		}
	}
	return ""
}

func TestSecondServerOnTheSameFolderIsRefused(t *testing.T) {
	data := t.TempDir()
	serve(t, data)
	out, err := command(t, "serve", "--data", data, "--listen", "127.0.0.1:0").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "another Belfry is running on the data folder") {
		t.Fatalf("%v: %s", err, out)
	}
}

func TestFirstStartPrintsThePasswordOnce(t *testing.T) {
	data := t.TempDir()
	s := serve(t, data, "--auth", "session")
	if !strings.Contains(s.log.String(), "Log in as admin with the password") {
		t.Fatalf("no password in\n%s", s.log)
	}
	s.terminate()
	if s = serve(t, data, "--auth", "session"); strings.Contains(s.log.String(), "password") {
		t.Fatalf("a password again in\n%s", s.log)
	}
	s.terminate()

	given := command(t, "serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0")
	given.Env = append(given.Env, "BELFRY_ADMIN_PASSWORD=s3cret")
	log := &logBuffer{ready: make(chan string, 1)}
	given.Stderr = log
	if err := given.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = given.Process.Kill(); _ = given.Wait() })
	var url string
	select {
	case url = <-log.ready:
	case <-time.After(patience):
		t.Fatalf("the server is not ready after a minute\n%s", log)
	}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/jobs", nil)
	req.SetBasicAuth("admin", "s3cret")
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK || strings.Contains(log.String(), "s3cret") {
		t.Fatalf("%s\n%s", resp.Status, log)
	}
}

func TestFlagsThatAreRefused(t *testing.T) {
	for _, tt := range []struct {
		args []string
		says string
	}{
		{[]string{"serve", "--auth", "none", "--listen", "0.0.0.0:0"}, "--insecure"},
		{[]string{"serve", "--auth", "some"}, "--auth must be one of"},
		{[]string{"serve", "--listen", "here"}, "--listen"},
		{[]string{"serve", "--slots=-1"}, "--slots must not be negative"},
		{[]string{"serve", "--session-ttl", "soon"}, "--session-ttl"},
		{[]string{"serve", "--unknown"}, "unknown flag --unknown"},
		{[]string{"dance"}, "unexpected argument dance"},
	} {
		out, err := command(t, tt.args...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), tt.says) || strings.Contains(string(out), "goroutine") {
			t.Errorf("%v: %v\n%s", tt.args, err, out)
		}
	}
}

func TestHelpListsEveryFlagWithItsVariable(t *testing.T) {
	out, err := command(t, "serve", "--help").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for line := range strings.SplitSeq(string(out), "\n") {
		flag := strings.Fields(line)
		if len(flag) > 0 && strings.HasPrefix(flag[0], "--") && !strings.Contains(string(out), variable(flag[0])) {
			t.Errorf("%s has no variable %s", flag[0], variable(flag[0]))
		}
	}
	if !strings.Contains(string(out), "$BELFRY_LISTEN") {
		t.Errorf("no variables in\n%s", out)
	}
}

func variable(flag string) string {
	flag, _, _ = strings.Cut(strings.TrimPrefix(flag, "--"), "=")
	flag, _, _ = strings.Cut(flag, ",")
	flag = strings.TrimPrefix(flag, "[no-]")
	return "BELFRY_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

func TestUsersAndTokensFromTheCommandLine(t *testing.T) {
	data := t.TempDir()
	s := serve(t, data, "--auth", "session")
	add := command(t, "user", "add", "--data", data, "--role", "operator", "ann")
	add.Stdin = strings.NewReader("a long password\n")
	if out, err := add.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if out, err := command(t, "user", "add", "--data", data, "--generate", "ann").CombinedOutput(); err == nil || !strings.Contains(string(out), "exists") {
		t.Fatalf("%v: %s", err, out)
	}
	out, err := command(t, "user", "list", "--data", data).Output()
	if err != nil || !strings.Contains(string(out), "ann") || !strings.Contains(string(out), "operator") {
		t.Fatalf("%v: %s", err, out)
	}
	secret, err := command(t, "token", "create", "--data", data, "--role", "editor", "ci").Output()
	if err != nil {
		t.Fatal(err)
	}
	list := command(t, "jobs", "list", "--server", s.url, "--token", strings.TrimSpace(string(secret)))
	if out, err := list.CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "NAME") {
		t.Fatalf("%v: %s", err, out)
	}
	if out, err := command(t, "token", "revoke", "--data", data, "ci").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	list = command(t, "jobs", "list", "--server", s.url, "--token", strings.TrimSpace(string(secret)))
	if out, err := list.CombinedOutput(); err == nil || !strings.Contains(string(out), "revoked") {
		t.Fatalf("a revoked token works: %s", out)
	}
	if stat, err := os.Stat(filepath.Join(data, "belfry.db")); err != nil || stat.Mode().Perm() != 0o600 {
		t.Fatalf("the database is %v, %v", stat.Mode(), err)
	}
}

func TestRunAndFollowFromTheCommandLine(t *testing.T) {
	s := serve(t, t.TempDir())
	s.shellJob("fine", "@manually", "for i in 1 2 3; do echo line $i; sleep 0.2; done", nil)
	s.shellJob("broken", "@manually", "echo so far; exit 3", nil)
	out, err := command(t, "jobs", "run", "--server", s.url, "--follow", "fine").Output()
	if err != nil || string(out) != "line 1\nline 2\nline 3\n" {
		t.Fatalf("%v: %q", err, out)
	}
	broken := command(t, "jobs", "run", "--server", s.url, "--follow", "broken")
	both, err := broken.CombinedOutput()
	if err == nil || !strings.Contains(string(both), "so far") || !strings.Contains(string(both), "exit code 3") {
		t.Fatalf("%v: %q", err, both)
	}
}
