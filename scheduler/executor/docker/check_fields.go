package docker

import (
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/distribution/reference"
)

func (c *complaints) env(env map[string]string, files []string) {
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
			c.text(field, env[name], maxEnv)
		}
	}
	if total > maxEnv {
		c.add("env", "is longer than %d bytes", maxEnv)
	}
	c.texts("env_files", files)
	for i, file := range files {
		if file != "" && !filepath.IsAbs(file) {
			c.add(fmt.Sprintf("env_files.%d", i), "must be an absolute path on the server")
		}
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

// dir complains about a path within a container that is not absolute.
func (c *complaints) dir(field, s string) {
	c.text(field, s, maxText)
	if s != "" && !path.IsAbs(s) {
		c.add(field, "must be an absolute path")
	}
}

func (c *complaints) image(s string) {
	c.text("image", s, maxText)
	if _, err := reference.ParseNormalizedNamed(s); err != nil {
		c.add("image", "is not an image's name: %s", strings.TrimPrefix(err.Error(), "invalid reference format: "))
	}
}

var containerName = regexp.MustCompile(`^/?[a-zA-Z0-9][a-zA-Z0-9_.-]*$`)

// container complains about what no container can be called.
func (c *complaints) container(field, s string) {
	c.text(field, s, maxText)
	if s != "" && !containerName.MatchString(s) {
		c.add(field, "is not a container's name or id (letters, digits, _, . and -)")
	}
}

func (c *complaints) limits(memory int64, cpus float64, pids int64) {
	if memory != 0 && memory < minMemory {
		c.add("memory", "must be at least %d bytes", minMemory)
	}
	if cpus < 0 || cpus > 10000 || cpus > 0 && cpus < 0.01 {
		c.add("cpus", "must be from 0.01 to 10000")
	}
	if pids < 0 {
		c.add("pids", "must not be negative")
	}
}

// annotations complains about labels that are ours.
func (c *complaints) annotations(list map[string]string) {
	for _, key := range slices.Sorted(maps.Keys(list)) {
		switch {
		case key == "":
			c.add("annotations", "must not have an empty name")
		case strings.HasPrefix(key, labelPrefix):
			c.add("annotations."+key, "names that begin with %s are Belfry's own", labelPrefix)
		default:
			c.text("annotations."+key, key+list[key], maxEnv)
		}
	}
}
