package handlers

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
	"belfry/views"
)

// importIn is what to import. A program sends it as the body itself, and the rest
// in the address; a page sends a form with a file or a text.
type importIn struct {
	format  string
	raw     []byte
	preview bool
}

func readImport(c echo.Context) (in importIn, err error) {
	kind, _, _ := mime.ParseMediaType(c.Request().Header.Get(echo.HeaderContentType))
	switch kind {
	case echo.MIMEApplicationForm:
		return in, httpkit.Refuse(http.StatusUnsupportedMediaType, scheduler.CodeInvalid, "send the file as the body, or as multipart/form-data")
	case echo.MIMEMultipartForm:
		values, file, err := httpkit.Upload(c)
		if file == nil {
			file = []byte(values.Get("text"))
		}
		return importIn{values.Get("format"), file, values.Get("confirm") != "true"}, err
	}
	q := httpkit.ReadQuery(c.Request())
	preview := q.Bool("preview")
	in.format, in.preview = q.Text("format"), preview != nil && *preview
	if err := q.Err(); err != nil {
		return in, err
	}
	in.raw, err = httpkit.UploadBody(c)
	return in, err
}

// read makes jobs of what was sent; what is wrong belongs to a field.
func (s *Server) read(c echo.Context, in importIn) ([]scheduler.Imported, error) {
	i := slices.IndexFunc(s.Imports, func(f scheduler.ImportFormat) bool { return f.Name == in.format })
	switch {
	case i < 0:
		return nil, scheduler.Invalid("format", "must be one of %s", strings.Join(s.importNames(), ", "))
	case len(strings.TrimSpace(string(in.raw))) == 0:
		return nil, scheduler.Invalid("file", "is required")
	}
	list, err := s.Imports[i].Read(c.Request().Context(), in.raw)
	var wrong *scheduler.Error
	switch {
	case errors.As(err, &wrong) && wrong.Code == scheduler.CodeInvalid && len(wrong.Fields) == 0:
		return nil, scheduler.Invalid("file", "cannot be read: %s", wrong.Message)
	case err == nil && len(list) == 0:
		return nil, scheduler.Invalid("file", "has no jobs")
	}
	return list, err
}

func (s *Server) importNames() []string {
	names := make([]string, len(s.Imports))
	for i, f := range s.Imports {
		names[i] = f.Name
	}
	return names
}

func (s *Server) showImport(c echo.Context) error {
	return s.importPage(c, http.StatusOK, views.ImportProps{})
}

type formatOut struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	Hint  string `json:"hint"`
}

func (s *Server) importPage(c echo.Context, status int, props views.ImportProps) error {
	if err := needs(c, scheduler.Editor, "importing jobs"); err != nil {
		return err
	}
	props.Page, props.Formats = s.page(c, "Import jobs", views.NavJobs), s.Imports
	var formats []formatOut
	for _, f := range s.Imports {
		formats = append(formats, formatOut{f.Name, f.Title, f.Hint})
	}
	return respond(c, status, answer{page: views.ImportPage(props), json: listOf(formats, scheduler.Total{N: int64(len(formats))})})
}

// importJobs says what an import would do, or does it.
func (s *Server) importJobs(c echo.Context) error {
	if err := needs(c, scheduler.Editor, "importing jobs"); err != nil {
		return err
	}
	in, err := readImport(c)
	if err != nil {
		return err
	}
	origin := scheduler.OriginAPI
	if form(c.Request()) != asJSON {
		origin = scheduler.OriginPage
	}
	list, err := s.read(c, in)
	var steps []scheduler.ImportStep
	if err == nil {
		steps, err = s.Service.Import(c.Request().Context(), httpkit.Principal(c), list, origin, in.preview)
	}
	props := views.ImportProps{Format: in.format, Text: string(in.raw), Preview: in.preview, Steps: steps}
	if props.Errors = wrongFields(c, err); props.Errors != nil {
		return s.importPage(c, http.StatusUnprocessableEntity, props)
	}
	if err != nil {
		return err
	}
	out := presentImport(in.preview, steps)
	if form(c.Request()) == asJSON {
		return respond(c, http.StatusOK, answer{json: out})
	}
	if in.preview || out.Refused > 0 {
		return s.importPage(c, http.StatusOK, props)
	}
	said := fmt.Sprintf("Imported: %d made, %d changed, %d as they were.", out.Created, out.Changed, out.Kept)
	return s.done(c, http.StatusOK, "/jobs", good(said), answer{})
}

type importOut struct {
	Preview bool         `json:"preview"`
	Created int          `json:"created"`
	Changed int          `json:"changed"`
	Kept    int          `json:"kept"`
	Refused int          `json:"refused"`
	Items   []importItem `json:"items"`
}

type importItem struct {
	Name    string                 `json:"name"`
	Action  scheduler.ImportAction `json:"action"`
	Changes []differenceOut        `json:"changes"`
	Notes   []string               `json:"notes"`
	Error   *string                `json:"error"`
}

type differenceOut struct {
	Key    string  `json:"key"`
	Before *string `json:"before"` // null: it is not there
	After  *string `json:"after"`
}

func presentImport(preview bool, steps []scheduler.ImportStep) importOut {
	out := importOut{Preview: preview, Items: []importItem{}}
	for _, s := range steps {
		*map[scheduler.ImportAction]*int{
			scheduler.ImportCreate: &out.Created, scheduler.ImportChange: &out.Changed, scheduler.ImportKeep: &out.Kept, scheduler.ImportRefuse: &out.Refused,
		}[s.Action]++
		item := importItem{Name: s.Draft.Name, Action: s.Action, Changes: []differenceOut{}, Notes: orEmpty(s.Notes)}
		for _, d := range s.Changes {
			item.Changes = append(item.Changes, differenceOut(d))
		}
		if problem := s.Problem(); problem != "" {
			item.Error = &problem
		}
		out.Items = append(out.Items, item)
	}
	return out
}
