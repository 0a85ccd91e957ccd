package handlers

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
	"belfry/views"
)

// credentials are what the login page sends.
type credentials struct {
	Username string `json:"username"`
	Password string `json:"password"`
	Next     string `json:"next"`
}

func (s *Server) showLogin(c echo.Context) error {
	next := localPath(c.QueryParam("next"))
	if _, err := s.principal(c); err == nil {
		return c.Redirect(http.StatusSeeOther, next)
	}
	return s.loginPage(c, http.StatusOK, credentials{Next: next}, "")
}

func (s *Server) loginPage(c echo.Context, status int, sent credentials, problem string) error {
	page := views.LoginPage(views.LoginProps{
		Page: s.page(c, "Log in", views.NavNone), Username: sent.Username, Next: sent.Next, Problem: problem,
	})
	return respond(c, status, answer{page: page, json: map[string]string{"login": "POST username and password"}})
}

// logIn begins a session. It answers 303 to everybody, programs too: the cookie
// is the answer.
func (s *Server) logIn(c echo.Context) error {
	sent, err := readCredentials(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	u, err := s.authenticate(ctx, c.RealIP(), sent.Username, sent.Password)
	if err != nil {
		return s.refuseLogin(c, sent, err)
	}
	l, err := s.Service.LogIn(ctx, u, c.RealIP(), c.Request().UserAgent(), s.SessionLifetime)
	if err != nil {
		return err
	}
	if err := s.replaceSession(c, l); err != nil {
		return err
	}
	return redirect(c, sent.Next)
}

// replaceSession begins the login's session, and ends the one that the browser
// had before.
func (s *Server) replaceSession(c echo.Context, l scheduler.Login) error {
	ctx, err := s.session(c)
	if err != nil {
		return err
	}
	if before, err := s.sessionPrincipal(c); err == nil {
		id, _ := c.Get(loginIDKey).(string)
		if err := s.Service.LogOut(ctx, before, id); err != nil {
			return err
		}
	}
	return s.begin(c, ctx, l)
}

// refuseLogin shows the page again; the words are the same whether the name or
// the password was wrong.
func (s *Server) refuseLogin(c echo.Context, sent credentials, err error) error {
	f := explain(err)
	if form(c.Request()) == asJSON || f.status >= http.StatusInternalServerError {
		return err
	}
	retryAfter(c, err)
	return s.loginPage(c, f.status, sent, f.detail)
}

func readCredentials(c echo.Context) (credentials, error) {
	var sent credentials
	if httpkit.IsJSON(c.Request()) {
		if err := httpkit.JSON(c, &sent); err != nil {
			return sent, err
		}
	} else {
		form, err := httpkit.Form(c)
		if err != nil {
			return sent, err
		}
		sent = credentials{form.Get("username"), form.Get("password"), form.Get("next")}
	}
	sent.Next = localPath(sent.Next)
	return sent, nil
}

// logOut ends the session, if there is one.
func (s *Server) logOut(c echo.Context) error {
	if err := s.door.LogOut(c); err != nil {
		return err
	}
	return redirect(c, "/login")
}

// redirect sends a browser on; htmx cannot follow a 303 with the whole page.
func redirect(c echo.Context, to string) error {
	if form(c.Request()) == asFragment {
		c.Response().Header().Set("HX-Redirect", to)
		return c.NoContent(http.StatusOK)
	}
	return c.Redirect(http.StatusSeeOther, to)
}
