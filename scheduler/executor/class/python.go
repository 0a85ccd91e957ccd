package class

import (
	"cmp"
	"context"
	_ "embed" // the runner
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"belfry/scheduler"
)

// runner loads a class and calls its run_job, or run, as ndscheduler does. It needs
// Python 3.6 and, unless one is on the path, no ndscheduler: JobBase comes with it.
//
//go:embed runner.py
var runner string

// notLoaded is the exit code of a runner that found no such class.
const notLoaded = 78

// Python is the template of a class that is a Python class.
type Python struct {
	// Path are absolute folders that modules are looked for in, before PYTHONPATH.
	Path []string `json:"path,omitempty"`
	// Class is the Python class's name where it is not the entry's.
	Class string `json:"class,omitempty"`
	// Python is the interpreter; empty is python3.
	Python string `json:"python,omitempty"`
	// Env and Dir are as those of a shell job.
	Env map[string]string `json:"env,omitempty"`
	Dir string            `json:"dir,omitempty"`
}

func (x *Executor) python(ctx context.Context, t scheduler.Task, c Config, entry scheduler.JobClass, out scheduler.OutputWriter) scheduler.Result {
	p, err := parsePython(entry.Template)
	if err != nil {
		return failed(scheduler.ClassFault + whyNot(err))
	}
	env := maps.Clone(p.Env)
	if env == nil {
		env = map[string]string{}
	}
	path := p.Path
	if inherited := cmp.Or(env["PYTHONPATH"], os.Getenv("PYTHONPATH")); inherited != "" {
		path = append(path[:len(path):len(path)], inherited)
	}
	env["PYTHONPATH"] = strings.Join(path, string(filepath.ListSeparator))
	env["PYTHONUNBUFFERED"] = "1"
	name := cmp.Or(p.Class, c.Class)
	config, err := json.Marshal(map[string]any{
		"argv":  []string{cmp.Or(p.Python, "python3"), "-c", runner, name, t.Job.ID, t.Execution.ID},
		"stdin": string(array(c.Args)), "env": env, "dir": p.Dir,
	})
	if err != nil {
		return failed(scheduler.ClassFault + err.Error())
	}
	shell, ok := x.Executors["shell"]
	if !ok {
		return failed(scheduler.ClassFault + "there is no executor shell")
	}
	if err := shell.Check(config); err != nil {
		return failed(scheduler.ClassFault + whyNot(err))
	}
	t.Job.Config = config
	r := shell.Execute(ctx, t, out)
	if r.ExitCode != nil && *r.ExitCode == notLoaded {
		r.Reason = scheduler.ClassFault + "it could not be loaded; its output says why"
	}
	return r
}
