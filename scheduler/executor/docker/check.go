package docker

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/kballard/go-shellquote"

	"belfry/scheduler"
)

// Limits of a configuration.
const (
	maxCommand = 256 << 10
	maxEnv     = 256 << 10
	maxText    = 4095 // paths and names
	maxList    = 1000
	minMemory  = 6 << 20 // the engine's
	maxStop    = time.Hour
)

// config is what each executor's configuration can do.
type config interface {
	check(bad *complaints)
}

// checkConfig reads config into dst and says all that is wrong with it.
func checkConfig(raw json.RawMessage, dst config) error {
	bad := complaints(decodeStrict(raw, dst))
	if len(bad) == 0 {
		dst.check(&bad)
	}
	if len(bad) > 0 {
		return &scheduler.Error{Code: scheduler.CodeInvalid, Message: "the configuration is not valid", Fields: bad}
	}
	return nil
}

// parse reads a stored configuration.
func parse(raw json.RawMessage, dst config) error {
	if err := json.Unmarshal(raw, dst); err != nil {
		return fmt.Errorf("the configuration cannot be read: %w", err)
	}
	var bad complaints
	if dst.check(&bad); len(bad) > 0 {
		return errors.New("the configuration is not valid: " + bad[0].Field + " " + bad[0].Message)
	}
	return nil
}

// decodeStrict fills dst, a pointer to a struct, and says what is of the wrong
// type or unknown.
func decodeStrict(config json.RawMessage, dst any) []scheduler.FieldError {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(config, &raw); err != nil || raw == nil {
		return []scheduler.FieldError{{Field: "", Message: "must be a JSON object"}}
	}
	known := map[string]bool{}
	for f := range reflect.TypeOf(dst).Elem().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		known[name] = true
	}
	var fields []scheduler.FieldError
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		if !known[name] {
			fields = append(fields, scheduler.FieldError{Field: name, Message: "is not a field of this executor"})
		}
	}
	err := json.Unmarshal(config, dst)
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong):
		fields = append(fields, scheduler.FieldError{Field: wrong.Field, Message: "must not be a " + wrong.Value})
	case err != nil:
		fields = append(fields, scheduler.FieldError{Field: "", Message: err.Error()})
	}
	return fields
}

// complaints collects field errors.
type complaints []scheduler.FieldError

func (c *complaints) add(field, format string, args ...any) {
	*c = append(*c, scheduler.FieldError{Field: field, Message: fmt.Sprintf(format, args...)})
}

// text complains about s when it is longer than limit or holds a NUL byte.
func (c *complaints) text(field, s string, limit int) {
	if len(s) > limit {
		c.add(field, "is longer than %d bytes", limit)
	}
	if strings.IndexByte(s, 0) >= 0 {
		c.add(field, "must not contain a NUL byte")
	}
}

func (c *complaints) texts(field string, list []string) {
	if len(list) > maxList {
		c.add(field, "has more than %d entries", maxList)
		return
	}
	for i, s := range list {
		name := fmt.Sprintf("%s.%d", field, i)
		if s == "" {
			c.add(name, "must not be empty")
		}
		c.text(name, s, maxText)
	}
}

// command complains about what is not exactly one, or with optional at most one.
func (c *complaints) command(command string, argv []string, optional bool) {
	switch {
	case command == "" && len(argv) == 0 && !optional:
		c.add("command", "is required (or argv)")
	case command != "" && len(argv) > 0:
		c.add("argv", "must not be set together with command")
	case len(argv) > 0 && argv[0] == "":
		c.add("argv", "must begin with a program")
	}
	c.words("command", command)
	total := 0
	for i, a := range argv {
		c.text(fmt.Sprintf("argv.%d", i), a, maxCommand)
		total += len(a) + 1
	}
	if total > maxCommand {
		c.add("argv", "is longer than %d bytes", maxCommand)
	}
}

// words complains about a text that cannot be split into words.
func (c *complaints) words(field, s string) {
	c.text(field, s, maxCommand)
	words, err := split(s)
	switch {
	case err != nil:
		c.add(field, "cannot be split into words as a shell would: %s", err)
	case s != "" && (len(words) == 0 || words[0] == ""):
		c.add(field, "must not be blank")
	}
}

// split splits a text into words as a POSIX shell would, without expanding
// anything.
func split(s string) ([]string, error) {
	words, err := shellquote.Split(s)
	switch {
	case errors.Is(err, shellquote.UnterminatedSingleQuoteError), errors.Is(err, shellquote.UnterminatedDoubleQuoteError):
		return nil, errors.New("a quote is not closed")
	case errors.Is(err, shellquote.UnterminatedEscapeError):
		return nil, errors.New("nothing follows the backslash at the end")
	}
	return words, err
}

// wordsOf returns argv, or the words of a text that has been checked.
func wordsOf(text string, argv []string) []string {
	if len(argv) > 0 {
		return argv
	}
	words, _ := split(text)
	return words
}
