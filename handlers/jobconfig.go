package handlers

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"belfry/scheduler"
	"belfry/views"
)

// How a form writes the fields of configurations that are not one text.
var (
	listFields   = map[string]string{"argv": "\n", "env_files": "\n", "volumes": "\n", "volumes_from": "\n", "expect_codes": ","}
	pairFields   = map[string]string{"env": "=", "annotations": "=", "headers": ":"}
	flagFields   = []string{"follow_redirects", "insecure_skip_verify", "tty", "privileged", "delete"}
	countFields  = []string{"max_body", "pids"}
	sizeFields   = []string{"memory", "memory_limit"}
	factorFields = []string{"cpus"}
)

// formConfig makes the configuration of the config.* fields. It begins with what
// is stored, so that what a form does not show, or nobody touched, stays as it is.
func (r *jobRequest) formConfig(values url.Values, stored *scheduler.Job) {
	config := map[string]json.RawMessage{}
	var shown map[string]string
	if stored != nil && stored.Executor == r.draft.Executor {
		_ = json.Unmarshal(stored.Config, &config) // it was an object when it was stored
		shown = views.FormValues(stored.Draft)
	}
	prefix := formPrefix(values, r.draft.Executor)
	for name, value := range values {
		key, ok := strings.CutPrefix(name, prefix)
		text := strings.ReplaceAll(value[len(value)-1], "\r\n", "\n")
		switch {
		case !ok || !r.belongs(key) || sameText(shown[name], text) && config[key] != nil:
		case strings.TrimSpace(text) == "":
			delete(config, key)
		default:
			config[key] = r.configValue(key, text)
		}
	}
	if raw := values.Get("config"); raw != "" && len(config) == 0 {
		r.draft.Config = json.RawMessage(raw)
		return
	}
	r.draft.Config, _ = json.Marshal(config) // of raw messages and texts: it cannot fail
}

// formPrefix begins the names of an executor's fields. Programs write config.KEY
// whatever it is.
func formPrefix(values url.Values, executor string) string {
	prefix := views.ConfigPrefix(executor)
	for name := range values {
		if strings.HasPrefix(name, prefix) {
			return prefix
		}
	}
	return "config."
}

// configFields are the fields of each executor: a form sends those of all.
var configFields = map[string][]string{
	"shell": {"command", "argv", "env", "dir", "user", "group", "memory_limit", "stdin", "stdin_base64", "umask", "shell", "env_files"},
	"http": {
		"url", "method", "headers", "body", "timeout", "expect_codes", "expect_body", "follow_redirects", "insecure_skip_verify",
		"ca_file", "client_cert_file", "client_key_file", "max_body",
	},
	"docker-exec": {"container", "command", "argv", "user", "tty", "env", "env_files", "dir", "privileged"},
	"docker-run": {
		"image", "container", "container_name", "command", "argv", "entrypoint", "user", "tty", "delete", "pull", "network", "hostname",
		"env", "env_files", "dir", "volumes", "volumes_from", "annotations", "stop_signal", "stop_timeout", "memory", "cpus", "pids",
	},
	"docker-service": {
		"image", "command", "argv", "network", "hostname", "dir", "volumes", "user", "tty", "delete", "env", "env_files", "annotations",
		"memory", "cpus",
	},
}

// belongs reports whether a field is one of the chosen executor's. Of executors
// that are not known here everything is.
func (r *jobRequest) belongs(key string) bool {
	known, ok := configFields[r.draft.Executor]
	return !ok || slices.Contains(known, key)
}

func (r *jobRequest) configValue(key, text string) json.RawMessage {
	var v any = text
	if separator, ok := listFields[key]; ok {
		v = splitList(text, separator)
	} else if separator, ok := pairFields[key]; ok {
		v = r.pairs("config."+key, separator, text)
	} else if slices.Contains(countFields, key) {
		v = r.number("config."+key, text)
	} else if slices.Contains(sizeFields, key) {
		v = r.size("config."+key, text)
	} else if slices.Contains(factorFields, key) {
		v = r.factor("config."+key, text)
	} else if slices.Contains(flagFields, key) {
		v = text != "false" // a checked box without a value is sent as "on"
	}
	b, _ := json.Marshal(v) // of texts: it cannot fail
	return b
}

// splitList reads a list as views.FormValues writes it: JSON where a line each
// would not do.
func splitList(text, separator string) []string {
	var items []string
	if strings.HasPrefix(text, "[") && json.Unmarshal([]byte(text), &items) == nil {
		return items
	}
	for item := range strings.SplitSeq(text, separator) {
		if separator != "\n" {
			item = strings.TrimSpace(item)
		}
		if item != "" {
			items = append(items, item)
		}
	}
	return items
}

// pairs reads a name and a value a line.
func (r *jobRequest) pairs(field, separator, text string) map[string]string {
	pairs := map[string]string{}
	n := 0
	for line := range strings.SplitSeq(text, "\n") {
		n++
		if strings.TrimSpace(line) == "" {
			continue
		}
		name, value, ok := strings.Cut(line, separator)
		name = strings.TrimSpace(name)
		switch _, twice := pairs[name]; {
		case !ok || name == "":
			r.bad(field, "line %d is not a name, %q and a value", n, separator)
			return pairs
		case twice:
			r.bad(field, "line %d names %.80q a second time", n, name)
			return pairs
		}
		if separator == ":" {
			value = strings.TrimSpace(value)
		}
		pairs[name] = value
	}
	return pairs
}
