package web

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"belfry/scheduler"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// paper keeps what is written, by stream.
type paper struct {
	mu   sync.Mutex
	text [3]strings.Builder
}

func (p *paper) Write(s scheduler.Stream, b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text[s].Write(b)
}

func (p *paper) of(s scheduler.Stream) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text[s].String()
}

func execute(t *testing.T, ctx context.Context, c Config) (scheduler.Result, *paper) {
	t.Helper()
	config, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	out := &paper{}
	x := New(slog.New(slog.DiscardHandler))
	return x.Execute(ctx, scheduler.Task{Job: scheduler.Job{Draft: scheduler.Draft{Config: config}}}, out), out
}

// teller answers what its path says.
func teller(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/echo":
		b, _ := io.ReadAll(r.Body)
		w.Header().Set("Set-Cookie", "session=hidden")
		fmt.Fprintf(w, "%s %s %s %s\n%s", r.Method, r.Host, r.Header.Get("X-A"), r.Header.Get("Authorization"), b)
	case "/503":
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, "later")
	case "/204":
		w.WriteHeader(http.StatusNoContent)
	case "/to":
		http.Redirect(w, r, "/echo", http.StatusFound)
	case "/round":
		http.Redirect(w, r, "/round", http.StatusFound)
	case "/cut":
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, "only this")
	case "/large":
		for range 100 {
			fmt.Fprint(w, strings.Repeat("x", 1000))
		}
	case "/hang":
		fmt.Fprint(w, "first")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
}

func TestAnswersAreJudged(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(teller))
	defer s.Close()
	closed := httptest.NewServer(nil)
	closed.Close()
	no := false
	tests := []struct {
		name   string
		c      Config
		state  scheduler.State
		reason string
		code   int
	}{
		{"good", Config{URL: s.URL + "/echo"}, scheduler.Succeeded, "", 200},
		{"unavailable", Config{URL: s.URL + "/503"}, scheduler.Failed, "status 503, expected 200-299", 503},
		{"expected", Config{URL: s.URL + "/503", ExpectCodes: []string{"204", "500-599"}}, scheduler.Succeeded, "", 503},
		{"not expected", Config{URL: s.URL + "/echo", ExpectCodes: []string{"204", "304"}}, scheduler.Failed, "status 200, expected 204, 304", 200},
		{"empty", Config{URL: s.URL + "/204"}, scheduler.Succeeded, "", 204},
		{"body matches", Config{URL: s.URL + "/echo", ExpectBody: "^GET "}, scheduler.Succeeded, "", 200},
		{"body does not", Config{URL: s.URL + "/echo", ExpectBody: "^POST "}, scheduler.Failed, "the answer does not match ^POST ", 200},
		{"redirect", Config{URL: s.URL + "/to"}, scheduler.Succeeded, "", 200},
		{"no redirect", Config{URL: s.URL + "/to", FollowRedirects: &no}, scheduler.Failed, "status 302, expected 200-299", 302},
		{"round and round", Config{URL: s.URL + "/round"}, scheduler.Failed, "more than 10 redirects", 0},
		{"cut", Config{URL: s.URL + "/cut"}, scheduler.Failed, "the answer was cut off: the server closed the connection before the answer was complete", 200},
		{"refused", Config{URL: closed.URL}, scheduler.Failed, "connection refused: nothing listens on " + strings.TrimPrefix(closed.URL, "http://"), 0},
		{"slow", Config{URL: s.URL + "/hang", Timeout: "50ms"}, scheduler.Failed, "the answer was cut off: timed out after 50ms", 200},
		{"no host", Config{URL: "http://belfry.invalid/"}, scheduler.Failed, "cannot find the host belfry.invalid", 0},
		{"no file", Config{URL: s.URL, CAFile: "/nowhere/ca.pem"}, scheduler.Failed, "ca_file: open /nowhere/ca.pem: no such file or directory", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, _ := execute(t, t.Context(), tt.c)
			code := 0
			if r.ExitCode != nil {
				code = *r.ExitCode
			}
			if r.State != tt.state || r.Reason != tt.reason || code != tt.code {
				t.Fatalf("%s, %q, code %d", r.State, r.Reason, code)
			}
		})
	}
}

