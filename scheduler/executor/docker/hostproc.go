package docker

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// process is one of this machine's, which may be a container's.
type process struct {
	pid, parent int
	began       string // tells it from a later one with its pid
}

// marked lists the live processes that have all of markers (NAME=value) in their
// environment, and their descendants. It sees none where the engine is on another
// machine, or we are in a container ourselves, or may not look.
func marked(markers ...string) []process {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	children := map[int][]process{}
	var list []process
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		p, ok := readProcess(pid)
		if !ok || pid == os.Getpid() {
			continue
		}
		if hasAll(dir, markers) {
			list = append(list, p)
		} else {
			children[p.parent] = append(children[p.parent], p)
		}
	}
	for i := 0; i < len(list); i++ { // list grows
		list = append(list, children[list[i].pid]...)
		delete(children, list[i].pid)
	}
	return list
}

func hasAll(dir string, markers []string) bool {
	env, err := os.ReadFile(dir + "/environ")
	if err != nil {
		return false
	}
	env = append(append([]byte{0}, env...), 0)
	for _, m := range markers {
		if !bytes.Contains(env, []byte("\x00"+m+"\x00")) {
			return false
		}
	}
	return true
}

// environOf returns a variable of a process, "" when it has none.
func environOf(pid int, name string) string {
	env, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	for kv := range bytes.SplitSeq(env, []byte{0}) {
		if value, ok := bytes.CutPrefix(kv, []byte(name+"=")); ok {
			return string(value)
		}
	}
	return ""
}

// readProcess reads what the kernel says; ok=false for one that is dead.
func readProcess(pid int) (p process, ok bool) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return p, false
	}
	// The name in parentheses may hold anything.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 20 || fields[0][0] == 'Z' || fields[0][0] == 'X' {
		return p, false
	}
	parent, err := strconv.Atoi(string(fields[1]))
	return process{pid, parent, string(fields[19])}, err == nil
}

// signal signals p unless it is gone.
func (p process) signal(sig unix.Signal) {
	fd, err := unix.PidfdOpen(p.pid, 0)
	if err != nil {
		return
	}
	defer func() { _ = unix.Close(fd) }()
	// The descriptor is of whoever has the pid now.
	if now, ok := readProcess(p.pid); ok && now.began == p.began && sig != 0 {
		_ = unix.PidfdSendSignal(fd, sig, nil, 0) // who looks again sees whether it helped
	}
}
