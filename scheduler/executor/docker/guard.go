package docker

import (
	"context"
	"errors"
	"time"

	"github.com/moby/moby/client"
)

// pulse is how often an engine is asked whether it is there while something runs
// in it, and lostAfter how many times in a row it may fail to answer.
const (
	pulse     = 10 * time.Second
	lostAfter = 3
)

// aliveKey finds in a guarded context one that ends only when the engine is lost.
type aliveKey struct{}

// guard returns a context that also ends, with the cause errLost, when the engine
// has not answered for a while: a stream from a machine that is gone would be
// waited for for ever.
func (e *Engine) guard(ctx context.Context, api *client.Client) (context.Context, context.CancelFunc) {
	alive, lose := context.WithCancelCause(context.WithoutCancel(ctx))
	guarded, end := context.WithCancelCause(context.WithValue(ctx, aliveKey{}, alive))
	done := make(chan struct{})
	go func() {
		defer close(done)
		if e.silence(alive, api) {
			end(errLost)
			lose(errLost)
		}
	}()
	return guarded, func() {
		end(context.Canceled)
		lose(context.Canceled)
		<-done
	}
}

// silence waits until the engine has not answered for a while, and reports false
// when ctx ends before.
func (e *Engine) silence(ctx context.Context, api *client.Client) bool {
	for silent := 0; silent < lostAfter && ctx.Err() == nil; {
		sleep(ctx, e.pulse)
		look, cancel := context.WithTimeout(ctx, e.pulse)
		_, err := api.Ping(look, client.PingOptions{})
		cancel()
		if silent++; err == nil {
			silent = 0
		}
	}
	return ctx.Err() == nil
}

// afterwards is for what must be done even though ctx has ended, unless the engine
// is lost meanwhile. One that is lost already gets a moment only; Run sweeps when
// it is back.
func afterwards(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	alive, guarded := ctx.Value(aliveKey{}).(context.Context)
	if guarded && alive.Err() == nil {
		return context.WithTimeout(alive, d)
	}
	if guarded && errors.Is(context.Cause(alive), errLost) {
		d = min(d, 2*time.Second)
	}
	return context.WithTimeout(context.WithoutCancel(ctx), d)
}
