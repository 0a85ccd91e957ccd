// Package remote is the client's side of the protocol by which a worker on another
// machine gets what it runs, and its wire types. It only dials out.
package remote

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"belfry/scheduler"
)

// Options are what a Client needs; all are required but Tags and Measure.
type Options struct {
	Server  string // its address, with http:// or https://
	Token   string
	Name    string
	Tags    []string
	Slots   int
	Version string
	System  string
	HTTP    *http.Client
	// Stop ends a running execution; false: it does not run.
	Stop func(executionID, reason string) bool
	// Measure says how the machine is: its load and memory.
	Measure func() scheduler.WorkerAbout
	Now     func() time.Time // nil: time.Now
	Log     *slog.Logger
}

// Client is a worker's connection to its server. To the pool that runs what it
// claims it is where executions come from and endings go to.
type Client struct {
	Options
	wake chan struct{} // capacity 1: beat now

	mu      sync.Mutex
	epoch   int64         // 0: not connected
	ready   chan struct{} // closed while connected
	runs    map[string]*run
	leaving bool
	ahead   time.Duration // how far this clock is ahead of the server's
	beats   int
}

// run is an execution whose end was not acknowledged.
type run struct {
	epoch    int64
	stopping bool          // the pool was told
	over     chan struct{} // closed: the server does not count on it any more
}

// New returns a client that does nothing before Run.
func New(o Options) *Client {
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Server = strings.TrimSuffix(o.Server, "/")
	return &Client{Options: o, wake: make(chan struct{}, 1), ready: make(chan struct{}), runs: map[string]*run{}}
}

const (
	beatWait  = 5 * time.Second  // how long the server may hold a beat
	claimWait = 25 * time.Second // and a claim: below what proxies allow
	slack     = 10 * time.Second // how much longer an answer may take
	firstWait = 100 * time.Millisecond
	maxWait   = 5 * time.Second // between attempts to reach the server
	refused   = 5 * time.Second // between attempts to be let in again

	compareEvery = 12 // beats: one that is not held compares the clocks
)

// Run keeps the connection until ctx ends. It returns an error only when the
// server will never let this worker in: the token is wrong or was revoked, or the
// server does not speak this protocol. What runs is told to stop then.
func (c *Client) Run(ctx context.Context) error {
	var pause backoff
	for ctx.Err() == nil {
		c.mu.Lock()
		connected := c.epoch != 0
		c.mu.Unlock()
		var err error
		if connected {
			err = c.beat(ctx)
		} else {
			err = c.connect(ctx)
		}
		var p *Error
		switch {
		case err == nil:
			pause = 0
			continue
		case ctx.Err() != nil:
			return nil //nolint:nilerr // the caller ended it
		case errors.As(err, &p) && p.Code == CodeFenced:
			c.fenced(0)
			continue
		case errors.As(err, &p) && p.Code == string(scheduler.CodeForbidden):
			c.fenced(0)
			c.Log.Warn("the server does not let this worker in", "why", p.Message)
			sleep(ctx, refused)
			continue
		case errors.As(err, &p) && p.final():
			c.fenced(0)
			return p
		}
		c.Log.Warn("the server cannot be reached", "error", err)
		sleep(ctx, pause.next())
	}
	return nil
}

// connect begins a session.
func (c *Client) connect(ctx context.Context) error {
	var out ConnectOut
	sent := c.Options.Now()
	in := ConnectIn{Name: c.Name, Tags: append([]string{}, c.Tags...), Slots: c.Slots, Version: c.Version, System: c.System}
	if err := c.call(ctx, "/connect", in, &out, slack); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch = out.Epoch
	c.compare(sent, out.Time)
	close(c.ready)
	c.Log.Info("connected", "server", c.Server, "worker", c.Name, "epoch", c.epoch)
	return nil
}

// compare learns from an answer that came at once how far this clock is ahead.
func (c *Client) compare(sent, server time.Time) {
	now := c.Options.Now()
	c.ahead = now.Add(-now.Sub(sent) / 2).Round(0).Sub(server)
}

// Now is the server's clock, as well as it is known here: what is stored of runs is
// in one time, wherever they run.
func (c *Client) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.Options.Now().Add(-c.ahead)
}

// fenced ends the session of an epoch, or whichever there is when it is 0: the
// server counts on nothing of it any more.
func (c *Client) fenced(epoch int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.epoch == 0 || epoch != 0 && epoch != c.epoch {
		return
	}
	c.Log.Warn("the server gave this worker up; what runs is stopped", "running", len(c.runs))
	c.epoch = 0
	c.ready = make(chan struct{})
	for id, r := range c.runs {
		c.abandon(id, r)
	}
}

// abandon stops a run that the server does not count on any more, and forgets it.
func (c *Client) abandon(id string, r *run) {
	delete(c.runs, id)
	close(r.over)
	go c.stopSoon(id)
}

// stopSoon stops a run that may be about to start.
func (c *Client) stopSoon(id string) {
	for range 50 {
		if c.Stop(id, "the server does not count on it any more") {
			return
		}
		<-time.After(20 * time.Millisecond)
	}
}

