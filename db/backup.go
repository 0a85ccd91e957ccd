package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"belfry/migrations"
	"belfry/scheduler"
)

// BackupInfo says what a copy of a database holds.
type BackupInfo struct {
	Bytes            int64
	Jobs, Executions int64
}

// Backup writes a copy of the SQLite database at path to a new file, as it is at
// one instant, while others go on reading and writing. With force it replaces
// what is there. The copy is checked and on disk when Backup returns, and nothing
// is left when it fails.
//
// It is made by VACUUM INTO: one read transaction, which in WAL mode keeps nobody
// from writing. SQLite's backup API begins again whenever another process writes,
// which on a busy server is always.
func Backup(ctx context.Context, path, to string, force bool) (BackupInfo, error) {
	var info BackupInfo
	if _, err := os.Stat(path); err != nil {
		return info, fmt.Errorf("there is no database to copy: %w", err)
	}
	if _, err := os.Stat(to); err == nil && !force {
		return info, fmt.Errorf("%s exists already; use --force to replace it", to)
	}
	temp, err := os.CreateTemp(filepath.Dir(to), ".belfry-backup-*") // readable by its owner only
	if err != nil {
		return info, fmt.Errorf("make the copy: %w", err)
	}
	defer func() { _ = os.Remove(temp.Name()) }()
	defer temp.Close()
	source, err := sql.Open("sqlite", dsn(path, url.Values{"_busy_timeout": {"5000"}}))
	if err != nil {
		return info, err
	}
	defer source.Close()
	if err := knownSchema(ctx, source, path); err != nil {
		return info, err
	}
	if _, err := source.ExecContext(ctx, "VACUUM INTO $1", temp.Name()); err != nil {
		return info, fmt.Errorf("make the copy: %w", translate(err))
	}
	if info, err = inspect(ctx, temp.Name()); err != nil {
		return info, err
	}
	if err := temp.Sync(); err != nil {
		return info, fmt.Errorf("write the copy to the disk: %w", err)
	}
	return info, place(temp.Name(), to, force)
}

// place gives a finished file its name, and returns when the name is on disk.
func place(temp, to string, force bool) error {
	var err error
	if force {
		err = os.Rename(temp, to)
	} else if err = os.Link(temp, to); errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists already; use --force to replace it", to)
	}
	if err != nil {
		return err
	}
	return syncFolder(filepath.Dir(to))
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// inspect checks a database file that nobody writes, and counts what it holds.
func inspect(ctx context.Context, path string) (info BackupInfo, err error) {
	conn, err := sql.Open("sqlite", dsn(path, url.Values{"mode": {"ro"}}))
	if err != nil {
		return info, err
	}
	defer conn.Close()
	var said string
	if err := conn.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&said); err != nil {
		return info, fmt.Errorf("%s: %w", path, translate(err))
	}
	if said != "ok" {
		return info, fmt.Errorf("%s is damaged: %s", path, said)
	}
	if err := knownSchema(ctx, conn, path); err != nil {
		return info, err
	}
	err = conn.QueryRowContext(ctx, "SELECT (SELECT COUNT(*) FROM jobs), (SELECT COUNT(*) FROM executions)").Scan(&info.Jobs, &info.Executions)
	if err != nil {
		return info, translate(err)
	}
	stat, err := os.Stat(path)
	if err == nil {
		info.Bytes = stat.Size()
	}
	return info, err
}

