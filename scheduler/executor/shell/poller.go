package shell

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// poller tells runs that their pipes have something to read. The runtime's own
// poller could, but it would need an os.File and a goroutine for each pipe, and
// would wake for each end of file.
type poller struct {
	fd int
	f  *os.File // fd; its readiness is watched by the runtime's poller
}

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := syscall.SetNonblock(fd, true); err != nil { // NewFile wants it so
		closeFile(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	return &poller{fd: fd, f: os.NewFile(uintptr(fd), "epoll")}, nil
}

// An event names the run by its number, which is not used again while it is
// known, and the pipe by its index. Each is told once, then asked for again.
func event(r *run, i int) *unix.EpollEvent {
	return &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLONESHOT, Fd: int32(r.num), Pad: int32(i)}
}

func (p *poller) add(r *run) error {
	for i := range r.pipes {
		if err := unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, r.pipes[i].r, event(r, i)); err != nil {
			return os.NewSyscallError("epoll_ctl", err)
		}
	}
	return nil
}

// again asks to be told when pipe i, now empty, has something.
func (p *poller) again(r *run, i int) {
	// It fails only when the poller is closed: then the run is being ended.
	_ = unix.EpollCtl(p.fd, unix.EPOLL_CTL_MOD, r.pipes[i].r, event(r, i))
}

// serve wakes the runs that find names until close.
func (p *poller) serve(find func(num uint32) *run) {
	raw, err := p.f.SyscallConn()
	if err != nil {
		return
	}
	var events [64]unix.EpollEvent
	for {
		n := 0
		err := raw.Read(func(fd uintptr) bool {
			n, _ = unix.EpollWait(int(fd), events[:], 0)
			return n > 0
		})
		if err != nil {
			return
		}
		for _, e := range events[:n] {
			if r := find(uint32(e.Fd)); r != nil {
				r.readable.Or(1 << e.Pad)
				r.wake()
			}
		}
	}
}

func (p *poller) close() { p.f.Close() }
