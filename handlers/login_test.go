package handlers

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"belfry/scheduler"
)

func TestLogInAndOut(t *testing.T) {
	w := newWorld(t)
	rec := w.expect(http.StatusSeeOther, ask{method: "POST", path: "/login", form: url.Values{
		"username": {"admin"}, "password": {adminPassword}, "next": {"/jobs?q=x"},
	}}.page())
	if got := rec.Header().Get("Location"); got != "/jobs?q=x" {
		t.Errorf("after the login to %q", got)
	}
	cookie := rec.Result().Cookies()[0]
	if cookie.Name != "belfry_session" || !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.Secure || cookie.Path != "/" {
		t.Errorf("cookie %s", cookie)
	}
	session := cookie.Name + "=" + cookie.Value
	w.expect(http.StatusOK, ask{path: "/jobs"}.with("Cookie", session))
	w.expect(http.StatusOK, ask{path: "/"}.page().with("Cookie", session))
	if rec := w.do(ask{path: "/login?next=/executions"}.page().with("Cookie", session)); rec.Header().Get("Location") != "/executions" {
		t.Errorf("the login page with a session: %d to %q", rec.Code, rec.Header().Get("Location"))
	}

	rec = w.expect(http.StatusSeeOther, ask{method: "POST", path: "/logout"}.with("Cookie", session))
	if c := rec.Result().Cookies()[0]; c.Name != cookie.Name || c.MaxAge >= 0 {
		t.Errorf("the logout leaves the cookie: %s", c)
	}
	w.expect(http.StatusUnauthorized, ask{path: "/jobs"}.with("Cookie", session))
	w.expect(http.StatusSeeOther, ask{method: "POST", path: "/logout"}.with("Cookie", session))
	w.expect(http.StatusSeeOther, ask{method: "POST", path: "/logout"})
}

func TestWrongLogin(t *testing.T) {
	w := newWorld(t)
	bad := ask{method: "POST", path: "/login", form: url.Values{"username": {"admin"}, "password": {"wrong"}, "next": {"/jobs"}}}
	unknown := ask{method: "POST", path: "/login", body: `{"username":"nobody","password":"wrong"}`}
	known := w.problem(w.expect(http.StatusUnauthorized, bad)).Detail
	if got := w.problem(w.expect(http.StatusUnauthorized, unknown)).Detail; got != known {
		t.Errorf("an unknown name says %q, a wrong password %q", got, known)
	}
	rec := w.expect(http.StatusUnauthorized, bad.page())
	for _, part := range []string{`value="admin"`, `value="/jobs"`, known} {
		if !strings.Contains(rec.Body.String(), part) {
			t.Errorf("the page lacks %q", part)
		}
	}
	if strings.Contains(rec.Body.String(), "wrong\"") {
		t.Error("the page repeats the password")
	}
	for name, status := range map[string]int{"\x00": http.StatusUnauthorized, "\xff": http.StatusBadRequest, strings.Repeat("x", 100_000): http.StatusUnauthorized} {
		w.expect(status, ask{method: "POST", path: "/login", form: url.Values{"username": {name}, "password": {"x"}}, from: "192.0.2.77:1"})
	}
}

func TestNextIsLocal(t *testing.T) {
	for next, want := range map[string]string{
		"/jobs": "/jobs", "/jobs?q=a%20b#x": "/jobs?q=a%20b#x", "": "/", "jobs": "/", "//evil.example": "/", `/\evil.example`: "/",
		"https://evil.example/": "/", "/\t/evil.example": "/", "/a\nb": "/", "/login": "/", "/login?next=/login": "/", "/logout": "/",
		"javascript:alert(1)": "/", "/%zz": "/", "/" + strings.Repeat("x", 3000): "/", "/jobs/caf%C3%A9": "/jobs/caf%C3%A9",
	} {
		if got := localPath(next); got != want {
			t.Errorf("localPath(%.50q) = %.50q, expected %q", next, got, want)
		}
	}
}

