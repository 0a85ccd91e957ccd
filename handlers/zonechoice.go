package handlers

import (
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
	"belfry/views"
)

// zoneCookie keeps whose zone times are shown in: "utc", the name of the browser's,
// or "job", with ":" and that name where it is known. It is a matter of the browser,
// not of the user: one travels with it.
const zoneCookie = "belfry_zone"

// chosenZone is the zone of a request's times, and whose it is. Where each job's own
// is chosen, it is that of what belongs to no job: the browser's, or the server's.
func (s *Server) chosenZone(c echo.Context) (*time.Location, views.ZoneChoice) {
	cookie, err := c.Cookie(zoneCookie)
	if err != nil {
		return s.Zone, views.ZoneServer
	}
	v := cookie.Value
	if mine, ok := strings.CutPrefix(v, string(views.ZoneJob)+":"); ok {
		if zone, ok := namedZone(mine); ok {
			return zone, views.ZoneJob
		}
		v = string(views.ZoneJob)
	}
	switch views.ZoneChoice(v) {
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
	choice, mine := values.Get("zone"), values.Get("mine")
	_, known := namedZone(mine)
	switch views.ZoneChoice(choice) {
	case views.ZoneServer, views.ZoneUTC:
	case views.ZoneJob:
		if known {
			choice += ":" + mine
		}
	case views.ZoneMine:
		if !known {
			return scheduler.Invalid("mine", "is not the name of a time zone")
		}
		choice = mine
	default:
		return httpkit.BadField("zone", "must be job, mine, utc, or empty for the server's")
	}
	c.SetCookie(&http.Cookie{
		Name: zoneCookie, Value: choice, Path: "/", MaxAge: 365 * 24 * 3600,
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: s.SecureCookies,
	})
	return c.Redirect(http.StatusSeeOther, localPath(localPart(c.Request().Referer())))
}

// zoneOf is the zone of a job's times in a request.
func (s *Server) zoneOf(c echo.Context, j scheduler.Job) *time.Location {
	zone, whose := s.chosenZone(c)
	return views.Page{Zone: zone, ZoneOf: whose, Server: s.Zone}.In(jobZone(j)).Zone
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
