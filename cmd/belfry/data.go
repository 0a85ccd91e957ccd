package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"

	"belfry/db"
)

// dataFlags say where Belfry keeps what it knows.
type dataFlags struct {
	Data     string `help:"Folder for the database and the lock; made if it does not exist." default:"belfry-data" placeholder:"DIR"`
	Database string `help:"PostgreSQL instead of SQLite in the data folder: postgres://user:password@host/name." placeholder:"URL"`
}

func (f dataFlags) open(ctx context.Context, log *slog.Logger) (*db.Store, error) {
	if err := os.MkdirAll(f.Data, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	return db.Open(ctx, db.Options{Path: f.file(), URL: f.Database, Log: log})
}

// instance names the data folder for as long as it stays where it is, so that a
// server can recognise processes that an earlier one left.
func (f dataFlags) instance() (string, error) {
	path, err := filepath.Abs(f.Data)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(path))
	return hex.EncodeToString(sum[:8]), nil
}

// lock keeps a second server off the data folder until the returned function is
// called or the process ends.
func (f dataFlags) lock() (unlock func(), err error) {
	if err := os.MkdirAll(f.Data, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	path := filepath.Join(f.Data, "belfry.lock")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err != nil {
		_ = file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("another Belfry is running on the data folder %s", f.Data)
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { _ = file.Close() }, nil
}
