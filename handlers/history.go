package handlers

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"belfry/scheduler"
	"belfry/views"
)

const (
	trendRuns = 400 // the newest runs that the trends of a job's page are of
	heatDays  = 53 * 7
)

// showHistory is what a job's charts are drawn of.
func (s *Server) showHistory(c echo.Context) error {
	j, err := s.storedJob(c)
	if err != nil {
		return err
	}
	how := form(c.Request())
	if how == asPage {
		return c.Redirect(http.StatusSeeOther, views.JobPath(j.Name)+"#history")
	}
	props, err := s.history(c.Request().Context(), s.page(c, "", views.NavJobs).In(jobZone(j)), j)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, answer{page: views.JobHistory(props), json: presentHistory(props)})
}

func (s *Server) history(ctx context.Context, page views.Page, j scheduler.Job) (views.HistoryProps, error) {
	p := views.HistoryProps{Page: page, Job: j.Name, JobID: j.ID}
	var err error
	if p.Runs, err = s.Store.Runs(ctx, j.ID, trendRuns); err != nil {
		return p, err
	}
	now := page.Now.In(page.Zone)
	first := time.Date(now.Year(), now.Month(), now.Day()-heatDays+1, 0, 0, 0, 0, page.Zone)
	counts, err := s.Store.DueByHour(ctx, j.ID, first)
	p.Days = days(first, heatDays, counts)
	return p, err
}

// days puts hours together to the days of a zone.
func days(first time.Time, n int, counts []scheduler.HourCount) []views.DayCount {
	list := make([]views.DayCount, n)
	at := 0
	for i := range list {
		list[i].Day = first.AddDate(0, 0, i)
		for end := first.AddDate(0, 0, i+1); at < len(counts) && counts[at].Hour.Before(end); at++ {
			if list[i].N == nil {
				list[i].N = map[scheduler.State]int64{}
			}
			list[i].N[counts[at].State] += counts[at].N
		}
	}
	return list
}

type historyOut struct {
	Runs []ranOut `json:"runs"` // that ended, newest first
	Days []dayOut `json:"days"` // on which something was due, oldest first
}

type ranOut struct {
	ID        string  `json:"id"`
	State     string  `json:"state"`
	Attempt   int     `json:"attempt"`
	DueAt     instant `json:"due_at"`
	StartedAt instant `json:"started_at"`
	Duration  *string `json:"duration"` // null: it never started
}

type dayOut struct {
	Day    string                    `json:"day"`
	Counts map[scheduler.State]int64 `json:"counts"`
}

func presentHistory(p views.HistoryProps) historyOut {
	out := historyOut{Runs: []ranOut{}, Days: []dayOut{}}
	for _, r := range p.Runs {
		run := ranOut{ID: r.ID, State: string(r.State), Attempt: r.Attempt, DueAt: instant(r.DueAt), StartedAt: instant(r.StartedAt)}
		if !r.StartedAt.IsZero() {
			run.Duration = some(r.Took.String())
		}
		out.Runs = append(out.Runs, run)
	}
	for _, d := range p.Days {
		if len(d.N) > 0 {
			out.Days = append(out.Days, dayOut{d.Day.Format("2006-01-02"), d.N})
		}
	}
	return out
}
