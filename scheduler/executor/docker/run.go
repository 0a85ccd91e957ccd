package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"belfry/scheduler"
)

// runExecutor runs containers.
type runExecutor struct{ e *Engine }

// Check validates a configuration; it looks at the text only.
func (*runExecutor) Check(config json.RawMessage) error { return checkConfig(config, &RunConfig{}) }

// Execute runs the task's container and returns when it has ended and, unless it
// is kept, is gone.
func (x *runExecutor) Execute(ctx context.Context, t scheduler.Task, out scheduler.OutputWriter) scheduler.Result {
	c := &RunConfig{}
	if err := parse(t.Job.Config, c); err != nil {
		return failed(err.Error())
	}
	if ctx.Err() != nil {
		return failed("not started: " + context.Cause(ctx).Error())
	}
	env, err := environ(c.Env, c.EnvFiles, t)
	if err != nil {
		return failed(err.Error())
	}
	api, err := x.e.connect(ctx)
	if err != nil {
		return x.e.trouble(ctx, "", err)
	}
	defer x.e.begin(t.Execution.ID)()
	r := &containerRun{e: x.e, api: api, c: c, task: t, out: out, grace: c.grace(t.Job.Grace)}
	guarded, release := x.e.guard(ctx, api)
	defer release()
	if c.Container != "" {
		return r.existing(guarded)
	}
	return r.created(guarded, env)
}

// containerRun is one run of a container.
type containerRun struct {
	e     *Engine
	api   *client.Client
	c     *RunConfig
	task  scheduler.Task
	out   scheduler.OutputWriter
	grace time.Duration

	id     string
	tty    bool
	signal string // asks it to end
}

// existing runs a container that is there and does not run.
func (r *containerRun) existing(ctx context.Context) scheduler.Result {
	calls, cancel := brief(ctx)
	defer cancel()
	in, err := r.api.ContainerInspect(calls, r.c.Container, client.ContainerInspectOptions{})
	if err != nil {
		return r.e.trouble(ctx, "", err)
	}
	if in.Container.State != nil && in.Container.State.Running {
		return failed("docker: the container " + r.c.Container + " runs already")
	}
	return r.run(ctx, in.Container)
}

// created makes a container, runs it and removes it.
func (r *containerRun) created(ctx context.Context, env []string) (res scheduler.Result) {
	if err := r.e.provideImage(ctx, r.api, r.c.Image, r.c.Pull, r.out); err != nil {
		return r.e.trouble(ctx, "", err)
	}
	calls, cancel := brief(ctx)
	defer cancel()
	defer func() {
		if err := r.cleanUp(ctx); err != nil {
			res = r.e.leave(res, "container", r.task.Execution.ID, err, r.out)
		}
	}()
	made, err := r.api.ContainerCreate(calls, r.options(env))
	if err != nil {
		return r.e.trouble(ctx, "the container cannot be made", err)
	}
	for _, w := range made.Warnings {
		say(r.out, scheduler.System, w)
	}
	in, err := r.api.ContainerInspect(calls, made.ID, client.ContainerInspectOptions{})
	if err != nil {
		return r.e.trouble(ctx, "", err)
	}
	return r.run(ctx, in.Container)
}

// run starts a container and waits for its end.
func (r *containerRun) run(ctx context.Context, in container.InspectResponse) scheduler.Result {
	r.id, r.signal = in.ID, r.c.StopSignal
	if in.Config != nil {
		r.tty = in.Config.Tty
		if r.signal == "" {
			r.signal = in.Config.StopSignal
		}
	}
	if r.signal == "" {
		r.signal = "SIGTERM"
	}
	calls, cancel := brief(ctx)
	defer cancel()
	// Before the start, so that nothing of the output is missed.
	attached, err := r.api.ContainerAttach(calls, r.id, client.ContainerAttachOptions{Stream: true, Stdout: true, Stderr: true})
	if err != nil {
		return r.e.trouble(ctx, "the container's output cannot be read", err)
	}
	s := follow(attached.Reader, attached.Conn, r.tty, r.out)
	defer s.close()
	waiting, stopWaiting := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWaiting()
	ended, noted := r.wait(waiting)
	select {
	case <-noted:
	case <-calls.Done():
		return r.e.trouble(ctx, "", calls.Err())
	}
	// To break this off would leave open whether it runs, and then only killing is
	// left.
	starting, cancelStart := afterwards(ctx, callTimeout)
	defer cancelStart()
	if _, err := r.api.ContainerStart(starting, r.id, client.ContainerStartOptions{}); err != nil {
		if unreachable(err) {
			_ = r.kill(ctx, ended) // it may run: only the answer did not come
		}
		return r.startFailed(ctx, err)
	}
	select {
	case err = <-ended:
	case <-ctx.Done():
		err = r.stop(ctx, ended)
	}
	return r.judge(ctx, s, err)
}

