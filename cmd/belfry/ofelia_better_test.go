package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// What was observed on the product whose configuration and API these are, each as a
// test that it is not so here (api/ofelia.md: "do better").

// TestOfeliaBetterRetries: there, a failing job with max-retries=3 ran once.
func TestOfeliaBetterRetries(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := newINI(t, `
[job-local "fails"]
schedule = @manual
command = sh -c "echo attempt >> `+dir+`/attempts; exit 1"
max-retries = 3
retry-delay-ms = 10
[job-local "recovers"]
schedule = @manual
command = sh -c "echo attempt >> `+dir+`/tries; test $(wc -l < `+dir+`/tries) -ge 3"
max-retries = 3
retry-delay-ms = 10
`)
	s := ofeliaServer(t, t.TempDir(), "--config", f.path)
	admin := s.admin(t)
	admin.start("fails", nil)
	admin.start("recovers", nil)
	for _, e := range admin.runs("fails", 4) {
		if e.Status != "failed" {
			t.Errorf("an attempt is %s", e.Status)
		}
	}
	lines, err := os.ReadFile(filepath.Join(dir, "attempts"))
	if n := strings.Count(string(lines), "attempt"); err != nil || n != 4 {
		t.Errorf("it really ran %d times, %v; want 4", n, err)
	}
	if ended := admin.runs("recovers", 3); ended[0].Status != "success" || len(ended) != 3 {
		t.Errorf("the third attempt of %d is %s", len(ended), ended[0].Status)
	}
	if got := admin.want(200, "GET", "/api/job/fails", nil).object()["metrics"].(object); got["totalRuns"] != 4.0 || got["failedRuns"] != 4.0 {
		t.Errorf("metrics %v", got)
	}
}

// TestOfeliaBetterWorkflow: there, children of a failed parent ran, and on-failure
// never did.
func TestOfeliaBetterWorkflow(t *testing.T) {
	t.Parallel()
	f := newINI(t, `
[job-local "good"]
schedule = @manual
command = true
on-success = after good
on-failure = never
[job-local "bad"]
schedule = @manual
command = false
on-success = never
on-failure = rescue
max-retries = 1
retry-delay-ms = 10
[job-local "after good"]
schedule = @triggered
command = true
[job-local "rescue"]
schedule = @triggered
command = true
[job-local "never"]
schedule = @triggered
command = true
[job-local "child of good"]
schedule = @triggered
command = true
depends-on = good
[job-local "child of bad"]
schedule = @triggered
command = true
depends-on = bad
[job-local "child of both"]
schedule = @triggered
command = true
depends-on = good
depends-on = bad
`)
	s := ofeliaServer(t, t.TempDir(), "--config", f.path)
	admin := s.admin(t)
	admin.start("good", nil)
	admin.start("bad", nil)
	admin.runs("good", 1)
	admin.runs("bad", 2)
	for _, ran := range []string{"after good", "child of good", "rescue"} {
		if ended := admin.runs(ran, 1); len(ended) != 1 || ended[0].Status != "success" {
			t.Errorf("%s: %d runs, %s", ran, len(ended), ended[0].Status)
		}
	}
	for _, idle := range []string{"never", "child of bad", "child of both"} {
		for _, e := range admin.history(idle) {
			if e.Status != "skipped" {
				t.Errorf("%s is %s", idle, e.Status)
			}
		}
	}
}

// TestOfeliaBetterThirtyAtOnce: there, of 30 jobs due in one second 10 ran, and 20
// left no trace.
func TestOfeliaBetterThirtyAtOnce(t *testing.T) {
	t.Parallel()
	at := time.Now().UTC().Add(3 * time.Second)
	var text strings.Builder
	for i := range 30 {
		fmt.Fprintf(&text, "[job-local \"job %02d\"]\nschedule = %d %d %d * * *\ncommand = sleep 0.2\n", i, at.Second(), at.Minute(), at.Hour())
	}
	f := newINI(t, text.String())
	s := ofeliaServer(t, t.TempDir(), "--config", f.path)
	admin := s.admin(t)
	for i := range 30 {
		ended := admin.runs(fmt.Sprintf("job %02d", i), 1)
		if len(ended) != 1 || ended[0].Status != "success" {
			t.Errorf("job %02d: %+v", i, ended)
		}
	}
}

