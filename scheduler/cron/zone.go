package cron

import (
	"strings"
	"sync"
	"time"
)

// zones shares one time.Location per name among all schedules: each is several kilobytes. Only names that exist get in, so it stays small.
var zones sync.Map

// Zone returns a time zone by its IANA name, the server's for "". The error is
// about the field "timezone".
func Zone(name string) (*time.Location, error) {
	loc, err := location(name)
	if err != nil {
		return nil, err
	}
	return loc, nil
}

func location(name string) (*time.Location, *ParseError) {
	if name == "" {
		return time.Local, nil
	}
	if known, ok := zones.Load(name); ok {
		return known.(*time.Location), nil
	}
	if strings.TrimSpace(name) != name || len(name) > 100 {
		return nil, unknownZone(name)
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, unknownZone(name)
	}
	shared, _ := zones.LoadOrStore(name, loc)
	return shared.(*time.Location), nil
}

func unknownZone(name string) *ParseError {
	return &ParseError{Field: "timezone", Msg: quote(name) + " is not a time zone known here; use a name like Europe/Berlin or UTC"}
}

// A wall time is what a zone's clock shows, in seconds as if that zone were UTC. It has no gaps and no repetitions.

const (
	secondsPerDay = 24 * 60 * 60
	// maxOffset is more than any zone's distance from UTC (Manila had -15:56 until 1844).
	maxOffset = 26 * 60 * 60
	// maxInstant is a day before the year 10000, which RFC 3339 and so JSON cannot write.
	maxInstant = 253402300800 - secondsPerDay
	// minInstant is the start of the year 1, the zero time.Time.
	minInstant = -62135596800
)

// era is a stretch of time with one distance from UTC: [start, end).
type era struct{ offset, start, end int64 }

func eraAt(loc *time.Location, unix int64) era {
	t := time.Unix(unix, 0).In(loc)
	_, offset := t.Zone()
	e := era{offset: int64(offset), start: minInstant - maxOffset, end: maxInstant + maxOffset}
	start, end := t.ZoneBounds()
	if !start.IsZero() {
		e.start = start.Unix()
	}
	if !end.IsZero() {
		e.end = end.Unix()
	}
	if e.end <= unix {
		// Where a zone goes on by rule, time ends an era after 365 days of each year, so that 31 December of a leap year lies outside of its own.
		e.end = (floorDiv(unix, secondsPerDay) + 1) * secondsPerDay
	}
	return e
}

// firstAt is the first instant at which the clock shows wall or later: its first occurrence, or the end of the gap it falls into.
func firstAt(loc *time.Location, wall int64) int64 {
	e := eraAt(loc, wall-maxOffset)
	for wall-e.offset >= e.end && e.end < maxInstant {
		e = eraAt(loc, e.end)
	}
	return max(wall-e.offset, e.start)
}

// highWater is the latest wall time the clock has shown up to this instant. It is ahead of the clock while an hour repeats.
func highWater(loc *time.Location, unix int64) int64 {
	e := eraAt(loc, unix)
	wall := unix + e.offset
	for e.start > unix-maxOffset && e.start > minInstant {
		last := e.start - 1
		e = eraAt(loc, last)
		wall = max(wall, last+e.offset)
	}
	return wall
}

// wholeSecond makes t comparable with instants. Nothing is due before the year 1 or after the year 9999.
func wholeSecond(t time.Time) (unix int64, ok bool) {
	if t.Before(time.Time{}) {
		return minInstant - 1, true
	}
	unix = t.Unix()
	return unix, unix < maxInstant
}

func instant(unix int64, loc *time.Location) (time.Time, bool) {
	if unix > maxInstant {
		return time.Time{}, false
	}
	return time.Unix(unix, 0).In(loc), true
}
