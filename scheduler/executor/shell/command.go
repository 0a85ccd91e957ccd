package shell

import (
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/kballard/go-shellquote"

	"belfry/scheduler"
)

const (
	// reserved begins the names that hold Belfry's own settings, secrets among
	// them; no run inherits these.
	reserved = "BELFRY_"
	// markerEnv names the server life (its data folder) a process belongs to.
	markerEnv = "BELFRY_SUPERVISOR"
	runEnv    = "BELFRY_EXECUTION_ID"
)

// commands returns the argument lists to try in turn: the next one only when
// the one before could not be started at all.
func (c *Config) commands() [][]string {
	if len(c.Argv) > 0 {
		return [][]string{c.Argv}
	}
	if c.Shell == NoShell {
		if words, err := shellquote.Split(c.Command); err == nil && len(words) > 0 {
			return [][]string{words}
		}
	}
	sh := c.Shell
	if sh == "" {
		sh = "/bin/sh"
	}
	if len(c.Command) > maxString {
		return [][]string{splitScript(sh, c.Command)}
	}
	script := []string{sh, "-c", c.Command}
	if words := plainWords(c.Command); words != nil && c.Shell == "" {
		// A shell would do no more than execute it, and loading the shell costs as
		// much as a small program. What cannot be executed is left to the shell to
		// explain (or to interpret: a script without #!).
		return [][]string{words, script}
	}
	return [][]string{script}
}

// plainWords splits a command of which a shell would only split the words, and
// returns nil for every other.
func plainWords(command string) []string {
	for _, r := range command {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		case strings.ContainsRune(" /._-+,:@%=", r):
		default:
			return nil
		}
	}
	words := strings.Fields(command)
	if len(words) == 0 || !filepath.IsAbs(words[0]) || strings.Contains(words[0], "=") {
		return nil
	}
	return words
}

// splitScript passes a script that is too long for one argument as several,
// which the shell joins again. The positional parameters are gone when it begins.
func splitScript(sh, script string) []string {
	argv := []string{sh, "-c", "", sh}
	join := ""
	for n := 1; script != ""; n++ {
		cut := min(len(script), maxString)
		argv = append(argv, script[:cut])
		script = script[cut:]
		join += "${" + strconv.Itoa(n) + "}"
	}
	argv[2] = `eval "shift $#;` + join + `"`
	return argv
}

// environ returns what a run's environment has beyond the server's.
func environ(c *Config, t scheduler.Task, marker string, who *account) []string {
	env := make([]string, 0, len(c.Env)+10)
	if who != nil {
		for _, kv := range [...][2]string{{"HOME", who.home}, {"USER", who.name}, {"LOGNAME", who.name}} {
			if _, set := c.Env[kv[0]]; !set {
				env = append(env, kv[0]+"="+kv[1])
			}
		}
	}
	if _, set := c.Env["PWD"]; !set && c.Dir != "" {
		env = append(env, "PWD="+c.Dir)
	}
	for k, v := range c.Env {
		env = append(env, k+"="+v)
	}
	e := &t.Execution
	return append(env,
		runEnv+"="+e.ID,
		"BELFRY_JOB="+t.Job.Name,
		"BELFRY_ATTEMPT="+strconv.Itoa(e.Attempt),
		"BELFRY_DUE_AT="+e.DueAt.UTC().Format(time.RFC3339),
		"BELFRY_TRIGGER="+string(e.Trigger.Kind),
		markerEnv+"="+marker,
	)
}

// inherited is what runs get of the environment env.
func inherited(env []string) []string {
	var kept []string
	for _, kv := range env {
		if !strings.HasPrefix(kv, reserved) {
			kept = append(kept, kv)
		}
	}
	return kept
}

// lookPath finds program as execvp would, in the run's PATH.
func lookPath(program string, env map[string]string) (string, error) {
	if strings.Contains(program, "/") {
		return program, nil
	}
	path, set := env["PATH"]
	if !set {
		path = os.Getenv("PATH")
	}
	for _, dir := range filepath.SplitList(path) {
		file := filepath.Join(dir, program)
		if st, err := os.Stat(file); err == nil && st.Mode().IsRegular() && st.Mode().Perm()&0o111 != 0 && filepath.IsAbs(file) {
			return file, nil
		}
	}
	return "", failure(program + ": not found in PATH")
}

// account is who a run runs as.
type account struct {
	name, home string
	uid, gid   uint32
	groups     []uint32
}

// findAccount looks a user up by name or, when it is a number, by id. It
// returns nil for the user that the server runs as anyway and may not change. A
// group, if one is named, takes the place of the user's own.
func findAccount(name, group string) (*account, error) {
	u, err := user.Lookup(name)
	if err != nil {
		if _, numErr := strconv.ParseUint(name, 10, 32); numErr == nil {
			u, err = user.LookupId(name)
		}
	}
	if err != nil {
		return nil, failure("no such user: " + name)
	}
	if self := os.Geteuid(); self != 0 {
		if u.Uid == strconv.Itoa(self) {
			return nil, nil
		}
		return nil, failure("cannot run as " + name + ": only a server that runs as root can")
	}
	ids, err := u.GroupIds()
	if err != nil {
		return nil, failure("cannot read the groups of " + name + ": " + err.Error())
	}
	a := &account{name: u.Username, home: u.HomeDir, uid: id(u.Uid), gid: id(u.Gid)}
	for _, g := range ids {
		a.groups = append(a.groups, id(g))
	}
	if group == "" {
		return a, nil
	}
	g, err := user.LookupGroup(group)
	if err != nil {
		if _, numErr := strconv.ParseUint(group, 10, 32); numErr != nil {
			return nil, failure("no such group: " + group)
		}
		g = &user.Group{Gid: group}
	}
	a.gid = id(g.Gid)
	return a, nil
}

func id(s string) uint32 {
	n, _ := strconv.ParseUint(s, 10, 32) // from the user database: always a number
	return uint32(n)
}

// failure is an error whose text is the reason shown to people.
type failure string

func (f failure) Error() string { return string(f) }

// startError says in words why argv could not be started.
func startError(errno syscall.Errno, path string, c *Config) string {
	what := path
	if c.Dir != "" {
		if _, err := os.Stat(c.Dir); err != nil {
			what = c.Dir
		}
	}
	switch {
	case errno == syscall.E2BIG:
		return "cannot start: the arguments and the environment are too long for the kernel"
	case errno == syscall.ENOENT && what == path && exists(path):
		return "cannot start: " + path + ": the program that should interpret it does not exist"
	case errno == syscall.EACCES && c.Dir != "" && c.User != "":
		return "cannot start: " + path + " in " + c.Dir + " as " + c.User + ": permission denied"
	}
	return "cannot start: " + what + ": " + errno.Error()
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
