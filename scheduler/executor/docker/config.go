package docker

import (
	"fmt"
	"regexp"
	"time"
)

// ExecConfig is what a job with the executor "docker-exec" runs. Exactly one of
// Command and Argv is set.
type ExecConfig struct {
	// Container is the name or the id of a running container.
	Container string `json:"container"`
	// Command is split into words as a POSIX shell would; there is no shell.
	Command string `json:"command,omitempty"`
	// Argv is a program and its arguments.
	Argv []string `json:"argv,omitempty"`
	// User is a name or an id within the container, with ":group" if wanted; empty
	// is the container's.
	User string `json:"user,omitempty"`
	// TTY gives the command a terminal: its two outputs become one.
	TTY bool `json:"tty,omitempty"`
	// Env is added to the container's environment. Names that begin with BELFRY_
	// are Belfry's own.
	Env map[string]string `json:"env,omitempty"`
	// EnvFiles are absolute paths on the server, read when the job runs: lines of
	// NAME=value as docker's --env-file reads them. Env replaces what they say.
	EnvFiles []string `json:"env_files,omitempty"`
	// Dir is the working directory within the container.
	Dir string `json:"dir,omitempty"`
	// Privileged gives the command all of the container's host.
	Privileged bool `json:"privileged,omitempty"`
}

func (c *ExecConfig) check(bad *complaints) {
	if c.Container == "" {
		bad.add("container", "is required")
	}
	bad.container("container", c.Container)
	bad.command(c.Command, c.Argv, false)
	bad.env(c.Env, c.EnvFiles)
	bad.dir("dir", c.Dir)
	bad.text("user", c.User, 256)
}

// RunConfig is what a job with the executor "docker-run" runs. Exactly one of
// Image and Container is set.
type RunConfig struct {
	// Image is what a new container is made of.
	Image string `json:"image,omitempty"`
	// Container is a stopped container to start, wait for and leave. Only Delete (no
	// effect), StopSignal and StopTimeout go with it: the rest is the container's.
	Container string `json:"container,omitempty"`
	// ContainerName is the new container's name; empty is one that the engine finds.
	ContainerName string `json:"container_name,omitempty"`
	// Command is split into words as a POSIX shell would; there is no shell. Empty
	// (and no Argv) is the image's.
	Command string `json:"command,omitempty"`
	// Argv is the command as words.
	Argv []string `json:"argv,omitempty"`
	// Entrypoint replaces the image's; it is split into words like Command.
	Entrypoint string `json:"entrypoint,omitempty"`
	// User is a name or an id within the image, with ":group" if wanted.
	User string `json:"user,omitempty"`
	// TTY gives the command a terminal: its two outputs become one.
	TTY bool `json:"tty,omitempty"`
	// Delete removes the container and its anonymous volumes afterwards. Absent is
	// true.
	Delete *bool `json:"delete,omitempty"`
	// Pull is "always" (also when empty), "missing" or "never". When "always" fails
	// and the image is there, the run warns and uses it.
	Pull string `json:"pull,omitempty"`
	// Network is the name of a network, "host", "none" or "container:NAME".
	Network  string            `json:"network,omitempty"`
	Hostname string            `json:"hostname,omitempty"`
	Env      map[string]string `json:"env,omitempty"`       // as in ExecConfig
	EnvFiles []string          `json:"env_files,omitempty"` // as in ExecConfig
	Dir      string            `json:"dir,omitempty"`
	// Volumes are "/host:/path", "name:/path" or "/path", the first two with ":ro"
	// and the like if wanted.
	Volumes []string `json:"volumes,omitempty"`
	// VolumesFrom are containers whose volumes this one gets too, with ":ro" if
	// wanted.
	VolumesFrom []string `json:"volumes_from,omitempty"`
	// Annotations become labels, and annotations where the engine has them.
	Annotations map[string]string `json:"annotations,omitempty"`
	// StopSignal is a name like "SIGINT" or a number; empty is the image's.
	StopSignal string `json:"stop_signal,omitempty"`
	// StopTimeout is how long a stop waits before it kills, as a Go duration. Empty
	// is the job's grace.
	StopTimeout string `json:"stop_timeout,omitempty"`
	// Memory is a limit in bytes, CPUs one in processors, PIDs one in processes;
	// 0 is none.
	Memory int64   `json:"memory,omitempty"`
	CPUs   float64 `json:"cpus,omitempty"`
	PIDs   int64   `json:"pids,omitempty"`
}

// The ways to pull.
const (
	pullAlways  = "always"
	pullMissing = "missing"
	pullNever   = "never"
)

var signalName = regexp.MustCompile(`^(?i:(SIG)?([A-Z]+[0-9]?|RTMIN(\+[0-9]+)?|RTMAX(-[0-9]+)?)|[1-9]|[1-5][0-9]|6[0-4])$`)

