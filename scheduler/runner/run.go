package runner

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"belfry/scheduler"
)

// stopped is the cause of a context that somebody ended.
type stopped struct{ reason string }

func (s stopped) Error() string { return s.reason }

var errTimeout = errors.New("timeout")

// run executes one assignment and returns its ending, not yet stored.
func (p *Pool) run(ctx context.Context, a scheduler.Assignment, to Source) scheduler.Ending {
	if a.Job.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, a.Job.Timeout, errTimeout)
		defer cancel()
	}
	out := newSink(p.Now, &a.Job)
	flushed := make(chan struct{})
	go func() {
		defer close(flushed)
		p.flush(a.Execution.ID, out, to)
	}()
	result := p.execute(ctx, a, out)
	cause := context.Cause(ctx)
	out.close()
	<-flushed

	e := a.Execution
	e.FinishedAt = p.Now().UTC().Truncate(time.Microsecond)
	e.State, e.Reason = outcome(result, cause, a.Job.Timeout)
	e.ExitCode, e.Signal = result.ExitCode, result.Signal
	e.PeakMemory, e.CPUTime = result.PeakMemory, result.CPUTime
	e.OutputBytes, e.OutputLines = out.size()
	end := scheduler.Ending{Execution: e, Job: a.Job}
	end.Output, _ = out.output(true)
	if out.progress != nil {
		end.Execution.Progress = out.progress.percent
	}
	return end
}

// outcome judges a result: a run whose context ended did not end by itself.
func outcome(r scheduler.Result, cause error, timeout time.Duration) (scheduler.State, string) {
	var stop stopped
	switch {
	case errors.As(cause, &stop):
		return scheduler.Cancelled, stop.reason
	case errors.Is(cause, errTimeout):
		return scheduler.TimedOut, fmt.Sprintf("still running after its timeout of %s", timeout)
	default:
		return r.State, r.Reason
	}
}

// execute calls the executor. A panic in one is that run's failure, not the server's.
func (p *Pool) execute(ctx context.Context, a scheduler.Assignment, out *sink) (r scheduler.Result) {
	defer func() {
		if v := recover(); v != nil {
			p.Log.Error("an executor panicked", "execution", a.Execution.ID, "panic", v, "stack", string(debug.Stack()))
			r = scheduler.Result{State: scheduler.Failed, Reason: "internal error in the executor " + a.Job.Executor}
		}
	}()
	exec, ok := p.Executors[a.Job.Executor]
	if !ok {
		return scheduler.Result{State: scheduler.Failed, Reason: "no executor " + a.Job.Executor + " on this worker"}
	}
	return exec.Execute(ctx, scheduler.Task(a), out)
}

// flush stores output while the run goes on, until out is closed.
func (p *Pool) flush(id string, out *sink, to Source) {
	wait := time.NewTimer(firstFlush)
	defer wait.Stop()
	for every := firstFlush; ; every = nextFlush {
		<-out.ready
		wait.Reset(every)
		for waiting := true; waiting && !out.full(); {
			select {
			case <-wait.C:
				waiting = false
			case <-out.ready:
			}
		}
		if out.isClosed() {
			return
		}
		what, end := out.output(false)
		if len(what.Seal) > 0 || what.Append != nil {
			p.store(id, what, end, out, to)
		}
	}
}

// store adds output, again and again while the store refuses. The run goes on
// meanwhile, and its end waits for it as finish would.
func (p *Pool) store(id string, what scheduler.Output, end int64, out *sink, to Source) {
	for {
		err := to.AddOutput(context.Background(), id, what, end)
		if err == nil {
			out.setFailing(false)
			return
		}
		p.Log.Error("store output", "execution", id, "error", err)
		out.setFailing(true)
		<-time.After(time.Second)
	}
}

// finish stores an ending. It is never given up: what ran must not stay running
// in the store. Only a conflict, which means that somebody else ended it, ends the
// attempts.
func (p *Pool) finish(end scheduler.Ending, to Source) {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		err := to.Finish(context.Background(), end)
		switch scheduler.CodeOf(err) {
		case "":
			return
		case scheduler.CodeConflict, scheduler.CodeNotFound:
			p.Log.Warn("an ending came too late", "execution", end.Execution.ID, "state", end.Execution.State, "error", err)
			return
		}
		p.Log.Error("store an ending", "execution", end.Execution.ID, "error", err)
		<-time.After(wait)
	}
}
