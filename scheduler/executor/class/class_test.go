package class

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"belfry/scheduler"
)

// fake is an executor that says what it was given.
type fake struct {
	config string
	refuse error
	result scheduler.Result
	stdout string
}

func (f *fake) Check(json.RawMessage) error { return f.refuse }

func (f *fake) Execute(_ context.Context, t scheduler.Task, out scheduler.OutputWriter) scheduler.Result {
	f.config = string(t.Job.Config)
	out.Write(scheduler.Stdout, []byte(f.stdout))
	return f.result
}

type classes map[string]scheduler.JobClass

func (c classes) Class(name string) (found scheduler.JobClass, known []string, ok bool) {
	found, ok = c[name]
	return found, []string{"a.B", "c.D"}, ok
}

type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(_ scheduler.Stream, p []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Write(p)
}

func code(n int) *int { return &n }

// run runs a class with a template; args is a JSON array.
func run(t *testing.T, f *fake, c scheduler.JobClass, args string) (scheduler.Result, string) {
	t.Helper()
	c.Name = "a.B"
	x := &Executor{Catalogue: classes{"a.B": c}, Executors: map[string]scheduler.Executor{"shell": f, "http": f}}
	out := &output{}
	config := json.RawMessage(`{"class":"a.B","args":` + args + `}`)
	if err := x.Check(config); err != nil {
		t.Fatal(err)
	}
	r := x.Execute(t.Context(), scheduler.Task{Job: scheduler.Job{ID: "j", Draft: scheduler.Draft{Config: config}}}, out)
	return r, out.text.String()
}

func TestTemplates(t *testing.T) {
	t.Setenv("BELFRY_TEST_WORD", "it's")
	hostile := `["a b", "it's; rm -rf / #", "$(id)` + "`id`" + `", 2, {"k": [1, "x"]}, null, true, "-n", ""]`
	for _, c := range []struct{ template, args, want string }{
		{`{"command":"echo {{args}}"}`, `["a b","it's",2]`, `{"command":"echo 'a b' 'it'\\''s' '2'"}`},
		{`{"command":"echo {{args}}"}`, `[]`, `{"command":"echo "}`},
		{`{"command":"echo {{1}} {{ 2 }}"}`, `["$(id)","x;y"]`, `{"command":"echo '$(id)' 'x;y'"}`},
		{`{"command":"echo {{json}} {{json 1}}"}`, `["$(id)';id;'"]`, `{"command":"echo '[\"$(id)'\\'';id;'\\''\"]' '\"$(id)'\\'';id;'\\''\"'"}`},
		{`{"argv":["{{argv}}"]}`, hostile, `{"argv":["a b","it's; rm -rf / #","$(id)` + "`id`" + `","2","{\"k\":[1,\"x\"]}","null","true","-n",""]}`},
		{`{"argv":["run","--to={{2}}","{{1}}"]}`, `["a","b c"]`, `{"argv":["run","--to=b c","a"]}`},
		{`{"stdin":"{{json}}"}`, `[1, "a<b", {"k": null}]`, `{"stdin":"[1,\"a<b\",{\"k\":null}]"}`},
		{`{"body":"{\"x\":{{json 2}},\"y\":{{json 1}}}"}`, `["it's", {"k": [1,  2]}]`, `{"body":"{\"x\":{\"k\":[1,2]},\"y\":\"it's\"}"}`},
		{`{"env":{"A":"{{env BELFRY_TEST_WORD}}","B":"{{1}}"},"n":12345678901234567890,"ok":true}`, `["x"]`, `{"env":{"A":"it's","B":"x"},"n":12345678901234567890,"ok":true}`},
		{`{"argv":["{{args}}"]}`, `["{{env HOME}}","{{1}}"]`, `{"argv":["'{{env HOME}}' '{{1}}'"]}`}, // what is put in is not read again
	} {
		f := &fake{result: scheduler.Result{State: scheduler.Succeeded, ExitCode: code(0)}}
		r, _ := run(t, f, scheduler.JobClass{Executor: "shell", Template: json.RawMessage(c.template)}, c.args)
		if r.State != scheduler.Succeeded || !sameJSON(t, f.config, c.want) {
			t.Errorf("%s with %s is\n%s, want\n%s (%s)", c.template, c.args, f.config, c.want, r.Reason)
		}
	}
	for template, words := range map[string]string{
		`{"command":"{{3}}"}`:               "argument 3 (Third) is missing: 2 given",
		`{"command":"{{json 9}}"}`:          "argument 9 is missing: 2 given",
		`{"command":"{{0}}"}`:               "argument 0 is missing",
		`{"command":"{{env NO_SUCH_ONE}}"}`: "the variable NO_SUCH_ONE is not set",
	} {
		f := &fake{}
		names := []scheduler.ClassArgument{{Description: "First"}, {Description: "Second"}, {Description: "Third"}}
		r, _ := run(t, f, scheduler.JobClass{Executor: "shell", Template: json.RawMessage(template), Arguments: names}, `[1,2]`)
		if r.State != scheduler.Failed || !strings.Contains(r.Reason, words) || f.config != "" {
			t.Errorf("%s: %s %q", template, r.State, r.Reason)
		}
	}
}

