package cron

import (
	"fmt"
	"strconv"
	"strings"
)

// apRange is a range with the text that means the same.
type apRange struct {
	span
	spelled string
}

func (f *apField) parseRange(item string) (apRange, error) {
	text, stepText, stepped := strings.Cut(item, "/")
	r := apRange{span{f.low, f.high, 1}, "*"}
	named, open := false, true
	var err error
	if text != "*" {
		if r.from, r.to, named, open, err = f.parseEnds(text); err != nil {
			return r, err
		}
		if open && !stepped {
			r.to = r.from
		}
		r.spelled = f.spell(r.from, named)
		if r.to != r.from && !open {
			r.spelled += "-" + f.spell(r.to, named)
		}
	}
	if !stepped {
		return r, nil
	}
	if named {
		return r, fmt.Errorf("%s: names have no steps", quote(item))
	}
	n, ok := number(stepText)
	if !ok {
		return r, fmt.Errorf("step %s is not a number", quote(stepText))
	}
	width := r.to - r.from
	if text != "*" && !open && r.to == 0 {
		width = f.high // 0-0/5: APScheduler takes a range to 0 for one to the end here, and only here
		r.spelled = "0-0"
	}
	if n < 1 || n > width {
		return r, fmt.Errorf("step %s is out of range 1-%d", shorten(stepText), max(width, 1))
	}
	r.step = n
	r.spelled += "/" + strconv.Itoa(n)
	return r, nil
}

// parseEnds reads a value, or two with a hyphen between; open: there is one.
func (f *apField) parseEnds(text string) (from, to int, named, open bool, err error) {
	fromText, toText, isRange := strings.Cut(text, "-")
	if from, named, err = f.parseValue(fromText); err != nil {
		return
	}
	if !isRange {
		return from, f.high, named, true, nil
	}
	to, toNamed, err := f.parseValue(toText)
	switch {
	case err != nil:
	case named != toNamed:
		err = fmt.Errorf("%s mixes a name and a number", quote(text))
	case from > to:
		err = fmt.Errorf("%s goes backwards; write two ranges with a comma between", quote(text))
	}
	return from, to, named, false, err
}

func (f *apField) parseValue(text string) (n int, named bool, err error) {
	if n, ok := number(text); ok {
		if n < f.low || n > f.high {
			return 0, false, fmt.Errorf("%s is out of range %s", shorten(text), f.limits())
		}
		return n, false, nil
	}
	if i := indexOf(f.names, text); i >= 0 {
		return f.low + i, true, nil
	}
	if text == "" {
		return 0, false, fmt.Errorf("a value is missing; allowed is %s", f.limits())
	}
	return 0, false, fmt.Errorf("%s is not a value; allowed is %s", quote(text), f.limits())
}

func (f *apField) spell(n int, named bool) string {
	if named {
		return f.names[n-f.low]
	}
	return strconv.Itoa(n)
}

// set adds the values of a range to a field.
func (a *apschedule) set(name string, s span) {
	switch name {
	case "year":
		a.years = append(a.years, s)
		return
	case "day_of_week":
		for v := s.from; v <= s.to; v += s.step {
			a.weekdays |= everyWeek(1 << ((v + 1) % 7))
		}
		return
	}
	var set uint64
	for v := s.from; v <= s.to; v += s.step {
		set |= 1 << v
	}
	switch name {
	case "month":
		a.months |= uint16(set)
	case "day":
		a.days |= uint32(set)
	case "week":
		a.weeks |= set
	case "hour":
		a.hours |= uint32(set)
	case "minute":
		a.minutes |= set
	case "second":
		a.seconds |= set
	}
}
