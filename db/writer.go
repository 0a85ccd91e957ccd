package db

import (
	"context"
	"database/sql"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"belfry/scheduler"
)

const (
	maxBatch     = 256                   // closures in one transaction
	maxBatchTime = 10 * time.Millisecond // after which a batch takes no more in
)

// writer is the one goroutine that writes to SQLite. It takes all the closures
// that wait, runs them one after the other in one transaction, commits once and
// answers all: group commit. Nobody is made to wait for company.
//
// The common case is that every closure succeeds, and costs nothing extra. One
// that fails before it has written leaves nothing to undo. Only one that fails
// after it has written takes the transaction back; then all of the batch run
// again, each within a savepoint, still for one commit. When the transaction
// itself breaks (disk full), each runs in one of its own.
type writer struct {
	s         *Store
	queue     chan *request
	batchTime time.Duration

	mu     sync.RWMutex // held for reading while sending to queue
	closed bool
	done   chan struct{}

	conn    *sql.Conn
	stmts   map[string]*sql.Stmt
	version int64 // data_version: changes when another process writes
	batch   []*request
	commits atomic.Int64
}

// request is a closure that waits for its transaction.
type request struct {
	fn    func(*tx) error
	taken atomic.Bool // by the writer, to run it, or by the caller, to drop it
	err   error
	done  chan struct{}
}

func newWriter(s *Store) *writer {
	w := &writer{s: s, queue: make(chan *request, 4*maxBatch), batchTime: maxBatchTime, done: make(chan struct{})}
	go w.loop()
	return w
}

// submit runs fn in a transaction. When ctx ends before the writer comes to fn,
// fn is dropped; once it has begun, its outcome is waited for.
func (w *writer) submit(ctx context.Context, fn func(*tx) error) error {
	if err := ctx.Err(); err != nil {
		return translate(err)
	}
	r := &request{fn: fn, done: make(chan struct{})}
	w.mu.RLock()
	if w.closed {
		w.mu.RUnlock()
		return translate(errClosed)
	}
	select {
	case w.queue <- r:
		w.mu.RUnlock()
	case <-ctx.Done():
		w.mu.RUnlock()
		return translate(ctx.Err())
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		if r.taken.CompareAndSwap(false, true) {
			return translate(ctx.Err())
		}
		<-r.done
	}
	return r.err
}

// close lets the writer finish what was submitted and ends it.
func (w *writer) close() {
	w.mu.Lock()
	if !w.closed {
		w.closed = true
		close(w.queue)
	}
	w.mu.Unlock()
	<-w.done
}

func (w *writer) loop() {
	ended := false
	defer func() {
		if ended {
			w.disconnect()
			close(w.done)
			return
		}
		// A closure ended this goroutine (runtime.Goexit: a test's FailNow). Whoever
		// else was in its batch is told, and a new goroutine goes on.
		w.disconnect()
		w.answer(w.batch, &scheduler.Error{
			Code: scheduler.CodeInternal, Message: "the transaction was given up",
			Err: errors.New("a closure ended the writer's goroutine"),
		})
		go w.loop()
	}()
	for r := range w.queue {
		w.run(r)
	}
	ended = true
}

// run makes a batch that starts with first.
func (w *writer) run(first *request) {
	w.batch = w.batch[:0]
	start := time.Now()
	if err := w.begin(); err != nil {
		w.refuse(first, err)
		return
	}
	pending := newDeltas()
	for r := first; r != nil; r = w.next(start) {
		if !r.taken.CompareAndSwap(false, true) {
			continue // nobody waits for it any more
		}
		w.batch = append(w.batch, r)
		t := &tx{s: w.s, querier: w, pending: pending}
		if r.err = call(r.fn, t); r.err != nil && (t.wrote || broken(r.err)) {
			w.apart()
			return
		}
	}
	err := pending.flush(&tx{s: w.s, querier: w})
	if err == nil {
		err = w.commit()
	}
	switch {
	case err == nil:
		w.answer(w.batch, nil)
	case len(w.batch) > 1:
		w.apart()
	default:
		w.rollback()
		w.answer(w.batch, err)
	}
}

// refuse answers all that wait now: each would wait for the same lock as long.
func (w *writer) refuse(first *request, err error) {
	for r := first; r != nil; r = w.next(time.Now()) {
		if r.taken.CompareAndSwap(false, true) {
			w.batch = append(w.batch, r)
		}
	}
	w.answer(w.batch, err)
}

// next returns a request that waits, if the batch may still grow.
func (w *writer) next(start time.Time) *request {
	if len(w.batch) >= maxBatch || time.Since(start) > w.batchTime {
		return nil
	}
	select {
	case r := <-w.queue:
		return r // nil when the queue is closed and empty
	default:
	}
	// Whoever was just answered, or is about to ask, gets its turn on the processor
	// before the commit: on a busy machine that doubles the batches, and on an idle
	// one it costs nothing.
	runtime.Gosched()
	select {
	case r := <-w.queue:
		return r
	default:
		return nil
	}
}

// answer ends requests: with err, or each with its own error when err is nil.
func (w *writer) answer(batch []*request, err error) {
	for _, r := range batch {
		if err != nil {
			r.err = err
		}
		close(r.done)
	}
	clear(batch)
	w.batch = w.batch[:0]
}
