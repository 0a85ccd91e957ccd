package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"belfry/scheduler"
)

// Source is the outbox: *scheduler.Service.
type Source interface {
	NewDeliveries() <-chan struct{}
	NextDelivery(ctx context.Context) (at time.Time, ok bool, err error)
	ClaimDeliveries(ctx context.Context, limit int, lease time.Duration) ([]scheduler.Delivery, error)
	Notification(ctx context.Context, d scheduler.Delivery) (scheduler.Notification, error)
	SettleDelivery(ctx context.Context, d scheduler.Delivery, attempt int) error
}

// Drain empties the outbox.
type Drain struct {
	Source  Source
	Senders map[string]scheduler.Sender
	Now     func() time.Time
	Log     *slog.Logger
}

const (
	atOnce      = 8                // are sent at the same time
	sendTimeout = 30 * time.Second // for each attempt
	storeIn     = 10 * time.Second // for what became of it
	// lease is longer than all that an attempt takes.
	lease       = sendTimeout + storeIn + 20*time.Second
	maxAttempts = 10
	lookAgain   = time.Minute // another server may have made some
	lookSoon    = 100 * time.Millisecond
	storeFailed = 5 * time.Second // until the store is asked again after an error
	stopGrace   = 5 * time.Second // for what is due when it is stopped
	maxError    = 500             // bytes of an error that are kept
)

// Run sends what is in the outbox, and what comes into it, until ctx ends; then
// what is due still, for stopGrace. What could not be sent stays in the outbox.
func (d *Drain) Run(ctx context.Context) {
	sending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	done := make(chan struct{}, atOnce)
	active := 0
	var stopped <-chan time.Time
	ending := ctx.Done()
	for {
		n, wait := d.begin(sending, done, atOnce-active)
		active += n
		if stopped != nil && n == 0 && active == 0 {
			return
		}
		timer := time.NewTimer(wait)
		select {
		case <-ending:
			ending, stopped = nil, time.After(stopGrace)
		case <-stopped:
			timer.Stop()
			cancel()
			for ; active > 0; active-- {
				<-done
			}
			return
		case <-done:
			active--
		case <-d.Source.NewDeliveries():
		case <-timer.C:
		}
		timer.Stop()
	}
}

// begin sends at most free of what is due, each in its goroutine, and returns how
// many, and when to look again.
func (d *Drain) begin(ctx context.Context, done chan<- struct{}, free int) (n int, wait time.Duration) {
	if free == 0 {
		return 0, lookAgain // one of them will end
	}
	claimed, err := d.Source.ClaimDeliveries(ctx, free, lease)
	for _, delivery := range claimed {
		go func() {
			defer func() { done <- struct{}{} }()
			d.deliver(ctx, delivery)
		}()
	}
	if err == nil && len(claimed) == free {
		return len(claimed), lookAgain
	}
	var at time.Time
	var some bool
	if err == nil {
		at, some, err = d.Source.NextDelivery(ctx)
	}
	switch {
	case err != nil:
		if ctx.Err() == nil {
			d.Log.Error("read the outbox", "error", err)
		}
		return len(claimed), storeFailed
	case some:
		return len(claimed), min(max(at.Sub(d.Now()), lookSoon), lookAgain)
	default:
		return len(claimed), lookAgain
	}
}

// deliver makes one attempt and stores what became of it.
func (d *Drain) deliver(ctx context.Context, delivery scheduler.Delivery) {
	attempt := delivery.Attempts
	log := d.Log.With("kind", delivery.Kind, "job", delivery.JobName, "execution", delivery.ExecutionID, "attempt", attempt)
	err := d.send(ctx, delivery)
	now := d.Now().UTC().Truncate(time.Microsecond)
	switch {
	case err == nil:
		delivery.State, delivery.SentAt, delivery.Error = scheduler.DeliverySent, now, ""
	case ctx.Err() != nil: // the server stops: this attempt does not count
		delivery.Attempts, delivery.NextAt = attempt-1, now
	default:
		delivery.Error = d.words(delivery, err)
		delivery.NextAt = now.Add(backOff(attempt))
		if scheduler.CodeOf(err) == scheduler.CodeInvalid || attempt >= maxAttempts {
			delivery.State = scheduler.DeliveryFailed
		}
		log.Warn("a notification could not be sent", "error", delivery.Error, "final", delivery.State == scheduler.DeliveryFailed)
	}
	storing, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeIn)
	defer cancel()
	if err := d.Source.SettleDelivery(storing, delivery, attempt); err != nil {
		log.Error("store what became of a notification: it will be sent again", "error", err)
	}
}

// send makes one attempt. A sender that panics has failed.
func (d *Drain) send(ctx context.Context, delivery scheduler.Delivery) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("internal error of the sender: %v", p)
		}
	}()
	sender := d.Senders[delivery.Kind]
	if sender == nil {
		return scheduler.Errorf(scheduler.CodeInvalid, "this server has no sender %q", delivery.Kind)
	}
	if delivery.Attempts > maxAttempts { // the server died in each of them
		return scheduler.Errorf(scheduler.CodeInvalid, "no attempt came to its end")
	}
	timed, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	n, err := d.Source.Notification(timed, delivery)
	if err == nil {
		err = sender.Send(timed, n)
	}
	if err != nil && errors.Is(timed.Err(), context.DeadlineExceeded) && scheduler.CodeOf(err) != scheduler.CodeInvalid {
		err = fmt.Errorf("took longer than %s", sendTimeout)
	}
	return err
}

// backOff is how long to wait after an attempt, counted from 1.
func backOff(attempt int) time.Duration {
	return min(time.Second<<min(max(attempt-1, 0), 20), 10*time.Minute)
}

// words are an error without the secrets of what it is about.
func (d *Drain) words(delivery scheduler.Delivery, err error) string {
	text := err.Error()
	var known *scheduler.Error
	if errors.As(err, &known) && len(known.Fields) > 0 {
		text = strings.TrimSpace(known.Fields[0].Field + " " + known.Fields[0].Message)
	}
	if sender := d.Senders[delivery.Kind]; sender != nil {
		for _, secret := range secretsIn(delivery.Config, sender.Secrets()) {
			text = strings.ReplaceAll(text, secret, scheduler.Masked)
		}
	}
	text = oneLine(text)
	if len(text) > maxError {
		text = strings.ToValidUTF8(text[:maxError], "") + "…"
	}
	return text
}
