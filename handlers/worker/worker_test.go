package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"

	"belfry/scheduler"
)

// said is a service that remembers what it was told, and answers what the test
// wants.
type said struct {
	got string
	err error
}

func (s *said) note(format string, args ...any) { s.got = fmt.Sprintf(format, args...) }

func (s *said) AuthenticateWorker(_ context.Context, secret string) (scheduler.WorkerToken, error) {
	if secret != "bfw_right" {
		return scheduler.WorkerToken{}, scheduler.Errorf(scheduler.CodeUnauthenticated, "no")
	}
	return scheduler.WorkerToken{ID: "t"}, nil
}

func (s *said) ConnectWorker(_ context.Context, t scheduler.WorkerToken, h scheduler.Hello) (scheduler.WorkerSession, error) {
	s.note("connect %s %+v", t.ID, h)
	return scheduler.WorkerSession{Token: t.ID, Name: h.Name, Epoch: 7}, s.err
}

func (s *said) WorkerClaim(_ context.Context, ws scheduler.WorkerSession, ask scheduler.ClaimAsk) ([]scheduler.Assignment, error) {
	s.note("claim %+v %+v", ws, ask)
	a := scheduler.Assignment{Execution: scheduler.Execution{ID: "e", Group: "g", Attempt: 2, JobID: "j", JobName: "n"}}
	a.Job.Name, a.Job.Executor, a.Job.Config, a.Job.Grace = "n", "shell", json.RawMessage(`{"command":"true"}`), 5*time.Second
	return []scheduler.Assignment{a}, s.err
}

func (s *said) WorkerBeat(_ context.Context, ws scheduler.WorkerSession, b scheduler.Beat) (scheduler.Orders, error) {
	s.note("beat %+v %+v", ws, b)
	return scheduler.Orders{Stop: map[string]string{"e": "stopped by anna"}, Draining: true}, s.err
}

func (s *said) WorkerOutput(_ context.Context, ws scheduler.WorkerSession, id string, out scheduler.Output, end int64) error {
	s.note("output %+v %s %d %s %+v", ws, id, end, out.Append.Data, out.Append.Pieces)
	return s.err
}

func (s *said) WorkerFinish(_ context.Context, ws scheduler.WorkerSession, r scheduler.Report) error {
	s.note("finish %+v %s %s %q %d", ws, r.ID, r.State, r.Reason, *r.ExitCode)
	return s.err
}

func (s *said) WorkerLeave(_ context.Context, ws scheduler.WorkerSession) error {
	s.note("leave %+v", ws)
	return s.err
}

func send(s *said, path, token, body string) *httptest.ResponseRecorder {
	now := func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }
	a := New(Options{Service: s, Now: now})
	e := echo.New()
	e.HTTPErrorHandler = func(err error, c echo.Context) { a.Error(c, err) }
	for _, r := range a.Routes() {
		e.Add(r.Method, r.Path, r.Handle)
	}
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	rec := httptest.NewRecorder()
	e.ServeHTTP(rec, r)
	return rec
}

