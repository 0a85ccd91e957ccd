package jobfile

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"time"

	"belfry/scheduler"
)

// object is a JSON object some of whose members are looked at; the others stay as
// they are.
type object map[string]json.RawMessage

func readObject(raw json.RawMessage) object {
	var o object
	if len(raw) == 0 || json.Unmarshal(raw, &o) != nil || o == nil {
		return object{}
	}
	return o
}

// get reads a member; into stays as it is when there is none of its type.
func get[V any](o object, name string, into V) V {
	raw, ok := o[name]
	if !ok {
		return into
	}
	var v V
	if json.Unmarshal(raw, &v) != nil {
		return into
	}
	return v
}

func (o object) duration(name string, absent time.Duration) time.Duration {
	if d, err := time.ParseDuration(get(o, name, "")); err == nil {
		return d
	}
	return absent
}

// put sets a member. What is empty is absent, but false and 0 are not empty.
func (o object) put(name string, v any) {
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.String, reflect.Slice, reflect.Map:
		if r.Len() == 0 {
			delete(o, name)
			return
		}
	}
	o[name] = encode(v)
}

// raw is the object as it is stored, nil when it is empty.
func (o object) raw() json.RawMessage {
	if len(o) == 0 {
		return nil
	}
	return encode(map[string]json.RawMessage(o))
}

func encode(v any) json.RawMessage {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic("jobfile: " + err.Error()) // strings, numbers and what was JSON before
	}
	return bytes.TrimSpace(b.Bytes())
}

// draft is a job being read or changed, its configuration taken apart.
type draft struct {
	*scheduler.Draft
	config object
	dirty  bool // config has to be put back

	configs map[string]object // of notifications, by kind, as far as they were looked at
}

func open(d *scheduler.Draft) *draft {
	return &draft{Draft: d, config: readObject(d.Config), configs: map[string]object{}}
}

// close puts the configuration back if it was changed.
func (d *draft) close() {
	if d.dirty {
		d.Config = encode(map[string]json.RawMessage(d.config))
	}
}

// configure sets a member of the configuration.
func (d *draft) configure(name string, v any) {
	d.config.put(name, v)
	d.dirty = true
}

// notify is the first of the job's notifications of a kind; its zero value when
// there is none.
func (d *draft) notify(kind string) scheduler.Notify {
	for _, n := range d.Notify {
		if n.Kind == kind {
			return n
		}
	}
	return scheduler.Notify{}
}

// notifyConfig is the configuration of that notification.
func (d *draft) notifyConfig(kind string) object {
	config, known := d.configs[kind]
	if !known {
		config = readObject(d.notify(kind).Config)
		d.configs[kind] = config
	}
	return config
}

// setNotify changes the first notification of a kind, made if there is none, and
// drops it when nothing is left of it.
func (d *draft) setNotify(kind string, change func(n *scheduler.Notify, config object)) {
	d.Notify = slices.Clone(d.Notify) // a stored job may have the same array
	i := slices.IndexFunc(d.Notify, func(n scheduler.Notify) bool { return n.Kind == kind })
	if i < 0 {
		i = len(d.Notify)
		d.Notify = append(d.Notify, scheduler.Notify{Kind: kind})
	}
	n := &d.Notify[i]
	config := readObject(n.Config)
	change(n, config)
	delete(d.configs, kind)
	n.Config = config.raw()
	if n.Config == nil && n.On == "" {
		d.Notify = slices.Delete(d.Notify, i, i+1)
	}
	if len(d.Notify) == 0 {
		d.Notify = nil
	}
}

// sortedPairs writes a map as "name=value" entries, by name.
func sortedPairs(m map[string]string, between string) []string {
	all := make([]string, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		all = append(all, name+between+m[name])
	}
	return all
}
