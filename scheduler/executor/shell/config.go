package shell

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/kballard/go-shellquote"

	"belfry/scheduler"
)

// Limits of a configuration.
const (
	maxCommand = 256 << 10
	maxArgs    = 2 << 20
	maxEnv     = 256 << 10
	maxStdin   = 1 << 20
	maxPath    = 4095
	maxFiles   = 100
	// maxString is the kernel's limit on one argument or variable (MAX_ARG_STRLEN,
	// less the NUL).
	maxString = 128<<10 - 1
)

// NoShell is the value of Config.Shell that means none.
const NoShell = "none"

// Config is what a job with the executor "shell" runs. Exactly one of Command
// and Argv is set.
type Config struct {
	// Command is a script for the shell, at most 256 KiB. One that is nothing but
	// plain words, the first an absolute path, is executed without a shell between.
	Command string `json:"command,omitempty"`
	// Argv is a program and its arguments, run without a shell. A program without
	// a slash is looked up in the run's PATH.
	Argv []string `json:"argv,omitempty"`
	// Env is added to the server's environment and replaces what has the same
	// name. Names that begin with BELFRY_ are Belfry's own.
	Env map[string]string `json:"env,omitempty"`
	// Dir is the working directory, absolute; empty is the server's.
	Dir string `json:"dir,omitempty"`
	// User is a name or a numeric id; its groups and its HOME, USER and LOGNAME
	// come with it. Only a server that runs as root can run as somebody else.
	User string `json:"user,omitempty"`
	// Stdin is what the program reads; empty is an empty input.
	Stdin string `json:"stdin,omitempty"`
	// StdinBase64 is the same for what is no text, instead of Stdin.
	StdinBase64 string `json:"stdin_base64,omitempty"`
	// Group is a name or a numeric id that takes the place of User's own group.
	Group string `json:"group,omitempty"`
	// MemoryLimit is how many bytes of memory all processes of a run together may
	// use; one that uses more is killed and has failed. It is looked at twice a
	// second. 0 is no limit.
	MemoryLimit int64 `json:"memory_limit,omitempty"`
	// Umask is octal, like "0022"; empty is the server's.
	Umask string `json:"umask,omitempty"`
	// EnvFiles are files of NAME=value lines, absolute paths, read when the job runs:
	// empty lines and those that begin with # do not count, nothing is unquoted. A
	// later file replaces what an earlier one says, and Env both.
	EnvFiles []string `json:"env_files,omitempty"`
	// Shell is the absolute path of what is given `-c` and Command; empty is /bin/sh.
	// NoShell runs Command without a shell: it is split into words as a shell would,
	// and nothing in them is expanded.
	Shell string `json:"shell,omitempty"`
}

