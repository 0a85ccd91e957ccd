package db

import (
	"database/sql"
	"log/slog"
	"path/filepath"
	"testing"
)

// TestMigrateGap: a step with a lower number that came later is applied, too.
func TestMigrateGap(t *testing.T) {
	pool, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "x.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	log := slog.New(slog.DiscardHandler)
	step := func(n int64, table string) migration {
		return migration{n, table + ".sql", "CREATE TABLE " + table + " (n BIGINT)", table}
	}
	one, two, three := step(1, "one"), step(2, "two"), step(3, "three")
	for _, steps := range [][]migration{{one, three}, {one, two, three}, {one, two, three}} {
		if err := migrateTo(t.Context(), pool, sqliteDialect, steps, log); err != nil {
			t.Fatal(err)
		}
	}
	for _, table := range []string{"one", "two", "three"} {
		if _, err := pool.ExecContext(t.Context(), "INSERT INTO "+table+" VALUES (1)"); err != nil {
			t.Error(err)
		}
	}
}
