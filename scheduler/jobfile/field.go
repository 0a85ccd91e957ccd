package jobfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
)

// field is one key of the table: how it is written, and how it is read from and
// set on a T.
type field[T any] struct {
	key    string   // in INI files and labels
	json   string   // in JSON; empty is the camelCase of key
	kind   kind     // says which Go type get returns and set takes
	types  []Type   // the jobs that have it; empty: all
	also   []string // further keys that mean it
	domain []string // the domain's names for it in its errors
	host   bool     // a label may not set it, as it reaches into the server's host
	min    int64    // of a number, and of a duration's milliseconds
	max    int64    // 0: none

	get func(T) any
	set func(T, any) error

	// mask hides what is secret in a value; unmask puts it back from the stored
	// value where a client returns what it was shown, or fails.
	mask   func(any) any
	unmask func(given, stored any) (any, error)
}

func (f *field[T]) jsonKey() string {
	if f.json != "" {
		return f.json
	}
	return camelCase(f.key)
}

func camelCase(key string) string {
	parts := strings.Split(key, "-")
	for i, p := range parts[1:] {
		parts[i+1] = strings.ToUpper(p[:1]) + p[1:]
	}
	return strings.Join(parts, "")
}

func (f *field[T]) named(normalKey string) bool {
	return normal(f.key) == normalKey || slices.ContainsFunc(f.also, func(k string) bool { return normal(k) == normalKey })
}

// means reports whether name is the domain's for the field, or for a part of it.
func (f *field[T]) means(name string) bool {
	return slices.ContainsFunc(f.domain, func(known string) bool {
		return name == known || strings.HasPrefix(name, known+".")
	})
}

// check complains about a value outside of the field's limits.
func (f *field[T]) check(v any) error {
	switch v := v.(type) {
	case int64:
		if v < f.min || f.max > 0 && v > f.max {
			if f.max > 0 {
				return fmt.Errorf("must be %d to %d", f.min, f.max)
			}
			return fmt.Errorf("must be at least %d", f.min)
		}
	case time.Duration:
		if v < time.Duration(f.min)*time.Millisecond {
			if f.min == 0 {
				return errors.New("must not be negative")
			}
			return fmt.Errorf("must be at least %s", time.Duration(f.min)*time.Millisecond)
		}
	}
	return nil
}

// put checks a value and sets it.
func (f *field[T]) put(to T, v any) error {
	if err := f.check(v); err != nil {
		return err
	}
	return f.set(to, v)
}

// shown is the field as JSON shows it.
func (f *field[T]) shown(of T) any {
	v := f.kind.toJSON(f.get(of))
	if f.mask != nil {
		return f.mask(v)
	}
	return v
}

// merge sets the field to what a client gave. What equals what the client was
// shown changes nothing, so that an object that comes back as it was read leaves
// everything as it is, also what the dialect cannot say.
func (f *field[T]) merge(to T, raw json.RawMessage) error {
	v, err := f.kind.fromJSON(raw)
	if err != nil {
		return err
	}
	if reflect.DeepEqual(f.kind.toJSON(v), f.shown(to)) {
		return nil
	}
	if f.unmask != nil {
		if v, err = f.unmask(v, f.get(to)); err != nil {
			return err
		}
	}
	return f.put(to, v)
}

// mergeAll merges a JSON object's keys, in the table's order, and reports what
// is wrong with each by its key.
func mergeAll[T any](fields []field[T], to T, given map[string]json.RawMessage, complain func(key, message string)) {
	left := maps.Clone(given)
	known := make([]string, len(fields))
	for i := range fields {
		key := fields[i].jsonKey()
		known[i] = key
		raw, ok := left[key]
		if !ok {
			continue
		}
		delete(left, key)
		if err := fields[i].merge(to, raw); err != nil {
			complain(key, err.Error())
		}
	}
	for _, key := range slices.Sorted(maps.Keys(left)) {
		complain(key, "is not known"+didYouMean(key, known))
	}
}

// assign sets the fields that a section names. where has the first entry of each
// field that was set, by the field's key.
func assign[T any](fields []field[T], to T, s *section, problems *Problems) (where map[string]entry) {
	where = map[string]entry{}
	values := map[string][]string{}
	for _, e := range s.entries {
		f := find(fields, normal(e.key))
		if f == nil {
			problems.add(s.file, e.line, e.shown, "%s", unknownKey(fields, s, e.key))
			continue
		}
		first, again := where[f.key]
		if again && f.kind != list {
			problems.add(s.file, e.line, e.shown, "is given twice, %s", before(first))
			continue
		}
		if !again {
			where[f.key] = e
		}
		given, err := s.values(f.kind, e)
		if err != nil {
			problems.add(s.file, e.line, e.shown, "%s", err)
			delete(values, f.key)
			continue
		}
		values[f.key] = append(values[f.key], given...)
	}
	for i := range fields {
		f := &fields[i]
		if given, ok := values[f.key]; ok {
			if err := fromTexts(f, to, given); err != nil {
				problems.add(s.file, where[f.key].line, where[f.key].shown, "%s", err)
			}
		}
	}
	return where
}

func fromTexts[T any](f *field[T], to T, given []string) error {
	if f.kind == list {
		return f.put(to, given)
	}
	v, err := f.kind.fromText(given[0])
	if err != nil {
		return err
	}
	return f.put(to, v)
}

func find[T any](fields []field[T], normalKey string) *field[T] {
	for i := range fields {
		if fields[i].named(normalKey) {
			return &fields[i]
		}
	}
	return nil
}

// before says where an entry stands that came first.
func before(first entry) string {
	if first.line > 0 {
		return fmt.Sprintf("first on line %d", first.line)
	}
	return "first by " + first.shown
}

// values are the texts of one entry; a label may have several in a JSON array.
func (s *section) values(k kind, e entry) ([]string, error) {
	switch {
	case k == list && e.value == "":
		return nil, errors.New("needs a value")
	case k == list && s.labels && strings.HasPrefix(strings.TrimSpace(e.value), "["):
		var all []string
		if json.Unmarshal([]byte(e.value), &all) != nil {
			return nil, errors.New(`begins with [ but is not a JSON array of strings, like ["a","b"]`)
		}
		return all, nil
	}
	return []string{e.value}, nil
}
