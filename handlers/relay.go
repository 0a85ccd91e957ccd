package handlers

import (
	"context"
	"sync"
	"time"

	"belfry/scheduler"
	"belfry/views"
)

const (
	relayBytes   = 1 << 20     // of parts that are kept for who is a little behind
	progressPace = time.Second // how often a run's progress alone is told
)

// relays are the executions that somebody watches. Each is read and rendered once,
// however many watch it.
type relays struct {
	mu   sync.Mutex
	open map[relayKey]*relay
}

type relayKey struct {
	execution string
	html      bool
}

// relay follows one execution: it reads what is new at most ten times a second,
// and keeps it for a little while for its readers, each of which takes it at its
// own pace.
type relay struct {
	server  *Server
	key     relayKey
	stop    context.CancelFunc
	done    chan struct{}
	readers int           // under relays.mu
	kick    chan struct{} // capacity 1: somebody joined, and needs to know what there is now

	// run's own:
	tape tape
	told time.Time // when the header was told

	mu        sync.Mutex
	wake      chan struct{} // closed when there is something new
	parts     []outputPart
	first     uint64 // number of parts[0]
	at, end   int64  // what was read: whole lines, and all
	started   uint64 // reads
	completed uint64
	execution scheduler.Execution
	props     views.ExecutionProps // of its header, without a page
	version   uint64               // of both
	ended     bool                 // there is nothing more to come
}

// join returns the relay of an execution, and starts it where nobody watches.
// What there is now will have been read when it has completed more than begun
// reads. Whoever joins must leave.
func (s *Server) join(key relayKey, from tape) (r *relay, begun uint64) {
	s.relays.mu.Lock()
	defer s.relays.mu.Unlock()
	if r = s.relays.open[key]; r == nil {
		ctx, stop := context.WithCancel(context.Background())
		r = &relay{server: s, key: key, stop: stop, done: make(chan struct{}), kick: make(chan struct{}, 1), wake: make(chan struct{}), tape: from}
		r.at, r.end = from.at, from.at
		terminal := *from.terminal
		r.tape.terminal = &terminal
		s.relays.open[key] = r
		go r.run(ctx)
	} else {
		r.mu.Lock()
		begun = r.started
		r.mu.Unlock()
	}
	r.readers++
	return r, begun
}

func (s *Server) leave(r *relay) {
	s.relays.mu.Lock()
	r.readers--
	last := r.readers == 0
	if last {
		delete(s.relays.open, r.key)
	}
	s.relays.mu.Unlock()
	if last {
		r.stop()
		<-r.done
	}
}

// run reads until the execution has ended or everybody has left.
func (r *relay) run(ctx context.Context) {
	defer close(r.done)
	sub := r.server.Hub.Subscribe(false, []string{r.key.execution})
	defer sub.Close()
	for first := true; ; first = false {
		look, ended := r.read(ctx, first)
		if ended {
			return
		}
		rest := time.NewTimer(outputPace)
		select {
		case <-ctx.Done():
			rest.Stop()
			return
		case <-rest.C:
		}
		var again <-chan time.Time
		if look > 0 {
			again = time.After(look)
		}
		select {
		case <-ctx.Done():
			return
		case <-sub.Wake():
			sub.Take()
		case <-r.kick:
		case <-again:
		}
	}
}

// read publishes what is new. The state is read before the output: when it is
// final, the output that follows is all there is. look is when to read again
// although nothing happens.
func (r *relay) read(ctx context.Context, first bool) (look time.Duration, ended bool) {
	r.mu.Lock()
	r.started++
	number := r.started
	old := r.execution
	r.mu.Unlock()
	e, err := r.server.Store.Execution(ctx, r.key.execution)
	gone := scheduler.CodeOf(err) == scheduler.CodeNotFound
	var fresh []outputPart
	if err == nil {
		fresh, err = r.readOutput(ctx, e.OutputBytes, first)
		e = r.server.explained(e)
	}
	r.server.reportStream(ctx, err)
	props, changed := r.props, false
	switch {
	case err != nil:
		look = time.Second
	case first || e.State != old.State || e.Reason != old.Reason:
		changed = true
	case e.Progress != old.Progress: // it may change with every line
		if look = progressPace - time.Since(r.told); look <= 0 {
			changed = true
		}
	}
	if e.State == scheduler.Queued {
		look = waitPace
	}
	if changed && r.key.html {
		if props, err = r.server.executionProps(ctx, views.Page{}, e); err != nil {
			r.server.reportStream(ctx, err)
			look, changed = time.Second, false
		}
	}
	if changed {
		r.told = time.Now()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if changed {
		r.execution, r.props = e, props
		r.version++
	}
	r.keep(fresh)
	r.completed, r.ended = number, gone || changed && e.State.Final() || r.ended
	close(r.wake)
	r.wake = make(chan struct{})
	return look, r.ended
}

// readOutput reads what was written since the last time, up to size: who writes more
// has the relay read again. A relay that begins far from the end begins there instead:
// its readers come there by themselves.
func (r *relay) readOutput(ctx context.Context, size int64, first bool) (fresh []outputPart, err error) {
	if first && (size-r.tape.at > skipFrom || size < r.tape.at) {
		r.tape.terminal = new(views.Terminal)
		end, err := r.tape.toTail(ctx)
		if err != nil {
			return nil, err
		}
		r.mu.Lock()
		r.at, r.end = r.tape.at, end
		r.mu.Unlock()
	}
	for more := true; more && ctx.Err() == nil; {
		from := r.tape.at
		if err = r.tape.skip(ctx, size); err != nil {
			return fresh, err
		}
		var p outputPart
		if p, more, err = r.tape.next(ctx, size); err != nil || p.data == nil {
			return fresh, err
		}
		p.from = from
		fresh = append(fresh, p)
	}
	return fresh, nil
}

func (r *relay) keep(fresh []outputPart) {
	for _, p := range fresh {
		if p.from == p.to && p.end == r.end && len(r.parts) > 0 && r.at == p.from {
			continue // the open line, as it was
		}
		r.parts = append(r.parts, p)
		r.at, r.end = p.to, p.end
	}
	size, from := 0, len(r.parts)
	for from > 0 && (size == 0 || size+len(r.parts[from-1].data) <= relayBytes) {
		from--
		size += len(r.parts[from].data)
	}
	r.first += uint64(from)
	r.parts = append([]outputPart(nil), r.parts[from:]...)
}

// news is what a reader has not taken yet.
type news struct {
	parts     []outputPart
	next      uint64 // number of the part that comes after them
	lagged    bool   // parts are missing before them
	at, end   int64
	execution scheduler.Execution
	props     views.ExecutionProps
	version   uint64
	ended     bool
	completed uint64
	wake      <-chan struct{} // closed when there is more
}

// take returns what is new from part number next on.
func (r *relay) take(next uint64) news {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := news{
		next: r.first + uint64(len(r.parts)), at: r.at, end: r.end, execution: r.execution, props: r.props,
		version: r.version, ended: r.ended, completed: r.completed, wake: r.wake,
	}
	skip := max(next, r.first) - r.first
	n.parts, n.lagged = r.parts[min(skip, uint64(len(r.parts))):], next < r.first
	return n
}

// current waits until the relay has completed more than begun reads.
func (r *relay) current(ctx context.Context, begun uint64) (n news, ok bool) {
	for {
		select {
		case r.kick <- struct{}{}:
		default:
		}
		n = r.take(0)
		if n.completed > begun || n.ended {
			return n, true
		}
		select {
		case <-ctx.Done():
			return n, false
		case <-n.wake:
		}
	}
}
