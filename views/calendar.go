package views

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// CalendarProps are the calendar's, of a week or a day.
type CalendarProps struct {
	Page
	View      string // "week" or "day"
	Days      []CalendarDay
	Often     int       // jobs that are due so often that they are in no slot
	OftenJobs []JobName // the first of them
	Left      int       // jobs that were not looked at: there are too many
	MissedCut bool      // more was missed than is counted
}

// CalendarDay is a day as clocks show it.
type CalendarDay struct {
	Day   time.Time // its first instant, in the page's zone
	Slots []CalendarSlot
}

// CalendarSlot is what clocks call an hour.
type CalendarSlot struct {
	Hour     int
	From, To time.Time
	Gap      bool // the clock jumps over it
	Twice    bool // the clock shows it twice
	Fires    int64
	Due      int // jobs
	Missed   int
	Jobs     []JobName // the first of them, in a day
}

// JobName is how a job is called.
type JobName struct{ Name, Display string }

func (n JobName) shown() string {
	if n.Display != "" {
		return n.Display
	}
	return n.Name
}

// CalendarHourProps are the calendar's, of one hour.
type CalendarHourProps struct {
	Page
	Day         time.Time
	Slot        CalendarSlot
	Fires       []CalendarFire // by when the first comes
	Jobs        int            // how many jobs are due in all
	Missed      []ExecutionRowProps
	MissedTotal int
}

// CalendarFire is a job that is due within an hour.
type CalendarFire struct {
	JobName
	Words       []string
	First, Last time.Time
	N           int64
}

const heatSteps = 5

// heatOf is how crowded a slot is, 0 to heatSteps, against the fullest. By the
// root, so that a single fire is still seen.
func (p CalendarProps) heatOf(s CalendarSlot) string {
	var most int64 = 1
	for _, d := range p.Days {
		for _, other := range d.Slots {
			most = max(most, other.Fires)
		}
	}
	if s.Fires == 0 {
		return "heat0"
	}
	return "heat" + strconv.Itoa(min(1+int((heatSteps-1)*math.Sqrt(float64(s.Fires)/float64(most))+0.001), heatSteps))
}

// change says what the clocks do on a day, or nothing.
func (d CalendarDay) change() string {
	if len(d.Slots) == 0 {
		return ""
	}
	last := d.Slots[len(d.Slots)-1].To
	_, before := d.Day.Zone()
	_, after := last.Add(-1).In(d.Day.Location()).Zone()
	hours := strconv.FormatFloat(last.Sub(d.Day).Hours(), 'g', 4, 64) + " h"
	switch {
	case after > before:
		return "clocks go forward: " + hours
	case after < before:
		return "clocks go back: " + hours
	default:
		return ""
	}
}

func (d CalendarDay) date() string { return d.Day.Format(time.DateOnly) }

func (s CalendarSlot) path(d CalendarDay) string {
	return query("/calendar", "view", "hour", "date", d.date(), "hour", strconv.Itoa(s.Hour))
}

func (p CalendarProps) path(days int) string {
	return query("/calendar", "view", p.View, "date", p.Days[0].Day.AddDate(0, 0, days).Format(time.DateOnly))
}

func (p CalendarProps) span() int { return len(p.Days) }

func (p CalendarProps) title() string {
	first, last := p.Days[0].Day, p.Days[len(p.Days)-1].Day
	if p.View == "day" {
		return first.Format("Monday 2 January 2006")
	}
	if first.Month() == last.Month() {
		return fmt.Sprintf("%d to %s", first.Day(), last.Format("2 January 2006"))
	}
	return first.Format("2 January") + " to " + last.Format("2 January 2006")
}

func (s CalendarSlot) words(d CalendarDay) string {
	text := fmt.Sprintf("%s %02d:00: %s of %s", d.Day.Format("Mon 2 Jan"), s.Hour, plural(s.Fires, "fire", "fires"), plural(int64(s.Due), "job", "jobs"))
	if s.Missed > 0 {
		text += ", " + strconv.Itoa(s.Missed) + " missed"
	}
	if s.Twice {
		text += "; the clock shows this hour twice"
	}
	return text
}

func (p CalendarProps) today(d CalendarDay) bool {
	return d.date() == p.Now.In(p.zone()).Format(time.DateOnly)
}

func (p CalendarProps) past(s CalendarSlot) bool { return !s.To.After(p.Now) }
