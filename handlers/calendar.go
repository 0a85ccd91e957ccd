package handlers

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
	"belfry/views"
)

const (
	calendarNames = 6   // jobs that a slot of a day names
	calendarRows  = 300 // jobs that an hour lists
	calendarRan   = 100 // executions that an hour lists
)

// showCalendar is what ran and what comes: a week, a day, or one hour of it.
func (s *Server) showCalendar(c echo.Context) error {
	q := httpkit.ReadQuery(c.Request())
	page := s.boardPage(c, "Calendar", views.NavCalendar)
	view := q.OneOf("view", "week", "day", "hour")
	date, hour := q.Text("date"), q.Text("hour")
	if err := q.Err(); err != nil {
		return err
	}
	now := page.Now.In(page.Zone)
	day := midnight(now)
	if date != "" {
		var err error
		if day, err = time.ParseInLocation(time.DateOnly, date, page.Zone); err != nil || day.Year() < 1970 || day.Year() > 9000 {
			return httpkit.BadField("date", "must be a day like 2026-11-21")
		}
		day = midnight(day)
	}
	h := 0
	if hour != "" || view == "hour" {
		var err error
		if h, err = strconv.Atoi(hour); err != nil || h < 0 || h > 23 {
			return httpkit.BadField("hour", "must be a number from 0 to 23")
		}
		view = "hour"
	}
	switch view {
	case "hour":
		return s.calendarHour(c, page, day, h)
	case "day":
		return s.calendarGrid(c, page, "day", day, 1)
	default:
		back := (int(day.Weekday()) + 6) % 7
		return s.calendarGrid(c, page, "week", midnight(day.AddDate(0, 0, -back)), 7)
	}
}

// midnight is the first instant of t's day in its zone.
func midnight(t time.Time) time.Time { return slots(t)[0].From }

// slots are the 24 hours that clocks show on a day. One that does not exist is
// empty; one that they show twice is as long as both.
func slots(day time.Time) []views.CalendarSlot {
	list := make([]views.CalendarSlot, 24)
	// Of an hour that clocks show twice, Date may answer either.
	at := func(d, h int) time.Time {
		t := time.Date(day.Year(), day.Month(), day.Day()+d, h, 0, 0, 0, day.Location())
		for _, shift := range [...]time.Duration{time.Hour, 30 * time.Minute} {
			if first := t.Add(-shift); first.Hour() == t.Hour() && first.Minute() == t.Minute() {
				return first
			}
		}
		return t
	}
	end := at(1, 0)
	for h := 0; end.Hour() != h && h < 3; h++ { // the next day may begin later than at midnight
		end = at(1, h)
	}
	for h := 23; h >= 0; h-- {
		from := at(0, h)
		if from.Hour() != h {
			list[h] = views.CalendarSlot{Hour: h, From: end, To: end, Gap: true}
			continue
		}
		list[h] = views.CalendarSlot{Hour: h, From: from, To: end, Twice: end.Sub(from) > time.Hour}
		end = from
	}
	for h := 0; h < 24 && list[h].Gap; h++ {
		list[h].From, list[h].To = end, end
	}
	return list
}

func (s *Server) calendarGrid(c echo.Context, page views.Page, view string, first time.Time, n int) error {
	ctx := c.Request().Context()
	p := views.CalendarProps{Page: page, View: view}
	var edges []time.Time
	for i := range n {
		day := views.CalendarDay{Day: first.AddDate(0, 0, i)}
		day.Slots = slots(day.Day)
		day.Day = day.Slots[0].From
		for _, slot := range day.Slots {
			edges = append(edges, slot.From)
		}
		p.Days = append(p.Days, day)
	}
	last := p.Days[n-1].Slots[23].To
	edges = append(edges, last)
	counts, err := s.Service.CountFires(ctx, edges, calendarNames)
	if err != nil {
		return err
	}
	ended, err := s.ended(ctx, edges)
	if err != nil {
		return err
	}
	p.Left = counts.Left
	names := map[string]scheduler.Job{}
	for i, f := range counts.Slots {
		slot := &p.Days[i/24].Slots[i%24]
		slot.Fires, slot.Due = f.N, f.Due
		if i < len(ended) {
			slot.Ended = ended[i]
		}
		if view == "day" {
			if slot.Jobs, err = s.jobNames(ctx, f.Jobs, names); err != nil {
				return err
			}
		}
	}
	p.Often = len(counts.Often)
	if p.OftenJobs, err = s.jobNames(ctx, counts.Often[:min(len(counts.Often), calendarNames)], names); err != nil {
		return err
	}
	return respond(c, http.StatusOK, answer{page: views.CalendarPage(p), fragment: views.Calendar(p), json: presentCalendar(p)})
}

// ended counts what ended in those slots between edges that have begun.
func (s *Server) ended(ctx context.Context, edges []time.Time) ([]map[scheduler.State]scheduler.Total, error) {
	begun := 0
	for now := s.Now(); begun < len(edges)-1 && edges[begun].Before(now); {
		begun++
	}
	if begun == 0 {
		return nil, nil
	}
	return s.Store.EndedWithin(ctx, edges[:begun+1])
}

// jobNames reads jobs once each; those that are gone drop out.
func (s *Server) jobNames(ctx context.Context, ids []string, known map[string]scheduler.Job) ([]views.JobName, error) {
	var list []views.JobName
	for _, id := range ids {
		j, seen := known[id]
		if !seen {
			var err error
			if j, err = s.Store.Job(ctx, id); err != nil && scheduler.CodeOf(err) != scheduler.CodeNotFound {
				return nil, err
			}
			known[id] = j
		}
		if j.Name != "" {
			list = append(list, views.JobName{Name: j.Name, Display: j.DisplayName})
		}
	}
	return list, nil
}

