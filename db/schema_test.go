package db_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"

	"belfry/db"
	"belfry/db/dbtest"
	"belfry/scheduler"
)

func TestSchema(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, options func(testing.TB) db.Options) {
		t.Run("newer", func(t *testing.T) {
			o := options(t)
			change(t, o, "INSERT INTO schema_migrations (version, name, sha256, applied_at) VALUES (9007, '9007_later.sql', 'x', 0)")
			refused(t, o, "this database was made by a newer Belfry (schema 9007); this binary knows ")
		})
		t.Run("changed", func(t *testing.T) {
			o := options(t)
			change(t, o, "UPDATE schema_migrations SET sha256 = 'another' WHERE version = 1")
			refused(t, o, "schema step 1 (0001_init.sql) is not what this database was made with")
		})
		t.Run("opened again", func(t *testing.T) {
			o := options(t)
			j := newJob("kept")
			s := openDB(t, o)
			if err := s.InTx(bg, func(tx scheduler.Tx) error {
				if err := tx.InsertAudit(bg, scheduler.AuditEntry{Object: "first"}); err != nil {
					return err
				}
				return tx.InsertJob(bg, &j)
			}); err != nil {
				t.Fatal(err)
			}
			closeDB(t, s)
			s = openDB(t, o)
			defer closeDB(t, s)
			if got, err := s.Job(bg, j.ID); err != nil || got.Name != "kept" {
				t.Errorf("read %q, %v", got.Name, err)
			}
		})
	})
}

// TestStartTogether: several servers open one empty database at once.
func TestStartTogether(t *testing.T) {
	for _, fresh := range []struct {
		name string
		open func(testing.TB) db.Options
	}{{"sqlite", dbtest.SQLite}, {"postgres", dbtest.EmptyPostgres}} {
		t.Run(fresh.name, func(t *testing.T) {
			o := fresh.open(t)
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					s, err := db.Open(bg, o)
					if err != nil {
						t.Error(err)
						return
					}
					if err := s.Close(); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
		})
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct {
		o    db.Options
		code scheduler.Code
	}{
		"nothing":       {db.Options{}, scheduler.CodeInternal},
		"no folder":     {db.Options{Path: dir + "/no/such/folder/x.db"}, scheduler.CodeUnavailable},
		"a folder":      {db.Options{Path: dir}, scheduler.CodeUnavailable},
		"not a url":     {db.Options{URL: "postgres://%zz"}, scheduler.CodeInvalid},
		"nobody there":  {db.Options{URL: "postgres://nobody:secret@127.0.0.1:1/x"}, scheduler.CodeUnavailable},
		"not a databas": {db.Options{Path: garbage(t, dir)}, scheduler.CodeUnavailable},
	} {
		s, err := db.Open(bg, c.o)
		if err == nil {
			_ = s.Close()
		}
		if got := scheduler.CodeOf(err); got != c.code {
			t.Errorf("%s: %v has the code %q, want %q", name, err, got, c.code)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the password is in %q", name, err)
		}
	}
}

func garbage(t *testing.T, dir string) string {
	t.Helper()
	path := dir + "/garbage.db"
	if err := os.WriteFile(path, []byte(strings.Repeat("this is no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestFileMode: names with characters of URLs work, and nobody else may read.
func TestFileMode(t *testing.T) {
	o := db.Options{Path: t.TempDir() + "/100% of? the#data.db"}
	s := openDB(t, o)
	defer closeDB(t, s)
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(o.Path + suffix)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v; want 0600", suffix, info, err)
		}
	}
}

func openDB(t testing.TB, o db.Options) *db.Store {
	t.Helper()
	o.Log = slog.New(slog.DiscardHandler)
	s, err := db.Open(bg, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func closeDB(t testing.TB, s *db.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func change(t *testing.T, o db.Options, query string) {
	t.Helper()
	s := openDB(t, o)
	defer closeDB(t, s)
	if err := s.Exec(context.Background(), query); err != nil {
		t.Fatal(err)
	}
}

func refused(t *testing.T, o db.Options, words string) {
	t.Helper()
	s, err := db.Open(bg, o)
	if err == nil {
		_ = s.Close()
	}
	if scheduler.CodeOf(err) != scheduler.CodeConflict || !strings.Contains(fmt.Sprint(err), words) {
		t.Errorf("opened: %v; want it refused with %q", err, words)
	}
}
