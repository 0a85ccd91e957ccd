package shell

import (
	"errors"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// settleTime is for what ends by itself when the main process has: the rest
	// of a pipe, a `> >(tee log)`.
	settleTime = 250 * time.Millisecond
	// leftGrace is what processes left behind have between SIGTERM and SIGKILL.
	leftGrace = 500 * time.Millisecond
	// Kills are repeated until nothing is left, ever more slowly for what is stuck
	// in the kernel.
	minKillPause = 2 * time.Millisecond
	maxKillPause = 250 * time.Millisecond
	// The end of an orphan wakes nobody, so it is looked for.
	orphanPause = 5 * time.Millisecond
	buryPause   = time.Second // while nothing depends on it
)

// reap takes note that a run's main process has ended. If nothing of it is
// left, which nearly always is so and costs one look, the run is over.
func (s *supervisor) reap(p *proc) {
	if pid, _ := syscall.Wait4(p.pid, &p.status, syscall.WNOHANG, &p.usage); pid != p.pid {
		return // not yet, after all
	}
	p.exited = true
	closeFile(p.pidfd)
	if orphans := s.orphans(); len(orphans) == 0 || len(s.owned(s.bury(orphans))[p]) == 0 {
		s.over(p)
		return
	}
	s.startEnding(p)
}

// bury reaps those among orphans that are dead and returns the others.
func (s *supervisor) bury(orphans []int) []int {
	living := orphans[:0]
	for _, pid := range orphans {
		if got, _ := syscall.Wait4(pid, nil, syscall.WNOHANG, nil); got == pid {
			delete(s.owners, pid)
		} else {
			living = append(living, pid)
		}
	}
	return living
}

// over reports a run of which nothing is left.
func (s *supervisor) over(p *proc) {
	s.forget(p)
	delete(s.endings, p)
	s.report(report{
		kind: repExited, run: p.num, status: uint32(p.status), left: uint32(p.left),
		heavy: p.heavy, maxRSS: peak(&p.usage), cpu: uint64(p.usage.Utime.Nano() + p.usage.Stime.Nano()),
	})
}

// forget takes a run out of the table.
func (s *supervisor) forget(p *proc) {
	delete(s.runs, p.num)
	if p.memory > 0 {
		s.limited--
	}
}

// peak is a run's peak memory in KiB, 0 when it is not known: until its exec a
// child counts as large as its parent, so what is not above that says nothing.
func peak(run *syscall.Rusage) uint64 {
	var own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil || run.Maxrss <= own.Maxrss {
		return 0
	}
	return uint64(run.Maxrss)
}

// startEnding begins to end p, unless that has begun.
func (s *supervisor) startEnding(p *proc) {
	if s.endings[p] {
		return
	}
	s.endings[p] = true
	p.began, p.pause = time.Now(), minKillPause
	p.next = p.began.Add(settleTime)
}

// tend does what is due for the runs that are being ended.
func (s *supervisor) tend(idle bool) {
	if len(s.endings) == 0 {
		if idle {
			s.bury(s.orphans())
		}
		return
	}
	left := s.owned(s.bury(s.orphans()))
	now := time.Now()
	for p := range s.endings {
		roots := left[p]
		switch {
		case !p.exited:
			roots = append(roots, p.pid)
		case len(roots) == 0:
			s.over(p)
			continue
		}
		if !p.next.IsZero() && !now.Before(p.next) {
			s.advance(p, roots, now)
		}
	}
}

// advance signals what there is of p.
//
// A run whose server asked for its end gets SIGTERM at once, and SIGKILL when
// the server says so. One whose main process has ended on its own gets both
// from here, for what it left behind.
func (s *supervisor) advance(p *proc, roots []int, now time.Time) {
	found := map[int]stat{}
	descend(roots, found)
	if p.kill || !p.asked && p.termed {
		signalAll(found, p.pid, syscall.SIGKILL)
		p.next = now.Add(p.pause)
		p.pause = min(2*p.pause, maxKillPause)
		return
	}
	p.next = time.Time{} // until the server says kill
	if p.termed {
		return
	}
	p.termed = true
	signalAll(found, p.pid, syscall.SIGTERM)
	signalAll(found, p.pid, syscall.SIGCONT) // a stopped one could not obey
	if !p.asked {
		p.left = len(found)
		p.next = now.Add(leftGrace)
	}
}

// pause returns how long to wait for events at most, -1 for ever.
func (s *supervisor) pause() time.Duration {
	pause := time.Duration(-1)
	if len(s.runs) > 0 {
		pause = buryPause
	}
	if s.limited > 0 {
		pause = min(pause, weighPause)
	}
	for p := range s.endings {
		if p.exited {
			pause = min(pause, orphanPause)
		}
		if !p.next.IsZero() {
			pause = min(pause, max(time.Until(p.next), 0))
		}
	}
	return pause
}

// report queues r for the server.
func (s *supervisor) report(r report) { s.out = r.append(s.out) }

// flush sends the reports. When it cannot, the server is gone, which receive notices.
func (s *supervisor) flush() {
	for b := s.out; len(b) > 0; {
		n, err := unix.SendmsgN(socketFD, b, nil, nil, unix.MSG_NOSIGNAL)
		if err != nil && !errors.Is(err, syscall.EINTR) {
			break
		}
		b = b[max(n, 0):]
	}
	s.out = s.out[:0]
}
