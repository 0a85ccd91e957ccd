package runner

import (
	"bytes"
	"fmt"
	"sync"
	"time"

	"belfry/scheduler"
)

const (
	firstFlush = 20 * time.Millisecond  // so that a run that ends sooner needs one commit
	nextFlush  = 100 * time.Millisecond // how old output may get before it is stored
	sealAt     = 64 << 10               // bytes of a sealed chunk, about
	maxPending = 1 << 20                // more than this waiting to be stored makes the run wait
	maxLine    = 1 << 20                // a longer line is split
	minLine    = 4 << 10                // the cap of lines where the output limit is lower than that
)

// sink cuts what a run writes into pieces and lines, and gathers them until they
// are stored. It holds at most maxPending bytes and one unsealed chunk.
type sink struct {
	now     func() time.Time
	ready   chan struct{} // capacity 1: there is output, or the sink was closed
	limit   scheduler.OutputLimit
	lineCap int // lines are kept or cut out whole, so none may be longer than the limit

	mu      sync.Mutex
	room    sync.Cond // signalled when pending was taken
	pending scheduler.Chunk
	line    int              // bytes of the line under way; 0: none is
	stream  scheduler.Stream // whose line that is
	closed  bool
	failing bool  // the store refuses: drop what there is no room for, do not wait
	dropped int64 // bytes dropped and not yet told

	// The flusher's own:
	stored   scheduler.Chunk // appended to the store but not sealed
	cutTo    int64           // the middle was cut out up to about here
	progress *progress       // nil: the job has no pattern
}

// newSink returns an empty sink of a run of j.
func newSink(now func() time.Time, j *scheduler.Job) *sink {
	s := &sink{now: now, ready: make(chan struct{}, 1), limit: j.OutputLimit, progress: newProgress(j.Progress)}
	if s.limit == (scheduler.OutputLimit{}) {
		s.limit = scheduler.DefaultOutputLimit
	}
	s.lineCap = int(min(max(s.limit.Head+s.limit.Tail, minLine), maxLine))
	s.room.L = &s.mu
	s.pending.FirstLine, s.stored.FirstLine = 1, 1
	return s
}

// Write implements scheduler.OutputWriter. It waits while too much is waiting to
// be stored; while the store refuses it drops that instead, and says so in the
// output later, because a run does not end for its log.
func (s *sink) Write(stream scheduler.Stream, p []byte) {
	if len(p) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.pending.Data) >= maxPending && !s.closed && !s.failing {
		s.room.Wait()
	}
	if len(s.pending.Data) >= maxPending && s.failing {
		s.dropped += int64(len(p))
		return
	}
	s.write(stream, p)
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

func (s *sink) write(stream scheduler.Stream, p []byte) {
	at := s.now().Truncate(time.Millisecond)
	for len(p) > 0 {
		n := bytes.IndexByte(p, '\n') + 1
		open := n == 0
		if open {
			n = len(p)
		}
		if s.line+n > s.lineCap {
			n, open = s.lineCap-s.line, false
		}
		s.add(stream, p[:n], at, open)
		p = p[n:]
	}
}

// add appends one piece, joined to the one before it where nothing tells them
// apart. Bytes of another stream end the line under way; when its piece was taken
// already, an empty piece says so.
func (s *sink) add(stream scheduler.Stream, p []byte, at time.Time, open bool) {
	last := len(s.pending.Pieces) - 1
	if s.line > 0 && s.stream != stream {
		if last >= 0 {
			s.pending.Pieces[last].Open = false
		} else {
			s.pending.Pieces = append(s.pending.Pieces, scheduler.Piece{Stream: s.stream, At: at})
		}
		s.line, last = 0, -1
	}
	if last >= 0 && s.line > 0 && s.pending.Pieces[last].At.Equal(at) {
		s.pending.Pieces[last].Len += len(p)
		s.pending.Pieces[last].Open = open
	} else {
		s.pending.Pieces = append(s.pending.Pieces, scheduler.Piece{Len: len(p), Stream: stream, At: at, Open: open})
	}
	s.pending.Data = append(s.pending.Data, p...)
	if s.line += len(p); !open {
		s.line = 0
	}
	s.stream = stream
}

// setFailing says whether the store refuses now. When it takes output again, the
// output says how much is missing.
func (s *sink) setFailing(failing bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failing = failing
	if failing {
		s.room.Broadcast()
	} else if s.dropped > 0 {
		s.write(scheduler.System, fmt.Appendf(nil, "[%d bytes of output were lost here: they could not be stored]\n", s.dropped))
		s.dropped = 0
	}
}

// take returns what is pending and begins anew behind it.
func (s *sink) take() scheduler.Chunk {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.pending
	s.pending = scheduler.Chunk{FirstByte: c.EndByte(), FirstLine: c.EndLine()}
	s.room.Broadcast()
	return c
}

// full reports whether there is enough pending to store it before its time.
func (s *sink) full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed || len(s.pending.Data) >= maxPending/2
}

func (s *sink) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// close lets writers go on; what they write from now on is still taken.
func (s *sink) close() {
	s.mu.Lock()
	s.closed = true
	s.room.Broadcast()
	s.mu.Unlock()
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

// size returns the output's length and number of lines.
func (s *sink) size() (bytes, lines int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	lines = s.pending.EndLine() - 1
	if s.line > 0 {
		lines++
	}
	return s.pending.EndByte(), lines
}
