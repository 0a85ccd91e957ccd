package scheduler

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

const (
	maxNotify       = 20
	maxNotifyConfig = 64 << 10
)

// Masked stands for a secret wherever a configuration is shown. Sent back, it
// means: as it is stored.
const Masked = "******"

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
	for _, key := range sender.Secrets() {
		if isMasked(object[key]) {
			f.add(at+"."+key, "is hidden, and it is not clear which stored one is meant: write it out")
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

func isMasked(value json.RawMessage) bool {
	var text string
	return json.Unmarshal(value, &text) == nil && text == Masked
}

// MaskNotify returns a copy that may be shown to everybody: Masked stands in
// place of each secret.
func (s *Service) MaskNotify(all []Notify) []Notify {
	shown := slices.Clone(all)
	for i := range shown {
		shown[i].Config = maskSecrets(shown[i].Config, s.Senders[shown[i].Kind])
	}
	return shown
}

// maskSecrets hides a sender's secrets; all values when nobody knows which they are.
func maskSecrets(config json.RawMessage, sender Sender) json.RawMessage {
	object := configKeys(config)
	if object == nil {
		return nil
	}
	var secrets []string
	if sender != nil {
		secrets = sender.Secrets()
	}
	for key, value := range object {
		set := !slices.Contains([]string{`""`, "null"}, string(value))
		if set && (sender == nil || slices.Contains(secrets, key)) {
			object[key] = json.RawMessage(`"` + Masked + `"`)
		}
	}
	return marshalKeys(object)
}

// marshalKeys writes an object of values that were read from JSON.
func marshalKeys(object map[string]json.RawMessage) json.RawMessage {
	b, err := json.Marshal(object)
	if err != nil {
		return nil
	}
	return b
}

// restoreSecrets returns given with the secrets of stored where it has Masked. An
// entry means the stored one that looks the same, or else the only one of its
// kind; where neither is there, the mask stays, and is refused by checkNotify.
func (s *Service) restoreSecrets(given, stored []Notify) []Notify {
	given = slices.Clone(given)
	left := slices.Clone(stored)
	for i := range given {
		n := &given[i]
		sender, object := s.Senders[n.Kind], configKeys(n.Config)
		if sender == nil || object == nil {
			continue
		}
		at := slices.IndexFunc(left, func(o Notify) bool {
			return o.Kind == n.Kind && sameJSON(maskSecrets(o.Config, sender), n.Config)
		})
		of := func(o Notify) bool { return o.Kind == n.Kind }
		if only := slices.IndexFunc(stored, of); at < 0 && only >= 0 && !slices.ContainsFunc(stored[only+1:], of) {
			at = slices.IndexFunc(left, of)
		}
		if at < 0 {
			continue
		}
		secrets := configKeys(left[at].Config)
		for _, key := range sender.Secrets() {
			if isMasked(object[key]) && secrets[key] != nil {
				object[key] = secrets[key]
			}
		}
		n.Config = marshalKeys(object)
		left = slices.Delete(left, at, at+1)
	}
	return given
}

// keepSecrets fills in the secrets that d only has the masks of, from the named job.
func (s *Service) keepSecrets(ctx context.Context, name string, d *Draft) error {
	if len(d.Notify) == 0 {
		return nil
	}
	stored, err := s.Store.JobByName(ctx, name)
	if err != nil {
		return err
	}
	d.Notify = s.restoreSecrets(d.Notify, stored.Notify)
	return nil
}

// validateNotify adds to err, which is nil or what else is wrong with d, what is
// wrong with its notifications.
func (s *Service) validateNotify(d *Draft, err error) error {
	var f fields
	f.checkNotify(d.Notify, s.Senders)
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

func sameJSON(a, b json.RawMessage) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
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
// the defaults'.
func (d *Defaults) with(own []Notify) []Notify {
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
			keys := configKeys(n.Config)
			if keys == nil {
				continue
			}
			maps.Copy(keys, configKeys(own[i].Config))
			all[i].Config = marshalKeys(keys)
		}
		if !named {
			all = append(all, n)
		}
	}
	return all
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