// TestSessionIsReplaced: a planted token is worth nothing after the login, and
// logging in again ends the session before.
func TestSessionIsReplaced(t *testing.T) {
	w := newWorld(t)
	planted := "belfry_session=" + strings.Repeat("A", 43)
	login := ask{method: "POST", path: "/login", form: url.Values{"username": {"admin"}, "password": {adminPassword}}}
	rec := w.expect(http.StatusSeeOther, login.with("Cookie", planted))
	first := "belfry_session=" + rec.Result().Cookies()[0].Value
	if first == planted {
		t.Error("the login kept the token that the browser came with")
	}
	w.expect(http.StatusUnauthorized, ask{path: "/jobs"}.with("Cookie", planted))
	rec = w.expect(http.StatusSeeOther, login.with("Cookie", first))
	second := "belfry_session=" + rec.Result().Cookies()[0].Value
	w.expect(http.StatusUnauthorized, ask{path: "/jobs"}.with("Cookie", first))
	w.expect(http.StatusOK, ask{path: "/jobs"}.with("Cookie", second))
	if data, found, _ := w.store.SessionData(t.Context(), strings.TrimPrefix(second, "belfry_session=")); found {
		t.Errorf("the store has the token itself, not its hash: %q", data)
	}
}

func TestSessionsEnd(t *testing.T) {
	for name, end := range map[string]func(*world){
		"password changed": func(w *world) {
			w.must(w.service.SetPassword(w.t.Context(), scheduler.Server, "bob", "another one"))
		},
		"user deleted":  func(w *world) { w.must(w.service.DeleteUser(w.t.Context(), scheduler.Server, "bob")) },
		"lifetime over": func(w *world) { w.clock.pass(8 * 24 * time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.must(w.service.CreateUser(t.Context(), scheduler.Server, "bob", "12345678", scheduler.Viewer))
			cookie := w.logIn("bob", "12345678")
			w.expect(http.StatusOK, ask{path: "/jobs"}.with("Cookie", cookie))
			end(w)
			w.expect(http.StatusUnauthorized, ask{path: "/jobs"}.with("Cookie", cookie))
		})
	}
}

func TestRoleChangesAtOnce(t *testing.T) {
	w := newWorld(t)
	w.must(w.service.CreateUser(t.Context(), scheduler.Server, "bob", "12345678", scheduler.Editor))
	cookie := w.logIn("bob", "12345678")
	w.expect(http.StatusOK, ask{path: "/jobs/new"}.page().with("Cookie", cookie))
	w.must(w.service.SetRole(t.Context(), scheduler.Server, "bob", scheduler.Viewer))
	w.expect(http.StatusForbidden, ask{path: "/jobs/new"}.page().with("Cookie", cookie))
}

func TestThreeWaysToAsk(t *testing.T) {
	w := newWorld(t)
	cookie := w.logIn("admin", adminPassword)
	ways := map[string]ask{
		"session": ask{path: "/jobs"}.with("Cookie", cookie),
		"token":   {path: "/jobs", as: scheduler.Viewer},
		"basic":   ask{path: "/jobs"}.with("Authorization", "Basic YWRtaW46Y29ycmVjdCBob3JzZSBiYXR0ZXJ5"),
	}
	for name, a := range ways {
		for _, accept := range []string{"application/json", "*/*", "text/html"} {
			a := a.with("Accept", accept)
			rec := w.expect(http.StatusOK, a)
			html := strings.HasPrefix(rec.Header().Get("Content-Type"), "text/html")
			if html != (accept == "text/html") {
				t.Errorf("%s with Accept %s: %s", name, accept, rec.Header().Get("Content-Type"))
			}
		}
	}
	// What the request itself says comes before the cookie.
	w.expect(http.StatusUnauthorized, ways["session"].with("Authorization", "Bearer bfy_wrong"))
}

