package docker

import (
	"context"
	"time"

	"github.com/moby/moby/client"
)

// lostAfter is how many looks in a row may stay without an answer.
const lostAfter = 6

// guard returns a context that also ends, with the cause errLost, when the engine
// has not answered for a while: a stream from a machine that is gone would be
// waited for for ever.
func (e *Engine) guard(ctx context.Context, api *client.Client) (context.Context, context.CancelFunc) {
	ctx, end := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for silent := 0; ctx.Err() == nil; {
			sleep(ctx, 5*time.Second)
			look, cancel := context.WithTimeout(ctx, 5*time.Second)
			_, err := api.Ping(look, client.PingOptions{})
			cancel()
			if silent++; err == nil {
				silent = 0
			}
			if silent >= lostAfter {
				end(errLost)
			}
		}
	}()
	return ctx, func() {
		end(context.Canceled)
		<-done
	}
}
