package handlers

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"belfry/scheduler"
)

func TestExecutionOfPrograms(t *testing.T) {
	w := newWorld(t)
	w.job("one")
	id := w.run("one")
	e := decode[executionOutForTest](t, w.expect(http.StatusOK, ask{path: "/executions/" + id, as: scheduler.Viewer}))
	if e.State != "queued" || e.Job != "one" || e.Attempt != 1 || e.Group != id || e.Trigger.Kind != "api" || *e.Trigger.By != "test operator" ||
		e.StartedAt != nil || e.FinishedAt != nil || e.ExitCode != nil || e.Signal != nil || e.Worker != nil || e.Duration != nil {
		t.Errorf("%+v", e)
	}
	if !strings.HasSuffix(e.DueAt, "Z") || len(e.DueAt) != len("2006-01-02T15:04:05.000000Z") {
		t.Errorf("due_at %q", e.DueAt)
	}
	w.problem(w.expect(http.StatusConflict, ask{method: "POST", path: "/executions/" + id + "/retry", as: scheduler.Operator}))
	rec := w.expect(http.StatusAccepted, ask{method: "POST", path: "/executions/" + id + "/stop", as: scheduler.Operator})
	if decode[idOut](t, rec).ID != id {
		t.Errorf("stop answers %s", rec.Body)
	}
	e = decode[executionOutForTest](t, w.expect(http.StatusOK, ask{path: "/executions/" + id, as: scheduler.Viewer}))
	if e.State != "cancelled" || e.Reason != "stopped by test operator" || e.FinishedAt == nil {
		t.Errorf("%+v", e)
	}
	w.problem(w.expect(http.StatusConflict, ask{method: "POST", path: "/executions/" + id + "/stop", as: scheduler.Operator}))
	rec = w.expect(http.StatusAccepted, ask{method: "POST", path: "/executions/" + id + "/retry", as: scheduler.Operator})
	again := decode[idOut](t, rec).ID
	e = decode[executionOutForTest](t, w.expect(http.StatusOK, ask{path: "/executions/" + again, as: scheduler.Viewer}))
	if e.Attempt != 2 || e.Group != id || e.Trigger.Kind != "retry" {
		t.Errorf("%+v", e)
	}
	w.problem(w.expect(http.StatusNotFound, ask{path: "/executions/nothing", as: scheduler.Viewer}))
}

type executionOutForTest struct {
	Job, State, Reason, Group string
	DueAt                     string `json:"due_at"`
	Attempt                   int
	Trigger                   triggerOut
	StartedAt                 *string `json:"started_at"`
	FinishedAt                *string `json:"finished_at"`
	ExitCode                  *int    `json:"exit_code"`
	Signal, Worker, Duration  *string
}