func TestWithoutAuthentication(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.AuthNone = true })
	w.expect(http.StatusOK, ask{path: "/settings/users"}.page())
	rec := w.expect(http.StatusCreated, ask{method: "POST", path: "/jobs", body: `{"name":"a","config":{"command":"true"}}`})
	if rec.Header().Get("Location") != "/jobs/a" {
		t.Errorf("Location %q", rec.Header().Get("Location"))
	}
	entries, _, err := w.store.ListAudit(t.Context(), scheduler.AuditFilter{Limit: 1})
	w.must(err)
	if e := entries[0]; e.Actor != "anonymous" || e.Via != scheduler.ViaOpen || e.From != "192.0.2.1" {
		t.Errorf("audit: %+v", e)
	}
	if rec := w.do(ask{path: "/login"}.page()); rec.Code != http.StatusSeeOther {
		t.Errorf("the login page: %d", rec.Code)
	}
	// Flashes work without sessions.
	rec = w.expect(http.StatusSeeOther, ask{method: "POST", path: "/jobs/a/disable"}.page())
	flash := rec.Result().Cookies()[0]
	rec = w.expect(http.StatusOK, ask{path: "/jobs/a"}.page().with("Cookie", flash.Name+"="+flash.Value))
	if !strings.Contains(rec.Body.String(), "Disabled a.") {
		t.Error("the page does not say what was done")
	}
	if c := rec.Result().Cookies(); len(c) != 1 || c[0].MaxAge >= 0 {
		t.Errorf("the flash stays: %v", c)
	}
	// Another site's page still may not use it.
	w.expect(http.StatusForbidden, ask{method: "POST", path: "/jobs/a/run"}.with("Sec-Fetch-Site", "cross-site"))
}

func TestCrossOrigin(t *testing.T) {
	w := newWorld(t)
	w.job("one")
	cookie := w.logIn("admin", adminPassword)
	run := ask{method: "POST", path: "/jobs/one/run"}.with("Cookie", cookie)
	cases := []struct {
		name, value string
		status      int
	}{
		{"Sec-Fetch-Site", "same-origin", http.StatusAccepted},
		{"Sec-Fetch-Site", "none", http.StatusAccepted},
		{"Sec-Fetch-Site", "cross-site", http.StatusForbidden},
		{"Sec-Fetch-Site", "same-site", http.StatusForbidden},
		{"Origin", "http://example.com", http.StatusAccepted}, // httptest's host
		{"Origin", "https://evil.example", http.StatusForbidden},
		{"Origin", "null", http.StatusForbidden},
		{"X-Nothing", "at all", http.StatusAccepted},
	}
	for _, c := range cases {
		w.expect(c.status, run.with(c.name, c.value))
	}
	w.problem(w.do(run.with("Sec-Fetch-Site", "cross-site")))
	w.expect(http.StatusForbidden, ask{method: "POST", path: "/login", form: url.Values{}}.with("Sec-Fetch-Site", "cross-site"))
	w.expect(http.StatusOK, ask{path: "/jobs"}.with("Cookie", cookie).with("Sec-Fetch-Site", "cross-site")) // a link
}

func TestGuessingIsThrottled(t *testing.T) {
	w := newWorld(t)
	w.must(w.service.CreateUser(t.Context(), scheduler.Server, "bob", "12345678", scheduler.Viewer))
	guess := func(name, from string) ask {
		return ask{method: "POST", path: "/login", from: from + ":1", form: url.Values{"username": {name}, "password": {"guess"}}}
	}
	for range accountBurst {
		w.expect(http.StatusUnauthorized, guess("bob", "192.0.2.9"))
	}
	rec := w.expect(http.StatusTooManyRequests, guess("bob", "192.0.2.9"))
	if w.problem(rec); rec.Header().Get("Retry-After") != "12" {
		t.Errorf("Retry-After %q", rec.Header().Get("Retry-After"))
	}
	if rec := w.expect(http.StatusTooManyRequests, guess("bob", "192.0.2.9").page()); !strings.Contains(rec.Body.String(), "too many attempts") {
		t.Error("the page does not say why")
	}
	// Basic is the same door; another address, or another account, is another one.
	w.expect(http.StatusTooManyRequests, ask{path: "/jobs", from: "192.0.2.9:1"}.with("Authorization", "Basic Ym9iOmd1ZXNz"))
	w.expect(http.StatusUnauthorized, guess("bob", "192.0.2.10"))
	w.expect(http.StatusUnauthorized, guess("admin", "192.0.2.9"))
	// The right password does not help who has used up the attempts, until time passes.
	right := ask{method: "POST", path: "/login", from: "192.0.2.9:1", form: url.Values{"username": {"bob"}, "password": {"12345678"}}}
	w.expect(http.StatusTooManyRequests, right)
	w.clock.pass(13 * time.Second)
	w.expect(http.StatusSeeOther, right)
	w.expect(http.StatusUnauthorized, guess("bob", "192.0.2.9")) // being right cost nothing
	w.expect(http.StatusTooManyRequests, guess("bob", "192.0.2.9"))
}

