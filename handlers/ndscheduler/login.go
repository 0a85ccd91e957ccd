package ndscheduler

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
)

// loginForm is the page that browsers are sent to. Its look is the least of things:
// the product's pages are on their own listener.
const loginForm = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Log in</title>
<form method="post" action="/login"><p><label>User <input name="username" autocomplete="username" required></label>
<p><label>Password <input name="password" type="password" autocomplete="current-password" required></label>
<p><button>Log in</button></form></html>
`

func (a *API) showLogin(c echo.Context) error { return c.HTML(http.StatusOK, loginForm) }

func (a *API) showRoot(c echo.Context) error {
	return answer(c, http.StatusOK, map[string]string{"api": prefix})
}

// logIn answers 302 to everybody, as there: who is let in has the cookie.
func (a *API) logIn(c echo.Context) error {
	form, err := httpkit.Form(c)
	if err != nil {
		return refuse("send username and password as a form")
	}
	for _, field := range []string{"username", "password"} {
		if !form.Has(field) {
			return refuse("Missing argument " + field)
		}
	}
	err = a.Door.LogIn(c, form.Get("username"), form.Get("password"))
	if err != nil && scheduler.CodeOf(err) != scheduler.CodeUnauthenticated {
		return err
	}
	return c.Redirect(http.StatusFound, "/")
}

func (a *API) logOut(c echo.Context) error {
	if err := a.Door.LogOut(c); err != nil {
		return err
	}
	return c.Redirect(http.StatusFound, "/")
}
