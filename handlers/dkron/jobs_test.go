package dkron

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"belfry/scheduler"
)

// TestWhatIsShownAndSentBackChangesNothing, whoever made the job: clients read one,
// change a field, and send all of it.
func TestWhatIsShownAndSentBackChangesNothing(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"mother", "father"} {
		w.ok("POST", "/v1/jobs", `{"name":"`+name+`","schedule":"@manually",`+shellJob+`}`)
	}
	w.ok("POST", "/v1/jobs", `{"name":"sent","schedule":"0 ~ 4 * * *","tags":{"role":"web:2","server":"true"},"metadata":{"n":1,"b":true},
		"processors":{"files":{"log_dir":"/x","forward":true},"fluent":{"host":"h","port":24225},"other":{"a":"b"}},
		"executor":"http","executor_config":{"method":"GET","url":"http://x","headers":"[\"A: b\"]","debug":true,"timeout":7}}`)
	drafts := map[string]scheduler.Draft{
		"cron":    {Schedules: []scheduler.Schedule{{Text: "30 4 * * *", Zone: "Europe/Berlin"}, {Text: "@daily"}}, Concurrency: scheduler.Queue},
		"zone":    {Schedules: []scheduler.Schedule{{Text: "TZ=Europe/Berlin 30 4 * * *"}}, Concurrency: scheduler.Replace},
		"parents": {DependsOn: []scheduler.Dependency{{Job: "mother", On: scheduler.OnAny}, {Job: "father", On: scheduler.OnFailure}}},
		"argv":    {Config: json.RawMessage(`{"argv":["echo","it's","a b"],"env":{"A":"1"},"dir":"/tmp","user":"nobody","group":"daemon","memory_limit":1048576,"stdin":"x"}`), Timeout: time.Minute},
		"web":     {Executor: "http", Config: json.RawMessage(`{"url":"http://x","headers":{"A":"b"},"expect_codes":["200-299","404"],"timeout":"90s","insecure_skip_verify":true}`), Timeout: time.Hour},
		"strange": {Executor: "unsupported", Config: json.RawMessage(`{"executor":"x","reason":"y","more":{"a":1}}`)},
		"tagged":  {Tags: []string{"gpu", "role=web"}, Copies: 3, Notify: []scheduler.Notify{{Kind: "mail", On: scheduler.OnFailure}, {Kind: "files", On: scheduler.OnAny, Config: json.RawMessage(`{"log_dir":"/y"}`)}}},
	}
	for name, d := range drafts {
		d.Name = name
		if d.Executor == "" {
			d.Executor = "shell"
		}
		if d.Config == nil {
			d.Config = json.RawMessage(`{"command":"true"}`)
		}
		if _, err := w.service.CreateJob(t.Context(), scheduler.Server, d, scheduler.OriginPage); err != nil {
			t.Fatal(name, err)
		}
	}
	drafts["sent"] = scheduler.Draft{}
	for name := range drafts {
		before, err := w.store.JobByName(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		shown := w.ok("GET", "/v1/jobs/"+name, "").Body.String()
		w.ok("PUT", "/v1/jobs/"+name, shown)
		after, err := w.store.JobByName(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		before.Extra, after.Extra = nil, nil // what was sent
		if d := cmp.Diff(before.Draft, after.Draft); d != "" {
			t.Errorf("%s (-before +after):\n%s", name, d)
		}
		if again := w.ok("GET", "/v1/jobs/"+name, "").Body.String(); again != shown {
			t.Errorf("%s is shown as\n%s after\n%s", name, again, shown)
		}
	}
	if got := w.jobNamed("sent"); got.Schedule != "0 ~ 4 * * *" || got.Tags["role"] != "web:2" || got.ExecutorConfig["timeout"] != "7" || got.Processors["fluent"]["port"] != "24225" {
		t.Errorf("%+v", got)
	}
	j, err := w.store.JobByName(t.Context(), "sent")
	if err != nil || j.Copies != 2 || strings.Join(j.Tags, " ") != "role=web server=true" {
		t.Errorf("placed on %d of %v, %v", j.Copies, j.Tags, err)
	}
	var port struct{ Port int }
	for _, n := range j.Notify {
		if n.Kind == "fluent" && (json.Unmarshal(n.Config, &port) != nil || port.Port != 24225) {
			t.Errorf("%s", n.Config)
		}
	}
}

// fussy refuses a folder as the shell does.
type fussy struct{ anything }

func (fussy) Check(config json.RawMessage) error {
	if strings.Contains(string(config), `"dir":"relative"`) {
		return scheduler.Invalid("dir", "must be an absolute path")
	}
	return nil
}

// TestRefusalsNameWhatWasSent: errors of the domain have this API's names.
func TestRefusalsNameWhatWasSent(t *testing.T) {
	w := newWorld(t)
	w.service.Executors["shell"] = fussy{}
	for job, want := range map[string]string{
		`"executor":"shell","executor_config":{"command":"true","cwd":"relative"}`:                          "executor_config.cwd ",
		`"starts_at":"2030-01-01T00:00:00Z","expires_at":"2029-01-01T00:00:00Z"`:                            "expires_at must be after starts_at",
		`"processors":{"fluent":{"port":"x"}}`:                                                              "the port of the processor fluent must be 1 to 65535",
		`"tags":{"role":"web:none"}`:                                                                        "the count of tag role must be a number from 1",
		`"retries":1001`:                                                                                    "retries must be 0 to 1000",
		`"executor":"http","executor_config":{"method":"GET","url":"http://x","headers":"A: b"}`:            `the headers must be a JSON list of texts`,
		`"executor":"http","executor_config":{"method":"GET","url":"http://x","timeout":"soon"}`:            "the timeout must be a number of seconds",
		`"executor":"shell","executor_config":{"command":"` + strings.Repeat("x", 10) + `","payload":"%%"}`: "the payload is not base64",
		fmt.Sprintf(`"metadata":{"%s":"x"}`, strings.Repeat("k", 101)):                                      "metadata is too long",
		`"displayname":"a\u0007b"`:                                                                          "displayname contains the control character",
	} {
		if !strings.Contains(job, "executor_config") {
			job += "," + shellJob
		}
		rec := w.send("POST", "/v1/jobs", `{"name":"x","schedule":"@daily",`+job+`}`)
		if rec.Code != http.StatusBadRequest || !strings.HasPrefix(rec.Body.String(), "Job validation failed: ") || !strings.Contains(rec.Body.String(), want) {
			t.Errorf("%s: %d %s, want %q", job, rec.Code, rec.Body, want)
		}
	}
}

// TestExecutionPages: every execution is on one page, newest first or not.
func TestExecutionPages(t *testing.T) {
	w := newWorld(t)
	w.ok("POST", "/v1/jobs", `{"name":"p","schedule":"@manually",`+shellJob+`}`)
	const n = 130
	for range n {
		w.ok("POST", "/v1/jobs/p", "")
		w.work()
	}
	if rec := w.ok("GET", "/v1/jobs/p/executions", ""); rec.Header().Get("X-Total-Count") != fmt.Sprint(n) || len(w.executionsOf("p", "")) != 100 {
		t.Errorf("%s in all, %d shown", rec.Header().Get("X-Total-Count"), len(w.executionsOf("p", "")))
	}
	for _, query := range []string{"", "&_order=ASC", "&_sort=finished_at", "&_sort=id&_order=DESC"} {
		seen := map[string]bool{}
		for start := 0; start < n+40; start += 40 {
			rec := w.ok("GET", fmt.Sprintf("/v1/jobs/p/executions?_start=%d&_end=%d%s", start, start+40, query), "")
			var list []listedWire
			w.decode(rec, &list)
			if len(list) != max(0, min(40, n-start)) || rec.Header().Get("X-Total-Count") != fmt.Sprint(n) {
				t.Errorf("%q from %d: %d of %s", query, start, len(list), rec.Header().Get("X-Total-Count"))
			}
			for _, e := range list {
				seen[e.ID] = true
			}
		}
		if len(seen) != n {
			t.Errorf("%q: %d executions on all pages", query, len(seen))
		}
	}
}

// TestAddressesOfDashboards lead people to the pages.
func TestAddressesOfDashboards(t *testing.T) {
	w := newWorld(t)
	for path, want := range map[string]int{"/ui": 303, "/ui/": 301, "/ui/jobs/x": 303, "/": 303} {
		rec := w.send("GET", path, "")
		if rec.Code != want || want == 303 && rec.Header().Get("Location") != "http://127.0.0.1:8080/" {
			t.Errorf("%s: %d to %s", path, rec.Code, rec.Header().Get("Location"))
		}
	}
}

// TestTogglesAtOnce: each of many counts.
func TestTogglesAtOnce(t *testing.T) {
	w := newWorld(t)
	w.ok("POST", "/v1/jobs?runoncreate=false", `{"name":"j","schedule":"@manually",`+shellJob+`}`)
	const n = 21
	answers := make(chan *httptest.ResponseRecorder, n)
	for range n {
		go func() { answers <- w.send("POST", "/v1/jobs/j/toggle", "") }()
	}
	for range n {
		if rec := <-answers; rec.Code != 200 {
			t.Errorf("%d %s", rec.Code, rec.Body)
		}
	}
	if j, err := w.store.JobByName(t.Context(), "j"); err != nil || j.Enabled || j.Version != 1+n {
		t.Errorf("after %d toggles at once it has version %d and enabled %v, %v", n, j.Version, j.Enabled, err)
	}
	_, total, err := w.store.ListAudit(t.Context(), scheduler.AuditFilter{Actions: []string{"job.disable"}, Limit: 1})
	if err != nil || total.N != n/2+1 {
		t.Errorf("%d audit rows say that it was disabled, %v", total.N, err)
	}
}