// TestOfeliaBetterWithoutDocker: there, the server ends when there is no engine,
// even if no job needs one.
func TestOfeliaBetterWithoutDocker(t *testing.T) {
	t.Parallel()
	f := newINI(t, `
[job-local "local"]
schedule = @manual
command = echo fine
[job-exec "exec"]
schedule = @manual
container = nothing
command = true
[job-run "run"]
schedule = @manual
image = alpine
command = true
[job-service-run "service"]
schedule = @manual
image = alpine
command = true
`)
	s := ofeliaServer(t, t.TempDir(), "--config", f.path, "--docker", "unix://"+filepath.Join(t.TempDir(), "no.sock"))
	admin := s.admin(t)
	if e := admin.ended(admin.start("local", nil)); e.Output != "fine\n" {
		t.Errorf("a job without containers: %+v", e)
	}
	for _, kind := range []string{"exec", "run", "service"} {
		e := admin.ended(admin.start(kind, nil))
		if e.Status != "failed" || !strings.Contains(strings.ToLower(e.reason()), "docker") || e.ExitCode != nil {
			t.Errorf("%s without an engine is %s because of %q", kind, e.Status, e.reason())
		}
	}
	if got := admin.want(200, "GET", "/health/readiness", nil).object(); got["ready"] != true || got["docker"] != "disconnected" {
		t.Errorf("readiness: %v", got)
	}
	// Making and changing such jobs needs no engine either.
	admin.create("more", "@daily", "true", object{"type": "exec", "container": "c"})
	admin.want(200, "PUT", "/api/job/more", object{"container": "d"})
}

// TestOfeliaBetterKillNine: there, kill -9 leaves no trace of the running job, and
// its process as an orphan.
func TestOfeliaBetterKillNine(t *testing.T) {
	t.Parallel()
	data, marker := t.TempDir(), fmt.Sprintf("4639%d", os.Getpid())
	s := ofeliaServer(t, data)
	admin := s.admin(t)
	admin.create("long", "@manual", "sh -c 'echo so far; sleep "+marker+"'", nil)
	id := admin.start("long", nil)
	admin.until(id, func(e ofeliaExecution) bool { return e.Output == "so far\n" })
	s.kill()
	admin.eventually("no process is left", func() bool { return len(alive(t, marker)) == 0 })
	s = ofeliaServer(t, data)
	admin = s.admin(t)
	e := admin.until(id, func(ofeliaExecution) bool { return true })
	if e.Status != "lost" || !strings.Contains(e.reason(), "without warning") || e.EndTime == nil {
		t.Errorf("after kill -9 the run is %s: %s", e.Status, e.reason())
	}
	if job := admin.want(200, "GET", "/api/job/long", nil).object(); job["status"] != "lost" {
		t.Errorf("the job is %v", job["status"])
	}
}

// TestOfeliaBetterQuotes: there, ; and # inside quotes cut a value silently, and
// MON#1 became every Monday. Here quotes protect, and what is ambiguous is refused
// by file and line.
func TestOfeliaBetterQuotes(t *testing.T) {
	t.Parallel()
	f := newINI(t, `
; a comment
# another
[job-local "quotes"]
schedule = "0 4 * * MON#1"
command = "echo 'a;b' 'c # d' ; echo"
[job-local "bare"]
schedule = 0 4 * * MON#1
command = echo a;b c#d
`)
	s := ofeliaServer(t, t.TempDir(), "--config", f.path)
	admin := s.admin(t)
	for name, command := range map[string]string{"quotes": "echo 'a;b' 'c # d' ; echo", "bare": "echo a;b c#d"} {
		job := admin.want(200, "GET", jobPath(name), nil).object()
		if job["command"] != command || job["schedule"] != "0 4 * * MON#1" {
			t.Errorf("%s: %v %v", name, job["schedule"], job["command"])
		}
		at, err := time.Parse(time.RFC3339, fmt.Sprint(job["nextRun"]))
		if err != nil || at.Day() > 7 || at.Weekday() != time.Monday {
			t.Errorf("%s: the first Monday of a month is %v, %v", name, at, err)
		}
	}
	for _, ambiguous := range []string{"command = echo a ; echo b", "command = echo a # b", `command = "echo a`} {
		f.write("[job-local \"x\"]\nschedule = @daily\n" + ambiguous + "\n")
		if got := admin.refused(400, "VALIDATION_ERROR", "POST", "/api/scheduler/reload", nil); !strings.Contains(got, f.path+":3") {
			t.Errorf("%s: %s", ambiguous, got)
		}
	}
}

