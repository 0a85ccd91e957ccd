package cronicle

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"belfry/scheduler"
)

// what makes the job's configuration of its plugin.
func (x *export) what(e *event, d *scheduler.Draft, notes *said) error {
	var config map[string]any
	var err error
	switch e.Plugin {
	case "shellplug":
		d.Executor = "shell"
		config, err = x.script(e, d, notes)
	case "urlplug":
		d.Executor = "http"
		config, err = x.request(e, notes)
	case "testplug":
		err = errors.New("it is of Cronicle's plugin for tests, which does nothing but wait")
	default:
		d.Executor = "shell"
		config, err = x.program(e, d, notes)
	}
	if err != nil {
		return err
	}
	if e.MemoryLimit > 0 && d.Executor == "shell" {
		config["memory_limit"] = int64(e.MemoryLimit)
	}
	d.Config, err = json.Marshal(config)
	return err
}

// text is a parameter as text; numbers and flags as they are written.
func (e *event) text(name string) string {
	raw, ok := e.Params[name]
	if !ok || string(raw) == "null" {
		return ""
	}
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}

func (e *event) flag(name string) bool {
	var f flag
	return json.Unmarshal(e.Params[name], &f) == nil && bool(f)
}

// progress is how a script says how far it is: a line with nothing but a number.
const progress = `(?m)^\s*(\d{1,3})%?\s*$`

// shells are those that are given a script as an argument.
var shells = []string{"sh", "bash", "dash", "ash", "ksh", "zsh"}

var (
	// reports is what a script prints as JSON for Cronicle.
	reports = regexp.MustCompile(`["']?(complete|perf|chain_data|update_event)["']?\s*(:|=>)`)
	// variables are those that Cronicle sets for a script.
	variables = regexp.MustCompile(`\bJOB_[A-Z_]+\b|\bCRONICLE\b`)
)

// script is the plugin "Shell Script". It makes a file of the script, whose first
// line says what executes it.
func (x *export) script(e *event, d *scheduler.Draft, notes *said) (map[string]any, error) {
	script := strings.ReplaceAll(e.text("script"), "\r\n", "\n")
	if strings.TrimSpace(script) == "" {
		return nil, errors.New("its script is empty")
	}
	d.Progress = progress
	x.differences(script, notes)
	first, _, _ := strings.Cut(script, "\n")
	words := strings.Fields(strings.TrimPrefix(first, "#!"))
	if !strings.HasPrefix(first, "#!") || len(words) == 0 {
		return map[string]any{"command": script}, nil
	}
	name := path.Base(words[0])
	if name == "env" && len(words) == 2 && slices.Contains(shells, words[1]) {
		// A shell by its name is where shells are.
		name, words = words[1], []string{"/bin/" + words[1]}
	}
	if len(words) == 1 && slices.Contains(shells, name) {
		config := map[string]any{"command": script}
		if name != "sh" && path.IsAbs(words[0]) {
			config["shell"] = words[0]
		}
		return config, nil
	}
	if name == "env" {
		name = words[len(words)-1]
	}
	notes.note("%s reads its script from its input, so the script itself has none.", name)
	return map[string]any{"argv": append(words, "/dev/stdin"), "stdin": script}, nil
}

// differences says what a command does with Cronicle that means nothing here.
func (x *export) differences(text string, notes *said) {
	if reports.MatchString(text) {
		notes.note("It seems to print JSON for Cronicle (complete, perf, chain_data). Here that is output, and its exit code says how it went.")
	}
	if found := variables.FindString(text); found != "" {
		notes.note("It uses %s, which Cronicle sets. Here, BELFRY_JOB, BELFRY_EXECUTION_ID, BELFRY_DUE_AT and others say what runs.", found)
	}
}

// program is a plugin of somebody's own: a command that gets the parameters in its
// environment, and the job as JSON on its input.
func (x *export) program(e *event, d *scheduler.Draft, notes *said) (map[string]any, error) {
	p, ok := x.plugins[e.Plugin]
	if !ok || strings.TrimSpace(p.Command) == "" {
		return nil, fmt.Errorf("it is of the plugin %q, which the export does not have", e.Plugin)
	}
	if p.Enabled != nil && !*p.Enabled {
		d.Enabled = false
		notes.note("Its plugin %s is disabled there, so it is disabled here.", cmp.Or(p.Title, p.ID))
	}
	input, err := json.Marshal(map[string]any{
		"id": "", "event": e.ID, "event_title": e.Title, "category": e.Category, "plugin": e.Plugin, "params": e.Params,
	})
	if err != nil {
		return nil, err
	}
	config := map[string]any{"command": p.Command, "stdin": string(input) + "\n"}
	env := map[string]string{}
	for name := range e.Params {
		env[variable(name)] = e.text(name)
	}
	if len(env) > 0 {
		config["env"] = env
	}
	if path.IsAbs(p.Cwd) {
		config["dir"] = p.Cwd
	}
	if p.UID != "" {
		config["user"] = p.UID
	}
	notes.note("It is of the plugin %s: its command must be on the machine that runs it, and gets the parameters as there. "+
		"What it prints as JSON is output here, and its exit code says how it went.", cmp.Or(p.Title, p.ID))
	return config, nil
}

var noVariable = regexp.MustCompile(`\W`)

// variable is the environment's name of a parameter.
func variable(name string) string { return strings.ToUpper(noVariable.ReplaceAllString(name, "_")) }

// request is the plugin "HTTP Request".
func (x *export) request(e *event, notes *said) (map[string]any, error) {
	url := strings.TrimSpace(e.text("url"))
	if url == "" {
		return nil, errors.New("its URL is empty")
	}
	follow := e.flag("follow")
	config := map[string]any{"url": url, "expect_codes": []string{"200-399"}, "follow_redirects": follow}
	method := strings.ToUpper(cmp.Or(e.text("method"), "GET"))
	if method != "GET" {
		config["method"] = method
	}
	body := ""
	if method == "POST" { // the only one with a body there
		body = e.text("data")
	}
	if body != "" {
		config["body"] = body
	}
	headers := map[string]string{}
	for line := range strings.Lines(e.text("headers")) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok && strings.TrimSpace(value) != "" {
			headers[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	if len(headers) > 0 {
		config["headers"] = headers
	}
	if seconds, err := strconv.Atoi(e.text("timeout")); err == nil && seconds > 0 {
		config["timeout"] = fmt.Sprintf("%ds", seconds)
	}
	if e.flag("ssl_cert_bypass") {
		config["insecure_skip_verify"] = true
	}
	if match := e.text("success_match"); match != "" {
		if _, err := regexp.Compile(match); err == nil {
			config["expect_body"] = match
		} else {
			notes.note("Its answer must match %s there, which is no regular expression of RE2; nothing is asked of it here.", match)
		}
	}
	if match := e.text("error_match"); match != "" {
		notes.note("There it fails when the answer matches %s; here only a pattern that must match can be given.", match)
	}
	for _, text := range []string{url, body, e.text("headers")} {
		if found := placeholder.FindString(text); found != "" {
			notes.note("%s is replaced there, and sent as it is here.", found)
			break
		}
	}
	return config, nil
}

// placeholder is what Cronicle replaces in a request.
var placeholder = regexp.MustCompile(`\[[A-Za-z_][A-Za-z0-9_/.-]*\]`)
