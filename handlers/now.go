package handlers

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"belfry/scheduler"
	"belfry/views"
)

const (
	nowRows  = 20        // of each list on the start page
	nowAhead = time.Hour // how far it looks
	nowBack  = 23 * time.Hour
)

// badStates are the endings that make a job failing.
var badStates = []scheduler.State{scheduler.Failed, scheduler.TimedOut, scheduler.Lost, scheduler.Missed}

// showNow is the start page: what fails, runs, waits and comes.
func (s *Server) showNow(c echo.Context) error {
	return s.nowPage(c, http.StatusOK, views.PauseProps{})
}

// nowPage is the start page with what was typed into its dialog.
func (s *Server) nowPage(c echo.Context, status int, pause views.PauseProps) error {
	ctx := c.Request().Context()
	props := views.NowProps{Page: s.boardPage(c, "Now", views.NavNow), Pause: pause}
	for _, part := range []func(context.Context, *views.NowProps) error{s.nowLoad, s.nowFailing, s.nowActive, s.nowNext, s.nowEnded} {
		if err := part(ctx, &props); err != nil {
			return err
		}
	}
	a := answer{page: views.NowPage(props), fragment: views.NowBoard(props)}
	if form(c.Request()) == asJSON {
		a.json = s.presentNow(props)
	}
	return respond(c, status, a)
}

// nowLoad is how busy the workers are that are there or should be, the fullest
// first.
func (s *Server) nowLoad(ctx context.Context, p *views.NowProps) error {
	workers, err := s.Service.Workers(ctx)
	p.Busy, p.Slots = load(workers)
	for _, w := range workers {
		if w.Mode != scheduler.WorkerDisconnected && w.Presence != scheduler.WorkerOffline {
			p.Workers = append(p.Workers, w)
		}
	}
	slices.SortStableFunc(p.Workers, func(a, b scheduler.Worker) int { return cmp.Compare(b.Used*max(a.Slots, 1), a.Used*max(b.Slots, 1)) })
	p.WorkersTotal = len(p.Workers)
	p.Workers = p.Workers[:min(nowRows, len(p.Workers))]
	return err
}

// load adds up the slots of all workers that are there.
func load(workers []scheduler.Worker) (busy, slots int) {
	for _, w := range workers {
		if w.Presence == scheduler.WorkerOnline {
			busy, slots = busy+w.Used, slots+w.Slots
		}
	}
	return busy, slots
}

// nowFailing is what fails. What somebody has acknowledged is told apart until it
// fails again.
func (s *Server) nowFailing(ctx context.Context, p *views.NowProps) error {
	seen, err := s.Service.Acknowledged(ctx)
	if err != nil {
		return err
	}
	enabled := true
	limit := min(nowRows+len(seen), scheduler.MaxPage)
	for _, state := range badStates {
		jobs, total, err := s.Store.ListJobs(ctx, scheduler.JobFilter{State: state, Enabled: &enabled, Sort: "-" + scheduler.JobsByLast, Limit: limit})
		if err != nil {
			return err
		}
		p.FailingTotal += total.N
		ids := make([]string, len(jobs))
		for i := range jobs {
			ids[i] = jobs[i].ID
		}
		stats, err := s.Store.JobStats(ctx, ids, recentShown)
		if err != nil {
			return err
		}
		for _, r := range s.jobRows(jobs, stats) {
			ack, known := seen[r.Job.ID]
			if known && len(r.Stats.Recent) > 0 && r.Stats.Recent[0].ID == ack.Execution {
				p.Acknowledged = append(p.Acknowledged, views.AcknowledgedRow{JobRowProps: r, Acknowledgement: ack})
				p.FailingTotal--
			} else {
				p.Failing = append(p.Failing, r)
			}
		}
	}
	newest(p.Failing)
	p.Failing = p.Failing[:min(nowRows, len(p.Failing))]
	_, all, err := s.Store.ListJobs(ctx, scheduler.JobFilter{Limit: 1})
	p.Jobs = all.N
	return err
}

func (s *Server) nowActive(ctx context.Context, p *views.NowProps) (err error) {
	if p.Running, p.RunningTotal, err = s.oldestFirst(ctx, scheduler.Running); err != nil {
		return err
	}
	p.Queued, p.QueuedTotal, err = s.oldestFirst(ctx, scheduler.Queued)
	return err
}

// oldestFirst lists the oldest executions in a state.
func (s *Server) oldestFirst(ctx context.Context, state scheduler.State) ([]views.ExecutionRowProps, int64, error) {
	list, total, err := s.Store.ListExecutions(ctx, scheduler.ExecutionFilter{
		States: []scheduler.State{state}, Sort: "queued", Limit: nowRows,
	})
	if err != nil {
		return nil, 0, err
	}
	rows, err := s.executionRows(ctx, list)
	return rows, total.N, err
}

