// Package runner is the server's own worker: it claims what is queued, as much
// as it has slots for, runs it through the executors, and stores how it ended.
package runner

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"belfry/scheduler"
)

// Source is where executions come from and endings go: *scheduler.Service.
type Source interface {
	Claim(ctx context.Context, w scheduler.Worker, limit int) ([]scheduler.Assignment, error)
	NextRunAt(ctx context.Context) (time.Time, bool, error)
	AddOutput(ctx context.Context, id string, out scheduler.Output, end int64) error
	Finish(ctx context.Context, end scheduler.Ending) error
}

// Options are what a Pool needs; all but Tags are required.
type Options struct {
	Worker    string // its name in executions
	Tags      []string
	Slots     int // at most this many run at once
	Executors map[string]scheduler.Executor
	Now       func() time.Time
	Log       *slog.Logger
}

// Pool is a worker with slots. It implements scheduler.Launcher.
type Pool struct {
	Options
	wake chan struct{} // capacity 1

	mu     sync.Mutex
	used   int // slots in use
	ending int // runs that ended and are not stored yet
	// leaving is closed when the next claim is sent. It is nil unless more is
	// queued than there are slots.
	leaving chan struct{}
	runs    map[string]context.CancelCauseFunc
	all     sync.WaitGroup
}

// maxEnding bounds, per slot, the endings that wait for the store: a store that
// is slow or refuses must slow claiming down, not fill the memory.
const maxEnding = 16

// New returns a pool that claims nothing before Run.
func New(o Options) *Pool {
	return &Pool{Options: o, wake: make(chan struct{}, 1), runs: map[string]context.CancelCauseFunc{}}
}

// Wake implements scheduler.Launcher.
func (p *Pool) Wake() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Stop implements scheduler.Launcher.
func (p *Pool) Stop(executionID, reason string) bool {
	p.mu.Lock()
	cancel, ok := p.runs[executionID]
	p.mu.Unlock()
	if ok {
		cancel(stopped{reason})
	}
	return ok
}

// Workers implements scheduler.Launcher: this one.
func (p *Pool) Workers() []scheduler.Worker {
	used, slots := p.Usage()
	return []scheduler.Worker{{Name: p.Worker, Tags: p.Tags, Slots: slots, Used: used}}
}

// Usage returns how many slots are in use, and how many there are.
func (p *Pool) Usage() (used, slots int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.used, p.Slots
}

// Run claims and starts executions until ctx ends. What runs then goes on; see Drain.
func (p *Pool) Run(ctx context.Context, from Source) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	defer p.setBacklog(false) // no claim follows
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
		case <-timer.C:
		}
		p.claim(ctx, from, timer)
	}
}

// company is how long a slot may stay free for others to become free too, while
// more is queued than there are slots, and how long an ending waits for the claim
// that follows it. Claims and endings that go together share one write to the
// disk, and on a busy machine those writes are most of what a short run costs.
const company = 2 * time.Millisecond

// gather waits for half of the slots to be free, but not long.
func (p *Pool) gather(ctx context.Context) {
	limit := time.NewTimer(company)
	defer limit.Stop()
	for p.backlog() && p.free() < (p.Slots+1)/2 {
		select {
		case <-p.wake:
		case <-limit.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (p *Pool) backlog() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.leaving != nil
}

// leave lets the endings go that wait for a claim: it is being sent.
func (p *Pool) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.leaving != nil {
		close(p.leaving)
		p.leaving = make(chan struct{})
	}
}

// setBacklog notes whether more is queued than there are slots.
func (p *Pool) setBacklog(is bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case is && p.leaving == nil:
		p.leaving = make(chan struct{})
	case !is && p.leaving != nil:
		close(p.leaving)
		p.leaving = nil
	}
}

// awaitClaim returns when the next claim is sent, or after a moment, or at once
// when no slot is waited for.
func (p *Pool) awaitClaim() {
	p.mu.Lock()
	leaving := p.leaving
	p.mu.Unlock()
	if leaving == nil {
		return
	}
	limit := time.NewTimer(company)
	defer limit.Stop()
	select {
	case <-leaving:
	case <-limit.C:
	}
}

// claim fills the free slots. When more is queued for later, timer is set to it.
func (p *Pool) claim(ctx context.Context, from Source, timer *time.Timer) {
	for ctx.Err() == nil {
		p.gather(ctx)
		free := p.free()
		if free == 0 {
			return // the end of a run wakes us
		}
		p.leave()
		claimed, err := from.Claim(ctx, scheduler.Worker{Name: p.Worker, Tags: p.Tags}, free)
		p.setBacklog(err == nil && len(claimed) == free)
		if err != nil {
			if ctx.Err() == nil {
				p.Log.Error("claim executions", "error", err)
				timer.Reset(time.Second)
			}
			return
		}
		for _, a := range claimed {
			p.start(a, from)
		}
		if len(claimed) == 0 {
			p.sleepUntilNext(ctx, from, timer)
			return
		}
	}
}

// sleepUntilNext sets timer to when the next queued execution may be claimed.
func (p *Pool) sleepUntilNext(ctx context.Context, from Source, timer *time.Timer) {
	at, ok, err := from.NextRunAt(ctx)
	switch {
	case err != nil && ctx.Err() == nil:
		p.Log.Error("read the queue", "error", err)
		timer.Reset(time.Second)
	case ok:
		timer.Reset(max(at.Sub(p.Now()), time.Millisecond))
	}
}

func (p *Pool) free() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ending >= maxEnding*p.Slots {
		return 0
	}
	return p.Slots - p.used
}

// start runs one execution in its own goroutine. The slot is free again when the
// run is over, while its ending is still on the way to the disk.
func (p *Pool) start(a scheduler.Assignment, from Source) {
	// Runs live as long as they need: only Stop, their timeout and Drain end them.
	ctx, cancel := context.WithCancelCause(context.Background())
	p.mu.Lock()
	p.used++
	p.runs[a.Execution.ID] = cancel
	p.all.Add(1)
	p.mu.Unlock()
	go func() {
		defer p.all.Done()
		defer cancel(nil)
		end := p.run(ctx, a, from)
		p.mu.Lock()
		p.used--
		p.ending++
		delete(p.runs, a.Execution.ID)
		p.mu.Unlock()
		p.Wake()
		p.awaitClaim()
		p.finish(end, from)
		p.mu.Lock()
		p.ending--
		full := p.ending == maxEnding*p.Slots-1
		p.mu.Unlock()
		if full {
			p.Wake()
		}
	}()
}

// Drain waits until nothing runs, and cancels what still does when grace is over,
// for a reason. Call it after Run has returned. It returns when every ending is
// stored, or ctx ends.
func (p *Pool) Drain(ctx context.Context, grace time.Duration, reason string) {
	done := make(chan struct{})
	go func() {
		p.all.Wait()
		close(done)
	}()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-done:
		return
	case <-timer.C:
	}
	p.mu.Lock()
	for _, cancel := range p.runs {
		cancel(stopped{reason})
	}
	p.mu.Unlock()
	select {
	case <-done:
	case <-ctx.Done():
	}
}
