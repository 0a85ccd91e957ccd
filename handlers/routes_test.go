package handlers

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"belfry/scheduler"
)

// golden is every route. A new one belongs into openapi.json and into the table
// of TestEveryRouteAsksWhoItIs, too.
const golden = `
DELETE /jobs/:name
DELETE /settings/backups/:name
DELETE /settings/classes/:name
DELETE /settings/tokens/:id
DELETE /settings/users/:name
DELETE /workers/:name
DELETE /workers/tokens/:id
GET /
GET /account
GET /audit
GET /audit/export
GET /calendar
GET /classes
GET /containers
GET /events
GET /executions
GET /executions/:id
GET /executions/:id/lines
GET /executions/:id/output
GET /executions/:id/retry
GET /executions/:id/search
GET /favicon.ico
GET /freeze
GET /jobs
GET /jobs/:name
GET /jobs/:name/edit
GET /jobs/:name/history
GET /jobs/:name/run
GET /jobs/export
GET /jobs/import
GET /jobs/new
GET /jobs/preview
GET /login
GET /openapi.json
GET /robots.txt
GET /search
GET /settings
GET /settings/backups
GET /settings/backups/:name
GET /settings/classes
GET /settings/classes/:name
GET /settings/configuration
GET /settings/system
GET /settings/tokens
GET /settings/users
GET /static/*
GET /tree
GET /tree/:num
GET /workers
GET /workers/:name
GET /workers/tokens
POST /account/password
POST /executions/:id/acknowledge
POST /executions/:id/retry
POST /executions/:id/stop
POST /executions/bulk
POST /freeze
POST /jobs
POST /jobs/:name
POST /jobs/:name/delete
POST /jobs/:name/disable
POST /jobs/:name/enable
POST /jobs/:name/pause
POST /jobs/:name/run
POST /jobs/:name/unpause
POST /jobs/bulk
POST /jobs/import
POST /jobs/preview
POST /login
POST /logout
POST /settings/backup
POST /settings/backups/:name/delete
POST /settings/classes
POST /settings/classes/:name
POST /settings/classes/:name/delete
POST /settings/configuration/reload
POST /settings/tokens
POST /settings/tokens/:id/revoke
POST /settings/users
POST /settings/users/:name/delete
POST /settings/users/:name/password
POST /settings/users/:name/role
POST /tree
POST /tree/:num
POST /tree/actions
POST /unfreeze
POST /workers/:name/clear
POST /workers/:name/disconnect
POST /workers/:name/drain
POST /workers/:name/forget
POST /workers/:name/resume
POST /workers/:name/rules
POST /workers/tokens
POST /workers/tokens/:id/revoke
POST /workers/withhold
POST /zone
PUT /jobs/:name
PUT /settings/classes/:name
PUT /tree/:num
`

func TestRoutes(t *testing.T) {
	w := newWorld(t)
	var got []string
	for _, r := range w.server.echo.Routes() {
		if r.Method != http.MethodHead {
			got = append(got, r.Method+" "+r.Path)
		}
	}
	slices.Sort(got)
	if d := cmp.Diff(strings.Split(strings.TrimSpace(golden), "\n"), got); d != "" {
		t.Error(d)
	}
	seen := map[string]bool{}
	for _, r := range w.server.routes() { // echo lets a second registration win in silence
		if key := r.method + " " + r.path; seen[key] {
			t.Errorf("%s is registered twice", key)
		} else {
			seen[key] = true
		}
	}
}

// TestWordsAreNoNames: at an address of the table another method is what is wrong, not
// a name.
func TestWordsAreNoNames(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct{ method, path, allow string }{
		{"GET", "/jobs/bulk", "OPTIONS, POST"},
		{"HEAD", "/jobs/bulk", "OPTIONS, POST"},
		{"DELETE", "/jobs/bulk", "OPTIONS, POST"},
		{"PUT", "/jobs/bulk", "OPTIONS, POST"},
		{"DELETE", "/jobs/import", "OPTIONS, GET, HEAD, POST"},
		{"GET", "/executions/bulk", "OPTIONS, POST"},
		{"GET", "/tree/actions", "OPTIONS, POST"},
		{"GET", "/workers/withhold", "OPTIONS, POST"},
		{"DELETE", "/workers/withhold", "OPTIONS, POST"},
	} {
		rec := w.expect(http.StatusMethodNotAllowed, ask{method: c.method, path: c.path, as: scheduler.Admin})
		if got := rec.Header().Get("Allow"); got != c.allow {
			t.Errorf("%s %s: Allow %q", c.method, c.path, got)
		}
	}
	w.expect(http.StatusNotFound, ask{path: "/jobs/none", as: scheduler.Admin})
	w.expect(http.StatusUnauthorized, ask{path: "/jobs/bulk"})
}

