package handlers

import (
	"bytes"
	"context"
	"encoding/json"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
)

// lineFormat is a format of the tests: a name on each line, "name: schedule", in quotes
// or not. What begins with ! cannot be taken, what ends with ? has something to
// know.
var lineFormat = scheduler.ImportFormat{
	Name: "lines", Title: "Lines", Hint: "Write it.",
	Read: func(_ context.Context, raw []byte) (list []scheduler.Imported, err error) {
		for line := range strings.Lines(strings.Trim(string(raw), `"`)) {
			name, schedule, _ := strings.Cut(strings.TrimSpace(line), ": ")
			one := scheduler.Imported{Draft: scheduler.Draft{Name: strings.Trim(name, "!?"), Executor: "shell", Enabled: true, Config: json.RawMessage(`{"command":"true"}`)}}
			switch {
			case name == "broken":
				return nil, scheduler.Errorf(scheduler.CodeInvalid, "these are no lines")
			case strings.HasPrefix(name, "!"):
				one.Err = scheduler.Errorf(scheduler.CodeInvalid, "it begins with !")
			case strings.HasSuffix(name, "?"):
				one.Notes = []string{"It ends with a question."}
			}
			if schedule != "" {
				one.Draft.Schedules = []scheduler.Schedule{{Text: schedule}}
			}
			if name != "" {
				list = append(list, one)
			}
		}
		return list, nil
	},
}

const importLines = "a: @daily\nb?\n!c\nd: every now and then\n"

func TestImportByAProgram(t *testing.T) {
	w := newWorld(t)
	send := func(query, body string) importOut {
		t.Helper()
		return decode[importOut](t, w.expect(http.StatusOK, ask{method: "POST", path: "/jobs/import?format=lines" + query, body: body, as: scheduler.Editor}.with("Content-Type", "text/plain")))
	}
	text := func(s string) *string { return &s }
	want := importOut{Preview: true, Created: 2, Refused: 2, Items: []importItem{
		{Name: "a", Action: scheduler.ImportCreate, Notes: []string{}, Error: nil},
		{Name: "b", Action: scheduler.ImportCreate, Notes: []string{"It ends with a question."}, Error: nil},
		{Name: "c", Action: scheduler.ImportRefuse, Notes: []string{}, Error: text("it begins with !")},
		{Name: "d", Action: scheduler.ImportRefuse, Notes: []string{}, Error: text("schedule has 4 fields")},
	}}
	got := send("&preview=true", importLines)
	if len(got.Items[0].Changes) == 0 || len(got.Items[2].Changes) != 0 {
		t.Errorf("%+v", got.Items)
	}
	for i := range got.Items {
		want.Items[i].Changes = got.Items[i].Changes
	}
	if got.Items[3].Error == nil || !strings.HasPrefix(*got.Items[3].Error, "schedule ") {
		t.Fatalf("%+v", got.Items[3])
	}
	want.Items[3].Error = got.Items[3].Error
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	w.expect(http.StatusNotFound, ask{path: "/jobs/a", as: scheduler.Editor})

	want.Preview = false
	if d := cmp.Diff(want, send("", importLines)); d != "" {
		t.Error(d)
	}
	before := w.audit()
	if again := send("", importLines); again.Created+again.Changed != 0 || again.Kept != 2 || w.audit() != before {
		t.Errorf("the same again: %+v", again)
	}
	if changed := send("", "a: @hourly"); changed.Changed != 1 {
		t.Errorf("%+v", changed)
	}
	if rec := w.expect(http.StatusOK, ask{path: "/jobs/a", as: scheduler.Editor}); !strings.Contains(rec.Body.String(), `"origin":"api"`) || !strings.Contains(rec.Body.String(), "@hourly") {
		t.Errorf("%s", rec.Body)
	}
	for body, field := range map[string]string{"broken": "file", " \n": "file"} {
		rec := w.expect(http.StatusUnprocessableEntity, ask{method: "POST", path: "/jobs/import?format=lines", body: body, as: scheduler.Editor})
		if p := w.problem(rec); len(p.Errors) != 1 || p.Errors[0].Field != field {
			t.Errorf("%q: %+v", body, p)
		}
	}
	rec := w.expect(http.StatusUnprocessableEntity, ask{method: "POST", path: "/jobs/import?format=x", body: "a", as: scheduler.Editor})
	if p := w.problem(rec); len(p.Errors) != 1 || p.Errors[0].Field != "format" || !strings.Contains(p.Errors[0].Message, "lines") {
		t.Errorf("%+v", p)
	}
	w.expect(http.StatusBadRequest, ask{method: "POST", path: "/jobs/import?format=lines&preview=x", body: "a", as: scheduler.Editor})
	w.expect(http.StatusUnsupportedMediaType, ask{method: "POST", path: "/jobs/import", form: url.Values{"text": {"a"}}, as: scheduler.Editor})
	w.expect(http.StatusRequestEntityTooLarge, ask{method: "POST", path: "/jobs/import?format=lines", body: strings.Repeat("x", httpkit.MaxUpload+1), as: scheduler.Editor})
}

// upload is a form as a browser sends it, with a file unless it is empty.
func upload(t *testing.T, file string, fields map[string]string) ask {
	t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	for name, v := range fields {
		if err := m.WriteField(name, v); err != nil {
			t.Fatal(err)
		}
	}
	name := ""
	if file != "" {
		name = "jobs.txt"
	}
	part, err := m.CreateFormFile("file", name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := part.Write([]byte(file)); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	return ask{method: "POST", path: "/jobs/import", body: b.String(), as: scheduler.Editor}.page().with("Content-Type", m.FormDataContentType())
}

func TestImportByThePage(t *testing.T) {
	w := newWorld(t)
	for name, a := range map[string]ask{
		"file": upload(t, importLines, map[string]string{"format": "lines", "text": ""}),
		"text": upload(t, "", map[string]string{"format": "lines", "text": importLines}),
	} {
		page := w.expect(http.StatusOK, a).Body.String()
		for _, words := range []string{"What would be done", "2 would be made, 2 refused.", "It ends with a question.", "it begins with !", "Import 2 jobs", "@daily"} {
			if !strings.Contains(page, words) {
				t.Errorf("by %s: no %q", name, words)
			}
		}
	}
	w.expect(http.StatusNotFound, ask{path: "/jobs/a", as: scheduler.Editor})
	page := w.expect(http.StatusOK, upload(t, "", map[string]string{"format": "lines", "text": importLines, "confirm": "true"})).Body.String()
	if !strings.Contains(page, "What was done") || !strings.Contains(page, `href="/jobs/a"`) || strings.Contains(page, "Import 2 jobs") {
		t.Errorf("%.3000s", page)
	}
	rec := w.expect(http.StatusSeeOther, upload(t, "", map[string]string{"format": "lines", "text": "a: @daily", "confirm": "true"}))
	if rec.Header().Get("Location") != "/jobs" {
		t.Errorf("to %s", rec.Header().Get("Location"))
	}
	page = w.expect(http.StatusOK, upload(t, "a: @daily", map[string]string{"format": "lines"})).Body.String()
	if !strings.Contains(page, "1 stay as they are, there is nothing to import.") {
		t.Errorf("%.3000s", page)
	}
	page = w.expect(http.StatusUnprocessableEntity, upload(t, "", map[string]string{"format": "lines", "text": "a\nbroken\n<&"})).Body.String()
	if !strings.Contains(page, "these are no lines") || !strings.Contains(page, "a\nbroken\n&lt;&amp;") {
		t.Errorf("%.3000s", page)
	}
}