// beat says that the worker lives, and does what it is told.
func (c *Client) beat(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	in := BeatIn{WaitMS: beatWait.Milliseconds(), Running: []string{}, Stopping: []string{}}
	c.mu.Lock()
	if c.epoch == 0 {
		c.mu.Unlock()
		return nil // it ended meanwhile
	}
	in.Session = Session{c.Name, c.epoch}
	in.Leaving, in.SkewMS = c.leaving, c.ahead.Milliseconds()
	c.beats++
	quick := c.beats%compareEvery == 0
	for id, r := range c.runs {
		in.Running = append(in.Running, id)
		if r.stopping {
			in.Stopping = append(in.Stopping, id)
		}
	}
	c.mu.Unlock()
	if quick {
		in.WaitMS = 0
	}
	if c.Measure != nil {
		about := c.Measure()
		in.Load, in.CPUs, in.MemoryFree, in.MemoryTotal = about.Load, about.CPUs, about.MemoryFree, about.MemoryTotal
	}
	done := make(chan struct{})
	defer close(done)
	go func() {
		select {
		case <-c.wake: // there is something new to say
			cancel()
		case <-done:
		}
	}()
	var out BeatOut
	sent := c.Options.Now()
	err := c.call(ctx, "/beat", in, &out, beatWait+slack)
	if err != nil {
		if errors.Is(ctx.Err(), context.Canceled) {
			return nil // the next one says it, or Run ends
		}
		return err
	}
	c.mu.Lock()
	if quick {
		c.compare(sent, out.Time)
	}
	c.mu.Unlock()
	return c.obey(ctx, out.Stop)
}

func (c *Client) obey(ctx context.Context, stop map[string]string) error {
	missed := false
	for id, reason := range stop {
		c.mu.Lock()
		r := c.runs[id]
		c.mu.Unlock()
		switch {
		case r != nil && c.Stop(id, reason):
			c.mu.Lock()
			r.stopping = true
			c.mu.Unlock()
		default:
			missed = true
		}
	}
	if missed { // it is about to come, to start or to end: the order comes again
		sleep(ctx, 50*time.Millisecond)
	}
	return nil
}

// Claim waits until there is something to run, the server answers that there is
// nothing, or ctx ends. Then the server learns that this worker leaves, and what it
// gave before is still returned.
func (c *Client) Claim(ctx context.Context, w scheduler.Worker, limit int) ([]scheduler.Assignment, error) {
	asking, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	release := context.AfterFunc(ctx, func() {
		c.mu.Lock()
		c.leaving = true
		c.mu.Unlock()
		signal(c.wake)
		time.AfterFunc(slack, cancel) // it can wait no longer for an answer
	})
	defer release()
	var pause backoff
	for {
		list, err := c.claim(asking, ctx, limit)
		var p *Error
		switch {
		case err == nil && (len(list) > 0 || ctx.Err() != nil):
			return list, nil
		case asking.Err() != nil:
			return nil, ctx.Err()
		case err == nil, errors.As(err, &p) && p.Code == CodeFenced:
			if ctx.Err() != nil {
				return nil, nil
			}
		case errors.As(err, &p) && p.final() && ctx.Err() != nil:
			return nil, nil
		default:
			c.Log.Debug("claim executions", "error", err)
			sleep(asking, pause.next())
		}
	}
}

// claim asks once. While the worker leaves it does not wait: what comes then was
// given before.
func (c *Client) claim(asking, working context.Context, limit int) ([]scheduler.Assignment, error) {
	c.mu.Lock()
	ready := c.ready
	c.mu.Unlock()
	select {
	case <-ready:
	case <-working.Done():
		return nil, nil
	}
	in := ClaimIn{Limit: limit, WaitMS: claimWait.Milliseconds()}
	if working.Err() != nil {
		in.Limit, in.WaitMS = 0, 0
	}
	c.mu.Lock()
	in.Session = Session{c.Name, c.epoch}
	in.Have = slices.Collect(maps.Keys(c.runs))
	c.mu.Unlock()
	if in.Epoch == 0 {
		return nil, nil
	}
	var out ClaimOut
	if err := c.call(asking, "/claim", in, &out, claimWait+slack); err != nil {
		c.look(err, in.Epoch)
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.epoch != in.Epoch {
		return nil, nil // it was given to a session that is over
	}
	var list []scheduler.Assignment
	for _, a := range out.Executions {
		if c.runs[a.ID] == nil {
			c.runs[a.ID] = &run{epoch: in.Epoch, over: make(chan struct{})}
			list = append(list, a.Assignment(c.Name))
		}
	}
	return list, nil
}

// look ends the session when an answer says that it is over.
func (c *Client) look(err error, epoch int64) {
	var p *Error
	if !errors.As(err, &p) {
		return
	}
	switch p.Code {
	case CodeFenced:
		c.fenced(epoch)
		signal(c.wake)
	case CodeReplaced, string(scheduler.CodeUnauthenticated):
		signal(c.wake) // the next beat hears it too, if it is about this session
	}
}

// NextRunAt says that Claim may be called again at once: it waits by itself.
func (c *Client) NextRunAt(context.Context) (time.Time, bool, error) { return c.Now(), true, nil }

// Leave ends the session: call it when nothing runs any more.
func (c *Client) Leave(ctx context.Context) error {
	c.mu.Lock()
	s := Session{c.Name, c.epoch}
	c.mu.Unlock()
	if s.Epoch == 0 {
		return nil
	}
	return c.call(ctx, "/leave", s, nil, slack)
}
