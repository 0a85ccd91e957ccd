package db

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

const readers = 4

// openSQLite opens a pool of one connection that writes and a pool of readers.
func openSQLite(ctx context.Context, o Options) (*Store, error) {
	if o.Path == "" {
		return nil, errors.New("neither a path nor a URL of a database is given")
	}
	unlock := lockFolder(o.Path)
	defer unlock()
	if err := createFile(o.Path); err != nil {
		return nil, err
	}
	var err error
	s := &Store{dialect: sqliteDialect, log: o.Log}
	if s.db, err = sql.Open("sqlite", writerDSN(o)); err != nil {
		return nil, err
	}
	s.db.SetMaxOpenConns(1)
	if err := migrate(ctx, s.db, s.dialect, o.Log); err != nil {
		_ = s.db.Close()
		return nil, err
	}
	rdb, err := sql.Open("sqlite", readerDSN(o.Path))
	if err != nil {
		_ = s.db.Close()
		return nil, err
	}
	rdb.SetMaxOpenConns(readers)
	rdb.SetMaxIdleConns(readers)
	s.pool = &pool{db: rdb, prepare: true}
	s.read = s.pool
	s.writer = newWriter(s)
	return s, nil
}

// createFile creates the database file for its owner only: SQLite would let
// everybody read it. The -wal and -shm files get the mode of the file. A file
// that exists is not even opened: closing it again would drop the locks that
// this process may hold on it.
func createFile(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// lockFolder makes programs that open a database in the same folder come one
// after the other: SQLite's own locks do not cover its creation. Where folders
// cannot be locked they come as they may.
func lockFolder(path string) (unlock func()) {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return func() {}
	}
	_ = syscall.Flock(int(dir.Fd()), syscall.LOCK_EX)
	return func() { _ = dir.Close() }
}

// writerDSN says what the writing connection needs. synchronous(FULL): what was
// answered is on disk. The log is merged into the file every 16 MB: the pages of
// hot indexes are then written once, not once per thousand changes, and opening
// after a crash still takes a blink.
func writerDSN(o Options) string {
	synchronous := "synchronous(FULL)"
	if o.NoSync {
		synchronous = "synchronous(OFF)"
	}
	return dsn(o.Path, url.Values{
		"_txlock":       {"immediate"},
		"_busy_timeout": {"5000"}, // here, it comes before all else
		"_auto_vacuum":  {"INCREMENTAL"},
		"_pragma": {
			"journal_mode(WAL)", synchronous, "foreign_keys(1)",
			"cache_size(-16000)", "temp_store(MEMORY)", "wal_autocheckpoint(4000)",
			"journal_size_limit(67108864)",
		},
	})
}

func readerDSN(path string) string {
	return dsn(path, url.Values{
		"_busy_timeout": {"5000"},
		"_pragma":       {"query_only(1)", "cache_size(-4000)", "temp_store(MEMORY)"},
	})
}

func dsn(path string, v url.Values) string {
	return "file:" + strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(path) + "?" + v.Encode()
}