func (c *RunConfig) check(bad *complaints) {
	switch {
	case c.Image == "" && c.Container == "":
		bad.add("image", "is required (or container)")
	case c.Image != "" && c.Container != "":
		bad.add("container", "must not be set together with image")
	case c.Container != "":
		bad.container("container", c.Container)
		c.checkUnused(bad)
	default:
		c.checkImage(bad)
	}
	if c.StopSignal != "" && !signalName.MatchString(c.StopSignal) {
		bad.add("stop_signal", `must be a signal like "SIGTERM" or a number`)
	}
	if c.StopTimeout != "" {
		if d, err := time.ParseDuration(c.StopTimeout); err != nil || d < 0 || d > maxStop {
			bad.add("stop_timeout", `must be a duration like "10s", at most %s`, maxStop)
		}
	}
}

func (c *RunConfig) checkImage(bad *complaints) {
	bad.image(c.Image)
	bad.container("container_name", c.ContainerName)
	bad.command(c.Command, c.Argv, true)
	bad.words("entrypoint", c.Entrypoint)
	bad.env(c.Env, c.EnvFiles)
	bad.dir("dir", c.Dir)
	bad.text("user", c.User, 256)
	bad.text("network", c.Network, maxText)
	bad.text("hostname", c.Hostname, 255)
	bad.texts("volumes_from", c.VolumesFrom)
	bad.annotations(c.Annotations)
	bad.limits(c.Memory, c.CPUs, c.PIDs)
	bad.texts("volumes", c.Volumes)
	for i, v := range c.Volumes {
		if _, err := parseVolume(v); v != "" && err != nil {
			bad.add(fmt.Sprintf("volumes.%d", i), "%s", err)
		}
	}
	switch c.Pull {
	case "", pullAlways, pullMissing, pullNever:
	default:
		bad.add("pull", `must be "always", "missing" or "never"`)
	}
}

// checkUnused complains about what an existing container decides itself.
func (c *RunConfig) checkUnused(bad *complaints) {
	for _, f := range [...]struct {
		field string
		set   bool
	}{
		{"container_name", c.ContainerName != ""},
		{"command", c.Command != ""},
		{"argv", len(c.Argv) > 0},
		{"entrypoint", c.Entrypoint != ""},
		{"user", c.User != ""},
		{"tty", c.TTY},
		{"pull", c.Pull != ""},
		{"network", c.Network != ""},
		{"hostname", c.Hostname != ""},
		{"env", len(c.Env) > 0},
		{"env_files", len(c.EnvFiles) > 0},
		{"dir", c.Dir != ""},
		{"volumes", len(c.Volumes) > 0},
		{"volumes_from", len(c.VolumesFrom) > 0},
		{"annotations", len(c.Annotations) > 0},
		{"memory", c.Memory != 0},
		{"cpus", c.CPUs != 0},
		{"pids", c.PIDs != 0},
	} {
		if f.set {
			bad.add(f.field, "has no use with container: it has its own")
		}
	}
}

func (c *RunConfig) deletes() bool { return c.Delete == nil || *c.Delete }

// grace is how long a stop waits before it kills.
func (c *RunConfig) grace(job time.Duration) time.Duration {
	if c.StopTimeout == "" {
		return job
	}
	d, _ := time.ParseDuration(c.StopTimeout) // checked
	return d
}

// ServiceConfig is what a job with the executor "docker-service" runs. The
// fields are as in RunConfig.
type ServiceConfig struct {
	Image   string   `json:"image"`
	Command string   `json:"command,omitempty"`
	Argv    []string `json:"argv,omitempty"`
	Network string   `json:"network,omitempty"`
	// Hostname may hold swarm's templates, like "{{.Node.Hostname}}".
	Hostname string            `json:"hostname,omitempty"`
	Dir      string            `json:"dir,omitempty"`
	Volumes  []string          `json:"volumes,omitempty"`
	User     string            `json:"user,omitempty"`
	TTY      bool              `json:"tty,omitempty"`
	Delete   *bool             `json:"delete,omitempty"` // the service; absent is true
	Env      map[string]string `json:"env,omitempty"`
	EnvFiles []string          `json:"env_files,omitempty"`
	// Annotations become labels of the service and of its containers.
	Annotations map[string]string `json:"annotations,omitempty"`
	Memory      int64             `json:"memory,omitempty"`
	CPUs        float64           `json:"cpus,omitempty"`
}

func (c *ServiceConfig) check(bad *complaints) {
	if c.Image == "" {
		bad.add("image", "is required")
	} else {
		bad.image(c.Image)
	}
	bad.command(c.Command, c.Argv, true)
	bad.env(c.Env, c.EnvFiles)
	bad.dir("dir", c.Dir)
	bad.text("user", c.User, 256)
	bad.text("network", c.Network, maxText)
	bad.text("hostname", c.Hostname, 255)
	bad.annotations(c.Annotations)
	bad.limits(c.Memory, c.CPUs, 0)
	bad.texts("volumes", c.Volumes)
	for i, v := range c.Volumes {
		if v == "" {
			continue
		}
		if parsed, err := parseVolume(v); err != nil {
			bad.add(fmt.Sprintf("volumes.%d", i), "%s", err)
		} else if _, err := parsed.mount(); err != nil {
			bad.add(fmt.Sprintf("volumes.%d", i), "%s", err)
		}
	}
}

func (c *ServiceConfig) deletes() bool { return c.Delete == nil || *c.Delete }
