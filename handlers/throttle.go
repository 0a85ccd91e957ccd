package handlers

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
)

// What may be guessed: at one account from one address five times and then five
// times a minute; at any accounts from one address fifty times and then once a
// second. Being right costs nothing.
const (
	accountBurst = 5
	accountEvery = 12 * time.Second
	addressBurst = 50
	addressEvery = time.Second
	rememberFor  = time.Minute
)

// throttle slows down guessing of passwords. Its memory is bounded: it forgets
// what was not asked for while many others were.
type throttle struct {
	now    func() time.Time
	key    []byte
	flight singleflight.Group

	mu       sync.Mutex
	accounts recent[*rate.Limiter]
	from     recent[*rate.Limiter]
	right    recent[time.Time]
}

func newThrottle(now func() time.Time) *throttle {
	t := &throttle{now: now, key: make([]byte, 32)}
	_, _ = rand.Read(t.key) // crypto/rand never fails
	return t
}

// digest names credentials without keeping them.
func (t *throttle) digest(parts ...string) string {
	m := hmac.New(sha256.New, t.key)
	for _, part := range parts {
		m.Write([]byte(part))
		m.Write([]byte{0})
	}
	return string(m.Sum(nil))
}

func (t *throttle) known(credentials string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	until, ok := t.right.get(credentials)
	return ok && t.now().Before(until)
}

func (t *throttle) remember(credentials string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.right.put(credentials, t.now().Add(rememberFor))
}

func (t *throttle) forget(credentials string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.right.put(credentials, time.Time{})
}

// take counts an attempt before it is made, so that many at once count as many.
// refund gives it back.
func (t *throttle) take(from, account string) (refund func(), err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	from = network(from)
	limits := []*rate.Limiter{
		limiter(&t.from, from, addressEvery, addressBurst),
		limiter(&t.accounts, t.digest(from, account), accountEvery, accountBurst),
	}
	var taken []*rate.Reservation
	refund = func() {
		for _, r := range taken {
			r.CancelAt(now)
		}
	}
	for _, l := range limits {
		r := l.ReserveN(now, 1)
		taken = append(taken, r)
		if wait := r.DelayFrom(now); wait > 0 {
			refund()
			return nil, &httpkit.StatusError{Status: http.StatusTooManyRequests, RetryAfter: wait, Err: &scheduler.Error{
				Code: scheduler.CodeRateLimited, Message: "too many attempts to log in; wait a little",
			}}
		}
	}
	return refund, nil
}

func limiter(of *recent[*rate.Limiter], key string, every time.Duration, burst int) *rate.Limiter {
	l, ok := of.get(key)
	if !ok {
		l = rate.NewLimiter(rate.Every(every), burst)
		of.put(key, l)
	}
	return l
}

// network is what one client can easily change its address within.
func network(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	if a = a.Unmap(); a.Is6() {
		if p, err := a.WithZone("").Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}

// recentMost is how many keys recent keeps of each of its two generations.
const recentMost = 10_000

// recent is a map that forgets what was not used while recentMost others were.
type recent[V any] struct{ young, old map[string]V }

func (r *recent[V]) get(key string) (V, bool) {
	if v, ok := r.young[key]; ok {
		return v, true
	}
	v, ok := r.old[key]
	if ok {
		r.put(key, v)
	}
	return v, ok
}

func (r *recent[V]) put(key string, v V) {
	if len(r.young) >= recentMost || r.young == nil {
		r.old, r.young = r.young, make(map[string]V)
	}
	r.young[key] = v
}
