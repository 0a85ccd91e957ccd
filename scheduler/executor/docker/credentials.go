package docker

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/distribution/reference"
	"github.com/moby/moby/api/pkg/authconfig"
	"github.com/moby/moby/api/types/registry"
)

// dockerHub is how the docker config file names the registry of images without
// one.
const dockerHub = "https://index.docker.io/v1/"

// dockerConfig is what we use of docker's config file.
type dockerConfig struct {
	Auths map[string]struct {
		Auth          string `json:"auth"`
		Username      string `json:"username"`
		Password      string `json:"password"`
		IdentityToken string `json:"identitytoken"`
	} `json:"auths"`
	CredsStore  string            `json:"credsStore"`
	CredHelpers map[string]string `json:"credHelpers"`
}

// registryAuth returns the login for an image's registry from the docker config
// file, as the engine wants it, "" for none. hint says what may be missing. The
// file is read each time: a login may be renewed.
func registryAuth(image string) (auth, hint string, err error) {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return "", "", err
	}
	file := configFile()
	content, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", "", nil
	}
	var c dockerConfig
	if err == nil {
		err = json.Unmarshal(content, &c)
	}
	if err != nil {
		return "", "", fmt.Errorf("the registry's login cannot be read: %w", err)
	}
	server := reference.Domain(named)
	if server == "docker.io" {
		server = dockerHub
	}
	for name, a := range c.Auths {
		if name != server && hostOf(name) != hostOf(server) {
			continue
		}
		user, password := a.Username, a.Password
		if a.Auth != "" {
			if user, password, err = decodeAuth(a.Auth); err != nil {
				return "", "", fmt.Errorf("%s: the login of %s: %w", file, name, err)
			}
		}
		if user == "" && a.IdentityToken == "" {
			continue // it is in a credential store
		}
		auth, err = authconfig.Encode(registry.AuthConfig{Username: user, Password: password, IdentityToken: a.IdentityToken, ServerAddress: server})
		return auth, "", err
	}
	if c.CredsStore != "" || c.CredHelpers[hostOf(server)] != "" {
		hint = file + " names a credential helper, which Belfry does not use: it needs the login in auths"
	}
	return "", hint, nil
}

func configFile() string {
	dir := os.Getenv("DOCKER_CONFIG")
	if dir == "" {
		home, _ := os.UserHomeDir()
		dir = filepath.Join(home, ".docker")
	}
	return filepath.Join(dir, "config.json")
}

// hostOf takes what older files have around the host of a registry.
func hostOf(server string) string {
	server = strings.TrimPrefix(strings.TrimPrefix(server, "https://"), "http://")
	host, _, _ := strings.Cut(server, "/")
	return host
}

func decodeAuth(s string) (user, password string, err error) {
	text, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return "", "", errors.New("is not base64")
	}
	user, password, ok := strings.Cut(strings.TrimRight(string(text), "\x00"), ":")
	if !ok {
		return "", "", errors.New("is not user:password")
	}
	return user, password, nil
}