// fill makes an address of a route's pattern.
func fill(path, job, id, user string) string {
	switch {
	case strings.HasPrefix(path, "/jobs/"):
		return strings.ReplaceAll(path, ":name", url.PathEscape(job))
	case strings.HasPrefix(path, "/settings/users/"):
		return strings.ReplaceAll(path, ":name", url.PathEscape(user))
	}
	return strings.NewReplacer(":id", id, ":num", "1").Replace(path)
}

func TestEveryRouteAsksWhoItIs(t *testing.T) {
	w := newWorld(t)
	w.job("one")
	id := w.run("one")
	for _, r := range w.server.routes() {
		if r.access == public {
			continue
		}
		path := fill(r.path, "one", id, "admin")
		for name, header := range map[string]string{
			"nothing": "", "unknown token": "Bearer bfy_nonsense", "wrong password": "Basic YWRtaW46d3Jvbmc=",
			"broken Basic": "Basic !!!", "other scheme": "Digest x", "empty token": "Bearer ",
		} {
			a := ask{method: r.method, path: path}
			if header != "" {
				a = a.with("Authorization", header)
			}
			rec := w.do(a)
			if rec.Code == http.StatusTooManyRequests && name == "wrong password" {
				continue // the throttle is before the password
			}
			if p := w.problem(rec); rec.Code != http.StatusUnauthorized || p.Type != "urn:belfry:problem:unauthenticated" {
				t.Errorf("%s %s with %s: status %d", r.method, path, name, rec.Code)
			}
			if got := strings.Join(rec.Header().Values("WWW-Authenticate"), ", "); !strings.HasPrefix(got, "Bearer ") || !strings.Contains(got, "Basic ") {
				t.Errorf("%s %s with %s: WWW-Authenticate %q", r.method, path, name, got)
			}
		}
		if rec := w.do(ask{method: r.method, path: path}.page()); rec.Code != http.StatusSeeOther || !strings.HasPrefix(rec.Header().Get("Location"), "/login") {
			t.Errorf("%s %s by a browser: status %d to %q", r.method, path, rec.Code, rec.Header().Get("Location"))
		}
		if rec := w.do(ask{method: r.method, path: path}.htmx()); rec.Code != http.StatusUnauthorized || !strings.HasPrefix(rec.Header().Get("HX-Redirect"), "/login") {
			t.Errorf("%s %s by htmx: status %d to %q", r.method, path, rec.Code, rec.Header().Get("HX-Redirect"))
		}
	}
}