// knownSchema refuses a file that is not ours, or from a newer Belfry.
func knownSchema(ctx context.Context, conn *sql.DB, path string) error {
	all, err := loadMigrations(migrations.Files, sqliteDialect)
	if err != nil {
		return err
	}
	var have sql.NullInt64
	if err := conn.QueryRowContext(ctx, "SELECT MAX(version) FROM schema_migrations").Scan(&have); err != nil || !have.Valid {
		if err != nil && !strings.Contains(err.Error(), "no such table") && !strings.Contains(err.Error(), "not a database") {
			return fmt.Errorf("%s: %w", path, translate(err))
		}
		return scheduler.Errorf(scheduler.CodeInvalid, "%s is not a Belfry database", path)
	}
	if know := all[len(all)-1].version; have.Int64 > know {
		return scheduler.Errorf(scheduler.CodeConflict, "%s was made by a newer Belfry (schema %d); this binary knows %d", path, have.Int64, know)
	}
	return nil
}

// Restore puts a copy of a backup in the place of the SQLite database at path,
// which nobody may have open. With force it replaces a database that is there,
// and keeps it under the name that it returns. Until the very end nothing has
// changed.
func Restore(ctx context.Context, from, path string, force bool, now time.Time) (info BackupInfo, kept string, err error) {
	if _, err := inspect(ctx, from); err != nil {
		return info, "", err
	}
	if _, err := os.Stat(path); err == nil && !force {
		return info, "", fmt.Errorf("%s exists already; use --force to replace it (it is kept under another name)", path)
	}
	temp, err := copyFile(from, filepath.Dir(path))
	if err != nil {
		return info, "", fmt.Errorf("copy the backup: %w", err)
	}
	defer func() { _ = os.Remove(temp) }()
	if info, err = inspect(ctx, temp); err != nil {
		return info, "", err
	}
	if err := outdate(ctx, temp); err != nil {
		return info, "", err
	}
	if kept, err = keep(ctx, path, now); err != nil {
		return info, "", fmt.Errorf("keep the database that is there: %w", err)
	}
	// The log of the old database must not be taken for the new one's.
	for _, suffix := range []string{"-wal", "-shm"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return info, kept, err
		}
	}
	return info, kept, place(temp, path, true)
}

// outdated is added to the epochs of workers: more than they connect between a
// backup and its restore.
const outdated = 1 << 32

// outdate makes workers that stayed connected meanwhile strangers to the restored
// database: what they ran when it was copied, they may have ended since.
func outdate(ctx context.Context, path string) (err error) {
	conn, err := sql.Open("sqlite", dsn(path, url.Values{"mode": {"rw"}}))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	_, err = conn.ExecContext(ctx, "UPDATE workers SET epoch = epoch + $1", int64(outdated))
	if err != nil && strings.Contains(err.Error(), "no such table") { // a backup from before there were any
		return nil
	}
	return translate(err)
}

func copyFile(from, dir string) (name string, err error) {
	in, err := os.Open(from)
	if err != nil {
		return "", err
	}
	defer in.Close()
	out, err := os.CreateTemp(dir, ".belfry-restore-*")
	if err != nil {
		return "", err
	}
	_, err = io.Copy(out, in)
	if err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err != nil {
		_ = os.Remove(out.Name())
		return "", err
	}
	return out.Name(), nil
}

// keep gives the database at path a second name, after merging its log into it.
// Of one that cannot be opened the log is kept beside it.
func keep(ctx context.Context, path string, now time.Time) (string, error) {
	if _, err := os.Stat(path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return "", nil
		}
		return "", err
	}
	kept := path + ".before-restore-" + now.UTC().Format("20060102T150405Z")
	if err := mergeLog(ctx, path); err != nil {
		if err := os.Link(path+"-wal", kept+"-wal"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return kept, os.Link(path, kept)
}

func mergeLog(ctx context.Context, path string) error {
	conn, err := sql.Open("sqlite", dsn(path, url.Values{"_busy_timeout": {"5000"}}))
	if err != nil {
		return err
	}
	defer conn.Close()
	var mode string
	if err := conn.QueryRowContext(ctx, "PRAGMA journal_mode(DELETE)").Scan(&mode); err != nil {
		return err
	}
	if mode != "delete" {
		return fmt.Errorf("the log of %s cannot be merged into it: somebody has it open", path)
	}
	return nil
}