func TestRequestIsSentAsConfiguredAndSecretsStayOut(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(teller))
	defer s.Close()
	address := strings.Replace(s.URL, "http://", "http://user:hunter2@", 1) + "/echo?token=hunter3"
	r, out := execute(t, t.Context(), Config{
		Method: "post", URL: address, Body: "the body",
		Headers: map[string]string{"X-A": "b", "Host": "other.example", "Authorization": "Bearer hunter4"},
	})
	if want := "POST other.example b Bearer hunter4\nthe body"; r.State != scheduler.Succeeded || out.of(scheduler.Stdout) != want {
		t.Fatalf("%+v\n%s", r, out.of(scheduler.Stdout))
	}
	head := out.of(scheduler.System)
	if !strings.HasPrefix(head, "> POST http://%2A%2A%2A@") || !strings.Contains(head, "< HTTP/1.1 200 OK\n") || !strings.Contains(head, "< Set-Cookie: ***\n") {
		t.Errorf("head:\n%s", head)
	}
	if strings.Contains(head, "hunter") || strings.Contains(head, "hidden") {
		t.Errorf("secrets in\n%s", head)
	}
}

func TestAnswerIsCutAtMaxBody(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(teller))
	defer s.Close()
	_, out := execute(t, t.Context(), Config{URL: s.URL + "/large", MaxBody: 2500})
	if n := len(out.of(scheduler.Stdout)); n != 2500 {
		t.Errorf("%d bytes", n)
	}
	if strings.Count(out.of(scheduler.System), "not kept") != 1 {
		t.Errorf("the cut is not told once:\n%s", out.of(scheduler.System))
	}
}

func TestStopEndsTheExchange(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(teller))
	defer s.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(50*time.Millisecond, func() { cancel(errors.New("stopped by ann")) })
	r, out := execute(t, ctx, Config{URL: s.URL + "/hang"})
	if r.State != scheduler.Failed || !strings.Contains(r.Reason, "stopped by ann") || out.of(scheduler.Stdout) != "first" {
		t.Fatalf("%+v", r)
	}
}

func TestCertificates(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(teller))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.StartTLS()
	defer s.Close()
	if r, _ := execute(t, t.Context(), Config{URL: s.URL + "/204"}); r.State != scheduler.Failed || !strings.HasPrefix(r.Reason, "TLS: ") {
		t.Errorf("an unknown authority: %+v", r)
	}
	if r, _ := execute(t, t.Context(), Config{URL: s.URL + "/204", InsecureSkipVerify: true}); r.State != scheduler.Succeeded {
		t.Errorf("not verified: %+v", r)
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		t.Fatal(err)
	}
	if r, _ := execute(t, t.Context(), Config{URL: s.URL + "/204", CAFile: ca}); r.State != scheduler.Succeeded {
		t.Errorf("with its authority: %+v", r)
	}
}

func TestCheckNamesTheField(t *testing.T) {
	for config, want := range map[string]string{
		`{"url":"http://x"}`:                                  "",
		`{}`:                                                  "url",
		`{"url":"ftp://x"}`:                                   "url",
		`{"url":"http://"}`:                                   "url",
		`{"url":"http://[::1"}`:                               "url",
		`{"url":"http://x","method":"GE T"}`:                  "method",
		`{"url":"http://x","headers":{"a b":"c"}}`:            "headers",
		`{"url":"http://x","headers":{"a":"c\n"}}`:            "headers",
		`{"url":"http://x","headers":["a"]}`:                  "headers",
		`{"url":"http://x","timeout":"5"}`:                    "timeout",
		`{"url":"http://x","timeout":"-5s"}`:                  "timeout",
		`{"url":"http://x","expect_codes":["299-200"]}`:       "expect_codes",
		`{"url":"http://x","expect_codes":["x"]}`:             "expect_codes",
		`{"url":"http://x","expect_body":"("}`:                "expect_body",
		`{"url":"http://x","ca_file":"ca.pem"}`:               "ca_file",
		`{"url":"http://x","client_cert_file":"/c.pem"}`:      "client_key_file",
		`{"url":"http://x","max_body":-1}`:                    "max_body",
		`{"url":"http://x","follow_redirects":"yes"}`:         "follow_redirects",
		`{"url":"http://x","colour":"red"}`:                   "colour",
		`{"url":"http://x"} {}`:                               "",
		`{"url":"` + strings.Repeat("x", maxURL+1) + `"}`:     "url",
		`{"url":"http://x","body":"` + big() + `"}`:           "body",
		`{"url":"http://x","expect_codes":["200-299","304"]}`: "",
	} {
		err := New(nil).Check(json.RawMessage(config))
		var e *scheduler.Error
		switch errors.As(err, &e); {
		case strings.HasSuffix(config, "{}") && len(config) > 2:
			if err == nil {
				t.Errorf("%s is taken", config)
			}
		case want == "" && err != nil:
			t.Errorf("%.60s: %v", config, err)
		case want != "" && (e == nil || e.Fields[0].Field != want):
			t.Errorf("%.60s: %v, want the field %s", config, err, want)
		}
	}
}

func big() string { return strings.Repeat("x", maxText+1) }
