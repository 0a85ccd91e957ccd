package cron

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Describe implements Schedule.
func (a *apschedule) Describe() string {
	if _, fires := a.nextWall(0); !fires {
		return "never: there is no such date"
	}
	times, days := a.timePhrase(), a.datePhrase()
	if (days == "" || strings.HasPrefix(days, "in ")) && strings.HasPrefix(times, "at ") && !strings.Contains(times, "every") {
		times += " every day"
	}
	return strings.TrimSpace(times + " " + days)
}

// datePhrase is empty when every day matches.
func (a *apschedule) datePhrase() string {
	days, weekdays := a.monthdays(), a.weekdayPhrase()
	var parts []string
	switch {
	case days != "" && weekdays != "":
		parts = append(parts, "on "+days+" of the month if it is "+weekdays)
	case days != "":
		parts = append(parts, "on "+days+" of the month")
	case weekdays != "":
		parts = append(parts, "on "+weekdays)
	}
	if months := a.monthList("and"); months != "" {
		parts = append(parts, "in "+months)
	}
	if a.weeks != allISOWeeks {
		parts = append(parts, "in "+plural(a.weeks, "calendar week")+" "+list(a.weeks, "and", strconv.Itoa))
	}
	if !a.anyYear() {
		parts = append(parts, "in "+a.yearPhrase())
	}
	return strings.Join(parts, ", ")
}

// monthdays is empty when every day of the month matches.
func (a *apschedule) monthdays() string {
	if a.days == allDays {
		return ""
	}
	var parts []string
	if a.days != 0 {
		parts = append(parts, plural(uint64(a.days), "day")+" "+list(uint64(a.days), "and", strconv.Itoa))
	}
	for n := range ones(a.nth) {
		parts = append(parts, "the "+ordinal(n/7+1)+" "+weekdayNames[n%7])
	}
	for d := range ones(uint64(a.last)) {
		parts = append(parts, "the last "+weekdayNames[d])
	}
	if a.fromEnd != 0 {
		parts = append(parts, "the last day")
	}
	return join(parts, "and")
}

func (a *apschedule) yearPhrase() string {
	var parts []string
	for _, s := range a.years {
		text := strconv.Itoa(s.from)
		if s.to != s.from {
			text = fmt.Sprintf("%d to %d", s.from, s.to)
		}
		if s.step > 1 {
			text += fmt.Sprintf(" every %d years", s.step)
		}
		parts = append(parts, text)
	}
	slices.Sort(parts)
	return join(slices.Compact(parts), "and")
}
