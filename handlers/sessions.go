package handlers

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/labstack/echo/v4"

	"belfry/scheduler"
	"belfry/views"
)

// A session holds nothing but the id of its Login, which is the authority: it is
// read with every request, so what is revoked ends at once. Sessions have no
// idle timeout, since with one scs writes with every request, and a request that
// is under way during a logout brings the session back to life.
const loginKey = "login"

// newSessions does without scs.New, which starts a goroutine for a store in
// memory that nobody can be sure to stop.
func newSessions(o Options) *scs.SessionManager {
	name := "belfry_session"
	if o.SecureCookies {
		name = "__Host-" + name
	}
	return &scs.SessionManager{
		Store: sessionStore{o.Store}, Codec: scs.GobCodec{}, Lifetime: o.SessionLifetime, HashTokenInStore: true,
		Cookie: scs.SessionCookie{
			Name: name, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: o.SecureCookies, Persist: true,
		},
	}
}

// sessionStore keeps scs' data in our store. scs calls the methods with a
// context; the others are there because its interface wants them.
type sessionStore struct{ users scheduler.UserStore }

func (s sessionStore) FindCtx(ctx context.Context, token string) ([]byte, bool, error) {
	return s.users.SessionData(ctx, token)
}

func (s sessionStore) CommitCtx(ctx context.Context, token string, data []byte, expires time.Time) error {
	return s.users.PutSessionData(ctx, token, data, expires)
}

func (s sessionStore) DeleteCtx(ctx context.Context, token string) error {
	return s.users.DeleteSessionData(ctx, token)
}

func (s sessionStore) Find(token string) ([]byte, bool, error) {
	return s.FindCtx(context.Background(), token)
}

func (s sessionStore) Commit(token string, data []byte, expires time.Time) error {
	return s.CommitCtx(context.Background(), token, data, expires)
}

func (s sessionStore) Delete(token string) error { return s.DeleteCtx(context.Background(), token) }

// session loads the request's session, an empty one if it has none.
func (s *Server) session(c echo.Context) (context.Context, error) {
	token := ""
	if cookie, err := c.Cookie(s.sessions.Cookie.Name); err == nil && len(cookie.Value) < 200 {
		token = cookie.Value
	}
	return s.sessions.Load(c.Request().Context(), token)
}

// begin puts a login into a session with a new token, so that nobody can have
// planted the token beforehand.
func (s *Server) begin(c echo.Context, ctx context.Context, l scheduler.Login) error {
	if err := s.sessions.RenewToken(ctx); err != nil {
		return err
	}
	s.sessions.Put(ctx, loginKey, l.ID)
	token, expires, err := s.sessions.Commit(ctx)
	if err != nil {
		return err
	}
	s.sessions.WriteSessionCookie(ctx, c.Response(), token, expires)
	c.Response().Header().Set("Cache-Control", "no-store") // scs adds a weaker one
	return nil
}

// flashCookie carries one sentence over a redirect. It is a cookie of its own
// rather than in the session, because it has to work without authentication, and
// so that showing a page never writes to the database.
const flashCookie = "belfry_flash"

func (s *Server) setFlash(c echo.Context, f views.Flash) {
	b, err := json.Marshal(f)
	if err != nil || f.Text == "" {
		return
	}
	c.SetCookie(&http.Cookie{
		Name: flashCookie, Value: base64.RawURLEncoding.EncodeToString(b), Path: "/", MaxAge: 60,
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: s.SecureCookies,
	})
}

// takeFlash returns the flash and deletes it. Whoever can plant a cookie can put
// a sentence there, but no markup and no link to elsewhere.
func takeFlash(c echo.Context) views.Flash {
	var f views.Flash
	cookie, err := c.Cookie(flashCookie)
	if err != nil {
		return f
	}
	c.SetCookie(&http.Cookie{Name: flashCookie, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	b, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	if err != nil || json.Unmarshal(b, &f) != nil {
		return views.Flash{}
	}
	if f.Href != "" && localPath(f.Href) == "/" {
		f.Href, f.Link = "", ""
	}
	return f
}
