package handlers

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
	"belfry/views"
)

const searchHits = 8 // jobs that a search finds

// search finds pages, jobs by a part of their names, and an execution by its id:
// what the palette shows while one types.
func (s *Server) search(c echo.Context) error {
	q := httpkit.ReadQuery(c.Request())
	p := views.SearchProps{Page: s.page(c, "Search", views.NavNone), Query: strings.TrimSpace(q.Text("q"))}
	if err := q.Err(); err != nil {
		return err
	}
	p.Pages = views.PagesNamed(p.Page, p.Query)
	if p.Query != "" {
		ctx := c.Request().Context()
		jobs, total, err := s.Store.ListJobs(ctx, scheduler.JobFilter{Query: p.Query, Limit: searchHits})
		if err != nil {
			return err
		}
		p.JobsTotal = total.N
		for _, j := range jobs {
			p.Jobs = append(p.Jobs, views.JobName{Name: j.Name, Display: j.DisplayName})
		}
		switch e, err := s.Store.Execution(ctx, p.Query); scheduler.CodeOf(err) {
		case "":
			p.Executions = append(p.Executions, e)
		case scheduler.CodeNotFound:
		default:
			return err
		}
	}
	return respond(c, http.StatusOK, answer{page: views.SearchPage(p), fragment: views.SearchHits(p), json: presentSearch(p)})
}

type searchOut struct {
	Jobs       []string     `json:"jobs"` // names, the first of them
	JobsTotal  int64        `json:"jobs_total"`
	Executions []string     `json:"executions"` // ids
	Pages      []views.Goto `json:"pages"`
}

func presentSearch(p views.SearchProps) searchOut {
	out := searchOut{Jobs: names(p.Jobs), JobsTotal: p.JobsTotal, Executions: []string{}, Pages: orEmpty(p.Pages)}
	for _, e := range p.Executions {
		out.Executions = append(out.Executions, e.ID)
	}
	return out
}
