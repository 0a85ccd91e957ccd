package shell

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socketFD is where the supervisor finds its end of the link.
const socketFD = 3

// supervisor forks runs, waits for every process below it, and ends what a run
// leaves behind. All of it happens in serve, one thing at a time: with two
// threads, most of a short run's cost was that of waking the other.
type supervisor struct {
	marker  string         // of this supervisor
	base    []string       // the environment of every run
	names   map[string]int // its names: indexes into base
	adopted int            // the kernel's list of orphans, or -1
	epoll   int            // the socket, and a pidfd of every run's main process
	births  uint64         // counts forks tried
	limited int            // runs with a limit on memory
	weighed time.Time      // when their memory was looked at

	runs    map[uint32]*proc
	owners  map[int]owner  // of orphans, until reaped
	endings map[*proc]bool // runs that are being ended

	in    inbox
	out   []byte // reports to send
	page  [4096]byte
	ready [64]unix.EpollEvent
}

// proc is the supervisor's side of a run.
type proc struct {
	num   uint32
	id    string // of the execution
	tag   uint64
	birth uint64

	memory int64 // bytes that it may use; 0: any
	heavy  bool  // it used more, and is being killed

	pid    int
	pidfd  int
	exited bool // the main process is reaped, and status and usage are its
	status syscall.WaitStatus
	usage  syscall.Rusage

	asked  bool      // the server asked it to end, and says when to kill
	kill   bool      // the server wants it killed
	began  time.Time // of ending it
	termed bool      // it got SIGTERM
	left   int       // how many processes got it after the main one had ended
	next   time.Time // when to do more; zero: when something happens
	pause  time.Duration
}

// A supervisor keeps its first thread, the one that inits run on, for the
// goroutine that waits in Supervise. So it never forks: see orphans.
func init() {
	if len(os.Args) == 2 && os.Args[1] == "supervise" && os.Getenv(markerEnv) != "" {
		runtime.LockOSThread()
	}
}

// Supervise is the whole life of a supervisor process: `belfry supervise`, which
// only Executor.Start runs. It returns when its server is gone and every process
// below it is killed, or an error at once when it was not started that way.
func Supervise() error {
	marker := os.Getenv(markerEnv)
	family, err := unix.GetsockoptInt(socketFD, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil || family != unix.AF_UNIX || marker == "" {
		return errors.New("supervise is started by the server only")
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become subreaper: %w", err)
	}
	pidfd, err := unix.PidfdOpen(self, 0)
	if err != nil {
		return fmt.Errorf("pidfd_open (Linux 5.3 has it): %w", err)
	}
	closeFile(pidfd)
	// Children get 0, 1 and 2 and nothing that we happened to inherit.
	if err := unix.CloseRange(socketFD, 1<<31-1, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		syscall.CloseOnExec(socketFD) // a kernel before 5.11
	}
	// Caught, not ignored: a child would inherit "ignored".
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2)
	go func() {
		for range caught {
		}
	}()
	_ = os.WriteFile("/proc/self/comm", []byte("belfry-runs"), 0) // for ps only

	s := &supervisor{
		marker:  marker,
		runs:    map[uint32]*proc{},
		owners:  map[int]owner{},
		endings: map[*proc]bool{},
	}
	defaultSignal(syscall.SIGCHLD)
	s.setBase(inherited(os.Environ()))
	s.openOrphans()
	if s.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	if err := s.watch(socketFD, 0); err != nil {
		return fmt.Errorf("watch the server: %w", err)
	}
	over := make(chan struct{})
	go func() { // not on the first thread, which init keeps for this one
		s.serve()
		killAll()
		close(over)
	}()
	<-over
	return nil
}

// defaultSignal makes the kernel drop a signal that is ignored by default. The
// runtime's handler would run for each child that ends, and do nothing.
func defaultSignal(sig syscall.Signal) {
	var action [4]uint64 // struct sigaction: SIG_DFL, no flags
	_, _, _ = syscall.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&action)), 0, 8, 0, 0)
}

// watch has wait tell when fd is readable; run 0 is the server.
func (s *supervisor) watch(fd int, run uint32) error {
	return unix.EpollCtl(s.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(run)})
}

// serve is the supervisor's loop. It returns when the server is gone.
func (s *supervisor) serve() {
	s.report(report{kind: repReady})
	for {
		s.flush()
		n := s.wait()
		server := false
		for i := range s.ready[:n] {
			run := uint32(s.ready[i].Fd)
			if p := s.runs[run]; p != nil {
				s.reap(p)
			}
			server = server || run == 0
		}
		s.weigh()
		s.tend(n == 0)
		s.flush() // before a fork, which takes its time
		if server && !s.receive() {
			return
		}
	}
}

// wait fills ready and returns how many there are; 0 when it is time to tend.
func (s *supervisor) wait() int {
	const busy = 2 * time.Millisecond
	pause := s.pause()
	first := pause
	if pause < 0 || pause > busy {
		first = busy
	}
	// While there is much to do, the runtime is not told that this call may block:
	// its monitor would wake 50,000 times a second to take our processor away.
	n, _, _ := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(s.epoll), uintptr(unsafe.Pointer(&s.ready[0])),
		uintptr(len(s.ready)), uintptr((first+time.Millisecond-1)/time.Millisecond), 0, 0)
	if int(n) > 0 || first == pause {
		return max(int(n), 0)
	}
	ms := -1
	if pause >= 0 {
		ms = int(pause/time.Millisecond) + 1
	}
	got, _ := unix.EpollWait(s.epoll, s.ready[:], ms) // interrupted: look, and wait again
	return max(got, 0)
}

// killAll ends every process below this one, and reaps them.
func killAll() {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		for pid := 1; pid > 0; {
			pid, _ = syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		}
		kids := children(self)
		if len(kids) == 0 {
			return
		}
		found := map[int]stat{}
		descend(kids, found)
		signalAll(found, 0, syscall.SIGKILL)
		<-tick.C
	}
}
