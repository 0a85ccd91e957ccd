package class

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"belfry/scheduler"
)

// Catalogue finds classes. known are the names there are.
type Catalogue interface {
	Class(name string) (found scheduler.JobClass, known []string, ok bool)
}

// Executor runs jobs by their class. It is safe for concurrent use once Catalogue
// and Executors are set.
type Executor struct {
	Catalogue Catalogue
	Executors map[string]scheduler.Executor // what classes are run by
}

var _ scheduler.Executor = (*Executor)(nil)

// Execute runs a class as its entry of the catalogue says. Behind what it writes
// comes scheduler.ResultMark and its result.
func (x *Executor) Execute(ctx context.Context, t scheduler.Task, out scheduler.OutputWriter) scheduler.Result {
	c, err := parse(t.Job.Config)
	if err != nil {
		return failed(scheduler.ClassFault + whyNot(err))
	}
	entry, known, ok := x.Catalogue.Class(c.Class)
	if !ok {
		return failed(fmt.Sprintf("%sthere is no job class %q; known are %s", scheduler.ClassFault, c.Class, strings.Join(known, ", ")))
	}
	switch entry.Executor {
	case scheduler.ClassNoop:
		return c.noop(entry, out)
	case scheduler.ClassPython:
		return x.python(ctx, t, c, entry, out)
	}
	config, err := c.filling(entry.Arguments).fill(entry.Template)
	if err != nil {
		return failed(err.Error())
	}
	return x.delegate(ctx, t, entry.Executor, config, out)
}

// delegate runs a filled template.
func (x *Executor) delegate(ctx context.Context, t scheduler.Task, kind string, config json.RawMessage, out scheduler.OutputWriter) scheduler.Result {
	executor, ok := x.Executors[kind]
	if !ok {
		return failed(scheduler.ClassFault + "there is no executor " + kind)
	}
	if err := executor.Check(config); err != nil {
		return failed("its arguments do not fit: " + whyNot(err))
	}
	t.Job.Config = config
	body := &capture{to: out}
	r := executor.Execute(ctx, t, body)
	switch {
	case kind == "http" && r.ExitCode != nil:
		result(out, string(body.seen))
	case kind != "http" && (r.ExitCode != nil || r.Signal != ""):
		result(out, map[string]int{"returncode": returnCode(r)})
	}
	return r
}

// noop returns as many arguments as the class has.
func (c *Config) noop(entry scheduler.JobClass, out scheduler.OutputWriter) scheduler.Result {
	if len(c.Args) < len(entry.Arguments) {
		return failed(c.filling(entry.Arguments).missing(len(c.Args) + 1).Error())
	}
	args := c.Args
	if n := len(entry.Arguments); n > 0 {
		args = args[:n]
	}
	result(out, json.RawMessage(array(args)))
	return scheduler.Result{State: scheduler.Succeeded}
}

// returnCode is what Python's subprocess calls the end of a process.
func returnCode(r scheduler.Result) int {
	if r.ExitCode != nil {
		return *r.ExitCode
	}
	return -signals[r.Signal]
}

var signals = map[string]int{
	"SIGHUP": 1, "SIGINT": 2, "SIGQUIT": 3, "SIGILL": 4, "SIGTRAP": 5, "SIGABRT": 6, "SIGBUS": 7, "SIGFPE": 8, "SIGKILL": 9,
	"SIGUSR1": 10, "SIGSEGV": 11, "SIGUSR2": 12, "SIGPIPE": 13, "SIGALRM": 14, "SIGTERM": 15, "SIGXCPU": 24, "SIGXFSZ": 25,
}

// result writes the class's result as ndscheduler stores it.
func result(out scheduler.OutputWriter, v any) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "    ")
	if e.Encode(v) == nil {
		out.Write(scheduler.System, append([]byte("\n"+scheduler.ResultMark+"\n"), b.Bytes()...))
	}
}

// captured is how much of an answer becomes a result.
const captured = 64 << 10

// capture keeps the beginning of standard output while it is written on.
type capture struct {
	to   scheduler.OutputWriter
	mu   sync.Mutex
	seen []byte
}

// Write implements scheduler.OutputWriter.
func (c *capture) Write(s scheduler.Stream, p []byte) {
	c.to.Write(s, p)
	if s != scheduler.Stdout {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = append(c.seen, p[:min(len(p), captured-len(c.seen))]...)
}

func failed(reason string) scheduler.Result {
	return scheduler.Result{State: scheduler.Failed, Reason: reason}
}
