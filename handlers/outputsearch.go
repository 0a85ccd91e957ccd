package handlers

import (
	"context"
	"errors"
	"math"
	"net/http"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/handlers/logsearch"
	"belfry/scheduler"
	"belfry/views"
)

// rangesMost is how many matches of one line are told: more cannot be looked at.
const rangesMost = 200

// foundOut is a line of output that matches. Text is what a reader sees of it:
// without escape sequences.
type foundOut struct {
	N      int64    `json:"n"`
	At     instant  `json:"at"`
	Stream string   `json:"stream"`
	Text   string   `json:"text"`
	Ranges [][2]int `json:"ranges"` // of the text, in UTF-16 code units
}

type outputSearchOut struct {
	Items  []foundOut `json:"items"`
	Total  *int64     `json:"total"`  // lines that match; null: was not asked for
	Before *int64     `json:"before"` // of them, before the first item, or before from
}

// searchQuery is where somebody looks for what.
type searchQuery struct {
	expr           string
	matchCase      bool
	from, to, skip int64 // from 0: the output's end where one looks back, else its beginning; skip -1: from there
	back, total    bool
	count          int
}

func readSearch(q *httpkit.Query) searchQuery {
	s := searchQuery{
		expr: q.Text("q"), from: q.Int("from", 0, 1, 1<<53), to: q.Int("to", math.MaxInt64, 1, 1<<53), skip: q.Int("skip", -1, 0, 1<<53),
		count: int(q.Int("count", 100, 0, linesMost)), total: true,
	}
	s.matchCase, s.back = isTrue(q.Bool("case")), isTrue(q.Bool("back"))
	if total := q.Bool("total"); total != nil {
		s.total = *total
	}
	return s
}

func isTrue(b *bool) bool { return b != nil && *b }

// searchOutput answers GET /executions/{id}/search.
func (s *Server) searchOutput(c echo.Context) error {
	q := httpkit.ReadQuery(c.Request())
	asked := readSearch(q)
	if err := q.Err(); err != nil {
		return err
	}
	e, err := s.execution(c)
	if err != nil {
		return err
	}
	search, err := s.searcher.Search(e.ID, asked.expr, asked.matchCase)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	found, err := asked.find(ctx, search)
	if err != nil {
		return err
	}
	if form(c.Request()) != asJSON {
		return respond(c, http.StatusOK, answer{page: views.OutputLines(foundLines(found))})
	}
	out := outputSearchOut{Items: make([]foundOut, len(found))}
	for i, l := range found {
		out.Items[i] = foundOut{l.N, instant(l.At), l.Stream.String(), string(l.Text), search.Ranges(l.Text, rangesMost)}
	}
	if asked.total {
		first := max(asked.from, 1)
		if len(found) > 0 {
			first = found[0].N
		}
		total, err := search.Count(ctx)
		if err != nil {
			return err
		}
		before, err := search.Before(ctx, first)
		if err != nil {
			return err
		}
		out.Total, out.Before = &total, &before
	}
	return respond(c, http.StatusOK, answer{json: out})
}

func (q *searchQuery) find(ctx context.Context, search *logsearch.Search) ([]logsearch.Line, error) {
	switch {
	case q.count == 0:
		return nil, nil
	case q.skip >= 0:
		return search.From(ctx, q.skip, q.count)
	case q.back && q.from == 0:
		return search.Backward(ctx, math.MaxInt64-1, q.count)
	case q.back:
		return search.Backward(ctx, q.from, q.count)
	default:
		return search.Forward(ctx, max(q.from, 1), q.to, 0, q.count)
	}
}

func foundLines(found []logsearch.Line) []views.Line {
	lines := make([]views.Line, len(found))
	for i, l := range found {
		lines[i] = views.Line{N: l.N, At: l.At, Stream: l.Stream, HTML: views.TerminalHTML(l.Raw), Open: l.Open}
	}
	return lines
}

// addSearch adds what an address of an execution's page looks for: with only=true
// the lines that match, in place of the output's end. What is wrong with it is
// shown beside its field.
func (s *Server) addSearch(c echo.Context, p *views.ExecutionProps) error {
	q := httpkit.ReadQuery(c.Request())
	expr, matchCase, only, skip := q.Text("q"), isTrue(q.Bool("case")), isTrue(q.Bool("only")), q.Int("skip", 0, 0, 1<<53)
	if err := q.Err(); err != nil {
		return err
	}
	p.Search = views.OutputSearchProps{Q: expr, Case: matchCase, Only: only && expr != ""}
	if expr == "" {
		return nil
	}
	search, err := s.searcher.Search(p.Row.Execution.ID, expr, matchCase)
	if err != nil {
		var wrong *scheduler.Error
		if !errors.As(err, &wrong) {
			return err
		}
		p.Search.Problem = fieldMap(wrong.Fields)["q"]
		return nil
	}
	if !only {
		return nil
	}
	ctx := c.Request().Context()
	if p.Search.Total, err = search.Count(ctx); err != nil {
		return err
	}
	found, err := search.From(ctx, skip, linesMost)
	if err != nil {
		return err
	}
	p.Search.Skip = skip
	p.Lines = foundLines(found)
	return nil
}
