package docker

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/mount"
)

// volume is one entry of volumes.
type volume struct {
	source  string // a path of the host, a volume's name, or "" for an anonymous one
	target  string
	options []string
}

var volumeName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`)

// volumeOptions are docker's, for -v.
var volumeOptions = []string{
	"ro", "rw", "z", "Z", "nocopy", "private", "rprivate", "shared", "rshared", "slave", "rslave", "cached", "delegated", "consistent",
}

func parseVolume(s string) (volume, error) {
	parts := strings.Split(s, ":")
	var v volume
	switch len(parts) {
	case 1:
		v.target = parts[0]
	case 2, 3:
		v.source, v.target = parts[0], parts[1]
	}
	if len(parts) == 3 {
		v.options = strings.Split(parts[2], ",")
	}
	switch {
	case len(parts) > 3 || !path.IsAbs(v.target) || path.Clean(v.target) == "/":
		return v, errors.New(`must be like "/host:/path", "name:/path:ro" or "/path"`)
	case len(parts) > 1 && !path.IsAbs(v.source) && !volumeName.MatchString(v.source):
		return v, fmt.Errorf("%q is neither an absolute path nor a volume's name", v.source)
	}
	for _, o := range v.options {
		if !slices.Contains(volumeOptions, o) {
			return v, fmt.Errorf("%q is not an option of a volume", o)
		}
	}
	return v, nil
}

// mount says the volume as swarm wants it.
func (v volume) mount() (mount.Mount, error) {
	m := mount.Mount{Type: mount.TypeVolume, Source: v.source, Target: v.target}
	if path.IsAbs(v.source) {
		m.Type = mount.TypeBind
	}
	for _, o := range v.options {
		switch o {
		case "ro":
			m.ReadOnly = true
		case "rw":
		case "nocopy":
			m.VolumeOptions = &mount.VolumeOptions{NoCopy: true}
		default:
			return m, fmt.Errorf("%q is not an option of a service's volume", o)
		}
	}
	return m, nil
}