func TestListOfExecutions(t *testing.T) {
	w := newWorld(t)
	w.job("one")
	w.job("two")
	first := w.finished("one", "")
	w.clock.pass(time.Minute)
	second := w.run("two")
	w.clock.pass(time.Minute)
	third := w.run("one")
	e, err := w.store.Execution(t.Context(), second)
	w.must(err)
	at := e.QueuedAt.Format(time.RFC3339Nano)
	for query, want := range map[string][]string{
		"":                                   {third, second, first.ID},
		"job=one":                            {third, first.ID},
		"state=queued":                       {third, second},
		"state=queued,succeeded&limit=2":     {third, second},
		"state=queued&state=succeeded":       {third, second, first.ID},
		"state=failed":                       nil,
		"trigger=api&offset=1":               {second, first.ID},
		"trigger=schedule":                   nil,
		"worker=local":                       {first.ID},
		"from=" + at:                         {third, second},
		"to=" + at:                           {first.ID},
		"from=2000-01-01&to=2000-01-02":      nil,
		"from=2000-01-01T00:00&state=queued": {third, second},
	} {
		got := decode[listOut[idOut]](t, w.expect(http.StatusOK, ask{path: "/executions?" + strings.ReplaceAll(query, "+", "%2B"), as: scheduler.Viewer}))
		var ids []string
		for _, e := range got.Items {
			ids = append(ids, e.ID)
		}
		if fmt.Sprint(ids) != fmt.Sprint(want) {
			t.Errorf("?%s: %v, expected %v", query, ids, want)
		}
	}
	w.problem(w.expect(http.StatusNotFound, ask{path: "/executions?job=nobody", as: scheduler.Viewer}))
	rec := w.expect(http.StatusOK, ask{path: "/executions?job=nobody&from=nonsense", as: scheduler.Viewer}.page())
	if !strings.Contains(rec.Body.String(), "is not a time") || !strings.Contains(rec.Body.String(), `value="nonsense"`) {
		t.Error("the page does not say what is wrong with the time")
	}
	for query, says := range map[string]string{
		"from=yesterday":                "From is not a time",
		"to=x&offset=50":                "Until is not a time",
		"from=2000-01-02&to=2000-01-01": "Until must not be before from",
		"exit_code=x":                   "Exit code must be",
	} {
		wrong := w.expect(http.StatusOK, ask{path: "/executions?" + query, as: scheduler.Viewer}.htmx()).Body.String()
		if !strings.Contains(wrong, says) || strings.Contains(wrong, "<table") || strings.Contains(wrong, "format=") {
			t.Errorf("%s: the list is %s", query, wrong)
		}
	}
}

func TestExecutionPage(t *testing.T) {
	w := newWorld(t)
	w.job("one")
	var b strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&b, "line %d of a long output\n", i+1)
	}
	e := w.finished("one", b.String())
	rec := w.expect(http.StatusOK, ask{path: "/executions/" + e.ID, as: scheduler.Viewer}.page())
	html := rec.Body.String()
	if !strings.Contains(html, "line 20000 of a long output") || strings.Contains(html, "line 1 of a long output") {
		t.Error("the page has not the output's end, and only that")
	}
	rec = w.expect(http.StatusOK, ask{path: "/executions/" + e.ID, as: scheduler.Viewer}.htmx())
	if strings.Contains(rec.Body.String(), "line 20000") {
		t.Error("the header has output")
	}
	w.expect(http.StatusNoContent, ask{method: "DELETE", path: "/jobs/one", as: scheduler.Editor})
}