func (s *Server) calendarHour(c echo.Context, page views.Page, day time.Time, hour int) error {
	ctx := c.Request().Context()
	p := views.CalendarHourProps{Page: page, Slot: slots(day)[hour], Day: day}
	fires, total, err := s.Service.FiresWithin(ctx, p.Slot.From, p.Slot.To, calendarRows)
	if err != nil {
		return err
	}
	p.Jobs = total
	for _, f := range fires {
		j, err := s.Store.Job(ctx, f.JobID)
		if scheduler.CodeOf(err) == scheduler.CodeNotFound {
			continue // deleted a moment ago
		}
		if err != nil {
			return err
		}
		p.Fires = append(p.Fires, views.CalendarFire{
			JobName: views.JobName{Name: j.Name, Display: j.DisplayName}, Words: s.words(j.Schedules), First: f.First, Last: f.Last, N: f.N, Zone: jobZone(j),
		})
	}
	if err := s.hourEnded(ctx, &p); err != nil {
		return err
	}
	return respond(c, http.StatusOK, answer{page: views.CalendarHourPage(p), fragment: views.CalendarHour(p), json: s.presentCalendarHour(p)})
}

// hourEnded is what an hour that has begun had to do.
func (s *Server) hourEnded(ctx context.Context, p *views.CalendarHourProps) error {
	ended, err := s.ended(ctx, []time.Time{p.Slot.From, p.Slot.To})
	if err != nil || len(ended) == 0 {
		return err
	}
	p.Slot.Ended, p.MissedTotal = ended[0], ended[0][scheduler.Missed]
	missed, err := s.Store.MissedBetween(ctx, p.Slot.From, p.Slot.To, calendarRows)
	if err != nil {
		return err
	}
	if p.Missed, err = s.executionRows(ctx, missed); err != nil {
		return err
	}
	ran, total, err := s.Store.ListExecutions(ctx, scheduler.ExecutionFilter{
		States: slices.DeleteFunc(slices.Clone(scheduler.States), func(s scheduler.State) bool { return s == scheduler.Missed }),
		From:   p.Slot.From, To: p.Slot.To, Limit: calendarRan,
	})
	if err != nil {
		return err
	}
	p.RanTotal = total
	p.Ran, err = s.executionRows(ctx, ran)
	return err
}

type calendarOut struct {
	View       string    `json:"view"`
	Slots      []slotOut `json:"slots"`
	Often      []string  `json:"often"`       // jobs that are due so often that they are in no slot; the first of them
	OftenTotal int       `json:"often_total"` // how many those are
	NotCounted int       `json:"not_counted"` // jobs that were not looked at: there are too many
}

type slotOut struct {
	From  instant  `json:"from"`
	To    instant  `json:"to"`
	Fires int64    `json:"fires"`
	Due   int      `json:"due"`           // jobs
	Jobs  []string `json:"jobs,omitzero"` // of a day: the first of them
	outcomesOut
}

// outcomesOut are what ended in a slot.
type outcomesOut struct {
	Ended  map[scheduler.State]int64 `json:"ended"`
	Missed int64                     `json:"missed"`
	Capped bool                      `json:"capped"` // of some state there is more than is counted
}

func presentOutcomes(slot views.CalendarSlot) outcomesOut {
	out := outcomesOut{Ended: map[scheduler.State]int64{}, Missed: slot.Ended[scheduler.Missed].N}
	for state, n := range slot.Ended {
		out.Ended[state] = n.N
		out.Capped = out.Capped || n.Capped
	}
	return out
}

func presentCalendar(p views.CalendarProps) calendarOut {
	out := calendarOut{View: p.View, Slots: []slotOut{}, Often: names(p.OftenJobs), OftenTotal: p.Often, NotCounted: p.Left}
	for _, d := range p.Days {
		for _, slot := range d.Slots {
			if slot.Gap {
				continue
			}
			o := slotOut{From: instant(slot.From), To: instant(slot.To), Fires: slot.Fires, Due: slot.Due, outcomesOut: presentOutcomes(slot)}
			if p.View == "day" {
				o.Jobs = names(slot.Jobs)
			}
			out.Slots = append(out.Slots, o)
		}
	}
	return out
}

func names(list []views.JobName) []string {
	out := make([]string, len(list))
	for i, n := range list {
		out[i] = n.Name
	}
	return out
}

type calendarHourOut struct {
	From   instant        `json:"from"`
	To     instant        `json:"to"`
	Jobs   int            `json:"jobs"`
	Fires  []jobFiresOut  `json:"fires"`
	Missed []executionOut `json:"missed"` // by due time, the first of them

	Ended      map[scheduler.State]int64 `json:"ended"`
	Capped     bool                      `json:"capped"`
	Executions []executionOut            `json:"executions"` // what else was queued, the newest of them
	Total      int64                     `json:"executions_total"`
}

type jobFiresOut struct {
	Job   string  `json:"job"`
	First instant `json:"first"`
	Last  instant `json:"last"`
	Count int64   `json:"count"`
}

func (s *Server) presentCalendarHour(p views.CalendarHourProps) calendarHourOut {
	ended := presentOutcomes(p.Slot)
	out := calendarHourOut{
		From: instant(p.Slot.From), To: instant(p.Slot.To), Jobs: p.Jobs, Fires: []jobFiresOut{}, Missed: s.presentRows(p.Missed),
		Ended: ended.Ended, Capped: ended.Capped || p.RanTotal.Capped, Executions: s.presentRows(p.Ran), Total: p.RanTotal.N,
	}
	for _, f := range p.Fires {
		out.Fires = append(out.Fires, jobFiresOut{f.Name, instant(f.First), instant(f.Last), f.N})
	}
	return out
}