// TestRoles sends every request that changes something or shows settings as each
// of the roles, as a program and as a page. What a role may not do answers 403
// and does nothing.
func TestRoles(t *testing.T) {
	const job = `{"name":"made","config":{"command":"true"}}`
	jobForm := url.Values{"name": {"made"}, "executor": {"shell"}, "config.command": {"true"}}
	requests := []struct {
		method, path string
		need         scheduler.Role
		body         string
		form         url.Values
	}{
		{"GET", "/jobs", scheduler.Viewer, "", nil},
		{"GET", "/executions", scheduler.Viewer, "", nil},
		{"GET", "/jobs/one", scheduler.Viewer, "", nil},
		{"POST", "/jobs/one/run", scheduler.Operator, "", nil},
		{"POST", "/jobs/one/enable", scheduler.Operator, "", nil},
		{"POST", "/jobs/one/disable", scheduler.Operator, "", nil},
		{"POST", "/jobs/one/pause", scheduler.Operator, `{"until":"1h"}`, url.Values{"until": {"1h"}}},
		{"POST", "/jobs/one/unpause", scheduler.Operator, "", nil},
		{"POST", "/freeze", scheduler.Operator, `{"reason":"x"}`, url.Values{"reason": {"x"}}},
		{"POST", "/unfreeze", scheduler.Operator, "", nil},
		{"POST", "/executions/ID/stop", scheduler.Operator, "", nil},
		{"POST", "/executions/ID/retry", scheduler.Operator, "", nil},
		{"POST", "/executions/ID/acknowledge", scheduler.Operator, "", nil},
		{"POST", "/jobs/bulk", scheduler.Operator, `{"action":"run","jobs":["one"]}`, url.Values{"action": {"run"}, "job": {"one"}}},
		{"POST", "/executions/bulk", scheduler.Operator, `{"action":"stop","executions":["x"]}`, url.Values{"action": {"stop"}, "execution": {"x"}}},
		{"GET", "/jobs/import", scheduler.Editor, "", nil},
		{"POST", "/jobs/import?format=lines", scheduler.Editor, `one`, url.Values{"format": {"lines"}, "text": {"one"}}},
		{"GET", "/jobs/new", scheduler.Editor, "", nil},
		{"GET", "/jobs/one/edit", scheduler.Editor, "", nil},
		{"GET", "/jobs/one/run", scheduler.Editor, "", nil},
		{"POST", "/jobs/one/run", scheduler.Editor, `{"config":{"command":"false"}}`, url.Values{"config.command": {"false"}}},
		{"GET", "/executions/ID/retry", scheduler.Editor, "", nil},
		{"POST", "/executions/ID/retry", scheduler.Editor, `{"config":{"command":"false"}}`, url.Values{"config.command": {"false"}}},
		{"POST", "/jobs", scheduler.Editor, job, jobForm},
		{"PUT", "/jobs/one", scheduler.Editor, job, jobForm},
		{"POST", "/jobs/one", scheduler.Editor, job, jobForm},
		{"DELETE", "/jobs/one", scheduler.Editor, "", nil},
		{"POST", "/jobs/one/delete", scheduler.Editor, "", nil},
		{"GET", "/workers", scheduler.Viewer, "", nil},
		{"GET", "/workers/far", scheduler.Viewer, "", nil},
		{"POST", "/workers/far/drain", scheduler.Operator, "", nil},
		{"POST", "/workers/far/resume", scheduler.Operator, "", nil},
		{"POST", "/workers/far/disconnect", scheduler.Operator, "", nil},
		{"POST", "/workers/far/clear", scheduler.Operator, "", nil},
		{"POST", "/workers/far/rules", scheduler.Editor, `{}`, url.Values{"rules": {""}}},
		{"POST", "/workers/withhold", scheduler.Admin, `{"withhold":false}`, url.Values{"withhold": {"false"}}},
		{"POST", "/workers/tokens", scheduler.Admin, `{"name":"n"}`, url.Values{"name": {"n"}}},
		{"DELETE", "/workers/tokens/FARM", scheduler.Admin, "", nil},
		{"POST", "/workers/tokens/FARM/revoke", scheduler.Admin, "", nil},
		{"DELETE", "/workers/far", scheduler.Admin, "", nil},
		{"POST", "/workers/far/forget", scheduler.Admin, "", nil},
		{"GET", "/settings/users", scheduler.Admin, "", nil},
		{"GET", "/settings/system", scheduler.Admin, "", nil},
		{"POST", "/settings/backup", scheduler.Admin, "", nil},
		{"DELETE", "/settings/backups/copy.db", scheduler.Admin, "", nil},
		{"POST", "/settings/backups/copy.db/delete", scheduler.Admin, "", nil},
		{"POST", "/settings/users", scheduler.Admin, `{"username":"eve","password":"12345678","role":"admin"}`, url.Values{"username": {"eve"}, "password": {"12345678"}, "role": {"admin"}}},
		{"POST", "/settings/users/admin/role", scheduler.Admin, `{"role":"admin"}`, url.Values{"role": {"admin"}}},
		{"POST", "/settings/users/admin/password", scheduler.Admin, `{"password":"12345678"}`, url.Values{"password": {"12345678"}}},
		{"DELETE", "/settings/users/bob", scheduler.Admin, "", nil},
		{"POST", "/settings/users/bob/delete", scheduler.Admin, "", nil},
		{"GET", "/audit", scheduler.Viewer, "", nil},
		{"GET", "/audit?action=job.", scheduler.Viewer, "", nil},
		{"GET", "/audit?action=user.", scheduler.Admin, "", nil},
		{"GET", "/audit/export?format=csv&action=session.", scheduler.Admin, "", nil},
		{"GET", "/classes", scheduler.Editor, "", nil},
		{"GET", "/settings/classes", scheduler.Admin, "", nil},
		{"GET", "/settings/classes/simple_scheduler.jobs.shell_job.ShellJob", scheduler.Admin, "", nil},
		{"POST", "/settings/classes", scheduler.Admin, `{"name":"a.B","executor":"noop"}`, url.Values{"name": {"a.B"}, "executor": {"noop"}}},
		{"PUT", "/settings/classes/a.B", scheduler.Admin, `{"executor":"noop"}`, url.Values{"executor": {"noop"}}},
		{"POST", "/settings/classes/a.B", scheduler.Admin, `{"executor":"noop"}`, url.Values{"executor": {"noop"}}},
		{"DELETE", "/settings/classes/a.B", scheduler.Admin, "", nil},
		{"POST", "/settings/classes/a.B/delete", scheduler.Admin, "", nil},
		{"GET", "/settings/tokens", scheduler.Admin, "", nil},
		{"POST", "/settings/tokens", scheduler.Admin, `{"name":"t","role":"admin"}`, url.Values{"name": {"t"}, "role": {"admin"}}},
		{"DELETE", "/settings/tokens/TOKEN", scheduler.Admin, "", nil},
		{"POST", "/settings/tokens/TOKEN/revoke", scheduler.Admin, "", nil},
	}
	for _, role := range scheduler.Roles {
		t.Run(string(role), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.job("one")
			id := w.run("one")
			w.must(w.service.CreateUser(t.Context(), scheduler.Server, "bob", "12345678", scheduler.Viewer))
			w.must(w.service.CreateUser(t.Context(), scheduler.Server, "who", "12345678", role))
			token, _, err := w.service.CreateToken(t.Context(), scheduler.Server, "victim", scheduler.Viewer, 0)
			w.must(err)
			farm := w.worker("far", "gpu")
			cookie := w.logIn("who", "12345678")
			before := w.audit()
			for _, r := range requests {
				path := strings.NewReplacer("ID", id, "TOKEN", token.ID, "FARM", farm.ID).Replace(r.path)
				program := ask{method: r.method, path: path, as: role, body: r.body}
				page := ask{method: r.method, path: path, form: r.form}.page().with("Cookie", cookie)
				fragment := ask{method: r.method, path: path, form: r.form}.htmx().with("Cookie", cookie)
				basic := ask{method: r.method, path: path, body: r.body}.with("Authorization", "Basic d2hvOjEyMzQ1Njc4")
				for kind, a := range map[string]ask{"program": program, "page": page, "fragment": fragment, "basic": basic} {
					if role.Allows(r.need) {
						if kind == "program" && r.method != "GET" {
							continue // what is allowed is tested where it is done
						}
						if r.method == "GET" && kind != "fragment" {
							w.expect(http.StatusOK, a)
						}
						continue
					}
					rec := w.expect(http.StatusForbidden, a)
					if kind == "program" || kind == "basic" {
						w.problem(rec)
					} else if !strings.Contains(rec.Body.String(), "You may not do that") {
						t.Errorf("%s %s as a %s: %.300s", r.method, path, kind, rec.Body)
					}
				}
			}
			if after := w.audit(); after != before {
				t.Errorf("what was refused left %d audit rows", after-before)
			}
		})
	}
}

// audit is how many changes were made, but for tokens of the test itself.
func (w *world) audit() int64 {
	w.t.Helper()
	entries, _, err := w.store.ListAudit(w.t.Context(), scheduler.AuditFilter{Limit: 1000})
	w.must(err)
	var n int64
	for _, e := range entries {
		if !strings.HasPrefix(e.Object, "test ") {
			n++
		}
	}
	return n
}
