package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
)

// begin starts a transaction, on a new connection if the last one was given up.
func (w *writer) begin() error {
	if w.conn == nil {
		conn, err := w.s.db.Conn(context.Background())
		if err != nil {
			return translate(err)
		}
		w.conn, w.stmts = conn, map[string]*sql.Stmt{}
	}
	err := w.control("BEGIN IMMEDIATE")
	if err == nil {
		old := w.version
		if _, err = get(context.Background(), w, "PRAGMA data_version", nil, &w.version); old != w.version {
			w.s.jobs.forget()
		}
	}
	if err != nil && broken(err) {
		w.disconnect()
	}
	return err
}

// rollback takes the transaction back. SQLite may have done so already (disk
// full); a connection that cannot say is given up.
func (w *writer) rollback() {
	w.s.jobs.forget()
	if err := w.control("ROLLBACK"); err != nil {
		w.disconnect()
	}
}

func (w *writer) commit() error {
	err := w.control("COMMIT")
	if err == nil {
		w.commits.Add(1)
	}
	return err
}

func (w *writer) control(verb string) error {
	_, err := w.exec(context.Background(), verb)
	return err
}

// disconnect closes the connection, which takes back what is not committed.
func (w *writer) disconnect() {
	w.s.jobs.forget()
	for _, s := range w.stmts {
		_ = s.Close()
	}
	w.stmts = nil
	if w.conn != nil {
		_ = w.conn.Raw(func(any) error { return driver.ErrBadConn })
		_ = w.conn.Close()
		w.conn = nil
	}
}

// exec and query leave the caller's context out: a statement that is cut off
// would end the transaction for everybody in it.
func (w *writer) exec(_ context.Context, query string, args ...any) (int64, error) {
	stmt, err := w.stmt(query)
	if err != nil {
		return 0, err
	}
	return affected(stmt.ExecContext(context.Background(), args...))
}

func (w *writer) query(_ context.Context, query string, args ...any) (*sql.Rows, error) {
	stmt, err := w.stmt(query)
	if err != nil {
		return nil, err
	}
	rows, err := stmt.QueryContext(context.Background(), args...)
	return rows, translate(err)
}

func (w *writer) stmt(query string) (*sql.Stmt, error) {
	if stmt := w.stmts[query]; stmt != nil {
		return stmt, nil
	}
	if w.conn == nil {
		return nil, translate(errClosed)
	}
	stmt, err := w.conn.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, translate(err)
	}
	if len(w.stmts) >= maxStatements {
		for k, s := range w.stmts { // any one: this is a bound, not a policy
			_ = s.Close()
			delete(w.stmts, k)
			break
		}
	}
	w.stmts[query] = stmt
	return stmt, nil
}
