package scheduler

import (
	"encoding/json"
	"slices"
	"strings"
)

// ClassExecutor is the executor of jobs that name a class instead of saying
// themselves what to run.
const ClassExecutor = "class"

// What a class can be run by besides the executors of jobs.
const (
	ClassNoop   = "noop"   // nothing: the arguments are the result
	ClassPython = "python" // a Python class of that name, with run()
)

// ClassFault begins the reason of a run whose class could not be run at all: it is
// not known, or not to be loaded. It is not the class that failed then.
const ClassFault = "the job class cannot run: "

// ResultMark is the line of a class's output behind which its result stands, as
// JSON, to the end.
const ResultMark = "--- result ---"

// JobClass is an entry of the catalogue: how jobs of a class run.
type JobClass struct {
	// Name is what jobs say. One that ends with .* stands for every class below that
	// has no entry of its own.
	Name      string          `json:"name"`
	Notes     string          `json:"notes,omitempty"`
	Arguments []ClassArgument `json:"arguments,omitempty"`
	Example   json.RawMessage `json:"example,omitempty"` // arguments, an array
	// Executor is one of the executors of jobs, ClassNoop or ClassPython.
	Executor string `json:"executor"`
	// Template is that executor's configuration. Package scheduler/executor/class
	// says what stands for arguments in it.
	Template json.RawMessage `json:"template,omitempty"`
	// Source says where it is changed: "" is on the page.
	Source string `json:"source,omitempty"`
}

// ClassArgument describes one of a class's arguments for people.
type ClassArgument struct {
	Type        string `json:"type,omitempty"`
	Description string `json:"description"`
}

// BuiltIn is the source of classes that no one can change.
const BuiltIn = "built in"

// builtInClasses are the sample jobs of ndscheduler that need nothing but what is
// here anyway.
func builtInClasses() []JobClass {
	const below = "simple_scheduler.jobs."
	text := func(description string) ClassArgument { return ClassArgument{"string", description} }
	return []JobClass{
		{
			Name: below + "sample_job.AwesomeJob", Notes: "Does nothing but return its two arguments.", Executor: ClassNoop, Source: BuiltIn,
			Arguments: []ClassArgument{text("First argument"), text("Second argument")},
			Example:   json.RawMessage(`["first argument AAA", "second argument BBB"]`),
		},
		{
			Name: below + "shell_job.ShellJob", Notes: "Runs a program with its arguments, without a shell.", Executor: "shell", Source: BuiltIn,
			Arguments: []ClassArgument{text("Executable")}, Example: json.RawMessage(`["/usr/local/my_job", "--flag", "value"]`),
			Template: json.RawMessage(`{"argv":["{{argv}}"]}`),
		},
		{
			Name: below + "curl_job.CurlJob", Notes: "Sends an HTTP request; any answer is a success.", Executor: "http", Source: BuiltIn,
			Arguments: []ClassArgument{text("URL"), text("Request type, for example GET or DELETE")},
			Example:   json.RawMessage(`["https://example.com/", "GET"]`),
			Template:  json.RawMessage(`{"url":"{{1}}","method":"{{2}}","timeout":"10s","expect_codes":["100-599"]}`),
		},
		{
			Name: below + "slack_job.SlackJob", Notes: "Posts to the webhook that SIMPLE_SCHEDULER_SLACK_URL of the server's environment names.",
			Executor: "http", Source: BuiltIn,
			Arguments: []ClassArgument{text("Channel"), text("Name"), text("Emoji, for example :ghost:"), text("Message")},
			Example:   json.RawMessage(`["#random", "belfry", ":ghost:", "done"]`),
			Template: json.RawMessage(`{"url":"{{env SIMPLE_SCHEDULER_SLACK_URL}}","method":"POST","timeout":"10s","headers":{"Content-Type":"application/json"},` +
				`"body":"{\"channel\":{{json 1}},\"username\":{{json 2}},\"icon_emoji\":{{json 3}},\"text\":{{json 4}},\"link_names\":1,\"mrkdwn\":1}"}`),
		},
	}
}

const (
	maxClasses   = 1000
	maxClassName = 300
	maxClassArgs = 100
)

// check says what is wrong with an entry.
func (c *JobClass) check(executors map[string]Executor) error {
	var f fields
	f.text("name", c.Name, maxClassName, false)
	if c.Name == "" || strings.ContainsAny(c.Name, " \t'\"\\") || strings.Trim(c.Name, ".") == "" || c.Name == ".*" {
		f.add("name", "must be a name like jobs.reports.Monthly, or jobs.reports.* for all below, without blanks and quotes")
	}
	f.text("notes", c.Notes, maxNotes, true)
	if len(c.Arguments) > maxClassArgs {
		f.add("arguments", "at most %d arguments", maxClassArgs)
	}
	for _, a := range c.Arguments {
		f.text("arguments", a.Type+a.Description, maxValue, false)
	}
	known := []string{ClassNoop, ClassPython}
	for kind := range executors {
		if kind != ClassExecutor {
			known = append(known, kind)
		}
	}
	slices.Sort(known)
	oneOf(&f, "executor", c.Executor, known)
	var object map[string]json.RawMessage
	if len(c.Template) > 0 && json.Unmarshal(c.Template, &object) != nil || len(c.Template) > maxConfig {
		f.add("template", "must be a JSON object, the configuration of the executor, of at most %d bytes", maxConfig)
	}
	if len(c.Template) == 0 && c.Executor != ClassNoop && c.Executor != ClassPython {
		f.add("template", "is required: the configuration of the executor %s", c.Executor)
	}
	var example []any
	if len(c.Example) > 0 && json.Unmarshal(c.Example, &example) != nil {
		f.add("example", "must be a JSON array of arguments")
	}
	if err := f.err(); err != nil {
		return err
	}
	if checker, ok := executors[ClassExecutor].(ClassChecker); ok {
		return checker.CheckClass(*c)
	}
	return nil
}

// ClassChecker is the executor of classes, as far as it knows templates.
type ClassChecker interface {
	// CheckClass says what is wrong with a class's template, or with its example.
	CheckClass(c JobClass) error
}

// ClassOf returns the class that a draft names, "" when it names none.
func (d *Draft) ClassOf() string {
	var config struct {
		Class string `json:"class"`
	}
	if d.Executor != ClassExecutor || json.Unmarshal(d.Config, &config) != nil {
		return ""
	}
	return config.Class
}

// ClassResult is the result of a class's run that has ended, from the end of its
// output: the text behind ResultMark; for a run that failed without one what it
// wrote to standard error, or why it failed. ok is false when it has none.
func ClassResult(e *Execution, tail Chunk) (text string, ok bool) {
	all := "\n" + string(tail.Data)
	if i := strings.LastIndex(all, "\n"+ResultMark+"\n"); i >= 0 {
		return strings.TrimRight(all[i+len(ResultMark)+2:], "\n"), true
	}
	switch e.State {
	case Failed:
		if wrong := strings.TrimRight(tail.Of(Stderr), "\n"); wrong != "" {
			return wrong, true
		}
		return e.Reason, true
	case TimedOut, Cancelled, Lost:
		return e.Reason, e.Reason != ""
	}
	return "", false
}
