package handlers

import (
	"bytes"
	"context"
	"io"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"belfry/scheduler"
)

// TestAnswersAreAsDescribed sends a request to every operation of openapi.json,
// and one that fails, and validates the requests and the answers against it.
func TestAnswersAreAsDescribed(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Backups = &fakeBackups{} })
	d := description(t)
	w.job("one")
	running := w.finished("one", "first\nsecond\n")
	queued := w.run("one")
	w.must(w.service.CreateUser(t.Context(), scheduler.Server, "bob", "12345678", scheduler.Viewer))
	token, _, err := w.service.CreateToken(t.Context(), scheduler.Server, "old", scheduler.Viewer, 0)
	w.must(err)
	farm := w.worker("far", "gpu")
	admin := scheduler.Admin
	const body = `{"name":"made","schedule":"*/5 * * * *","timezone":"UTC","executor":"shell","config":{"command":"true"},"retry":{"delay":"5s"},"timeout":"30s"}`
	made, err := w.service.CreateTreeJob(t.Context(), scheduler.Server, scheduler.TreeDraft{Title: "g"}, "", nil)
	w.must(err)
	group := strconv.FormatInt(made.Num, 10)
	covered := map[string]bool{}
	for _, c := range []struct {
		ask
		status int
	}{
		{ask{path: "/"}, 200},
		{ask{path: "/jobs?limit=2&sort=-created&enabled=true"}, 200},
		{ask{path: "/jobs?limit=1001"}, 400},
		{ask{method: "POST", path: "/jobs", body: body}, 201},
		{ask{method: "POST", path: "/jobs", body: body}, 409},
		{ask{method: "POST", path: "/jobs", body: `{"name":7}`}, 400},
		{ask{method: "POST", path: "/jobs", body: `{"name":"a b"}`}, 422},
		{ask{path: "/jobs/preview?schedule=30+2+*+*+*&timezone=Europe/Berlin"}, 200},
		{ask{path: "/jobs/preview?schedule=x"}, 422},
		{ask{path: "/jobs/export"}, 200},
		{ask{path: "/jobs/import"}, 200},
		{ask{method: "POST", path: "/jobs/import?format=lines&preview=true", body: "\"a\""}, 200},
		{ask{method: "POST", path: "/jobs/import?format=nonsense", body: "\"a\""}, 422},
		{ask{method: "POST", path: "/tree", body: `{"title":"g","priority":7}`}, 201},
		{ask{method: "POST", path: "/tree", body: `{"parent":` + group + `,"command":"true","retries":2,"timeout":60,"affinity":"gpu","depends_on":[]}`}, 201},
		{ask{method: "POST", path: "/tree", body: `{"parent":999}`}, 422},
		{ask{path: "/tree?q=g&state=waiting&limit=5"}, 200},
		{ask{path: "/tree/" + group}, 200},
		{ask{path: "/tree/999"}, 404},
		{ask{method: "PUT", path: "/tree/" + group, body: `{"title":"h","affinity":"linux"}`}, 204},
		{ask{method: "PUT", path: "/tree/" + group, body: `{"parent":` + group + `}`}, 409},
		{ask{method: "POST", path: "/tree/actions", body: `{"ids":[` + group + `],"action":"pause"}`}, 204},
		{ask{method: "POST", path: "/tree/actions", body: `{"ids":[],"action":"pause"}`}, 422},
		{ask{path: "/jobs/one"}, 200},
		{ask{path: "/jobs/one/history"}, 200},
		{ask{path: "/calendar"}, 200},
		{ask{path: "/settings/system"}, 200},
		{ask{method: "POST", path: "/settings/backup"}, 201},
		{ask{path: "/settings/backups"}, 200},
		{ask{path: "/settings/backups/copy.db"}, 200},
		{ask{method: "DELETE", path: "/settings/backups/copy.db"}, 204},
		{ask{method: "DELETE", path: "/settings/backups/copy.db"}, 404},
		{ask{path: "/account"}, 200},
		{ask{path: "/search?q=o"}, 200},
		{ask{path: "/jobs/export?job=one"}, 200},
		{ask{path: "/jobs?format=csv"}, 200},
		{ask{path: "/executions?format=csv&exit_code=0"}, 200},
		{ask{method: "POST", path: "/jobs/bulk", body: `{"action":"enable","jobs":["one","nobody"]}`}, 200},
		{ask{method: "POST", path: "/executions/bulk", body: `{"action":"stop","executions":["nothing"]}`}, 200},
		{ask{path: "/calendar?view=day"}, 200},
		{ask{path: "/calendar?hour=3"}, 200},
		{ask{path: "/jobs/nobody"}, 404},
		{ask{method: "PUT", path: "/jobs/made", body: `{"config":{"argv":["a"]},"schedules":[{"text":"@hourly"}],"enabled":false}`}, 200},
		{ask{method: "POST", path: "/jobs/one/run"}, 202},
		{ask{method: "POST", path: "/jobs/one/disable"}, 200},
		{ask{method: "POST", path: "/jobs/one/enable"}, 200},
		{ask{method: "POST", path: "/jobs", body: wholeJob}, 201},
		{ask{path: "/jobs/whole"}, 200},
		{ask{path: "/jobs?tag=gpu&metadata.team=web"}, 200},
		{ask{method: "POST", path: "/jobs/one/pause", body: `{"until":"2h"}`}, 200},
		{ask{method: "POST", path: "/jobs/one/pause", body: `{"until":"soon"}`}, 422},
		{ask{method: "POST", path: "/jobs/one/unpause"}, 200},
		{ask{path: "/freeze"}, 200},
		{ask{method: "POST", path: "/freeze", body: `{"reason":"moving","until":"2h"}`}, 200},
		{ask{path: "/freeze"}, 200},
		{ask{method: "POST", path: "/freeze"}, 409},
		{ask{method: "POST", path: "/unfreeze"}, 200},
		{ask{method: "DELETE", path: "/jobs/made"}, 409},
		{ask{method: "DELETE", path: "/jobs/made?force=true"}, 204},
		{ask{path: "/executions?job=one&state=queued,succeeded&limit=5"}, 200},
		{ask{path: "/executions?sort=queued"}, 200},
		{ask{path: "/executions?state=unknown"}, 400},
		{ask{path: "/executions/" + running.ID}, 200},
		{ask{path: "/executions/" + queued}, 200},
		{ask{path: "/executions/" + running.ID + "/output"}, 200},
		{ask{path: "/executions/" + running.ID + "/output"}.with("Range", "bytes=0-1"), 206},
		{ask{path: "/executions/" + running.ID + "/output"}.with("Range", "bytes=99-"), 416},
		{ask{path: "/executions/" + running.ID + "/lines?count=10"}, 200},
		{ask{path: "/executions/" + running.ID + "/output?as=text&download=1"}.with("Range", "bytes=0-1"), 206},
		{ask{path: "/executions/" + running.ID + "/output?as=pdf"}, 400},
		{ask{path: "/executions/" + running.ID + "/search?q=se.ond&case=true&from=1&to=9&count=5"}, 200},
		{ask{path: "/executions/" + running.ID + "/search?q=x&back=true&skip=1&total=false"}, 200},
		{ask{path: "/executions/" + running.ID + "/search?q=%28"}, 422},
		{ask{method: "POST", path: "/executions/" + running.ID + "/retry", body: `{"config":{"command":"false"}}`}, 202},
		{ask{method: "POST", path: "/executions/" + queued + "/stop"}, 202},
		{ask{method: "POST", path: "/executions/" + queued + "/stop"}, 409},
		{ask{method: "POST", path: "/executions/" + queued + "/retry"}, 202},
		{ask{method: "POST", path: "/executions/" + queued + "/acknowledge"}, 409},
		{ask{path: "/events"}, 200},
		{ask{path: "/events?topics=nonsense"}, 422},
		{ask{path: "/workers"}, 200},
		{ask{path: "/workers?q=fa&state=online&tag=gpu&sort=-load"}, 200},
		{ask{path: "/workers?format=csv"}, 200},
		{ask{path: "/tree?format=csv"}, 200},
		{ask{path: "/settings/users?q=b"}, 200},
		{ask{path: "/workers/far"}, 200},
		{ask{path: "/workers/nobody"}, 404},
		{ask{method: "POST", path: "/workers/far/drain"}, 200},
		{ask{method: "POST", path: "/workers/far/resume"}, 200},
		{ask{method: "POST", path: "/workers/far/rules", body: `{"rules":[["gpu"]],"sleep":"daily 01:00-02:00","sleep_zone":"UTC"}`}, 200},
		{ask{method: "POST", path: "/workers/far/rules", body: `{"rules":[["win"]]}`}, 422},
		{ask{method: "POST", path: "/workers/far/clear"}, 200},
		{ask{method: "DELETE", path: "/workers/far"}, 409},
		{ask{method: "POST", path: "/workers/far/disconnect"}, 200},
		{ask{method: "DELETE", path: "/workers/far"}, 204},
		{ask{method: "POST", path: "/workers/withhold", body: `{"withhold":false}`}, 200},
		{ask{path: "/workers/tokens"}, 200},
		{ask{method: "POST", path: "/workers/tokens", body: `{"name":"new"}`}, 201},
		{ask{method: "POST", path: "/workers/tokens", body: `{"name":"new"}`}, 409},
		{ask{method: "DELETE", path: "/workers/tokens/" + farm.ID}, 204},
		{ask{path: "/settings/users"}, 200},
		{ask{method: "POST", path: "/settings/users", body: `{"username":"eve","password":"12345678","role":"viewer"}`}, 201},
		{ask{method: "POST", path: "/settings/users/eve/role", body: `{"role":"operator"}`}, 204},
		{ask{method: "POST", path: "/settings/users/eve/password", body: `{"password":"87654321"}`}, 204},
		{ask{method: "DELETE", path: "/settings/users/eve"}, 204},
		{ask{path: "/settings/tokens"}, 200},
		{ask{path: "/settings/configuration"}, 200},
		{ask{method: "POST", path: "/settings/configuration/reload"}, 200},
		{ask{path: "/containers"}, 200},
		{ask{path: "/classes"}, 200},
		{ask{path: "/settings/classes"}, 200},
		{ask{method: "POST", path: "/settings/classes", body: `{"name":"a.B","executor":"shell","template":{"command":"echo {{args}}"},"arguments":[{"description":"what"}],"example":["x"]}`}, 201},
		{ask{method: "POST", path: "/settings/classes", body: `{"name":"a.B","executor":"noop"}`}, 409},
		{ask{method: "PUT", path: "/settings/classes/a.B", body: `{"executor":"noop","notes":"does nothing"}`}, 200},
		{ask{path: "/settings/classes/a.B"}, 200},
		{ask{method: "DELETE", path: "/settings/classes/a.B"}, 204},
		{ask{path: "/settings/classes/a.B"}, 404},
		{ask{path: "/audit"}, 200},
		{ask{path: "/audit?action=job.&actor=bob&limit=5"}, 200},
		{ask{path: "/audit?from=yesterday"}, 400},
		{ask{path: "/audit/export?format=json"}, 200},
		{ask{path: "/audit/export?format=xml"}, 400},
		{ask{method: "POST", path: "/settings/tokens", body: `{"name":"ci","role":"viewer","ttl":"720h"}`}, 201},
		{ask{method: "DELETE", path: "/settings/tokens/" + token.ID}, 204},
		{ask{method: "POST", path: "/login", body: `{"username":"bob","password":"12345678"}`}, 303},
		{ask{method: "POST", path: "/login", form: url.Values{"username": {"bob"}, "password": {"wrong"}}}, 401},
		{ask{method: "POST", path: "/logout"}, 303},
		{ask{path: "/openapi.json"}, 200},
	} {
		if c.method == "" {
			c.method = "GET"
		}
		c.as = admin
		rec := w.expect(c.status, c.ask)
		covered[d.validate(t, c.ask, rec)] = true
	}
	for _, id := range d.operations() {
		if !covered[id] {
			t.Errorf("nothing asked for %s", id)
		}
	}
}

