package static

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func get(t *testing.T, method, path string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestEveryFileIsServedUnderItsHash(t *testing.T) {
	names := load().urls
	for _, name := range []string{"css/app.css", "css/terminal.css", "js/app.js", "js/live.js", "js/theme.js", "vendor/htmx.min.js", "icons.svg", "favicon.svg"} {
		if names[name] == "" {
			t.Errorf("%s is missing", name)
		}
	}
	for name, url := range names {
		if !regexp.MustCompile(`^/static/.+\.[0-9a-f]{12}\.(css|js|svg)$`).MatchString(url) {
			t.Errorf("%s is at %s", name, url)
		}
		plain := get(t, "GET", url)
		if plain.StatusCode != 200 || !strings.Contains(plain.Header.Get("Cache-Control"), "immutable") || plain.Header.Get("Content-Type") == "" {
			t.Errorf("%s: %d %v", url, plain.StatusCode, plain.Header)
		}
		zipped := get(t, "GET", url, "Accept-Encoding", "br, gzip;q=0.8")
		if zipped.Header.Get("Content-Encoding") == "" {
			continue
		}
		z, err := gzip.NewReader(zipped.Body)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(z)
		if err != nil || string(b) != body(t, plain) {
			t.Errorf("%s unpacks to something else (%v)", url, err)
		}
	}
}

func TestRequests(t *testing.T) {
	css := URL("css/app.css")
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{"GET", css, 200},
		{"HEAD", css, 200},
		{"POST", css, 405},
		{"GET", "/static/css/app.css", 200},
		{"GET", "/static/", 404},
		{"GET", "/static/css/", 404},
		{"GET", "/static/css", 404},
		{"GET", "/static/../embed.go", 404},
		{"GET", "/static/embed.go", 404},
		{"GET", "/static/vendor/SHA256SUMS", 404},
		{"GET", "/static/css/app.000000000000.css", 404},
		{"GET", "/elsewhere", 404},
	} {
		if r := get(t, c.method, c.path); r.StatusCode != c.status {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, r.StatusCode, c.status)
		}
	}
	if r := get(t, "GET", "/static/css/app.css"); r.Header.Get("Cache-Control") != "no-cache" {
		t.Error("a name without a hash is kept for ever")
	}
	r := get(t, "HEAD", css)
	if body(t, r) != "" || r.Header.Get("Content-Length") == "0" {
		t.Error("HEAD has a body or no length")
	}
	if r := get(t, "GET", css, "If-None-Match", r.Header.Get("ETag")); r.StatusCode != 304 || body(t, r) != "" {
		t.Errorf("not modified: %d", r.StatusCode)
	}
}

func TestGzipIsNegotiated(t *testing.T) {
	for header, want := range map[string]bool{"": false, "gzip": true, "gzip;q=0": false, "deflate, gzip ; q=0.5": true, "br": false, "x-gzip": false, "gzip;q=x": false} {
		if acceptsGzip(header) != want {
			t.Errorf("Accept-Encoding %q", header)
		}
	}
}

func TestURLPanicsOnAMistake(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	URL("css/nothing.css")
}

// The stylesheets must not need what the content security policy refuses.
func TestStylesFetchNothing(t *testing.T) {
	for _, name := range []string{"css/app.css", "css/terminal.css"} {
		b, err := files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), "url(") || strings.Contains(string(b), "@import") {
			t.Errorf("%s fetches something", name)
		}
	}
}

// Every icon that a page names has to be in the sprite: views' tests check the
// names, this one that the sprite is whole.
func TestSprite(t *testing.T) {
	b, err := files.ReadFile("icons.svg")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), "ISC License") || strings.Count(string(b), "<symbol ") != strings.Count(string(b), "</symbol>") {
		t.Error("the sprite is broken or lost its licence")
	}
}
