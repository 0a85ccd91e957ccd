package docker

import (
	"io"
	"sync/atomic"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"

	"belfry/scheduler"
)

// How long an output may be silent after its process has ended before it counts
// as complete: something else may hold it open, and swarm does not end it.
const (
	drainPatience  = 3 * time.Second
	serviceSilence = 500 * time.Millisecond
)

// stream copies a run's output.
type stream struct {
	source io.Closer
	done   chan struct{} // closed at the end of the output
	err    error         // after done; nil at a proper end
	moved  atomic.Int64  // bytes so far
}

// follow copies r until its end. Without a terminal r has the two outputs in
// frames.
func follow(r io.Reader, source io.Closer, tty bool, out scheduler.OutputWriter) *stream {
	s := &stream{source: source, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		stdout, stderr := s.writer(out, scheduler.Stdout), s.writer(out, scheduler.Stderr)
		if tty {
			_, s.err = io.Copy(stdout, r)
		} else {
			_, s.err = stdcopy.StdCopy(stdout, stderr, r)
		}
	}()
	return s
}

// drain waits for the end of the output, as long as something comes.
func (s *stream) drain(patience time.Duration) {
	for before := int64(-1); before != s.moved.Load(); {
		before = s.moved.Load()
		timer := time.NewTimer(patience)
		select {
		case <-s.done:
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// close ends the copying.
func (s *stream) close() {
	s.source.Close()
	<-s.done
}

type streamWriter struct {
	out   scheduler.OutputWriter
	to    scheduler.Stream
	moved *atomic.Int64
}

func (s *stream) writer(out scheduler.OutputWriter, to scheduler.Stream) io.Writer {
	return &streamWriter{out, to, &s.moved}
}

func (w *streamWriter) Write(p []byte) (int, error) {
	w.moved.Add(1) // a consumer that is slow is not silence
	w.out.Write(w.to, p)
	w.moved.Add(int64(len(p)))
	return len(p), nil
}

// say writes a line about a run into its output. Only what may change the job's
// result is on its stderr, where people look for trouble.
func say(out scheduler.OutputWriter, to scheduler.Stream, text string) {
	out.Write(to, []byte("docker: "+text+"\n"))
}
