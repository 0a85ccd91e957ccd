package docker

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"belfry/scheduler"
)

// execExecutor runs commands in running containers. What a command leaves in the
// background stays when the command ends by itself, since starting a service is a
// usual thing to do; when the run is stopped it is ended too.
type execExecutor struct{ e *Engine }

// Check validates a configuration; it looks at the text only.
func (*execExecutor) Check(config json.RawMessage) error { return checkConfig(config, &ExecConfig{}) }

// Execute runs the task's command and returns when it has ended.
func (x *execExecutor) Execute(ctx context.Context, t scheduler.Task, out scheduler.OutputWriter) scheduler.Result {
	c := &ExecConfig{}
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
	r := &execRun{e: x.e, api: api, c: c, grace: t.Job.Grace, ender: ender{
		api: api, marker: runEnv + "=" + t.Execution.ID,
		container: c.Container, user: c.User, privileged: c.Privileged,
	}}
	guarded, release := x.e.guard(ctx, api)
	defer release()
	return r.run(guarded, append(env, execEnv+"="+x.e.opts.Instance), out)
}

// execRun is one command.
type execRun struct {
	e     *Engine
	api   *client.Client
	c     *ExecConfig
	grace time.Duration
	ender ender
	id    string
}

func (r *execRun) run(ctx context.Context, env []string, out scheduler.OutputWriter) scheduler.Result {
	calls, cancel := brief(ctx)
	defer cancel()
	created, err := r.api.ExecCreate(calls, r.c.Container, client.ExecCreateOptions{
		User: r.c.User, Privileged: r.c.Privileged, TTY: r.c.TTY, AttachStdout: true, AttachStderr: true,
		Env: env, WorkingDir: r.c.Dir, Cmd: wordsOf(r.c.Command, r.c.Argv),
	})
	if err != nil {
		return r.e.trouble(ctx, "", err)
	}
	r.id, r.ender.exec = created.ID, created.ID
	// To break this off would leave open whether it runs.
	starting, cancelStart := afterwards(ctx, callTimeout)
	defer cancelStart()
	attached, err := r.api.ExecAttach(starting, r.id, client.ExecAttachOptions{TTY: r.c.TTY})
	if err != nil {
		// It may run: the answer is what did not come.
		res := r.e.trouble(ctx, "the command was not started", err)
		return r.withEnd(ctx, res)
	}
	s := follow(attached.Reader, attached.Conn, r.c.TTY, out)
	defer s.close()
	return r.await(ctx, s)
}

// await waits for the end of the command, or of ctx.
func (r *execRun) await(ctx context.Context, s *stream) scheduler.Result {
	// The output's end says that the command has ended, unless something that it
	// started holds the output open.
	look := time.NewTicker(3 * time.Second)
	defer look.Stop()
	for {
		select {
		case <-s.done:
			return r.ended(ctx, s)
		case <-ctx.Done():
			return r.stop(ctx, s)
		case <-look.C:
			if in, err := r.inspect(ctx); err == nil && over(in) {
				s.drain(drainPatience)
				return r.ended(ctx, s)
			}
		}
	}
}

// ended waits until the engine says how the command ended. A command may also
// have closed its output and go on.
func (r *execRun) ended(ctx context.Context, s *stream) scheduler.Result {
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, 500*time.Millisecond) {
		in, err := r.inspect(ctx)
		switch {
		case ctx.Err() != nil:
			return r.stop(ctx, s)
		case unreachable(err), errdefs.IsNotFound(err):
			return r.lost(ctx, err)
		case err != nil:
			return r.e.trouble(ctx, "", err)
		case over(in):
			return exited(in.ExitCode, false)
		}
		sleep(ctx, wait)
	}
}

// stop ends the command and all that it started.
func (r *execRun) stop(ctx context.Context, s *stream) scheduler.Result {
	if errors.Is(context.Cause(ctx), errLost) {
		return r.lost(ctx, errLost)
	}
	end, cancel := afterwards(ctx, r.grace+cleanupTimeout)
	defer cancel()
	if err := r.ender.end(end, r.grace); err != nil {
		return failed("stopped: " + context.Cause(ctx).Error() + "; but " + err.Error())
	}
	s.drain(drainPatience)
	in, err := r.inspect(end)
	if err != nil || !over(in) {
		return failed("stopped: " + context.Cause(ctx).Error())
	}
	return exited(in.ExitCode, false)
}

// lost ends what can still be reached of a command whose engine, or whose
// container, went away.
func (r *execRun) lost(ctx context.Context, err error) scheduler.Result {
	if errdefs.IsNotFound(err) {
		return r.withEnd(ctx, failed("docker: the container or its engine went away during the run"))
	}
	r.e.failedCall(err)
	return r.withEnd(ctx, failed("docker: "+errLost.Error()))
}

// withEnd ends the command's processes and adds to a result what did not go.
func (r *execRun) withEnd(ctx context.Context, res scheduler.Result) scheduler.Result {
	// Not afterwards: what this machine shows can be ended without the engine.
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.grace+cleanupTimeout)
	defer cancel()
	if err := r.ender.end(end, r.grace); err != nil && !errors.Is(err, errEnderLost) {
		res.Reason += "; " + err.Error()
	} else if err != nil {
		res.Reason += "; whether the command still runs is not known"
	}
	return res
}

// over reports whether a command has ended. One that has not begun yet does not
// run either.
func over(in client.ExecInspectResult) bool {
	return !in.Running && (in.PID != 0 || in.ExitCode != 0)
}

func (r *execRun) inspect(ctx context.Context) (client.ExecInspectResult, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return r.api.ExecInspect(ctx, r.id, client.ExecInspectOptions{})
}
