package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"belfry/scheduler"
)

// sender knows what the real one for mail knows, roughly.
type sender struct{}

func (sender) Secrets() []string { return []string{"password"} }
func (sender) Targets() []string { return nil }

func (sender) Check(config json.RawMessage) error {
	if strings.Contains(string(config), "wrong") {
		return scheduler.Invalid("to", "is wrong")
	}
	return nil
}

func (sender) Complete(config json.RawMessage) bool { return strings.Contains(string(config), `"to"`) }

func (sender) Send(context.Context, scheduler.Notification) error { return errors.New("not here") }

// TestNotifySecrets: nobody reads a secret, and what was read can be sent back.
func TestNotifySecrets(t *testing.T) {
	w := newWorld(t)
	w.whole()
	read := w.expect(http.StatusOK, ask{path: "/jobs/whole", as: scheduler.Editor}).Body.String()
	stored := func() string {
		j, err := w.store.JobByName(t.Context(), "whole")
		w.must(err)
		return string(j.Notify[0].Config)
	}
	before := stored()
	if strings.Contains(read, "s3cret") || !strings.Contains(before, "s3cret") {
		t.Fatalf("shown:\n%s\nstored:\n%s", read, before)
	}
	w.expect(http.StatusOK, ask{method: "PUT", path: "/jobs/whole", as: scheduler.Editor, body: read})
	if after := stored(); after != before {
		t.Errorf("sent back, it is %s; it was %s", after, before)
	}
	// The form does not show it, and leaves it as it is.
	w.expect(http.StatusSeeOther, ask{
		method: "POST", path: "/jobs/whole", as: scheduler.Editor, form: url.Values{"notes": {"by form"}},
	}.page())
	if after := stored(); after != before {
		t.Errorf("after the form it is %s; it was %s", after, before)
	}
	page := w.expect(http.StatusOK, ask{path: "/jobs/whole", as: scheduler.Viewer}.page()).Body.String()
	if !strings.Contains(page, "Mail to ops@example.com on failure") || strings.Contains(page, "s3cret") {
		t.Errorf("the page:\n%s", page)
	}
	audit, _, err := w.store.ListAudit(t.Context(), scheduler.AuditFilter{Limit: 100})
	w.must(err)
	for _, a := range audit {
		if strings.Contains(a.Before+a.After, "s3cret") {
			t.Errorf("an audit row has the secret: %s %s", a.Before, a.After)
		}
	}
	rec := w.expect(http.StatusUnprocessableEntity, ask{
		method: "POST", path: "/jobs", as: scheduler.Editor,
		body: `{"name":"n","config":{"command":"x"},"notify":[{"kind":"fax"},{"kind":"mail","on":"never","config":{"to":"wrong"}},
			{"kind":"mail","config":{"password":"******"}}]}`,
	})
	var fields []string
	for _, f := range w.problem(rec).Errors {
		fields = append(fields, f.Field)
	}
	if got := strings.Join(fields, " "); got != "notify.0.kind notify.1.on notify.1.config.to notify.2.config.password" {
		t.Errorf("wrong are %s", got)
	}
}

// TestDeliveriesOfAnExecution: they are shown where one execution is, with what
// became of them.
func TestDeliveriesOfAnExecution(t *testing.T) {
	w := newWorld(t)
	w.expect(http.StatusCreated, ask{
		method: "POST", path: "/jobs", as: scheduler.Editor,
		body: `{"name":"j","config":{"command":"x"},"notify":[{"kind":"mail","config":{"to":"a@b","password":"s3cret"}}]}`,
	})
	e := w.finished("j", "")
	d := func() map[string]any {
		rec := w.expect(http.StatusOK, ask{path: "/executions/" + e.ID, as: scheduler.Viewer})
		if strings.Contains(rec.Body.String(), "s3cret") {
			t.Errorf("shown with its secret:\n%s", rec.Body)
		}
		description(t).validate(t, ask{method: "GET", path: "/executions/" + e.ID}, rec)
		list := decode[struct{ Deliveries []map[string]any }](t, rec).Deliveries
		if len(list) != 1 {
			t.Fatalf("%d deliveries", len(list))
		}
		return list[0]
	}
	if got := d(); got["state"] != "pending" || got["kind"] != "mail" || got["next_at"] == nil || got["sent_at"] != nil {
		t.Errorf("at first: %v", got)
	}
	claimed, err := w.service.ClaimDeliveries(t.Context(), 10, time.Minute)
	w.must(err)
	if len(claimed) != 1 {
		t.Fatalf("%d are due", len(claimed))
	}
	failed := claimed[0]
	failed.State, failed.Error = scheduler.DeliveryFailed, "answered 404"
	w.must(w.service.SettleDelivery(t.Context(), failed, 1))
	if got := d(); got["state"] != "failed" || got["error"] != "answered 404" || got["attempts"] != 1.0 || got["next_at"] != nil {
		t.Errorf("at last: %v", got)
	}
	page := w.expect(http.StatusOK, ask{path: "/executions/" + e.ID, as: scheduler.Viewer}.page()).Body.String()
	if !strings.Contains(page, "mail: failed after 1 attempt: answered 404") {
		t.Errorf("the page:\n%s", page)
	}
	if list := w.expect(http.StatusOK, ask{path: "/executions", as: scheduler.Viewer}).Body.String(); strings.Contains(list, "deliveries") {
		t.Errorf("lists have deliveries: %s", list)
	}
	w.job("quiet")
	quiet := w.finished("quiet", "")
	if page := w.expect(http.StatusOK, ask{path: "/executions/" + quiet.ID, as: scheduler.Viewer}.page()).Body.String(); strings.Contains(page, `id="deliveries"`) {
		t.Error("an execution that nobody was told of has the section")
	}
}
