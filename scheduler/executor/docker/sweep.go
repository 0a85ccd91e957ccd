package docker

import (
	"context"
	"errors"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
	"golang.org/x/sys/unix"
)

// Sweep removes what an earlier life of this server left in the engine: containers
// and services with this instance's label, and processes of docker-exec, whose
// executions do not run here. What is to be kept is stopped. It returns how many
// things that were.
func (e *Engine) Sweep(ctx context.Context) (n int, err error) {
	if e.opts.Instance == "" {
		return 0, errors.New("docker: to sweep, an engine needs the name of its instance")
	}
	api, err := e.connect(ctx)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, cleanupTimeout)
	defer cancel()
	n, err = e.removeServices(ctx, api, func(s swarm.Service) bool { return !e.isLive(s.Spec.Labels[labelExecution]) })
	containers, failure := e.sweepContainers(ctx, api)
	processes, exec := e.sweepProcesses(ctx, api)
	err = errors.Join(err, failure, exec)
	if err != nil {
		e.failedCall(err)
	}
	return n + containers + processes, err
}

func (e *Engine) sweepContainers(ctx context.Context, api *client.Client) (n int, err error) {
	list, err := api.ContainerList(ctx, client.ContainerListOptions{
		All: true, Filters: client.Filters{}.Add("label", labelInstance+"="+e.opts.Instance),
	})
	for _, c := range list.Items {
		if e.isLive(c.Labels[labelExecution]) {
			continue
		}
		if c.Labels[labelKeep] == "true" && c.State != container.StateRunning && c.State != container.StatePaused {
			continue
		}
		n++
		err = errors.Join(err, e.dispose(ctx, api, c))
		if id := c.Labels[labelExecution]; id != "" {
			// An engine that was killed may have forgotten a process of the container.
			err = errors.Join(err, (&ender{}).endBy(ctx, byMarkers(runEnv+"="+id), 0))
		}
	}
	return n, err
}

// sweepProcesses ends commands that an earlier life left in containers: those it
// sees on this machine, and where it does not see them, those in containers that
// say that a command runs in them.
func (e *Engine) sweepProcesses(ctx context.Context, api *client.Client) (n int, err error) {
	mine := execEnv + "=" + e.opts.Instance
	seen := map[string]int{}
	for _, p := range marked(mine) {
		if id := environOf(p.pid, runEnv); id != "" && !e.isLive(id) {
			seen[id]++
		}
	}
	const grace = 2 * time.Second
	for id, count := range seen {
		n += count
		err = errors.Join(err, (&ender{api: api, marker: runEnv + "=" + id}).endBy(ctx, byMarkers(mine, runEnv+"="+id), grace))
	}
	list, failure := api.ContainerList(ctx, client.ContainerListOptions{})
	for _, c := range list.Items {
		n += e.sweepInside(ctx, api, c.ID)
	}
	return n, errors.Join(err, failure)
}

// byMarkers is the way over this machine's processes that have all of markers.
func byMarkers(markers ...string) way {
	return func(_ context.Context, sig unix.Signal) (int, error) {
		list := marked(markers...)
		for _, p := range list {
			p.signal(sig)
		}
		return len(list), nil
	}
}

// sweepInside looks into a container in which commands run that this machine does
// not show, and where none of them is of a run that is live. Best effort: it may
// have no shell.
func (e *Engine) sweepInside(ctx context.Context, api *client.Client, id string) int {
	in, err := api.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil || len(in.Container.ExecIDs) == 0 || e.anyLive() {
		return 0
	}
	commands := 0
	for _, exec := range in.Container.ExecIDs {
		look, err := api.ExecInspect(ctx, exec, client.ExecInspectOptions{})
		if err != nil || !look.Running {
			continue
		}
		if commands++; environOf(look.PID, "PATH") != "" {
			return 0 // we see this machine's processes, so they were looked at
		}
	}
	if commands == 0 {
		return 0
	}
	n := &ender{api: api, container: id, marker: execEnv + "=" + e.opts.Instance}
	w := n.inside("", false)
	found, err := w(ctx, 0)
	if err != nil || found == 0 {
		return 0
	}
	if err := n.endBy(ctx, w, 2*time.Second); err != nil {
		e.log.Warn("a command that an earlier server left in a container could not be ended", "container", id, "error", err)
	}
	return found
}

func (e *Engine) anyLive() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.live) > 0
}
