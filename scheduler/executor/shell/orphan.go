package shell

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"syscall"
)

// An orphan is a process whose parent, below us, has died: as its subreaper we
// are its parent then. Whatever outlives a run's main process is an orphan or
// below one, so a run is over when it has exited and no orphan is its.

// owner says which run an orphan belongs to. When that cannot be told, run is
// nil, and seen is how many runs had been forked when it was first seen: it
// belongs to one of those.
type owner struct {
	run  *proc
	seen uint64
}

// openOrphans opens the kernel's list of the children of our first thread, which
// orphans become. As that thread does not fork, it is nearly always empty, and
// looking there costs one system call per run.
func (s *supervisor) openOrphans() {
	s.adopted = -1
	if childrenFiles {
		path := fmt.Sprintf("/proc/self/task/%d/children", self)
		if fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0); err == nil {
			s.adopted = fd
		}
	}
}

// orphans lists the orphans, dead ones that are not reaped yet among them. It
// is exact: children only go from the kernel's list when we reap them.
func (s *supervisor) orphans() []int {
	var list []int
	if s.adopted < 0 {
		list = children(self)
	} else {
		var text []byte
		for {
			n, err := syscall.Pread(s.adopted, s.page[:], int64(len(text)))
			if err != nil || n <= 0 {
				break
			}
			text = append(text, s.page[:n]...)
		}
		list = appendPids(nil, text)
	}
	if len(list) == 0 {
		return nil
	}
	mains := map[int]bool{}
	for _, p := range s.runs {
		mains[p.pid] = !p.exited
	}
	return slices.DeleteFunc(list, func(pid int) bool { return mains[pid] })
}

// owned sorts orphans by the run they belong to.
func (s *supervisor) owned(orphans []int) map[*proc][]int {
	by := make(map[*proc][]int)
	for _, pid := range orphans {
		o, known := s.owners[pid]
		if !known {
			o = s.ownerOf(pid)
			s.owners[pid] = o
		}
		if o.run == nil {
			o.run = s.lastSuspect(o.seen)
		}
		if o.run != nil {
			by[o.run] = append(by[o.run], pid)
		}
	}
	return by
}

// ownerOf finds out whose an orphan is: by its tag, or, when a program reset
// that (pam_limits can), by its session or its environment.
func (s *supervisor) ownerOf(pid int) owner {
	tag := readTag(pid)
	if p := s.runs[uint32(tag)]; p != nil && p.tag == tag {
		return owner{run: p}
	}
	st, _ := readStat(pid) // a dead one has no session, and is reaped soon
	environ, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	for _, p := range s.runs {
		if st.session == p.pid || slices.ContainsFunc(bytes.Split(environ, []byte{0}), func(v []byte) bool {
			return string(v) == runEnv+"="+p.id
		}) {
			return owner{run: p}
		}
	}
	return owner{seen: s.births}
}

// lastSuspect returns the one living run among the first seen, or nil while
// there are several: an orphan without any trace is ended with the last of them.
func (s *supervisor) lastSuspect(seen uint64) *proc {
	var last *proc
	for _, p := range s.runs {
		if p.birth <= seen {
			if last != nil {
				return nil
			}
			last = p
		}
	}
	return last
}