func (s *Server) nowNext(ctx context.Context, p *views.NowProps) error {
	for _, due := range s.Timetable.Upcoming(nowRows) {
		if due.At.After(p.Now.Add(nowAhead)) {
			break
		}
		j, err := s.Store.Job(ctx, due.JobID)
		if scheduler.CodeOf(err) == scheduler.CodeNotFound {
			continue // deleted a moment ago
		}
		if err != nil {
			return err
		}
		p.Next = append(p.Next, views.Upcoming{
			JobName: j.Name, Display: j.DisplayName, Executor: j.Executor, Words: strings.Join(s.words(j.Schedules), ", "), At: due.At, Zone: jobZone(j),
		})
	}
	return nil
}

func (s *Server) nowEnded(ctx context.Context, p *views.NowProps) (err error) {
	p.Since = p.Now.Add(-nowBack).Truncate(time.Hour)
	p.Ended, err = s.Store.Ended(ctx, p.Since)
	return err
}

type nowOut struct {
	Failing      []jobOut       `json:"failing"`
	FailingTotal int64          `json:"failing_total"` // without what is acknowledged
	Acknowledged []ackOut       `json:"acknowledged"`
	Running      []executionOut `json:"running"`
	RunningTotal int64          `json:"running_total"`
	Queued       []executionOut `json:"queued"`
	QueuedTotal  int64          `json:"queued_total"`
	Next         []dueOut       `json:"next"`
	Ended        []endedOut     `json:"ended"`
	Jobs         int64          `json:"jobs"`
	Busy         int            `json:"busy"`
	Slots        int            `json:"slots"`
	Workers      []loadOut      `json:"workers"` // the fullest first
	WorkersTotal int            `json:"workers_total"`
	Version      string         `json:"version"`
}

type loadOut struct {
	Name  string   `json:"name"`
	State string   `json:"state"`
	Used  int      `json:"used"`
	Slots int      `json:"slots"`
	Load  *float64 `json:"load"`
	CPUs  *int     `json:"cpus"`
}

type ackOut struct {
	Job       string  `json:"job"`
	Execution string  `json:"execution"`
	By        string  `json:"by"`
	At        instant `json:"at"`
}

type dueOut struct {
	Job string  `json:"job"`
	At  instant `json:"at"`
}

type endedOut struct {
	Hour  instant `json:"hour"`
	State string  `json:"state"`
	Count int64   `json:"count"`
}

func (s *Server) presentNow(p views.NowProps) nowOut {
	out := nowOut{
		Failing: []jobOut{}, Acknowledged: []ackOut{}, FailingTotal: p.FailingTotal, Next: []dueOut{}, Ended: []endedOut{},
		Running: s.presentRows(p.Running), RunningTotal: p.RunningTotal,
		Queued: s.presentRows(p.Queued), QueuedTotal: p.QueuedTotal,
		Jobs: p.Jobs, Busy: p.Busy, Slots: p.Slots, Workers: []loadOut{}, WorkersTotal: p.WorkersTotal, Version: s.Version,
	}
	for i := range p.Workers {
		w := s.presentWorker(p.Workers[i], nil)
		out.Workers = append(out.Workers, loadOut{w.Name, w.State, w.Used, w.Slots, w.Load, w.CPUs})
	}
	for _, r := range p.Failing {
		out.Failing = append(out.Failing, s.presentJob(r.Job, r.Stats))
	}
	for _, r := range p.Acknowledged {
		out.Acknowledged = append(out.Acknowledged, ackOut{r.Job.Name, r.Execution, r.By, instant(r.At)})
	}
	for _, u := range p.Next {
		out.Next = append(out.Next, dueOut{u.JobName, instant(u.At)})
	}
	for _, e := range p.Ended {
		out.Ended = append(out.Ended, endedOut{instant(e.Hour), string(e.State), e.N})
	}
	return out
}

func (s *Server) presentRows(rows []views.ExecutionRowProps) []executionOut {
	out := make([]executionOut, len(rows))
	for i := range rows {
		out[i] = s.presentExecution(rows[i].Execution)
	}
	return out
}

// newest orders jobs by when their last run ended, the newest first.
func newest(rows []views.JobRowProps) {
	slices.SortStableFunc(rows, func(a, b views.JobRowProps) int {
		return endOf(b.Stats).Compare(endOf(a.Stats))
	})
}

func endOf(s scheduler.JobStats) time.Time {
	if s.Last == nil {
		return time.Time{}
	}
	return s.Last.FinishedAt
}
