package handlers

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/views"
)

// rendering is what a client can read.
type rendering int

const (
	asJSON rendering = iota
	asPage
	asFragment
)

// form decides what a client gets: what it accepts, or a file where it asks for one.
func form(r *http.Request) rendering {
	if download(r) != "" {
		return asJSON
	}
	return accepted(r)
}

// accepted is what a client shows. htmx says what it is, except where it loads
// whole pages; browsers ask for text/html by name; everything else is a program,
// also when it accepts anything.
func accepted(r *http.Request) rendering {
	h := r.Header
	if h.Get("HX-Request") == "true" && h.Get("HX-Boosted") != "true" && h.Get("HX-History-Restore-Request") != "true" {
		return asFragment
	}
	accept := h.Values(echo.HeaderAccept)
	html, asked := quality(accept, "text/html")
	if wish, also := quality(accept, "application/json"); !asked || html == 0 || also && wish > html {
		return asJSON
	}
	return asPage
}

// quality is how much a media type or an encoding is wanted, if it is named.
func quality(accept []string, kind string) (q float64, named bool) {
	for part := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		name, params, err := mime.ParseMediaType(part)
		if err != nil || name != kind {
			continue
		}
		q = 1
		if text, ok := params["q"]; ok {
			if q, err = strconv.ParseFloat(text, 64); err != nil {
				q = 0
			}
		}
		return q, true
	}
	return 0, false
}

// download is how a browser wants to keep what a list shows: "csv", "json", or
// not at all.
func download(r *http.Request) string {
	if r.Method != http.MethodGet || !strings.Contains(r.URL.RawQuery, "format=") {
		return ""
	}
	if f := r.URL.Query().Get("format"); slices.Contains(listFormats, f) {
		return f
	}
	return ""
}

// listFormats are the files that a list can be kept as.
var listFormats = []string{"csv", "json"}

// listFormat refuses to show a list in another format.
func listFormat(r *http.Request) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return nil
	}
	q := httpkit.ReadQuery(r)
	q.OneOf("format", listFormats...)
	return q.Err()
}

// answer is one result in its renderings. A nil fragment is the page's.
type answer struct {
	page     templ.Component
	fragment templ.Component
	json     any
	mime     string            // of json; "" is application/json
	table    func() [][]string // a list's rows, its head first; nil is no list
	file     string            // what a download of it is called, without its ending; "" is no list
}

// respond renders into a buffer first, so that what fails to render can still
// become an error with its status.
func respond(c echo.Context, status int, a answer) error {
	c.Response().Header().Set(echo.HeaderVary, "Accept, HX-Request, HX-Boosted, HX-History-Restore-Request, Cookie, Authorization")
	var b bytes.Buffer
	how := form(c.Request())
	if err := listFormat(c.Request()); a.file != "" && status < http.StatusBadRequest && err != nil {
		return err
	}
	if status >= http.StatusBadRequest {
		how = accepted(c.Request()) // there is no file
	}
	component := a.page
	switch {
	case how == asJSON:
		return respondJSON(c, status, a)
	case how == asFragment && a.fragment != nil:
		component = a.fragment
	}
	if err := component.Render(c.Request().Context(), &b); err != nil {
		return err
	}
	return blob(c, status, echo.MIMETextHTMLCharsetUTF8, b.Bytes())
}

func respondJSON(c echo.Context, status int, a answer) error {
	if kind := download(c.Request()); kind != "" && a.table != nil {
		name := a.file + "." + kind
		c.Response().Header().Set(echo.HeaderContentDisposition, mime.FormatMediaType("attachment", map[string]string{"filename": name}))
		if kind == "csv" {
			return blob(c, status, "text/csv; charset=utf-8", csvOf(a.table()))
		}
	} else if kind == "csv" && status < http.StatusBadRequest {
		return httpkit.BadField("format", "this is no list")
	}
	kind := a.mime
	if kind == "" {
		kind = echo.MIMEApplicationJSON
	}
	b, err := json.Marshal(a.json)
	if err != nil {
		return err
	}
	return blob(c, status, kind, append(b, '\n'))
}

// csvOf writes rows for a spreadsheet. What would be a formula there is text. Rows end
// as RFC 4180 says; UseCRLF would end the lines within cells so, too.
func csvOf(rows [][]string) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	for _, row := range rows {
		for i, cell := range row {
			row[i] = formulaFree(cell)
		}
		_ = w.Write(row) // into memory
		w.Flush()
		b.Truncate(b.Len() - len("\n"))
		b.WriteString("\r\n")
	}
	return b.Bytes()
}

// done answers a mutation that has nothing to show: a program gets what it
// changed, htmx a fragment, and a form is sent on to a page that says what was
// done.
func (s *Server) done(c echo.Context, status int, to string, flash views.Flash, a answer) error {
	switch form(c.Request()) {
	case asPage:
		s.setFlash(c, flash)
		return c.Redirect(http.StatusSeeOther, s.back(c, to))
	case asFragment:
		if a.fragment == nil { // there is nothing to patch: the page has to change
			s.setFlash(c, flash)
			c.Response().Header().Set("HX-Redirect", to)
			return c.NoContent(http.StatusOK)
		}
		return respond(c, http.StatusOK, a)
	default:
		if status == http.StatusNoContent {
			return c.NoContent(status)
		}
		return respond(c, status, a)
	}
}

// back is where a form wants to return to, if it says so.
func (s *Server) back(c echo.Context, to string) string {
	values, err := httpkit.Form(c)
	if err != nil || values.Get("back") == "" {
		return to
	}
	return localPath(values.Get("back"))
}

// page begins what every page shows, and takes the flash that waits for it.
func (s *Server) page(c echo.Context, title string, active views.Nav) views.Page {
	p := httpkit.Principal(c)
	page := views.Page{
		Title: title, Active: active, User: p.Name, Role: p.Role, Now: s.Now(), Freeze: s.Service.Frozen(), Server: s.Zone,
	}
	page.Zone, page.ZoneOf = s.chosenZone(c)
	if form(c.Request()) == asPage {
		page.Flash = takeFlash(c)
	}
	return page
}
