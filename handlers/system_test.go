package handlers

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"belfry/scheduler"
)

func TestSystem(t *testing.T) {
	var fails error
	w := newWorld(t, func(o *Options) {
		o.DatabaseKind, o.Settings = "SQLite", [][2]string{{"slots", "4"}}
		o.Backup = func(context.Context) (Backup, error) {
			return Backup{File: "/data/copy.db", Bytes: 2048, Jobs: 1}, fails
		}
	})
	got := decode[systemOut](t, w.expect(http.StatusOK, ask{path: "/settings/system", as: scheduler.Admin}))
	if got.Version != "test" || got.DatabaseBytes <= 0 || got.Settings["slots"] != "4" || got.MemoryBytes <= 0 {
		t.Errorf("the system: %+v", got)
	}
	made := decode[backupOut](t, w.expect(http.StatusCreated, ask{method: "POST", path: "/settings/backup", as: scheduler.Admin}))
	if made.File != "/data/copy.db" || made.Bytes != 2048 {
		t.Errorf("the backup: %+v", made)
	}
	entries, _, err := w.store.ListAudit(t.Context(), scheduler.AuditFilter{Limit: 1})
	w.must(err)
	if entries[0].Action != "backup" || entries[0].Object != "/data/copy.db" {
		t.Errorf("the audit says %+v", entries[0])
	}
	fails = scheduler.Errorf(scheduler.CodeUnavailable, "the disk is full")
	if p := w.problem(w.expect(http.StatusServiceUnavailable, ask{method: "POST", path: "/settings/backup", as: scheduler.Admin})); p.Detail != "the disk is full" {
		t.Errorf("a failed backup: %+v", p)
	}
	fails = errors.New("secret path")
	if rec := w.do(ask{method: "POST", path: "/settings/backup", as: scheduler.Admin}); strings.Contains(rec.Body.String(), "secret") {
		t.Error("what failed inside is shown outside")
	}
}

func TestAccount(t *testing.T) {
	w := newWorld(t)
	w.must(w.service.CreateUser(t.Context(), scheduler.Server, "vera", "first password", scheduler.Viewer))
	cookie := w.logIn("vera", "first password")
	send := func(status int, current, password, again string) string {
		form := url.Values{"current": {current}, "password": {password}, "again": {again}}
		return w.expect(status, ask{method: "POST", path: "/account/password", form: form}.page().with("Cookie", cookie)).Body.String()
	}
	for want, sent := range map[string][3]string{
		"is not your password": {"wrong", "second password", "second password"},
		"is not the same":      {"first password", "second password", "third password"},
		"at least 8":           {"first password", "short", "short"},
	} {
		if page := send(http.StatusUnprocessableEntity, sent[0], sent[1], sent[2]); !strings.Contains(page, want) {
			t.Errorf("%q: the page does not say %q", sent, want)
		}
	}
	send(http.StatusSeeOther, "first password", "second password", "second password")
	w.logIn("vera", "second password")
	w.expect(http.StatusConflict, ask{method: "POST", path: "/account/password", form: url.Values{"current": {"x"}}, as: scheduler.Admin})
}
