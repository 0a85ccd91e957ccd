package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestOfeliaRateLimit: 110 requests at once, then 429 with when to come back; each
// token has a count of its own, and every answer says what is left.
func TestOfeliaRateLimit(t *testing.T) {
	t.Parallel()
	s := ofeliaServer(t, t.TempDir(), "--api-rate-limit", "100")
	nobody := s.nobody(t)
	one := nobody.with("Authorization", "Bearer "+s.cli("", "token", "create", "--role", "admin", "one"))
	two := nobody.with("Authorization", "Bearer "+s.cli("", "token", "create", "--role", "admin", "two"))
	began, good := time.Now(), 0
	var last said
	for range 130 {
		if last = one.do("GET", "/api/scheduler/status", nil); last.status != 200 {
			break
		}
		good++
		if left := rateHeaders(t, last); good == 1 && left != 99 || good >= 100+int(time.Since(began)/600/time.Millisecond)+1 && left != 0 {
			t.Errorf("after %d requests %d are left", good, left)
		}
	}
	refilled := int(time.Since(began).Seconds()*100/60) + 1
	if good < 110 || good > 110+refilled {
		t.Errorf("%d requests at once, want 110", good)
	}
	last.refusal(429, "RATE_LIMITED")
	rateHeaders(t, last)
	if after, err := strconv.Atoi(last.header.Get("Retry-After")); err != nil || after < 1 || after > 2 {
		t.Errorf("Retry-After is %q", last.header.Get("Retry-After"))
	}
	if left := rateHeaders(t, two.want(200, "GET", "/api/jobs", nil)); left != 99 {
		t.Errorf("another token has %d left", left)
	}
	// Answers that are errors are counted and say so, too.
	for _, a := range []said{
		nobody.want(401, "GET", "/api/jobs", nil), two.want(404, "GET", "/api/nothing", nil), two.want(405, "DELETE", "/api/jobs", nil),
		nobody.with("Authorization", "Bearer nonsense").want(401, "GET", "/api/jobs", nil),
		nobody.want(401, "GET", "/api/ws", nil), nobody.want(404, "GET", "/api", nil),
	} {
		rateHeaders(t, a)
	}
	// Only this dialect is limited, and not its health.
	for _, path := range []string{"/health/liveness", "/metrics", "/openapi.json"} {
		if a := one.do("GET", path, nil); a.status != 200 || a.header.Get("X-RateLimit-Limit") != "" {
			t.Errorf("%s: %d with %q", path, a.status, a.header.Get("X-RateLimit-Limit"))
		}
	}
	// Who guesses tokens runs out by the address.
	for i := 0; ; i++ {
		a := nobody.with("Authorization", fmt.Sprint("Bearer ", i)).do("GET", "/api/jobs", nil)
		if a.status == 429 {
			break
		}
		if a.status != 401 || i > 150 {
			t.Fatalf("guess %d: %d", i, a.status)
		}
	}
}

func TestOfeliaWithoutARateLimit(t *testing.T) {
	t.Parallel()
	s := ofeliaServer(t, t.TempDir(), "--api-rate-limit", "0")
	token := s.nobody(t).with("Authorization", "Bearer "+s.cli("", "token", "create", "--role", "viewer", "one"))
	for range 150 {
		if a := token.want(200, "GET", "/api/jobs", nil); a.header.Get("X-RateLimit-Limit") != "" {
			t.Fatal("there is no limit, and the answer has one")
		}
	}
}

