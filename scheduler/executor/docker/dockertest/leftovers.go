package dockertest

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// killAll kills what names dir in its command line: the containerd and the shims
// that a killed engine left, with their containers.
func killAll(dir string) {
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		pids := naming(dir)
		if len(pids) == 0 {
			return
		}
		for _, pid := range pids {
			for _, child := range children(pid) {
				_ = syscall.Kill(child, syscall.SIGKILL)
			}
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// awaitDeath waits until the process of a pid file is dead, and removes the file.
func awaitDeath(file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		return
	}
	stat := "/proc/" + strings.TrimSpace(string(text)) + "/stat"
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); <-time.After(10 * time.Millisecond) {
		b, err := os.ReadFile(stat)
		if _, after, _ := bytes.Cut(b, []byte(") ")); err != nil || bytes.HasPrefix(after, []byte("Z")) {
			break
		}
	}
	os.Remove(file)
}

func naming(dir string) []int {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	var pids []int
	for _, file := range files {
		line, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(line, []byte(dir)) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil && pid != os.Getpid() {
			pids = append(pids, pid)
		}
	}
	return pids
}

func children(pid int) []int {
	text, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/task/" + strconv.Itoa(pid) + "/children")
	var pids []int
	for _, word := range strings.Fields(string(text)) {
		if child, err := strconv.Atoi(word); err == nil {
			pids = append(pids, child)
		}
	}
	return pids
}

// unmountBelow unmounts what an engine left mounted, innermost first.
func unmountBelow(dir string) {
	file, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return
	}
	defer file.Close()
	var points []string
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if words := strings.Fields(lines.Text()); len(words) > 4 && strings.HasPrefix(words[4], dir+"/") {
			points = append(points, words[4])
		}
	}
	slices.Reverse(points)
	for _, point := range points {
		_ = syscall.Unmount(point, syscall.MNT_DETACH)
	}
}
