package handlers

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"belfry/scheduler"
)

// TestNonsenseJSON: each answer is a problem document which says what is wrong.
func TestNonsenseJSON(t *testing.T) {
	w := newWorld(t)
	long := strings.Repeat("x", 100_000)
	for body, want := range map[string]struct {
		status int
		says   string
	}{
		``:                              {400, "ends too early"},
		`{`:                             {400, "ends too early"},
		`{"name":"a"`:                   {400, "ends too early"},
		`{"name":}`:                     {400, "not valid JSON"},
		`{name:"a"}`:                    {400, "not valid JSON"},
		`{"name":"a",}`:                 {400, "not valid JSON"},
		`{"name":"a"} {"name":"b"}`:     {400, "goes on after"},
		`{"name":"a"} x`:                {400, "goes on after"},
		`[]`:                            {400, "must be an object"},
		`"text"`:                        {400, "must be an object"},
		`7`:                             {400, "must be an object"},
		`{"name":7}`:                    {400, "name|must be a text in quotes, not number"},
		`{"name":["a"]}`:                {400, "name|must be a text in quotes, not array"},
		`{"enabled":"yes"}`:             {400, "enabled|must be true or false"},
		`{"retries":"3"}`:               {400, "retries|must be a whole number"},
		`{"retries":1.5}`:               {400, "retries|must be a whole number"},
		`{"retries":1e99}`:              {400, "retries|must be a whole number"},
		`{"retry":7}`:                   {400, "retry|must be an object"},
		`{"retry":{"delay":5}}`:         {400, "retry.delay|must be a text in quotes"},
		`{"schedules":{}}`:              {400, "schedules|must be a list"},
		`{"schedules":[{"texts":"x"}]}`: {400, "schedules.texts|is not a field"},
		`{"nme":"a"}`:                   {400, "nme|is not a field"},
		`{"Name":"a"}`:                  {400, "Name|is not a field"},
		`{"name":"a","name":"b"}`:       {400, "name|is given twice"},
		`{"config":{"a":1,"a":2}}`:      {400, "config.a|is given twice"},
		`{"` + long + `":1}`:            {400, "…|is not a field"},
		`{"config":` + strings.Repeat(`[`, 100_000):           {400, "nested"},
		"{\"name\":\"bad\xff\"}":                              {400, "not valid UTF-8"},
		"{\"na\xffme\":\"a\"}":                                {400, "not valid UTF-8"},
		`{"name":"a\ud800"}`:                                  {400, `\ud800, which is half a character, at byte 10`},
		`{"name":"\ud83d\u0041"}`:                             {400, "half a character"},
		`{"name":"\udc00\ud83d\ude00"}`:                       {400, "half a character"},
		`{"config":{"command":"\uD800"}}`:                     {400, "half a character"},
		`{"nme":"\ud83d\ude00\\ud800"}`:                       {400, "nme|is not a field"},
		`null`:                                                {422, "name|is required"},
		`{}`:                                                  {422, "name|is required"},
		`{"name":"a\u0000b"}`:                                 {422, "name|control character"},
		`{"name":"a\u0007b"}`:                                 {422, "name|control character"},
		`{"name":"` + long + `"}`:                             {422, "name|too long"},
		`{"schedule":"` + long + `"}`:                         {422, "schedule|characters"},
		`{"schedule":"* * * * * * * *"}`:                      {422, "schedule|"},
		`{"schedule":"<script>"}`:                             {422, "schedule|"},
		`{"timezone":"../../etc/passwd","schedule":"@daily"}`: {422, "timezone|"},
		`{"executor":"rm"}`:                                   {422, "executor|is not known"},
		`{"config":"text"}`:                                   {422, "config|must be a JSON object"},
		`{"config":null}`:                                     {422, "config.command|is required"},
		`{"concurrency":"maybe"}`:                             {422, "concurrency|"},
		`{"retries":-1}`:                                      {422, "retries|"},
		`{"timeout":"-5s"}`:                                   {422, "timeout|"},
		`{"timeout":"30"}`:                                    {422, "timeout|is not a duration"},
		`{"timeout":"999999h"}`:                               {422, "timeout|"},
		`{"retry":{"factor":0.5}}`:                            {422, "retry.factor|"},
		"\xff\xfe":                                            {400, "not valid UTF-8"},
	} {
		for _, method := range []string{"POST /jobs", "PUT /jobs/nobody"} {
			verb, path, _ := strings.Cut(method, " ")
			if verb == "PUT" {
				w.job("nobody")
			}
			a := ask{method: verb, path: path, as: scheduler.Editor, body: body}.with("Content-Type", "application/json")
			rec := w.do(a)
			if verb == "PUT" {
				w.expect(http.StatusNoContent, ask{method: "DELETE", path: path, as: scheduler.Editor})
			}
			if rec.Code == http.StatusUnprocessableEntity && verb == "PUT" && strings.HasPrefix(want.says, "name|is required") {
				continue // PUT takes the name of the address
			}
			p := w.problem(rec)
			said := p.Detail
			for _, e := range p.Errors {
				said += "\n" + e.Field + "|" + e.Message
			}
			field, words, isField := strings.Cut(want.says, "|")
			ok := strings.Contains(said, want.says)
			if isField {
				ok = false
				for _, e := range p.Errors {
					ok = ok || strings.HasSuffix(e.Field, field) && strings.Contains(e.Message, words)
				}
			}
			if rec.Code != want.status || !ok {
				t.Errorf("%s %.80q: status %d, %.500s", method, body, rec.Code, said)
			}
			if len(rec.Body.String()) > 2000 {
				t.Errorf("%.80q: the answer has %d bytes", body, rec.Body.Len())
			}
		}
	}
}