// TestOfeliaLoginThrottle: five wrong passwords a minute for one user and address;
// then the right one is refused as well, also when there is no limit of requests.
func TestOfeliaLoginThrottle(t *testing.T) {
	t.Parallel()
	s := ofeliaServer(t, t.TempDir())
	s.cli("a long password\n", "user", "add", "--role", "viewer", "ann")
	guess := func(name, password string) said {
		return s.nobody(t).do("POST", "/api/login", object{"username": name, "password": password})
	}
	for range 5 {
		guess("admin", "wrong").refusal(401, "UNAUTHORIZED")
	}
	for _, password := range []string{"wrong", "secret"} {
		a := guess("admin", password)
		a.refusal(429, "RATE_LIMITED")
		if after, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || after < 1 || after > 60 {
			t.Errorf("Retry-After is %q", a.header.Get("Retry-After"))
		}
	}
	s.nobody(t).login("ann", "a long password")
}

// TestOfeliaCORS: pages of the sites that [cors] names may use the API, others may
// not; without the section nobody may.
func TestOfeliaCORS(t *testing.T) {
	t.Parallel()
	config := filepath.Join(t.TempDir(), "cors.ini")
	writeFile(t, config, `
[cors]
allowed-origins = http://localhost:3000
allowed-origins = https://app.example.com
allowed-methods = GET
allowed-methods = POST
allowed-methods = PUT
allowed-methods = DELETE
allowed-headers = Authorization
allowed-headers = Content-Type
max-age = 86400
`)
	s := ofeliaServer(t, t.TempDir(), "--config", config, "--api-rate-limit", "100")
	admin, friend, stranger := s.admin(t), "https://app.example.com", "https://evil.example.com"
	preflight := func(origin string) said {
		return s.nobody(t).with("Origin", origin).with("Access-Control-Request-Method", "PUT").with("Access-Control-Request-Headers", "authorization").
			want(204, "OPTIONS", "/api/job/x", nil)
	}
	a := preflight(friend)
	rateHeaders(t, a)
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin": friend, "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE",
		"Access-Control-Allow-Headers": "Authorization, Content-Type", "Access-Control-Max-Age": "86400",
		"Access-Control-Allow-Credentials": "", "Vary": "Origin",
	} {
		if got := a.header.Get(name); got != want {
			t.Errorf("a preflight says %s %q, want %q", name, got, want)
		}
	}
	if a := preflight(stranger); a.header.Get("Access-Control-Allow-Origin") != "" || a.header.Get("Access-Control-Allow-Methods") != "" || len(a.body) > 0 {
		t.Errorf("the preflight of a stranger: %v %s", a.header, a.body)
	}
	a = admin.with("Origin", friend).want(200, "GET", "/api/jobs", nil)
	if a.header.Get("Access-Control-Allow-Origin") != friend || !strings.Contains(a.header.Get("Access-Control-Expose-Headers"), "X-RateLimit-Remaining") {
		t.Errorf("an answer to a friend: %v", a.header)
	}
	// Errors can be read by the page, too, also those before anybody is known.
	if a = s.nobody(t).with("Origin", friend).want(401, "GET", "/api/jobs", nil); a.header.Get("Access-Control-Allow-Origin") != friend {
		t.Errorf("an error to a friend: %v", a.header)
	}
	if a = admin.with("Origin", stranger).want(200, "GET", "/api/jobs", nil); a.header.Get("Access-Control-Allow-Origin") != "" || a.header.Get("Vary") != "Origin" {
		t.Errorf("an answer to a stranger: %v", a.header)
	}
	job := object{"name": "x", "type": "local", "schedule": "@manual", "command": "true"}
	from := func(origin string) *asker {
		return admin.with("Origin", origin).with("Sec-Fetch-Site", "cross-site")
	}
	from(stranger).refused(403, "FORBIDDEN", "POST", "/api/jobs", job)
	from(friend).want(201, "POST", "/api/jobs", job)

	off := ofeliaServer(t, t.TempDir())
	a = off.nobody(t).with("Origin", friend).with("Access-Control-Request-Method", "PUT").do("OPTIONS", "/api/jobs", nil)
	if a.header.Get("Access-Control-Allow-Origin") != "" || a.header.Get("Allow") == "" {
		t.Errorf("without [cors]: %v", a.header)
	}
}

