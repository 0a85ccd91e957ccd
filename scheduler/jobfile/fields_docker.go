package jobfile

import "time"

const defaultStopTimeout = 10 * time.Second

// containerTypes run something in a container, whose user default-user is.
var containerTypes = []Type{Exec, Run, Service}

// defaults are what the dialect puts into the configuration of a new job, where a
// missing member means something else or might.
var defaults = map[Type]map[string]any{
	Run:     {"delete": true, "pull": "always", "stop_timeout": defaultStopTimeout.String()},
	Service: {"delete": true},
	HTTP:    {"timeout": defaultHTTPTimeout.String()},
}

var dockerFields = []field[*draft]{
	confText("container", "container", "", Exec, Run),
	confText("image", "image", "", Run, Service),
	confText("container-name", "container_name", "", Run),
	confText("command", "command", "", containerTypes...),
	confText("entrypoint", "entrypoint", "", Run),
	confText("user", "user", "", Exec, Run, Service, Local),
	confBool("tty", "tty", false, containerTypes...),
	confBool("delete", "delete", true, Run, Service),
	pullField(),
	confText("network", "network", "", Run, Service),
	confText("hostname", "hostname", "", Run, Service),
	confText("working-dir", "dir", "", Exec, Run),
	confText("dir", "dir", "", Local, Service),
	confList("volume", "volumes", Run, Service),
	onHost(confList("volumes-from", "volumes_from", Run)),
	variables.field("environment", "env", Exec, Run, Service, Local),
	onHost(confList("env-file", "env_files", Exec, Run, Service, Local)),
	equations.field("annotations", "annotations", Run, Service),
	confText("stop-signal", "stop_signal", "", Run),
	confDuration("stop-timeout", "stop_timeout", defaultStopTimeout, Run),
	confBool("privileged", "privileged", false, Exec),
}

var localFields = []field[*draft]{localCommand}

// ofContainers are the keys with defaults that an existing container decides itself.
var ofContainers = []string{"pull", "user"}

// leaveToContainer takes those defaults out of a job that starts an existing
// container, unless they were given: then it is an error that people have to see.
func (d *draft) leaveToContainer(t Type, given func(key string) bool) {
	if t != Run || get(d.config, "container", "") == "" || get(d.config, "image", "") != "" {
		return
	}
	for _, key := range ofContainers {
		if _, has := d.config[key]; has && !given(key) {
			d.configure(key, "")
		}
	}
}

func pullField() field[*draft] {
	f := confText("pull", "pull", "always", Run)
	f.kind = pulling
	return f
}

// onHost marks a field that reaches into the server's host.
func onHost(f field[*draft]) field[*draft] {
	f.host = true
	return f
}
