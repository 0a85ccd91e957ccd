// Package db keeps Belfry's memory in SQLite or PostgreSQL: one Store over
// database/sql, one SQL text for both, and small fragments where they differ.
package db

import (
	"context"
	"database/sql"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"belfry/scheduler"
)

// Options say which database to open. URL wins over Path.
type Options struct {
	Path string // an SQLite file; it is created, for its owner only, when missing
	URL  string // postgres://…
	Log  *slog.Logger

	// NoSync makes SQLite not wait for the disk: for tests. What was answered then
	// survives the end of the process, but not that of the machine.
	NoSync bool
}

// Store is the scheduler's Store over a database. Its errors are
// *scheduler.Error. All methods may be called concurrently.
type Store struct {
	dialect *dialect
	log     *slog.Logger
	read    querier // reads outside a transaction: from pool
	pool    *pool
	db      *sql.DB // what the transactions use: one connection on SQLite
	writer  *writer // SQLite only: the one that writes
	jobs    jobCache
	claims  claims
	touched recently
	tagged  atomic.Bool // some executions may demand tags
	copied  atomic.Bool // some fires may run on several workers
	auditID ticket

	pingMu  sync.Mutex
	pingAt  time.Time
	pingErr error

	closeOnce sync.Once
	closeErr  error
}

var _ scheduler.Store = (*Store)(nil)

// Open opens the database and brings its schema up to date. CodeConflict: the
// schema is newer than this program, or was changed behind its back.
// CodeUnavailable: the database cannot be reached, read or written.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	open := openSQLite
	if o.URL != "" {
		open = openPostgres
	}
	s, err := open(ctx, o)
	if err != nil {
		return nil, translate(err)
	}
	if err := s.begin(ctx); err != nil {
		_ = s.Close()
		return nil, translate(err)
	}
	return s, nil
}

// begin reads what the store continues from.
func (s *Store) begin(ctx context.Context) error {
	var last int64
	if _, err := get(ctx, s.read, "SELECT COALESCE(MAX(id), 0) FROM audit", nil, &last); err != nil {
		return err
	}
	s.auditID.after(last)
	var one int
	tagged, err := get(ctx, s.read, "SELECT 1 FROM executions WHERE finished_at = 0 AND tags <> '' LIMIT 1", nil, &one)
	s.tagged.Store(tagged)
	if err != nil {
		return err
	}
	copied, err := get(ctx, s.read, "SELECT 1 FROM executions WHERE finished_at = 0 AND copy > 0 LIMIT 1", nil, &one)
	s.copied.Store(copied)
	return err
}

// InTx runs fn in one transaction. On SQLite concurrent calls share one commit:
// see writer. On PostgreSQL each has its own, and runs again when the server
// says that it met another one. A panic of fn comes back as an error.
func (s *Store) InTx(ctx context.Context, fn func(tx scheduler.Tx) error) error {
	return s.write(ctx, func(t *tx) error { return fn(t) })
}

func (s *Store) write(ctx context.Context, fn func(*tx) error) error {
	if s.writer != nil {
		return s.writer.submit(ctx, fn)
	}
	return s.runPostgres(ctx, fn)
}

// pingEvery is how long Ping repeats its last answer: health checks may come
// from many sides, and each real one costs a write that waits for the disk.
const pingEvery = time.Second

// Size returns how many bytes the database takes on disk.
func (s *Store) Size(ctx context.Context) (bytes int64, err error) {
	_, err = get(ctx, s.read, s.dialect.size, nil, &bytes)
	return bytes, err
}

// Ping reads and writes a row, at most once a second.
func (s *Store) Ping(ctx context.Context) error {
	s.pingMu.Lock()
	defer s.pingMu.Unlock()
	if time.Since(s.pingAt) < pingEvery {
		return s.pingErr
	}
	var n int64
	_, err := get(ctx, s.read, "SELECT value FROM counters WHERE name = 'ping'", nil, &n)
	if err == nil {
		err = s.write(ctx, func(t *tx) error {
			_, err := t.exec(ctx, "UPDATE counters SET value = value + 1 WHERE name = 'ping'")
			return err
		})
	}
	if ctx.Err() != nil { // says nothing about the database
		return err
	}
	s.pingAt, s.pingErr = time.Now(), err
	return err
}

// Close waits for the transactions that have been accepted and closes the
// database. Later calls fail with CodeUnavailable.
func (s *Store) Close() error {
	s.closeOnce.Do(func() {
		if s.writer != nil {
			s.writer.close()
		}
		s.closeErr = s.pool.close()
		if err := s.db.Close(); err != nil { // on PostgreSQL the same one, again: no harm
			s.closeErr = err
		}
	})
	return translate(s.closeErr)
}