// Check validates a configuration. It looks at the text only: whether the
// directory, the user and the program exist is known when the job runs.
func (*Executor) Check(config json.RawMessage) error {
	var c Config
	fields := decodeStrict(config, &c)
	if len(fields) == 0 {
		fields = c.validate()
	}
	if len(fields) > 0 {
		return &scheduler.Error{Code: scheduler.CodeInvalid, Message: "the configuration is not valid", Fields: fields}
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
	if field != "stdin" && strings.IndexByte(s, 0) >= 0 {
		c.add(field, "must not contain a NUL byte")
	}
}

func (c *complaints) path(field, p string) {
	c.text(field, p, maxPath)
	if p != "" && !filepath.IsAbs(p) {
		c.add(field, "must be an absolute path")
	}
}

func (c *Config) validate() []scheduler.FieldError {
	var bad complaints
	switch {
	case c.Command == "" && len(c.Argv) == 0:
		bad.add("command", "is required (or argv)")
	case c.Command != "" && len(c.Argv) > 0:
		bad.add("argv", "must not be set together with command")
	case c.Command != "" && strings.TrimSpace(c.Command) == "":
		bad.add("command", "must not be blank")
	case len(c.Argv) > 0 && c.Argv[0] == "":
		bad.add("argv", "must begin with a program")
	}
	bad.text("command", c.Command, maxCommand)
	total := 0
	for i, a := range c.Argv {
		bad.text(fmt.Sprintf("argv.%d", i), a, maxString)
		total += len(a) + 1
	}
	if total > maxArgs {
		bad.add("argv", "is longer than %d bytes", maxArgs)
	}
	bad.env(c.Env)
	bad.path("dir", c.Dir)
	if len(c.EnvFiles) > maxFiles {
		bad.add("env_files", "at most %d files", maxFiles)
	}
	for i, f := range c.EnvFiles {
		if f == "" {
			bad.add("env_files", "has an empty path")
		}
		bad.path(fmt.Sprintf("env_files.%d", i), f)
	}
	if c.Shell != NoShell {
		bad.path("shell", c.Shell)
	} else if words, err := shellquote.Split(c.Command); err != nil {
		bad.add("command", "cannot be split into words: %s", err.Error())
	} else if c.Command != "" && (len(words) == 0 || words[0] == "") {
		bad.add("command", "must begin with a program")
	}
	if c.Shell != "" && len(c.Argv) > 0 {
		bad.add("shell", "has no use without command")
	}
	bad.text("stdin", c.Stdin, maxStdin)
	if in, err := base64.StdEncoding.DecodeString(c.StdinBase64); err != nil || c.StdinBase64 != "" && c.Stdin != "" {
		bad.add("stdin_base64", "must be base64, and not set together with stdin")
	} else {
		bad.text("stdin", string(in), maxStdin)
	}
	bad.text("user", c.User, 256)
	bad.text("group", c.Group, 256)
	if c.Group != "" && c.User == "" {
		bad.add("group", "needs a user")
	}
	if c.MemoryLimit < 0 {
		bad.add("memory_limit", "must not be negative")
	}
	if _, err := c.umask(); err != nil {
		bad.add("umask", `must be octal from 0000 to 0777, like "0022"`)
	}
	return bad
}

func (c *complaints) env(env map[string]string) {
	total := 0
	for _, name := range slices.Sorted(maps.Keys(env)) {
		field := "env." + name
		total += len(name) + len(env[name]) + 2
		switch {
		case !validName(name):
			c.add("env", "%q is not a variable's name (letters, digits and _, not beginning with a digit)", name)
		case strings.HasPrefix(name, reserved):
			c.add(field, "names that begin with %s are Belfry's own", reserved)
		default:
			c.text(field, env[name], maxString-len(name)-1)
		}
	}
	if total > maxEnv {
		c.add("env", "is longer than %d bytes", maxEnv)
	}
}

func validName(s string) bool {
	for i, r := range s {
		letter := r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return s != ""
}

// umask returns the mask, -1 when the server's own is to stay.
func (c *Config) umask() (int, error) {
	if c.Umask == "" {
		return -1, nil
	}
	n, err := strconv.ParseUint(c.Umask, 8, 32)
	if err != nil || n > 0o777 {
		return 0, errors.New("no umask")
	}
	return int(n), nil
}

// configs remembers what jobs' configurations say: reading one costs as much as
// several system calls. The zero value is empty.
type configs struct {
	mu   sync.Mutex
	byID map[string]known
}

type known struct {
	raw    json.RawMessage
	config *Config
}

// get returns the configuration of a job, read and valid, or the reason why it
// is not. Nobody changes it.
func (k *configs) get(jobID string, raw json.RawMessage) (*Config, error) {
	const enough = 4096
	k.mu.Lock()
	hit := k.byID[jobID]
	k.mu.Unlock()
	if hit.config != nil && bytes.Equal(hit.raw, raw) {
		return hit.config, nil
	}
	c := new(Config)
	if err := json.Unmarshal(raw, c); err != nil {
		return nil, failure("the configuration cannot be read: " + err.Error())
	}
	if bad := c.validate(); len(bad) > 0 {
		return nil, failure("the configuration is not valid: " + bad[0].Field + " " + bad[0].Message)
	}
	if c.StdinBase64 != "" {
		in, _ := base64.StdEncoding.DecodeString(c.StdinBase64) // validate has read it
		c.Stdin = string(in)
	}
	if len(raw) < 16<<10 {
		k.mu.Lock()
		if k.byID == nil || len(k.byID) >= enough {
			k.byID = map[string]known{}
		}
		k.byID[jobID] = known{bytes.Clone(raw), c}
		k.mu.Unlock()
	}
	return c, nil
}