func TestOutput(t *testing.T) {
	w := newWorld(t)
	w.job("one")
	const text = "first\nsecond\nthird\n"
	e := w.finished("one", text)
	path := "/executions/" + e.ID + "/output"
	etag := `"` + e.ID + `"`
	for _, c := range []struct {
		name   string
		header map[string]string
		status int
		body   string
		ranged string
	}{
		{"whole", nil, 200, text, ""},
		{"first bytes", map[string]string{"Range": "bytes=0-4"}, 206, "first", "bytes 0-4/19"},
		{"middle", map[string]string{"Range": "bytes=6-11"}, 206, "second", "bytes 6-11/19"},
		{"to the end", map[string]string{"Range": "bytes=13-"}, 206, "third\n", "bytes 13-18/19"},
		{"last bytes", map[string]string{"Range": "bytes=-6"}, 206, "third\n", "bytes 13-18/19"},
		{"past the end", map[string]string{"Range": "bytes=13-999"}, 206, "third\n", "bytes 13-18/19"},
		{"after the end", map[string]string{"Range": "bytes=19-"}, 416, "", "bytes */19"},
		{"the last none", map[string]string{"Range": "bytes=-0"}, 416, "", "bytes */19"},
		{"backwards", map[string]string{"Range": "bytes=5-2"}, 416, "", ""},
		{"nonsense", map[string]string{"Range": "bytes=x"}, 416, "", ""},
		{"huge", map[string]string{"Range": "bytes=99999999999999999999-"}, 416, "", ""},
		{"same ETag", map[string]string{"If-None-Match": etag}, 304, "", ""},
		{"If-Range, same", map[string]string{"If-Range": etag, "Range": "bytes=0-4"}, 206, "first", "bytes 0-4/19"},
		{"If-Range, other", map[string]string{"If-Range": `"x"`, "Range": "bytes=0-4"}, 200, text, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := ask{path: path, as: scheduler.Viewer, header: c.header}
			rec := w.expect(c.status, a)
			if c.body != "" && rec.Body.String() != c.body {
				t.Errorf("%q", rec.Body)
			}
			if got := rec.Header().Get("Content-Range"); c.ranged != "" && got != c.ranged {
				t.Errorf("Content-Range %q", got)
			}
			if c.status < 300 && (rec.Header().Get("Content-Type") != "text/plain; charset=utf-8" || rec.Header().Get("X-Content-Type-Options") != "nosniff" ||
				rec.Header().Get("ETag") != etag || rec.Header().Get("Content-Disposition") != "") {
				t.Errorf("%v", rec.Header())
			}
			a.method = "HEAD"
			if rec := w.expect(c.status, a); c.body != "" && rec.Header().Get("Content-Length") != fmt.Sprint(len(c.body)) {
				t.Errorf("HEAD: Content-Length %q", rec.Header().Get("Content-Length"))
			}
		})
	}
	rec := w.expect(http.StatusPartialContent, ask{path: path, as: scheduler.Viewer, header: map[string]string{"Range": "bytes=0-1,6-7"}})
	if !strings.HasPrefix(rec.Header().Get("Content-Type"), "multipart/byteranges") {
		t.Errorf("several ranges: %q", rec.Header().Get("Content-Type"))
	}
	rec = w.expect(http.StatusOK, ask{path: path + "?download=1", as: scheduler.Viewer})
	if got := rec.Header().Get("Content-Disposition"); !strings.HasPrefix(got, "attachment; filename=") {
		t.Errorf("Content-Disposition %q", got)
	}
}

func TestOutputOfARunningExecution(t *testing.T) {
	w := newWorld(t)
	w.job("one")
	id := w.run("one")
	_, err := w.service.Claim(t.Context(), scheduler.Worker{Name: "local"}, 1)
	w.must(err)
	path := "/executions/" + id + "/output"
	if rec := w.expect(http.StatusOK, ask{path: path, as: scheduler.Viewer}); rec.Body.Len() != 0 || rec.Header().Get("ETag") != "" {
		t.Errorf("%q, ETag %q", rec.Body, rec.Header().Get("ETag"))
	}
	w.must(w.service.AddOutput(t.Context(), id, scheduler.Output{Append: chunkOf("now\n", w.clock.now())}, 4))
	if rec := w.expect(http.StatusOK, ask{path: path, as: scheduler.Viewer}); rec.Body.String() != "now\n" {
		t.Errorf("%q", rec.Body)
	}
	w.expect(http.StatusRequestedRangeNotSatisfiable, ask{path: path, as: scheduler.Viewer, header: map[string]string{"Range": "bytes=4-"}})
}

// TestLargeOutput reads more than one chunk of the store.
func TestLargeOutput(t *testing.T) {
	w := newWorld(t)
	w.job("one")
	text := strings.Repeat("0123456789abcde\n", 3*chunkBytes/16)
	e := w.finished("one", text)
	rec := w.expect(http.StatusOK, ask{path: "/executions/" + e.ID + "/output", as: scheduler.Viewer})
	if rec.Body.String() != text {
		t.Errorf("%d bytes, expected %d", rec.Body.Len(), len(text))
	}
	from := chunkBytes - 3
	rec = w.expect(http.StatusPartialContent, ask{
		path: "/executions/" + e.ID + "/output", as: scheduler.Viewer,
		header: map[string]string{"Range": fmt.Sprintf("bytes=%d-%d", from, from+chunkBytes)},
	})
	if rec.Body.String() != text[from:from+chunkBytes+1] {
		t.Error("a range over two chunks is wrong")
	}
}

