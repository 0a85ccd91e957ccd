package dkron

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"belfry/scheduler"
)

// What a real Dkron does wrong, each as a story that it would fail.

const shellJob = `"executor":"shell","executor_config":{"command":"true"}`

func TestNextHonoursTheTimezone(t *testing.T) {
	w := newWorld(t)
	rec := w.ok("POST", "/v1/jobs", `{"name":"tz","timezone":"America/New_York","schedule":"0 0 8 * * *",`+shellJob+`}`)
	if next := time.Time(w.jobNamed("tz").Next); next.UTC().Format(time.RFC3339) != "2026-11-21T13:00:00Z" || !strings.Contains(rec.Body.String(), `"next":"2026-11-21T13:00:00Z"`) {
		t.Errorf("next is %v; created %s", next, rec.Body)
	}
}

func TestForbidIsNotStuckAfterACrash(t *testing.T) {
	w := newWorld(t)
	w.ok("POST", "/v1/jobs", `{"name":"f","schedule":"@manually","concurrency":"forbid",`+shellJob+`}`)
	w.ok("POST", "/v1/jobs/f", "")
	if n := len(w.claim()); n != 1 {
		t.Fatal(n, "run")
	}
	// The server dies here; this is what its next start does.
	if n, err := w.service.Recover(t.Context(), "server", "lost: the server stopped"); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	w.ok("POST", "/v1/jobs/f/run", "")
	w.work()
	if list := w.executionsOf("f", ""); len(list) != 2 || !list[0].Success || list[1].Success {
		t.Errorf("%+v", list)
	}
}

func TestForbidRefusesAnOverlappingRun(t *testing.T) {
	w := newWorld(t)
	w.ok("POST", "/v1/jobs", `{"name":"f","schedule":"@manually","concurrency":"forbid",`+shellJob+`}`)
	w.ok("POST", "/v1/jobs/f", "")
	w.claim()
	if rec := w.send("POST", "/v1/jobs/f", ""); rec.Code != http.StatusConflict || !strings.Contains(rec.Body.String(), "concurrency forbid") {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

func TestDeletionLeavesLongerNamesAlone(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"aa", "aab"} {
		w.ok("POST", "/v1/jobs?runoncreate=false", `{"name":"`+name+`","schedule":"@manually",`+shellJob+`}`)
	}
	w.work()
	w.ok("DELETE", "/v1/jobs/aa/executions", "")
	if left := w.executionsOf("aa", ""); len(left) != 0 {
		t.Errorf("of aa are left %+v", left)
	}
	w.ok("DELETE", "/v1/jobs/aa", "")
	if n, j := len(w.executionsOf("aab", "")), w.jobNamed("aab"); n != 1 || j.SuccessCount != 1 {
		t.Errorf("aab has %d executions and %+v", n, j)
	}
}

func TestNonsenseIsNoServerError(t *testing.T) {
	w := newWorld(t)
	for i := range 5 {
		w.ok("POST", "/v1/jobs", fmt.Sprintf(`{"name":"j%d","schedule":"@manually",`+shellJob+`}`, i))
	}
	for query, want := range map[string]int{
		"_start=1000&_end=1010": 0, "_start=3&_end=2": 0, "_start=-5": 5, "_start=-5&_end=2": 2, "_end=-1": 0, "_start=4&_end=99999999999999999999": 1,
		"_end=1000": 5, "_start=x": 5, "_sort=next&_start=4&_end=9": 1,
	} {
		rec := w.ok("GET", "/v1/jobs?"+query, "")
		var list []Job
		w.decode(rec, &list)
		if len(list) != want || rec.Header().Get("X-Total-Count") != "5" {
			if query != "_start=4&_end=99999999999999999999" || len(list) > 1 {
				t.Errorf("%s: %d jobs of %s, want %d", query, len(list), rec.Header().Get("X-Total-Count"), want)
			}
		}
	}
	var manyFilters strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&manyFilters, "metadata[k%d]=v&", i)
	}
	for _, path := range []string{
		"/v1/jobs?_sort=bogus", "/v1/jobs?status=x", "/v1/jobs?disabled=x", "/v1/jobs/j1/executions?_sort=x", "/v1/stats?days=0", "/v1/stats?days=x",
		"/v1/jobs?metadata=k", "/v1/jobs?" + manyFilters.String(),
	} {
		if rec := w.send("GET", path, ""); rec.Code != http.StatusBadRequest || rec.Body.Len() == 0 {
			t.Errorf("%s: %d %s", path, rec.Code, rec.Body)
		}
	}
	for _, path := range []string{"/v1/jobs/%00", "/v1/jobs/%2f", "/v1/jobs/j1/executions/99999999999999999999-x", "/v1/jobs/j1/executions/x", "/v1/jobs/" + strings.Repeat("a", 2000), "/v1/nothing"} {
		if rec := w.send("GET", path, ""); rec.Code != http.StatusNotFound {
			t.Errorf("%s: %d %s", path, rec.Code, rec.Body)
		}
	}
	for _, body := range []string{`null`, `"x"`, `7`, `{"name":"x","tags":{"a":{}}}`, `{"name":"x","processors":{"log":7}}`, "\xff", `{"name":"x","schedule":"\u0000"}`} {
		if rec := w.send("POST", "/v1/jobs", body); rec.Code != http.StatusBadRequest || rec.Body.Len() == 0 {
			t.Errorf("%q: %d %s", body, rec.Code, rec.Body)
		}
	}
}

