package dbtest

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

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
	if d := gocmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	page, _, err := s.ListAudit(bg, scheduler.AuditFilter{Limit: 2, Offset: 1})
	ok(t, err)
	if d := gocmp.Diff(want[1:3], page); d != "" {
		t.Errorf("page (-want +got):\n%s", d)
	}
}

// auditChain: rows get their place in the chain once, in the order of their ids, and
// only its beginning can be deleted.
func auditChain(t *testing.T, s *db.Store) {
	add := func(i int, actor, action, object string) {
		tx(t, s, func(tx scheduler.Tx) error {
			return tx.InsertAudit(bg, scheduler.AuditEntry{At: at(i), Actor: actor, Via: "page", Action: action, Object: object, After: "a\x00b"})
		})
	}
	for i := range 6 {
		add(i, []string{"anna", "ben"}[i%2], []string{"job.create", "job.update", "user.create"}[i%3], []string{"x", "y"}[i/3])
	}
	anchor, head, loose, err := s.AuditLinks(bg)
	ok(t, err)
	if anchor.Seq != 0 || head.Seq != 0 || loose != 6 {
		t.Errorf("before: %v %v %d", anchor, head, loose)
	}
	seal := func(most int) {
		tx(t, s, func(tx scheduler.Tx) error {
			head, err := tx.AuditHead(bg)
			if err != nil {
				return err
			}
			rows, err := tx.LooseAudit(bg, most)
			for _, a := range rows {
				a.Seq, a.Previous = head.Seq+1, head.Hash
				a.Hash = scheduler.AuditHash(a)
				if err := tx.ChainAudit(bg, a); err != nil {
					return err
				}
				head = scheduler.AuditLink{Seq: a.Seq, Hash: a.Hash}
			}
			return err
		})
	}
	seal(4)
	seal(10)
	seal(10)
	rows := must(s.AuditChain(bg, 2, 3))
	if len(rows) != 3 || rows[0].Seq != 3 || rows[2].Seq != 5 || rows[1].Previous != rows[0].Hash || !rows[0].At.Equal(at(2)) {
		t.Errorf("of the chain: %+v", rows)
	}
	verify := func(known string) scheduler.AuditReport {
		t.Helper()
		r := must(scheduler.VerifyAudit(bg, s, known))
		if r.Problem != "" || !r.Seen {
			t.Errorf("a good chain: %+v", r)
		}
		return r
	}
	r := verify(rows[0].Hash)
	if r.Rows != 6 || r.Loose != 0 || r.Head.Seq != 6 {
		t.Errorf("the report is %+v", r)
	}
	if r := must(scheduler.VerifyAudit(bg, s, "nonsense")); r.Seen {
		t.Error("a hash that is not there was seen")
	}
	// What is chained is chained: it is not put anywhere else.
	wantCode(t, s.InTx(bg, func(tx scheduler.Tx) error { return tx.ChainAudit(bg, rows[0]) }), scheduler.CodeConflict)
	if again := must(s.AuditChain(bg, 2, 1)); again[0].Hash != rows[0].Hash {
		t.Errorf("a row was chained again: %+v", again[0])
	}
	tx(t, s, func(tx scheduler.Tx) error {
		n, err := tx.DropAudit(bg, at(3), 2)
		if n != 2 {
			t.Errorf("%d rows deleted, want 2", n)
		}
		return err
	})
	tx(t, s, func(tx scheduler.Tx) error {
		n, err := tx.DropAudit(bg, at(3), 100)
		if n != 1 {
			t.Errorf("%d rows deleted, want 1", n)
		}
		return err
	})
	if r := verify(rows[0].Hash); r.Rows != 3 || r.Anchor.Seq != 3 {
		t.Errorf("the rest is %+v", r)
	}
	add(7, "ben", "job.create", "z")
	if r := verify(""); r.Loose != 1 {
		t.Errorf("a loose row: %+v", r)
	}
	auditFilters(t, s)
}

// auditFilters: rows 3 to 5 and 7 are there.
func auditFilters(t *testing.T, s *db.Store) {
	for _, c := range []struct {
		f    scheduler.AuditFilter
		want int
	}{
		{scheduler.AuditFilter{}, 4},
		{scheduler.AuditFilter{Actor: "ben"}, 3},
		{scheduler.AuditFilter{Object: "y"}, 3},
		{scheduler.AuditFilter{Object: "y", Actor: "ben"}, 2},
		{scheduler.AuditFilter{Actions: []string{"job.create"}}, 2},
		{scheduler.AuditFilter{Actions: []string{"job."}}, 3},
		{scheduler.AuditFilter{Actions: []string{"job.update", "user.create"}}, 2},
		{scheduler.AuditFilter{Actions: []string{"user."}, Actor: "anna"}, 0},
		{scheduler.AuditFilter{Actions: []string{"user."}, Actor: "ben"}, 1},
		{scheduler.AuditFilter{Via: "page"}, 4},
		{scheduler.AuditFilter{Via: "token"}, 0},
		{scheduler.AuditFilter{From: at(4)}, 3},
		{scheduler.AuditFilter{From: at(4), To: at(5)}, 1},
		{scheduler.AuditFilter{Object: "y", From: at(4), Via: "page", Actions: []string{"job.", "user.create"}}, 2},
		{scheduler.AuditFilter{Actor: "a\x00'; --"}, 0},
		{scheduler.AuditFilter{Sort: "actor", Object: "y", From: at(4)}, 2},
		{scheduler.AuditFilter{Sort: "-object", Via: "page", Actions: []string{"job."}}, 3},
	} {
		c.f.Limit = 10
		got, total, err := s.ListAudit(bg, c.f)
		ok(t, err)
		if len(got) != c.want || total.N != int64(c.want) {
			t.Errorf("%+v: %d of %d, want %d", c.f, len(got), total.N, c.want)
		}
	}
	keys := map[string]func(scheduler.AuditEntry) string{
		"at": func(scheduler.AuditEntry) string { return "" }, "actor": func(a scheduler.AuditEntry) string { return a.Actor },
		"action": func(a scheduler.AuditEntry) string { return a.Action }, "object": func(a scheduler.AuditEntry) string { return a.Object },
	}
	for _, column := range scheduler.AuditSorts {
		want, _, err := s.ListAudit(bg, scheduler.AuditFilter{Sort: column})
		ok(t, err)
		if len(want) != 4 || !slices.IsSortedFunc(want, func(a, b scheduler.AuditEntry) int {
			return cmp.Or(strings.Compare(keys[column](a), keys[column](b)), a.At.Compare(b.At))
		}) {
			t.Errorf("by %s: %+v", column, want)
		}
		for _, sort := range []string{column, "-" + column} {
			f := scheduler.AuditFilter{Sort: sort, Limit: 1}
			var got []scheduler.AuditEntry
			for range 5 { // row by row, each below the last
				page, total, err := s.ListAudit(bg, f)
				ok(t, err)
				if total.N != 4 {
					t.Errorf("by %s: total %d", sort, total.N)
				}
				if len(page) > 0 {
					f.Below = page[0]
				}
				got = append(got, page...)
			}
			if sort != column {
				slices.Reverse(got)
			}
			if d := gocmp.Diff(want, got); d != "" {
				t.Errorf("by %s, row by row (-want +got):\n%s", sort, d)
			}
		}
	}
	if _, _, err := s.ListAudit(bg, scheduler.AuditFilter{Sort: "via"}); scheduler.CodeOf(err) != scheduler.CodeInvalid {
		t.Errorf("an order that is not there: %v", err)
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
