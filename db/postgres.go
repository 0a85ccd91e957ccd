package db

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"belfry/scheduler"
)

const (
	postgresConns = 16
	maxRetries    = 20
)

func openPostgres(ctx context.Context, o Options) (*Store, error) {
	cfg, err := pgx.ParseConfig(o.URL)
	if err != nil {
		// pgx hides the password in this error, but nothing else.
		return nil, &scheduler.Error{
			Code: scheduler.CodeInvalid, Message: "the database's URL is not one of PostgreSQL", Err: err,
		}
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = 10 * time.Second
	}
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "belfry"
	}
	db := stdlib.OpenDB(*cfg)
	db.SetMaxOpenConns(postgresConns)
	db.SetMaxIdleConns(postgresConns / 2)
	db.SetConnMaxIdleTime(5 * time.Minute)
	if err := migrate(ctx, db, postgresDialect, o.Log); err != nil {
		_ = db.Close()
		return nil, err
	}
	p := &pool{db: db}
	return &Store{dialect: postgresDialect, log: o.Log, db: db, pool: p, read: p}, nil
}

// runPostgres runs fn in a transaction of its own, again when PostgreSQL gave it
// up for another one.
func (s *Store) runPostgres(ctx context.Context, fn func(*tx) error) error {
	for n := 1; ; n++ {
		err := s.oncePostgres(ctx, fn)
		if err == nil || !mayRetry(err) || n == maxRetries {
			return err
		}
		pause := time.NewTimer(rand.N(time.Duration(n) * 2 * time.Millisecond))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return translate(ctx.Err())
		}
	}
}

func (s *Store) oncePostgres(ctx context.Context, fn func(*tx) error) error {
	if err := ctx.Err(); err != nil {
		return translate(err)
	}
	if s.pool.closed.Load() {
		return translate(errClosed)
	}
	// Statements end with ctx; the commit, once it has begun, must not: nobody
	// could say whether it happened.
	sqlTx, err := s.db.BeginTx(context.WithoutCancel(ctx), nil)
	if err != nil {
		return translate(err)
	}
	committed := false
	defer func() {
		if !committed { // also when fn ended the goroutine
			_ = sqlTx.Rollback()
		}
	}()
	t := &tx{s: s, querier: sqlQuerier{sqlTx}, pending: newDeltas()}
	if err := call(fn, t); err != nil {
		return err
	}
	if err := t.pending.flush(t); err != nil {
		return err
	}
	committed = true
	if err := sqlTx.Commit(); err != nil {
		if errors.Is(err, pgx.ErrTxCommitRollback) {
			return scheduler.Errorf(scheduler.CodeInternal, "the transaction went on after an error: %w", err)
		}
		return translate(err)
	}
	return nil
}

// sqlQuerier is a querier over a database/sql transaction.
type sqlQuerier struct{ tx *sql.Tx }

func (q sqlQuerier) exec(ctx context.Context, query string, args ...any) (int64, error) {
	return affected(q.tx.ExecContext(ctx, query, cleanArgs(args)...))
}

func (q sqlQuerier) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	rows, err := q.tx.QueryContext(ctx, query, cleanArgs(args)...)
	return rows, translate(err)
}
