package shell

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// self is this process, on both sides.
var self = os.Getpid()

// stat is what /proc/<pid>/stat says of a process.
type stat struct {
	pid, ppid, pgrp, session int
	dead                     bool // a zombie: nothing can be done to it
}

func readStat(pid int) (stat, bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, false
	}
	// The name, in parentheses, may hold anything; the fields follow its end.
	_, after, ok := bytes.Cut(b[max(bytes.LastIndexByte(b, ')'), 0):], []byte(") "))
	f := bytes.Fields(after)
	if !ok || len(f) < 4 {
		return stat{}, false
	}
	num := func(i int) int { n, _ := strconv.Atoi(string(f[i])); return n }
	return stat{pid: pid, ppid: num(1), pgrp: num(2), session: num(3), dead: f[0][0] == 'Z' || f[0][0] == 'X'}, true
}

// numbers lists the entries of a directory of /proc that are numbers.
func numbers(dir string) []int {
	f, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer f.Close()
	names, _ := f.Readdirnames(-1) // what could be read counts
	list := make([]int, 0, len(names))
	for _, name := range names {
		if n, err := strconv.Atoi(name); err == nil {
			list = append(list, n)
		}
	}
	return list
}

// childrenFiles tells whether this kernel lists a process's children
// (CONFIG_PROC_CHILDREN); nearly all do.
var childrenFiles = func() bool {
	_, err := os.Stat("/proc/thread-self/children")
	return err == nil
}()

// children lists the children of a process, as good as can be known while they
// come and go.
func children(pid int) []int {
	var list []int
	if childrenFiles {
		for _, tid := range numbers(fmt.Sprintf("/proc/%d/task", pid)) {
			b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, tid)) // gone: none
			list = appendPids(list, b)
		}
		return list
	}
	for _, p := range numbers("/proc") {
		if st, ok := readStat(p); ok && st.ppid == pid {
			list = append(list, p)
		}
	}
	return list
}

func appendPids(list []int, b []byte) []int {
	for f := range bytes.FieldsSeq(b) {
		if n, err := strconv.Atoi(string(f)); err == nil {
			list = append(list, n)
		}
	}
	return list
}

// descend adds to found the living processes among pids and all below them.
func descend(pids []int, found map[int]stat) {
	for _, pid := range pids {
		if _, seen := found[pid]; seen {
			continue
		}
		if st, ok := readStat(pid); ok && !st.dead {
			found[pid] = st
			descend(children(pid), found)
		}
	}
}

// signalAll sends sig to all of found. A process group is hit as one, so that
// nothing slips away by forking within it, if it is the run's beyond doubt: led
// by leader or another of found, or not of our session.
func signalAll(found map[int]stat, leader int, sig syscall.Signal) {
	own, _ := unix.Getsid(0) // of oneself it cannot fail
	groups := map[int]bool{}
	for pid, st := range found {
		_, led := found[st.pgrp]
		if !led && st.pgrp != leader && st.session == own || st.pgrp <= 1 {
			_ = syscall.Kill(pid, sig) // gone meanwhile: all the better
		} else if !groups[st.pgrp] {
			groups[st.pgrp] = true
			_ = syscall.Kill(-st.pgrp, sig)
		}
	}
}

// A tag marks every process of a run, whatever it does to its environment,
// session and parents: a resource limit that kernels since 2.4.25 inherit and
// otherwise ignore. The upper half names the supervisor, the lower the run.
const tagLimit = unix.RLIMIT_LOCKS

func tagOf(marker string, run uint32) uint64 {
	h := fnv.New32a()
	h.Write([]byte(marker))
	return uint64(h.Sum32()>>1)<<32 | uint64(run)
}

func sameSupervisor(a, b uint64) bool { return a>>32 == b>>32 }

// setTag tags this process, and with it every one it forks from now on.
func setTag(tag uint64) {
	// Where it cannot be done, the environment and the session still tell.
	_ = unix.Prlimit(0, tagLimit, &unix.Rlimit{Cur: tag, Max: unix.RLIM_INFINITY}, nil)
}

// readTag returns a process's tag; one that has none returns another number.
func readTag(pid int) uint64 {
	var lim unix.Rlimit
	if unix.Prlimit(pid, tagLimit, nil, &lim) == nil {
		return lim.Cur
	}
	// Another user's process, and we lack CAP_SYS_RESOURCE.
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	_, after, _ := bytes.Cut(b, []byte("Max file locks"))
	f := bytes.Fields(after)
	if len(f) == 0 {
		return 0
	}
	n, _ := strconv.ParseUint(string(f[0]), 10, 64) // "unlimited": 0
	return n
}

// hasEnv reports whether a process was started with the variable kv ("K=V").
func hasEnv(pid int, kv string) bool {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	for v := range bytes.SplitSeq(b, []byte{0}) {
		if string(v) == kv {
			return true
		}
	}
	return false
}
