package views

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"belfry/scheduler"
)

// CalendarProps are the calendar's, of a week or a day.
type CalendarProps struct {
	Page
	View      string // "week" or "day"
	Days      []CalendarDay
	Often     int       // jobs that are due so often that they are in no slot
	OftenJobs []JobName // the first of them
	Left      int       // jobs that were not looked at: there are too many
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
	Gap      bool      // the clock jumps over it
	Twice    bool      // the clock shows it twice
	Fires    int64     // that come
	Due      int       // jobs
	Jobs     []JobName // the first of them, in a day
	Ended    map[scheduler.State]scheduler.Total
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
	MissedTotal scheduler.Total
	Ran         []ExecutionRowProps // what else was queued, the newest first
	RanTotal    scheduler.Total
}

// CalendarFire is a job that is due within an hour.
type CalendarFire struct {
	JobName
	Words       []string
	First, Last time.Time
	N           int64
	Zone        *time.Location // of the schedules; nil: none of their own
}

const heatSteps = 5

// heatOf is how crowded a slot is, 0 to heatSteps, against the fullest, and whether
// nothing more comes. By the root, so that a single fire is still seen.
func (p CalendarProps) heatOf(s CalendarSlot) string {
	var most int64 = 1
	for _, d := range p.Days {
		for _, other := range d.Slots {
			most = max(most, other.crowd())
		}
	}
	kind := "heat"
	if s.Fires == 0 {
		kind = "done"
	}
	if s.crowd() == 0 {
		return "heat0"
	}
	return kind + strconv.Itoa(min(1+int((heatSteps-1)*math.Sqrt(float64(s.crowd())/float64(most))+0.001), heatSteps))
}

// crowd is how much a slot had and has to do.
func (s CalendarSlot) crowd() int64 { return s.Fires + s.ran().N }

// count adds up what ended in some states.
func (s CalendarSlot) count(states ...scheduler.State) (total scheduler.Total) {
	for _, state := range states {
		total.N += s.Ended[state].N
		total.Capped = total.Capped || s.Ended[state].Capped
	}
	return total
}

func (s CalendarSlot) succeeded() scheduler.Total { return s.count(scheduler.Succeeded) }
func (s CalendarSlot) missed() scheduler.Total    { return s.count(scheduler.Missed) }

func (s CalendarSlot) failed() scheduler.Total {
	return s.count(scheduler.Failed, scheduler.TimedOut, scheduler.Lost)
}

func (s CalendarSlot) empty() bool { return s.Fires == 0 && s.ran().N == 0 && s.missed().N == 0 }

// rest is what ended and did not run to an end.
func (s CalendarSlot) rest() scheduler.Total { return s.count(scheduler.Cancelled, scheduler.Skipped) }

// ran is what ended but was not missed.
func (s CalendarSlot) ran() scheduler.Total {
	return s.count(scheduler.Succeeded, scheduler.Failed, scheduler.TimedOut, scheduler.Lost, scheduler.Cancelled, scheduler.Skipped)
}

// outcomes are what ended in a slot, in words.
func (s CalendarSlot) outcomes() []string {
	var parts []string
	for _, state := range scheduler.States {
		if n := s.Ended[state]; n.N > 0 {
			parts = append(parts, totalText(n)+" "+lower(StateLabel(state)))
		}
	}
	return parts
}

// executionsPath is the list of what was queued in a slot, in some states.
func (p Page) executionsPath(s CalendarSlot, states ...scheduler.State) string {
	text := make([]string, len(states))
	for i, state := range states {
		text[i] = string(state)
	}
	return query("/executions", "state", strings.Join(text, ","), "from", localInput(s.From, p.zone()), "to", localInput(s.To, p.zone()))
}

// gridZone says which zone the hours are in, and where a job's own time is.
func (p Page) gridZone(own string) string {
	of := "the server's time zone"
	switch {
	case p.ZoneOf == ZoneUTC:
		return "Hours are in UTC."
	case p.ZoneOf == ZoneMine, p.ZoneOf == ZoneJob && p.zone() != p.Server:
		of = "this browser's time zone"
	}
	text := "Hours are in " + of
	if name := zoneName(p.zone()); p.zone() != time.Local {
		text += ", " + name
	}
	if p.ZoneOf == ZoneJob {
		return text + "; " + own + "."
	}
	return text + "."
}

// ownTime is a time as a job's zone shows it, where that differs from the grid's and
// each job's zone is asked for.
func (p Page) ownTime(t time.Time, zone *time.Location) string {
	own := p.In(zone)
	if p.ZoneOf != ZoneJob || t.In(own.zone()).Format("15:04") == t.In(p.zone()).Format("15:04") {
		return ""
	}
	return own.second(t)
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
	parts := s.outcomes()
	if s.Fires > 0 || len(parts) == 0 {
		parts = append(parts, plural(s.Fires, "fire", "fires")+" of "+plural(int64(s.Due), "job", "jobs")+map[bool]string{true: " to come"}[len(parts) > 0])
	}
	text := fmt.Sprintf("%s %02d:00: %s", d.Day.Format("Mon 2 Jan"), s.Hour, strings.Join(parts, ", "))
	if s.Twice {
		text += "; the clock shows this hour twice"
	}
	return text
}

func (p CalendarProps) today(d CalendarDay) bool {
	return d.date() == p.Now.In(p.zone()).Format(time.DateOnly)
}

func (p CalendarProps) past(s CalendarSlot) bool { return !s.To.After(p.Now) }
