package scheduler

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

const (
	maxNotify       = 20
	maxNotifyConfig = 64 << 10
)

// checkNotify checks what is done with outcomes.
func (f *fields) checkNotify(all []Notify, senders map[string]Sender) {
	if len(all) > maxNotify {
		f.add("notify", "at most %d notifications", maxNotify)
		return
	}
	for i, n := range all {
		at := fmt.Sprintf("notify.%d.", i)
		if n.On != "" {
			oneOf(f, at+"on", n.On, Conditions)
		}
		sender, ok := senders[n.Kind]
		if !ok {
			f.add(at+"kind", "%q is not known; use one of %s", cut(n.Kind, 40), strings.Join(slices.Sorted(maps.Keys(senders)), ", "))
			continue
		}
		f.notifyConfig(at+"config", n.Config, sender)
	}
}

func (f *fields) notifyConfig(at string, config json.RawMessage, sender Sender) {
	if len(config) == 0 {
		return
	}
	object := configKeys(config)
	switch {
	case len(config) > maxNotifyConfig:
		f.add(at, "is too large: %d bytes, at most %d", len(config), maxNotifyConfig)
		return
	case object == nil:
		f.add(at, "must be a JSON object")
		return
	}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		// JSON's decoder takes other spellings of a key, which would hide it from
		// what looks for secrets.
		if strings.Trim(key, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
			f.add(at, "has the key %q: keys are of small letters, digits and underscores", cut(key, 40))
			return
		}
	}
	for _, key := range sender.Secrets() {
		if isMasked(object[key]) {
			f.add(at+"."+key, "is hidden, and it is not clear which stored one is meant, or it would go elsewhere: write it out")
			return
		}
	}
	err := sender.Check(config)
	var e *Error
	switch {
	case err == nil:
	case !errors.As(err, &e) || len(e.Fields) == 0:
		f.add(at, "%s", err.Error())
	default:
		for _, fe := range e.Fields {
			fe.Field = strings.TrimSuffix(at+"."+fe.Field, ".")
			*f = append(*f, fe)
		}
	}
}

// configKeys returns the entries of an object; nil when config is none.
func configKeys(config json.RawMessage) (object map[string]json.RawMessage) {
	if json.Unmarshal(config, &object) != nil {
		return nil
	}
	return object
}

// validateNotify adds to err, which is nil or what else is wrong with d, what is
// wrong with its notifications.
func validateNotify(d *Draft, senders map[string]Sender, err error) error {
	var f fields
	f.checkNotify(d.Notify, senders)
	var invalid *Error
	if len(f) == 0 || err != nil && !errors.As(err, &invalid) {
		return err
	}
	if invalid == nil {
		return f.err()
	}
	invalid.Fields = append(invalid.Fields, f...)
	return invalid
}

// normalizeNotify makes an empty configuration absent.
func normalizeNotify(all []Notify) []Notify {
	all = slices.Clone(all)
	for i := range all {
		switch text := bytes.TrimSpace(all[i].Config); string(text) {
		case "", "null", "{}":
			all[i].Config = nil
		}
	}
	return all
}

// with returns what a job's notifications are together with the defaults: a job's
// own keys and condition come first, and of the kinds that it does not name it has
// the defaults'. The defaults' secrets go nowhere but where the defaults say.
func (d *Defaults) with(own []Notify, senders map[string]Sender) []Notify {
	if d == nil {
		return own
	}
	all := slices.Clone(own)
	for _, n := range d.Notify {
		named := false
		for i := range own {
			if own[i].Kind != n.Kind {
				continue
			}
			named = true
			if all[i].On == "" {
				all[i].On = n.On
			}
			if keys := configKeys(n.Config); keys != nil {
				all[i].Config = merge(keys, configKeys(own[i].Config), senders[n.Kind])
			}
		}
		if !named {
			all = append(all, n)
		}
	}
	return all
}

func merge(defaults, own map[string]json.RawMessage, sender Sender) json.RawMessage {
	if sender == nil || moved(own, defaults, sender) {
		maps.DeleteFunc(defaults, func(key string, _ json.RawMessage) bool {
			return sender == nil || slices.Contains(sender.Secrets(), key)
		})
	}
	maps.Copy(defaults, own)
	return marshalKeys(defaults)
}

// meets reports whether a group that ended in state is to be told. A due time that
// was missed is no outcome, but whoever wants to hear of failures wants to hear
// of it.
func (n *Notify) meets(state State) bool {
	switch {
	case state == Missed:
		return n.On != OnSuccess
	case n.On == "":
		return OnAny.Met(state)
	default:
		return n.On.Met(state)
	}
}
