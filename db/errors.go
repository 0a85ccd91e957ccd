package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"os"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"belfry/scheduler"
)

// translate makes a driver's error the domain's, by its code. An error that is
// the domain's already stays.
func translate(err error) error {
	if err == nil {
		return nil
	}
	var known *scheduler.Error
	if errors.As(err, &known) {
		return err
	}
	code, words := classify(err)
	return &scheduler.Error{Code: code, Message: words, Err: err}
}

func classify(err error) (scheduler.Code, string) {
	var lite *sqlite.Error
	var pg *pgconn.PgError
	var connect *pgconn.ConnectError
	var netErr net.Error
	switch {
	case errors.As(err, &lite):
		return classifySQLite(lite.Code())
	case errors.As(err, &pg):
		return classifyPostgres(pg.Code)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return scheduler.CodeUnavailable, "the caller did not wait for the database"
	case errors.As(err, &connect), errors.As(err, &netErr), errors.Is(err, io.EOF),
		errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, driver.ErrBadConn):
		return scheduler.CodeUnavailable, "the database cannot be reached"
	case errors.Is(err, sql.ErrConnDone), errors.Is(err, errClosed):
		return scheduler.CodeUnavailable, "the database is closed"
	case errors.Is(err, os.ErrPermission):
		return scheduler.CodeUnavailable, "the database file may not be opened by this user"
	case errors.Is(err, os.ErrNotExist):
		return scheduler.CodeUnavailable, "the database's folder does not exist"
	default:
		return scheduler.CodeInternal, "the database failed"
	}
}

var errClosed = errors.New("the store was closed")

func classifySQLite(code int) (scheduler.Code, string) {
	switch code {
	case lib.SQLITE_CONSTRAINT_UNIQUE, lib.SQLITE_CONSTRAINT_PRIMARYKEY, lib.SQLITE_CONSTRAINT_ROWID:
		return scheduler.CodeConflict, "it exists already"
	case lib.SQLITE_CONSTRAINT_FOREIGNKEY:
		return scheduler.CodeConflict, "it belongs to something that does not exist"
	}
	switch code & 0xff {
	case lib.SQLITE_FULL:
		return scheduler.CodeUnavailable, "the disk is full: nothing can be stored until there is room"
	case lib.SQLITE_READONLY:
		return scheduler.CodeUnavailable, "the database file cannot be written"
	case lib.SQLITE_CANTOPEN:
		return scheduler.CodeUnavailable, "the database file cannot be opened"
	case lib.SQLITE_IOERR:
		return scheduler.CodeUnavailable, "the disk failed while the database was read or written (it may be full)"
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return scheduler.CodeUnavailable, "another program keeps the database locked"
	case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB:
		return scheduler.CodeUnavailable, "the database file is damaged, or is not a database"
	case lib.SQLITE_INTERRUPT:
		return scheduler.CodeUnavailable, "the caller did not wait for the database"
	case lib.SQLITE_TOOBIG:
		return scheduler.CodeTooLarge, "it is too large to be stored"
	default:
		return scheduler.CodeInternal, "the database failed"
	}
}

func classifyPostgres(code string) (scheduler.Code, string) {
	switch {
	case code == "23505":
		return scheduler.CodeConflict, "it exists already"
	case code == "23503":
		return scheduler.CodeConflict, "it belongs to something that does not exist"
	case code == "53100":
		return scheduler.CodeUnavailable, "the database's disk is full: nothing can be stored until there is room"
	case code == "25006":
		return scheduler.CodeUnavailable, "the database is read-only"
	case code == "57014":
		return scheduler.CodeUnavailable, "the caller did not wait for the database"
	case code == "40001" || code == "40P01":
		return scheduler.CodeUnavailable, "too many writers met in the database: try again"
	case code == "3D000":
		return scheduler.CodeUnavailable, "the database does not exist on the server"
	case strings.HasPrefix(code, "28"):
		return scheduler.CodeUnavailable, "the database refused the user or password"
	case strings.HasPrefix(code, "53"), strings.HasPrefix(code, "57P"), strings.HasPrefix(code, "08"),
		strings.HasPrefix(code, "58"):
		return scheduler.CodeUnavailable, "the database is not able to answer"
	default:
		return scheduler.CodeInternal, "the database failed"
	}
}

// mayRetry reports that PostgreSQL gave up a transaction only because it met
// another one.
func mayRetry(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01")
}

// createdMeanwhile reports that PostgreSQL could not create a table because
// somebody else did at the same moment.
func createdMeanwhile(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "42P07" || pg.Code == "42710" || pg.Code == "23505")
}

// broken reports that SQLite may have ended the whole transaction, not only the
// statement that failed.
func broken(err error) bool {
	var lite *sqlite.Error
	if !errors.As(err, &lite) {
		return false
	}
	switch lite.Code() & 0xff {
	case lib.SQLITE_CONSTRAINT, lib.SQLITE_TOOBIG, lib.SQLITE_MISMATCH, lib.SQLITE_ERROR:
		return false
	default:
		return true
	}
}

func notFound(format string, args ...any) error {
	return scheduler.Errorf(scheduler.CodeNotFound, format, args...)
}

func conflict(format string, args ...any) error {
	return scheduler.Errorf(scheduler.CodeConflict, format, args...)
}
