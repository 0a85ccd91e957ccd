package jobfile

import (
	"slices"
	"sync"

	"belfry/scheduler"
)

// Type is a kind of job as the dialect calls it: what "type" says in JSON, and
// what follows job- in a section or label.
type Type string

// The types of jobs.
const (
	Exec    Type = "exec"    // a command in a running container
	Run     Type = "run"     // a new container, or a stopped one
	Local   Type = "local"   // a process on the server's host
	Service Type = "service" // a Swarm service; its sections are job-service-run
	HTTP    Type = "http"    // an HTTP request
)

// Types are all types in the order of the documentation.
var Types = []Type{Exec, Run, Local, Service, HTTP}

var executors = map[Type]string{
	Exec: "docker-exec", Run: "docker-run", Local: "shell", Service: "docker-service", HTTP: "http",
}

// TypeOf is the type of the jobs of an executor; known is false when the dialect
// has no word for it, and the type is then the executor's own name.
func TypeOf(executor string) (t Type, known bool) {
	for _, t := range Types {
		if executors[t] == executor {
			return t, true
		}
	}
	return Type(executor), false
}

// Executor is the executor that runs jobs of the type, "" when there is none.
func (t Type) Executor() string { return executors[t] }

// Section is how sections and labels begin for jobs of the type: "job-exec".
func (t Type) Section() string {
	if t == Service {
		return "job-service-run"
	}
	return "job-" + string(t)
}

// fields are the rows of the table that jobs of the type have; nobody changes them.
func (t Type) fields() []field[*draft] {
	if rows, ok := fieldsByType()[t]; ok {
		return rows
	}
	return fieldsByType()[""]
}

// fieldsByType has the rows of each type, and under "" those that every job has.
// It is made once: lists show thousands of jobs.
var fieldsByType = sync.OnceValue(func() map[Type][]field[*draft] {
	all := map[Type][]field[*draft]{}
	for _, t := range append(slices.Clone(Types), "") {
		for _, f := range jobFields {
			f.json = f.jsonKey()
			if len(f.types) == 0 || slices.Contains(f.types, t) {
				all[t] = append(all[t], f)
			}
		}
	}
	return all
})

// New is an enabled job of the type with the dialect's defaults, and those of g.
func New(t Type, g *Global) scheduler.Draft {
	d := scheduler.Draft{Enabled: true, Executor: t.Executor(), Concurrency: scheduler.Allow}
	d.Retry = scheduler.RetryPolicy{Delay: defaultRetryDelay, Factor: 2, MaxDelay: defaultRetryMaxDelay}
	d.Timeout = g.MaxRuntime
	w := open(&d)
	for name, v := range defaults[t] {
		w.config.put(name, v)
	}
	if slices.Contains(containerTypes, t) {
		w.config.put("user", g.DefaultUser)
	}
	w.dirty = true
	w.close()
	return d
}