// TestOfeliaBetterCircles: there, a circular dependency is only logged.
func TestOfeliaBetterCircles(t *testing.T) {
	t.Parallel()
	circle := "[job-local \"a\"]\nschedule = @manual\ncommand = true\ndepends-on = b\n[job-local \"b\"]\nschedule = @manual\ncommand = true\ndepends-on = a\n"
	f := newINI(t, circle)
	out, err := command(t, "serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--config", f.path).CombinedOutput()
	if err == nil || !strings.Contains(string(out), f.path) || !strings.Contains(string(out), "cycle") {
		t.Errorf("a start with a circle: %v, %s", err, out)
	}
	f.write("")
	s := ofeliaServer(t, t.TempDir(), "--config", f.path)
	admin := s.admin(t)
	f.write(circle)
	admin.refused(400, "VALIDATION_ERROR", "POST", "/api/scheduler/reload", nil)
	admin.create("one", "@manual", "true", nil)
	admin.create("two", "@manual", "true", object{"dependsOn": []string{"one"}})
	admin.create("three", "@manual", "true", object{"dependsOn": []string{"two"}})
	for _, body := range []object{{"dependsOn": []string{"three"}}, {"dependsOn": []string{"one"}}} {
		admin.refused(400, "VALIDATION_ERROR", "PUT", "/api/job/one", body)
	}
	if job := admin.want(200, "GET", "/api/job/one", nil).object(); job["dependsOn"] != nil {
		t.Errorf("a refused circle is stored: %v", job)
	}
}

// TestOfeliaBetterEditing: there, a container job that is edited in its page becomes
// a command on the host.
func TestOfeliaBetterEditing(t *testing.T) {
	t.Parallel()
	s := ofeliaServer(t, t.TempDir())
	admin := s.admin(t)
	page := admin.with("Accept", "application/json")
	for kind, more := range map[string]object{"exec": {"container": "c"}, "run": {"image": "alpine"}, "service": {"image": "alpine"}} {
		admin.create(kind, "@daily", "uname", merged(object{"type": kind}, more).(object))
		admin.want(200, "PUT", "/api/job/"+kind, object{"schedule": "@hourly", "command": "id"})
		// As the page does it: what was read, changed, and sent back.
		job := page.want(200, "GET", "/jobs/"+kind, nil).object()
		job["schedule"] = "@weekly"
		delete(job, "schedules")
		page.want(200, "PUT", "/jobs/"+kind, job)
		got := admin.want(200, "GET", "/api/job/"+kind, nil).object()
		if got["type"] != kind || got["command"] != "id" || got["schedule"] != "@weekly" {
			t.Errorf("%s after being edited: %v", kind, got)
		}
		for key, want := range more {
			if got[key] != want {
				t.Errorf("%s: %s is %v", kind, key, got[key])
			}
		}
		admin.refused(400, "VALIDATION_ERROR", "PUT", "/api/job/"+kind, object{"type": "local"})
	}
}

// TestOfeliaBetterCrossSite: there, without authentication, a form of another site
// made a job on the host.
func TestOfeliaBetterCrossSite(t *testing.T) {
	t.Parallel()
	s := ofeliaServer(t, t.TempDir(), "--auth", "none")
	page := s.nobody(t).with("Origin", "https://evil.example.com").with("Sec-Fetch-Site", "cross-site")
	job := object{"name": "evil", "type": "local", "schedule": "@every 1s", "command": "id"}
	page.with("Content-Type", "text/plain").refused(403, "FORBIDDEN", "POST", "/api/jobs", job)
	for _, path := range []string{"/jobs", "/api/jobs"} {
		a := page.with("Content-Type", "application/x-www-form-urlencoded").do("POST", path, "name=evil&schedule=@daily&executor=shell&config.command=id")
		if a.status != http.StatusForbidden {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	if got := s.nobody(t).want(200, "GET", "/api/jobs", nil).names(); len(got) > 0 {
		t.Errorf("there are jobs: %v", got)
	}
}

// TestOfeliaBetterOutput: there, output appears only after the run.
func TestOfeliaBetterOutput(t *testing.T) {
	t.Parallel()
	s := ofeliaServer(t, t.TempDir())
	admin := s.admin(t)
	gate := filepath.Join(t.TempDir(), "gate")
	admin.create("job", "@manual", "sh -c 'echo first; echo trouble >&2; while [ ! -e "+gate+" ]; do sleep 0.02; done; echo last'", nil)
	id := admin.start("job", nil)
	var lines []string
	admin.eventually("output during the run", func() bool {
		var page ofeliaLogs
		admin.want(200, "GET", "/api/execution/"+id+"/logs", nil).into(&page)
		lines = nil
		for _, line := range page.Logs {
			lines = append(lines, line.Level+" "+line.Message)
		}
		return len(lines) == 2
	})
	slices.Sort(lines)
	if got := strings.Join(lines, ", "); got != "error trouble, info first" {
		t.Errorf("during the run: %s", got)
	}
	if e := admin.until(id, func(ofeliaExecution) bool { return true }); e.Status != "running" || !strings.Contains(e.Output, "first\n") {
		t.Errorf("during the run: %+v", e)
	}
	writeFile(t, gate, "")
	if e := admin.ended(id); !strings.HasSuffix(e.Output, "last\n") {
		t.Errorf("after the run: %+v", e)
	}
}
