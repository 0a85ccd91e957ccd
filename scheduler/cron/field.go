package cron

import (
	"fmt"
	"iter"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// field is what one column of a crontab allows. Weekdays also allow 7, which is 0.
type field struct {
	name      string
	low, high int
	names     []string // of low, low+1, ...
}

var (
	second      = field{name: "second", high: 59}
	minute      = field{name: "minute", high: 59}
	hour        = field{name: "hour", high: 23}
	dayOfMonth  = field{name: "day of month", low: 1, high: 31}
	monthOfYear = field{name: "month", low: 1, high: 12, names: monthNames[:]}
	dayOfWeek   = field{name: "day of week", high: 6, names: weekdayNames[:]}
)

var monthNames, weekdayNames = func() (m [12]string, d [7]string) {
	for i := range m {
		m[i] = time.Month(i + 1).String()
	}
	for i := range d {
		d[i] = time.Weekday(i).String()
	}
	return m, d
}()

// limits is the allowed range in words.
func (f *field) limits() string {
	if f == &dayOfWeek {
		return "0-7 or SUN-SAT"
	}
	s := fmt.Sprintf("%d-%d", f.low, f.high)
	if f.names != nil {
		s += " or JAN-DEC"
	}
	return s
}

// most is the highest number the text may have.
func (f *field) most() int {
	if f == &dayOfWeek {
		return 7
	}
	return f.high
}

// span is a range with a step; from > to wraps around the end of the field.
type span struct{ from, to, step int }

func (s span) values(f *field) iter.Seq[int] {
	size := f.high - f.low + 1
	length := s.to - s.from
	if length < 0 {
		length += size
	}
	return func(yield func(int) bool) {
		for i := 0; i <= length; i += s.step {
			if !yield((s.from-f.low+i)%size + f.low) {
				return
			}
		}
	}
}

func (f *field) parseRange(item string) (span, error) {
	text, stepText, stepped := strings.Cut(item, "/")
	s := span{f.low, f.high, 1}
	if text != "*" && text != "?" {
		fromText, toText, isRange := strings.Cut(text, "-")
		from, err := f.parseValue(fromText)
		if err != nil {
			return s, err
		}
		s.from = from
		if !stepped || from > s.to {
			s.to = from
		}
		if isRange {
			if s.to, err = f.parseValue(toText); err != nil {
				return s, err
			}
		}
	}
	if stepped {
		n, ok := number(stepText)
		if !ok {
			return s, fmt.Errorf("step %s is not a number", quote(stepText))
		}
		if n < 1 || n > f.most() {
			return s, fmt.Errorf("step %s is out of range 1-%d", shorten(stepText), f.most())
		}
		s.step = n
	}
	return f.sundays(s), nil
}

// sundays takes 7 back to 0: 5-7 wraps to 0, 7-2 is 0-2, and 1-7 and 0-7 are the whole week.
func (f *field) sundays(s span) span {
	if f != &dayOfWeek {
		return s
	}
	if s.from == 7 {
		s.from = 0
		if s.to == 7 {
			s.to = 0
		}
	}
	if s.to == 7 {
		s.to = 0
		if s.from == 0 {
			s.to = 6
		}
	}
	return s
}

func (f *field) parseValue(text string) (int, error) {
	if n, ok := number(text); ok {
		if n < f.low || n > f.most() {
			return 0, fmt.Errorf("%s is out of range %s", shorten(text), f.limits())
		}
		return n, nil
	}
	for i, name := range f.names {
		if strings.EqualFold(text, name) || strings.EqualFold(text, name[:3]) {
			return f.low + i, nil
		}
	}
	if text == "" {
		return 0, fmt.Errorf("a value is missing; allowed is %s", f.limits())
	}
	return 0, fmt.Errorf("%s is not a value; allowed is %s", quote(text), f.limits())
}

// number reads digits only; what is too large for any field becomes a number that is out of range.
func number(s string) (int, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return 1 << 30, true
	}
	return n, true
}

// readSpecial reads the items with L, W and #, which only the two day fields have.
func (c *crontab) readSpecial(f *field, item string) (done bool, err error) {
	upper := strings.ToUpper(item)
	switch f {
	case &dayOfMonth:
		return c.readSpecialDay(upper)
	case &dayOfWeek:
		return c.readSpecialWeekday(upper)
	}
	return false, nil
}

func (c *crontab) readSpecialDay(item string) (done bool, err error) {
	switch {
	case item == "L":
		c.fromEnd |= 1
	case item == "LW":
		c.lastWorkday = true
	case strings.HasPrefix(item, "L-"):
		n, ok := number(item[2:])
		if !ok || n > 30 {
			return true, fmt.Errorf("%s is out of range; L-n counts n days back from the last, allowed is L-0 to L-30", quote(item))
		}
		c.fromEnd |= 1 << n
	case strings.HasSuffix(item, "W"):
		n, err := dayOfMonth.parseValue(strings.TrimSuffix(item, "W"))
		if err != nil {
			return true, err
		}
		c.nearest |= 1 << n
	default:
		return false, nil
	}
	return true, nil
}

func (c *crontab) readSpecialWeekday(item string) (done bool, err error) {
	dayText, week, numbered := strings.Cut(item, "#")
	if !numbered {
		_, plain := dayOfWeek.parseValue(item)
		if plain == nil || !strings.HasSuffix(item, "L") {
			return false, nil
		}
		dayText, week = strings.TrimSuffix(item, "L"), "L"
		if dayText == "" {
			return true, fmt.Errorf(`"L" needs a weekday, for example 5L for the last Friday`)
		}
	}
	day, err := dayOfWeek.parseValue(dayText)
	if err != nil {
		return true, err
	}
	day %= 7
	if week == "L" {
		c.lastWeekdays |= 1 << day
		return true, nil
	}
	n, ok := number(week)
	if !ok || n < 1 || n > 5 {
		return true, fmt.Errorf("%s is out of range; the number after # says which one of the month, allowed is 1-5", quote(item))
	}
	c.weekdays |= 1 << (7*(n-1) + day)
	return true, nil
}

// neverFires asks the calendar, not the clock, so the answer does not depend on when or in which zone it is asked.
func (c *crontab) neverFires() bool {
	_, fires := c.nextWall(0)
	return !fires
}

func (c *crontab) whyNever() string {
	anyWeekday := *c
	anyWeekday.weekdays = allWeeks
	if !anyWeekday.neverFires() {
		return "no such day is " + c.weekdayPhrase() + ", this would never fire"
	}
	months := c.monthList("or")
	if c.fromEnd|c.nearest == 0 && c.days != 0 {
		return fmt.Sprintf("%d does not exist in %s, this would never fire", bits.TrailingZeros32(c.days), months)
	}
	return "no such day exists in " + months + ", this would never fire"
}