func TestNonsenseForms(t *testing.T) {
	w := newWorld(t)
	send := func(kind, body string) ask {
		return ask{method: "POST", path: "/jobs", as: scheduler.Editor, body: body}.with("Content-Type", kind)
	}
	const form = "application/x-www-form-urlencoded"
	for _, c := range []struct {
		kind, body string
		status     int
	}{
		{form, "name=%zz", 400},
		{form, "name=a&name=b", 400},
		{form, "name=a;b=c", 400},
		{form, `{"name":"a"}`, 415},
		{form, "", 422},
		{form, "name=%00&config.command=x", 422},
		{form, "name=%ff&config.command=x", 400},
		{form, "name=a&config.command=echo+%ff", 400},
		{form, "name=a&%ff=x&config.command=x", 400},
		{form, "name=a&retries=many", 422},
		{form, "name=a&version=x&config.command=x", 422},
		{form, "name=a&config=notjson", 422},
		{"multipart/form-data", "x", 400},
		{"multipart/form-data; boundary=x", "no boundary here", 400},
		{"text/plain", "name=a", 415},
		{"application/xml", "<name/>", 415},
		{";;;", "x", 415},
		{"", "x", 415},
	} {
		if rec := w.do(send(c.kind, c.body)); rec.Code != c.status {
			t.Errorf("%s %q: status %d, %.300s", c.kind, c.body, rec.Code, rec.Body)
		} else {
			w.problem(rec)
		}
	}
}

