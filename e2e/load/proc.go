package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// What the kernel says about the machine and its processes. Whatever cannot be
// read any more, because the process has ended, counts as nothing.

// userHZ is the unit of times in /proc, the same on every Linux.
const userHZ = 100

func fromTicks(text string) time.Duration {
	n, _ := strconv.ParseInt(text, 10, 64)
	return time.Duration(n) * time.Second / userHZ
}

// stat returns the fields of /proc/PID/stat from the state on: the command
// before it may contain anything.
func stat(pid int) []string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
}

// cpuOf returns the CPU time of a process, and of its children that it has
// waited for.
func cpuOf(pid int) (own, children time.Duration) {
	f := stat(pid)
	if len(f) < 15 {
		return 0, 0
	}
	return fromTicks(f[11]) + fromTicks(f[12]), fromTicks(f[13]) + fromTicks(f[14])
}

// family returns a process and those below it that run the same binary: a server
// and its supervisor, without what it runs.
func family(pid int) []int {
	exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	found := []int{pid}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	parents := map[int]int{}
	for _, path := range stats {
		child, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if f := stat(child); len(f) > 1 {
			parents[child], _ = strconv.Atoi(f[1])
		}
	}
	for i := 0; i < len(found); i++ {
		for child, parent := range parents {
			if link, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", child)); parent == found[i] && link == exe {
				found = append(found, child)
			}
		}
	}
	return found
}

// memory is what processes have in use. Server and supervisor are one program in
// one file: RSS counts the pages of it that both have mapped twice, PSS once.
type memory struct{ pss, rss int64 }

func memoryOf(pid int) memory {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	return memory{kilobytes(b, "\nPss:"), kilobytes(b, "\nRss:")}
}

func (m memory) String() string { return fmt.Sprintf("%s (RSS %s)", mb(m.pss), mb(m.rss)) }

func kilobytes(status []byte, field string) int64 {
	_, rest, _ := strings.Cut(string(status), field)
	f := strings.Fields(rest)
	if len(f) == 0 {
		return 0
	}
	n, _ := strconv.ParseInt(f[0], 10, 64)
	return n << 10
}

// openFiles returns how many descriptors a process has.
func openFiles(pid int) int {
	list, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	return len(list)
}

// busy returns the CPU time that all of the machine has spent working since its
// start, the kernel's own threads included, and what its host took away.
func busy() (worked, stolen time.Duration) {
	b, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(b), "\n")
	f := strings.Fields(line)
	if len(f) < 9 {
		return 0, 0
	}
	for _, i := range []int{1, 2, 3, 6, 7} { // user, nice, system, irq, softirq
		worked += fromTicks(f[i])
	}
	return worked, fromTicks(f[8])
}

// flushes returns how often the disk below a path was told to write its cache.
func flushes(path string) int64 {
	var s syscall.Stat_t
	if syscall.Stat(path, &s) != nil {
		return 0
	}
	major, minor := s.Dev>>8&0xfff, s.Dev&0xff|s.Dev>>12&0xfff00
	b, _ := os.ReadFile("/proc/diskstats")
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) > 18 && f[0] == fmt.Sprint(major) && f[1] == fmt.Sprint(minor) {
			n, _ := strconv.ParseInt(f[18], 10, 64)
			return n
		}
	}
	return 0
}

func loadAverage() string {
	b, _ := os.ReadFile("/proc/loadavg")
	return strings.Join(strings.Fields(string(b))[:3], " ")
}

// fileSystems are the names of the magic numbers that data folders are on.
var fileSystems = map[int64]string{0xef53: "ext4", 0x58465342: "xfs", 0x9123683e: "btrfs", 0x794c7630: "overlay", 0x01021994: "tmpfs: no disk is written to"}

// machine says in a line what the numbers are about.
func machine(dir string) string {
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	cpus, _ := os.ReadFile("/proc/cpuinfo")
	_, model, _ := strings.Cut(string(cpus), "model name\t: ")
	model, _, _ = strings.Cut(model, "\n")
	system := "an unknown file system"
	var s syscall.Statfs_t
	if syscall.Statfs(dir, &s) == nil {
		if system = fileSystems[s.Type]; system == "" {
			system = fmt.Sprintf("file system %#x", s.Type)
		}
	}
	return fmt.Sprintf("%s · %d cores, %s · Linux %s · %s · data on %s",
		time.Now().UTC().Format("2006-01-02 15:04 UTC"), runtime.NumCPU(), model, strings.TrimSpace(string(kernel)), runtime.Version(), system)
}