// TestBackOffBetweenFastFailures: attempts wait a second and two, not nothing.
func TestBackOffBetweenFastFailures(t *testing.T) {
	w := newWorld(t)
	w.how["r"] = ending{state: scheduler.Failed, code: 1, reason: "exit code 1"}
	w.ok("POST", "/v1/jobs?runoncreate", `{"name":"r","schedule":"@manually","retries":2,`+shellJob+`}`)
	w.work()
	list := w.executionsOf("r", "?_order=ASC")
	if len(list) != 3 {
		t.Fatalf("%+v", list)
	}
	for i, least := range []time.Duration{time.Second, 2 * time.Second} {
		if gap := time.Time(list[i+1].StartedAt).Sub(time.Time(list[i].FinishedAt)); gap < least*8/10 {
			t.Errorf("attempt %d came after %v", i+2, gap)
		}
		if list[i].Group != list[i+1].Group || list[i+1].Attempt != i+2 {
			t.Errorf("attempts %+v", list)
		}
	}
	if j := w.jobNamed("r"); j.ErrorCount != 1 || j.Status != "failed" {
		t.Errorf("one group is counted as %d errors, %s", j.ErrorCount, j.Status)
	}
}

// TestSuccessAfterAFailureIsASuccess: the child runs, and an ephemeral job goes.
func TestSuccessAfterAFailureIsASuccess(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"p", "eph"} {
		w.ok("POST", "/v1/jobs", `{"name":"`+name+`","schedule":"@manually","retries":1,"ephemeral":`+fmt.Sprint(name == "eph")+`,`+shellJob+`}`)
		w.how[name] = ending{state: scheduler.Failed, code: 1, reason: "exit code 1"}
	}
	w.ok("POST", "/v1/jobs", `{"name":"child","parent_job":"p",`+shellJob+`}`)
	for _, name := range []string{"p", "eph"} {
		w.ok("POST", "/v1/jobs/"+name, "")
	}
	for _, a := range w.claim() {
		w.finish(a)
	}
	w.how = map[string]ending{}
	w.work()
	if j := w.jobNamed("p"); j.Status != "success" || j.SuccessCount != 1 || j.ErrorCount != 0 {
		t.Errorf("the parent is %+v", j)
	}
	if n := len(w.executionsOf("child", "")); n != 1 {
		t.Errorf("the child ran %d times", n)
	}
	if rec := w.send("GET", "/v1/jobs/eph", ""); rec.Code != http.StatusNotFound {
		t.Errorf("the ephemeral job is still there: %s", rec.Body)
	}
}

