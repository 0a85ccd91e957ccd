package handlers

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"belfry/scheduler"
)

// fakeBackups are one copy in memory.
type fakeBackups struct {
	name  string
	fails error
}

type memoryFile struct{ *strings.Reader }

func (memoryFile) Close() error { return nil }

func (b *fakeBackups) one() Backup {
	return Backup{Name: b.name, File: "/data/" + b.name, MadeAt: time.Unix(1, 0), Bytes: 10, Whole: true, Jobs: 1}
}

func (b *fakeBackups) Make(context.Context) (Backup, error) {
	b.name = "copy.db"
	return b.one(), b.fails
}

func (b *fakeBackups) List() ([]Backup, error) {
	if b.name == "" {
		return nil, nil
	}
	return []Backup{b.one()}, nil
}

func (b *fakeBackups) Open(name string) (BackupFile, Backup, error) {
	if name != b.name || name == "" {
		return nil, Backup{}, scheduler.Errorf(scheduler.CodeNotFound, "there is no backup named %q", name)
	}
	return memoryFile{strings.NewReader("0123456789")}, b.one(), nil
}

func (b *fakeBackups) Delete(name string) error {
	_, _, err := b.Open(name)
	if err == nil {
		b.name = ""
	}
	return err
}

func (b *fakeBackups) Folder() string             { return "/data" }
func (b *fakeBackups) Restore(file string) string { return "restore " + file }

func TestSystem(t *testing.T) {
	backups := &fakeBackups{}
	w := newWorld(t, func(o *Options) {
		o.DatabaseKind, o.Settings, o.Backups = "SQLite", [][2]string{{"slots", "4"}}, backups
	})
	got := decode[systemOut](t, w.expect(http.StatusOK, ask{path: "/settings/system", as: scheduler.Admin}))
	if got.Version != "test" || got.DatabaseBytes <= 0 || got.Settings["slots"] != "4" || got.MemoryBytes <= 0 {
		t.Errorf("the system: %+v", got)
	}
	made := decode[backupOut](t, w.expect(http.StatusCreated, ask{method: "POST", path: "/settings/backup", as: scheduler.Admin}))
	if made.File != "/data/copy.db" || made.Bytes != 10 || made.Jobs != 1 {
		t.Errorf("the backup: %+v", made)
	}
	backups.fails = scheduler.Errorf(scheduler.CodeUnavailable, "the disk is full")
	if p := w.problem(w.expect(http.StatusServiceUnavailable, ask{method: "POST", path: "/settings/backup", as: scheduler.Admin})); p.Detail != "the disk is full" {
		t.Errorf("a failed backup: %+v", p)
	}
	backups.fails = errors.New("secret path")
	if rec := w.do(ask{method: "POST", path: "/settings/backup", as: scheduler.Admin}); strings.Contains(rec.Body.String(), "secret") {
		t.Error("what failed inside is shown outside")
	}
}

// TestBackups: admins list, download and delete what is there, each of them noted.
func TestBackups(t *testing.T) {
	backups := &fakeBackups{}
	w := newWorld(t, func(o *Options) { o.Backups = backups })
	type list struct {
		Items []keptBackupOut
		Total int
	}
	if got := decode[list](t, w.expect(http.StatusOK, ask{path: "/settings/backups", as: scheduler.Admin})); got.Total != 0 || got.Items == nil {
		t.Errorf("no backups: %+v", got)
	}
	w.expect(http.StatusCreated, ask{method: "POST", path: "/settings/backup", as: scheduler.Admin})
	if got := decode[list](t, w.expect(http.StatusOK, ask{path: "/settings/backups", as: scheduler.Admin})); got.Total != 1 || got.Items[0].Name != "copy.db" || !got.Items[0].Checked {
		t.Errorf("the backups: %+v", got)
	}
	rec := w.expect(http.StatusOK, ask{path: "/settings/backups/copy.db", as: scheduler.Admin})
	h := rec.Header()
	if rec.Body.String() != "0123456789" || h.Get("Content-Disposition") != "attachment; filename=copy.db" || h.Get("Content-Length") != "10" || h.Get("ETag") == "" {
		t.Errorf("the download: %q, %v", rec.Body, h)
	}
	part := w.expect(http.StatusPartialContent, ask{path: "/settings/backups/copy.db", as: scheduler.Admin}.with("Range", "bytes=3-5").with("If-Range", h.Get("ETag")))
	if part.Body.String() != "345" || part.Header().Get("Content-Range") != "bytes 3-5/10" {
		t.Errorf("a part: %q, %v", part.Body, part.Header())
	}
	for _, role := range scheduler.Roles[:3] {
		w.expect(http.StatusForbidden, ask{path: "/settings/backups", as: role})
		w.expect(http.StatusForbidden, ask{path: "/settings/backups/copy.db", as: role})
	}
	w.expect(http.StatusOK, ask{method: "HEAD", path: "/settings/backups/copy.db", as: scheduler.Admin})
	w.expect(http.StatusNotFound, ask{path: "/settings/backups/other.db", as: scheduler.Admin})
	w.expect(http.StatusNotFound, ask{path: "/settings/backups/..%2fbelfry.db", as: scheduler.Admin})
	w.expect(http.StatusNoContent, ask{method: "DELETE", path: "/settings/backups/copy.db", as: scheduler.Admin})
	w.expect(http.StatusNotFound, ask{method: "DELETE", path: "/settings/backups/copy.db", as: scheduler.Admin})
	entries, _, err := w.store.ListAudit(t.Context(), scheduler.AuditFilter{Actions: []string{"backup"}, Limit: 10})
	w.must(err)
	more, _, err := w.store.ListAudit(t.Context(), scheduler.AuditFilter{Actions: []string{"backup."}, Limit: 10})
	w.must(err)
	var did []string
	for _, e := range append(more, entries...) {
		did = append(did, e.Action+" "+e.Object)
	}
	if got := strings.Join(did, ", "); got != "backup.delete copy.db, backup.download /data/copy.db, backup.download /data/copy.db, backup /data/copy.db" {
		t.Errorf("the audit says %s", got)
	}
}

// TestBackupIsNotedAlthoughTheAskerLeft: what was done cannot be undone.
func TestBackupIsNotedAlthoughTheAskerLeft(t *testing.T) {
	w := newWorld(t)
	ctx, leave := context.WithCancel(t.Context())
	w.must(w.service.Backup(ctx, scheduler.Server, scheduler.BackupDeleted, func(context.Context) (string, error) {
		leave()
		return "copy.db", nil
	}))
	noted, _, err := w.store.ListAudit(t.Context(), scheduler.AuditFilter{Actions: []string{string(scheduler.BackupDeleted)}, Limit: 10})
	w.must(err)
	if len(noted) != 1 || noted[0].Object != "copy.db" {
		t.Errorf("the audit says %+v", noted)
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
