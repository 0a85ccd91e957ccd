package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"belfry/db"
)

// backupCmd copies the database while a server may be running.
type backupCmd struct {
	dataFlags
	Force bool   `help:"Replace FILE if it exists."`
	File  string `arg:"" help:"Where the copy goes."`
}

// Run copies the database.
func (c *backupCmd) Run(ctx context.Context, con *console) error {
	if c.Database != "" {
		return errors.New("the database is PostgreSQL: use pg_dump")
	}
	began := time.Now()
	info, err := db.Backup(ctx, c.file(), c.File, c.Force)
	if err != nil {
		return err
	}
	fmt.Fprintf(con.stdout, "%s: %s, checked, in %v\n", c.File, describe(info), time.Since(began).Round(time.Millisecond))
	return nil
}

// restoreCmd puts a copy in the place of the database.
type restoreCmd struct {
	dataFlags
	Force bool   `help:"Replace the database that is there; it is kept under another name."`
	File  string `arg:"" help:"What backup made."`
}

// Run restores the database.
func (c *restoreCmd) Run(ctx context.Context, con *console) error {
	if c.Database != "" {
		return errors.New("the database is PostgreSQL: use pg_restore")
	}
	if _, err := os.Stat(c.File); err != nil {
		return err
	}
	unlock, err := c.lock()
	if err != nil {
		return err
	}
	defer unlock()
	info, kept, err := db.Restore(ctx, c.File, c.file(), c.Force, time.Now())
	if kept != "" {
		fmt.Fprintf(con.stdout, "The database that was there is %s\n", kept)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(con.stdout, "%s: restored %s\n", c.file(), describe(info))
	return nil
}

// file is the SQLite database.
func (f dataFlags) file() string { return filepath.Join(f.Data, "belfry.db") }

func describe(i db.BackupInfo) string {
	return fmt.Sprintf("%.1f MB with %d jobs and %d executions", float64(i.Bytes)/1e6, i.Jobs, i.Executions)
}
