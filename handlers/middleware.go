package handlers

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
)

const requestIDKey = "belfry.request"

// requestID names the request in the answer and in the log.
func requestID(c echo.Context) string {
	id, _ := c.Get(requestIDKey).(string)
	return id
}

// observe names the request, renders its error, and writes its line to the log.
// The line has the path only: queries hold what people look for.
func (s *Server) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := s.Now()
		id := rand.Text()[:16]
		c.Set(requestIDKey, id)
		c.Response().Header().Set(echo.HeaderXRequestID, id)
		if err := next(c); err != nil {
			c.Error(err)
		}
		r, status, level := c.Request(), c.Response().Status, slog.LevelInfo
		if quiet(r.URL.Path) && status < http.StatusInternalServerError {
			level = slog.LevelDebug
		}
		s.Log.LogAttrs(r.Context(), level, "request",
			slog.String("id", id), slog.String("method", r.Method), slog.String("path", r.URL.Path),
			slog.Int("status", status), slog.Int64("bytes", c.Response().Size),
			slog.Duration("took", s.Now().Sub(start)),
			slog.String("from", c.RealIP()), slog.String("by", httpkit.Principal(c).Name))
		return nil
	}
}

// quiet are paths that machines ask for all the time.
func quiet(path string) bool {
	return path == "/health" || strings.HasPrefix(path, "/health/") || strings.HasPrefix(path, "/static/")
}

// recoverPanics turns a panic into an error; the stack goes to the log only.
func (s *Server) recoverPanics(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			switch p := recover(); p {
			case nil:
			case http.ErrAbortHandler:
				panic(p) // net/http's own way to cut a connection
			default:
				s.Log.Error("panic", "request", requestID(c), "panic", p, "stack", string(debug.Stack()))
				err = fmt.Errorf("panic: %v", p)
			}
		}()
		return next(c)
	}
}

// policy is the content security policy: everything from here, nothing inline.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; font-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// secure sets the headers that browsers protect people by. What is not for
// everybody is not to be kept; static files set their own Cache-Control.
func (s *Server) secure(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
		h.Set("Cache-Control", "no-store")
		if s.SecureCookies {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		return next(c)
	}
}

// limitBody refuses what announces to be too large before anything else is
// done; what does not is cut off while it is read.
func (s *Server) limitBody(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if r := c.Request(); r.ContentLength > s.bodyLimit(r) {
			return httpkit.TooLarge()
		}
		return next(c)
	}
}

// refuseCrossOrigin keeps other sites' pages from acting in the name of whoever
// looks at them. It holds for every way to log in: browsers send Basic
// credentials by themselves too, and without authentication nothing else would
// stand between a page and this server. Programs send no such headers.
func (s *Server) refuseCrossOrigin(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		d := s.dialectOf(c.Request().URL.Path)
		if err := s.crossing.Check(c.Request()); err != nil && (d == nil || !d.Admits(c)) {
			return scheduler.Errorf(scheduler.CodeForbidden, "a page of another site may not do this")
		}
		return next(c)
	}
}

// clientAddress is the peer's address, or what a trusted proxy says.
func clientAddress(trusted []netip.Prefix) echo.IPExtractor {
	if len(trusted) == 0 {
		return echo.ExtractIPDirect()
	}
	options := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, p := range trusted {
		if _, network, err := net.ParseCIDR(p.Masked().String()); err == nil {
			options = append(options, echo.TrustIPRange(network))
		}
	}
	return echo.ExtractIPFromXFFHeader(options...)
}

// retryAfter tells a client when to come back.
func retryAfter(c echo.Context, err error) {
	var refused *httpkit.StatusError
	if errors.As(err, &refused) && refused.RetryAfter > 0 {
		seconds := int((refused.RetryAfter + time.Second - 1) / time.Second)
		c.Response().Header().Set(echo.HeaderRetryAfter, fmt.Sprint(seconds))
	}
}
