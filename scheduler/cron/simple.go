package cron

import (
	"strings"
	"time"
)

// every fires at the multiples of period seconds since the Unix epoch.
type every struct {
	period int64
	loc    *time.Location
}

func (e *every) Location() *time.Location { return e.loc }

func (e *every) Next(t time.Time) (time.Time, bool) {
	unix, ok := wholeSecond(t)
	if !ok {
		return time.Time{}, false
	}
	return instant((floorDiv(unix, e.period)+1)*e.period, e.loc)
}

func (e *every) Describe() string {
	var parts []string
	rest := e.period
	for _, unit := range [...]struct {
		name    string
		seconds int64
	}{{"hour", 3600}, {"minute", 60}, {"second", 1}} {
		if n := rest / unit.seconds; n > 0 {
			parts = append(parts, count(n, unit.name))
		}
		rest %= unit.seconds
	}
	if len(parts) == 1 {
		return "every " + strings.TrimPrefix(parts[0], "1 ")
	}
	return "every " + join(parts, "and")
}

// once fires at a single instant.
type once struct{ at time.Time }

func (o *once) Location() *time.Location { return o.at.Location() }

func (o *once) Next(t time.Time) (time.Time, bool) { return o.at, o.at.After(t) }

func (o *once) Describe() string { return "once at " + o.at.Format("2006-01-02 15:04:05 -07:00") }

// manual never fires by itself.
type manual struct{ loc *time.Location }

func (m *manual) Location() *time.Location { return m.loc }

func (m *manual) Next(time.Time) (time.Time, bool) { return time.Time{}, false }

func (m *manual) Describe() string { return "only when started by hand" }
