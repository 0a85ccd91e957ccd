package cron

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var oracleZones = []string{
	"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Atlantic/Azores", "UTC", "America/St_Johns", "America/Santiago",
	"Africa/Casablanca", "Asia/Tehran", "Pacific/Chatham", "Europe/Dublin", "Antarctica/Troll", "Asia/Gaza",
}

// nearChange is an instant up to two days before a change of the clock, or any if the zone has none.
func nearChange(t *rapid.T, loc *time.Location) time.Time {
	at := time.Date(2011, 1, 1, 0, 0, rapid.IntRange(0, 25*365*secondsPerDay).Draw(t, "second"), 0, time.UTC).In(loc)
	if _, end := at.ZoneBounds(); !end.IsZero() {
		at = end.Add(-time.Duration(rapid.IntRange(0, 2*secondsPerDay).Draw(t, "before")) * time.Second)
	}
	return at.In(loc)
}

// walk simulates a cron daemon that looks at its clock once a step, and remembers the latest time it has seen there.
func walk(loc *time.Location, from, to time.Time, step time.Duration, realTime bool, matches func(wall time.Time) bool) (fires []time.Time) {
	wallOf := func(at time.Time) time.Time {
		at = at.In(loc)
		return time.Date(at.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), at.Second(), 0, time.UTC)
	}
	start := from.Add(-5 * time.Hour).Truncate(step)
	seen := wallOf(start)
	for at := start.Add(step); at.Before(to); at = at.Add(step) {
		wall, due := wallOf(at), false
		if realTime {
			due = matches(wall)
		} else {
			for missed := seen.Add(step); !missed.After(wall) && !due; missed = missed.Add(step) {
				due = matches(missed)
			}
		}
		if wall.After(seen) {
			seen = wall
		}
		if due && at.After(from) {
			fires = append(fires, at)
		}
	}
	return fires
}

func TestNextAgainstTheClock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		loc, _ := location(rapid.SampledFrom(oracleZones).Draw(t, "zone"))
		from := nearChange(t, loc)
		min := drawColumn(t, 0, 59, nil, time.Time.Minute)
		hour := drawColumn(t, 0, 23, nil, time.Time.Hour)
		dom, month, dow := drawMonthday(t), column{"*", func(time.Time) bool { return true }}, drawWeekday(t)
		text := fmt.Sprintf("%s %s %s %s %s", min.text, hour.text, dom.text, month.text, dow.text)
		step, window := time.Minute, 72*time.Hour
		sec := column{"0", func(d time.Time) bool { return d.Second() == 0 }}
		if rapid.IntRange(0, 3).Draw(t, "with seconds") == 0 {
			sec = drawColumn(t, 0, 59, nil, time.Time.Second)
			text = sec.text + " " + text
			step, window = time.Second, 4*time.Hour
			if _, end := from.ZoneBounds(); !end.IsZero() {
				from = end.Add(-2 * time.Hour)
			}
		}
		s, err := Standard.Parse(text, loc.String())
		to := from.Add(window)
		want := walk(loc, from, to, step, min.star() || hour.star(), func(w time.Time) bool {
			return sec.matches(w) && min.matches(w) && hour.matches(w) && dayMatches(dom, month, dow, w)
		})
		if err != nil {
			if len(want) > 0 || !strings.Contains(err.Error(), "never") {
				t.Fatalf("%q: %v, but %v matches", text, err, want)
			}
			return
		}
		at := from
		for i := range len(want) + 1 {
			next, ok := s.Next(at)
			if i == len(want) {
				if ok && next.Before(to) {
					t.Fatalf("%q in %s after %v\n got %v\nwant none before %v", text, loc, at, next, to)
				}
				break
			}
			if !ok || !next.Equal(want[i]) {
				t.Fatalf("%q in %s after %v\n got %v, %v\nwant %v", text, loc, at, next, ok, want[i].In(loc))
			}
			at = next
		}
		if late := from.Add(window / 3); len(want) > 0 {
			next, _ := s.Next(late)
			i := slices.IndexFunc(want, func(w time.Time) bool { return w.After(late) })
			if i >= 0 && !next.Equal(want[i]) {
				t.Fatalf("%q in %s from the middle %v\n got %v\nwant %v", text, loc, late, next, want[i].In(loc))
			}
		}
	})
}
