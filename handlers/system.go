package handlers

import (
	"net/http"
	"runtime"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
	"belfry/views"
)

// showSystem is how the server is, and what it was started with.
func (s *Server) showSystem(c echo.Context) error {
	if err := needs(c, scheduler.Admin, "seeing the system"); err != nil {
		return err
	}
	p := views.SystemProps{
		Page: s.page(c, "System", views.NavSettings), Version: s.Version, Go: runtime.Version(), Started: s.started,
		Viewers: int(s.viewers.Load()), Settings: s.Settings, DatabaseKind: s.DatabaseKind,
	}
	p.LateMedian, p.Late99, p.Fires = s.Service.Lateness()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	p.Memory = int64(m.Sys - m.HeapReleased)
	workers, err := s.Service.Workers(c.Request().Context())
	if err != nil {
		return err
	}
	p.Busy, p.Slots = load(workers)
	if p.Database, err = s.Store.Size(c.Request().Context()); err != nil {
		return err
	}
	if err := s.addBackups(&p); err != nil {
		return err
	}
	return respond(c, http.StatusOK, answer{page: views.SettingsSystemPage(p), json: presentSystem(p)})
}

type systemOut struct {
	Version       string            `json:"version"`
	Go            string            `json:"go"`
	StartedAt     instant           `json:"started_at"`
	LatenessP50   string            `json:"lateness_p50"` // of the newest fires
	LatenessP99   string            `json:"lateness_p99"`
	Fires         int               `json:"fires"` // how many those are, at most 1024
	Viewers       int               `json:"viewers"`
	Busy          int               `json:"busy"`
	Slots         int               `json:"slots"`
	MemoryBytes   int64             `json:"memory_bytes"`
	Database      string            `json:"database"`
	DatabaseBytes int64             `json:"database_bytes"`
	Settings      map[string]string `json:"settings"`
}

func presentSystem(p views.SystemProps) systemOut {
	out := systemOut{
		Version: p.Version, Go: p.Go, StartedAt: instant(p.Started), LatenessP50: p.LateMedian.String(), LatenessP99: p.Late99.String(),
		Fires: p.Fires, Viewers: p.Viewers, Busy: p.Busy, Slots: p.Slots, MemoryBytes: p.Memory, Database: p.DatabaseKind,
		DatabaseBytes: p.Database, Settings: map[string]string{},
	}
	for _, kv := range p.Settings {
		out.Settings[kv[0]] = kv[1]
	}
	return out
}

// showAccount is where people change their own password.
func (s *Server) showAccount(c echo.Context) error {
	return s.accountPage(c, http.StatusOK, nil)
}

func (s *Server) accountPage(c echo.Context, status int, wrong map[string]string) error {
	p := views.AccountProps{Page: s.page(c, "Your account", views.NavNone), Errors: wrong, Session: httpkit.Principal(c).Via == scheduler.ViaPage}
	return respond(c, status, answer{page: views.AccountPage(p), json: map[string]string{"name": p.User, "role": string(p.Role)}})
}

// changePassword changes one's own password; the present one has to be known.
func (s *Server) changePassword(c echo.Context) error {
	values, err := httpkit.Form(c)
	if err != nil {
		return err
	}
	by := httpkit.Principal(c)
	if by.Via != scheduler.ViaPage {
		return scheduler.Errorf(scheduler.CodeConflict, "log in with a password to change it")
	}
	ctx := c.Request().Context()
	wrong := map[string]string{}
	_, err = s.authenticate(ctx, c.RealIP(), by.Name, values.Get("current"))
	switch {
	case scheduler.CodeOf(err) == scheduler.CodeUnauthenticated:
		wrong["current"] = "is not your password"
	case err != nil:
		return err
	case values.Get("password") != values.Get("again"):
		wrong["again"] = "is not the same"
	default:
		err = s.Service.SetPassword(ctx, by, by.Name, values.Get("password"))
		if wrong = wrongFields(c, err); err != nil && wrong == nil {
			return err
		}
	}
	if len(wrong) > 0 {
		return s.accountPage(c, http.StatusUnprocessableEntity, wrong)
	}
	if err := s.stayIn(ctx, c, by.Name); err != nil {
		return err
	}
	return s.done(c, http.StatusNoContent, "/account", good("Changed your password; your other sessions have ended."), answer{})
}
