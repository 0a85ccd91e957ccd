package jobfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"belfry/scheduler"
)

// classFields is the table of [class "name"].
var classFields = []field[*scheduler.JobClass]{
	member("notes", text, func(c *scheduler.JobClass) *string { return &c.Notes }),
	member("executor", text, func(c *scheduler.JobClass) *string { return &c.Executor }),
	classJSON("template", func(c *scheduler.JobClass) *json.RawMessage { return &c.Template }),
	classJSON("example", func(c *scheduler.JobClass) *json.RawMessage { return &c.Example }),
	{
		key: "argument", kind: list, domain: []string{"arguments"},
		get: func(c *scheduler.JobClass) any {
			all := make([]string, len(c.Arguments))
			for i, a := range c.Arguments {
				all[i] = a.Type + ": " + a.Description
			}
			return all
		},
		set: func(c *scheduler.JobClass, v any) error {
			c.Arguments = nil
			for _, one := range v.([]string) {
				kind, description, ok := strings.Cut(one, ":")
				if !ok {
					kind, description = "", one
				}
				c.Arguments = append(c.Arguments, scheduler.ClassArgument{Type: strings.TrimSpace(kind), Description: strings.TrimSpace(description)})
			}
			return nil
		},
	},
}

func classJSON(key string, of func(*scheduler.JobClass) *json.RawMessage) field[*scheduler.JobClass] {
	return field[*scheduler.JobClass]{
		key: key, kind: text,
		get: func(c *scheduler.JobClass) any { return string(*of(c)) },
		set: func(c *scheduler.JobClass, v any) error {
			raw := json.RawMessage(v.(string))
			if !json.Valid(raw) {
				return errors.New("is not valid JSON")
			}
			*of(c) = raw
			return nil
		},
	}
}

// Class is a job class that a file declares.
type Class struct {
	scheduler.JobClass
	file  string
	line  int
	where map[string]entry
}

func readClass(s *section, problems *Problems) Class {
	c := Class{JobClass: scheduler.JobClass{Name: s.name, Source: fmt.Sprintf("%s:%d", s.file, s.line)}, file: s.file, line: s.line}
	c.where = assign(classFields, &c.JobClass, s, problems)
	return c
}

// Problems says where in the file what is that the domain refuses about c.
func (c Class) Problems(err error) Problems {
	var e *scheduler.Error
	if !errors.As(err, &e) || len(e.Fields) == 0 {
		return Problems{{File: c.file, Line: c.line, Message: fmt.Sprintf("the job class %q: %s", c.Name, err)}}
	}
	all := make(Problems, len(e.Fields))
	for i, f := range e.Fields {
		key := strings.TrimSuffix(f.Field, "s")
		if found, ok := c.where[key]; ok {
			all[i] = Problem{c.file, found.line, found.shown, f.Message}
			continue
		}
		all[i] = Problem{c.file, c.line, "", fmt.Sprintf("the job class %q: %s %s", c.Name, f.Field, f.Message)}
	}
	return all
}
