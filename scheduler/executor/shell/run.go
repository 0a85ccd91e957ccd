package shell

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"belfry/scheduler"
)

// run is the server's side of one command. A run that is silent costs a parked
// goroutine, its caller's, and four files.
type run struct {
	num   uint32
	pipes [2]pipe       // of scheduler.Stdout and Stderr
	news  chan struct{} // holds one: readable or ended may have changed

	readable atomic.Uint32 // bit s: pipes[s] has something
	ended    atomic.Bool   // rep is there, and nothing of the run is left
	rep      report
}

// pipe is one output. The server keeps the writing end open too: its end of
// file would wake the server for nothing, since the report tells the run's end.
type pipe struct{ r, w int }

// run has the supervisor run s and copies its output. An error means that it
// was not started.
func (l *link) run(ctx context.Context, s start, stdin string, grace time.Duration, out scheduler.OutputWriter) (report, error) {
	r := &run{news: make(chan struct{}, 1), pipes: [2]pipe{{-1, -1}, {-1, -1}}}
	defer r.close()
	if err := l.begin(r, s, stdin); err != nil {
		return report{}, err
	}
	finished := make(chan struct{})
	stopped := make(chan struct{})
	unwatch := context.AfterFunc(ctx, func() {
		defer close(stopped)
		l.stop(r, grace, finished)
	})
	for !r.ended.Load() {
		<-r.news
		for ready := r.readable.Swap(0); ready != 0; ready = r.readable.Swap(0) {
			for i := range r.pipes {
				if ready&(1<<i) != 0 {
					r.copy(scheduler.Stream(i), out)
					l.poll.again(r, i)
				}
			}
		}
	}
	for i := range r.pipes {
		r.copy(scheduler.Stream(i), out)
	}
	close(finished)
	if !unwatch() {
		<-stopped
	}
	return r.rep, nil
}

// begin opens the run's files and sends it to the supervisor.
func (l *link) begin(r *run, s start, stdin string) error {
	if err := r.open(s); err != nil {
		return err
	}
	files := append(make([]int, 0, 3), r.pipes[0].w, r.pipes[1].w)
	if stdin != "" {
		fd, err := inMemory(stdin)
		if err != nil {
			return err
		}
		defer closeFile(fd)
		files = append(files, fd)
	}
	if !l.add(r) {
		return errGone
	}
	s.files = byte(len(files))
	err := l.poll.add(r)
	if err == nil {
		err = l.send(&request{kind: reqStart, run: r.num, start: s}, files...)
	}
	if err != nil && l.take(r.num) == nil {
		return nil // the link died meanwhile and ends the run itself
	}
	return err
}

// stop asks the run to end, and kills it when the grace is over.
func (l *link) stop(r *run, grace time.Duration, finished <-chan struct{}) {
	// A request that cannot be sent has lost its supervisor, which ends the run.
	_ = l.send(&request{kind: reqTerm, run: r.num})
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-finished:
	case <-timer.C:
		_ = l.send(&request{kind: reqKill, run: r.num})
	}
}

// open makes the pipes. Both ends may block: programs do not expect EAGAIN from
// their output, and we read only what is there.
func (r *run) open(s start) error {
	for i := range r.pipes {
		var p [2]int
		if err := syscall.Pipe2(p[:], syscall.O_CLOEXEC); err != nil {
			return os.NewSyscallError("pipe", err)
		}
		r.pipes[i] = pipe{p[0], p[1]}
		if s.who {
			// Otherwise that user could write to it but not open /dev/stdout.
			if err := syscall.Fchown(p[1], int(s.uid), int(s.gid)); err != nil {
				return os.NewSyscallError("fchown", err)
			}
		}
	}
	return nil
}

func (r *run) close() {
	for _, p := range r.pipes {
		if p.r >= 0 {
			closeFile(p.r)
			closeFile(p.w)
		}
	}
}

// closeFile closes a descriptor to which nothing is left to write, so that
// closing it has no failure to act on.
func closeFile(fd int) { _ = syscall.Close(fd) }

// inMemory returns a file with the content s: nobody has to feed it, as a pipe.
func inMemory(s string) (int, error) {
	fd, err := unix.MemfdCreate("stdin", unix.MFD_CLOEXEC)
	if err != nil {
		return -1, os.NewSyscallError("memfd_create", err)
	}
	for b := []byte(s); len(b) > 0 && err == nil; {
		var n int
		n, err = syscall.Write(fd, b)
		b = b[max(n, 0):]
	}
	if err == nil {
		_, err = syscall.Seek(fd, 0, io.SeekStart)
	}
	if err != nil {
		closeFile(fd)
		return -1, os.NewSyscallError("write stdin", err)
	}
	return fd, nil
}

// wake tells the goroutine of the run to look again.
func (r *run) wake() {
	select {
	case r.news <- struct{}{}:
	default: // it has not seen the last news yet
	}
}

func (r *run) end(rep report) {
	r.rep = rep
	r.ended.Store(true)
	r.wake()
}

// buffers are taken only while there is something to read, so that a thousand
// silent runs hold none.
var buffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// copy writes what is in the pipe of s to out, until it is empty. When the run
// has ended it stops after what was there then: something that escaped from it
// could write for ever.
func (r *run) copy(s scheduler.Stream, out scheduler.OutputWriter) {
	fd := r.pipes[s].r
	for last := false; !last; {
		last = r.ended.Load()
		there, err := unix.IoctlGetInt(fd, unix.TIOCINQ)
		if err != nil || there <= 0 {
			return
		}
		copyN(fd, there, s, out)
	}
}

// copyN copies n bytes, which are there: reading them does not block.
func copyN(fd, n int, s scheduler.Stream, out scheduler.OutputWriter) {
	buf := buffers.Get().(*[32 << 10]byte)
	defer buffers.Put(buf)
	for n > 0 {
		got, err := syscall.Read(fd, buf[:min(n, len(buf))])
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || got <= 0 {
			return
		}
		out.Write(s, buf[:got])
		n -= got
	}
}
