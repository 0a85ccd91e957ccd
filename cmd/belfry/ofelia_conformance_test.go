package main

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestOfeliaDocument asks for everything in the document and compares each answer
// with what it shows: status, keys, types, formats, headers. It fails when a key is
// missing, and when there is one more that testdata/ofelia-additions.json does not
// list.
func TestOfeliaDocument(t *testing.T) {
	t.Parallel()
	d, dir := theDocument(t), t.TempDir()
	config := filepath.Join(dir, "jobs.ini")
	writeFile(t, config, `
[global]
slack-webhook = https://hooks.slack.com/services/T0/B0/topsecret
[job-exec "backup"]
schedule = @daily
command = backup.sh
container = myapp
user = nobody
environment = BACKUP_DIR=/data
[job-run "cleanup"]
schedule = 0 2 * * *
image = alpine:latest
command = cleanup.sh
`)
	s := ofeliaServer(t, t.TempDir(), "--config", config, "--api-rate-limit", "100")
	asked := map[string]bool{}
	// show sends what the document sends.
	show := func(o *asker, id string, path ...string) said {
		t.Helper()
		op := d.operations[id]
		at := op.Path
		if len(path) > 0 {
			at = path[0]
		}
		var body any
		if op.Request != nil {
			body = op.Request
		}
		a := o.do(op.Method, at, body)
		asked[id] = true
		if op.Text == nil {
			d.compare(t, id, a)
		}
		if strings.HasPrefix(at, "/api/") {
			rateHeaders(t, a)
		}
		return a
	}

	var pass struct {
		Token   string
		Expires time.Time
	}
	show(s.nobody(t), "login").into(&pass)
	if left := time.Until(pass.Expires); left < 23*time.Hour || left > 24*time.Hour {
		t.Errorf("a token lives %v", left)
	}
	admin := s.nobody(t).with("Authorization", "Bearer "+pass.Token)
	show(admin, "refresh").into(&pass)
	renewed := s.nobody(t).with("Authorization", "Bearer "+pass.Token)
	renewed.want(200, "GET", "/api/jobs", nil)

	show(admin, "jobs")
	show(admin, "job", "/api/job/backup")
	show(admin, "status")
	asked["stop-scheduler"] = true
	if a := show(admin, "stop-scheduler"); a.object()["running"] != false || a.object()["message"] != "Scheduler stopped" {
		t.Errorf("a stopped scheduler: %s", a.body)
	}
	if a := show(admin, "start"); a.object()["running"] != true || a.object()["message"] != "Scheduler started" {
		t.Errorf("a started scheduler: %s", a.body)
	}
	if a := show(admin, "reload"); a.object()["message"] != "Configuration reloaded successfully" {
		t.Errorf("%s", a.body)
	}
	show(admin, "config")
	if a := show(admin, "global"); a.object()["dockerPollInterval"] != 60.0 || a.object()["slackChannel"] != "#alerts" {
		t.Errorf("the changed global section: %s", a.body)
	}
	show(s.nobody(t), "liveness")
	show(s.nobody(t), "readiness")
	if a := show(admin, "error", "/api/job/nothing"); !strings.Contains(string(a.body), `"message":"Job 'nothing' not found"`) {
		t.Errorf("%s", a.body)
	}

	// A job of this API's own, of each type, so that each kind of object is compared.
	admin.create("hello", "@hourly", "sh -c 'echo out; echo err >&2'", nil)
	admin.want(201, "POST", "/api/jobs", object{"name": "url", "type": "http", "schedule": "@manual", "url": s.url + "/health/liveness"})
	admin.create("swarm", "@manual", "true", object{"type": "service", "image": "alpine"})
	id := admin.start("hello", nil)
	admin.ended(id)
	if e := show(admin, "execution", "/api/execution/"+id).object(); e["status"] != "success" || e["error"] != nil || e["exitCode"] != 0.0 {
		t.Errorf("a good execution: %v", e)
	}
	if a := show(admin, "logs", "/api/execution/"+id+"/logs"); strings.Count(string(a.body), `"level":"info"`) != 1 || strings.Count(string(a.body), `"level":"error"`) != 1 {
		t.Errorf("a line of each stream: %s", a.body)
	}
	show(admin, "run", "/api/job/backup/run")
	show(admin, "jobs")
	admin.create("sleeper", "@triggered", "sleep 60", nil)
	sleeper := admin.start("sleeper", nil)
	admin.until(sleeper, func(e ofeliaExecution) bool { return e.Status == "running" })
	show(admin, "execution", "/api/execution/"+sleeper)
	if a := show(admin, "stop", "/api/execution/"+sleeper+"/stop"); a.object()["message"] != "Execution stopped" {
		t.Errorf("%s", a.body)
	}
	admin.ended(sleeper)
	admin.create("mine", "@daily", "backup.sh", object{"type": "exec", "container": "myapp"})
	show(admin, "job", "/api/job/mine")
	show(admin, "update", "/api/job/mine")
	if a := show(admin, "toggle", "/api/job/mine/toggle"); a.object()["message"] != "Job disabled" {
		t.Errorf("%s", a.body)
	}
	show(admin, "delete", "/api/job/mine")
	text := show(s.nobody(t), "metrics")
	if kind := text.header.Get("Content-Type"); !strings.HasPrefix(kind, "text/plain; version=0.0.4") {
		t.Errorf("metrics have the type %q", kind)
	}
	for _, line := range d.operations["metrics"].Text {
		if !strings.Contains(string(text.body), "\n"+line) && !strings.HasPrefix(string(text.body), line) {
			t.Errorf("no %q in the metrics", line)
		}
	}
	for id := range d.operations {
		if !asked[id] {
			t.Errorf("%s of the document was never asked for", id)
		}
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// rateHeaders checks the three headers that every answer under /api/ has.
func rateHeaders(t *testing.T, a said) (remaining int) {
	t.Helper()
	number := func(name string) int {
		n, err := strconv.Atoi(a.header.Get(name))
		if err != nil {
			t.Errorf("%s: %s is %q", a.what, name, a.header.Get(name))
		}
		return n
	}
	if n := number("X-RateLimit-Limit"); n != 100 {
		t.Errorf("%s: X-RateLimit-Limit is %d", a.what, n)
	}
	remaining = number("X-RateLimit-Remaining")
	if remaining < 0 || remaining > 100 {
		t.Errorf("%s: X-RateLimit-Remaining is %d", a.what, remaining)
	}
	at := time.Unix(int64(number("X-RateLimit-Reset")), 0)
	if wait := time.Until(at); wait < -2*time.Second || wait > 2*time.Minute {
		t.Errorf("%s: X-RateLimit-Reset is %v from now", a.what, wait)
	}
	return remaining
}

// TestOfeliaJobObjects: what each type shows, from a job with nothing but what it
// must have, which is what the document shows, to one with everything it can have.
func TestOfeliaJobObjects(t *testing.T) {
	t.Parallel()
	d := theDocument(t)
	s := ofeliaServer(t, t.TempDir())
	admin := s.admin(t)
	for _, name := range []string{"parent", "child", "rescue"} {
		admin.create(name, "@manual", "true", nil)
	}
	shown, _ := d.operations["job"].Response.(object)
	for kind, differs := range d.Types {
		fields := d.Fields[kind]
		least := object{"name": kind + "/least", "type": kind, "schedule": "0 4 * * *"}
		for _, key := range []string{"command", "container", "image", "url"} {
			if v, ok := fields[key]; ok {
				least[key] = v
			}
		}
		made := admin.want(201, "POST", "/api/jobs", least)
		if at := made.header.Get("Location"); at != "/api/job/"+kind+"%2Fleast" {
			t.Errorf("Location is %q", at)
		}
		want := maps.Clone(shown)
		maps.DeleteFunc(want, func(key string, _ any) bool { return slices.Contains(differs.HasNot, key) })
		for _, key := range differs.Has {
			want[key] = ""
		}
		for _, answer := range []said{made, admin.do("GET", jobPath(kind+"/least"), nil)} {
			for _, difference := range d.differences(kind, want, answer.exact()) {
				t.Errorf("%s\n%s", difference, answer.body)
			}
		}

		full := object{"name": kind + "/full", "type": kind, "schedule": "0 4 * * *"}
		maps.Copy(full, d.Fields["common"])
		maps.Copy(full, fields)
		admin.want(201, "POST", "/api/jobs", full)
		answer := admin.want(200, "GET", jobPath(kind+"/full"), nil)
		for key, v := range full {
			if want[key] == nil {
				want[key] = v
			}
		}
		for _, difference := range d.differences(kind, want, answer.exact()) {
			t.Errorf("%s\n%s", difference, answer.body)
		}
		got := answer.object()
		for key, v := range full {
			if secret := key == "slackWebhook" || key == "smtpPassword"; !secret && text(got[key]) != text(v) {
				t.Errorf("%s: %s is %s, was set to %s", kind, key, text(got[key]), text(v))
			}
		}
		// What GET answers can be sent back, and changes nothing.
		before := admin.jobVersion(kind + "/full")
		admin.want(200, "PUT", jobPath(kind+"/full"), string(answer.body))
		again := admin.want(200, "GET", jobPath(kind+"/full"), nil)
		if string(again.body) != string(answer.body) {
			t.Errorf("%s: after sending back what was answered:\n%s\n%s", kind, answer.body, again.body)
		}
		if after := admin.jobVersion(kind + "/full"); after != before {
			t.Errorf("%s: sending back what was answered made version %v of %v", kind, after, before)
		}
		if strings.Contains(string(again.body), "hunter2") || strings.Contains(string(again.body), "services/x") {
			t.Errorf("%s: a secret is in %s", kind, again.body)
		}
	}
}

func text(v any) string {
	b, _ := json.Marshal(v) // of what was decoded from JSON
	return string(b)
}

// jobVersion is how often a job was changed, as the pages' JSON says.
func (o *asker) jobVersion(name string) any {
	o.t.Helper()
	path := strings.Replace(jobPath(name), "/api/job/", "/jobs/", 1)
	return o.with("Accept", "application/json").want(http.StatusOK, "GET", path, nil).object()["version"]
}

// TestOfeliaErrors: every code that a request can bring about, in the document's
// envelope.
func TestOfeliaErrors(t *testing.T) {
	t.Parallel()
	d := theDocument(t)
	s := ofeliaServer(t, t.TempDir())
	admin := s.admin(t)
	viewer := s.nobody(t).with("Authorization", "Bearer "+s.cli("", "token", "create", "--role", "viewer", "v"))
	admin.create("good", "@manual", "true", nil)
	done := admin.start("good", nil)
	admin.ended(done)
	nothing := "/api/execution/01a1fd22-9cde-7396-b438-4ff74c846cf7"
	for _, x := range []struct {
		as           *asker
		status       int
		code         string
		method, path string
		body         any
		says         string
	}{
		{s.nobody(t), 401, "UNAUTHORIZED", "GET", "/api/jobs", nil, "Log in"},
		{s.nobody(t), 401, "UNAUTHORIZED", "POST", "/api/login", object{"username": "admin", "password": "wrong"}, "password"},
		{viewer, 403, "FORBIDDEN", "POST", "/api/jobs", object{"name": "x", "type": "local", "schedule": "@daily", "command": "c"}, ""},
		{viewer, 403, "FORBIDDEN", "POST", "/api/job/good/run", nil, `"job":"good"`},
		{viewer, 403, "FORBIDDEN", "PUT", "/api/job/good", object{"command": "false"}, `"job":"good"`},
		{viewer, 403, "FORBIDDEN", "DELETE", "/api/job/good", nil, `"job":"good"`},
		{viewer, 403, "FORBIDDEN", "PATCH", "/api/job/good/toggle", nil, `"job":"good"`},
		{viewer, 403, "FORBIDDEN", "POST", "/api/execution/" + done + "/stop", nil, ""},
		{viewer, 403, "FORBIDDEN", "POST", "/api/scheduler/stop", nil, ""},
		{viewer, 403, "FORBIDDEN", "POST", "/api/scheduler/start", nil, ""},
		{viewer, 403, "FORBIDDEN", "POST", "/api/scheduler/reload", nil, ""},
		{viewer, 403, "FORBIDDEN", "PATCH", "/api/config/global", object{"dockerPollInterval": 60}, ""},
		{admin, 404, "JOB_NOT_FOUND", "GET", "/api/job/backup", nil, `Job 'backup' not found {"job":"backup"}`},
		{admin, 404, "JOB_NOT_FOUND", "PUT", "/api/job/backup", object{"command": "c"}, "backup"},
		{admin, 404, "JOB_NOT_FOUND", "DELETE", "/api/job/backup", nil, "backup"},
		{admin, 404, "JOB_NOT_FOUND", "PATCH", "/api/job/backup/toggle", nil, "backup"},
		{admin, 404, "JOB_NOT_FOUND", "POST", "/api/job/backup/run", nil, "backup"},
		{admin, 404, "EXECUTION_NOT_FOUND", "GET", nothing, nil, "executionId"},
		{admin, 404, "EXECUTION_NOT_FOUND", "GET", "/api/execution/x%00y", nil, ""},
		{admin, 404, "EXECUTION_NOT_FOUND", "GET", nothing + "/logs", nil, "executionId"},
		{admin, 404, "EXECUTION_NOT_FOUND", "POST", nothing + "/stop", nil, "executionId"},
		{admin, 400, "INVALID_SCHEDULE", "POST", "/api/jobs", object{"name": "x", "type": "local", "schedule": "often", "command": "c"}, `"schedule":`},
		{admin, 400, "INVALID_SCHEDULE", "PUT", "/api/job/good", object{"schedule": "61 * * * *"}, `"job":"good"`},
		{admin, 400, "VALIDATION_ERROR", "PUT", "/api/job/good", object{"schedule": "61 * * * *", "nonsense": 1}, `"nonsense":`},
		{admin, 400, "VALIDATION_ERROR", "POST", "/api/jobs", object{"name": "x", "type": "local", "schedule": "@daily", "command": "c", "maxRetrys": 1}, `"maxRetrys":`},
		{admin, 400, "VALIDATION_ERROR", "POST", "/api/jobs", object{"name": "x", "type": "local", "schedule": "@daily", "command": "c", "MaxRetries": 1}, `"MaxRetries":`},
		{admin, 400, "VALIDATION_ERROR", "POST", "/api/jobs", object{"name": "x", "type": "local", "schedule": "@daily", "command": 5}, `"command":`},
		{admin, 400, "VALIDATION_ERROR", "POST", "/api/jobs", object{"name": "x", "type": "local", "schedule": "@daily"}, `"command":"is required"`},
		{admin, 400, "VALIDATION_ERROR", "POST", "/api/jobs", object{"name": "x", "type": "exec", "schedule": "@daily"}, `"container":`},
		{admin, 400, "VALIDATION_ERROR", "POST", "/api/jobs", object{"name": "x", "type": "cron", "schedule": "@daily"}, `"type":`},
		{admin, 400, "VALIDATION_ERROR", "POST", "/api/jobs", object{"type": "local", "schedule": "@daily", "command": "c"}, `"name":`},
		{admin, 400, "VALIDATION_ERROR", "POST", "/api/jobs", object{"name": strings.Repeat("x", 129), "type": "local", "schedule": "@daily", "command": "c"}, `"name":`},
		{admin, 400, "VALIDATION_ERROR", "POST", "/api/jobs", object{"name": "a\nb", "type": "local", "schedule": "@daily", "command": "c"}, `"name":`},
		{admin, 400, "VALIDATION_ERROR", "POST", "/api/jobs", `[1]`, ""},
		{admin, 400, "VALIDATION_ERROR", "POST", "/api/jobs", `{"name":`, "JSON"},
		{admin, 400, "VALIDATION_ERROR", "POST", "/api/jobs", `null`, ""},
		{admin, 400, "VALIDATION_ERROR", "POST", "/api/jobs", ``, ""},
		{admin, 400, "VALIDATION_ERROR", "POST", "/api/login", object{"user": "admin", "password": "secret"}, `"user":`},
		{admin, 400, "VALIDATION_ERROR", "PATCH", "/api/job/good/toggle", object{"enabled": "yes"}, `"enabled":`},
		{admin, 400, "VALIDATION_ERROR", "PATCH", "/api/job/good/toggle", object{"on": true}, `"on":`},
		{admin, 400, "VALIDATION_ERROR", "PATCH", "/api/job/good/toggle", object{"enabled": nil}, `"enabled":`},
		{admin, 400, "VALIDATION_ERROR", "PATCH", "/api/job/good/toggle", ` null`, "must be an object, not null"},
		{admin, 400, "VALIDATION_ERROR", "PUT", "/api/job/good", object{"enabled": nil}, `"enabled":`},
		{admin, 400, "VALIDATION_ERROR", "PUT", "/api/job/good", `null`, "must be an object, not null"},
		{admin, 400, "VALIDATION_ERROR", "PATCH", "/api/config/global", "null\n", "must be an object, not null"},
		{admin, 400, "VALIDATION_ERROR", "POST", "/api/job/good/run", `null`, "must be an object, not null"},
		{admin, 400, "VALIDATION_ERROR", "POST", "/api/job/good/run", object{"command": nil}, `"command":`},
		{admin, 400, "VALIDATION_ERROR", "POST", "/api/job/good/run", object{"environment": nil}, `"environment":`},
		{admin, 400, "VALIDATION_ERROR", "POST", "/api/job/good/run", object{"environment": "A=b"}, `"environment":`},
		{admin, 400, "VALIDATION_ERROR", "POST", "/api/job/good/run", object{"command": 1}, `"command":`},
		{admin, 400, "VALIDATION_ERROR", "POST", "/api/job/good/run", object{"command": `echo "x`}, `"command":`},
		{admin, 400, "VALIDATION_ERROR", "POST", "/api/job/good/run", object{"environment": []string{"A"}}, `"environment":`},
		{admin, 400, "VALIDATION_ERROR", "PATCH", "/api/config/global", object{"pollInterval": 60}, `"pollInterval":`},
		{admin, 400, "VALIDATION_ERROR", "PATCH", "/api/config/global", object{"dockerPollInterval": "soon"}, `"dockerPollInterval":`},
		{admin, 400, "VALIDATION_ERROR", "GET", "/api/jobs?limit=0", nil, `"limit":`},
		{admin, 400, "VALIDATION_ERROR", "GET", "/api/jobs?limit=ten", nil, `"limit":`},
		{admin, 400, "VALIDATION_ERROR", "GET", "/api/jobs?offset=-1", nil, `"offset":`},
		{admin, 400, "VALIDATION_ERROR", "GET", "/api/jobs?sort=colour", nil, `"sort":`},
		{admin, 400, "VALIDATION_ERROR", "GET", "/api/jobs?status=fine", nil, `"status":`},
		{admin, 400, "VALIDATION_ERROR", "GET", "/api/jobs?type=shell", nil, `"type":`},
		{admin, 400, "VALIDATION_ERROR", "GET", "/api/jobs?enabled=maybe", nil, `"enabled":`},
		{admin, 400, "VALIDATION_ERROR", "GET", "/api/job/good?history=-1", nil, `"history":`},
		{admin, 400, "VALIDATION_ERROR", "GET", "/api/execution/" + done + "/logs?limit=x", nil, `"limit":`},
		{admin, 409, "CONFLICT", "POST", "/api/jobs", object{"name": "good", "type": "local", "schedule": "@daily", "command": "c"}, ""},
		{admin, 409, "EXECUTION_ERROR", "POST", "/api/execution/" + done + "/stop", nil, done},
		{admin, 404, "NOT_FOUND", "GET", "/api/nothing", nil, ""},
		{admin, 404, "NOT_FOUND", "GET", "/api", nil, ""},
		{s.nobody(t), 404, "NOT_FOUND", "GET", "/api/nothing", nil, ""},
		{admin, 405, "METHOD_NOT_ALLOWED", "DELETE", "/api/jobs", nil, ""},
		{admin, 405, "METHOD_NOT_ALLOWED", "GET", "/api/login", nil, ""},
		{admin, 405, "METHOD_NOT_ALLOWED", "PUT", "/api/scheduler/stop", nil, ""},
		{admin, 413, "PAYLOAD_TOO_LARGE", "POST", "/api/jobs", `{"name":"` + strings.Repeat("x", 1<<20) + `"}`, ""},
	} {
		if got := x.as.refused(x.status, x.code, x.method, x.path, x.body); !strings.Contains(got, x.says) {
			t.Errorf("%s %s %v says %s, without %s", x.method, x.path, x.body, got, x.says)
		}
	}
	a := admin.do("DELETE", "/api/jobs", nil)
	if a.header.Get("Allow") == "" {
		t.Error("405 without the header Allow")
	}
	for _, difference := range d.differences("error", object{"error": object{"code": "", "message": "", "details": object{"timestamp": "2024-01-01T00:00:00Z"}}}, a.exact()) {
		t.Error(difference)
	}
}
