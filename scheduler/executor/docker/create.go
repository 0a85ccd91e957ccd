package docker

import (
	"context"
	"errors"
	"math"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// options say the container to make.
func (r *containerRun) options(env []string) client.ContainerCreateOptions {
	c := r.c
	stop := int(math.Ceil(r.grace.Seconds()))
	host := &container.HostConfig{
		Binds: c.Volumes, VolumesFrom: c.VolumesFrom, NetworkMode: container.NetworkMode(c.Network),
		Annotations: c.Annotations,
		Resources:   container.Resources{Memory: c.Memory, NanoCPUs: int64(c.CPUs * 1e9)},
	}
	if c.PIDs > 0 {
		host.PidsLimit = &c.PIDs
	}
	config := &container.Config{
		Image: c.Image, Cmd: wordsOf(c.Command, c.Argv), Entrypoint: wordsOf(c.Entrypoint, nil),
		User: c.User, Tty: c.TTY, Hostname: c.Hostname, Env: env, WorkingDir: c.Dir,
		Labels:     r.e.labels(r.task, c.Annotations, !c.deletes()),
		StopSignal: c.StopSignal, StopTimeout: &stop,
		AttachStdout: true, AttachStderr: true,
	}
	// A bare path is an anonymous volume, which Binds does not know.
	host.Binds = nil
	for _, text := range c.Volumes {
		v, _ := parseVolume(text) // checked
		if v.source != "" {
			host.Binds = append(host.Binds, text)
			continue
		}
		if config.Volumes == nil {
			config.Volumes = map[string]struct{}{}
		}
		config.Volumes[v.target] = struct{}{}
	}
	return client.ContainerCreateOptions{Config: config, HostConfig: host, Name: c.ContainerName}
}

// cleanUp removes what was made for the run, found by its label: a call whose
// answer did not come may have made it too. What is kept is only stopped.
func (r *containerRun) cleanUp(ctx context.Context) error {
	ctx, cancel := afterwards(ctx, cleanupTimeout)
	defer cancel()
	list, err := r.api.ContainerList(ctx, client.ContainerListOptions{
		All: true, Filters: client.Filters{}.Add("label", labelExecution+"="+r.task.Execution.ID, labelInstance+"="+r.e.opts.Instance),
	})
	if err != nil {
		return err
	}
	for _, found := range list.Items {
		err = errors.Join(err, r.e.dispose(ctx, r.api, found))
	}
	return err
}

// dispose removes a container of ours with its anonymous volumes, or stops it
// when it is to be kept.
func (e *Engine) dispose(ctx context.Context, api *client.Client, c container.Summary) error {
	var err error
	switch {
	case c.Labels[labelKeep] != "true":
		_, err = api.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		if errdefs.IsConflict(err) && strings.Contains(err.Error(), "already in progress") {
			return nil // somebody was faster; any other conflict is that it cannot be killed
		}
	case c.State == container.StateRunning, c.State == container.StatePaused, c.State == container.StateRestarting:
		_, err = api.ContainerKill(ctx, c.ID, client.ContainerKillOptions{Signal: "SIGKILL"})
		if errdefs.IsConflict(err) {
			return nil // it does not run any more
		}
	}
	if errdefs.IsNotFound(err) {
		return nil
	}
	return err
}