// TestEveryRouteIsDescribed compares the document with the routes. Only what
// pages need besides, and browsers, is left out.
func TestEveryRouteIsDescribed(t *testing.T) {
	w := newWorld(t)
	d := description(t)
	pages := []string{
		"POST /jobs/preview", "GET /jobs/new", "GET /jobs/{name}/edit", "GET /jobs/{name}/run", "GET /executions/{id}/retry", "POST /jobs/{name}", "POST /jobs/{name}/delete", "GET /settings", "GET /login", "POST /zone", "POST /account/password",
		"POST /settings/users/{name}/delete", "POST /settings/backups/{name}/delete", "POST /settings/tokens/{id}/revoke", "GET /favicon.ico", "GET /robots.txt", "GET /static/*",
		"POST /settings/classes/{name}", "POST /settings/classes/{name}/delete",
		"POST /workers/{name}/forget", "POST /workers/tokens/{id}/revoke", "POST /tree/{num}",
	}
	described := map[string]bool{}
	for path, item := range d.doc.Paths.Map() {
		for method := range item.Operations() {
			described[method+" "+path] = true
		}
	}
	for _, r := range w.server.routes() {
		key := r.method + " " + strings.NewReplacer(":name", "{name}", ":id", "{id}", ":num", "{num}").Replace(r.path)
		if described[key] == slices.Contains(pages, key) {
			t.Errorf("%s: described: %t", key, described[key])
		}
		delete(described, key)
	}
	for key := range described {
		t.Errorf("%s is described and not there", key)
	}
}

