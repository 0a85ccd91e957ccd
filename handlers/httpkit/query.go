package httpkit

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"belfry/scheduler"
)

// Query reads query parameters and collects what is wrong with them. An empty
// parameter is an absent one: forms send those.
type Query struct {
	values url.Values
	first  bool
	fields []scheduler.FieldError
}

// ReadQuery begins to read a request's query.
func ReadQuery(r *http.Request) *Query {
	q := &Query{}
	var err error
	if q.values, err = url.ParseQuery(r.URL.RawQuery); err != nil {
		q.bad("query", "is not correctly percent-encoded")
	}
	return q
}

// ReadFirst is ReadQuery for the APIs of other systems, which take the first value of
// a parameter that is given twice.
func ReadFirst(r *http.Request) *Query {
	q := ReadQuery(r)
	q.first = true
	return q
}

// one returns the value of a parameter that has one.
func (q *Query) one(name string) string {
	if given := q.values[name]; len(given) > 1 && !q.first {
		if given = slices.DeleteFunc(given, func(v string) bool { return v == "" }); len(given) > 1 {
			q.bad(name, "is given twice")
			given = given[:1] // it is said once
		}
		q.values[name] = given
	}
	return q.values.Get(name)
}

func (q *Query) bad(name, format string, args ...any) {
	q.fields = append(q.fields, scheduler.FieldError{Field: name, Message: fmt.Sprintf(format, args...)})
}

// Err returns everything that was wrong as one 400, or nil.
func (q *Query) Err() error {
	if len(q.fields) == 0 {
		return nil
	}
	return badFields(q.fields)
}

// Fields returns what was wrong, for a page that shows it beside its fields.
func (q *Query) Fields() []scheduler.FieldError { return q.fields }

// Text returns a parameter of at most 500 characters.
func (q *Query) Text(name string) string {
	v := q.one(name)
	if problem := plain(v, 500); problem != "" {
		q.bad(name, "%s", problem)
		return ""
	}
	return v
}

// Metadata returns the parameters "metadata.KEY" by their keys, nil when there are
// none. Their values may be all that a job's metadata may be, with lines and tabs.
func (q *Query) Metadata() map[string]string {
	var found map[string]string
	for _, full := range slices.Sorted(maps.Keys(q.values)) {
		key, ok := strings.CutPrefix(full, "metadata.")
		if !ok {
			continue
		}
		v := q.one(full)
		if v == "" {
			continue
		}
		if problem := plain(key, 500); problem != "" {
			q.bad("metadata", "%s", problem)
			continue
		}
		if problem := plain(lines.Replace(v), scheduler.MaxMetadataValue); problem != "" {
			q.bad(full, "%s", problem)
			continue
		}
		if found == nil {
			found = map[string]string{}
		}
		found[key] = v
	}
	return found
}

// lines are the control characters of texts with lines.
var lines = strings.NewReplacer("\n", " ", "\r", " ", "\t", " ")

// Raw returns a parameter as it came, for showing it again.
func (q *Query) Raw(name string) string { return strings.ToValidUTF8(q.values.Get(name), "\uFFFD") }

// Int returns a number from low to high, or def when there is none.
func (q *Query) Int(name string, def, low, high int64) int64 {
	text := q.one(name)
	if text == "" {
		return def
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < low || n > high {
		q.bad(name, "must be a whole number from %d to %d", low, high)
		return def
	}
	return n
}

// Bool returns true, false, or nil when there is none.
func (q *Query) Bool(name string) *bool {
	switch text := q.one(name); text {
	case "":
		return nil
	case "true", "false":
		v := text == "true"
		return &v
	default:
		q.bad(name, "must be true or false")
		return nil
	}
}

// OneOf returns a parameter that is one of allowed, or "".
func (q *Query) OneOf(name string, allowed ...string) string {
	v := q.one(name)
	if v == "" || slices.Contains(allowed, v) {
		return v
	}
	q.bad(name, "must be one of %s", strings.Join(allowed, ", "))
	return ""
}

// Many returns the parts of a parameter that may be repeated, or hold a list
// with commas, each one of allowed.
func (q *Query) Many(name string, allowed ...string) []string {
	var found []string
	for part := range strings.SplitSeq(strings.Join(q.values[name], ","), ",") {
		switch {
		case part == "" || slices.Contains(found, part):
		case slices.Contains(allowed, part):
			found = append(found, part)
		default:
			q.bad(name, "must be of %s", strings.Join(allowed, ", "))
			return nil
		}
	}
	return found
}

// timeLayouts are what people and date fields write, besides RFC 3339.
var timeLayouts = []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly}

// Time returns an instant, read in loc when it names no offset; zero when there
// is none.
func (q *Query) Time(name string, loc *time.Location) time.Time {
	text := q.one(name)
	if text == "" {
		return time.Time{}
	}
	for _, layout := range timeLayouts {
		if t, err := time.ParseInLocation(layout, text, loc); err == nil && t.Year() >= 1970 {
			return t.UTC()
		}
	}
	q.bad(name, "is not a time; write 2026-12-24T18:00:00Z or 2026-12-24")
	return time.Time{}
}

// Span returns the instants "from" and "to", which must not be before it.
func (q *Query) Span(loc *time.Location) (from, to time.Time) {
	from, to = q.Time("from", loc), q.Time("to", loc)
	if !from.IsZero() && !to.IsZero() && to.Before(from) {
		q.bad("to", "must not be before from")
	}
	return from, to
}

// Page returns limit and offset.
func (q *Query) Page(def int) (limit, offset int) {
	return int(q.Int("limit", int64(def), 1, scheduler.MaxPage)), int(q.Int("offset", 0, 0, 1<<31-1))
}
