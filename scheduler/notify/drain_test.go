package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"belfry/scheduler"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// box is an outbox in memory.
type box struct {
	mu   sync.Mutex
	rows []scheduler.Delivery
	wake chan struct{}
	down error
}

func newBox() *box { return &box{wake: make(chan struct{}, 1)} }

func (b *box) add(kind, config string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rows = append(b.rows, scheduler.Delivery{
		ID: fmt.Sprint(len(b.rows)), Kind: kind, Config: json.RawMessage(config), State: scheduler.DeliveryPending, NextAt: time.Now(),
	})
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

func (b *box) row(i int) scheduler.Delivery {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rows[i]
}

func (b *box) NewDeliveries() <-chan struct{} { return b.wake }

func (b *box) NextDelivery(context.Context) (at time.Time, ok bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, d := range b.rows {
		if d.State == scheduler.DeliveryPending && (!ok || d.NextAt.Before(at)) {
			at, ok = d.NextAt, true
		}
	}
	return at, ok, b.down
}

func (b *box) ClaimDeliveries(_ context.Context, limit int, lease time.Duration) (list []scheduler.Delivery, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.rows {
		d := &b.rows[i]
		if b.down == nil && len(list) < limit && d.State == scheduler.DeliveryPending && !d.NextAt.After(time.Now()) {
			d.Attempts++
			d.NextAt = time.Now().Add(lease)
			list = append(list, *d)
		}
	}
	return list, b.down
}

func (b *box) Notification(_ context.Context, d scheduler.Delivery) (scheduler.Notification, error) {
	return scheduler.Notification{Delivery: d, Config: d.Config}, nil
}

func (b *box) SettleDelivery(_ context.Context, d scheduler.Delivery, attempt int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.rows {
		if b.rows[i].ID == d.ID && b.rows[i].Attempts == attempt && b.rows[i].State == scheduler.DeliveryPending {
			b.rows[i] = d
		}
	}
	return nil
}

// script is a sender that does what a test says.
type script struct {
	mu    sync.Mutex
	times []time.Time
	send  func(ctx context.Context, attempt int) error
}

func (*script) Check(json.RawMessage) error   { return nil }
func (*script) Complete(json.RawMessage) bool { return true }
func (*script) Secrets() []string             { return []string{"key"} }
func (*script) Targets() []string             { return nil }

func (s *script) Send(ctx context.Context, n scheduler.Notification) error {
	s.mu.Lock()
	s.times = append(s.times, time.Now())
	s.mu.Unlock()
	return s.send(ctx, n.Delivery.Attempts)
}

// sent are the times of the attempts so far.
func (s *script) sent() []time.Time {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.times)
}

// draining runs a drain on b until the returned function is called.
func draining(b *box, senders map[string]scheduler.Sender) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	d := &Drain{Source: b, Senders: senders, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.Run(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

// TestBackOff: ten attempts with doubling waits, then no more; the error is kept
// without the secret.
func TestBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, start := newBox(), time.Now()
		s := &script{send: func(context.Context, int) error { return errors.New("no: s3cret\nanswered 404") }}
		stop := draining(b, map[string]scheduler.Sender{"x": s})
		defer stop()
		b.add("x", `{"key":"s3cret"}`)
		time.Sleep(time.Hour)
		times := s.sent()
		if len(times) != maxAttempts {
			t.Fatalf("%d attempts", len(times))
		}
		want := start
		for i, at := range times {
			if late := at.Sub(want); late < 0 || late > 200*time.Millisecond {
				t.Errorf("attempt %d after %v, want %v", i+1, at.Sub(start), want.Sub(start))
			}
			want = at.Add(time.Second << i)
		}
		d := b.row(0)
		if d.State != scheduler.DeliveryFailed || d.Attempts != maxAttempts || d.Error != "no: ****** answered 404" {
			t.Errorf("left is %+v", d)
		}
	})
	for attempt, want := range map[int]time.Duration{1: time.Second, 5: 16 * time.Second, 11: 10 * time.Minute, 1000: 10 * time.Minute} {
		if got := backOff(attempt); got != want {
			t.Errorf("after attempt %d: %v", attempt, got)
		}
	}
}