func TestLines(t *testing.T) {
	w := newWorld(t)
	w.job("one")
	e := w.finished("one", "first\r\n\xffsecond\nthird")
	get := func(query string) listOut[lineForTest] {
		return decode[listOut[lineForTest]](t, w.expect(http.StatusOK, ask{path: "/executions/" + e.ID + "/lines" + query, as: scheduler.Viewer}))
	}
	all := get("")
	if len(all.Items) != 3 || all.Total != 3 || all.Items[0].Text != "first" || all.Items[1].Text != "\uFFFDsecond" ||
		all.Items[1].Stream != "stderr" || all.Items[2].N != 3 {
		t.Errorf("%+v", all)
	}
	if got := get("?from=2&count=1"); len(got.Items) != 1 || got.Items[0].N != 2 {
		t.Errorf("%+v", got)
	}
	if got := get("?from=100"); len(got.Items) != 0 {
		t.Errorf("%+v", got)
	}
	for _, query := range []string{"?from=0", "?from=x", "?count=2001", "?count=-1"} {
		w.problem(w.expect(http.StatusBadRequest, ask{path: "/executions/" + e.ID + "/lines" + query, as: scheduler.Viewer}))
	}
	rec := w.expect(http.StatusOK, ask{path: "/executions/" + e.ID + "/lines?from=2", as: scheduler.Viewer}.htmx())
	if !strings.Contains(rec.Body.String(), `id="L2"`) || strings.Contains(rec.Body.String(), `id="L1"`) {
		t.Errorf("%s", rec.Body)
	}
}

type lineForTest struct {
	N            int64
	Stream, Text string
	Open         bool
}

func TestNow(t *testing.T) {
	w := newWorld(t)
	w.worker("far") // with two slots; the server's own has four
	w.job("one")
	w.expect(http.StatusCreated, ask{method: "POST", path: "/jobs", as: scheduler.Editor, body: `{"name":"soon","schedule":"* * * * *","config":{"command":"x"}}`})
	w.expect(http.StatusOK, ask{method: "POST", path: "/jobs/one/disable", as: scheduler.Operator})
	w.finished("one", "")
	id := w.run("one")
	got := decode[struct {
		Queued []idOut
		Next   []dueForTest
		Jobs   int
		Slots  int

		Workers      []loadOut
		WorkersTotal int `json:"workers_total"`
	}](t, w.expect(http.StatusOK, ask{path: "/", as: scheduler.Viewer}))
	if len(got.Queued) != 1 || got.Queued[0].ID != id || got.Jobs != 2 || got.Slots != 6 || len(got.Next) != 1 || got.Next[0].Job != "soon" {
		t.Errorf("%+v", got)
	}
	if len(got.Workers) != 2 || got.WorkersTotal != 2 || got.Workers[0].Name != "far" || got.Workers[0].State != "online" || got.Workers[0].Slots != 2 {
		t.Errorf("the workers are %+v", got.Workers)
	}
	_, err := w.service.SetWorkerMode(t.Context(), scheduler.Server, "far", scheduler.WorkerDisconnected)
	w.must(err)
	page := w.expect(http.StatusOK, ask{path: "/", as: scheduler.Viewer}.page()).Body.String()
	if !strings.Contains(page, `aria-label="Slots in use on `) || strings.Contains(page, "Slots in use on far") {
		t.Errorf("the workers of the page are not the one that is there: %s", page)
	}
}

// However many jobs fail, the start page has those that failed last.
func TestNowManyFail(t *testing.T) {
	w := newWorld(t)
	for i := range nowRows + 1 {
		name := fmt.Sprintf("z%02d", i)
		w.job(name)
		w.ended(name, "", scheduler.Failed)
		w.clock.pass(time.Second)
	}
	got := decode[struct {
		Failing []struct{ Name string }
		Total   int `json:"failing_total"`
	}](t, w.expect(http.StatusOK, ask{path: "/", as: scheduler.Viewer}))
	if len(got.Failing) != nowRows || got.Failing[0].Name != "z20" || got.Failing[nowRows-1].Name != "z01" || got.Total != nowRows+1 {
		t.Errorf("%+v", got)
	}
}

type dueForTest struct{ Job string }