func TestNonsenseQueries(t *testing.T) {
	w := newWorld(t)
	for path, field := range map[string]string{
		"/jobs?limit=abc": "limit", "/jobs?limit=0": "limit", "/jobs?limit=-1": "limit", "/jobs?limit=1001": "limit", "/jobs?limit=1e3": "limit",
		"/jobs?limit=99999999999999999999": "limit", "/jobs?offset=-1": "offset", "/jobs?offset=x": "offset", "/jobs?offset=99999999999": "offset",
		"/jobs?sort=color": "sort", "/jobs?sort=name;drop": "query", "/jobs?state=unknown": "state", "/jobs?enabled=maybe": "enabled",
		"/jobs?executor=rm": "executor", "/jobs?q=%00": "q", "/jobs?q=%ff": "q", "/jobs?q=%zz": "query", "/jobs?q=" + strings.Repeat("x", 501): "q",
		"/jobs?origin=mars": "origin", "/executions?state=failed,unknown": "state", "/executions?trigger=magic": "trigger",
		"/executions?from=yesterday": "from", "/executions?to=2026-13-01": "to", "/executions?worker=%07": "worker", "/executions?sort=took": "sort", "/workers?sort=tags": "sort",
		"/jobs?metadata.owner=a%07b": "metadata.owner", "/jobs?metadata.a%0Ab=c": "metadata", "/jobs?metadata.owner=" + strings.Repeat("x", 2001): "metadata.owner",
		"/audit?actor=a&actor=b": "actor", "/jobs?q=a&q=b": "q", "/jobs?limit=1&limit=2": "limit", "/jobs?enabled=true&enabled=true": "enabled",
		"/jobs?sort=name&sort=created": "sort", "/jobs?metadata.a=b&metadata.a=c": "metadata.a", "/executions?exit_code=1&exit_code=2": "exit_code",
		"/executions?from=2026-01-01&from=2026-01-02": "from", "/jobs?format=csv&format=json": "format",
		"/audit?via=bogus": "via", "/audit?from=2026-02-01&to=2026-01-01": "to", "/audit/export?format=csv&from=2026-02-01&to=2026-01-01": "to",
		"/executions?from=2026-02-01&to=2026-01-01": "to", "/workers?state=fine": "state",
	} {
		p := w.problem(w.expect(http.StatusBadRequest, ask{path: path, as: scheduler.Viewer}))
		if len(p.Errors) != 1 || p.Errors[0].Field != field {
			t.Errorf("%.60s: %+v", path, p.Errors)
		}
	}
	w.expect(http.StatusBadRequest, ask{path: "/jobs?limit=abc", as: scheduler.Viewer}.page())
}

func TestNonsensePaths(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{
		"/jobs/../settings/users", "/jobs/a/b/c", "/jobs//edit", "/jobs/", "/jobs/a%2Fb", "/jobs/%2e%2e%2f%2e%2e%2fetc%2fpasswd", "/jobs/%00", "/jobs/%ff",
		"/executions/../../etc/passwd", "/executions/%00/output", "/executions//output", "/executions/a%2Fb/lines", "/" + strings.Repeat("x", 5000),
		"/jobs/" + strings.Repeat("x", 5000), "/static/../server.go", "/static/..%2f..%2fetc/passwd", "/static/%2e%2e/go.mod", "/.git/config", "/JOBS", "/jobs/one/", "/login/",
	} {
		rec := w.do(ask{path: path, as: scheduler.Admin})
		if rec.Code != http.StatusNotFound {
			t.Errorf("%.60s: status %d %.200s", path, rec.Code, rec.Body)
		}
	}
	for _, path := range []string{"/jobs/%00/run", "/executions/%ff/stop", "/settings/users/%00/role", "/settings/tokens/a%2Fb/revoke"} {
		w.problem(w.expect(http.StatusNotFound, ask{method: "POST", path: path, as: scheduler.Admin}))
	}
}

// TestWrongMethods sends every method to every address: nothing but the routes
// answers, and nothing panics.
func TestWrongMethods(t *testing.T) {
	w := newWorld(t)
	known := map[string]bool{}
	for _, r := range w.server.echo.Routes() {
		known[r.Method+" "+r.Path] = true
	}
	for _, r := range w.server.routes() {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND", "NONSENSE"} {
			if known[method+" "+r.path] || strings.Contains(r.path, "*") {
				continue
			}
			path := fill(r.path, "one", "x", "admin")
			rec := w.do(ask{method: method, path: path, as: scheduler.Viewer})
			if rec.Code != http.StatusMethodNotAllowed && rec.Code != http.StatusNotFound && rec.Code != http.StatusForbidden {
				t.Errorf("%s %s: status %d", method, path, rec.Code)
			}
			if rec.Code == http.StatusMethodNotAllowed && rec.Header().Get("Allow") == "" {
				t.Errorf("%s %s: no Allow", method, path)
			}
		}
		if rec := w.do(ask{method: "OPTIONS", path: fill(r.path, "one", "x", "admin")}); rec.Code != http.StatusNoContent || rec.Header().Get("Allow") == "" {
			t.Errorf("OPTIONS %s: status %d, Allow %q", r.path, rec.Code, rec.Header().Get("Allow"))
		}
	}
}

