package httpkit

import (
	"context"
	"time"

	"github.com/labstack/echo/v4"

	"belfry/scheduler"
)

// Route is one line of a dialect's table.
type Route struct {
	Method, Path string
	Handle       echo.HandlerFunc
	Public       bool // answers everybody; the others know their Principal
}

// Dialect is another system's API, as a server mounts it.
type Dialect interface {
	// Routes is everything it answers.
	Routes() []Route
	// Owns reports whether a path is the dialect's, also one that has no route.
	Owns(path string) bool
	// Around wraps everything that it owns, before anybody is authenticated.
	Around(next echo.HandlerFunc) echo.HandlerFunc
	// Error answers with an error in the dialect's own form.
	Error(c echo.Context, err error)
	// Admits reports whether a page of another site may send this request.
	Admits(c echo.Context) bool
}

// Pass is a token as its owner gets it.
type Pass struct {
	Token   string
	Expires time.Time
}

// Doorman is what a dialect is given to let people in.
type Doorman interface {
	// Enter checks a name and a password behind the server's throttle, and returns
	// a token that acts as that user until it expires.
	Enter(c echo.Context, name, password string) (Pass, error)
	// Renew returns another token for whoever came with one.
	Renew(c echo.Context) (Pass, error)
	// Leave ends the token that the request came with.
	Leave(c echo.Context) error
	// LogIn checks a name and a password likewise and begins a session, whose cookie
	// it sets.
	LogIn(c echo.Context, name, password string) error
	// LogOut ends the request's session, if it has one.
	LogOut(c echo.Context) error
	// Who authenticates a request.
	Who(c echo.Context) (scheduler.Principal, error)
	// Recheck returns what says later whether who opened a stream may still read.
	// It outlives c.
	Recheck(c echo.Context) func(context.Context) bool
}
