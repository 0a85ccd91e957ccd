package shell

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"belfry/scheduler"
)

// maxSupervisors bounds how many supervisors there are: one per processor, since
// each forks one run at a time, and waits for that run's exec. What a larger
// machine's server left is looked for under every number below it.
const maxSupervisors = 4

// Executor runs commands through supervisor processes. It is safe for
// concurrent use.
type Executor struct {
	log         *slog.Logger
	configs     configs
	supervisors int
	turn        atomic.Uint32

	mu      sync.Mutex
	keepers []*keeper // set once, by Start
	closed  bool
}

var _ scheduler.Executor = (*Executor)(nil)

// New returns an executor that can Check; it can Execute between Start and Close.
func New(log *slog.Logger) (*Executor, error) {
	if log == nil {
		return nil, errors.New("shell: no logger")
	}
	return &Executor{log: log, supervisors: min(runtime.GOMAXPROCS(0), maxSupervisors)}, nil
}

// Start first kills every process that an earlier server life with the same
// instance left behind, then starts the supervisors. instance is a stable name
// of the data folder; the caller makes sure that no other live server has it.
func (e *Executor) Start(instance string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.keepers != nil || e.closed || instance == "" {
		return errors.New("shell: Start is for once, with the name of an instance")
	}
	for i := range maxSupervisors {
		if n := endLeftovers(markerOf(instance, i), e.log); n > 0 {
			e.log.Warn("killed processes that an earlier server had left", "processes", n)
		}
	}
	for i := range e.supervisors {
		k, err := keep(markerOf(instance, i), e.log)
		if err != nil {
			for _, k := range e.keepers {
				k.close()
			}
			e.keepers = nil
			return err
		}
		e.keepers = append(e.keepers, k)
	}
	return nil
}

// markerOf marks the processes of an instance's i-th supervisor.
func markerOf(instance string, i int) string { return instance + "/" + strconv.Itoa(i) }

// Close kills whatever still runs and ends the supervisors. Executions that were
// running end as Failed; Close returns when no process is left.
func (e *Executor) Close() error {
	e.mu.Lock()
	e.closed = true
	keepers := e.keepers
	e.mu.Unlock()
	var wg sync.WaitGroup
	for _, k := range keepers {
		wg.Go(k.close)
	}
	wg.Wait()
	return nil
}

// keeper returns that of the next supervisor in turn.
func (e *Executor) keeper() (*keeper, error) {
	e.mu.Lock()
	keepers := e.keepers
	e.mu.Unlock()
	if len(keepers) == 0 {
		return nil, errors.New("the shell executor is not started")
	}
	return keepers[int(e.turn.Add(1))%len(keepers)], nil
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
	r := start{dir: c.Dir, id: t.Execution.ID, files: 2, memory: c.MemoryLimit}
	r.umask, _ = c.umask() // validated above
	var who *account
	if c.User != "" {
		if who, err = findAccount(c.User, c.Group); err != nil {
			return failed(err.Error())
		}
	}
	if who != nil {
		r.who, r.uid, r.gid, r.groups = true, who.uid, who.gid, who.groups
	}
	k, err := e.keeper()
	if err != nil {
		return failed("cannot start: " + err.Error())
	}
	if c, err = c.withEnvFiles(); err != nil {
		return failed("cannot start: " + err.Error())
	}
	r.env = environ(c, t, k.marker, who)
	return k.try(ctx, c, r, t.Job.Grace, out)
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