// TestOfeliaCrossSitePosts: a page of another site can do nothing in the name of who
// looks at it, whatever lets that person in.
func TestOfeliaCrossSitePosts(t *testing.T) {
	t.Parallel()
	closed := ofeliaServer(t, t.TempDir())
	open := ofeliaServer(t, t.TempDir(), "--auth", "none")
	form := `name=x&type=local&schedule=@daily&command=id`
	for _, s := range []*server{closed, open} {
		as := s.nobody(t)
		if s == closed {
			as = as.with("Authorization", basic("admin", "secret"))
		}
		for _, how := range [][2]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://evil.example.com"}} {
			page := as.with(how[0], how[1]).with("Content-Type", "application/x-www-form-urlencoded")
			page.refused(403, "FORBIDDEN", "POST", "/api/jobs", form)
			page.with("Content-Type", "text/plain").refused(403, "FORBIDDEN", "POST", "/api/jobs", `{"name":"x","type":"local","schedule":"@daily","command":"id"}`)
			page.refused(403, "FORBIDDEN", "POST", "/api/scheduler/stop", nil)
			page.with("Content-Type", "text/plain").refused(403, "FORBIDDEN", "POST", "/api/login", `{"username":"admin","password":"secret"}`)
		}
		if total := as.want(200, "GET", "/api/jobs", nil).object()["total"]; total != 0.0 {
			t.Errorf("a page of another site made %v jobs", total)
		}
	}
}

func basic(name, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password))
}

// TestOfeliaTokens: what a login gives is good until it expires, is logged out of,
// or its user is no more; what somebody else signed is never good.
func TestOfeliaTokens(t *testing.T) {
	t.Parallel()
	s := ofeliaServer(t, t.TempDir())
	admin := s.admin(t)
	parts := strings.Split(strings.TrimPrefix(admin.header.Get("Authorization"), "Bearer "), ".")
	var head, claims object
	decodePart(t, parts[0], &head)
	decodePart(t, parts[1], &claims)
	if head["alg"] != "HS256" || claims["sub"] != "admin" || claims["role"] != "admin" || claims["jti"] == "" || claims["exp"] == nil || claims["iat"] == nil {
		t.Errorf("the token says %v %v", head, claims)
	}
	part := func(v object) string {
		b, _ := json.Marshal(v) // of texts and numbers
		return base64.RawURLEncoding.EncodeToString(b)
	}
	claims["role"] = "viewer"
	none := part(object{"alg": "none", "typ": "JWT"})
	for what, token := range map[string]string{
		"alg none":             none + "." + parts[1] + ".",
		"alg none, signed":     none + "." + parts[1] + "." + parts[2],
		"alg HS512":            part(object{"alg": "HS512", "typ": "JWT"}) + "." + parts[1] + "." + parts[2],
		"another key":          parts[0] + "." + parts[1] + "." + strings.Repeat("A", len(parts[2])),
		"other claims":         parts[0] + "." + part(claims) + "." + parts[2],
		"no signature":         parts[0] + "." + parts[1] + ".",
		"two parts":            parts[0] + "." + parts[1],
		"nothing":              "",
		"nonsense":             "..",
		"a login's id":         fmt.Sprint(claims["jti"]),
		"not encoded properly": "!." + parts[1] + "." + parts[2],
	} {
		as := s.nobody(t).with("Authorization", "Bearer "+token)
		if a := as.do("GET", "/api/jobs", nil); a.status != 401 {
			t.Errorf("%s is let in: %d", what, a.status)
		}
		as.refused(401, "UNAUTHORIZED", "POST", "/api/refresh", nil)
	}

	// A refresh leaves the old one good; a logout ends that one only.
	var pass struct{ Token string }
	admin.want(200, "POST", "/api/refresh", nil).into(&pass)
	renewed := s.nobody(t).with("Authorization", "Bearer "+pass.Token)
	if a := admin.want(204, "POST", "/api/logout", nil); len(a.body) > 0 {
		t.Errorf("a logout answers %s", a.body)
	}
	admin.refused(401, "UNAUTHORIZED", "GET", "/api/jobs", nil)
	admin.refused(401, "UNAUTHORIZED", "POST", "/api/refresh", nil)
	renewed.want(200, "GET", "/api/jobs", nil)

	// A token of a server's own, which is no login, cannot be refreshed.
	api := s.nobody(t).with("Authorization", "Bearer "+s.cli("", "token", "create", "--role", "viewer", "v"))
	api.want(200, "GET", "/api/jobs", nil)
	api.refused(401, "UNAUTHORIZED", "POST", "/api/refresh", nil)
	s.cli("", "token", "revoke", "v")
	api.refused(401, "UNAUTHORIZED", "GET", "/api/jobs", nil)

	s.cli("a long password\n", "user", "add", "--role", "operator", "ann")
	ann := s.nobody(t).login("ann", "a long password")
	ann.refused(403, "FORBIDDEN", "DELETE", "/api/job/x", nil)
	renewed.want(204, "DELETE", "/settings/users/ann", nil)
	ann.refused(401, "UNAUTHORIZED", "GET", "/api/jobs", nil)

	// The key outlives a restart, and so do tokens.
	data := dataOf(s)
	s.terminate()
	again := ofeliaServer(t, data)
	(&asker{t: t, s: again, header: renewed.header}).want(200, "GET", "/api/jobs", nil)
}