func TestLargeBodies(t *testing.T) {
	w := newWorld(t)
	large := strings.Repeat("x", 10<<20)
	for _, a := range []ask{
		{method: "POST", path: "/jobs", body: `{"name":"` + large + `"}`},
		{method: "POST", path: "/jobs", form: url.Values{"name": {large}}},
		{method: "PUT", path: "/jobs/one", body: large},
		{method: "POST", path: "/login", body: `{"username":"` + large + `"}`},
		{method: "POST", path: "/jobs/one/run", body: large},
		{method: "GET", path: "/jobs", body: large},
	} {
		a.as = scheduler.Admin
		w.problem(w.expect(http.StatusRequestEntityTooLarge, a))
		w.expect(http.StatusRequestEntityTooLarge, a.page())
	}
	// One that does not say how long it is is cut off while it is read.
	w.job("one")
	for _, kind := range []string{"application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"} {
		for _, path := range []string{"/jobs", "/jobs/one", "/settings/users"} {
			body := io.MultiReader(strings.NewReader("--x\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\n"), strings.NewReader(large))
			r := httptest.NewRequestWithContext(t.Context(), "POST", path, body)
			r.ContentLength = -1
			r.Header.Set("Content-Type", kind)
			r.Header.Set("Authorization", "Bearer "+w.token(scheduler.Admin))
			rec := httptest.NewRecorder()
			w.server.ServeHTTP(rec, r)
			if rec.Code != http.StatusRequestEntityTooLarge && rec.Code != http.StatusBadRequest {
				t.Errorf("%s %s: status %d %.200s", kind, path, rec.Code, rec.Body)
			}
		}
	}
}

// TestScriptEverywhere puts markup into everything people can write, and looks
// at every page.
func TestScriptEverywhere(t *testing.T) {
	w := newWorld(t)
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(1)>'`
	body, err := json.Marshal(map[string]any{
		"name": strings.ReplaceAll(evil, "/", "|"), "display_name": evil, "notes": evil, "schedule": "*/5 * * * *",
		"config": map[string]any{"command": evil, "dir": evil, "env": map[string]string{evil: evil}},
	})
	w.must(err)
	w.expect(http.StatusCreated, ask{method: "POST", path: "/jobs", as: scheduler.Editor, body: string(body)})
	name := strings.ReplaceAll(evil, "/", "|")
	e := w.finished(name, evil+"\n\x1b]8;;javascript:alert(1)\x07link\x1b]8;;\x07\n")
	userName := strings.ReplaceAll(strings.ReplaceAll(evil, "/", "|"), ":", "")
	w.must(w.service.CreateUser(t.Context(), scheduler.Server, userName, "12345678", scheduler.Admin))
	w.must(w.service.CreateToken(t.Context(), scheduler.Server, name, scheduler.Viewer, 0))
	cookie := w.logIn(userName, "12345678")
	for _, path := range []string{
		"/", "/jobs", "/jobs?q=" + url.QueryEscape(evil), "/jobs/" + url.PathEscape(name), "/jobs/" + url.PathEscape(name) + "/edit", "/executions",
		"/executions?job=" + url.QueryEscape(evil) + "&from=" + url.QueryEscape(evil), "/executions/" + e.ID, "/settings/users", "/settings/tokens",
		"/jobs/preview?schedule=" + url.QueryEscape(evil) + "&timezone=" + url.QueryEscape(evil), "/" + url.PathEscape(evil), "/login?next=" + url.QueryEscape(evil),
	} {
		for _, a := range []ask{ask{path: path}.page(), ask{path: path}.htmx()} {
			rec := w.do(a.with("Cookie", cookie))
			if html := rec.Body.String(); rec.Code >= 500 || strings.Contains(html, "<script>alert") || strings.Contains(html, "<img") || strings.Contains(html, `href="javascript:`) {
				t.Errorf("%s: status %d, or markup that is not ours", path, rec.Code)
			}
		}
	}
	form := url.Values{"name": {evil}, "display_name": {evil}, "notes": {evil}, "schedule": {evil}, "timezone": {evil}, "config.command": {evil}, "config.env": {evil}, "timeout": {evil}, "version": {evil}, "retries": {evil}}
	rec := w.expect(http.StatusUnprocessableEntity, ask{method: "POST", path: "/jobs", form: form}.page().with("Cookie", cookie))
	if html := rec.Body.String(); strings.Contains(html, "<script>alert") || strings.Contains(html, "<img") {
		t.Error("the form has markup that is not ours")
	}
	rec = w.do(ask{method: "POST", path: "/login", form: url.Values{"username": {evil}, "password": {evil}, "next": {evil}}}.page())
	if html := rec.Body.String(); strings.Contains(html, "<script>alert") || strings.Contains(html, "<img") {
		t.Error("the login page has markup that is not ours")
	}
}

