package views

import (
	"bytes"
	"encoding/json"
	"strings"

	"belfry/scheduler"
)

// ClassesProps are those of the page of job classes, and of the page of one.
// Values holds what was typed: name, notes, executor, arguments (a line each),
// template, example.
type ClassesProps struct {
	Page
	Query     ListQuery // Q: part of the name, or of the notes
	Classes   []scheduler.JobClass
	Total     scheduler.Total
	Executors []string           // what classes can be run by
	Class     scheduler.JobClass // whose page it is; without a name: of all
	Values    map[string]string
	Errors    map[string]string
	Problem   string
}

func (p ClassesProps) field(name string) formField {
	return formField{form: "class-", name: name, values: p.Values, errors: p.Errors}
}

// fixed reports whether the class is not changed on this page.
func (p ClassesProps) fixed() bool { return p.Class.Source != "" }

func (p ClassesProps) action() string {
	if p.Class.Name == "" {
		return "/settings/classes"
	}
	return ClassPath(p.Class.Name)
}

// ClassPath is a job class's page, or with more elements what lies below it.
func ClassPath(name string, more ...string) string { return below("/settings/classes/", name, more) }

// ClassValues are a class as the form shows it.
func ClassValues(c scheduler.JobClass) map[string]string {
	lines := make([]string, len(c.Arguments))
	for i, a := range c.Arguments {
		lines[i] = a.Description
		if a.Type != "" || strings.Contains(a.Description, ":") {
			lines[i] = a.Type + ": " + a.Description
		}
	}
	return map[string]string{
		"name": c.Name, "notes": c.Notes, "executor": c.Executor, "arguments": strings.Join(lines, "\n"),
		"template": indented(c.Template), "example": string(c.Example),
	}
}

func argumentNames(c scheduler.JobClass) string {
	names := make([]string, len(c.Arguments))
	for i, a := range c.Arguments {
		names[i] = a.Description
	}
	return strings.Join(names, ", ")
}

func indented(raw json.RawMessage) string {
	var b bytes.Buffer
	if len(raw) == 0 || json.Indent(&b, raw, "", "  ") != nil {
		return string(raw)
	}
	return b.String()
}

func sourceLabel(source string) string {
	if source == "" {
		return "made here"
	}
	return source
}

func classExecutor(kind string) string {
	switch kind {
	case scheduler.ClassNoop:
		return "Nothing: the arguments are the result"
	case scheduler.ClassPython:
		return "Python class"
	}
	return executorLabel(kind)
}
