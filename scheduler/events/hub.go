// Package events tells open pages, inside this process, that something changed.
package events

import (
	"sync"

	"belfry/scheduler"
)

// ringSize is how many events a reader of the board may be behind before it has
// to read the store: a power of two, about a second of a busy server.
const ringSize = 4096

// Hub passes events on without ever waiting for a reader. What a reader has not
// taken yet is kept once for all readers, so a thousand idle pages cost nothing
// per event; a reader that falls behind is told so, and reads the store.
type Hub struct {
	mu       sync.Mutex
	ring     [ringSize]scheduler.Event
	next     uint64 // number of the event that comes next
	waiting  map[*Subscription]struct{}
	watchers map[string]map[*Subscription]struct{} // by execution id
	closed   bool
	all      map[*Subscription]struct{}
}

// New returns a hub without subscriptions.
func New() *Hub {
	return &Hub{
		waiting:  map[*Subscription]struct{}{},
		watchers: map[string]map[*Subscription]struct{}{},
		all:      map[*Subscription]struct{}{},
	}
}

// Subscription implements scheduler.Subscription.
type Subscription struct {
	hub        *Hub
	board      bool
	executions []string
	wake       chan struct{} // capacity 1
	done       chan struct{} // closed when the hub closes
	position   uint64
	touched    bool // a watched execution changed, or has more output
}

// Subscribe implements scheduler.Feed.
func (h *Hub) Subscribe(board bool, executions []string) scheduler.Subscription {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := &Subscription{
		hub: h, board: board, executions: executions,
		wake: make(chan struct{}, 1), done: make(chan struct{}), position: h.next,
	}
	if h.closed {
		close(s.done)
		return s
	}
	h.all[s] = struct{}{}
	if board {
		h.waiting[s] = struct{}{}
	}
	for _, id := range executions {
		if h.watchers[id] == nil {
			h.watchers[id] = map[*Subscription]struct{}{}
		}
		h.watchers[id][s] = struct{}{}
	}
	return s
}

// Publish implements scheduler.Publisher.
func (h *Hub) Publish(e scheduler.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.watchers[e.ExecutionID] {
		s.touched = true
		s.signal()
	}
	if e.Kind == scheduler.OutputGrew {
		return
	}
	h.ring[h.next%ringSize] = e
	h.next++
	for s := range h.waiting {
		s.signal()
		delete(h.waiting, s)
	}
}

func (s *Subscription) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Wake implements scheduler.Subscription.
func (s *Subscription) Wake() <-chan struct{} { return s.wake }

// Done implements scheduler.Subscription.
func (s *Subscription) Done() <-chan struct{} { return s.done }

// Take implements scheduler.Subscription.
func (s *Subscription) Take() scheduler.Update {
	h := s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	u := scheduler.Update{Touched: s.touched}
	s.touched = false
	if !s.board {
		return u
	}
	if h.next-s.position > ringSize {
		u.Lagged, s.position = true, h.next
	}
	for ; s.position < h.next; s.position++ {
		u.Events = append(u.Events, h.ring[s.position%ringSize])
	}
	if !h.closed {
		h.waiting[s] = struct{}{}
	}
	return u
}

// Close implements scheduler.Subscription.
func (s *Subscription) Close() {
	h := s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.all, s)
	delete(h.waiting, s)
	for _, id := range s.executions {
		delete(h.watchers[id], s)
		if len(h.watchers[id]) == 0 {
			delete(h.watchers, id)
		}
	}
}

// Readers returns how many subscriptions there are.
func (h *Hub) Readers() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.all)
}

// Close tells every reader that the server is stopping. Later subscriptions are
// done from the start.
func (h *Hub) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	h.closed = true
	for s := range h.all {
		close(s.done)
	}
}
