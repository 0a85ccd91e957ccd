package handlers

import (
	"time"

	"github.com/labstack/echo/v4"
)

// LogIn begins a session as the login page does, without its answer.
func (d *door) LogIn(c echo.Context, name, password string) error {
	ctx := c.Request().Context()
	u, err := d.server.authenticate(ctx, c.RealIP(), name, password)
	if err != nil {
		return err
	}
	l, err := d.server.Service.LogIn(ctx, u, c.RealIP(), c.Request().UserAgent(), d.server.SessionLifetime)
	if err != nil {
		return err
	}
	return d.server.replaceSession(c, l)
}

// LogOut ends the request's session, if it has one.
func (d *door) LogOut(c echo.Context) error {
	s := d.server
	ctx, err := s.session(c)
	if err != nil {
		return err
	}
	if by, err := s.sessionPrincipal(c); err == nil {
		id, _ := c.Get(loginIDKey).(string)
		if err := s.Service.LogOut(ctx, by, id); err != nil {
			return err
		}
	}
	if err := s.sessions.Destroy(ctx); err != nil {
		return err
	}
	s.sessions.WriteSessionCookie(ctx, c.Response(), "", time.Time{})
	c.Response().Header().Set("Cache-Control", "no-store")
	return nil
}
