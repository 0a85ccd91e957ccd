package cron

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// maxTimes is how many times of day are listed one by one.
const maxTimes = 6

// Describe implements Schedule.
func (c *crontab) Describe() string {
	times, days := c.timePhrase(), c.dayPhrase()
	everyDay := days == "" || strings.HasPrefix(days, "in ")
	if everyDay && strings.HasPrefix(times, "at ") && !strings.Contains(times, "every") {
		times += " every day"
	}
	return strings.TrimSpace(times + " " + days)
}

func (c *crontab) timePhrase() string {
	allDay := c.hours == allHours
	n := bits.OnesCount64(c.seconds) * bits.OnesCount64(c.minutes) * bits.OnesCount32(c.hours)
	switch {
	case !allDay && n <= maxTimes:
		return "at " + join(c.timesOfDay(), "and")
	case c.seconds != 1:
		return phrase(c.seconds, 60, "second") + c.ofMinutes() + c.duringHours()
	case c.minutes == 1 || !allDay && bits.OnesCount64(c.minutes) == 1:
		return c.hourPhrase(bits.TrailingZeros64(c.minutes))
	}
	text := phrase(c.minutes, 60, "minute")
	if allDay && strings.HasPrefix(text, "at ") {
		text += " of every hour"
	}
	return text + c.duringHours()
}

func (c *crontab) timesOfDay() []string {
	var texts []string
	for h := range ones(uint64(c.hours)) {
		for m := range ones(c.minutes) {
			for s := range ones(c.seconds) {
				texts = append(texts, clock(int64(h*3600+m*60+s)))
			}
		}
	}
	return texts
}

// hourPhrase describes a schedule that fires once an hour.
func (c *crontab) hourPhrase(minute int) string {
	hours := uint64(c.hours)
	if from, to, ok := stretch(hours); ok && c.hours != allHours {
		return fmt.Sprintf("every hour from %02d:%02d to %02d:%02d", from, minute, to, minute)
	}
	if stepOf(hours, 24) == 0 {
		return "at minute " + strconv.Itoa(minute) + c.duringHours()
	}
	text := phrase(hours, 24, "hour")
	if minute > 0 {
		text += fmt.Sprintf(" from 00:%02d", minute)
	}
	return text
}

// ofMinutes continues a phrase about seconds.
func (c *crontab) ofMinutes() string {
	step := stepOf(c.minutes, 60)
	switch {
	case step > 1:
		return " every " + strconv.Itoa(step) + " minutes"
	case c.minutes != allSixty:
		text := " of " + enumerate(c.minutes, "minute")
		if c.hours == allHours {
			text += " of every hour"
		}
		return text
	case stepOf(c.seconds, 60) > 0:
		return ""
	}
	return " of every minute"
}

// duringHours continues a phrase about minutes or seconds.
func (c *crontab) duringHours() string {
	hours := uint64(c.hours)
	if c.hours == allHours {
		return ""
	}
	if from, to, ok := stretch(hours); ok {
		first, last := bits.TrailingZeros64(c.minutes), bits.Len64(c.minutes)-1
		return fmt.Sprintf(" from %02d:%02d to %02d:%02d", from, first, to, last)
	}
	if k := stepOf(hours, 24); k > 0 {
		return fmt.Sprintf(" in every %s hour from 00:00", ordinal(k))
	}
	return " of the hours " + list(hours, "and", twoDigits)
}

// dayPhrase is empty when every day matches.
func (c *crontab) dayPhrase() string {
	byDay, byWeekday := c.monthdayPhrase(), c.weekdayPhrase()
	both := c.dayStar || c.weekdayStar
	if !both && (byDay == "" || byWeekday == "") {
		byDay, byWeekday = "", ""
	}
	months := c.monthList("and")
	switch {
	case byDay == "" && byWeekday == "" && months == "":
		return ""
	case byDay == "" && byWeekday == "":
		return "in " + months
	case byWeekday == "" && months == "":
		return "on " + byDay + " of the month"
	case byWeekday == "":
		return "on " + byDay + " of " + months
	case byDay == "" && months == "":
		return "on " + byWeekday
	case byDay == "":
		return "on " + byWeekday + " in " + months
	}
	link := " of the month or on "
	if both {
		link = " of the month if it is "
	}
	text := "on " + byDay + link + byWeekday
	if months != "" {
		text += ", in " + months
	}
	return text
}

// monthList is empty when every month matches.
func (c *crontab) monthList(word string) string {
	if c.months == allMonths {
		return ""
	}
	return list(uint64(c.months), word, func(m int) string { return time.Month(m).String() })
}

// monthdayPhrase is empty when every day of the month matches.
func (c *crontab) monthdayPhrase() string {
	if c.days == allDays {
		return ""
	}
	var parts []string
	if c.days != 0 {
		parts = append(parts, plural(uint64(c.days), "day")+" "+list(uint64(c.days), "and", strconv.Itoa))
	}
	for n := range ones(uint64(c.nearest)) {
		parts = append(parts, fmt.Sprintf("the workday nearest day %d", n))
	}
	for n := range ones(uint64(c.fromEnd)) {
		switch n {
		case 0:
			parts = append(parts, "the last day")
		case 1:
			parts = append(parts, "the day before the last day")
		default:
			parts = append(parts, fmt.Sprintf("the day %d days before the last day", n))
		}
	}
	if c.lastWorkday {
		parts = append(parts, "the last workday")
	}
	return join(parts, "and")
}

// weekdayPhrase is empty when every day of the week matches.
func (c *crontab) weekdayPhrase() string {
	plain := uint8(oneWeek)
	for week := 0; week < 35; week += 7 {
		plain &= uint8(c.weekdays >> week)
	}
	if plain == oneWeek {
		return ""
	}
	var parts []string
	if plain != 0 {
		// Beginning with Monday makes a weekend one stretch.
		fromMonday := uint64(plain>>1 | plain&1<<6)
		parts = append(parts, list(fromMonday, "and", func(d int) string { return time.Weekday((d + 1) % 7).String() }))
	}
	for n := range ones(c.weekdays &^ everyWeek(plain)) {
		parts = append(parts, "the "+ordinal(n/7+1)+" "+time.Weekday(n%7).String()+" of the month")
	}
	for d := range ones(uint64(c.lastWeekdays)) {
		parts = append(parts, "the last "+time.Weekday(d).String()+" of the month")
	}
	return join(parts, "and")
}
