package handlers

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
)

// DefaultTokenTTL is how long the tokens live that a login through an API gives.
const DefaultTokenTTL = 24 * time.Hour

// door lets the dialects' clients in: a login of theirs is one like a browser's,
// and the token they get, a JWT, names it. So a token is as good as the login: it
// ends with a logout, with the user, and with a changed password.
type door struct {
	server *Server
	ttl    time.Duration

	mu  sync.Mutex
	key []byte
}

// claims is what a token says. The role is for its reader: what counts is the
// user's at the time of each request.
type claims struct {
	jwt.RegisteredClaims
	Role string `json:"role"`
}

// settingKey is where the key is that tokens are signed with.
const settingKey = "jwt_key"

// signingKey reads the key, made at the first start.
func (d *door) signingKey(ctx context.Context) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.key == nil {
		key, err := d.server.Service.Secret(ctx, settingKey)
		if err != nil {
			return nil, err
		}
		d.key = key
	}
	return d.key, nil
}

// Enter implements httpkit.Doorman.
func (d *door) Enter(c echo.Context, name, password string) (httpkit.Pass, error) {
	ctx := c.Request().Context()
	u, err := d.server.authenticate(ctx, c.RealIP(), name, password)
	if err != nil {
		return httpkit.Pass{}, err
	}
	return d.issue(c, u)
}

// Renew implements httpkit.Doorman.
func (d *door) Renew(c echo.Context) (httpkit.Pass, error) {
	by := httpkit.Principal(c)
	if d.server.AuthNone {
		return httpkit.Pass{}, httpkit.Refuse(http.StatusBadRequest, scheduler.CodeInvalid, "there are no tokens while everybody may do everything (--auth none)")
	}
	if id, _ := c.Get(loginIDKey).(string); id == "" || !isJWT(bearer(c.Request())) {
		return httpkit.Pass{}, scheduler.Errorf(scheduler.CodeUnauthenticated, "send the token that a login gave")
	}
	u, err := d.server.Store.User(c.Request().Context(), by.UserID)
	if err != nil {
		return httpkit.Pass{}, errNobody
	}
	return d.issue(c, u)
}

// Leave implements httpkit.Doorman.
func (d *door) Leave(c echo.Context) error {
	id, _ := c.Get(loginIDKey).(string)
	if id == "" {
		return httpkit.Refuse(http.StatusBadRequest, scheduler.CodeInvalid, "nothing was logged in that could be logged out")
	}
	return d.server.Service.LogOut(c.Request().Context(), httpkit.Principal(c), id)
}

// Who implements httpkit.Doorman.
func (d *door) Who(c echo.Context) (scheduler.Principal, error) {
	p, err := d.server.principal(c)
	if err == nil {
		httpkit.SetPrincipal(c, p)
	}
	return p, err
}

// Recheck implements httpkit.Doorman.
func (d *door) Recheck(c echo.Context) func(context.Context) bool { return d.server.recheck(c) }

// issue begins a login of a user and returns the token that names it.
func (d *door) issue(c echo.Context, u scheduler.User) (httpkit.Pass, error) {
	ctx := c.Request().Context()
	key, err := d.signingKey(ctx)
	if err != nil {
		return httpkit.Pass{}, err
	}
	l, err := d.server.Service.LogIn(ctx, u, c.RealIP(), c.Request().UserAgent(), d.ttl)
	if err != nil {
		return httpkit.Pass{}, err
	}
	ends := l.ExpiresAt.Truncate(time.Second)
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Subject: u.Name, ID: l.ID, IssuedAt: jwt.NewNumericDate(l.CreatedAt), ExpiresAt: jwt.NewNumericDate(ends),
		},
		Role: string(u.Role),
	}).SignedString(key)
	return httpkit.Pass{Token: token, Expires: ends}, err
}

var errJWT = &scheduler.Error{Code: scheduler.CodeUnauthenticated, Message: "the token is not valid, or has expired"}

// principal returns whom a token stands for, and the login that it names.
func (d *door) principal(ctx context.Context, token, from string) (p scheduler.Principal, login string, err error) {
	key, err := d.signingKey(ctx)
	if err != nil {
		return p, "", err
	}
	var said claims
	_, err = jwt.ParseWithClaims(token, &said, func(*jwt.Token) (any, error) { return key, nil },
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}), jwt.WithExpirationRequired(), jwt.WithTimeFunc(d.server.Now))
	if err != nil || said.ID == "" {
		return p, "", errJWT
	}
	p, err = d.server.Service.LoginPrincipal(ctx, said.ID, from)
	if scheduler.CodeOf(err) == scheduler.CodeUnauthenticated {
		err = errJWT
	}
	p.Via = scheduler.ViaToken
	return p, said.ID, err
}

// isJWT tells such a token from an API token, which has no dots.
func isJWT(secret string) bool { return strings.Count(secret, ".") == 2 }

// bearer is the token of a request's header, "" when it has none.
func bearer(r *http.Request) string {
	scheme, secret, _ := strings.Cut(r.Header.Get(echo.HeaderAuthorization), " ")
	if !strings.EqualFold(scheme, "bearer") {
		return ""
	}
	return strings.TrimSpace(secret)
}