// TestPauseSurvivesARestart, and holds for every door; what is there goes on.
func TestPauseSurvivesARestart(t *testing.T) {
	w := newWorld(t)
	w.ok("POST", "/v1/jobs", `{"name":"a","schedule":"@manually",`+shellJob+`}`)
	w.ok("POST", "/v1/pause", "")
	if rec := w.send("POST", "/v1/jobs", `{"name":"b","schedule":"@manually",`+shellJob+`}`); rec.Code != 503 || rec.Body.String() != "New job submissions are currently paused" {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	_, err := w.service.CreateJob(t.Context(), scheduler.Server, scheduler.Draft{Name: "c", Executor: "shell"}, scheduler.OriginPage)
	if scheduler.CodeOf(err) != scheduler.CodeUnavailable {
		t.Errorf("a page may: %v", err)
	}
	w.ok("POST", "/v1/jobs/a", "")
	again := scheduler.New(w.service.Options)
	if _, err := again.Resume(t.Context()); err != nil || !again.SubmissionsPaused() {
		t.Errorf("after a restart it is not paused, %v", err)
	}
	w.ok("POST", "/v1/unpause", "")
	w.ok("POST", "/v1/jobs", `{"name":"b","schedule":"@manually",`+shellJob+`}`)
}

// TestEnvironmentWithCommas: what the text of env cannot say stays as it is while
// something else changes.
func TestEnvironmentWithCommas(t *testing.T) {
	w := newWorld(t)
	d := scheduler.Draft{Name: "a", Enabled: true, Executor: "shell", Config: json.RawMessage(`{"command":"true","env":{"A":"1,2","B":"x"}}`)}
	if _, err := w.service.CreateJob(t.Context(), scheduler.Server, d, scheduler.OriginPage); err != nil {
		t.Fatal(err)
	}
	env := func() string {
		j, err := w.store.JobByName(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		var c struct {
			Command string
			Env     map[string]string
		}
		if err := json.Unmarshal(j.Config, &c); err != nil {
			t.Fatal(err)
		}
		delete(c.Env, jobNameVar)
		return fmt.Sprint(c.Command, c.Env)
	}
	shown := w.ok("GET", "/v1/jobs/a", "").Body.String()
	w.ok("POST", "/v1/jobs", strings.Replace(shown, `"command":"true"`, `"command":"false"`, 1))
	if got := env(); got != "falsemap[A:1,2 B:x]" {
		t.Errorf("with another command it is %s", got)
	}
	w.ok("POST", "/v1/jobs", strings.Replace(shown, `A=1,2,B=x`, `C=3`, 1))
	if got := env(); got != "truemap[C:3]" {
		t.Errorf("with another environment it is %s", got)
	}
}

// TestFilters are those of the document and those of the code.
func TestFilters(t *testing.T) {
	w := newWorld(t)
	w.ok("POST", "/v1/jobs", `{"name":"a","schedule":"@manually","metadata":{"office":"Barcelona","n":1},`+shellJob+`}`)
	w.ok("POST", "/v1/jobs", `{"name":"b","displayname":"Bee","schedule":"@manually","metadata":{"office":"Barcelona"},"disabled":true,`+shellJob+`}`)
	for query, want := range map[string]string{
		"metadata[office]=Barcelona": "a b", "metadata=office:Barcelona": "a b", "metadata=office:Barcelona&metadata=n:1": "a", "metadata[n]=1": "a",
		"metadata[office]=x": "", "q=Bee": "b", "disabled=true": "b", "disabled=false": "a", "status=untriggered": "a b", "status=partially_failed": "",
		"_sort=displayname&_order=DESC": "b a", "_sort=id&_order=DESC": "b a", "_sort=success_count": "a b",
	} {
		var list []Job
		w.decode(w.ok("GET", "/v1/jobs?"+query, ""), &list)
		var names []string
		for _, j := range list {
			names = append(names, j.Name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}
