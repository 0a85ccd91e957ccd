package shell

import (
	"log/slog"
	"syscall"
	"time"
)

// leftoverPatience bounds how long unkillable processes (stuck in the kernel)
// hold up a start.
const leftoverPatience = 5 * time.Second

// endLeftovers kills the processes of a supervisor that has died, and
// everything below them, and returns how many there were. It returns when they
// are gone.
func endLeftovers(marker string, log *slog.Logger) int {
	killed := map[int]bool{}
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for begin := time.Now(); ; <-tick.C {
		found := leftovers(marker)
		if len(found) == 0 {
			return len(killed)
		}
		if time.Since(begin) > leftoverPatience {
			log.Error("processes of an earlier server cannot be killed", "processes", len(found))
			return len(killed)
		}
		for pid := range found {
			killed[pid] = true
		}
		signalAll(found, 0, syscall.SIGKILL)
	}
}

func leftovers(marker string) map[int]stat {
	found := map[int]stat{}
	env, tag := markerEnv+"="+marker, tagOf(marker, 0)
	for _, pid := range numbers("/proc") {
		if pid > 1 && pid != self && (sameSupervisor(readTag(pid), tag) || hasEnv(pid, env)) {
			descend([]int{pid}, found)
		}
	}
	delete(found, self)
	return found
}
