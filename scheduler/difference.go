package scheduler

import (
	"encoding/json"
	"maps"
	"slices"
)

// Difference is one key that two states of an object do not have in common. Keys of
// objects within objects have dots.
type Difference struct {
	Key           string
	Before, After *string // nil: it is not there; what is no text is as JSON
}

// Differences compares two JSON objects, in the order of their keys; "" has none.
func Differences(before, after string) []Difference {
	was, is := flatten(before), flatten(after)
	var all []Difference
	keys := slices.Collect(maps.Keys(was))
	for k := range is {
		if was[k] == nil {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		if a, b := was[k], is[k]; a == nil || b == nil || *a != *b {
			all = append(all, Difference{k, a, b})
		}
	}
	return all
}

// flatten is a JSON object as texts by their keys.
func flatten(text string) map[string]*string {
	out := map[string]*string{}
	var v any
	if text != "" && json.Unmarshal([]byte(text), &v) == nil {
		flattenInto(out, "", v)
	}
	return out
}

func flattenInto(out map[string]*string, key string, v any) {
	switch v := v.(type) {
	case nil:
	case map[string]any:
		for k, inner := range v {
			if key != "" {
				k = key + "." + k
			}
			flattenInto(out, k, inner)
		}
	case string:
		out[key] = &v
	default:
		b, err := json.Marshal(v)
		if err == nil {
			text := string(b)
			out[key] = &text
		}
	}
}
