package main

import (
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// names are those of a list of jobs, in its order.
func (a said) names() (names []string) {
	a.t.Helper()
	var list struct{ Jobs []struct{ Name string } }
	a.into(&list)
	for _, j := range list.Jobs {
		names = append(names, j.Name)
	}
	return names
}

// TestOfeliaLists: the list filtered, sorted and in pages; its counts are always of
// all jobs.
func TestOfeliaLists(t *testing.T) {
	t.Parallel()
	s := ofeliaServer(t, t.TempDir())
	admin := s.admin(t)
	admin.create("alpha", "0 4 * * *", "true", nil)
	admin.create("Beta", "@manual", "false", nil)
	admin.create("gamma", "0 3 * * *", "sleep 60", nil)
	admin.create("delta", "@yearly", "true", object{"type": "exec", "container": "c"})
	admin.create("epsilon", "@daily", "true", object{"enabled": false})
	admin.ended(admin.start("alpha", nil))
	admin.ended(admin.start("Beta", nil))
	running := admin.start("gamma", nil)
	admin.until(running, func(e ofeliaExecution) bool { return e.Status == "running" })
	for query, want := range map[string]string{
		"":                             "alpha Beta delta epsilon gamma",
		"?sort=name":                   "alpha Beta delta epsilon gamma",
		"?sort=-name":                  "gamma epsilon delta Beta alpha",
		"?q=ta":                        "Beta delta",
		"?q=TA&sort=-name":             "delta Beta",
		"?q=%25":                       "",
		"?status=running":              "gamma",
		"?status=success":              "alpha",
		"?status=failed":               "Beta",
		"?status=pending":              "delta epsilon",
		"?status=missed":               "",
		"?type=exec":                   "delta",
		"?type=local&enabled=true":     "alpha Beta gamma",
		"?enabled=false":               "epsilon",
		"?limit=2":                     "alpha Beta",
		"?limit=2&offset=1":            "Beta delta",
		"?offset=4":                    "gamma",
		"?offset=99":                   "",
		"?sort=-type&type=exec":        "delta",
		"?sort=type":                   "delta alpha Beta epsilon gamma",
		"?sort=schedule&type=local":    "gamma alpha epsilon Beta",
		"?sort=status":                 "Beta delta epsilon gamma alpha",
		"?sort=lastRun":                "alpha Beta gamma delta epsilon",
		"?sort=-lastRun":               "gamma Beta alpha delta epsilon",
		"?sort=lastRun&limit=1":        "alpha",
		"?q=a&sort=-name&limit=1":      "gamma",
		"?status=success&enabled=true": "alpha",
		"?sort=&q=&limit=":             "alpha Beta delta epsilon gamma",
	} {
		a := admin.want(200, "GET", "/api/jobs"+query, nil)
		if got := strings.Join(a.names(), " "); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
		if o := a.object(); o["total"] != 5.0 || o["running"] != 1.0 || o["jobs"] == nil {
			t.Errorf("%s: total %v, running %v, jobs %v", query, o["total"], o["running"], o["jobs"])
		}
	}
	next := admin.want(200, "GET", "/api/jobs?sort=nextRun", nil).names()
	if got := strings.Join(next[2:], " "); got != "delta Beta epsilon" {
		t.Errorf("by the next run: %v", next) // those without one come last
	}
	if got := admin.want(200, "GET", "/api/jobs?sort=-nextRun", nil).names(); got[0] != "delta" || strings.Join(got[3:], " ") != "Beta epsilon" {
		t.Errorf("by the next run, backwards: %v", got)
	}
	admin.want(200, "POST", "/api/execution/"+running+"/stop", nil)
	if e := admin.ended(running); e.Status != "stopped" {
		t.Errorf("a stopped run is %s", e.Status)
	}
}

// TestOfeliaNames: slashes, spaces, percent signs and any language; in paths they
// are percent-encoded.
func TestOfeliaNames(t *testing.T) {
	t.Parallel()
	s := ofeliaServer(t, t.TempDir())
	admin := s.admin(t)
	for _, name := range []string{"team/nightly backup", "100%", "Datensicherung für Köln 🗄", "备份", "a?b#c&d=e", "...", "a/../b", "x+y", `quo"te`, strings.Repeat("ü", 128)} {
		admin.create(name, "@hourly", "true", nil)
		if got := admin.want(200, "GET", jobPath(name), nil).object()["name"]; got != name {
			t.Errorf("%q is shown as %q", name, got)
		}
		id := admin.start(name, nil)
		if e := admin.ended(id); e.Job != name || e.Status != "success" {
			t.Errorf("the run of %q is of %q, %s", name, e.Job, e.Status)
		}
		if got := admin.want(200, "PUT", jobPath(name), object{"schedule": "@daily"}).object()["name"]; got != name {
			t.Errorf("%q was updated as %q", name, got)
		}
		if got := admin.want(200, "PATCH", jobPath(name)+"/toggle", nil).object(); got["name"] != name || got["enabled"] != false {
			t.Errorf("%q was toggled as %q", name, got)
		}
		if got := admin.want(200, "DELETE", jobPath(name), nil).object()["name"]; got != name {
			t.Errorf("%q was deleted as %q", name, got)
		}
		admin.refused(404, "JOB_NOT_FOUND", "GET", jobPath(name), nil)
	}
	admin.refused(404, "NOT_FOUND", "GET", "/api/job/a/b", nil)
	for _, path := range []string{"/api/job/%00", "/api/job/%ff", "/api/job/" + strings.Repeat("x", 2000)} {
		if a := admin.do("GET", path, nil); a.status != 404 {
			t.Errorf("%.40s: %d %s", path, a.status, a.body)
		}
	}
}

// TestOfeliaMerge: a PUT sets what is given and keeps the rest; what is wrong
// changes nothing.
func TestOfeliaMerge(t *testing.T) {
	t.Parallel()
	s := ofeliaServer(t, t.TempDir())
	admin := s.admin(t)
	admin.create("backup", "@daily", "backup.sh", object{
		"environment": []string{"BACKUP_DIR=/data"}, "maxRetries": 2, "dir": "/tmp", "slackWebhook": "https://hooks.slack.com/services/T0/B0/topsecret",
	})
	admin.want(200, "PUT", "/api/job/backup", object{"schedule": "0 3 * * *", "command": "backup.sh --verbose", "environment": []string{"BACKUP_DIR=/data", "COMPRESSION=gzip"}})
	job := admin.want(200, "GET", "/api/job/backup", nil).object()
	for key, want := range map[string]any{
		"schedule": "0 3 * * *", "command": "backup.sh --verbose", "environment": []string{"BACKUP_DIR=/data", "COMPRESSION=gzip"},
		"maxRetries": 2, "dir": "/tmp", "enabled": true, "slackWebhook": "https://hooks.slack.com/…******", "origin": "api", "type": "local",
	} {
		if text(job[key]) != text(want) {
			t.Errorf("%s is %s, want %s", key, text(job[key]), text(want))
		}
	}
	for _, wrong := range []object{
		{"maxRetries": -1, "command": "other"},
		{"command": ""},
		{"type": "exec"},
		{"container": "x"},
		{"dir": 5},
		{"schedule": "", "command": "other"},
		{"name": "", "command": "other"},
		{"dependsOn": []string{"nobody"}},
		{"slackWebhook": "https://elsewhere.example.com/…******"},
	} {
		admin.refused(400, admin.codeOf(wrong), "PUT", "/api/job/backup", wrong)
	}
	if after := admin.want(200, "GET", "/api/job/backup", nil).object(); text(after) != text(job) {
		t.Errorf("refused changes changed something:\n%s\n%s", text(job), text(after))
	}
	admin.want(200, "PUT", "/api/job/backup", object{"name": "nightly", "enabled": false})
	admin.refused(404, "JOB_NOT_FOUND", "GET", "/api/job/backup", nil)
	if job := admin.want(200, "GET", "/api/job/nightly", nil).object(); job["enabled"] != false || job["nextRun"] != nil || job["schedule"] != "0 3 * * *" {
		t.Errorf("the renamed job: %v", job)
	}
	if got := admin.refused(400, "VALIDATION_ERROR", "PUT", "/api/job/nightly", object{"name": strings.Repeat("x", 129)}); !strings.Contains(got, "128") {
		t.Errorf("a name that is too long: %s", got)
	}
}

// TestOfeliaAllThatIsWrong: one answer has everything that is wrong with a job, so that
// INVALID_SCHEDULE means that nothing else is.
func TestOfeliaAllThatIsWrong(t *testing.T) {
	t.Parallel()
	admin := ofeliaServer(t, t.TempDir()).admin(t)
	admin.create("stored", "@none", "true", nil)
	for _, c := range []struct {
		method, path, code string
		body               object
		fields             string
	}{
		{"POST", "/api/jobs", "VALIDATION_ERROR", object{"name": "", "schedule": "bad", "type": "local", "command": "x"}, "name schedule"},
		{"POST", "/api/jobs", "VALIDATION_ERROR", object{"name": "a", "schedule": "@none", "type": "local", "maxRetries": -1}, "command maxRetries"},
		{"POST", "/api/jobs", "VALIDATION_ERROR", object{"name": "a", "type": "run", "nonsense": 1}, "image nonsense schedule"},
		{"POST", "/api/jobs", "VALIDATION_ERROR", object{"name": "a", "schedule": "@none", "type": "local", "command": 5, "emailTo": "x"}, "command emailTo"},
		{"POST", "/api/jobs", "VALIDATION_ERROR", object{"type": "nonsense"}, "type"},
		{"POST", "/api/jobs", "INVALID_SCHEDULE", object{"name": "a", "schedule": "bad", "type": "local", "command": "x"}, "schedule"},
		{"PUT", "/api/job/stored", "VALIDATION_ERROR", object{"schedule": "bad", "name": ""}, "name schedule"},
		{"PUT", "/api/job/stored", "VALIDATION_ERROR", object{"maxRetries": -1, "slackWebhook": "nourl"}, "maxRetries slackWebhook"},
		{"PUT", "/api/job/stored", "INVALID_SCHEDULE", object{"schedule": "bad", "name": "other"}, "schedule"},
	} {
		answer := admin.do(c.method, c.path, c.body)
		answer.refusal(400, c.code)
		var wrong struct {
			Error struct {
				Details struct{ Fields map[string]string }
			}
		}
		answer.into(&wrong)
		if got := strings.Join(slices.Sorted(maps.Keys(wrong.Error.Details.Fields)), " "); got != c.fields {
			t.Errorf("%s %v: %s is wrong, want %s", c.method, c.body, got, c.fields)
		}
	}
}

// TestOfeliaExistingContainer: a job that starts a container which is there needs
// nothing but its name, whatever the defaults are, and one with an image can become
// such a job.
func TestOfeliaExistingContainer(t *testing.T) {
	t.Parallel()
	admin := ofeliaServer(t, t.TempDir()).admin(t)
	admin.want(200, "PATCH", "/api/config/global", object{"defaultUser": "nobody"})
	admin.want(201, "POST", "/api/jobs", object{"name": "there", "type": "run", "schedule": "@none", "container": "c"})
	admin.want(201, "POST", "/api/jobs", object{"name": "becomes", "type": "run", "schedule": "@none", "image": "alpine"})
	admin.want(200, "PUT", "/api/job/becomes", object{"image": "", "container": "c"})
	for _, name := range []string{"there", "becomes"} {
		job := admin.want(200, "GET", jobPath(name), nil).object()
		if job["container"] != "c" || job["image"] != "" || job["user"] != "" {
			t.Errorf("%s: %v", name, job)
		}
		admin.want(200, "PUT", jobPath(name), job) // as it was shown
	}
	refused := admin.refused(400, "VALIDATION_ERROR", "POST", "/api/jobs", object{"name": "x", "type": "run", "schedule": "@none", "container": "c", "pull": "never"})
	if !strings.Contains(refused, `"pull":"has no use with container`) {
		t.Errorf("a pull beside a container: %s", refused)
	}
}

// codeOf is INVALID_SCHEDULE when nothing but the schedule is wrong.
func (o *asker) codeOf(body object) string {
	if _, ok := body["schedule"]; ok {
		return "INVALID_SCHEDULE"
	}
	return "VALIDATION_ERROR"
}

// TestOfeliaToggle: without a body it flips, with one it sets. A person's toggle
// needs no more than the role operator.
func TestOfeliaToggle(t *testing.T) {
	t.Parallel()
	s := ofeliaServer(t, t.TempDir())
	admin := s.admin(t)
	operator := s.nobody(t).with("Authorization", "Bearer "+s.cli("", "token", "create", "--role", "operator", "op"))
	admin.create("backup", "@daily", "echo ran", nil)
	for i, step := range []struct {
		body    any
		enabled bool
		message string
	}{
		{nil, false, "Job disabled"},
		{nil, true, "Job enabled"},
		{object{}, false, "Job disabled"},
		{object{"enabled": false}, false, "Job disabled"},
		{object{"enabled": false}, false, "Job disabled"},
		{object{"enabled": true}, true, "Job enabled"},
		{object{"enabled": true}, true, "Job enabled"},
		{"  ", false, "Job disabled"},
	} {
		got := operator.want(200, "PATCH", "/api/job/backup/toggle", step.body).object()
		if got["enabled"] != step.enabled || got["message"] != step.message || got["name"] != "backup" {
			t.Errorf("step %d: %v", i, got)
		}
	}
	if version := admin.jobVersion("backup"); version != 6.0 {
		t.Errorf("five changes and two that changed nothing made version %v", version)
	}
	if job := admin.want(200, "GET", "/api/job/backup", nil).object(); job["nextRun"] != nil || job["enabled"] != false {
		t.Errorf("a disabled job: %v", job)
	}
	if e := admin.ended(operator.start("backup", nil)); e.Status != "success" {
		t.Errorf("a disabled job run by hand is %s", e.Status)
	}
}

// TestOfeliaTogglesAtOnce: each of many counts.
func TestOfeliaTogglesAtOnce(t *testing.T) {
	t.Parallel()
	s := ofeliaServer(t, t.TempDir())
	admin := s.admin(t)
	admin.create("job", "@daily", "true", nil)
	const n = 21
	answers := make(chan said, n)
	for range n {
		go func() { answers <- admin.do("PATCH", "/api/job/job/toggle", nil) }()
	}
	enabled := 0
	for range n {
		a := <-answers
		if a.status != 200 {
			t.Errorf("%d: %s", a.status, a.body)
		}
		if a.object()["enabled"] == true {
			enabled++
		}
	}
	job := admin.want(200, "GET", "/api/job/job", nil).object()
	if version := admin.jobVersion("job"); version != float64(1+n) || enabled != n/2 || job["enabled"] != false {
		t.Errorf("after %d toggles at once the job has version %v, and enabled %v; %d enabled it", n, version, job["enabled"], enabled)
	}
}

// TestOfeliaRunOtherwise: command and environment of one run; the job stays.
func TestOfeliaRunOtherwise(t *testing.T) {
	t.Parallel()
	s := ofeliaServer(t, t.TempDir())
	admin := s.admin(t)
	admin.create("job", "@manual", "sh -c 'echo $A $B'", object{"environment": []string{"A=one", "B=two"}})
	before := admin.want(200, "GET", "/api/job/job?history=0", nil).object()
	for _, run := range []struct {
		body any
		want string
	}{
		{nil, "one two\n"},
		{object{}, "one two\n"},
		{object{"environment": []string{"B=three"}}, "one three\n"},
		{object{"environment": []string{}}, "one two\n"},
		{object{"command": "echo other words"}, "other words\n"},
		{object{"command": "sh -c 'echo \"$B $C\"'", "environment": []string{"C=four", "B="}}, " four\n"},
		{nil, "one two\n"},
	} {
		if e := admin.ended(admin.start("job", run.body)); e.Output != run.want || e.Status != "success" {
			t.Errorf("%v printed %q (%s %s), want %q", run.body, e.Output, e.Status, e.reason(), run.want)
		}
	}
	after := admin.want(200, "GET", "/api/job/job?history=0", nil).object()
	for _, o := range []object{before, after} {
		for _, key := range []string{"lastRun", "metrics", "status"} {
			delete(o, key)
		}
	}
	if text(before) != text(after) {
		t.Errorf("runs changed the job:\n%s\n%s", text(before), text(after))
	}
	admin.refused(400, "VALIDATION_ERROR", "POST", "/api/job/job/run", object{"command": ""})
	admin.refused(400, "VALIDATION_ERROR", "POST", "/api/job/job/run", object{"schedule": "@daily"})
}

// TestOfeliaStatus: a job is running while an execution of it is, whatever was
// skipped meanwhile; it ran last when a run began; and what never ran is no run, and
// no failure.
func TestOfeliaStatus(t *testing.T) {
	t.Parallel()
	s := ofeliaServer(t, t.TempDir())
	admin := s.admin(t)
	gate := filepath.Join(t.TempDir(), "gate")
	admin.create("busy", "@every 1s", "sh -c 'while [ ! -e "+gate+" ]; do sleep 0.02; done'", object{"noOverlap": true})
	var run ofeliaExecution
	admin.eventually("a fire that is skipped", func() bool {
		history := admin.history("busy")
		if n := len(history); n > 0 {
			run = history[n-1]
		}
		return run.Status == "running" && history[0].Status == "skipped"
	})
	admin.want(200, "POST", "/api/scheduler/stop", nil)
	check := func(name, status string, lastRun any) {
		t.Helper()
		job := admin.want(200, "GET", jobPath(name), nil).object()
		if job["status"] != status || text(job["lastRun"]) != text(lastRun) {
			t.Errorf("%s is %v and ran at %v, want %s and %v", name, job["status"], job["lastRun"], status, lastRun)
		}
		if got := admin.want(200, "GET", "/api/jobs?status="+status, nil).names(); !slices.Contains(got, name) {
			t.Errorf("with the status %s there are %v, without %s", status, got, name)
		}
	}
	check("busy", "running", run.StartTime)
	writeFile(t, gate, "")
	admin.ended(run.ExecutionID)
	check("busy", "skipped", run.StartTime)

	admin.want(200, "PATCH", "/api/job/busy/toggle", nil)
	admin.create("missed", "@every 1s", "true", nil)
	at := time.Now()
	admin.eventually("a due time passes", func() bool { return time.Since(at) > 1100*time.Millisecond })
	admin.want(200, "PATCH", "/api/job/missed/toggle", nil)
	admin.runs("missed", 1)
	check("missed", "pending", nil)
	job := admin.want(200, "GET", "/api/job/missed", nil).object()
	if m := job["metrics"].(object); m["totalRuns"] != 0.0 || m["failedRuns"] != 0.0 || m["lastFailure"] != nil {
		t.Errorf("metrics of a job that was only missed: %v", m)
	}
	for _, e := range admin.history("missed") {
		if e.Status != "missed" {
			t.Errorf("a due time while everything was stopped is %s", e.Status)
		}
	}
}

// TestOfeliaOtherTypes: a job that the document has no word for is shown under its
// executor's name, as shortly as others, and can be found, changed and sent back.
func TestOfeliaOtherTypes(t *testing.T) {
	t.Parallel()
	s := ofeliaServer(t, t.TempDir())
	admin := s.admin(t)
	admin.create("ours", "@daily", "true", nil)
	groups := func() (all []string) {
		jobs := admin.want(200, "GET", "/api/config", nil).object()["jobs"].(object)
		return slices.Sorted(maps.Keys(jobs))
	}
	if got := strings.Join(groups(), " "); got != "exec http local run service" {
		t.Errorf("the configuration has jobs by %s", got)
	}
	admin.want(201, "POST", "/v1/jobs", object{"name": "theirs", "schedule": "@daily", "executor": "kafka", "executor_config": object{"topic": "t"}})
	if got := strings.Join(groups(), " "); got != "exec http local run service unsupported" {
		t.Errorf("the configuration has jobs by %s", got)
	}
	if got := admin.want(200, "GET", "/api/jobs?type=unsupported", nil).names(); !slices.Equal(got, []string{"theirs"}) {
		t.Errorf("of the type unsupported there are %v", got)
	}
	if got := admin.want(200, "GET", "/api/jobs?type=class", nil).names(); len(got) > 0 {
		t.Errorf("of the type class there are %v", got)
	}
	list := admin.want(200, "GET", "/api/jobs?sort=-name", nil).object()["jobs"].([]any)
	want := []string{"enabled", "lastRun", "name", "nextRun", "origin", "schedule", "status", "type"}
	if one := list[0].(object); one["type"] != "unsupported" || one["schedule"] != "@daily" || !slices.Equal(slices.Sorted(maps.Keys(one)), want) {
		t.Errorf("in the list: %v", one)
	}
	job := admin.want(200, "GET", "/api/job/theirs", nil).object()
	for key, v := range job {
		if !slices.Contains(append(want, "history", "metrics"), key) && key != "maxRuntime" && !strings.HasPrefix(key, "retry") {
			t.Errorf("it has %s: %v", key, v) // Dkron has other defaults for these
		}
	}
	version := admin.jobVersion("theirs")
	admin.want(200, "PUT", "/api/job/theirs", job)
	if after := admin.jobVersion("theirs"); after != version {
		t.Errorf("sending back what was answered made version %v of %v", after, version)
	}
	admin.want(200, "PUT", "/api/job/theirs", object{"schedule": "@hourly"})
	if got := admin.want(200, "GET", "/api/job/theirs", nil).object(); got["schedule"] != "@hourly" {
		t.Errorf("after a change: %v", got)
	}
}

// TestOfeliaHistory: newest first, as many as asked for, with their output and what
// went wrong.
func TestOfeliaHistory(t *testing.T) {
	t.Parallel()
	s := ofeliaServer(t, t.TempDir())
	admin := s.admin(t)
	admin.create("job", "@manual", "true", nil)
	for i := range 12 {
		admin.ended(admin.start("job", object{"command": fmt.Sprintf("sh -c 'echo run %d; exit %d'", i, i%2)}))
	}
	read := func(query string) (job struct {
		History []ofeliaExecution
		Metrics struct {
			TotalRuns, SuccessfulRuns, FailedRuns, AverageDuration int64
			LastSuccess, LastFailure                               *time.Time
		}
	},
	) {
		admin.want(200, "GET", "/api/job/job"+query, nil).into(&job)
		return job
	}
	for query, want := range map[string]int{"": 10, "?history=3": 3, "?history=0": 0, "?history=12": 12, "?history=5000": 12} {
		if n := len(read(query).History); n != want {
			t.Errorf("%s: %d executions, want %d", query, n, want)
		}
	}
	job := read("?history=2")
	bad, good := job.History[0], job.History[1]
	if bad.Status != "failed" || bad.Output != "run 11\n" || bad.reason() != "exit code 1" {
		t.Errorf("the last run: %+v (%s)", bad, bad.reason())
	}
	if good.Status != "success" || good.Output != "run 10\n" || good.Error != nil {
		t.Errorf("the one before: %+v", good)
	}
	if took := bad.EndTime.Sub(bad.StartTime); *bad.Duration != int64(took) || took <= 0 {
		t.Errorf("from %v to %v it took %d ns", bad.StartTime, bad.EndTime, *bad.Duration)
	}
	m := job.Metrics
	if m.TotalRuns != 12 || m.SuccessfulRuns != 6 || m.FailedRuns != 6 || m.AverageDuration <= 0 || m.AverageDuration > int64(10*time.Second) {
		t.Errorf("metrics %+v", m)
	}
	if m.LastSuccess == nil || m.LastFailure == nil || !m.LastFailure.After(*m.LastSuccess) {
		t.Errorf("the last success was at %v, the last failure at %v", m.LastSuccess, m.LastFailure)
	}

	// Of a long output the end is in the history, and all of it in the logs.
	admin.create("long", "@manual", "sh -c 'seq 1 30000'", nil)
	e := admin.ended(admin.start("long", nil))
	if len(e.Output) > 64<<10 || len(e.Output) < 63<<10 || !strings.HasSuffix(e.Output, "\n29999\n30000\n") {
		t.Errorf("%d bytes of a long output, which ends with %q", len(e.Output), e.Output[max(0, len(e.Output)-20):])
	}
}

type ofeliaLogs struct {
	Logs []struct {
		Timestamp      time.Time
		Level, Message string
	}
	NextOffset *int64
}

// TestOfeliaLogs: every line once, in pages; standard error as errors; a line
// without its end is a line.
func TestOfeliaLogs(t *testing.T) {
	t.Parallel()
	s := ofeliaServer(t, t.TempDir())
	admin := s.admin(t)
	admin.create("job", "@manual", "seq 1 25000", nil)
	id := admin.start("job", nil)
	admin.ended(id)
	read := func(id, query string) (page ofeliaLogs) {
		admin.want(200, "GET", "/api/execution/"+id+"/logs"+query, nil).into(&page)
		return page
	}
	for query, want := range map[string][3]int{ // how many, the first, where to go on
		"": {10_000, 1, 10_000}, "?limit=3": {3, 1, 3}, "?offset=24990&limit=100": {10, 24991, 0}, "?offset=24997&limit=3": {3, 24998, 0},
		"?offset=25000": {0, 0, 0}, "?offset=99999999": {0, 0, 0},
	} {
		page, next := read(id, query), 0
		if page.NextOffset != nil {
			next = int(*page.NextOffset)
		}
		if len(page.Logs) != want[0] || next != want[2] || want[0] > 0 && page.Logs[0].Message != fmt.Sprint(want[1]) {
			t.Errorf("%s: %d lines, go on at %d; want %v", query, len(page.Logs), next, want)
		}
	}
	offset, seen := int64(0), 0
	for pages := 0; ; pages++ {
		page := read(id, fmt.Sprint("?limit=7001&offset=", offset))
		for _, line := range page.Logs {
			if seen++; line.Message != fmt.Sprint(seen) || line.Level != "info" || line.Timestamp.IsZero() {
				t.Fatalf("line %d is %+v", seen, line)
			}
		}
		if page.NextOffset == nil {
			break
		}
		if offset = *page.NextOffset; pages > 10 {
			t.Fatal("the pages have no end")
		}
	}
	if seen != 25_000 {
		t.Errorf("%d lines in all pages", seen)
	}

	both := admin.start("job", object{"command": `sh -c 'echo out; sleep 0.1; echo err >&2; sleep 0.1; echo; printf "\033[31mred\033[0m\r\n"; printf "no end"'`})
	admin.ended(both)
	var got []string
	for _, line := range read(both, "").Logs {
		got = append(got, line.Level+" "+line.Message)
	}
	if want := []string{"info out", "error err", "info ", "info \x1b[31mred\x1b[0m", "info no end"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	none := admin.start("job", object{"command": "true"})
	admin.ended(none)
	if a := admin.want(200, "GET", "/api/execution/"+none+"/logs", nil); !strings.Contains(string(a.body), `"logs":[]`) {
		t.Errorf("no output: %s", a.body)
	}
}

// TestOfeliaUnfinished: what has no end yet has null for it.
func TestOfeliaUnfinished(t *testing.T) {
	t.Parallel()
	s := ofeliaServer(t, t.TempDir(), "--slots", "1")
	admin := s.admin(t)
	gate := filepath.Join(t.TempDir(), "gate")
	admin.create("long", "@manual", "sh -c 'while [ ! -e "+gate+" ]; do sleep 0.02; done'", nil)
	admin.create("never", "@manual", "true", object{"enabled": false})
	if job := admin.want(200, "GET", "/api/job/never", nil).object(); job["status"] != "pending" || job["lastRun"] != nil || job["nextRun"] != nil {
		t.Errorf("a job that never ran: %v", job)
	}
	first := admin.start("long", nil)
	admin.until(first, func(e ofeliaExecution) bool { return e.Status == "running" })
	second := admin.start("long", nil)
	for id, status := range map[string]string{first: "running", second: "pending"} {
		e := admin.want(200, "GET", "/api/execution/"+id, nil).object()
		if e["status"] != status || e["endTime"] != nil || e["duration"] != nil || e["exitCode"] != nil || e["error"] != nil || e["startTime"] == nil {
			t.Errorf("a %s execution: %v", status, e)
		}
	}
	// What is queued can be stopped as well; it never ran.
	admin.want(200, "POST", "/api/execution/"+second+"/stop", nil)
	if e := admin.ended(second); e.Status != "stopped" || e.EndTime != nil || e.Duration != nil || e.ExitCode != nil || e.Error == nil {
		t.Errorf("stopped before it ran: %+v", e)
	}
	writeFile(t, gate, "")
	admin.ended(first)
}

// TestOfeliaStop: the whole process group ends; a run that ignores the request is
// killed.
func TestOfeliaStop(t *testing.T) {
	t.Parallel()
	s := ofeliaServer(t, t.TempDir())
	admin := s.admin(t)
	marker := fmt.Sprintf("5639%d", os.Getpid())
	admin.create("tree", "@manual", "sh -c 'sleep "+marker+" & sleep "+marker+" & wait'", nil)
	id := admin.start("tree", nil)
	admin.eventually("its processes", func() bool { return len(alive(t, marker)) >= 3 })
	admin.want(200, "POST", "/api/execution/"+id+"/stop", nil)
	if e := admin.ended(id); e.Status != "stopped" || !strings.Contains(e.reason(), "admin") {
		t.Errorf("a stopped run is %s: %s", e.Status, e.reason())
	}
	if left := alive(t, marker); len(left) > 0 {
		t.Errorf("%v are left of it", left)
	}
	admin.refused(409, "EXECUTION_ERROR", "POST", "/api/execution/"+id+"/stop", nil)
}

// TestOfeliaDependents: a job that others depend on is not deleted.
func TestOfeliaDependents(t *testing.T) {
	t.Parallel()
	s := ofeliaServer(t, t.TempDir())
	admin := s.admin(t)
	admin.create("parent", "@manual", "true", nil)
	admin.create("child", "@manual", "true", object{"dependsOn": []string{"parent"}})
	if got := admin.refused(409, "CONFLICT", "DELETE", "/api/job/parent", nil); !strings.Contains(got, "child") {
		t.Errorf("%s", got)
	}
	admin.want(200, "DELETE", "/api/job/child", nil)
	admin.want(200, "DELETE", "/api/job/"+url.PathEscape("parent"), nil)
}