// TestOutcomes: what is sent is sent once and at once; what is final, panics or
// has no sender is not tried for ever; what hangs is given up.
func TestOutcomes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, start := newBox(), time.Now()
		good := &script{send: func(context.Context, int) error { return nil }}
		senders := map[string]scheduler.Sender{
			"good":  good,
			"third": &script{send: func(_ context.Context, n int) error { return map[bool]error{true: errors.New("not yet")}[n < 3] }},
			"final": &script{send: func(context.Context, int) error { return scheduler.Invalid("to", "is nobody") }},
			"panic": &script{send: func(context.Context, int) error { panic("oh no") }},
			"hangs": &script{send: func(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() }},
		}
		stop := draining(b, senders)
		defer stop()
		synctest.Wait()
		kinds := []string{"good", "third", "final", "panic", "hangs", "none"}
		for _, kind := range kinds {
			b.add(kind, "{}")
		}
		synctest.Wait()
		if len(good.sent()) != 1 || !good.sent()[0].Equal(start) || b.row(0).State != scheduler.DeliverySent {
			t.Errorf("not sent at once: %v, %+v", good.sent(), b.row(0))
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		for i, want := range []string{
			"sent 1 ", "sent 3 ", "failed 1 to is nobody", "failed 10 internal error of the sender: oh no", "failed 10 took longer than 30s",
			`failed 1 this server has no sender "none"`,
		} {
			if d := b.row(i); fmt.Sprintf("%s %d %s", d.State, d.Attempts, d.Error) != want {
				t.Errorf("%s: %+v, want %s", kinds[i], d, want)
			}
		}
		if len(good.sent()) != 1 {
			t.Errorf("sent %d times", len(good.sent()))
		}
	})
}

// TestSlowSenders: so many are sent at once, and no more; the others follow as
// soon as one ends.
func TestSlowSenders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox()
		s := &script{send: func(context.Context, int) error { time.Sleep(10 * time.Second); return nil }}
		stop := draining(b, map[string]scheduler.Sender{"x": s})
		defer stop()
		for range 2*atOnce + 1 {
			b.add("x", "{}")
		}
		start := time.Now()
		time.Sleep(time.Minute)
		times := s.sent()
		slices.SortFunc(times, time.Time.Compare)
		if len(times) != 2*atOnce+1 {
			t.Errorf("%d were sent", len(times))
		}
		for i, at := range times {
			if want := time.Duration(i/atOnce) * 10 * time.Second; at.Sub(start) != want {
				t.Errorf("number %d began after %v, want %v", i, at.Sub(start), want)
			}
		}
	})
}

// TestStop: what is due is sent before the end; what hangs is cut off in time and
// stays, without the attempt that was cut off.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox()
		stop := draining(b, map[string]scheduler.Sender{
			"good":  &script{send: func(context.Context, int) error { time.Sleep(time.Second); return nil }},
			"hangs": &script{send: func(ctx context.Context, _ int) error { <-ctx.Done(); return errors.New("cut off") }},
			"later": &script{send: func(context.Context, int) error { return errors.New("not yet") }},
		})
		b.add("later", "{}")
		time.Sleep(2 * time.Minute) // it waits for its next attempt
		b.add("hangs", "{}")
		synctest.Wait()
		for range 2 * atOnce {
			b.add("good", "{}")
		}
		start, tried := time.Now(), b.row(0).Attempts
		stop()
		if took := time.Since(start); took != stopGrace {
			t.Errorf("stopping took %v", took)
		}
		for i := 2; i < len(b.rows); i++ {
			if d := b.row(i); d.State != scheduler.DeliverySent {
				t.Errorf("number %d: %+v", i, d)
			}
		}
		if d := b.row(1); d.State != scheduler.DeliveryPending || d.Attempts != 0 || d.NextAt.After(time.Now()) {
			t.Errorf("what hung is left as %+v", d)
		}
		if d := b.row(0); d.State != scheduler.DeliveryPending || d.Attempts != tried {
			t.Errorf("what waited is left as %+v", d)
		}
	})
}

// TestStoreIsDown: the drain waits for the store, and goes on.
func TestStoreIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox()
		b.down = errors.New("the disk is full")
		s := &script{send: func(context.Context, int) error { return nil }}
		stop := draining(b, map[string]scheduler.Sender{"x": s})
		defer stop()
		b.add("x", "{}")
		time.Sleep(time.Minute)
		b.mu.Lock()
		b.down = nil
		b.mu.Unlock()
		time.Sleep(storeFailed)
		if len(s.sent()) != 1 {
			t.Errorf("sent %d times", len(s.sent()))
		}
	})
}

func TestCrashLoopEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox()
		s := &script{send: func(context.Context, int) error { return nil }}
		b.add("x", "{}")
		b.rows[0].Attempts = maxAttempts // each of them killed the server
		stop := draining(b, map[string]scheduler.Sender{"x": s})
		defer stop()
		synctest.Wait()
		if d := b.row(0); d.State != scheduler.DeliveryFailed || len(s.sent()) > 0 || !strings.Contains(d.Error, "no attempt") {
			t.Errorf("left is %+v after %d attempts", d, len(s.sent()))
		}
	})
}
