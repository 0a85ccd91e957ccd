package ndscheduler

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"belfry/scheduler"
)

const awesome = `"job_class_string": "simple_scheduler.jobs.sample_job.AwesomeJob"`

// refused sends a request that must be refused with a 400 in words.
func (w *world) refused(words, method, path, body string, headers ...string) {
	w.t.Helper()
	if got, _ := w.want(http.StatusBadRequest, method, path, body, headers...)["error"].(string); !strings.Contains(got, words) {
		w.t.Errorf("%s %s %s: %q, want %q", method, path, body, got, words)
	}
}

func (w *world) job(id string) map[string]any { return w.want(200, "GET", "/api/v1/jobs/"+id, "") }

// TestVectors sends what APScheduler was asked, through the API.
func TestVectors(t *testing.T) {
	raw, err := os.ReadFile("../../scheduler/cron/testdata/apscheduler.json")
	if err != nil {
		t.Fatal(err)
	}
	type vector struct {
		ID     string
		Fields map[string]any
		From   string
		Zone   string `json:"timezone"`
		Next   []string
		Echoed map[string]string
	}
	var all struct{ Valid, Invalid []vector }
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	body := func(fields map[string]any, n int) string {
		job := map[string]any{"name": fmt.Sprint("job ", n), "job_class_string": "a.B"}
		for k, v := range fields {
			job[k] = v
		}
		b, err := json.Marshal(job)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for n, v := range all.Valid {
		switch v.ID {
		case "quirk-dow-trailing", "quirk-dow-hash", "quirk-last-offset", "all-null":
			w.refused("", "POST", "/api/v1/jobs", body(v.Fields, n))
			continue
		}
		got := w.job(w.add(body(v.Fields, n)))
		for field, want := range v.Echoed {
			if field != "second" && got[field] != want {
				t.Errorf("%s: %s is %v, want %s", v.ID, field, got[field], want)
			}
		}
		if next, _ := got["next_run_time"].(string); (next == "") != (len(v.Next) == 0) {
			t.Errorf("%s: next_run_time is %q, want one of %v", v.ID, next, v.Next)
		}
	}
	for n, v := range all.Invalid {
		w.refused("", "POST", "/api/v1/jobs", body(v.Fields, 1000+n))
	}
	if len(all.Valid) < 30 || len(all.Invalid) < 20 {
		t.Errorf("%d and %d vectors", len(all.Valid), len(all.Invalid))
	}
}

func TestRefusals(t *testing.T) {
	w := newWorld(t)
	id := w.add(`{` + awesome + `, "name": "a", "minute": "*/5", "pub_args": [1]}`)
	before := fmt.Sprint(w.job(id))
	for body, words := range map[string]string{
		`{`:                              "",
		`[]`:                             "",
		`null`:                           "Require this parameter: name",
		`{"x":1}`:                        "Require this parameter: name",
		`{"name": "a", "minute": "1"}`:   "Require this parameter: job_class_string",
		`{` + awesome + `, "name": "a"}`: "Require at least one of following parameters: ['month', 'day', 'hour', 'minute', 'day_of_week']",
		`{` + awesome + `, "name": "a", "minute": null, "hour": null}`:                 "Require at least one of following parameters",
		`{` + awesome + `, "name": "", "minute": "1"}`:                                 "name must be a text",
		`{` + awesome + `, "name": 5, "minute": "1"}`:                                  "name must be a text",
		`{"job_class_string": 5, "name": "a", "minute": "1"}`:                          "job_class_string must be a text",
		`{` + awesome + `, "name": "a", "minute": "1", "pub_args": "ab"}`:              "pub_args must be an array",
		`{` + awesome + `, "name": "a", "minute": "1", "pub_args": {"k": 1}}`:          "pub_args must be an array",
		`{` + awesome + `, "name": "a", "minute": true}`:                               "minute: must be a text or a whole number",
		`{` + awesome + `, "name": "a", "minute": "99"}`:                               "minute",
		`{` + awesome + `, "name": "a", "minute": "1", "week": "1"}`:                   "not known: week",
		`{` + awesome + `, "name": "a", "minute": "1", "max_instances": 9, "z":1}`:     "not known: max_instances, z",
		`{` + awesome + `, "name": "a", "minute": "1", "kwargs": {}}`:                  "not known: kwargs",
		`{` + awesome + `, "name": "` + strings.Repeat("x", 300) + `", "minute": "1"}`: "name",
	} {
		w.refused(words, "POST", "/api/v1/jobs", body)
		w.refused(words, "PUT", "/api/v1/jobs/"+id, body)
	}
	w.refused("Content-Type: application/json", "POST", "/api/v1/jobs", `{`+awesome+`, "name": "b", "minute": "1"}`, "Content-Type", "text/plain")
	if after := fmt.Sprint(w.job(id)); after != before {
		t.Errorf("refused changes made %s of %s", after, before)
	}
	if list, _ := w.want(200, "GET", "/api/v1/jobs", "")["jobs"].([]any); len(list) != 1 {
		t.Errorf("there are %d jobs", len(list))
	}
	for _, method := range []string{"GET", "PUT", "PATCH", "OPTIONS", "DELETE"} {
		w.refused("Job not found: nope", method, "/api/v1/jobs/nope", `{`+awesome+`, "name": "b", "minute": "1"}`)
	}
	w.refused("Job not found: nope", "POST", "/api/v1/executions/nope", "")
	w.refused("Job not found: nope", "POST", "/api/v1/executions", `{"job_id": "nope"}`)
	w.refused("Require this parameter: job_id", "POST", "/api/v1/executions", "")
	w.refused("Execution not found: nope", "GET", "/api/v1/executions/nope", "")
	w.refused("Execution not found: nope", "DELETE", "/api/v1/executions/nope", "")
	for _, path := range []string{"/api/v1/nothing", "/api/v1", "/nothing"} {
		w.want(http.StatusNotFound, "GET", path, "")
	}
}

// TestModify: what a PUT leaves out is the default's, but for arguments; a paused
// job stays paused; a job of another kind is not this API's to change.
func TestModify(t *testing.T) {
	w := newWorld(t)
	id := w.add(`{` + awesome + `, "name": "a", "minute": "*/5", "hour": "3", "pub_args": [1, "x"]}`)
	w.want(200, "PATCH", "/api/v1/jobs/"+id, "")
	w.want(200, "PUT", "/api/v1/jobs/"+id, `{"job_class_string": "b.C", "name": "b", "hour": 4}`)
	j := w.job(id)
	if got := fmt.Sprint(j["name"], j["job_class_string"], j["hour"], j["minute"], j["pub_args"], j["next_run_time"]); got != "bb.C40[1 x]" {
		t.Errorf("the job is %s", got)
	}
	w.want(200, "PUT", "/api/v1/jobs/"+id, `{"job_class_string": "b.C", "name": "b", "hour": 4, "pub_args": []}`)
	w.want(200, "OPTIONS", "/api/v1/jobs/"+id, "")
	if j = w.job(id); fmt.Sprint(j["pub_args"], j["next_run_time"]) != "[]2026-11-21T04:00:00+00:00" {
		t.Errorf("the job is %v", j)
	}
	by := scheduler.Principal{Name: "somebody", Role: scheduler.Admin}
	other, err := w.service.CreateJob(t.Context(), by, scheduler.Draft{Name: "other", Executor: "shell", Enabled: true, Config: json.RawMessage(`{}`)}, scheduler.OriginAPI)
	if err != nil {
		t.Fatal(err)
	}
	if j = w.job(hexID(other.ID)); fmt.Sprint(j["job_class_string"], j["pub_args"], j["minute"], j["next_run_time"]) != "belfry.shell[]" {
		t.Errorf("a shell job is %v", j)
	}
	w.refused("no job class", "PUT", "/api/v1/jobs/"+hexID(other.ID), `{`+awesome+`, "name": "other", "minute": "1"}`)
	w.want(200, "POST", "/api/v1/executions/"+hexID(other.ID), "")
	w.want(200, "DELETE", "/api/v1/jobs/"+hexID(other.ID), "")
	// A pause until a time ends with a resume, too.
	if _, err := w.service.PauseJob(t.Context(), by, "b", w.clock.now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	w.want(200, "OPTIONS", "/api/v1/jobs/"+id, "")
	if stored, err := w.store.Job(t.Context(), ownID(id)); err != nil || !stored.PausedUntil.IsZero() {
		t.Errorf("it is paused until %v, %v", stored.PausedUntil, err)
	}
}

// TestNamesakes: names are not unique in this API.
func TestNamesakes(t *testing.T) {
	w := newWorld(t)
	var ids []string
	for range 3 {
		ids = append(ids, w.add(`{`+awesome+`, "name": "same", "minute": "1"}`))
	}
	for i, id := range ids {
		if j := w.job(id); j["name"] != "same" {
			t.Errorf("job %d is called %v", i, j["name"])
		}
	}
	w.want(200, "PUT", "/api/v1/jobs/"+ids[1], `{`+awesome+`, "name": "same", "minute": "2"}`)
	w.want(200, "PUT", "/api/v1/jobs/"+ids[2], `{`+awesome+`, "name": "another", "minute": "2"}`)
	stored, _, err := w.store.ListJobs(t.Context(), scheduler.JobFilter{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, j := range stored {
		names = append(names, j.Name+"/"+j.DisplayName)
	}
	if got := strings.Join(names, " "); got != "another/ same/ same 2/same" {
		t.Errorf("they are %s", got)
	}
}

// TestStates: what this API calls the states of executions.
func TestStates(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		how                        ending
		state, result, description string
	}{
		"good":  {ending{state: scheduler.Succeeded, result: "[\n    1\n]"}, "succeeded", "[\n    1\n]", "hostname: vm | pid: 20645"},
		"bad":   {ending{state: scheduler.Failed, reason: "exit code 1", stderr: "Traceback\nError\n"}, "failed", "Traceback\nError", "hostname: vm | pid: 20645"},
		"fault": {ending{state: scheduler.Failed, reason: scheduler.ClassFault + "no"}, "scheduled error", scheduler.ClassFault + "no", scheduler.ClassFault + "no"},
		"slow":  {ending{state: scheduler.TimedOut, reason: "too slow"}, "timeout", "too slow", "hostname: vm | pid: 20645"},
		"lost":  {ending{state: scheduler.Lost, reason: "gone"}, "interrupted", "gone", "hostname: vm | pid: 20645"},
		"ended": {ending{state: scheduler.Cancelled, reason: "stopped by ann"}, "stopped", "stopped by ann", "hostname: vm | pid: 20645"},
	} {
		w.how[name] = c.how
		job := w.add(`{` + awesome + `, "name": "` + name + `", "minute": "1"}`)
		run, _ := w.want(200, "POST", "/api/v1/executions", `{"job_id": "`+job+`"}`)["execution_id"].(string)
		get := func() map[string]any { return w.want(200, "GET", "/api/v1/executions/"+run, "") }
		e := get()
		if e["state"] != "scheduled" || e["hostname"] != nil || e["pid"] != nil || e["result"] != nil || e["task_id"] != nil {
			t.Errorf("%s: queued it is %v", name, e)
		}
		w.work()
		e = get()
		if e["state"] != c.state || e["result"] != c.result || e["description"] != c.description {
			t.Errorf("%s: it is %v", name, e)
		}
		if (e["pid"] == nil) != (c.state == "scheduled error") {
			t.Errorf("%s: its pid is %v", name, e["pid"])
		}
		w.want(200, "DELETE", "/api/v1/jobs/"+job, "")
		if _, there := get()["job"]; there {
			t.Errorf("%s: an execution has the job that was deleted", name)
		}
	}
	job := w.add(`{` + awesome + `, "name": "stop", "minute": "1"}`)
	run, _ := w.want(200, "POST", "/api/v1/executions/"+job, "")["execution_id"].(string)
	w.want(200, "DELETE", "/api/v1/executions/"+run, "")
	if e := w.want(200, "GET", "/api/v1/executions/"+run, ""); e["state"] != "stopped" {
		t.Errorf("what was stopped is %v", e["state"])
	}
	w.refused("", "DELETE", "/api/v1/executions/"+run, "")
}

func TestTimeRanges(t *testing.T) {
	w := newWorld(t)
	job := w.add(`{` + awesome + `, "name": "a", "minute": "1"}`)
	for range 3 {
		w.want(200, "POST", "/api/v1/executions/"+job, "")
		w.clock.pass(4 * time.Minute)
	}
	count := func(query string) int {
		t.Helper()
		list, _ := w.want(200, "GET", "/api/v1/executions"+query, "")["executions"].([]any)
		logs, _ := w.want(200, "GET", "/api/v1/logs"+query, "")["logs"].([]any)
		custom := 0
		for _, l := range logs {
			if l.(map[string]any)["event"] == "custom_run" {
				custom++
			}
		}
		if custom != len(list) {
			t.Errorf("%s: %d executions and %d logs of them", query, len(list), custom)
		}
		return len(list)
	}
	for query, want := range map[string]int{
		"": 2, "?time_range_start=2026-11-20T00:00:00Z": 3, "?time_range_start=2026-11-20": 3, "?time_range_start=0": 3,
		"?time_range_end=2026-11-20T21:47:00.000Z":                                                 0, // from ten minutes ago
		"?time_range_start=2026-11-20T21:40:00&time_range_end=2026-11-20T21:47:00Z":                1,
		"?time_range_start=2026-11-20T22:40:00%2B01:00&time_range_end=2026-11-20T22:47:00%2B01:00": 1,
		"?time_range_start=2026-11-20T22:40:00+01:00&time_range_end=2026-11-20T22:47:00+0100":      1,
		"?time_range_start=2026-11-20T21:50:00Z&time_range_end=2026-11-20T21:40:00Z":               0,
		"?time_range_start=2026-11-20T22:40:00%2B01&time_range_end=20261120T224700%2B0100":         1,
		"?time_range_start=2026-11-20T22:40+0100&time_range_end=20261120T2147Z":                    1,
		"?time_range_start=20261120": 3, "?time_range_start=20261121&time_range_end=20261122": 0,
		"?time_range_start=1795211100&time_range_end=1795211220.5":                                 1,
		"?time_range_start=x&time_range_start=2026-11-20":                                          3,
		"?time_range_start=2026-11-20&limit=10000":                                                 3,
		"?time_range_start=2026-11-20T21:46:22.002Z&time_range_end=2026-11-20T21:46:22.002Z":       1,
		"?time_range_start=2026-11-20T21:46:22.002001Z&time_range_end=2026-11-20T21:46:22.003000Z": 0,
	} {
		if got := count(query); got != want {
			t.Errorf("%q: %d, want %d", query, got, want)
		}
	}
	if list, _ := w.want(200, "GET", "/api/v1/executions?time_range_start=0&limit=2&offset=2", "")["executions"].([]any); len(list) != 1 {
		t.Errorf("a part has %d", len(list))
	}
	for _, wrong := range []string{"time_range_start=garbage", "time_range_end=", "time_range_start=NaN", "time_range_start=9e99", "limit=0", "limit=10001", "offset=-1"} {
		w.refused("", "GET", "/api/v1/executions?"+wrong, "")
		w.refused("", "GET", "/api/v1/logs?"+wrong, "")
	}
}

// TestOptions: OPTIONS resumes; a browser's question before it sends something for a
// page of another site does not, and is answered.
func TestOptions(t *testing.T) {
	w := newWorld(t)
	id := w.add(`{` + awesome + `, "name": "a", "minute": "1"}`)
	path := "/api/v1/jobs/" + id
	paused := func() bool { return w.job(id)["next_run_time"] == "" }
	pause := func() { w.want(200, "PATCH", path, "") }
	preflight := []string{"Origin", "https://app.example.com", "Access-Control-Request-Method", "OPTIONS", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Site", "cross-site"}

	pause()
	// A page of this site: the browser sends Origin and asks nothing.
	w.want(200, "OPTIONS", path, "", "Origin", "http://localhost:8888", "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors", "X-Requested-With", "XMLHttpRequest")
	if paused() {
		t.Error("a page's OPTIONS did not resume")
	}
	pause()
	rec := w.send("OPTIONS", path, "", preflight...)
	if rec.Code != http.StatusNoContent || rec.Header().Get("Access-Control-Allow-Origin") != "" || !paused() {
		t.Errorf("a preflight without [cors]: %d %v, paused %t", rec.Code, rec.Header(), paused())
	}
	w.want(http.StatusForbidden, "OPTIONS", path, "", "Origin", "https://app.example.com", "Sec-Fetch-Site", "cross-site")

	w.cors = CORS{Origins: []string{"https://app.example.com"}, Credentials: true}
	rec = w.send("OPTIONS", path, "", preflight...)
	h := rec.Header()
	if rec.Code != http.StatusNoContent || h.Get("Access-Control-Allow-Origin") != "https://app.example.com" || h.Get("Access-Control-Allow-Credentials") != "true" ||
		!strings.Contains(h.Get("Access-Control-Allow-Methods"), "OPTIONS") || !strings.Contains(h.Get("Access-Control-Allow-Methods"), "PATCH") || !paused() {
		t.Errorf("a preflight: %d %v, paused %t", rec.Code, h, paused())
	}
	w.want(http.StatusForbidden, "OPTIONS", path, "", "Origin", "https://evil.example.com", "Sec-Fetch-Site", "cross-site")
	if !paused() {
		t.Error("a stranger resumed")
	}
	rec = w.send("OPTIONS", path, "", "Origin", "https://app.example.com", "Sec-Fetch-Site", "cross-site")
	if rec.Code != 200 || rec.Header().Get("Access-Control-Allow-Origin") != "https://app.example.com" || paused() {
		t.Errorf("a friend's OPTIONS: %d %v", rec.Code, rec.Header())
	}
	// The root has it as well.
	pause()
	w.want(200, "OPTIONS", "/jobs/"+id, "")
	if paused() {
		t.Error("the root's OPTIONS did not resume")
	}
}

func TestRolesAndLogs(t *testing.T) {
	w := newWorld(t)
	id := w.add(`{` + awesome + `, "name": "a", "minute": "1"}`)
	forbidden := func(role scheduler.Role, method, path, body string) {
		t.Helper()
		w.role = role
		w.want(http.StatusForbidden, method, path, body)
	}
	job := `{` + awesome + `, "name": "b", "minute": "1"}`
	for _, role := range []scheduler.Role{scheduler.Viewer, scheduler.Operator} {
		forbidden(role, "POST", "/api/v1/jobs", job)
		forbidden(role, "PUT", "/api/v1/jobs/"+id, job)
		forbidden(role, "DELETE", "/api/v1/jobs/"+id, "")
	}
	for _, method := range []string{"PATCH", "OPTIONS"} {
		forbidden(scheduler.Viewer, method, "/api/v1/jobs/"+id, "")
	}
	forbidden(scheduler.Viewer, "POST", "/api/v1/executions/"+id, "")
	w.role = scheduler.Operator
	w.want(200, "PATCH", "/api/v1/jobs/"+id, "")
	w.want(200, "OPTIONS", "/api/v1/jobs/"+id, "")
	w.role = scheduler.Viewer
	logs, _ := w.want(200, "GET", "/api/v1/logs", "")["logs"].([]any)
	var said []string
	for _, l := range logs {
		l := l.(map[string]any)
		said = append(said, fmt.Sprint(l["event"], " ", l["job_id"] == id, " ", l["user"], " ", l["description"]))
	}
	if got := strings.Join(said, "; "); got != "resumed true test <nil>; paused true test <nil>; added true test <nil>" {
		t.Errorf("the logs are %s", got)
	}
}

// TestSlash: an address with a slash at its end leads to the one without.
func TestSlash(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/api/v1/jobs", "/api/v1/executions", "/api/v1/jobs/x", "/api/v1/executions/x"} {
		if rec := w.send("GET", path+"/?a=b", ""); rec.Code != http.StatusMovedPermanently || rec.Header().Get("Location") != path+"?a=b" {
			t.Errorf("%s/: %d to %q", path, rec.Code, rec.Header().Get("Location"))
		}
	}
}

// TestEtag: what a client has is not sent again.
func TestEtag(t *testing.T) {
	w := newWorld(t)
	w.add(`{` + awesome + `, "name": "a", "minute": "1"}`)
	tag := w.send("GET", "/api/v1/jobs", "").Header().Get("Etag")
	if rec := w.send("GET", "/api/v1/jobs", "", "If-None-Match", tag); rec.Code != http.StatusNotModified || rec.Body.Len() > 0 {
		t.Errorf("again it is %d", rec.Code)
	}
	if got := w.send("HEAD", "/api/v1/jobs", "").Header().Get("Etag"); got != tag {
		t.Errorf("HEAD says %q, GET %q", got, tag)
	}
	w.add(`{` + awesome + `, "name": "b", "minute": "1"}`)
	if rec := w.send("GET", "/api/v1/jobs", "", "If-None-Match", tag); rec.Code != http.StatusOK {
		t.Errorf("changed it is %d", rec.Code)
	}
}
