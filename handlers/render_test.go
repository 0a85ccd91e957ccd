package handlers

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"belfry/scheduler"
)

func TestWhatAClientCanRead(t *testing.T) {
	for _, c := range []struct {
		header string
		want   rendering
	}{
		{"", asJSON},
		{"Accept: */*", asJSON},
		{"Accept: application/json", asJSON},
		{"Accept: text/html", asPage},
		{"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", asPage},
		{"Accept: text/html;q=0, */*", asJSON},
		{"Accept: application/json, text/html;q=0.5", asJSON},
		{"Accept: application/json;q=0.5, text/html", asPage},
		{"Accept: text/*", asJSON},
		{"Accept: text/event-stream", asJSON},
		{"Accept: ;;;,text/html;q=nonsense", asJSON},
		{"HX-Request: true", asFragment},
		{"HX-Request: true|Accept: */*", asFragment},
		{"HX-Request: true|HX-Boosted: true|Accept: text/html", asPage},
		{"HX-Request: true|HX-History-Restore-Request: true|Accept: text/html", asPage},
	} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
		for line := range strings.SplitSeq(c.header, "|") {
			if name, value, ok := strings.Cut(line, ": "); ok {
				r.Header.Add(name, value)
			}
		}
		if got := form(r); got != c.want {
			t.Errorf("%q: %d, expected %d", c.header, got, c.want)
		}
	}
}

// TestEveryPage renders each page in its three forms and looks at what must hold
// of all of them.
func TestEveryPage(t *testing.T) {
	w := newWorld(t)
	const evil = `<script>alert(1)</script>`
	w.expect(http.StatusCreated, ask{method: "POST", path: "/jobs", as: scheduler.Editor, body: `{"name":"a & b <i>","display_name":"` + evil +
		`","notes":"` + evil + `","schedule":"*/5 * * * *","config":{"command":"echo '` + evil + `'","env":{"X":"` + evil + `"}}}`})
	e := w.finished("a & b <i>", evil+"\n\x1b[31mred\n")
	name := url.PathEscape("a & b <i>")
	cookie := w.logIn("admin", adminPassword)
	for _, path := range []string{
		"/", "/jobs", "/jobs?q=%3Cscript%3E", "/jobs/new", "/jobs/new?from=" + url.QueryEscape("a & b <i>"), "/jobs/" + name, "/jobs/" + name + "/edit", "/jobs/preview?schedule=" + url.QueryEscape(evil),
		"/jobs/preview?schedule=*/5+*+*+*+*&timezone=Europe/Berlin", "/executions", "/executions?job=" + name, "/executions?job=nobody&from=nonsense",
		"/executions/" + e.ID, "/executions/" + e.ID + "/lines", "/settings/users", "/settings/tokens", "/login", "/nowhere", "/jobs/nobody",
	} {
		t.Run(path, func(t *testing.T) {
			a := ask{path: path}
			if path != "/login" {
				a = a.with("Cookie", cookie)
			}
			for kind, a := range map[string]ask{"page": a.page(), "fragment": a.htmx()} {
				rec := w.do(a)
				if rec.Code >= 500 || rec.Code >= 400 && path != "/nowhere" && path != "/jobs/nobody" {
					t.Fatalf("%s: status %d: %.500s", kind, rec.Code, rec.Body)
				}
				if got := rec.Header().Get("Content-Type"); got != echo.MIMETextHTMLCharsetUTF8 {
					t.Errorf("%s: Content-Type %q", kind, got)
				}
				checkHTML(t, kind, rec)
				whole := strings.HasPrefix(strings.ToLower(rec.Body.String()), "<!doctype html>")
				if wanted := kind == "page" && !fragmentOnly(path) || pageOnly(path); whole != wanted {
					t.Errorf("%s: a whole page: %t", kind, whole)
				}
			}
			rec := w.do(a)
			if rec.Code >= 500 || !strings.Contains(rec.Header().Get("Content-Type"), "json") {
				t.Errorf("JSON: status %d, %q", rec.Code, rec.Header().Get("Content-Type"))
			}
		})
	}
}

// pageOnly are the addresses that nothing of htmx asks for.
func pageOnly(path string) bool {
	return strings.HasPrefix(path, "/settings/") || strings.HasPrefix(path, "/jobs/new") || strings.HasSuffix(path, "/edit") || path == "/login"
}

// fragmentOnly are the addresses that only htmx asks for.
func fragmentOnly(path string) bool {
	return strings.HasPrefix(path, "/jobs/preview") || strings.HasSuffix(path, "/lines")
}

// checkHTML looks for what the content security policy forbids, and for what
// people wrote as if it were ours.
func checkHTML(t *testing.T, kind string, rec *httptest.ResponseRecorder) {
	t.Helper()
	html := rec.Body.String()
	if got := rec.Header().Get("Content-Security-Policy"); got != policy {
		t.Errorf("%s: Content-Security-Policy %q", kind, got)
	}
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin", "Cache-Control": "no-store",
	} {
		if got := rec.Header().Get(name); got != want {
			t.Errorf("%s: %s %q", kind, name, got)
		}
	}
	if !strings.Contains(rec.Header().Get("Vary"), "HX-Request") {
		t.Errorf("%s: Vary %q", kind, rec.Header().Get("Vary"))
	}
	for _, forbidden := range []string{"<script>alert", " style=", " onclick=", "hx-on", "javascript:", "<style"} {
		if strings.Contains(html, forbidden) {
			t.Errorf("%s has %q", kind, forbidden)
		}
	}
}