func TestGuessingAtManyAccountsIsThrottled(t *testing.T) {
	w := newWorld(t)
	denied := 0
	for i := range addressBurst + 5 {
		// All of one network of IPv6: whoever has one address has all of them.
		from := netip.AddrPortFrom(netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: byte(i)}), 1).String()
		rec := w.do(ask{method: "POST", path: "/login", from: from, form: url.Values{"username": {"user" + string(rune('a'+i))}, "password": {"x"}}})
		if rec.Code == http.StatusTooManyRequests {
			denied++
		}
	}
	if denied != 5 {
		t.Errorf("%d attempts were refused, expected 5", denied)
	}
}

func TestRightPasswordsAreNotThrottled(t *testing.T) {
	w := newWorld(t)
	basic := ask{path: "/jobs"}.with("Authorization", "Basic YWRtaW46Y29ycmVjdCBob3JzZSBiYXR0ZXJ5")
	for range 5 * addressBurst {
		w.expect(http.StatusOK, basic)
	}
	w.must(w.service.SetPassword(t.Context(), scheduler.Server, "admin", "something else"))
	for range accountBurst {
		w.expect(http.StatusUnauthorized, basic)
	}
	w.expect(http.StatusTooManyRequests, basic)
}

func TestThrottleForgets(t *testing.T) {
	th := newThrottle(time.Now)
	for i := range 5 * recentMost {
		th.remember(string(rune(i)))
	}
	if n := len(th.right.young) + len(th.right.old); n > 2*recentMost {
		t.Errorf("it remembers %d", n)
	}
}

func TestTrustedProxies(t *testing.T) {
	for name, c := range map[string]struct {
		trusted []netip.Prefix
		want    string
	}{
		"nobody":    {nil, "192.0.2.1"},
		"the peer":  {[]netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, "203.0.113.7"},
		"elsewhere": {[]netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}, "192.0.2.1"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(o *Options) { o.TrustedProxies = c.trusted })
			w.expect(http.StatusOK, ask{path: "/jobs", as: scheduler.Viewer}.with("X-Forwarded-For", "10.0.0.1, 203.0.113.7"))
			if !strings.Contains(w.log.String(), "from="+c.want+" ") {
				t.Errorf("the log has another address: %s", w.log)
			}
		})
	}
}

func TestSecureCookies(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.SecureCookies = true })
	cookie := w.logIn("admin", adminPassword)
	if !strings.HasPrefix(cookie, "__Host-") {
		t.Errorf("cookie %q", cookie)
	}
	rec := w.expect(http.StatusOK, ask{path: "/jobs"}.with("Cookie", cookie))
	if rec.Header().Get("Strict-Transport-Security") == "" {
		t.Error("no Strict-Transport-Security")
	}
}

func TestLogHasNoSecrets(t *testing.T) {
	w := newWorld(t)
	cookie := w.logIn("admin", adminPassword)
	w.expect(http.StatusOK, ask{path: "/jobs?q=geheim", as: scheduler.Viewer})
	w.expect(http.StatusOK, ask{path: "/jobs"}.with("Cookie", cookie))
	for _, secret := range []string{"geheim", w.token(scheduler.Viewer), adminPassword, strings.TrimPrefix(cookie, "belfry_session=")} {
		if strings.Contains(w.log.String(), secret) {
			t.Errorf("the log has %q", secret)
		}
	}
}
