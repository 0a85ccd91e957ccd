package docker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
	"golang.org/x/sys/unix"
)

// killPatience is how long processes may take to vanish after a SIGKILL.
const killPatience = 10 * time.Second

var (
	errEnderLost = errors.New("the engine does not answer")
	errNotFound  = errors.New("its processes could not be found")
)

// ender ends the processes of one docker-exec. The engine has no call for that.
// They are found by the execution's id in their environment, and as descendants of
// such: on this machine where we see the container's processes, or from within the
// container with a shell there.
type ender struct {
	api        *client.Client
	marker     string // NAME=value in the environment
	container  string
	exec       string // id, "" when it is not known
	user       string
	privileged bool
}

// way sends a signal to all that it finds, 0 to none, and counts it.
type way func(ctx context.Context, sig unix.Signal) (found int, err error)

// end asks everything to end, waits for the grace, and kills. It returns when
// nothing is left, or says what could not be ended.
func (n *ender) end(ctx context.Context, grace time.Duration) error {
	n.awaitStart(ctx)
	ways := []way{byMarkers(n.marker), n.inside(n.user, n.privileged)}
	if n.user != "0" || !n.privileged {
		// Only root with all privileges sees and may signal what has changed its user.
		ways = append(ways, n.inside("0", true))
	}
	var problem error
	for i, w := range ways {
		err := n.endBy(ctx, w, grace)
		if err == nil {
			return nil
		}
		if i < 2 || problem == nil {
			problem = err // the last way is an attempt that many engines refuse
		}
	}
	return problem
}

func (n *ender) endBy(ctx context.Context, w way, grace time.Duration) error {
	asked := time.Now()
	found, err := w(ctx, unix.SIGTERM)
	if found == 0 {
		running, known := n.running(ctx)
		switch {
		case known && !running:
			return nil
		case err != nil:
			return err
		case !known:
			return errEnderLost
		}
		return errNotFound
	}
	pause, silent := 50*time.Millisecond, time.Now()
	for sig := unix.Signal(0); ; pause = min(2*pause, 500*time.Millisecond) {
		sleep(ctx, pause)
		if found, err = w(ctx, sig); err != nil {
			return err
		}
		if found > 0 {
			silent = time.Now()
		} else if running, _ := n.running(ctx); !running {
			return nil
		} else if time.Since(silent) > 2*time.Second { // the engine takes a moment to notice
			return errNotFound
		}
		waited := time.Since(asked)
		switch {
		case waited > grace+killPatience || ctx.Err() != nil:
			return fmt.Errorf("%d of its processes could not be killed", found)
		case waited >= grace:
			sig = unix.SIGKILL
		}
		pause = min(pause, max(grace-waited, 50*time.Millisecond)) // the grace is not stretched
	}
}

// awaitStart gives a command that was just asked for the time to begin: what has
// not begun cannot be ended.
func (n *ender) awaitStart(ctx context.Context) {
	if n.exec == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		in, err := n.api.ExecInspect(ctx, n.exec, client.ExecInspectOptions{})
		if err != nil || in.Running || over(in) {
			return
		}
		sleep(ctx, 20*time.Millisecond)
	}
}

// running asks the engine about the command itself.
func (n *ender) running(ctx context.Context) (running, known bool) {
	if n.exec == "" {
		return false, true
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	in, err := n.api.ExecInspect(ctx, n.exec, client.ExecInspectOptions{})
	if errdefs.IsNotFound(err) {
		return false, true
	}
	return in.Running, err == nil
}
