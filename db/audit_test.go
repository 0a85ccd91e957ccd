package db_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"belfry/db"
	"belfry/db/dbtest"
	"belfry/scheduler"
)

// TestAuditTampering changes rows behind Belfry's back; the check names what is
// wrong.
func TestAuditTampering(t *testing.T) {
	for _, c := range []struct{ name, statement, problem string }{
		{"nothing", "", ""},
		{"a word", "UPDATE audit SET after = '{}' WHERE seq = 3", "row 3 (job.create j3 by anna"},
		{"who", "UPDATE audit SET actor = 'ben' WHERE seq = 5", "row 5 (job.create j5 by ben"},
		{"when", "UPDATE audit SET at = at + 1 WHERE seq = 1", "row 1 (job.create"},
		{"a hash", "UPDATE audit SET hash = 'x' WHERE seq = 4", "row 4 (job.create"},
		{"a link", "UPDATE audit SET previous = 'x' WHERE seq = 4", "row 4 does not follow row 3"},
		{"a row in the middle", "DELETE FROM audit WHERE seq = 3", "row 3 is missing"},
		{"the first row", "DELETE FROM audit WHERE seq = 1", "row 1 is missing"},
		{"the last rows", "DELETE FROM audit WHERE seq > 4", "the chain ends with row 4, but 6 were written"},
		{"all rows", "DELETE FROM audit", "the chain ends with row 0, but 6 were written"},
		{"rows in another order", "UPDATE audit SET seq = 100 - seq", "row 1 is missing"},
		{"the head", "UPDATE audit_links SET hash = 'x' WHERE name = 'head'", "row 6 is not the one that was written"},
		{"a head that is too early", "UPDATE audit_links SET seq = 5 WHERE name = 'head'", "row 5 is not the one that was written"},
		{"a head that forgets", "UPDATE audit_links SET seq = 5, hash = (SELECT hash FROM audit WHERE seq = 5) WHERE name = 'head'", "there is a row 6, but only 5 were written"},
		{"a beginning", "UPDATE audit_links SET seq = 2 WHERE name = 'anchor'", "row 3 does not follow row 2"},
		{"a row of one's own", "INSERT INTO audit (id, at, actor, via, address, action, object, before, after, seq, previous, hash) VALUES (1, 1, 'anna', '', '', 'job.create', 'x', '', '', 7, (SELECT hash FROM audit WHERE seq = 6), 'x')", "row 7 (job.create x by anna"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, options func(testing.TB) db.Options) {
				o := options(t)
				s := openDB(t, o)
				for i := 1; i <= 6; i++ {
					insertAudit(t, s, "j"+strconv.Itoa(i))
				}
				service := scheduler.New(scheduler.Options{Store: s, Now: time.Now})
				if err := service.SealAudit(bg); err != nil {
					t.Fatal(err)
				}
				noted, err := scheduler.VerifyAudit(bg, s, "")
				if err != nil || noted.Problem != "" || noted.Rows != 6 {
					t.Fatalf("%+v, %v", noted, err)
				}
				closeDB(t, s)
				if c.statement != "" {
					change(t, o, c.statement)
				}
				s = openDB(t, o)
				defer closeDB(t, s)
				r, err := scheduler.VerifyAudit(bg, s, noted.Head.Hash)
				if err != nil || !strings.HasPrefix(r.Problem, c.problem) || (r.Problem == "") != (c.problem == "") {
					t.Errorf("found %q, want %q; %v", r.Problem, c.problem, err)
				}
			})
		})
	}
}

// TestAuditWrittenAnew: who can write the database can make a whole new chain; the
// hash that was noted elsewhere is not in it.
func TestAuditWrittenAnew(t *testing.T) {
	o := dbtest.SQLite(t)
	s := openDB(t, o)
	defer func() { closeDB(t, s) }()
	service := scheduler.New(scheduler.Options{Store: s, Now: time.Now})
	insertAudit(t, s, "x")
	if err := service.SealAudit(bg); err != nil {
		t.Fatal(err)
	}
	noted, err := scheduler.VerifyAudit(bg, s, "")
	if err != nil {
		t.Fatal(err)
	}
	closeDB(t, s)
	change(t, o, "UPDATE audit SET actor = 'ben', seq = 0, previous = '', hash = ''")
	change(t, o, "UPDATE audit_links SET seq = 0, hash = ''")
	s = openDB(t, o)
	service = scheduler.New(scheduler.Options{Store: s, Now: time.Now})
	if err := service.SealAudit(bg); err != nil {
		t.Fatal(err)
	}
	r, err := scheduler.VerifyAudit(bg, s, noted.Head.Hash)
	if err != nil || r.Problem != "" || r.Seen {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestAuditKeeping chains and deletes more rows than one transaction does.
func TestAuditKeeping(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, options func(testing.TB) db.Options) {
		s := openDB(t, options(t))
		defer closeDB(t, s)
		began := time.Now().Truncate(time.Second)
		const n = 1203
		if err := s.InTx(bg, func(tx scheduler.Tx) error {
			for i := range n {
				if err := tx.InsertAudit(bg, scheduler.AuditEntry{At: began.Add(time.Duration(i) * time.Second), Action: "job.run"}); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		service := scheduler.New(scheduler.Options{Store: s, Now: time.Now})
		if err := service.SealAudit(bg); err != nil {
			t.Fatal(err)
		}
		if err := service.DropAudit(bg, began.Add(1100*time.Second)); err != nil {
			t.Fatal(err)
		}
		r, err := scheduler.VerifyAudit(bg, s, "")
		if err != nil || r.Problem != "" || r.Rows != 103 || r.Anchor.Seq != 1100 || r.Head.Seq != n || r.Loose != 0 {
			t.Errorf("%+v, %v", r, err)
		}
		if err := service.DropAudit(bg, began.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		insertAudit(t, s, "later")
		if err := service.SealAudit(bg); err != nil {
			t.Fatal(err)
		}
		if r, err = scheduler.VerifyAudit(bg, s, r.Head.Hash); err != nil || r.Problem != "" || !r.Seen || r.Rows != 1 || r.Head.Seq != n+1 {
			t.Errorf("behind what was deleted: %+v, %v", r, err)
		}
	})
}

func insertAudit(t *testing.T, s *db.Store, object string) {
	t.Helper()
	if err := s.InTx(bg, func(tx scheduler.Tx) error {
		return tx.InsertAudit(bg, scheduler.AuditEntry{At: time.Now(), Actor: "anna", Action: "job.create", Object: object, After: `{"a":1}`})
	}); err != nil {
		t.Fatal(err)
	}
}
