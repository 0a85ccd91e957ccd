package ofelia

import (
	"crypto/sha256"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/time/rate"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
)

// limits bounds how often one client asks: by its token, or by its address when it
// has none. Its memory is bounded: a bucket that is full again is as good as none.
type limits struct {
	perMinute, burst int
	now              func() time.Time

	mu      sync.Mutex
	buckets map[string]*rate.Limiter
}

// mostBuckets is how many clients are told apart before full buckets are dropped.
const mostBuckets = 10_000

// take counts n requests of a client. It returns what is left, and when the bucket
// is full again; ok=false: nothing was left, and wait is how long to wait.
func (l *limits) take(client string, n int) (left int, full time.Time, wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	b := l.bucket(client, now)
	if ok = b.AllowN(now, n); !ok {
		missing := 1 - b.TokensAt(now)
		wait = time.Duration(missing / float64(b.Limit()) * float64(time.Second))
	}
	tokens := b.TokensAt(now)
	full = now.Add(time.Duration((float64(b.Burst()) - tokens) / float64(b.Limit()) * float64(time.Second)))
	return max(int(tokens), 0), full, wait, ok
}

// empty reports whether a client's bucket has nothing left.
func (l *limits) empty(client string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, known := l.buckets[client]
	return known && b.TokensAt(l.now()) < 1
}

func (l *limits) bucket(client string, now time.Time) *rate.Limiter {
	if b, known := l.buckets[client]; known {
		return b
	}
	if l.buckets == nil {
		l.buckets = map[string]*rate.Limiter{}
	}
	if len(l.buckets) >= mostBuckets {
		for key, b := range l.buckets {
			if b.TokensAt(now) >= float64(b.Burst()) {
				delete(l.buckets, key)
			}
		}
	}
	if len(l.buckets) >= mostBuckets {
		clear(l.buckets) // so many clients within one minute: begin anew
	}
	b := rate.NewLimiter(rate.Limit(float64(l.perMinute)/60), l.perMinute+l.burst)
	l.buckets[client] = b
	return b
}

// around lets a request through that is within the limit, and says on every answer
// what is left.
func (l *limits) around(next echo.HandlerFunc) echo.HandlerFunc {
	if l.perMinute <= 0 {
		return next
	}
	return func(c echo.Context) error {
		address := "address " + c.RealIP()
		client := tokenOf(c.Request())
		if client == "" {
			client = address
		} else if l.empty(address) {
			client = address // who guesses tokens is who sends them
		}
		left, full, wait, ok := l.take(client, 1)
		l.say(c, left, full)
		if !ok {
			return &httpkit.StatusError{Status: http.StatusTooManyRequests, RetryAfter: wait, Err: &scheduler.Error{
				Code: scheduler.CodeRateLimited, Message: fmt.Sprintf("too many requests: at most %d a minute", l.perMinute),
			}}
		}
		err := next(c)
		if client != address && scheduler.CodeOf(err) == scheduler.CodeUnauthenticated {
			l.take(address, 1)
		}
		return err
	}
}

// say puts what is left into an answer's headers.
func (l *limits) say(c echo.Context, left int, full time.Time) {
	h := c.Response().Header()
	h.Set("X-RateLimit-Limit", strconv.Itoa(l.perMinute))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(max(left-l.burst, 0)))
	h.Set("X-RateLimit-Reset", strconv.FormatInt(int64(math.Ceil(float64(full.UnixMilli())/1000)), 10))
}

// preflight answers what a browser asks before a request that will be counted.
func (l *limits) preflight(c echo.Context) {
	if l.perMinute > 0 {
		left, full, _, _ := l.take("address "+c.RealIP(), 0)
		l.say(c, left, full)
	}
}

// tokenOf names the token of a request without keeping it; "" when it has none.
func tokenOf(r *http.Request) string {
	scheme, secret, _ := strings.Cut(r.Header.Get(echo.HeaderAuthorization), " ")
	if !strings.EqualFold(scheme, "bearer") {
		return ""
	}
	sum := sha256.Sum256([]byte(secret))
	return "token " + string(sum[:])
}
