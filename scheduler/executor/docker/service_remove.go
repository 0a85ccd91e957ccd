package docker

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// cleanUp removes the service, found by its label: a call whose answer did not
// come may have made it too.
func (r *serviceRun) cleanUp(ctx context.Context) error {
	ctx, cancel := afterwards(ctx, cleanupTimeout)
	defer cancel()
	_, err := r.e.removeServices(ctx, r.api, func(s swarm.Service) bool {
		return s.Spec.Labels[labelExecution] == r.task.Execution.ID
	})
	return err
}

// removeServices removes those of this instance's services that are chosen, and
// their containers on this node; what is kept is only stopped.
func (e *Engine) removeServices(ctx context.Context, api *client.Client, choose func(swarm.Service) bool) (n int, err error) {
	list, err := api.ServiceList(ctx, client.ServiceListOptions{
		Filters: client.Filters{}.Add("label", labelInstance+"="+e.opts.Instance),
	})
	if err != nil {
		if errdefs.IsUnavailable(err) { // not a manager: it has none
			err = nil
		}
		return 0, err
	}
	for _, s := range list.Items {
		if !choose(s) {
			continue
		}
		if s.Spec.Labels[labelKeep] == "true" {
			tasks, failure := api.TaskList(ctx, client.TaskListOptions{Filters: client.Filters{}.Add("service", s.ID)})
			if slices.ContainsFunc(tasks.Items, func(t swarm.Task) bool { return !isOver(t.Status.State) }) {
				n++
				failure = e.scaleToNothing(ctx, api, s.ID)
			}
			err = errors.Join(err, failure)
			continue
		}
		n++
		if _, failure := api.ServiceRemove(ctx, s.ID, client.ServiceRemoveOptions{}); failure != nil && !errdefs.IsNotFound(failure) {
			err = errors.Join(err, failure)
			continue
		}
		err = errors.Join(err, e.awaitContainersGone(ctx, api, s.ID))
	}
	return n, err
}

// awaitContainersGone waits until this node has none of a removed service's
// containers.
func (e *Engine) awaitContainersGone(ctx context.Context, api *client.Client, service string) error {
	for {
		list, err := api.ContainerList(ctx, client.ContainerListOptions{
			All: true, Filters: client.Filters{}.Add("label", "com.docker.swarm.service.id="+service),
		})
		if err != nil || len(list.Items) == 0 {
			return err
		}
		sleep(ctx, 50*time.Millisecond)
	}
}

// scaleToNothing ends a service's tasks and keeps the service.
func (e *Engine) scaleToNothing(ctx context.Context, api *client.Client, id string) error {
	in, err := api.ServiceInspect(ctx, id, client.ServiceInspectOptions{})
	if err != nil {
		return err
	}
	spec, none := in.Service.Spec, uint64(0)
	spec.Mode = swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &none}}
	_, err = api.ServiceUpdate(ctx, id, client.ServiceUpdateOptions{Version: in.Service.Version, Spec: spec})
	return err
}
