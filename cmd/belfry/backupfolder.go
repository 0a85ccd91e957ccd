package main

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"belfry/db"
	"belfry/handlers"
	"belfry/scheduler"
)

// backupFolder is where copies of a SQLite database are kept that are made while
// the server runs. Nothing else in it is looked at.
type backupFolder struct{ data, database string }

// backupName is what copies are called; it says when each was made.
var backupName = regexp.MustCompile(`^belfry-(\d{8}-\d{6}\.\d{3})\.db$`)

const backupTime = "20060102-150405.000"

// backups is nil for PostgreSQL, which has tools of its own.
func (c *serveCmd) backups() handlers.Backups {
	if c.Database != "" {
		return nil
	}
	return backupFolder{c.Data, c.file()}
}

func (b backupFolder) path(name string) string { return filepath.Join(b.data, "backups", name) }

// Make copies the database. The name says that the copy was checked: it has none
// before.
func (b backupFolder) Make(ctx context.Context) (handlers.Backup, error) {
	if err := os.MkdirAll(b.path(""), 0o700); err != nil {
		return handlers.Backup{}, scheduler.Errorf(scheduler.CodeUnavailable, "the folder of backups cannot be made: %v", err)
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	name := "belfry-" + now.Format(backupTime) + ".db"
	info, err := db.Backup(ctx, b.database, b.path(name), false)
	if err != nil {
		return handlers.Backup{}, scheduler.Errorf(scheduler.CodeUnavailable, "the database could not be copied: %v", err)
	}
	return handlers.Backup{Name: name, File: b.path(name), MadeAt: now, Bytes: info.Bytes, Whole: true, Jobs: info.Jobs, Executions: info.Executions}, nil
}

// List reads the folder, the newest copy first.
func (b backupFolder) List() ([]handlers.Backup, error) {
	entries, err := os.ReadDir(b.path(""))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var list []handlers.Backup
	for _, entry := range entries {
		file, one, err := b.Open(entry.Name())
		if err != nil {
			continue // not a copy, or deleted just now
		}
		_ = file.Close()
		list = append(list, one)
	}
	slices.SortFunc(list, func(a, b handlers.Backup) int { return cmp.Compare(b.Name, a.Name) })
	return list, nil
}

// Open opens a copy to read it. CodeNotFound: there is none of that name.
func (b backupFolder) Open(name string) (handlers.BackupFile, handlers.Backup, error) {
	none := noBackup(name)
	parts := backupName.FindStringSubmatch(name)
	if parts == nil {
		return nil, handlers.Backup{}, none
	}
	made, err := time.ParseInLocation(backupTime, parts[1], time.UTC)
	if err != nil {
		return nil, handlers.Backup{}, none
	}
	file, err := os.Open(b.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, handlers.Backup{}, none
	}
	if err != nil {
		return nil, handlers.Backup{}, err
	}
	stat, err := file.Stat()
	if err == nil && !stat.Mode().IsRegular() {
		err = none
	}
	if err != nil {
		return nil, handlers.Backup{}, errors.Join(err, file.Close())
	}
	return file, handlers.Backup{Name: name, File: b.path(name), MadeAt: made, Bytes: stat.Size(), Whole: databaseBytes(file) == stat.Size()}, nil
}

func noBackup(name string) error {
	return scheduler.Errorf(scheduler.CodeNotFound, "there is no backup named %q", name)
}

// databaseBytes is how long a SQLite database says that it is; -1: it is none.
// https://www.sqlite.org/fileformat.html#the_database_header
func databaseBytes(file *os.File) int64 {
	var head [32]byte
	if _, err := file.ReadAt(head[:], 0); err != nil || !strings.HasPrefix(string(head[:]), "SQLite format 3\x00") {
		return -1
	}
	number := func(digits []byte) (n int64) {
		for _, d := range digits {
			n = n<<8 | int64(d)
		}
		return n
	}
	page := number(head[16:18])
	if page == 1 {
		page = 65536
	}
	return page * number(head[28:32])
}

// Delete deletes a copy. CodeNotFound: there is none of that name.
func (b backupFolder) Delete(name string) error {
	file, _, err := b.Open(name)
	if err != nil {
		return err
	}
	_ = file.Close()
	err = os.Remove(b.path(name))
	if errors.Is(err, fs.ErrNotExist) { // somebody else was faster
		return noBackup(name)
	}
	return err
}

// Folder is where the copies are.
func (b backupFolder) Folder() string { return b.path("") }

// Restore is the command that puts a copy in the database's place.
func (b backupFolder) Restore(file string) string {
	return "belfry restore --data " + word(b.data) + " --force " + word(file)
}

// plainWord needs no quotes in a shell.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:@%+,-]+$`)

// word is text as one word of a shell.
func word(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
