package class

import (
	"encoding/json"
	"errors"
	"strings"

	"belfry/scheduler"
)

// Config is what a job with the executor "class" says.
type Config struct {
	// Class is the class's name. Whether there is one is known when the job runs:
	// clients of ndscheduler make jobs before classes.
	Class string `json:"class"`
	// Args are what it gets, of any JSON type.
	Args []json.RawMessage `json:"args"`
}

const maxClass = 500

// Check validates a configuration.
func (*Executor) Check(config json.RawMessage) error {
	_, err := parse(config)
	return err
}

func parse(config json.RawMessage) (c Config, err error) {
	var raw map[string]json.RawMessage
	var bad []scheduler.FieldError
	if json.Unmarshal(config, &raw) != nil || raw == nil {
		return c, scheduler.Invalid("", "must be a JSON object")
	}
	for name, v := range raw {
		switch name {
		case "class":
			if json.Unmarshal(v, &c.Class) != nil {
				bad = append(bad, scheduler.FieldError{Field: name, Message: "must be the name of a job class"})
			}
		case "args":
			if json.Unmarshal(v, &c.Args) != nil {
				bad = append(bad, scheduler.FieldError{Field: name, Message: "must be a JSON array"})
			}
		default:
			bad = append(bad, scheduler.FieldError{Field: name, Message: "is not a field of this executor"})
		}
	}
	if len(bad) == 0 && (strings.TrimSpace(c.Class) == "" || len(c.Class) > maxClass || strings.ContainsRune(c.Class, 0)) {
		bad = append(bad, scheduler.FieldError{Field: "class", Message: "must be the name of a job class"})
	}
	if len(bad) > 0 {
		return c, &scheduler.Error{Code: scheduler.CodeInvalid, Message: "the configuration is not valid", Fields: bad}
	}
	return c, nil
}

// words are the arguments as texts.
func (c *Config) words() []string {
	words := make([]string, len(c.Args))
	for i, a := range c.Args {
		if json.Unmarshal(a, &words[i]) != nil || words[i] == "" && a[0] != '"' {
			words[i] = string(compact(a))
		}
	}
	return words
}

// whyNot are the words of an error for the reason of a run.
func whyNot(err error) string {
	var e *scheduler.Error
	if !errors.As(err, &e) || len(e.Fields) == 0 {
		return err.Error()
	}
	parts := make([]string, len(e.Fields))
	for i, f := range e.Fields {
		parts[i] = strings.TrimSpace(f.Field + " " + f.Message)
	}
	return strings.Join(parts, "; ")
}
