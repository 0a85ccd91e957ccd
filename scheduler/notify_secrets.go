package scheduler

import (
	"context"
	"encoding/json"
	"reflect"
	"slices"
)

// Masked stands for a secret wherever a configuration is shown. Sent back, it
// means: as it is stored.
const Masked = "******"

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
		empty := string(value) == `""` || string(value) == "null"
		if !empty && (sender == nil || slices.Contains(secrets, key)) {
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
// kind, if its secrets go to the same target; where neither is there, the mask
// stays, and is refused by checkNotify.
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
		if moved(object, secrets, sender) {
			continue
		}
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

// moved reports whether config names another target than before did.
func moved(config, before map[string]json.RawMessage, sender Sender) bool {
	return slices.ContainsFunc(sender.Targets(), func(key string) bool {
		return config[key] != nil && !sameJSON(config[key], before[key])
	})
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

func sameJSON(a, b json.RawMessage) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}
