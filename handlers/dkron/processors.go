package dkron

import (
	"encoding/json"
	"maps"
	"path"
	"slices"
	"strconv"

	"belfry/scheduler"
)

// defaultLogDir is where the processor files writes unless it is told.
const defaultLogDir = "/var/log/dkron"

// processors are those that there are, with the keys that each knows.
var processors = map[string][]string{"log": nil, "files": {"log_dir"}, "syslog": {"address"}, "fluent": {"host", "port", "tag"}}

// notifyOf are processors as what is done with each outcome; those that are not
// known are left out.
func notifyOf(all map[string]texts) (list []scheduler.Notify) {
	for _, kind := range slices.Sorted(maps.Keys(all)) {
		keys, known := processors[kind]
		if !known {
			continue
		}
		config := map[string]any{"forward": isTrue(all[kind]["forward"])}
		for _, key := range keys {
			config[key] = string(all[kind][key])
			if key == "port" {
				port, _ := strconv.ParseInt(string(all[kind][key]), 10, 64) // checkProcessors has read it
				config[key] = port
			}
		}
		list = append(list, scheduler.Notify{Kind: kind, On: scheduler.OnAny, Config: object(config)})
	}
	return list
}

// checkProcessors refuses values that cannot be read.
func checkProcessors(all map[string]texts) error {
	if port := all["fluent"]["port"]; port != "" {
		if n, err := strconv.Atoi(string(port)); err != nil || n < 1 || n > 65535 {
			return invalid("the port of the processor fluent must be 1 to 65535")
		}
	}
	return nil
}

// withProcessors replaces the processors among what is done with outcomes.
func withProcessors(list []scheduler.Notify, all map[string]texts) []scheduler.Notify {
	return append(slices.DeleteFunc(slices.Clone(list), isProcessor), notifyOf(all)...)
}

func isProcessor(n scheduler.Notify) bool {
	_, is := processors[n.Kind]
	return is
}

// shownProcessors are a job's processors as they came, and those of them that were
// changed since as they are.
func shownProcessors(list []scheduler.Notify, k *kept) map[string]texts {
	shown := map[string]texts{}
	was := notifyOf(k.Processors)
	for kind, config := range k.Processors {
		if _, known := processors[kind]; !known {
			shown[kind] = orNone(config)
		}
	}
	for _, n := range list {
		if !isProcessor(n) {
			continue
		}
		same := func(w scheduler.Notify) bool {
			return w.Kind == n.Kind && sameJSON(orObject(w.Config), orObject(n.Config))
		}
		if slices.ContainsFunc(was, same) {
			shown[n.Kind] = orNone(k.Processors[n.Kind])
			continue
		}
		var values map[string]any
		_ = json.Unmarshal(n.Config, &values) // it was an object when it was stored
		shown[n.Kind] = texts{}
		for key, v := range values {
			shown[n.Kind][key] = flat(v)
		}
	}
	return shown
}

func orNone(t texts) texts {
	if t == nil {
		return texts{}
	}
	return t
}

func orObject(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 {
		return json.RawMessage("{}")
	}
	return raw
}

// processed is what is shown in place of an output that a processor has taken
// somewhere else; "" when none did.
func processed(list []scheduler.Notify, e *scheduler.Execution) string {
	for _, n := range list {
		if !isProcessor(n) {
			continue
		}
		var c struct {
			Forward bool   `json:"forward"`
			LogDir  string `json:"log_dir"`
		}
		_ = json.Unmarshal(orObject(n.Config), &c) // it was checked when it was stored
		if c.Forward {
			continue
		}
		if n.Kind != "files" {
			return "Output in " + map[string]string{"log": "dkron log", "syslog": "syslog", "fluent": "fluent"}[n.Kind]
		}
		if c.LogDir == "" {
			c.LogDir = defaultLogDir
		}
		return path.Join(c.LogDir, e.ID+".log")
	}
	return ""
}
