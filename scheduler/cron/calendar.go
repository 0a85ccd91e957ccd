package cron

import (
	"math/bits"
	"time"
)

// Masks of every value a field can have.
const (
	allSixty  = 1<<60 - 1
	allHours  = 1<<24 - 1
	allDays   = 1<<32 - 2
	allMonths = 1<<13 - 2
	allWeeks  = 1<<35 - 1
	oneWeek   = 1<<7 - 1
)

// crontab holds the fields as bits, bit n for the value n.
type crontab struct {
	loc             *time.Location
	seconds         uint64
	minutes         uint64
	weekdays        uint64 // bit 7*(n-1)+d: the n-th weekday d (0 = Sunday) of the month; plain weekdays have all five bits
	hours           uint32
	days            uint32
	nearest         uint32 // 15W
	fromEnd         uint32 // bit 0: L, bit 3: L-3
	months          uint16
	lastWeekdays    uint8 // 5L
	lastWorkday     bool  // LW
	dayStar         bool  // the text of day of month begins with *
	weekdayStar     bool
	followsRealTime bool // the text of minute or hour begins with *
}

// daysIn is the set of the month's days that match; first is the weekday of day 1, length the number of days.
func (c *crontab) daysIn(first, length int) uint32 {
	inMonth := uint32(1)<<(length+1) - 2
	byWeekday := weekdayMask(c.weekdays, first)
	if c.lastWeekdays != 0 {
		lastWeek := inMonth &^ (1<<(length-6) - 1)
		byWeekday |= lastWeek & weekdayMask(everyWeek(c.lastWeekdays), first)
	}
	byDay := c.days
	if c.fromEnd != 0 {
		byDay |= bits.Reverse32(c.fromEnd) >> (31 - length)
	}
	if c.lastWorkday {
		byDay |= 1 << nearestWorkday(length, first, length)
	}
	for rest := c.nearest & inMonth; rest != 0; rest &= rest - 1 {
		byDay |= 1 << nearestWorkday(bits.TrailingZeros32(rest), first, length)
	}
	if c.dayStar || c.weekdayStar {
		return byDay & byWeekday & inMonth
	}
	return (byDay | byWeekday) & inMonth
}

// weekdayMask turns the n-th weekdays into days of a month that begins on the weekday first.
func weekdayMask(weekdays uint64, first int) uint32 {
	var mask uint64
	for week := 0; week < 35; week += 7 {
		w := weekdays >> week & oneWeek
		mask |= (w>>first | w<<(7-first)) & oneWeek << week
	}
	return uint32(mask << 1)
}

// everyWeek marks weekdays in all five weeks of a month.
func everyWeek(weekdays uint8) uint64 {
	const weeks = 1 | 1<<7 | 1<<14 | 1<<21 | 1<<28
	return uint64(weekdays&oneWeek) * weeks
}

// nearestWorkday is the Monday to Friday nearest to day, never in another month.
func nearestWorkday(day, first, length int) int {
	switch (first + day - 1) % 7 {
	case 6:
		if day == 1 {
			return 3
		}
		return day - 1
	case 0:
		if day == length {
			return day - 2
		}
		return day + 1
	}
	return day
}

// nextWall is the first matching wall time after wall. The calendar repeats after 400 years, weekdays included, so not found means never.
func (c *crontab) nextWall(wall int64) (int64, bool) {
	wall++
	day := floorDiv(wall, secondsPerDay)
	year, month, dom := civil(day)
	second := int(wall - day*secondsPerDay)
	for range 400*12 + 1 {
		if c.months>>month&1 != 0 {
			firstDay := day - int64(dom-1)
			set := c.daysIn(weekday(firstDay), monthLength(year, month)) >> dom << dom
			if set>>dom&1 != 0 {
				if s, ok := c.nextInDay(second); ok {
					return day*secondsPerDay + int64(s), true
				}
				set &^= 1 << dom
			}
			if set != 0 {
				s, _ := c.nextInDay(0)
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

// nextInDay is the first matching second of the day from this one on.
func (c *crontab) nextInDay(second int) (int, bool) {
	h, m, s := second/3600, second/60%60, second%60
	if c.hours>>h&1 != 0 {
		if c.minutes>>m&1 != 0 {
			if rest := c.seconds >> s; rest != 0 {
				return second + bits.TrailingZeros64(rest), true
			}
		}
		if rest := c.minutes >> (m + 1); rest != 0 {
			m += 1 + bits.TrailingZeros64(rest)
			return h*3600 + m*60 + bits.TrailingZeros64(c.seconds), true
		}
	}
	rest := c.hours >> (h + 1)
	if rest == 0 {
		return 0, false
	}
	h += 1 + bits.TrailingZeros32(rest)
	return h*3600 + bits.TrailingZeros64(c.minutes)*60 + bits.TrailingZeros64(c.seconds), true
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// weekday of a day counted from 1970-01-01, a Thursday.
func weekday(day int64) int { return int(((day+4)%7 + 7) % 7) }

func monthLength(year, month int) int {
	if month == 2 {
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 30 + (month+month>>3)&1
}

// civil is the date of a day counted from 1970-01-01 (Howard Hinnant, chrono-Compatible Low-Level Date Algorithms).
func civil(day int64) (year, month, dom int) {
	day += 719468
	cycle := floorDiv(day, 146097)
	d := day - cycle*146097
	y := (d - d/1460 + d/36524 - d/146096) / 365
	d -= 365*y + y/4 - y/100
	m := (5*d + 2) / 153
	dom = int(d - (153*m+2)/5 + 1)
	if m += 3; m > 12 {
		m -= 12
		y++
	}
	return int(cycle*400 + y), int(m), dom
}