func TestErrorsInTheirForm(t *testing.T) {
	w := newWorld(t)
	cookie := w.logIn("admin", adminPassword)
	a := ask{path: "/jobs/nobody"}.with("Cookie", cookie)
	if p := w.problem(w.expect(http.StatusNotFound, a)); p.Type != "urn:belfry:problem:not_found" {
		t.Errorf("%+v", p)
	}
	if rec := w.expect(http.StatusNotFound, a.page()); !strings.Contains(rec.Body.String(), "<!doctype html>") && !strings.Contains(rec.Body.String(), "<!DOCTYPE html>") {
		t.Errorf("not a page: %.300s", rec.Body)
	} else if !strings.Contains(rec.Body.String(), rec.Header().Get("X-Request-Id")) {
		t.Error("the page does not name the request")
	}
	rec := w.expect(http.StatusNotFound, a.htmx())
	if strings.Contains(rec.Body.String(), "<html") {
		t.Error("htmx got a whole page")
	}
	rec = w.expect(http.StatusMethodNotAllowed, ask{method: "PATCH", path: "/jobs"}.with("Cookie", cookie))
	if w.problem(rec); !strings.Contains(rec.Header().Get("Allow"), "POST") {
		t.Errorf("Allow %q", rec.Header().Get("Allow"))
	}
	w.expect(http.StatusMethodNotAllowed, ask{method: "PATCH", path: "/jobs"}.page())
}

// TestPanicsAreErrors: nobody sees more of a panic than that there was one.
func TestPanicsAreErrors(t *testing.T) {
	w := newWorld(t)
	w.server.echo.GET("/panic", func(echo.Context) error { panic("secret thing") })
	for _, a := range []ask{{path: "/panic"}, ask{path: "/panic"}.page(), ask{path: "/panic"}.htmx()} {
		rec := w.expect(http.StatusInternalServerError, a)
		if strings.Contains(rec.Body.String(), "secret") || strings.Contains(rec.Body.String(), "goroutine") {
			t.Errorf("it tells: %.300s", rec.Body)
		}
		if id := rec.Header().Get("X-Request-Id"); !strings.Contains(w.log.String(), id) {
			t.Error("the log does not name the request")
		}
	}
	if !strings.Contains(w.log.String(), "secret thing") {
		t.Error("the log does not say what happened")
	}
}

func TestFlashIsText(t *testing.T) {
	w := newWorld(t)
	cookie := w.logIn("admin", adminPassword)
	for planted, forbidden := range map[string]string{
		`{"Kind":"info","Text":"<script>alert(1)</script>","Href":"javascript:alert(1)","Link":"x"}`: "<script>alert(1)",
		`{"Kind":"info","Text":"x","Href":"//evil.example","Link":"x"}`:                              "evil.example",
		`not JSON`: "not JSON",
	} {
		flash := flashCookie + "=" + base64.RawURLEncoding.EncodeToString([]byte(planted))
		rec := w.expect(http.StatusOK, ask{path: "/jobs"}.page().with("Cookie", cookie+"; "+flash))
		if strings.Contains(rec.Body.String(), forbidden) {
			t.Errorf("%s is in the page", forbidden)
		}
	}
	w.expect(http.StatusOK, ask{path: "/jobs"}.page().with("Cookie", cookie+"; "+flashCookie+"=%%%"))
}

func TestGzip(t *testing.T) {
	w := newWorld(t)
	rec := w.expect(http.StatusOK, ask{path: "/openapi.json"}.with("Accept-Encoding", "gzip"))
	if rec.Header().Get("Content-Encoding") != "gzip" {
		t.Error("JSON is not compressed")
	}
	w.job("one")
	e := w.finished("one", strings.Repeat("line\n", 10_000))
	rec = w.expect(http.StatusOK, ask{path: "/executions/" + e.ID + "/output", as: scheduler.Viewer}.with("Accept-Encoding", "gzip"))
	if rec.Header().Get("Content-Encoding") != "" || rec.Body.Len() != 50_000 {
		t.Error("output is compressed")
	}
}

// TestCellsStayAsTheyAre: a file's cells have their own line ends, whatever ends its
// rows.
func TestCellsStayAsTheyAre(t *testing.T) {
	got := string(csvOf([][]string{{"a", "b\nc"}, {"d\r\ne", "=f\rg"}, {"", "h"}}))
	if want := "a,\"b\nc\"\r\n\"d\r\ne\",\"'=f\rg\"\r\n,h\r\n"; got != want {
		t.Errorf("the file is %q, expected %q", got, want)
	}
}

func TestHeadIsGet(t *testing.T) {
	w := newWorld(t)
	w.job("one")
	for _, path := range []string{"/jobs", "/jobs/one", "/", "/openapi.json", "/robots.txt"} {
		w.expect(http.StatusOK, ask{method: "HEAD", path: path, as: scheduler.Viewer})
	}
	w.expect(http.StatusMethodNotAllowed, ask{method: "HEAD", path: "/events", as: scheduler.Viewer})
}
