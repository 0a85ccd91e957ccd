package cron

import (
	"fmt"
	"time"
)

// Fire is one instant of a preview.
type Fire struct {
	At   time.Time
	Note string // what a change of the clock does to this fire, in words; mostly empty
}

// Preview is the first n fires after an instant, fewer if the schedule ends before.
func Preview(s Schedule, after time.Time, n int) []Fire {
	var fires []Fire
	c, hasClock := s.(interface {
		note(after, at time.Time) string
	})
	for len(fires) < n {
		at, ok := s.Next(after)
		if !ok {
			break
		}
		fire := Fire{At: at}
		if hasClock {
			fire.Note = c.note(after, at)
		}
		fires = append(fires, fire)
		after = at
	}
	return fires
}

// note explains the fire that follows this instant.
func (c *crontab) note(after, at time.Time) string {
	before, ok := wholeSecond(after)
	if !ok {
		return ""
	}
	unix := at.Unix()
	if c.followsRealTime {
		return noteReal(c, c.loc, before, unix)
	}
	e := eraAt(c.loc, unix)
	wall := unix + e.offset
	due, _ := c.nextWall(highWater(c.loc, before))
	if due != wall {
		return fmt.Sprintf("%s does not exist on this day (clocks go forward): fires at %s", clock(due), clock(wall))
	}
	if repeats(c.loc, wall, unix, e) {
		return clock(wall) + " happens twice on this day: fires at the first"
	}
	return ""
}

// noteReal is note for what follows real time.
func noteReal(c walls, loc *time.Location, before, unix int64) string {
	e := eraAt(loc, unix)
	wall := unix + e.offset
	due, _ := c.nextWall(highWater(loc, before))
	if due < wall {
		return fmt.Sprintf("%s does not exist on %s (clocks go forward): nothing fires for it", clock(due), date(due))
	}
	if repeats(loc, wall, unix, e) {
		return clock(wall) + " happens twice on this day: fires both times"
	}
	return ""
}

// repeats says whether the clock shows this wall time at another instant too.
func repeats(loc *time.Location, wall, unix int64, e era) bool {
	if firstAt(loc, wall) < unix {
		return true
	}
	if e.end >= maxInstant {
		return false
	}
	return wall-eraAt(loc, e.end).offset >= e.end
}

func date(wall int64) string { return time.Unix(wall, 0).UTC().Format(time.DateOnly) }
