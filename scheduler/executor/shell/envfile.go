package shell

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"
)

// withEnvFiles returns the configuration with what its files say now in Env. c
// stays as it is.
func (c *Config) withEnvFiles() (*Config, error) {
	if len(c.EnvFiles) == 0 {
		return c, nil
	}
	env := map[string]string{}
	for _, path := range c.EnvFiles {
		if err := readEnvFile(path, env); err != nil {
			return nil, fmt.Errorf("env_files: %w", err)
		}
	}
	maps.Copy(env, c.Env)
	with := *c
	with.Env = env
	return &with, nil
}

func readEnvFile(path string, env map[string]string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it was only read
	lines := bufio.NewScanner(io.LimitReader(f, maxEnv+1))
	lines.Buffer(nil, maxString)
	size := 0
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSuffix(strings.TrimPrefix(lines.Text(), "\ufeff"), "\r")
		if size += len(text) + 1; size > maxEnv {
			return fmt.Errorf("%s: is longer than %d bytes", path, maxEnv)
		}
		if text = strings.TrimLeft(text, " \t"); text == "" || text[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(text, "=")
		switch {
		case !ok || !validName(name):
			// The line may hold a secret: only its number is told.
			return fmt.Errorf("%s: line %d is not NAME=value", path, n)
		case strings.HasPrefix(name, reserved):
			return fmt.Errorf("%s: line %d: names that begin with %s are Belfry's own", path, n, reserved)
		case strings.IndexByte(text, 0) >= 0:
			return fmt.Errorf("%s: line %d has a NUL byte", path, n)
		}
		env[name] = value
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
