package shell

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"belfry/scheduler"
)

// Executor runs commands through a supervisor process. It is safe for
// concurrent use.
type Executor struct {
	log     *slog.Logger
	configs configs

	mu       sync.Mutex
	instance string
	cur      *link
	started  bool
	closed   bool
}

var _ scheduler.Executor = (*Executor)(nil)

// New returns an executor that can Check; it can Execute between Start and Close.
func New(log *slog.Logger) (*Executor, error) {
	if log == nil {
		return nil, errors.New("shell: no logger")
	}
	return &Executor{log: log}, nil
}

// Start first kills every process that an earlier server life with the same
// instance left behind, then starts the supervisor. instance is a stable name
// of the data folder; the caller makes sure that no other live server has it.
func (e *Executor) Start(instance string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.started || instance == "" {
		return errors.New("shell: Start is for once, with the name of an instance")
	}
	if n := endLeftovers(instance, e.log); n > 0 {
		e.log.Warn("killed processes that an earlier server had left", "processes", n)
	}
	l, err := dial(instance, e.log, e.lost)
	if err != nil {
		return err
	}
	e.instance, e.cur, e.started = instance, l, true
	return nil
}

// closePatience is for a supervisor that does not end, say because a process
// below it is stuck in the kernel.
const closePatience = 10 * time.Second

// Close kills whatever still runs and ends the supervisor. Executions that were
// running end as Failed; Close returns when no process is left.
func (e *Executor) Close() error {
	e.mu.Lock()
	e.closed = true
	l := e.cur
	e.mu.Unlock()
	if l == nil {
		return nil
	}
	l.close()
	late := time.AfterFunc(closePatience, func() { _ = l.cmd.Process.Kill() }) // it may be gone
	defer late.Stop()
	<-l.gone
	return nil
}

// lost replaces a supervisor that died, so that the next run need not wait for
// a new one.
func (e *Executor) lost() {
	if _, err := e.link(); err != nil && !errors.Is(err, errStopping) {
		e.log.Error("cannot start a new supervisor", "error", err)
	}
}

var errStopping = errors.New("the server is stopping")

// link returns a connection to a living supervisor, a new one if need be.
func (e *Executor) link() (*link, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case !e.started:
		return nil, errors.New("the shell executor is not started")
	case e.closed:
		return nil, errStopping
	case e.cur.alive():
		return e.cur, nil
	}
	<-e.cur.gone // what it ran is killed before anything new starts
	l, err := dial(e.instance, e.log, e.lost)
	if err != nil {
		return nil, err
	}
	e.cur = l
	return l, nil
}

// Execute runs the task's command and returns when no process of it is left:
// when the main process has ended, what it left behind is asked to end, then
// killed. When ctx ends, all of the run gets SIGTERM, and SIGKILL after the
// job's grace.
func (e *Executor) Execute(ctx context.Context, t scheduler.Task, out scheduler.OutputWriter) scheduler.Result {
	c, err := e.configs.get(t.Job.ID, t.Job.Config)
	if err != nil {
		return failed(err.Error())
	}
	if ctx.Err() != nil {
		return failed("not started: " + context.Cause(ctx).Error())
	}
	r := start{dir: c.Dir, id: t.Execution.ID, files: 2}
	r.umask, _ = c.umask() // validated above
	var who *account
	if c.User != "" {
		if who, err = findAccount(c.User); err != nil {
			return failed(err.Error())
		}
	}
	if who != nil {
		r.who, r.uid, r.gid, r.groups = true, who.uid, who.gid, who.groups
	}
	r.env = environ(c, t, e.instance, who)
	return e.try(ctx, c, r, t.Job.Grace, out)
}

// try runs the first of the configuration's commands that can be started.
func (e *Executor) try(ctx context.Context, c *Config, s start, grace time.Duration, out scheduler.OutputWriter) scheduler.Result {
	var rep report
	for _, argv := range c.commands() {
		path, err := lookPath(argv[0], c.Env)
		if err != nil {
			return failed("cannot start: " + err.Error())
		}
		s.path, s.argv = path, argv
		l, err := e.link()
		if err != nil {
			return failed("cannot start: " + err.Error())
		}
		rep, err = l.run(ctx, s, c.Stdin, grace, out)
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
		if e.stopping() {
			return failed("killed: " + errStopping.Error())
		}
		return failed("killed because Belfry's supervisor process died")
	}
	if rep.left > 0 && ctx.Err() == nil {
		out.Write(scheduler.System, fmt.Appendf(nil, "%s left behind by the command: ended\n", processes(rep.left)))
	}
	return rep.result()
}

func (e *Executor) stopping() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.closed
}

func processes(n uint32) string {
	if n == 1 {
		return "1 process"
	}
	return fmt.Sprintf("%d processes", n)
}

func failed(reason string) scheduler.Result {
	return scheduler.Result{State: scheduler.Failed, Reason: reason}
}

// result reads the end of the main process.
func (r *report) result() scheduler.Result {
	res := scheduler.Result{
		State:      scheduler.Failed,
		PeakMemory: int64(r.maxRSS) * 1024,
		CPUTime:    time.Duration(r.cpu),
	}
	ws := syscall.WaitStatus(r.status)
	if ws.Signaled() {
		res.Signal = unix.SignalName(ws.Signal())
		if res.Signal == "" {
			res.Signal = fmt.Sprintf("signal %d", int(ws.Signal()))
		}
		res.Reason = "killed by " + res.Signal
		return res
	}
	code := ws.ExitStatus()
	res.ExitCode = &code
	if code == 0 {
		res.State = scheduler.Succeeded
		return res
	}
	res.Reason = fmt.Sprintf("exit code %d", code)
	return res
}
