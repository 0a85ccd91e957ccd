package class

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"

	"belfry/scheduler"
)

var _ scheduler.ClassChecker = (*Executor)(nil)

// anyHole is whatever looks as if it stood for arguments.
var anyHole = regexp.MustCompile(`\{\{[^{}]*\}\}`)

// CheckClass implements scheduler.ClassChecker. With an example the template is
// filled and the executor looks at the whole.
func (x *Executor) CheckClass(c scheduler.JobClass) error {
	switch c.Executor {
	case scheduler.ClassNoop:
		if len(c.Template) > 0 && string(c.Template) != "{}" {
			return scheduler.Invalid("template", "must be empty: nothing is run")
		}
		return nil
	case scheduler.ClassPython:
		_, err := parsePython(c.Template)
		return err
	}
	for _, hole := range anyHole.FindAllString(string(c.Template), -1) {
		var text string // as it is within JSON
		if json.Unmarshal([]byte(`"`+hole+`"`), &text) == nil && !holePattern.MatchString(text) {
			return scheduler.Invalid("template", "%s stands for nothing; there are {{args}}, {{argv}}, {{json}}, {{1}}, {{json 1}} and {{env NAME}}", hole)
		}
	}
	var template any
	if err := json.Unmarshal(c.Template, &template); err != nil {
		return scheduler.Invalid("template", "must be a JSON object")
	}
	err := commandsOf("", template, func(command string) error {
		if hole, found := insideQuotes(command); found {
			return scheduler.Invalid("template", "%s must not be inside quotes or behind a backslash: it is quoted already", hole)
		}
		return nil
	})
	if err != nil || len(c.Example) == 0 {
		return err
	}
	return x.checkExample(c)
}

func (x *Executor) checkExample(c scheduler.JobClass) error {
	example := Config{Class: c.Name}
	if err := json.Unmarshal(c.Example, &example.Args); err != nil {
		return scheduler.Invalid("example", "must be a JSON array of arguments")
	}
	f := example.filling(nil)
	f.env = func(string) (string, bool) { return "value", true }
	config, err := f.fill(c.Template)
	if err != nil {
		return scheduler.Invalid("example", "%s", err)
	}
	if err := x.Executors[c.Executor].Check(config); err != nil {
		return scheduler.Invalid("template", "does not fit with the example: %s", whyNot(err))
	}
	return nil
}

// parsePython reads the template of a Python class.
func parsePython(template json.RawMessage) (p Python, err error) {
	if len(template) == 0 {
		return p, nil
	}
	d := json.NewDecoder(bytes.NewReader(template))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return p, scheduler.Invalid("template", "is not valid: %s; a Python class has path, class, python, env and dir",
			strings.TrimPrefix(err.Error(), "json: "))
	}
	for _, folder := range append(p.Path[:len(p.Path):len(p.Path)], p.Dir) {
		if folder != "" && !filepath.IsAbs(folder) {
			return p, scheduler.Invalid("template", "%q is not an absolute path", folder)
		}
	}
	return p, nil
}