type document struct {
	doc    *openapi3.T
	router routers.Router
}

func description(t *testing.T) document {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(openAPIDocument)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	router, err := legacy.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	return document{doc, router}
}

func (d document) operations() []string {
	var ids []string
	for _, item := range d.doc.Paths.Map() {
		for _, op := range item.Operations() {
			ids = append(ids, op.OperationID)
		}
	}
	return ids
}

// validate checks an answer, and the request too if it was a good one. It
// returns the operation's id.
func (d document) validate(t *testing.T, a ask, rec *httptest.ResponseRecorder) string {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), a.method, a.path, strings.NewReader(a.body))
	r.Header.Set("Content-Type", "application/json")
	route, params, err := d.router.FindRoute(r)
	if err != nil {
		t.Fatalf("%s %s: %v", a.method, a.path, err)
	}
	in := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, Route: route,
		Options: &openapi3filter.Options{
			IncludeResponseStatus: true, AuthenticationFunc: func(context.Context, *openapi3filter.AuthenticationInput) error { return nil },
		},
	}
	if rec.Code < 400 && a.form == nil {
		if err := openapi3filter.ValidateRequest(t.Context(), in); err != nil {
			t.Errorf("%s %s: the request: %v", a.method, a.path, err)
		}
	}
	out := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: rec.Code, Header: rec.Header(), Options: in.Options,
		Body: io.NopCloser(bytes.NewReader(rec.Body.Bytes())),
	}
	if kind := rec.Header().Get("Content-Type"); strings.HasPrefix(kind, "text/") {
		out.Options = &openapi3filter.Options{IncludeResponseStatus: true, ExcludeResponseBody: true}
	}
	if err := openapi3filter.ValidateResponse(t.Context(), out); err != nil {
		t.Errorf("%s %s: the answer %d: %v", a.method, a.path, rec.Code, err)
	}
	return route.Operation.OperationID
}
