package docker

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"belfry/scheduler"
)

// taskPoll is how often a task is looked at: swarm has no call that waits.
const taskPoll = 250 * time.Millisecond

// serviceExecutor runs one-shot Swarm services. Their output comes through the
// engine's log, which adds the end of the last line if it has none.
type serviceExecutor struct{ e *Engine }

// Check validates a configuration; it looks at the text only.
func (*serviceExecutor) Check(config json.RawMessage) error {
	return checkConfig(config, &ServiceConfig{})
}

// Execute runs the task's service and returns when its task has ended and, unless
// it is kept, nothing of it is left.
func (x *serviceExecutor) Execute(ctx context.Context, t scheduler.Task, out scheduler.OutputWriter) scheduler.Result {
	c := &ServiceConfig{}
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
	ctx, release := x.e.guard(ctx, api)
	defer release()
	r := &serviceRun{e: x.e, api: api, c: c, task: t, out: out}
	return r.run(ctx, env)
}

// serviceRun is one service.
type serviceRun struct {
	e    *Engine
	api  *client.Client
	c    *ServiceConfig
	task scheduler.Task
	out  scheduler.OutputWriter
	id   string
}

func (r *serviceRun) run(ctx context.Context, env []string) (res scheduler.Result) {
	calls, cancel := brief(ctx)
	defer cancel()
	auth, _, err := registryAuth(r.c.Image)
	if err != nil {
		return failed("docker: " + err.Error())
	}
	defer func() {
		if err := r.cleanUp(ctx); err != nil {
			res = r.e.leave(res, "service", r.task.Execution.ID, err, r.out)
		}
	}()
	made, err := r.api.ServiceCreate(calls, client.ServiceCreateOptions{Spec: r.spec(env), EncodedRegistryAuth: auth})
	if err != nil {
		return r.e.trouble(ctx, "", err)
	}
	r.id = made.ID
	logs := r.followLogs(ctx)
	defer logs.close()
	last, err := r.await(ctx, logs)
	switch {
	case ctx.Err() != nil:
		return r.stop(ctx, logs)
	case err != nil:
		return r.e.trouble(ctx, errLost.Error(), err)
	}
	logs.finish(ctx)
	return r.judge(ctx, last)
}

// await waits until the service's task has ended.
func (r *serviceRun) await(ctx context.Context, logs *serviceLogs) (swarm.Task, error) {
	for said := ""; ; {
		tasks, err := r.tasks(ctx)
		if err != nil {
			return swarm.Task{}, err
		}
		if len(tasks) > 0 {
			t := tasks[0]
			switch {
			case isOver(t.Status.State):
				return t, nil
			case t.Status.State == swarm.TaskStateRunning:
				logs.begin()
			case t.Status.Err != "" && t.Status.Err != said:
				said = t.Status.Err // why it waits: no suitable node, and the like
				say(r.out, scheduler.System, said)
			}
		}
		sleep(ctx, taskPoll)
		if ctx.Err() != nil {
			return swarm.Task{}, ctx.Err()
		}
	}
}

func (r *serviceRun) tasks(ctx context.Context) ([]swarm.Task, error) {
	ctx, cancel := brief(ctx)
	defer cancel()
	list, err := r.api.TaskList(ctx, client.TaskListOptions{Filters: client.Filters{}.Add("service", r.id)})
	return list.Items, err
}

func isOver(s swarm.TaskState) bool {
	switch s {
	case swarm.TaskStateComplete, swarm.TaskStateFailed, swarm.TaskStateRejected, swarm.TaskStateShutdown, swarm.TaskStateOrphaned, swarm.TaskStateRemove:
		return true
	}
	return false
}

// judge reads how the task ended.
func (r *serviceRun) judge(ctx context.Context, t swarm.Task) scheduler.Result {
	status := t.Status
	if status.State == swarm.TaskStateComplete {
		return exited(0, false)
	}
	if status.State != swarm.TaskStateFailed || status.ContainerStatus == nil || status.ContainerStatus.ExitCode == 0 {
		reason := "docker: the task was " + string(status.State)
		if status.Err != "" {
			reason += ": " + lowerFirst(status.Err)
		}
		return failed(reason)
	}
	look, cancel := brief(ctx)
	defer cancel()
	// Only the node that ran it knows about its memory.
	in, err := r.api.ContainerInspect(look, status.ContainerStatus.ContainerID, client.ContainerInspectOptions{})
	outOfMemory := err == nil && in.Container.State != nil && in.Container.State.OOMKilled
	return exited(status.ContainerStatus.ExitCode, outOfMemory)
}

// stop ends the service and waits until nothing of it runs.
func (r *serviceRun) stop(ctx context.Context, logs *serviceLogs) scheduler.Result {
	reason := "stopped: " + context.Cause(ctx).Error()
	if errors.Is(context.Cause(ctx), errLost) {
		return r.e.trouble(ctx, "", errLost)
	}
	end, cancel := afterwards(ctx, r.task.Job.Grace+cleanupTimeout)
	defer cancel()
	before, _ := r.tasks(end)
	if err := r.halt(end); err != nil {
		return failed(reason + "; but the service could not be ended: " + r.e.explain(err))
	}
	last, err := r.awaitGone(end, before)
	if err != nil {
		return failed(reason + "; but " + r.e.explain(err))
	}
	logs.drain()
	if last.Status.ContainerStatus != nil && last.Status.ContainerStatus.ExitCode != 0 {
		return exited(last.Status.ContainerStatus.ExitCode, false)
	}
	return failed(reason)
}

// halt removes the service; one that is kept is scaled to nothing.
func (r *serviceRun) halt(ctx context.Context) error {
	if r.c.deletes() {
		_, err := r.api.ServiceRemove(ctx, r.id, client.ServiceRemoveOptions{})
		if errdefs.IsNotFound(err) {
			return nil
		}
		return err
	}
	return r.e.scaleToNothing(ctx, r.api, r.id)
}

// awaitGone waits until the tasks are gone or have ended, and their containers on
// this node are gone too. It returns what was seen of the first task last.
func (r *serviceRun) awaitGone(ctx context.Context, tasks []swarm.Task) (last swarm.Task, err error) {
	for {
		left := 0
		for i, t := range tasks {
			in, err := r.api.TaskInspect(ctx, t.ID, client.TaskInspectOptions{})
			if errdefs.IsNotFound(err) {
				continue
			}
			if err == nil && i == 0 {
				last = in.Task
			}
			if err != nil || !isOver(in.Task.Status.State) {
				left++
			}
		}
		running, err := r.api.ContainerList(ctx, client.ContainerListOptions{
			Filters: client.Filters{}.Add("label", "com.docker.swarm.service.id="+r.id),
		})
		if err == nil && left+len(running.Items) == 0 {
			return last, nil
		}
		sleep(ctx, 50*time.Millisecond)
		if ctx.Err() != nil {
			return last, errors.New("its task could not be ended")
		}
	}
}
