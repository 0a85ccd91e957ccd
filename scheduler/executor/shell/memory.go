package shell

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"

	"belfry/scheduler"
)

// weighPause is how often the memory of runs with a limit is looked at.
const weighPause = 500 * time.Millisecond

var pageSize = int64(os.Getpagesize())

// weigh begins to kill the runs that use more memory than they may.
func (s *supervisor) weigh() {
	now := time.Now()
	if s.limited == 0 || now.Sub(s.weighed) < weighPause {
		return
	}
	s.weighed = now
	left := s.owned(s.bury(s.orphans()))
	for _, p := range s.runs {
		if p.memory == 0 || p.heavy {
			continue
		}
		roots := left[p]
		if !p.exited {
			roots = append(roots, p.pid)
		}
		if resident(roots) > p.memory {
			p.heavy, p.kill = true, true
			s.startEnding(p)
			p.next = now
		}
	}
}

// resident adds up the memory of processes and all below them. What they share
// counts for each.
func resident(roots []int) (bytes int64) {
	found := map[int]stat{}
	descend(roots, found)
	for pid := range found {
		bytes += residentOf(pid)
	}
	return bytes
}

func residentOf(pid int) int64 {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid)) // gone: nothing
	f := bytes.Fields(b)
	if len(f) < 2 {
		return 0
	}
	n, _ := strconv.ParseInt(string(f[1]), 10, 64) // the kernel's: always a number
	return n * pageSize
}

// tooHeavy is how a run ended that was killed for its memory.
func tooHeavy(r scheduler.Result, limit int64) scheduler.Result {
	r.State = scheduler.Failed
	r.Reason = fmt.Sprintf("killed: it used more memory than its limit of %d bytes", limit)
	return r
}