// wait tells when the container has ended: nil, or why that is not known. It must
// not start before the engine has noted that somebody waits: one that ends at once
// would be waited for for ever.
func (r *containerRun) wait(ctx context.Context) (ended <-chan error, noted <-chan struct{}) {
	end, note := make(chan error, 1), make(chan struct{})
	go func() {
		w := r.api.ContainerWait(ctx, r.id, client.ContainerWaitOptions{Condition: container.WaitConditionNextExit})
		close(note)
		select {
		case <-w.Result: // what it says is less than what inspecting says
			end <- nil
		case err := <-w.Error:
			end <- err
		case <-ctx.Done():
			end <- ctx.Err()
		}
	}()
	return end, note
}

// judge reads how the container ended.
func (r *containerRun) judge(ctx context.Context, s *stream, err error) scheduler.Result {
	if errors.Is(err, errLost) {
		return r.e.trouble(ctx, "", err)
	}
	if ctx.Err() != nil && err != nil {
		return failed("stopped: " + context.Cause(ctx).Error() + "; but " + r.e.explain(err))
	}
	if err != nil {
		r.e.failedCall(err)
		return failed("docker: " + errLost.Error() + ": " + r.e.explain(err))
	}
	s.drain(drainPatience)
	look, cancel := afterwards(ctx, callTimeout)
	defer cancel()
	in, err := r.api.ContainerInspect(look, r.id, client.ContainerInspectOptions{})
	switch {
	case errdefs.IsNotFound(err):
		return failed("docker: the container was removed during the run")
	case err != nil:
		return r.e.trouble(look, errLost.Error(), err)
	case in.Container.State == nil || in.Container.State.Running:
		return failed("docker: the container was started again during the run")
	}
	if in.Container.State.ExitCode == 137 && in.Container.HostConfig != nil && in.Container.HostConfig.Memory > 0 && ctx.Err() == nil {
		in = r.awaitOOM(ctx, in)
	}
	return exited(in.Container.State.ExitCode, in.Container.State.OOMKilled)
}

// awaitOOM gives the engine a moment to note that memory was the reason: it hears
// of that and of the end separately.
func (r *containerRun) awaitOOM(ctx context.Context, in client.ContainerInspectResult) client.ContainerInspectResult {
	for range 50 {
		if in.Container.State.OOMKilled {
			break
		}
		sleep(ctx, 50*time.Millisecond)
		if again, err := r.api.ContainerInspect(ctx, r.id, client.ContainerInspectOptions{}); err == nil && again.Container.State != nil {
			in = again
		}
	}
	return in
}

// startFailed says why a container did not start.
func (r *containerRun) startFailed(ctx context.Context, err error) scheduler.Result {
	res := r.e.trouble(ctx, "the container cannot be started", err)
	look, cancel := afterwards(ctx, callTimeout)
	defer cancel()
	if in, err := r.api.ContainerInspect(look, r.id, client.ContainerInspectOptions{}); err == nil && in.Container.State != nil {
		if code := in.Container.State.ExitCode; code != 0 {
			res.ExitCode = &code // 126 and 127, as a shell says it
		}
	}
	return res
}

// stop asks the container to end, waits for the grace, and kills it.
func (r *containerRun) stop(ctx context.Context, ended <-chan error) error {
	if errors.Is(context.Cause(ctx), errLost) {
		return errLost
	}
	call, cancel := afterwards(ctx, callTimeout)
	defer cancel()
	if _, err := r.api.ContainerKill(call, r.id, client.ContainerKillOptions{Signal: r.signal}); err == nil {
		timer := time.NewTimer(r.grace)
		defer timer.Stop()
		select {
		case err := <-ended:
			return err
		case <-timer.C:
		}
	}
	return r.kill(ctx, ended)
}

// kill kills the container and waits until it has ended.
func (r *containerRun) kill(ctx context.Context, ended <-chan error) error {
	call, cancel := afterwards(ctx, callTimeout)
	defer cancel()
	_, err := r.api.ContainerKill(call, r.id, client.ContainerKillOptions{Signal: "SIGKILL"})
	if errdefs.IsConflict(err) || errdefs.IsNotFound(err) {
		err = nil // it does not run any more
	}
	if err != nil {
		return fmt.Errorf("the container could not be killed: %w", err)
	}
	select {
	case err := <-ended:
		return err
	case <-call.Done():
		return errors.New("the container could not be killed")
	}
}