func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y bytes.Buffer
	normal := func(text string, to *bytes.Buffer) {
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		var v any
		if err := d.Decode(&v); err != nil {
			t.Errorf("%v in %s", err, text)
		}
		_ = json.NewEncoder(to).Encode(v) // of what was decoded
	}
	normal(a, &x)
	normal(b, &y)
	return x.String() == y.String()
}

// TestShellQuoting lets a real shell read what a template makes of hostile words.
func TestShellQuoting(t *testing.T) {
	words := []string{"a b", "it's; echo x #", "$(echo id)", "`echo id`", "\\", "\"", "*", "~", "", "-n", "new\nline", "é\u202e"}
	out, err := exec.CommandContext(t.Context(), "sh", "-c", `for w in `+quoteAll(words)+`; do printf '<%s>' "$w"; done`).Output()
	if want := "<" + strings.Join(words, "><") + ">"; err != nil || string(out) != want {
		t.Errorf("a shell reads %q, want %q; %v", out, want, err)
	}
}

func TestResults(t *testing.T) {
	for _, c := range []struct {
		name   string
		class  scheduler.JobClass
		result scheduler.Result
		stdout string
		args   string
		state  scheduler.State
		want   string // of the output's end
	}{
		{"noop", scheduler.JobClass{Executor: scheduler.ClassNoop}, scheduler.Result{}, "", `[1, "<x>"]`, scheduler.Succeeded, "[\n    1,\n    \"<x>\"\n]"},
		{
			"noop with arguments",
			scheduler.JobClass{Executor: scheduler.ClassNoop, Arguments: []scheduler.ClassArgument{{Description: "a"}}},
			scheduler.Result{},
			"", `[1, 2]`, scheduler.Succeeded, "[\n    1\n]",
		},
		{
			"a program",
			scheduler.JobClass{Executor: "shell", Template: json.RawMessage(`{"argv":["{{argv}}"]}`)},
			scheduler.Result{State: scheduler.Succeeded, ExitCode: code(0)},
			"out\n", `["true"]`, scheduler.Succeeded, "{\n    \"returncode\": 0\n}",
		},
		{
			"a signal",
			scheduler.JobClass{Executor: "shell", Template: json.RawMessage(`{"argv":["{{argv}}"]}`)},
			scheduler.Result{State: scheduler.Failed, Signal: "SIGKILL"},
			"out\n", `["true"]`, scheduler.Failed, "{\n    \"returncode\": -9\n}",
		},
		{
			"an answer",
			scheduler.JobClass{Executor: "http", Template: json.RawMessage(`{"url":"{{1}}"}`)},
			scheduler.Result{State: scheduler.Succeeded, ExitCode: code(404)},
			`{"error": "x"}`, `["http://x"]`, scheduler.Succeeded, `"{\"error\": \"x\"}"`,
		},
	} {
		r, out := run(t, &fake{result: c.result, stdout: c.stdout}, c.class, c.args)
		_, got, _ := strings.Cut(out, "\n"+scheduler.ResultMark+"\n")
		if r.State != c.state || strings.TrimRight(got, "\n") != c.want {
			t.Errorf("%s: %s, result %q, want %q", c.name, r.State, got, c.want)
		}
	}
}

