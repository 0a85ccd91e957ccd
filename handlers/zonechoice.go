package handlers

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
	"belfry/views"
)

// zoneCookie keeps whose zone times are shown in: "job", "utc", or the name of the
// browser's. It is a matter of the browser, not of the user: one travels with it.
const zoneCookie = "belfry_zone"

// chosenZone is the zone of a request's times, and whose it is.
func (s *Server) chosenZone(c echo.Context) (*time.Location, views.ZoneChoice) {
	cookie, err := c.Cookie(zoneCookie)
	if err != nil {
		return s.Zone, views.ZoneServer
	}
	switch v := cookie.Value; views.ZoneChoice(v) {
	case views.ZoneServer:
		return s.Zone, views.ZoneServer
	case views.ZoneJob:
		return s.Zone, views.ZoneJob
	case views.ZoneUTC:
		return time.UTC, views.ZoneUTC
	default:
		if zone, ok := namedZone(v); ok {
			return zone, views.ZoneMine
		}
		return s.Zone, views.ZoneServer
	}
}

// namedZone reads the name of a zone. "Local" is one to Go, and nobody's.
func namedZone(name string) (*time.Location, bool) {
	if name == "" || name == "Local" || len(name) > 60 {
		return nil, false
	}
	zone, err := time.LoadLocation(name)
	return zone, err == nil
}

// setZone keeps the choice. A browser says in mine what its own zone is.
func (s *Server) setZone(c echo.Context) error {
	values, err := httpkit.Form(c)
	if err != nil {
		return err
	}
	choice := values.Get("zone")
	switch views.ZoneChoice(choice) {
	case views.ZoneServer, views.ZoneJob, views.ZoneUTC:
	case views.ZoneMine:
		choice = values.Get("mine")
		if _, ok := namedZone(choice); !ok {
			return scheduler.Invalid("mine", "is not the name of a time zone")
		}
	default:
		return httpkit.BadField("zone", "must be job, mine, utc, or empty for the server's")
	}
	c.SetCookie(&http.Cookie{
		Name: zoneCookie, Value: choice, Path: "/", MaxAge: 365 * 24 * 3600,
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: s.SecureCookies,
	})
	return c.Redirect(http.StatusSeeOther, localPath(localPart(c.Request().Referer())))
}

// jobZone is the zone of a job's schedules, nil when they have none of their own.
func jobZone(j scheduler.Job) *time.Location {
	for _, sch := range j.Schedules {
		if zone, ok := namedZone(sch.Zone); ok {
			return zone
		}
	}
	return nil
}

// inJobZone is a page about one job.
func inJobZone(p views.Page, j scheduler.Job) views.Page {
	if zone := jobZone(j); zone != nil && p.ZoneOf == views.ZoneJob {
		p.Zone = zone
	}
	return p
}
