package db

import "context"

// Exec runs SQL in a transaction of the store, for tests.
func (s *Store) Exec(ctx context.Context, query string, args ...any) error {
	return s.write(ctx, func(t *tx) error {
		_, err := t.exec(ctx, query, args...)
		return err
	})
}

// Commits counts the transactions that were committed on SQLite.
func (s *Store) Commits() int64 { return s.writer.commits.Load() }
