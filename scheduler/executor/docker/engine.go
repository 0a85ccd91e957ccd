package docker

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moby/moby/client"

	"belfry/scheduler"
)

// How long the engine may take. Streams are not limited: see watch.
const (
	callTimeout    = 30 * time.Second // one call
	pingTimeout    = 500 * time.Millisecond
	cleanupTimeout = 60 * time.Second // everything that a run leaves
)

// State is how the engine is from here.
type State string

// The states of an engine.
const (
	Connected    State = "connected"
	Disconnected State = "disconnected"
	Disabled     State = "disabled"
)

// Options of an Engine.
type Options struct {
	// Host is the engine's address, like "unix:///var/run/docker.sock" or
	// "tcp://host:2376". Empty is what DOCKER_HOST and its companions say, or the
	// default socket.
	Host string
	// Instance is a stable name of the data folder. What an engine runs for us
	// carries it, and Sweep removes only what carries it.
	Instance string
	// Disabled makes every run fail with words, and nothing is ever connected to.
	Disabled bool
	Log      *slog.Logger
}

// Engine is a Docker engine, there or not. It is safe for concurrent use.
type Engine struct {
	opts  Options
	log   *slog.Logger
	pulse time.Duration

	mu     sync.Mutex
	client *client.Client      // nil until somebody needs it, and after a failure
	live   map[string]struct{} // ids of executions that run in this process

	state atomic.Value // State, as Run saw it last
	dirty atomic.Bool  // a run left something: Run sweeps again
}

// New returns an engine. Nothing is connected to before it is needed.
func New(o Options) *Engine {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Engine{opts: o, log: o.Log, pulse: pulse, live: map[string]struct{}{}}
}

// Exec returns the executor "docker-exec": a command in a running container.
func (e *Engine) Exec() scheduler.Executor { return &execExecutor{e} }

// RunContainer returns the executor "docker-run": a container of its own.
func (e *Engine) RunContainer() scheduler.Executor { return &runExecutor{e} }

// Service returns the executor "docker-service": a one-shot Swarm service.
func (e *Engine) Service() scheduler.Executor { return &serviceExecutor{e} }

// Close drops the connections that are idle. The engine can be used again.
func (e *Engine) Close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.client != nil {
		e.client.Close()
		e.client = nil
	}
}

var errDisabled = errors.New("jobs in Docker are switched off on this server")

// connect returns a client that has agreed on a version with the engine.
func (e *Engine) connect(ctx context.Context) (*client.Client, error) {
	if e.opts.Disabled {
		return nil, errDisabled
	}
	e.mu.Lock()
	c := e.client
	e.mu.Unlock()
	if c != nil {
		return c, nil
	}
	options := []client.Opt{client.FromEnv}
	if e.opts.Host != "" {
		options = append(options, client.WithHost(e.opts.Host))
	}
	c, err := client.New(options...)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	// Otherwise the first call would use the newest version without having asked,
	// and fail in other words.
	if _, err := c.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true}); err != nil {
		c.Close()
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.client == nil {
		e.client = c
	} else {
		c.Close()
	}
	return e.client, nil
}

// failedCall forgets the client when the engine could not be reached: another
// version may answer next time.
func (e *Engine) failedCall(err error) {
	if !unreachable(err) {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.client != nil {
		e.client.Close()
		e.client = nil
	}
}

// Ping asks the engine whether it is there, and answers within half a second.
func (e *Engine) Ping(ctx context.Context) State {
	if e.opts.Disabled {
		return Disabled
	}
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	c, err := e.connect(ctx)
	if err == nil {
		_, err = c.Ping(ctx, client.PingOptions{})
	}
	if err != nil {
		e.failedCall(err)
		return Disconnected
	}
	return Connected
}

// Run keeps an eye on the engine until ctx ends: at the beginning, and whenever
// the engine comes back, it sweeps.
func (e *Engine) Run(ctx context.Context) {
	const often, seldom = time.Second, 10 * time.Second
	swept := false
	for ctx.Err() == nil && !e.opts.Disabled {
		state := e.Ping(ctx)
		if was, _ := e.state.Swap(state).(State); was != state && ctx.Err() == nil {
			e.log.Info("docker engine", "state", string(state))
		}
		wait := often
		switch {
		case state == Disconnected:
			swept = false
		case swept && !e.dirty.Load():
			wait = seldom
		default:
			e.dirty.Store(false)
			n, err := e.Sweep(ctx)
			swept = err == nil
			if n > 0 || err != nil {
				e.log.Warn("removed what an earlier server had left in the docker engine", "removed", n, "error", err)
			}
		}
		sleep(ctx, wait)
	}
}

// begin says that an execution runs here; the func it returns, that it does not.
func (e *Engine) begin(id string) (end func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.live[id] = struct{}{}
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.live, id)
	}
}

func (e *Engine) isLive(id string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, live := e.live[id]
	return live
}

// leave notes that something of a run could not be removed. That does not change
// how the run went: to run it again would be worse.
func (e *Engine) leave(res scheduler.Result, what, execution string, err error, out scheduler.OutputWriter) scheduler.Result {
	e.dirty.Store(true)
	e.failedCall(err)
	e.log.Warn("a run left its "+what+" in the docker engine", "execution", execution, "error", err)
	text := "its " + what + " could not be removed yet: " + e.explain(err)
	if res.State == scheduler.Succeeded {
		say(out, scheduler.System, text)
		return res
	}
	res.Reason += "; " + text
	return res
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// brief gives one call its time.
func brief(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, callTimeout)
}
