package handlers

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
	"belfry/views"
)

// pauseIn asks to pause everything, or one job.
type pauseIn struct {
	Reason string `json:"reason"`
	Until  string `json:"until"` // an instant, or how long from now; null or empty: until somebody ends it
}

// readPause reads the body, which may be absent. A form's fields are what its
// page shows again when something is wrong with them.
func readPause(c echo.Context) (in pauseIn, err error) {
	switch r := c.Request(); {
	case httpkit.IsJSON(r):
		err = httpkit.JSON(c, &in)
	case r.Header.Get(echo.HeaderContentType) != "" || r.ContentLength > 0:
		values, failed := httpkit.Form(c)
		in, err = pauseIn{values.Get("reason"), values.Get("until")}, failed
	}
	in.Until = strings.TrimSpace(in.Until)
	return in, err
}

// until reads the end of a pause. Times without an offset are in a zone, the page's.
func (s *Server) until(text string, zone *time.Location) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil {
		return s.Now().Add(d), nil
	}
	for _, layout := range timeLayouts {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			return t, nil
		}
	}
	return time.Time{}, scheduler.Invalid("until", "is neither a duration like 2h nor a time like 2026-12-24T18:00:00Z")
}

// showFreeze is for programs; a browser that comes here is shown where it is said.
func (s *Server) showFreeze(c echo.Context) error {
	if form(c.Request()) != asJSON {
		return c.Redirect(http.StatusSeeOther, "/")
	}
	return respond(c, http.StatusOK, answer{json: presentFreeze(s.Service.Frozen())})
}

func (s *Server) freeze(c echo.Context) error {
	if err := needs(c, scheduler.Operator, "pausing everything"); err != nil {
		return err
	}
	in, err := readPause(c)
	if err != nil {
		return err
	}
	var f scheduler.Freeze
	zone, _ := s.chosenZone(c)
	until, err := s.until(in.Until, zone)
	if err == nil {
		f, err = s.Service.Freeze(c.Request().Context(), httpkit.Principal(c), strings.TrimSpace(in.Reason), until)
	}
	if wrong := wrongFields(c, err); wrong != nil {
		return s.nowPage(c, http.StatusUnprocessableEntity, views.PauseProps{Reason: in.Reason, Until: in.Until, Errors: wrong})
	}
	if err != nil {
		return err
	}
	return s.done(c, http.StatusOK, "/", views.Flash{}, answer{json: presentFreeze(f)})
}

func (s *Server) unfreeze(c echo.Context) error {
	if err := s.Service.Unfreeze(c.Request().Context(), httpkit.Principal(c)); err != nil {
		return err
	}
	flash := views.Flash{Kind: views.FlashGood, Text: "Everything goes on."}
	to := localPath(localPart(c.Request().Referer()))
	return s.done(c, http.StatusOK, to, flash, answer{json: presentFreeze(s.Service.Frozen())})
}

func (s *Server) pauseJob(c echo.Context) error {
	if err := needs(c, scheduler.Operator, "pausing a job"); err != nil {
		return err
	}
	in, err := readPause(c)
	if err != nil {
		return err
	}
	j, err := s.storedJob(c)
	if err != nil {
		return err
	}
	until, err := s.until(in.Until, s.zoneOf(c, j))
	if err == nil && until.IsZero() {
		err = scheduler.Invalid("until", "is required")
	}
	if err == nil {
		j, err = s.setPaused(c, until)
	}
	if wrong := wrongFields(c, err); wrong != nil {
		return s.jobPage(c, http.StatusUnprocessableEntity, views.PauseProps{Until: in.Until, Errors: wrong})
	}
	if err != nil {
		return err
	}
	return s.paused(c, j, "Paused "+j.Name+".")
}

func (s *Server) unpauseJob(c echo.Context) error {
	j, err := s.setPaused(c, time.Time{})
	if err != nil {
		return err
	}
	return s.paused(c, j, j.Name+" fires again.")
}

// setPaused names what is wrong as the request does.
func (s *Server) setPaused(c echo.Context, until time.Time) (scheduler.Job, error) {
	name, err := httpkit.Param(c, "name")
	if err != nil {
		return scheduler.Job{}, err
	}
	j, err := s.Service.PauseJob(c.Request().Context(), httpkit.Principal(c), name, until)
	var domain *scheduler.Error
	if errors.As(err, &domain) && len(domain.Fields) == 1 && domain.Fields[0].Field == "paused_until" {
		return j, scheduler.Invalid("until", "%s", domain.Fields[0].Message)
	}
	return j, err
}

func (s *Server) paused(c echo.Context, j scheduler.Job, said string) error {
	stats, err := s.stats(c.Request().Context(), c, []scheduler.Job{j})
	if err != nil {
		return err
	}
	flash := views.Flash{Kind: views.FlashGood, Text: said}
	return s.done(c, http.StatusOK, views.JobPath(j.Name), flash, answer{json: s.presentJob(j, stats[j.ID])})
}

// wrongFields are what a page can show beside the fields of its form; nil for
// programs and for any other error.
func wrongFields(c echo.Context, err error) map[string]string {
	var domain *scheduler.Error
	if form(c.Request()) != asPage || !errors.As(err, &domain) || domain.Code != scheduler.CodeInvalid || len(domain.Fields) == 0 {
		return nil
	}
	return fieldMap(domain.Fields)
}
