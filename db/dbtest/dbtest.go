// Package dbtest opens databases for tests, and holds the conformance suite of
// the scheduler's Store.
package dbtest

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"belfry/db"
	"belfry/migrations"
)

// Open opens a new SQLite database that ends with the test.
func Open(t testing.TB) *db.Store {
	t.Helper()
	return OpenAt(t, SQLite(t))
}

// OpenAt opens a database and closes it when the test ends.
func OpenAt(t testing.TB, o db.Options) *db.Store {
	t.Helper()
	s, err := db.Open(context.Background(), o)
	if err != nil {
		t.Fatalf("open the database: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close the database: %v", err)
		}
	})
	return s
}

// SQLite names a database that does not exist yet. Only benchmarks wait for the
// disk.
func SQLite(t testing.TB) db.Options {
	_, bench := t.(*testing.B)
	return db.Options{Path: filepath.Join(t.TempDir(), "belfry.db"), NoSync: !bench}
}

// Postgres makes a database on the server that BELFRY_TEST_POSTGRES names, from
// a template that has the schema already. Without a server the test is skipped,
// or fails when BELFRY_TEST_REQUIRE_POSTGRES is 1.
func Postgres(t testing.TB) db.Options {
	t.Helper()
	server := os.Getenv("BELFRY_TEST_POSTGRES")
	if server == "" {
		if os.Getenv("BELFRY_TEST_REQUIRE_POSTGRES") == "1" {
			t.Fatal("BELFRY_TEST_POSTGRES names no PostgreSQL server")
		}
		t.Skip("BELFRY_TEST_POSTGRES names no PostgreSQL server")
	}
	template, err := template(server)
	if err != nil {
		t.Fatalf("make the template database: %v", err)
	}
	return create(t, server, " TEMPLATE "+template+" STRATEGY file_copy")
}

// EmptyPostgres makes a database without a schema, like Postgres otherwise.
func EmptyPostgres(t testing.TB) db.Options {
	t.Helper()
	Postgres(t) // skips or fails
	return create(t, os.Getenv("BELFRY_TEST_POSTGRES"), "")
}

func create(t testing.TB, server, how string) db.Options {
	t.Helper()
	name := "belfry_test_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	if err := admin(server, "CREATE DATABASE "+name+how); err != nil {
		t.Fatalf("create a database: %v", err)
	}
	t.Cleanup(func() {
		if err := admin(server, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("drop the database: %v", err)
		}
	})
	return db.Options{URL: withDatabase(server, name)}
}

// Each runs a test on every database there is.
func Each(t *testing.T, test func(t *testing.T, options func(testing.TB) db.Options)) {
	t.Run("sqlite", func(t *testing.T) { test(t, SQLite) })
	t.Run("postgres", func(t *testing.T) {
		Postgres(t) // skips here, once, rather than in each of the tests
		test(t, Postgres)
	})
}

var (
	templateOnce sync.Once
	templateName string
	errTemplate  error
)

func template(server string) (string, error) {
	templateOnce.Do(func() { templateName, errTemplate = makeTemplate(server) })
	return templateName, errTemplate
}

// makeTemplate makes the migrated template, named after the migrations, so that
// later test runs find it.
func makeTemplate(server string) (string, error) {
	sum := sha256.New()
	err := fs.WalkDir(migrations.Files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(migrations.Files, path)
		sum.Write(append([]byte(path), text...))
		return err
	})
	if err != nil {
		return "", err
	}
	name := "belfry_template_" + hex.EncodeToString(sum.Sum(nil))[:16]
	conn, err := sql.Open("pgx", server)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	conn.SetMaxOpenConns(1) // the lock is the session's
	if _, err := conn.Exec("SELECT pg_advisory_lock(20201120)"); err != nil {
		return "", err
	}
	defer conn.Exec("SELECT pg_advisory_unlock(20201120)") //nolint:errcheck // it ends with the session
	var exists bool
	err = conn.QueryRow("SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1 AND datistemplate)", name).Scan(&exists)
	if err != nil || exists {
		return name, err
	}
	for _, q := range []string{"DROP DATABASE IF EXISTS " + name, "CREATE DATABASE " + name} {
		if _, err := conn.Exec(q); err != nil {
			return "", err
		}
	}
	s, err := db.Open(context.Background(), db.Options{URL: withDatabase(server, name)})
	if err != nil {
		return "", err
	}
	if err := s.Close(); err != nil {
		return "", err
	}
	_, err = conn.Exec("ALTER DATABASE " + name + " IS_TEMPLATE true")
	return name, err
}

func admin(server, query string) error {
	conn, err := sql.Open("pgx", server)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Exec(query)
	return err
}

func withDatabase(server, name string) string {
	u, err := url.Parse(server)
	if err != nil {
		return server
	}
	u.Path = "/" + name
	return u.String()
}