func decodePart(t *testing.T, part string, into any) {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(part)
	if err == nil {
		err = json.NewDecoder(bytes.NewReader(b)).Decode(into)
	}
	if err != nil {
		t.Fatalf("%v in %s", err, part)
	}
}

func TestOfeliaTokensExpire(t *testing.T) {
	t.Parallel()
	s := ofeliaServer(t, t.TempDir(), "--api-token-ttl", "1s")
	admin := s.admin(t)
	admin.eventually("the token expires", func() bool { return admin.do("GET", "/api/jobs", nil).status == 401 })
	admin.refused(401, "UNAUTHORIZED", "POST", "/api/refresh", nil)
}

// TestOfeliaCredentials: name and password, an API token, and the cookie of the
// pages open this API as well.
func TestOfeliaCredentials(t *testing.T) {
	t.Parallel()
	s := ofeliaServer(t, t.TempDir(), "--metrics-auth")
	nobody := s.nobody(t)
	cookie := nobody.with("Content-Type", "application/x-www-form-urlencoded").want(303, "POST", "/login", "username=admin&password=secret").
		header.Get("Set-Cookie")
	cookie, _, _ = strings.Cut(cookie, ";")
	for what, as := range map[string]*asker{
		"JWT":     s.admin(t),
		"Basic":   nobody.with("Authorization", basic("admin", "secret")),
		"token":   nobody.with("Authorization", "Bearer "+s.cli("", "token", "create", "--role", "admin", "t")),
		"session": nobody.with("Cookie", cookie),
	} {
		if a := as.do("GET", "/api/jobs", nil); a.status != http.StatusOK {
			t.Errorf("%s: %d %s", what, a.status, a.body)
		}
		if a := as.do("GET", "/metrics", nil); a.status != http.StatusOK {
			t.Errorf("%s: metrics %d", what, a.status)
		}
	}
	nobody.with("Authorization", basic("admin", "wrong")).refused(401, "UNAUTHORIZED", "GET", "/api/jobs", nil)
	nobody.with("Authorization", "Digest x").refused(401, "UNAUTHORIZED", "GET", "/api/jobs", nil)
	nobody.with("Cookie", cookie+"x").refused(401, "UNAUTHORIZED", "GET", "/api/jobs", nil)
	nobody.refused(401, "UNAUTHORIZED", "GET", "/metrics", nil)
	nobody.want(200, "GET", "/health/readiness", nil)
}
