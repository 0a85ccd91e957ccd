package shell

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"syscall"
	"time"

	"belfry/scheduler"
)

// keeper sees to it that there is always one supervisor with its marker.
type keeper struct {
	marker string
	log    *slog.Logger

	mu     sync.Mutex
	cur    *link
	closed bool
}

// keep starts a supervisor.
func keep(marker string, log *slog.Logger) (*keeper, error) {
	k := &keeper{marker: marker, log: log}
	var err error
	k.cur, err = dial(marker, log, k.lost)
	return k, err
}

// closePatience is for a supervisor that does not end, say because a process
// below it is stuck in the kernel.
const closePatience = 10 * time.Second

// close kills whatever runs and ends the supervisor.
func (k *keeper) close() {
	k.mu.Lock()
	k.closed = true
	l := k.cur
	k.mu.Unlock()
	l.close()
	late := time.AfterFunc(closePatience, func() { _ = l.cmd.Process.Kill() }) // it may be gone
	defer late.Stop()
	<-l.gone
}

func (k *keeper) stopping() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.closed
}

// lost replaces a supervisor that died, so that the next run need not wait for
// a new one.
func (k *keeper) lost() {
	if _, err := k.link(); err != nil && !errors.Is(err, errStopping) {
		k.log.Error("cannot start a new supervisor", "error", err)
	}
}

var (
	errStopping = errors.New("the server is stopping")
	errGone     = errors.New("the supervisor process is gone")
)

// link returns a connection to a living supervisor, a new one if need be.
func (k *keeper) link() (*link, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil, errStopping
	}
	if k.cur.alive() {
		return k.cur, nil
	}
	<-k.cur.gone // what it ran is killed before anything new starts
	l, err := dial(k.marker, k.log, k.lost)
	if err != nil {
		return nil, err
	}
	k.cur = l
	return l, nil
}

// run has a living supervisor run s.
func (k *keeper) run(ctx context.Context, s start, stdin string, grace time.Duration, out scheduler.OutputWriter) (report, error) {
	for {
		l, err := k.link()
		if err != nil {
			return report{}, err
		}
		rep, err := l.run(ctx, s, stdin, grace, out)
		if !errors.Is(err, errGone) { // it died before it was asked
			return rep, err
		}
	}
}

// try runs the first of the configuration's commands that can be started.
func (k *keeper) try(ctx context.Context, c *Config, s start, grace time.Duration, out scheduler.OutputWriter) scheduler.Result {
	var rep report
	for _, argv := range c.commands() {
		path, err := lookPath(argv[0], c.Env)
		if err != nil {
			return failed("cannot start: " + err.Error())
		}
		s.path, s.argv = path, argv
		rep, err = k.run(ctx, s, c.Stdin, grace, out)
		if err != nil {
			return failed("cannot start: " + err.Error())
		}
		if rep.kind != repFailed {
			break
		}
	}
	switch rep.kind {
	case repFailed:
		return failed(startError(syscall.Errno(rep.status), s.path, c))
	case repLost:
		if k.stopping() {
			return failed("killed: " + errStopping.Error())
		}
		return failed("killed because Belfry's supervisor process died")
	}
	if rep.left > 0 && ctx.Err() == nil {
		out.Write(scheduler.System, fmt.Appendf(nil, "%s left behind by the command: ended\n", processes(rep.left)))
	}
	if rep.heavy {
		return tooHeavy(rep.result(), c.MemoryLimit)
	}
	return rep.result()
}