func TestFaults(t *testing.T) {
	x := &Executor{Catalogue: classes{}, Executors: map[string]scheduler.Executor{}}
	r := x.Execute(t.Context(), scheduler.Task{Job: scheduler.Job{Draft: scheduler.Draft{Config: json.RawMessage(`{"class":"no.Such"}`)}}}, &output{})
	if r.State != scheduler.Failed || r.Reason != scheduler.ClassFault+`there is no job class "no.Such"; known are a.B, c.D` {
		t.Errorf("an unknown class: %+v", r)
	}
	r, _ = run(t, &fake{refuse: scheduler.Invalid("url", "is not an address")}, scheduler.JobClass{Executor: "http", Template: json.RawMessage(`{"url":"{{1}}"}`)}, `["x"]`)
	if r.State != scheduler.Failed || r.Reason != "its arguments do not fit: url is not an address" {
		t.Errorf("arguments that do not fit: %+v", r)
	}
	r, _ = run(t, &fake{}, scheduler.JobClass{Executor: "docker-run", Template: json.RawMessage(`{}`)}, `[]`)
	if !strings.HasPrefix(r.Reason, scheduler.ClassFault) {
		t.Errorf("an executor that is not here: %+v", r)
	}
	r, _ = run(t, &fake{}, scheduler.JobClass{Executor: scheduler.ClassNoop, Arguments: []scheduler.ClassArgument{{Description: "First"}}}, `[]`)
	if r.State != scheduler.Failed || r.Reason != "argument 1 (First) is missing: 0 given" {
		t.Errorf("too few arguments: %+v", r)
	}
	for config, field := range map[string]string{
		`[]`: "", `{"class":5}`: "class", `{}`: "class", `{"class":" "}`: "class", `{"class":"a","args":{}}`: "args", `{"class":"a","x":1}`: "x",
		`{"class":"` + strings.Repeat("x", 501) + `"}`: "class",
	} {
		err := x.Check(json.RawMessage(config))
		if scheduler.CodeOf(err) != scheduler.CodeInvalid || !strings.Contains(whyNot(err), field) {
			t.Errorf("%s: %v", config, err)
		}
	}
}

func TestCheckClass(t *testing.T) {
	x := &Executor{Executors: map[string]scheduler.Executor{"shell": &fake{}, "http": &fake{refuse: scheduler.Invalid("url", "is wrong")}}}
	for _, c := range []struct {
		kind, template, example, words string
	}{
		{"shell", `{"command":"echo {{args}} {{ 1 }} {{json 2}} {{env X}} {{argv}} {{json}}"}`, `[1,2]`, ""},
		{"shell", `{"command":"echo {{args}}"}`, ``, ""},
		{"shell", `{"command":"echo \"{{1}}\""}`, `["x"]`, "{{1}} must not be inside quotes"},
		{"shell", `{"command":"echo '{{ json }}'"}`, ``, "{{ json }} must not be inside quotes"},
		{"shell", `{"command":"echo \"it's {{args}}\""}`, ``, "must not be inside quotes"},
		{"shell", `{"command":"echo \\{{1}}"}`, ``, "behind a backslash"},
		{"shell", `{"command":"echo 'a' \"b\" \\' x#'c' {{1}} # it's\necho {{2}}"}`, ``, ""},
		{"shell", `{"command":"\"{{env HOME}}/bin\" {{1}}"}`, ``, ""},
		{"shell", `{"steps":[{"command":"'{{1}}'"}]}`, ``, "must not be inside quotes"},
		{"http", `{"url":"http://x/'{{1}}'"}`, `["x"]`, "does not fit"},
		{"shell", `{"command":"echo {{arg}}"}`, ``, "{{arg}} stands for nothing"},
		{"shell", `{"command":"echo {{1000}}"}`, ``, "stands for nothing"},
		{"shell", `{"command":"{{3}}"}`, `[1]`, "argument 3 is missing"},
		{"http", `{"url":"{{1}}"}`, `["x"]`, "does not fit with the example: url is wrong"},
		{"http", `{"url":"{{1}}"}`, ``, ""},
		{scheduler.ClassNoop, ``, ``, ""},
		{scheduler.ClassNoop, `{"x":1}`, ``, "must be empty"},
		{scheduler.ClassPython, `{"path":["/srv/jobs"],"class":"a.B","python":"python3","env":{"A":"1"},"dir":"/srv"}`, ``, ""},
		{scheduler.ClassPython, `{"path":["jobs"]}`, ``, "not an absolute path"},
		{scheduler.ClassPython, `{"command":"x"}`, ``, "command"},
	} {
		err := x.CheckClass(scheduler.JobClass{Name: "a", Executor: c.kind, Template: json.RawMessage(c.template), Example: json.RawMessage(c.example)})
		if (err == nil) != (c.words == "") || err != nil && !strings.Contains(whyNot(err), c.words) {
			t.Errorf("%s %s: %v, want %q", c.kind, c.template, err, c.words)
		}
	}
}

