package db

import (
	"context"
	"database/sql"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// querier runs SQL: on any connection, or in a transaction. Its errors are
// translated.
type querier interface {
	exec(ctx context.Context, query string, args ...any) (affected int64, err error)
	query(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// get scans the first row of a query into dest; found=false when there is none.
func get(ctx context.Context, q querier, query string, args []any, dest ...any) (found bool, err error) {
	err = each(ctx, q, query, args, func(rows *sql.Rows) error {
		if found {
			return nil
		}
		found = true
		return rows.Scan(dest...)
	})
	return found, err
}

// each calls scan for every row of a query.
func each(ctx context.Context, q querier, query string, args []any, scan func(*sql.Rows) error) error {
	rows, err := q.query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return translate(err)
		}
	}
	return translate(rows.Err())
}

// maxStatements bounds the prepared statements of a pool: lists are put together
// from parts, and each combination is a statement.
const maxStatements = 200

// pool is a querier over a connection pool. SQLite compiles a statement each
// time it is not prepared, so the pool keeps them; pgx does so by itself.
type pool struct {
	db      *sql.DB
	prepare bool
	closed  atomic.Bool

	mu    sync.RWMutex
	stmts map[string]*sql.Stmt
}

func (p *pool) exec(ctx context.Context, query string, args ...any) (int64, error) {
	return affected(p.db.ExecContext(ctx, query, cleanArgs(args)...))
}

func (p *pool) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if p.closed.Load() {
		return nil, translate(errClosed)
	}
	if stmt := p.stmt(ctx, query); stmt != nil {
		rows, err := stmt.QueryContext(ctx, args...)
		return rows, translate(err)
	}
	rows, err := p.db.QueryContext(ctx, query, cleanArgs(args)...)
	return rows, translate(err)
}

// stmt returns the prepared statement, or nil when there is to be none.
func (p *pool) stmt(ctx context.Context, query string) *sql.Stmt {
	if !p.prepare {
		return nil
	}
	p.mu.RLock()
	stmt, n := p.stmts[query], len(p.stmts)
	p.mu.RUnlock()
	if stmt != nil || n >= maxStatements {
		return stmt
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if stmt := p.stmts[query]; stmt != nil {
		return stmt
	}
	stmt, err := p.db.PrepareContext(ctx, query)
	if err != nil {
		return nil // the caller meets the error without a statement, too
	}
	if p.stmts == nil {
		p.stmts = map[string]*sql.Stmt{}
	}
	p.stmts[query] = stmt
	return stmt
}

func (p *pool) close() error {
	p.closed.Store(true)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.stmts {
		_ = s.Close()
	}
	p.stmts = nil
	return p.db.Close()
}

func affected(r sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, translate(err)
	}
	n, err := r.RowsAffected()
	return n, translate(err)
}

// where collects conditions with their arguments.
type where struct {
	conds []string
	args  []any
}

// arg adds an argument and returns its placeholder.
func (w *where) arg(v any) string {
	w.args = append(w.args, v)
	return "$" + strconv.Itoa(len(w.args))
}

// add adds a condition; each ? in it stands for the next of args.
func (w *where) add(cond string, args ...any) {
	for _, a := range args {
		cond = strings.Replace(cond, "?", w.arg(a), 1)
	}
	w.conds = append(w.conds, cond)
}

// text returns " WHERE …", or nothing.
func (w *where) text() string {
	if len(w.conds) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.conds, " AND ")
}

// number makes a placeholder good for LIMIT. SQLite looks at the value of a bare
// one to plan with it, and then compiles the statement again for every call.
func number(placeholder string) string { return "CAST(" + placeholder + " AS BIGINT)" }

// micros stores a time; 0 is the zero time.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}

// clean makes text that came from outside storable: PostgreSQL takes neither NUL
// nor bytes that are not UTF-8.
func clean(s string) string {
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// cleanArgs cleans what is searched for, too: what cannot be stored is then not
// found, rather than an error.
func cleanArgs(args []any) []any {
	for i, a := range args {
		if s, ok := a.(string); ok {
			args[i] = clean(s)
		}
	}
	return args
}
