package scheduler

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDifferences(t *testing.T) {
	text := func(s string) *string { return &s }
	for _, tt := range []struct {
		name, before, after string
		want                []Difference
	}{
		{"nothing", "", "", nil},
		{"the same", `{"a":1,"b":{"c":[1]}}`, `{"b":{"c":[1]},"a":1}`, nil},
		{"made", "", `{"b":"x","a":true}`, []Difference{{"a", nil, text("true")}, {"b", nil, text("x")}}},
		{"gone", `{"a":""}`, `{}`, []Difference{{"a", text(""), nil}}},
		{"changed within", `{"a":{"b":"x","c":1}}`, `{"a":{"b":"y","c":1}}`, []Difference{{"a.b", text("x"), text("y")}}},
		{"null is not there", `{"a":null}`, `{"a":2}`, []Difference{{"a", nil, text("2")}}},
		{"no JSON", `{`, `{"a":2}`, []Difference{{"a", nil, text("2")}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if d := cmp.Diff(tt.want, Differences(tt.before, tt.after)); d != "" {
				t.Error(d)
			}
		})
	}
}
