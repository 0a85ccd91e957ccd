package shell

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// link is the server's end of one supervisor's life.
type link struct {
	conn *net.UnixConn
	cmd  *exec.Cmd
	poll *poller
	gone chan struct{} // closed when the supervisor and all it ran are gone

	mu   sync.Mutex // guards what follows
	runs map[uint32]*run
	next uint32
	dead bool
	ours bool // closed by us

	wmu sync.Mutex // guards sending
	buf []byte
}

// dial starts a supervisor. When it dies unasked, what it ran is killed and
// lost is called.
func dial(marker string, log *slog.Logger, lost func()) (*link, error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socketpair: %w", err)
	}
	mine, theirs := os.NewFile(uintptr(fds[0]), "supervisor"), os.NewFile(uintptr(fds[1]), "server")
	defer mine.Close() // FileConn duplicates it
	defer theirs.Close()
	conn, err := net.FileConn(mine)
	if err != nil {
		return nil, fmt.Errorf("supervisor's socket: %w", err)
	}
	poll, err := newPoller()
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	// /proc/self/exe is this very program even when its file was replaced.
	cmd := exec.Command("/proc/self/exe", "supervise") //nolint:noctx // it ends with its socket, after all it runs
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(inherited(os.Environ()), markerEnv+"="+marker)
	cmd.Stderr = os.Stderr
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // out of reach of signals to the server's group
	if err := cmd.Start(); err != nil {
		_ = conn.Close()
		poll.close()
		return nil, fmt.Errorf("start the supervisor: %w", err)
	}
	l := &link{conn: conn.(*net.UnixConn), cmd: cmd, poll: poll, gone: make(chan struct{}), runs: map[uint32]*run{}}
	theirs.Close() // or its end would never be seen here
	if err := l.expectReady(); err != nil {
		_ = l.release() // err says more
		return nil, err
	}
	go l.poll.serve(l.find)
	go l.listen(marker, log, lost)
	return l, nil
}

// expectReady waits until the supervisor says that it is one; if it cannot be,
// it has said why on stderr.
func (l *link) expectReady() error {
	var b [reportSize]byte
	_, err := io.ReadFull(l.conn, b[:])
	if err == nil && parseReport(b[:]).kind != repReady {
		err = errors.New("no greeting")
	}
	if err != nil {
		return fmt.Errorf("the supervisor process does not work: %w", err)
	}
	return nil
}

// release waits for the supervisor's end and closes what was for it.
func (l *link) release() error {
	_ = l.conn.Close()
	l.poll.close()
	return l.cmd.Wait()
}

func (l *link) alive() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.dead
}

// close makes the supervisor kill everything and exit; gone tells when.
func (l *link) close() {
	l.mu.Lock()
	l.ours = true
	l.mu.Unlock()
	_ = l.conn.CloseWrite() // fails only when the supervisor is gone already
}

// listen delivers reports until the supervisor is gone.
func (l *link) listen(marker string, log *slog.Logger, lost func()) {
	buf := make([]byte, 0, 64*reportSize)
	for {
		n, err := l.conn.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		rest := buf
		for ; len(rest) >= reportSize; rest = rest[reportSize:] {
			rep := parseReport(rest)
			if r := l.take(rep.run); r != nil {
				r.end(rep)
			}
		}
		buf = buf[:copy(buf, rest)]
		if err != nil {
			break
		}
	}
	l.mu.Lock()
	l.dead = true
	left, ours := l.runs, l.ours
	l.runs = nil
	l.mu.Unlock()
	err := l.release()
	killed := endLeftovers(marker, log)
	for _, r := range left {
		r.end(report{kind: repLost})
	}
	close(l.gone)
	if !ours {
		log.Error("the supervisor process died", "error", err, "runs", len(left), "killed", killed)
		lost()
	}
}

// add registers r and gives it a number that no living run has.
func (l *link) add(r *run) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead || l.ours {
		return false
	}
	for {
		l.next++
		if _, used := l.runs[l.next]; !used && l.next != 0 {
			r.num = l.next
			l.runs[r.num] = r
			return true
		}
	}
}

func (l *link) find(num uint32) *run {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.runs[num]
}

func (l *link) take(num uint32) *run {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.runs[num]
	delete(l.runs, num)
	return r
}

// send writes one request. It reports an error only when nothing of it was
// sent; a connection that broke in the middle ends all runs by listen.
func (l *link) send(req *request, files ...int) error {
	l.wmu.Lock()
	defer l.wmu.Unlock()
	l.buf = req.append(l.buf[:0])
	var rights []byte
	if len(files) > 0 {
		rights = unix.UnixRights(files...)
	}
	n, _, err := l.conn.WriteMsgUnix(l.buf, rights, nil)
	if err == nil && n < len(l.buf) {
		_, err = l.conn.Write(l.buf[n:])
	}
	if cap(l.buf) > 64<<10 {
		l.buf = nil // a rare large request must not be kept for ever
	}
	if n > 0 && err != nil {
		_ = l.conn.Close()
		return nil
	}
	return err
}