// TestProtocol holds the exchanges of docs/worker-protocol.md.
func TestProtocol(t *testing.T) {
	const session = `"worker":"w","epoch":7`
	for _, c := range []struct{ path, body, told, answer string }{
		{
			"/connect", `{"name":"w","tags":["gpu"],"slots":2,"version":"1","system":"linux/amd64","of_tomorrow":1}`,
			"connect t {Name:w Kind:remote Tags:[gpu] Slots:2 About:{Version:1 System:linux/amd64 Address:192.0.2.1 Load:0 CPUs:0 MemoryFree:0 MemoryTotal:0 Skew:0s} Goes:false}",
			`{"worker":"w","epoch":7,"time":"2026-01-02T03:04:05Z"}`,
		},
		{
			"/claim", `{` + session + `,"have":["x"],"limit":3,"wait_ms":25000}`, "claim {Token:t Name:w Epoch:7} {Have:[x] Limit:3 Wait:25s}",
			`{"executions":[{"id":"e","group":"g","attempt":2,"copy":0,"trigger_kind":"","trigger_by":"","due_at":"0001-01-01T00:00:00Z","run_at":"0001-01-01T00:00:00Z",` +
				`"queued_at":"0001-01-01T00:00:00Z","started_at":"0001-01-01T00:00:00Z","job_id":"","job_name":"n","job_version":0,"executor":"shell",` +
				`"config":{"command":"true"},"timeout_ms":0,"grace_ms":5000,"output_head":0,"output_tail":0,"progress":""}]}`,
		},
		{
			"/beat", `{` + session + `,"load":0.5,"cpus":2,"memory_free":1,"memory_total":2,"skew_ms":-1500,"running":["e"],"stopping":["f"],"leaving":true,"wait_ms":5000}`,
			"beat {Token:t Name:w Epoch:7} {About:{Version: System: Address:192.0.2.1 Load:0.5 CPUs:2 MemoryFree:1 MemoryTotal:2 Skew:-1.5s} Running:[e] Stopping:[f] Leaving:true Wait:5s}",
			`{"time":"2026-01-02T03:04:05Z","stop":{"e":"stopped by anna"},"draining":true}`,
		},
		{
			"/output", `{` + session + `,"execution":"e","end":5,"append":{"first_byte":2,"first_line":1,"at":1000,"data":"YQpi","pieces":[2,0,0,1,5,7]}}`,
			"output {Token:t Name:w Epoch:7} e 5 a\nb [{Len:2 Stream:stdout At:1970-01-01 00:00:01 +0000 UTC Open:false} {Len:1 Stream:stderr At:1970-01-01 00:00:01.007 +0000 UTC Open:true}]", "",
		},
		{
			"/finish", `{` + session + `,"execution":"e","state":"failed","reason":"exit code 3","exit_code":3,"finished_at":"2026-01-02T03:04:05Z","output":{}}`,
			`finish {Token:t Name:w Epoch:7} e failed "exit code 3" 3`, "",
		},
		{"/leave", `{` + session + `}`, "leave {Token:t Name:w Epoch:7}", ""},
	} {
		s := &said{}
		rec := send(s, "/worker/v1"+c.path, "bfw_right", c.body)
		if d := cmp.Diff(c.told, s.got); d != "" {
			t.Errorf("%s told (-want +got):\n%s", c.path, d)
		}
		if d := cmp.Diff(c.answer, strings.TrimSpace(rec.Body.String())); d != "" || rec.Code/100 != 2 {
			t.Errorf("%s answered %d (-want +got):\n%s", c.path, rec.Code, d)
		}
	}
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		path, token, body string
		err               error
		status            int
		says              string
	}{
		"no token":       {"/worker/v1/claim", "", "{}", nil, 401, `"code":"unauthenticated"`},
		"wrong token":    {"/worker/v1/claim", "bfw_wrong", "{}", nil, 401, `"code":"unauthenticated"`},
		"unknown path":   {"/worker/v9/claim", "bfw_right", "{}", nil, 404, `"code":"not_found"`},
		"no JSON":        {"/worker/v1/claim", "bfw_right", "{", nil, 400, `"code":"invalid"`},
		"wrong type":     {"/worker/v1/claim", "bfw_right", `{"limit":"3"}`, nil, 400, `"limit":"must be a whole number, not string"`},
		"broken pieces":  {"/worker/v1/output", "bfw_right", `{"append":{"first_line":1,"data":"YQ==","pieces":[1,0]}}`, nil, 422, `"pieces":`},
		"wrong pieces":   {"/worker/v1/output", "bfw_right", `{"append":{"first_line":1,"data":"YQ==","pieces":[9223372036854775807,0,0,2,0,0]}}`, nil, 422, `"pieces":`},
		"unknown stream": {"/worker/v1/output", "bfw_right", `{"append":{"first_line":1,"data":"YQ==","pieces":[1,3,0]}}`, nil, 422, `"pieces":`},
		"wrong end":      {"/worker/v1/output", "bfw_right", `{"end":7,"append":{"first_byte":2,"first_line":1,"at":1000,"data":"YQpi","pieces":[2,0,0,1,5,7]}}`, nil, 422, `"end":"must be 5`},
		"wrong progress": {"/worker/v1/output", "bfw_right", `{"end":0,"progress":500}`, nil, 422, `"progress":"must be from 0 to 100"`},
		"too large":      {"/worker/v1/output", "bfw_right", `{"execution":"` + strings.Repeat("x", 2<<20) + `"}`, nil, 413, `"code":"too_large"`},
		"fenced":         {"/worker/v1/beat", "bfw_right", "{}", scheduler.ErrFenced, 409, `"code":"fenced"`},
		"replaced":       {"/worker/v1/beat", "bfw_right", "{}", scheduler.ErrReplaced, 409, `"code":"replaced"`},
		"a conflict":     {"/worker/v1/beat", "bfw_right", "{}", scheduler.Errorf(scheduler.CodeConflict, "x"), 409, `"code":"conflict"`},
		"inside":         {"/worker/v1/beat", "bfw_right", "{}", errors.New("secret"), 500, `"code":"internal"`},
	} {
		rec := send(&said{err: c.err}, c.path, c.token, c.body)
		if rec.Code != c.status || !strings.Contains(rec.Body.String(), c.says) || strings.Contains(rec.Body.String(), "secret") {
			t.Errorf("%s: %d %s", name, rec.Code, rec.Body)
		}
	}
}
