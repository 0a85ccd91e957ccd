package cron

import "time"

// realTimeHorizon ends the search of a schedule that follows real time: its times can all lie in hours the clock skips every year
// ("*/5 2 * 3 0L" in Berlin), which no calendar shows. A hundred years cost less than a millisecond.
const realTimeHorizon = 100 * 366 * secondsPerDay

// Location implements Schedule.
func (c *crontab) Location() *time.Location { return c.loc }

// Next implements Schedule.
func (c *crontab) Next(t time.Time) (time.Time, bool) {
	unix, ok := wholeSecond(t)
	if !ok {
		return time.Time{}, false
	}
	if c.followsRealTime {
		unix, ok = nextReal(c, c.loc, unix)
	} else if unix, ok = c.nextWall(highWater(c.loc, unix)); ok {
		unix = firstAt(c.loc, unix)
	}
	if !ok {
		return time.Time{}, false
	}
	return instant(unix, c.loc)
}

// walls knows the wall times of a schedule.
type walls interface {
	nextWall(wall int64) (next int64, ok bool)
}

// nextReal is the first instant after this one at which the clock shows a matching time.
func nextReal(c walls, loc *time.Location, unix int64) (int64, bool) {
	for limit := min(unix+realTimeHorizon, maxInstant); unix < limit; {
		e := eraAt(loc, unix+1)
		wall, ok := c.nextWall(unix + e.offset)
		if !ok {
			return 0, false
		}
		if wall-e.offset < e.end {
			return wall - e.offset, true
		}
		skip := e.end - 1
		if skip-unix >= 2*maxOffset {
			// No change brings a time back from before this one, and no clock shows wall
			// sooner: a year that is far away costs no more than the next.
			skip = max(skip, wall-maxOffset)
		}
		if skip-unix > realTimeHorizon {
			limit = min(skip+realTimeHorizon, maxInstant)
		}
		unix = skip
	}
	return 0, false
}
