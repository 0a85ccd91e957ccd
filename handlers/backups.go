package handlers

import (
	"context"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
	"belfry/views"
)

// Backup is a copy of the database. It was read whole and found sound when it was
// made.
type Backup struct {
	Name, File string // its path is File
	MadeAt     time.Time
	Bytes      int64
	Whole      bool // it still has all of its bytes

	Jobs, Executions int64 // of one that was made just now
}

// BackupFile reads a backup.
type BackupFile interface {
	io.ReadSeeker
	io.Closer
}

// Backups are the copies that the server keeps.
type Backups interface {
	// Make copies the database, and checks the copy.
	Make(ctx context.Context) (Backup, error)
	// List lists the copies, the newest first.
	List() ([]Backup, error)
	// Open opens one; the caller closes it. CodeNotFound: there is none of that name.
	Open(name string) (BackupFile, Backup, error)
	// Delete deletes one. CodeNotFound: there is none of that name.
	Delete(name string) error
	// Folder is where they are.
	Folder() string
	// Restore is the command that puts a file in the database's place.
	Restore(file string) string
}

// addBackups is what the page of the system says of them.
func (s *Server) addBackups(p *views.SystemProps) error {
	if s.Backups == nil {
		return nil
	}
	list, err := s.Backups.List()
	p.CanBackup, p.Restore, p.BackupFolder = true, s.Backups.Restore("FILE"), s.Backups.Folder()
	for i, b := range list {
		if i == 0 {
			p.Restore = s.Backups.Restore(b.File)
		}
		p.Backups = append(p.Backups, views.BackupRow{Name: b.Name, MadeAt: b.MadeAt, Bytes: b.Bytes, Whole: b.Whole})
	}
	return err
}

type backupOut struct {
	File       string `json:"file"`
	Name       string `json:"name"`
	Bytes      int64  `json:"bytes"`
	Jobs       int64  `json:"jobs"`
	Executions int64  `json:"executions"`
}

// keptBackups refuses who is not admin, and where there are no backups to have.
func (s *Server) keptBackups(c echo.Context, what string) (Backups, error) {
	if err := needs(c, scheduler.Admin, what); err != nil {
		return nil, err
	}
	if s.Backups == nil {
		return nil, scheduler.Errorf(scheduler.CodeConflict, "this database is PostgreSQL, which Belfry does not copy: use pg_dump")
	}
	return s.Backups, nil
}

// makeBackup copies the database beside it.
func (s *Server) makeBackup(c echo.Context) error {
	kept, err := s.keptBackups(c, "making a backup")
	if err != nil {
		return err
	}
	var made Backup
	err = s.Service.Backup(c.Request().Context(), httpkit.Principal(c), scheduler.BackupMade, func(ctx context.Context) (file string, err error) {
		made, err = kept.Make(ctx)
		return made.File, err
	})
	if err != nil {
		return err
	}
	flash := good("Copied the database to " + made.File + ", " + views.Size(made.Bytes) + ", and checked the copy.")
	return s.done(c, http.StatusCreated, "/settings/system", flash, answer{json: backupOut{made.File, made.Name, made.Bytes, made.Jobs, made.Executions}})
}

type keptBackupOut struct {
	Name    string  `json:"name"`
	MadeAt  instant `json:"made_at"`
	Bytes   int64   `json:"bytes"`
	Checked bool    `json:"checked"` // when it was made, and it still has all of its bytes
}

// listBackups is for programs; a browser that comes here is shown where they are.
func (s *Server) listBackups(c echo.Context) error {
	kept, err := s.keptBackups(c, "seeing backups")
	if err != nil {
		return err
	}
	if form(c.Request()) != asJSON {
		return c.Redirect(http.StatusSeeOther, "/settings/system#backups")
	}
	list, err := kept.List()
	if err != nil {
		return err
	}
	out := make([]keptBackupOut, len(list))
	for i, b := range list {
		out[i] = keptBackupOut{b.Name, instant(b.MadeAt), b.Bytes, b.Whole}
	}
	return respond(c, http.StatusOK, answer{json: listOf(out, scheduler.Total{N: int64(len(out))})})
}

// downloadBackup streams a backup, whole or in ranges. It is noted before the first
// byte leaves: it holds all secrets.
func (s *Server) downloadBackup(c echo.Context) error {
	kept, err := s.keptBackups(c, "downloading a backup")
	if err != nil {
		return err
	}
	name, err := httpkit.Param(c, "name")
	if err != nil {
		return err
	}
	file, b, err := kept.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	if c.Request().Method == http.MethodGet {
		err = s.Service.Backup(c.Request().Context(), httpkit.Principal(c), scheduler.BackupDownloaded, func(context.Context) (string, error) { return b.File, nil })
		if err != nil {
			return err
		}
	}
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, "application/vnd.sqlite3")
	h.Set(echo.HeaderContentDisposition, mime.FormatMediaType("attachment", map[string]string{"filename": b.Name}))
	h.Set("Cache-Control", "private, no-store")
	h.Set("ETag", strconv.Quote(b.Name+"-"+strconv.FormatInt(b.Bytes, 10)))
	serveContent(c, b.MadeAt, file)
	return nil
}

func (s *Server) deleteBackup(c echo.Context) error {
	kept, err := s.keptBackups(c, "deleting a backup")
	if err != nil {
		return err
	}
	name, err := httpkit.Param(c, "name")
	if err != nil {
		return err
	}
	err = s.Service.Backup(c.Request().Context(), httpkit.Principal(c), scheduler.BackupDeleted, func(context.Context) (string, error) {
		return name, kept.Delete(name)
	})
	if err != nil {
		return err
	}
	return s.done(c, http.StatusNoContent, "/settings/system", good("Deleted the backup "+name+"."), answer{})
}