// TestPython runs real classes of a folder, with JobBase of no ndscheduler.
func TestPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3")
	}
	folder := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("jobs.py", `
from ndscheduler import job
from ndscheduler.corescheduler.job import JobBase
import sys

class Good(job.JobBase):
    @classmethod
    def meta_info(cls):
        return {'job_class_string': '%s.%s' % (cls.__module__, cls.__name__)}
    def run(self, first, second, *args, **kwargs):
        print('working', self.job_id, self.execution_id)
        return {'second': second, 'first': first}

class Bad(JobBase):
    def run(self, *args):
        raise ValueError('no: %s' % (args,))

class Code(JobBase):
    def run(self):
        return {'returncode': 3}

class Plain:
    def run(self, *args):
        print('to stderr', file=sys.stderr)
        return list(args)

class NotJSON(JobBase):
    def run(self):
        return object()

class Exits(JobBase):
    def run(self):
        sys.exit(5)
`)
	write("broken.py", "import no_such_module\n")
	for _, c := range []struct {
		class, args string
		code        int
		out, err    string
	}{
		{"jobs.Good", `["a", {"k": 1}, 3]`, 0, "working J E\n\n--- result ---\n{\n    \"first\": \"a\",\n    \"second\": {\n        \"k\": 1\n    }\n}\n", ""},
		{"jobs.Good", `["a"]`, 1, "", "TypeError"},
		{"jobs.Bad", `[1]`, 1, "", "ValueError: no: (1,)"},
		{"jobs.Code", `[]`, 1, "\n--- result ---\n{\n    \"returncode\": 3\n}\n", ""},
		{"jobs.Plain", `[1, "é"]`, 0, "\n--- result ---\n[\n    1,\n    \"\\u00e9\"\n]\n", "to stderr"},
		{"jobs.NotJSON", `[]`, 1, "", "not JSON serializable"},
		{"jobs.Exits", `[]`, 5, "", ""},
		{"jobs.NoSuch", `[]`, notLoaded, "", "NoSuch"},
		{"no_such.Class", `[]`, notLoaded, "", "No module named 'no_such'"},
		{"broken.Class", `[]`, notLoaded, "", "no_such_module"},
		{"Nothing", `[]`, notLoaded, "", "names no module"},
	} {
		f := &fake{result: scheduler.Result{State: scheduler.Failed, ExitCode: code(c.code)}}
		template, _ := json.Marshal(Python{Path: []string{folder}, Class: c.class, Env: map[string]string{"A": "1"}}) // of texts
		r, _ := run(t, f, scheduler.JobClass{Executor: scheduler.ClassPython, Template: template}, c.args)
		var config struct {
			Argv  []string
			Stdin string
			Env   map[string]string
		}
		if err := json.Unmarshal([]byte(f.config), &config); err != nil {
			t.Fatal(err, f.config)
		}
		if (c.code == notLoaded) != strings.HasPrefix(r.Reason, scheduler.ClassFault) {
			t.Errorf("%s: the reason is %q", c.class, r.Reason)
		}
		config.Argv[len(config.Argv)-2], config.Argv[len(config.Argv)-1] = "J", "E"
		cmd := exec.CommandContext(t.Context(), python, config.Argv[1:]...)
		cmd.Stdin = strings.NewReader(config.Stdin)
		cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
		for k, v := range config.Env {
			cmd.Env = append(cmd.Env, k+"="+v)
		}
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		_ = cmd.Run() // its code is looked at
		if cmd.ProcessState.ExitCode() != c.code || out.String() != c.out || !strings.Contains(errs.String(), c.err) {
			t.Errorf("%s %s: code %d, %q, %q", c.class, c.args, cmd.ProcessState.ExitCode(), out.String(), errs.String())
		}
	}
}
