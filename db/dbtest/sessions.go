package dbtest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"belfry/db"
	"belfry/scheduler"
)

func sessionData(t *testing.T, s *db.Store) {
	later := time.Now().Add(time.Hour)
	_, found, err := s.SessionData(bg, "a")
	if found || err != nil {
		t.Errorf("found %v, %v; want nothing", found, err)
	}
	for _, data := range [][]byte{[]byte("one\x00\xff"), []byte("two"), {}, nil} {
		ok(t, s.PutSessionData(bg, "a", data, later))
		got, found, err := s.SessionData(bg, "a")
		if !found || err != nil || string(got) != string(data) {
			t.Errorf("read %q, %v, %v; want %q", got, found, err, data)
		}
	}
	ok(t, s.PutSessionData(bg, "old", []byte("x"), time.Now().Add(-time.Second)))
	if _, found, _ := s.SessionData(bg, "old"); found {
		t.Error("an expired session is found")
	}
	ok(t, s.DropExpired(bg, time.Now()))
	if _, found, _ := s.SessionData(bg, "a"); !found {
		t.Error("a session was dropped before it expired")
	}
	ok(t, s.DeleteSessionData(bg, "a"))
	ok(t, s.DeleteSessionData(bg, "a"))
	if _, found, _ := s.SessionData(bg, "a"); found {
		t.Error("a deleted session is found")
	}
}

func auditRows(t *testing.T, s *db.Store) {
	var want []scheduler.AuditEntry
	for i := range 5 {
		a := scheduler.AuditEntry{
			At: at(i), Actor: "anna", Via: "page", From: "192.0.2.1", Action: "job.create", Object: "j",
			Before: `{"a":1}`, After: `{"a":2}`,
		}
		tx(t, s, func(tx scheduler.Tx) error { return tx.InsertAudit(bg, a) })
		want = append([]scheduler.AuditEntry{a}, want...)
	}
	got, total, err := s.ListAudit(bg, scheduler.AuditFilter{Limit: 10})
	ok(t, err)
	if total.N != 5 {
		t.Errorf("total %d, want 5", total.N)
	}
	for i := range got {
		if i > 0 && got[i].ID >= got[i-1].ID {
			t.Errorf("ids do not count down: %d, %d", got[i-1].ID, got[i].ID)
		}
		want[i].ID = got[i].ID
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	page, _, err := s.ListAudit(bg, scheduler.AuditFilter{Limit: 2, Offset: 1})
	ok(t, err)
	if d := cmp.Diff(want[1:3], page); d != "" {
		t.Errorf("page (-want +got):\n%s", d)
	}
}

func hostileText(t *testing.T, s *db.Store) {
	bad := "a\x00b\xff'; DROP TABLE jobs; --"
	j := addJob(t, s, "j")
	e := NewExecution(j.ID, at(0))
	e.Reason, e.Trigger.By = bad, bad
	addExecution(t, s, e)
	run := claim(t, s, bad, at(0), 1)[0].Execution
	run.Reason, run.Signal = bad, bad
	finish(t, s, run, scheduler.Failed, at(1))
	got := must(s.Execution(bg, e.ID))
	want := "a\uFFFDb\uFFFD'; DROP TABLE jobs; --"
	for _, text := range []string{got.Reason, got.Trigger.By, got.Worker, got.Signal} {
		if text != want {
			t.Errorf("stored as %q, want %q", text, want)
		}
	}
	u := addUser(t, s, "u", scheduler.Admin)
	tx(t, s, func(tx scheduler.Tx) error {
		if err := tx.InsertLogin(bg, scheduler.Login{ID: NewID(), UserID: u.ID, Agent: bad, From: bad}); err != nil {
			return err
		}
		return tx.InsertAudit(bg, scheduler.AuditEntry{Actor: bad, Object: bad, Before: bad, After: bad})
	})
	for _, err := range []error{
		second(s.JobByName(bg, bad)), second(s.UserByName(bg, bad)), second(s.TokenByHash(bg, bad)),
		second(s.Login(bg, bad)), second(s.Job(bg, bad)), second(s.Execution(bg, bad)), second(s.User(bg, bad)),
	} {
		wantCode(t, err, scheduler.CodeNotFound)
	}
	if _, _, err := s.ListJobs(bg, scheduler.JobFilter{Query: bad}); err != nil {
		t.Error(err)
	}
	if _, _, err := s.ListExecutions(bg, scheduler.ExecutionFilter{JobID: bad, Worker: bad, Trigger: scheduler.TriggerKind(bad)}); err != nil {
		t.Error(err)
	}
	if _, err := s.JobStats(bg, []string{bad}, 5); err != nil {
		t.Error(err)
	}
}

func second[T any](_ T, err error) error { return err }
