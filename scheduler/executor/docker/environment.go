package docker

import (
	"bufio"
	"bytes"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"belfry/scheduler"
)

const (
	// reserved begins the names that are Belfry's own.
	reserved = "BELFRY_"
	runEnv   = "BELFRY_EXECUTION_ID"
	// execEnv names the instance a process of docker-exec belongs to. Containers have
	// labels for that.
	execEnv = "BELFRY_DOCKER_EXEC"
)

// The labels of everything that is made for a run.
const (
	labelPrefix    = "belfry."
	labelExecution = "belfry.execution"
	labelJob       = "belfry.job"
	labelInstance  = "belfry.instance"
	labelKeep      = "belfry.keep" // "true": not removed after the run
)

func (e *Engine) labels(t scheduler.Task, extra map[string]string, keep bool) map[string]string {
	labels := maps.Clone(extra)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[labelExecution] = t.Execution.ID
	labels[labelJob] = t.Job.Name
	labels[labelInstance] = e.opts.Instance
	if keep {
		labels[labelKeep] = "true"
	}
	return labels
}

// environ returns the variables of a run: the files' in their order, then those
// of the job, then Belfry's, as the shell executor has them.
func environ(env map[string]string, files []string, t scheduler.Task) ([]string, error) {
	all := map[string]string{}
	for _, file := range files {
		if err := readEnvFile(file, all); err != nil {
			return nil, err
		}
	}
	maps.Copy(all, env)
	list := make([]string, 0, len(all)+5)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		list = append(list, name+"="+all[name])
	}
	e := &t.Execution
	return append(list,
		runEnv+"="+e.ID,
		"BELFRY_JOB="+t.Job.Name,
		"BELFRY_ATTEMPT="+strconv.Itoa(e.Attempt),
		"BELFRY_DUE_AT="+e.DueAt.UTC().Format(time.RFC3339),
		"BELFRY_TRIGGER="+string(e.Trigger.Kind),
	), nil
}

// readEnvFile reads a file as docker's --env-file does: NAME=value, where the
// value is taken as it is, quotes included; NAME alone takes the server's value if
// it has one; # begins a comment at the beginning of a line only.
func readEnvFile(file string, into map[string]string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("env_files: %w", err)
	}
	lines := bufio.NewScanner(bytes.NewReader(bytes.TrimPrefix(content, []byte("\ufeff"))))
	lines.Buffer(nil, maxEnv)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimLeftFunc(lines.Text(), unicode.IsSpace)
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, set := strings.Cut(line, "=")
		switch {
		case name == "" || strings.ContainsFunc(name, unicode.IsSpace) || strings.IndexByte(line, 0) >= 0:
			return fmt.Errorf("env_files: %s, line %d: must be NAME=value", file, n)
		case strings.HasPrefix(name, reserved):
			return fmt.Errorf("env_files: %s, line %d: names that begin with %s are Belfry's own", file, n, reserved)
		case set:
			into[name] = value
		default:
			if value, ok := os.LookupEnv(name); ok {
				into[name] = value
			}
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("env_files: %s: %w", file, err)
	}
	return nil
}
