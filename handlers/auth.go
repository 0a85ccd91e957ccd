package handlers

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
)

// open is who everybody is when authentication is switched off.
func open(c echo.Context) scheduler.Principal {
	return scheduler.Principal{Name: "anonymous", Role: scheduler.Admin, Via: scheduler.ViaOpen, From: c.RealIP()}
}

var errNobody = &scheduler.Error{Code: scheduler.CodeUnauthenticated, Message: "log in, or send a token or user name and password"}

// loginIDKey is where the id of the request's login is, for the logout.
const loginIDKey = "belfry.login"

// authenticated lets only those through who say who they are. What they may do
// is the service's business.
func (s *Server) authenticated(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		p, err := s.principal(c)
		if err != nil {
			return err
		}
		httpkit.SetPrincipal(c, p)
		return next(c)
	}
}

// principal finds out who asks. Credentials in the request's own header come
// before the session that a browser sends by itself.
func (s *Server) principal(c echo.Context) (scheduler.Principal, error) {
	if s.AuthNone {
		return open(c), nil
	}
	ctx := c.Request().Context()
	header := c.Request().Header.Get(echo.HeaderAuthorization)
	if header == "" {
		return s.sessionPrincipal(c)
	}
	scheme, secret, _ := strings.Cut(header, " ")
	switch strings.ToLower(scheme) {
	case "bearer":
		if secret = strings.TrimSpace(secret); isJWT(secret) {
			p, login, err := s.door.principal(ctx, secret, c.RealIP())
			c.Set(loginIDKey, login)
			return p, err
		}
		return s.Service.TokenPrincipal(ctx, secret, c.RealIP())
	case "basic":
		if name, password, ok := c.Request().BasicAuth(); ok {
			return s.basicPrincipal(c, name, password)
		}
	}
	return scheduler.Principal{}, scheduler.Errorf(scheduler.CodeUnauthenticated, "the Authorization header must be Bearer with a token, or Basic")
}

func (s *Server) sessionPrincipal(c echo.Context) (scheduler.Principal, error) {
	if _, err := c.Cookie(s.sessions.Cookie.Name); err != nil {
		return scheduler.Principal{}, errNobody
	}
	ctx, err := s.session(c)
	if err != nil {
		return scheduler.Principal{}, err
	}
	id := s.sessions.GetString(ctx, loginKey)
	if id == "" {
		return scheduler.Principal{}, errNobody
	}
	c.Set(loginIDKey, id)
	return s.Service.LoginPrincipal(c.Request().Context(), id, c.RealIP())
}

func (s *Server) basicPrincipal(c echo.Context, name, password string) (scheduler.Principal, error) {
	u, err := s.authenticate(c.Request().Context(), c.RealIP(), name, password)
	if err != nil {
		return scheduler.Principal{}, err
	}
	return scheduler.Principal{UserID: u.ID, Name: u.Name, Role: u.Role, Via: scheduler.ViaBasic, From: c.RealIP()}, nil
}

// authenticate checks a password behind the throttle. Who was right a moment ago
// passes it, so that a script which sends Basic credentials with each of a
// thousand requests is not taken for somebody who guesses; and requests with the
// same credentials at the same time are one attempt.
func (s *Server) authenticate(ctx context.Context, from, name, password string) (scheduler.User, error) {
	if !utf8.ValidString(name) || strings.ContainsRune(name, 0) {
		name = "\uFFFD" // no database takes it as text, and nobody is called so
	}
	t := s.throttle
	credentials := t.digest(from, name, password)
	if t.known(credentials) {
		u, err := s.Service.Authenticate(ctx, name, password)
		if scheduler.CodeOf(err) != scheduler.CodeUnauthenticated {
			return u, err
		}
		t.forget(credentials) // the password was changed
	}
	got, err, _ := t.flight.Do(credentials, func() (any, error) {
		refund, err := t.take(from, name)
		if err != nil {
			return scheduler.User{}, err
		}
		u, err := s.Service.Authenticate(context.WithoutCancel(ctx), name, password)
		if scheduler.CodeOf(err) != scheduler.CodeUnauthenticated {
			refund()
		}
		if err == nil {
			t.remember(credentials)
		}
		return u, err
	})
	u, _ := got.(scheduler.User)
	return u, err
}

// recheck returns what says, while a stream is open, whether who opened it may
// still read. It outlives the handler's c.
func (s *Server) recheck(c echo.Context) func(context.Context) bool {
	from, header := c.RealIP(), c.Request().Header.Get(echo.HeaderAuthorization)
	name, password, _ := c.Request().BasicAuth()
	login, _ := c.Get(loginIDKey).(string)
	return func(ctx context.Context) bool {
		var err error
		switch _, token, _ := strings.Cut(header, " "); {
		case s.AuthNone:
		case login != "":
			_, err = s.Service.LoginPrincipal(ctx, login, from)
		case name != "":
			_, err = s.Service.Authenticate(ctx, name, password)
		default:
			_, err = s.Service.TokenPrincipal(ctx, strings.TrimSpace(token), from)
		}
		return scheduler.CodeOf(err) != scheduler.CodeUnauthenticated
	}
}
