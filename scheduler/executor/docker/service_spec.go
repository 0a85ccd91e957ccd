package docker

import (
	"strings"

	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/swarm"
)

// spec says the service to make: one task that is never started again.
func (r *serviceRun) spec(env []string) swarm.ServiceSpec {
	c, one, grace := r.c, uint64(1), r.task.Job.Grace
	var mounts []mount.Mount
	for _, text := range c.Volumes {
		v, _ := parseVolume(text) // checked
		m, _ := v.mount()
		mounts = append(mounts, m)
	}
	labels := r.e.labels(r.task, c.Annotations, !c.deletes())
	spec := swarm.ServiceSpec{
		Annotations: swarm.Annotations{Name: serviceName(r.task.Execution.ID), Labels: labels},
		TaskTemplate: swarm.TaskSpec{
			ContainerSpec: &swarm.ContainerSpec{
				Image: c.Image, Args: wordsOf(c.Command, c.Argv), Env: env, Dir: c.Dir, User: c.User, Hostname: c.Hostname,
				TTY: c.TTY, Mounts: mounts, StopGracePeriod: &grace, Labels: c.Annotations,
			},
			RestartPolicy: &swarm.RestartPolicy{Condition: swarm.RestartPolicyConditionNone},
			// The engine's own may be one that cannot be read back.
			LogDriver: &swarm.Driver{Name: "json-file"},
			Resources: &swarm.ResourceRequirements{Limits: &swarm.Limit{MemoryBytes: c.Memory, NanoCPUs: int64(c.CPUs * 1e9)}},
		},
		Mode: swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &one}},
	}
	if c.Network != "" {
		spec.TaskTemplate.Networks = []swarm.NetworkAttachmentConfig{{Target: c.Network}}
	}
	return spec
}

// serviceName makes a name that swarm takes: a DNS label.
func serviceName(execution string) string {
	name := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-' {
			return r
		}
		return '-'
	}, "belfry-"+execution)
	return strings.TrimRight(name[:min(len(name), 63)], "-")
}
