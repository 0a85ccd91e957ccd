package handlers

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
	"belfry/views"
)

// ofJobs are the actions that everybody may see who may see jobs. The others are
// about users, tokens and the server, and an admin's.
var ofJobs = []string{"job.", "execution.", "executions.", "submissions.", "freeze", "unfreeze"}

type auditOut struct {
	ID       int64           `json:"id"`
	At       instant         `json:"at"`
	Actor    string          `json:"actor"`
	Via      string          `json:"via"`
	From     *string         `json:"from"`
	Action   string          `json:"action"`
	Object   string          `json:"object"`
	Before   json.RawMessage `json:"before"` // null: there was nothing
	After    json.RawMessage `json:"after"`  // null: there is nothing any more
	Seq      *int64          `json:"seq"`    // place in the chain; null for a moment
	Previous *string         `json:"previous"`
	Hash     *string         `json:"hash"`
}

func presentAudit(a scheduler.AuditEntry) auditOut {
	return auditOut{
		ID: a.ID, At: instant(a.At), Actor: a.Actor, Via: a.Via, From: some(a.From), Action: a.Action, Object: a.Object,
		Before: rawOrNull(a.Before), After: rawOrNull(a.After), Seq: some(a.Seq), Previous: some(a.Previous), Hash: some(a.Hash),
	}
}

func rawOrNull(text string) json.RawMessage {
	if !json.Valid([]byte(text)) {
		return json.RawMessage("null")
	}
	return json.RawMessage(text)
}

// showAudit lists what was done, newest first unless another order is asked for.
func (s *Server) showAudit(c echo.Context) error {
	f, asked, wrong, err := s.auditFilter(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	var list []scheduler.AuditEntry
	var total scheduler.Total
	if len(wrong) == 0 {
		if list, total, err = s.Store.ListAudit(ctx, f); err != nil {
			return err
		}
	}
	admin := httpkit.Principal(c).Role.Allows(scheduler.Admin)
	items := make([]auditOut, len(list))
	for i := range list {
		if !admin {
			list[i].From = ""
		}
		items[i] = presentAudit(list[i])
	}
	props := views.AuditProps{Query: asked, Rows: list, Total: total, Errors: wrong}
	if admin && form(c.Request()) != asJSON {
		if _, props.Head, _, err = s.Store.AuditLinks(ctx); err != nil {
			return err
		}
	}
	props.Page = s.page(c, "Audit", views.NavAudit)
	return respond(c, http.StatusOK, answer{
		page: views.AuditPage(props), fragment: views.AuditTable(props), json: listOf(items, total),
		file: "audit", table: func() [][]string { return auditTable(list) },
	})
}

// auditFilter reads the filter. For pages a wrong time is shown beside its field,
// and no rows are; for programs it is an error.
func (s *Server) auditFilter(c echo.Context) (scheduler.AuditFilter, views.AuditQuery, map[string]string, error) {
	q := httpkit.ReadQuery(c.Request())
	f := scheduler.AuditFilter{
		Actor: q.Text("actor"), Object: q.Text("object"), Via: q.OneOf("via", scheduler.Vias...), Sort: q.OneOf("sort", bothWays(scheduler.AuditSorts)...),
	}
	action := q.Text("action")
	f.Limit, f.Offset = q.Page(pageSize)
	err := q.Err()
	f.From, f.To = q.Span(s.Zone)
	if err == nil && form(c.Request()) == asJSON {
		err = q.Err()
	}
	if action != "" {
		f.Actions = []string{action}
	}
	if !httpkit.Principal(c).Role.Allows(scheduler.Admin) {
		if action == "" {
			f.Actions = ofJobs
		} else if !isOfJobs(action) {
			err = scheduler.Errorf(scheduler.CodeForbidden, "seeing %s in the audit log needs the role %s", action, scheduler.Admin)
		}
	}
	asked := views.AuditQuery{
		Actor: f.Actor, Action: action, Object: f.Object, Via: f.Via, From: q.Raw("from"), To: q.Raw("to"), Sort: f.Sort, Limit: f.Limit, Offset: f.Offset,
	}
	return f, asked, fieldMap(q.Fields()), err
}

func isOfJobs(action string) bool {
	return slices.ContainsFunc(ofJobs, func(known string) bool {
		return action == known || strings.HasSuffix(known, ".") && strings.HasPrefix(action, known)
	})
}

// exportAudit sends all that a filter selects, as a file.
func (s *Server) exportAudit(c echo.Context) error {
	q := httpkit.ReadQuery(c.Request())
	format := q.OneOf("format", "csv", "json")
	f, _, _, err := s.auditFilter(c)
	if err == nil {
		err = q.Err()
	}
	if err == nil && format == "" {
		err = httpkit.BadField("format", "must be csv or json")
	}
	if err != nil {
		return err
	}
	admin := httpkit.Principal(c).Role.Allows(scheduler.Admin)
	f.Limit, f.Offset = scheduler.MaxPage, 0
	page, _, err := s.Store.ListAudit(c.Request().Context(), f)
	if err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set(echo.HeaderContentDisposition, `attachment; filename="audit.`+format+`"`)
	h.Set(echo.HeaderContentType, map[string]string{"csv": "text/csv; charset=utf-8", "json": echo.MIMEApplicationJSON}[format])
	out := bufio.NewWriter(c.Response())
	write := newAuditWriter(format, out)
	for {
		for _, a := range page {
			if !admin {
				a.From = ""
			}
			if err := write.row(a); err != nil {
				return err
			}
		}
		if len(page) < f.Limit {
			break
		}
		f.Below = page[len(page)-1]
		if page, _, err = s.Store.ListAudit(c.Request().Context(), f); err != nil {
			if c.Request().Context().Err() == nil {
				s.Log.Error("export the audit log", "error", err)
			}
			panic(http.ErrAbortHandler) // the status was sent: only a broken answer says that it is not whole
		}
	}
	if err := write.end(); err != nil {
		return err
	}
	return out.Flush()
}

// auditWriter writes rows in one of the formats.
type auditWriter struct {
	row func(scheduler.AuditEntry) error
	end func() error
}

func newAuditWriter(format string, out *bufio.Writer) auditWriter {
	if format == "csv" {
		w := csv.NewWriter(out)
		_ = w.Write(auditColumns) // Flush says what went wrong
		return auditWriter{
			row: func(a scheduler.AuditEntry) error {
				row := auditRow(a)
				for i := range row {
					row[i] = formulaFree(row[i])
				}
				return w.Write(row)
			},
			end: func() error { w.Flush(); return w.Error() },
		}
	}
	before := "["
	return auditWriter{
		row: func(a scheduler.AuditEntry) error {
			b, err := json.Marshal(presentAudit(a))
			if err == nil {
				_, err = out.WriteString(before + "\n" + string(b))
			}
			before = ","
			return err
		},
		end: func() error {
			if before == "[" {
				_, err := out.WriteString("[]\n")
				return err
			}
			_, err := out.WriteString("\n]\n")
			return err
		},
	}
}

// formulaFree keeps spreadsheets from taking a name for a formula.
func formulaFree(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}