// TestNonsenseOnTheWire is what does not come through httptest's requests.
func TestNonsenseOnTheWire(t *testing.T) {
	w := newWorld(t)
	server := httptest.NewServer(w.server)
	defer server.Close()
	for name, raw := range map[string]string{
		"bad percent-encoding": "GET /jobs/%zz HTTP/1.1\r\nHost: x\r\n\r\n",
		"huge header":          "GET /jobs HTTP/1.1\r\nHost: x\r\nX-Big: " + strings.Repeat("x", 2<<20) + "\r\n\r\n",
		"control characters":   "GET /jobs/\x01 HTTP/1.1\r\nHost: x\r\n\r\n",
		"no HTTP":              "\x16\x03\x01\r\n\r\n",
		"header with NUL":      "GET /jobs HTTP/1.1\r\nHost: x\r\nCookie: a=\x00\r\n\r\n",
		"asterisk":             "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
		"absolute":             "GET http://evil.example/jobs HTTP/1.1\r\nHost: x\r\n\r\n",
		"authority":            "CONNECT evil.example:80 HTTP/1.1\r\nHost: x\r\n\r\n",
		"many cookies":         "GET /jobs HTTP/1.1\r\nHost: x\r\nCookie: " + strings.Repeat("belfry_session=x; ", 4000) + "\r\n\r\n",
		"odd names":            "GET /jobs/%F0%9F%92%A9%2F..%2f HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			go func() { _, _ = io.WriteString(conn, raw) }()
			answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				return // the server may cut it off
			}
			defer answer.Body.Close()
			if answer.StatusCode >= 500 && answer.StatusCode != http.StatusNotImplemented {
				t.Errorf("status %d", answer.StatusCode)
			}
			if strings.Contains(w.log.String(), "panic") {
				t.Error("it panicked")
			}
		})
	}
}

func TestRobotsAndIcon(t *testing.T) {
	w := newWorld(t)
	if rec := w.expect(http.StatusOK, ask{path: "/robots.txt"}); !strings.Contains(rec.Body.String(), "Disallow: /") {
		t.Errorf("%s", rec.Body)
	}
	if rec := w.expect(http.StatusFound, ask{path: "/favicon.ico"}); !strings.HasPrefix(rec.Header().Get("Location"), "/static/") {
		t.Errorf("to %q", rec.Header().Get("Location"))
	}
}
