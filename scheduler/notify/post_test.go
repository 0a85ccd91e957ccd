package notify

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"belfry/scheduler"
)

func TestPosts(t *testing.T) {
	var got []string
	status := http.StatusOK
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got = append(got, r.Method+" "+r.URL.Path+" "+r.Header.Get("Content-Type")+" "+string(body))
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
	}))
	defer s.Close()
	secret := s.URL + "/T0/s3cret"
	n := ending(fmt.Sprintf(`{"webhook":%q,"channel":"#ops"}`, secret), "")
	n.Execution.JobName = "a <!channel> & b"
	if err := (slack{}).Send(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	var message struct{ Text, Channel string }
	if err := json.Unmarshal([]byte(strings.TrimPrefix(got[0], "POST /T0/s3cret application/json ")), &message); err != nil {
		t.Fatal(err, got)
	}
	if message.Channel != "#ops" || message.Text != "a &lt;!channel&gt; &amp; b failed (exit code 3) after 1m30s\nexecution 0190" {
		t.Errorf("Slack gets %+v", message)
	}
	if err := (webhook{}).Send(t.Context(), ending(fmt.Sprintf(`{"url":%q}`, secret), "")); err != nil {
		t.Fatal(err)
	}
	var document struct {
		Delivery  string
		Execution map[string]any
	}
	if err := json.Unmarshal([]byte(strings.TrimPrefix(got[1], "POST /T0/s3cret application/json ")), &document); err != nil {
		t.Fatal(err, got)
	}
	if e := document.Execution; document.Delivery != "delivery" || e["state"] != "failed" || e["exit_code"] != 3.0 || e["duration"] != "1m30s" || e["due_at"] != nil {
		t.Errorf("a webhook gets %+v", document)
	}
	for _, status = range []int{302, 404, 500} {
		got = nil
		err := (slack{}).Send(t.Context(), n)
		if fmt.Sprint(err) != fmt.Sprintf("answered %d", status) || scheduler.CodeOf(err) == scheduler.CodeInvalid || len(got) != 1 {
			t.Errorf("%d: %v after %v", status, err, got)
		}
	}
	s.Close()
	if err := (slack{}).Send(t.Context(), n); err == nil || strings.Contains(err.Error(), "s3cret") || scheduler.CodeOf(err) == scheduler.CodeInvalid {
		t.Errorf("nobody there: %v", err)
	}
}

func TestPostConfig(t *testing.T) {
	for _, bad := range []string{"ftp://x/y", "file:///etc/passwd", "x", "http://", "https://a b/", "javascript:x", ":"} {
		config := json.RawMessage(fmt.Sprintf(`{"webhook":%q}`, bad))
		err := (slack{}).Check(config)
		if scheduler.CodeOf(err) != scheduler.CodeInvalid || strings.Contains(err.Error(), "passwd") {
			t.Errorf("%s: %v", bad, err)
		}
		if err := (slack{}).Send(t.Context(), ending(string(config), "")); scheduler.CodeOf(err) != scheduler.CodeInvalid {
			t.Errorf("%s is sent to: %v", bad, err)
		}
	}
	for kind, complete := range map[string]string{"slack": `{"webhook":"https://x/y"}`, "webhook": `{"url":"https://x/y"}`, "save": `{"folder":"/x"}`} {
		s := Senders()[kind]
		for config, want := range map[string]bool{complete: true, `{}`: false} {
			if err := s.Check(json.RawMessage(config)); err != nil || s.Complete(json.RawMessage(config)) != want {
				t.Errorf("%s %s: %v, complete: %t", kind, config, err, !want)
			}
		}
		if err := s.Check(json.RawMessage(`{"other":1}`)); !strings.Contains(fmt.Sprint(err), "other: is not known") {
			t.Errorf("%s takes any key: %v", kind, err)
		}
	}
	for _, folder := range []string{"relative", "../up", "/a\x00b"} {
		config, err := json.Marshal(map[string]string{"folder": folder})
		if err != nil {
			t.Fatal(err)
		}
		if err := (saver{}).Check(config); scheduler.CodeOf(err) != scheduler.CodeInvalid {
			t.Errorf("%q: %v", folder, err)
		}
	}
}
