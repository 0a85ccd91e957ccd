package cron

import (
	"fmt"
	"math/bits"
	"time"
)

// apschedule is a schedule of APScheduler's. Of the crontab it uses the sets of
// values, which mean the same there, but all of its fields have to match.
type apschedule struct {
	crontab
	years   []span
	weeks   uint64   // of ISO 8601, bit n for week n
	nth     uint64   // of day: bit 7*(n-1)+d, as in crontab.weekdays
	last    uint8    // of day: the last one of a weekday
	spelled []string // the value of each field, as APFields
}

const allISOWeeks = 1<<54 - 2

// Next implements Schedule.
func (a *apschedule) Next(t time.Time) (time.Time, bool) {
	unix, ok := wholeSecond(t)
	if !ok {
		return time.Time{}, false
	}
	if a.followsRealTime {
		unix, ok = nextReal(a, a.loc, unix)
	} else {
		unix, ok = a.nextFixed(unix)
	}
	if !ok {
		return time.Time{}, false
	}
	return instant(unix, a.loc)
}

// nextFixed is the next instant of wall times that fire once each: those that the
// clock jumps over as much later as it jumped. So what was jumped over may come
// between others, and after some that the clock shows later.
func (a *apschedule) nextFixed(unix int64) (next int64, ok bool) {
	least := func(at int64) {
		if !ok || at < next {
			next, ok = at, true
		}
	}
	e := eraAt(a.loc, unix)
	if jump, from := jumped(a.loc, e); jump > 0 && unix < e.start+jump {
		if wall, found := a.nextWall(max(unix, e.start-1) + from); found && wall < e.start+e.offset {
			least(wall - from)
		}
	}
	wall, found := a.nextWall(highWater(a.loc, unix))
	if !found {
		return next, ok
	}
	at, gap := a.at(wall)
	least(at)
	if gap > 0 {
		if wall, found = a.nextWall(gap - 1); found {
			at, _ = a.at(wall)
			least(at)
		}
	}
	return next, ok
}

// at is when a wall time fires; gap is the wall time at which the clock goes on
// when it jumps over this one, else 0.
func (a *apschedule) at(wall int64) (unix, gap int64) {
	first := firstAt(a.loc, wall)
	e := eraAt(a.loc, first)
	if first+e.offset == wall {
		return first, 0
	}
	_, from := jumped(a.loc, e)
	return wall - from, first + e.offset
}

// jumped is how far the clock jumped forward when an era began, and the offset
// before; 0 when it did not.
func jumped(loc *time.Location, e era) (jump, from int64) {
	if e.start <= minInstant {
		return 0, e.offset
	}
	before := eraAt(loc, e.start-1)
	return e.offset - before.offset, before.offset
}

// nextWall is the first matching wall time after wall. Without a year's restriction
// the calendar repeats after 400 years.
func (a *apschedule) nextWall(wall int64) (int64, bool) {
	wall = max(wall+1, 0) // no year before 1970 matches
	day := floorDiv(wall, secondsPerDay)
	year, month, dom := civil(day)
	second := int(wall - day*secondsPerDay)
	for tries := 0; year <= 9999 && (tries <= 400*12 || !a.anyYear()); tries++ {
		if next := a.yearFrom(year); next != year {
			if next == 0 {
				return 0, false
			}
			year, month, dom, second = next, 1, 1, 0
			day = time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC).Unix() / secondsPerDay
		}
		if a.months>>month&1 != 0 {
			firstDay := day - int64(dom-1)
			set := a.daysIn(firstDay, monthLength(year, month)) >> dom << dom
			if set>>dom&1 != 0 {
				if s, ok := a.nextInDay(second); ok {
					return day*secondsPerDay + int64(s), true
				}
				set &^= 1 << dom
			}
			if set != 0 {
				s, _ := a.nextInDay(0)
				return (firstDay+int64(bits.TrailingZeros32(set)-1))*secondsPerDay + int64(s), true
			}
		}
		day += int64(monthLength(year, month) - dom + 1)
		dom, second = 1, 0
		if month++; month > 12 {
			year, month = year+1, 1
		}
	}
	return 0, false
}

func (a *apschedule) anyYear() bool {
	return len(a.years) == 1 && a.years[0] == span{1970, 9999, 1}
}

// yearFrom is the first year that matches from this one on, 0 when none does.
func (a *apschedule) yearFrom(year int) (first int) {
	for _, s := range a.years {
		y := max(year, s.from)
		y += (s.step - (y-s.from)%s.step) % s.step
		if y <= s.to && (first == 0 || y < first) {
			first = y
		}
	}
	return first
}

// daysIn is the set of a month's days that match. Its first day counts from
// 1970-01-01.
func (a *apschedule) daysIn(firstDay int64, length int) uint32 {
	first := weekday(firstDay)
	inMonth := uint32(1)<<(length+1) - 2
	set := a.days | weekdayMask(a.nth, first)
	if a.fromEnd != 0 {
		set |= 1 << length
	}
	if a.last != 0 {
		lastWeek := inMonth &^ (1<<(length-6) - 1)
		set |= lastWeek & weekdayMask(everyWeek(a.last), first)
	}
	set &= inMonth & weekdayMask(a.weekdays, first)
	if a.weeks == allISOWeeks {
		return set
	}
	for rest := set; rest != 0; rest &= rest - 1 {
		d := bits.TrailingZeros32(rest)
		_, week := time.Unix((firstDay+int64(d-1))*secondsPerDay, 0).UTC().ISOWeek()
		if a.weeks>>week&1 == 0 {
			set &^= 1 << d
		}
	}
	return set
}

// note explains the fire that follows this instant.
func (a *apschedule) note(after, at time.Time) string {
	before, ok := wholeSecond(after)
	if !ok {
		return ""
	}
	if a.followsRealTime {
		return noteReal(a, a.loc, before, at.Unix())
	}
	e := eraAt(a.loc, at.Unix())
	wall := at.Unix() + e.offset
	if jump, from := jumped(a.loc, e); jump > 0 && at.Unix() < e.start+jump {
		if due, ok := a.nextWall(at.Unix() + from - 1); ok && due == at.Unix()+from {
			return fmt.Sprintf("%s does not exist on this day (clocks go forward): fires at %s", clock(due), clock(wall))
		}
	}
	if repeats(a.loc, wall, at.Unix(), e) {
		return clock(wall) + " happens twice on this day: fires at the first"
	}
	return ""
}
