package views

import (
	"bytes"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/a-h/templ"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"belfry/scheduler"
)

func render(t *testing.T, c templ.Component) string {
	t.Helper()
	var b bytes.Buffer
	if err := c.Render(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func parse(t *testing.T, page string) *html.Node {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func attr(n *html.Node, name string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}

func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func byID(doc *html.Node, id string) *html.Node {
	for n := range doc.Descendants() {
		if v, ok := attr(n, "id"); ok && v == id {
			return n
		}
	}
	return nil
}

// checkPolicy fails on what the content security policy would refuse, and on
// anything that acts without being asked.
func checkPolicy(t *testing.T, doc *html.Node) {
	t.Helper()
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		switch n.Data {
		case "style", "iframe", "object", "embed", "base", "img":
			t.Errorf("<%s> in a page", n.Data)
		case "script":
			if src, ok := attr(n, "src"); !ok || !strings.HasPrefix(src, "/static/") || n.FirstChild != nil {
				t.Errorf("a script that is not a file of ours: %v", n.Attr)
			}
		case "form":
			if action, ok := attr(n, "action"); !ok && byMethod(n) != "dialog" || ok && !strings.HasPrefix(action, "/") {
				t.Errorf("a form to %.120q", action)
			}
		}
		for _, a := range n.Attr {
			value := strings.ToLower(strings.TrimSpace(a.Val))
			switch {
			case a.Key == "style", strings.HasPrefix(a.Key, "on"), strings.HasPrefix(a.Key, "hx-on"), a.Key == "hx-vals":
				t.Errorf("attribute %s=%.120q on <%s>", a.Key, a.Val, n.Data)
			case a.Key == "href", a.Key == "src", a.Key == "action", strings.HasPrefix(a.Key, "hx-get"), strings.HasPrefix(a.Key, "hx-post"):
				if !strings.HasPrefix(value, "/") && !strings.HasPrefix(value, "#") && !strings.HasPrefix(value, "https://") && value != "about:invalid#templfailedsanitizationurl" || strings.HasPrefix(value, "//") {
					t.Errorf("address %s=%.120q on <%s>", a.Key, a.Val, n.Data)
				}
			case a.Key == "hx-trigger" && strings.Contains(value, "["):
				t.Errorf("an event filter: %q", a.Val)
			}
		}
	}
}

func byMethod(n *html.Node) string { v, _ := attr(n, "method"); return v }

// checkStructure fails on what a screen reader would stumble over.
func checkStructure(t *testing.T, doc *html.Node) {
	t.Helper()
	ids := map[string]bool{}
	labelled := map[string]bool{}
	level, tops := 0, 0
	for n := range doc.Descendants() {
		if id, ok := attr(n, "id"); ok {
			if ids[id] || id == "" {
				t.Errorf("id %q twice or empty", id)
			}
			ids[id] = true
		}
		if v, ok := attr(n, "for"); ok && n.Data == "label" {
			labelled[v] = true
		}
		if len(n.Data) == 2 && n.Data[0] == 'h' && n.Data[1] >= '1' && n.Data[1] <= '6' && n.Type == html.ElementNode && !inside(n, "dialog") {
			now := int(n.Data[1] - '0')
			if now > level+1 {
				t.Errorf("heading %q skips from %d to %d", text(n), level, now)
			}
			level = now
			if now == 1 {
				tops++
			}
		}
	}
	if tops != 1 {
		t.Errorf("%d top headings", tops)
	}
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		for _, ref := range []string{"aria-describedby", "aria-labelledby", "for", "commandfor", "popovertarget", "list"} {
			v, ok := attr(n, ref)
			for _, id := range strings.Fields(v) {
				if ok && !ids[id] {
					t.Errorf("%s=%q on <%s> points nowhere", ref, id, n.Data)
				}
			}
		}
		switch n.Data {
		case "input", "select", "textarea":
			kind, _ := attr(n, "type")
			id, _ := attr(n, "id")
			if kind != "hidden" && !labelled[id] && !inside(n, "label") {
				t.Errorf("<%s> without a label: %v", n.Data, n.Attr)
			}
			if bad, ok := attr(n, "aria-invalid"); ok {
				if by, _ := attr(n, "aria-describedby"); bad == "true" && !strings.Contains(by, "error") {
					t.Errorf("invalid without a reason: %v", n.Attr)
				}
			}
		case "button", "a", "h1", "h2", "h3":
			if _, named := attr(n, "aria-label"); text(n) == "" && !named && !inside(n, "dialog") {
				t.Errorf("<%s> without a name: %v", n.Data, n.Attr)
			}
		}
	}
}

func inside(n *html.Node, name string) bool {
	for p := n.Parent; p != nil; p = p.Parent {
		if p.Data == name {
			return true
		}
	}
	return false
}

func TestPagesKeepThePolicyAndTheirStructure(t *testing.T) {
	for name, page := range samplePages() {
		t.Run(name, func(t *testing.T) {
			out := render(t, page)
			doc := parse(t, out)
			checkPolicy(t, doc)
			checkStructure(t, doc)
			if !strings.HasPrefix(out, "<!doctype html>") {
				t.Errorf("begins with %.40q", out)
			}
		})
	}
}

const hostile = `<script>hostile()</script>"'><img src=x onerror=hostile()>` + "\u202eשלום"

// poison puts s into every string that a value holds, however deep, except
// rendered lines, which are safe by their type's promise.
func poison(v reflect.Value, s string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(s)
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.IsExported() && !(v.Type() == reflect.TypeFor[Line]() && f.Name == "HTML") {
				poison(v.Field(i), s)
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte(fmt.Sprintf(`{"command":%q,"url":%q}`, s, s)))
			return
		}
		for i := range v.Len() {
			poison(v.Index(i), s)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			if v.Type().Elem().Kind() == reflect.String {
				v.SetMapIndex(k, reflect.ValueOf(s))
			}
		}
		if v.Type() == reflect.TypeFor[map[string]string]() && !v.IsNil() {
			v.SetMapIndex(reflect.ValueOf(s), reflect.ValueOf(s))
		}
	case reflect.Pointer:
		if !v.IsNil() && v.CanSet() && v.Type().Elem().Kind() == reflect.Struct && v.Type().Elem().PkgPath() != "time" {
			poison(v.Elem(), s)
		}
	}
}

func poisoned[T any](p T, s string) T {
	poison(reflect.ValueOf(&p).Elem(), s)
	return p
}

// keep restores what decides what a poisoned page shows at all.
func keep(p *Page) { p.Role = scheduler.Admin }

func poisonedPages(s string) map[string]templ.Component {
	now := poisoned(sampleNowProps(), s)
	now.Freeze.Since = sampleNow
	keep(&now.Page)
	jobs := poisoned(JobsProps{Page: samplePage("", NavJobs), Query: JobQuery{Limit: 2}, Rows: sampleJobs(), Executors: []string{"x"}}, s)
	keep(&jobs.Page)
	job := poisoned(sampleJobProps(), s)
	keep(&job.Page)
	form := poisoned(sampleFaultyForm(), s)
	keep(&form.Page)
	list := poisoned(ExecutionsProps{Page: samplePage("", NavExecutions), Rows: sampleRows(), Errors: map[string]string{"from": "x"}}, s)
	keep(&list.Page)
	live := poisoned(sampleLive(scheduler.Failed), s)
	keep(&live.Page)
	users := poisoned(sampleUsers(), s)
	keep(&users.Page)
	tokens := poisoned(sampleTokens(), s)
	keep(&tokens.Page)
	workers := poisoned(sampleWorkers(), s)
	keep(&workers.Page)
	worker := poisoned(sampleWorker(), s)
	keep(&worker.Page)
	return map[string]templ.Component{
		"workers": WorkersPage(workers), "worker": WorkerPage(worker),
		"now": NowPage(now), "jobs": JobsPage(jobs), "job": JobPage(job), "form": JobFormPage(form), "executions": ExecutionsPage(list),
		"live": ExecutionPage(live), "users": SettingsUsersPage(users), "tokens": SettingsTokensPage(tokens),
		"login":    LoginPage(poisoned(LoginProps{}, s)),
		"error":    ErrorPage(poisoned(ErrorProps{Status: 500}, s)),
		"freeze":   FreezePatch(now.Page),
		"patch":    ExecutionPatch(list.Page, list.Rows[0]),
		"row":      ExecutionRow(list.Page, list.Rows[3]),
		"end":      EndNote(live),
		"preview":  SchedulePreview(form.Preview),
		"meanings": SchedulePreview(poisoned(PreviewProps{Fires: sampleFires()}, s)),
		"toast":    Toast(poisoned(Flash{}, s)),
	}
}

func TestPagesEscapeEverything(t *testing.T) {
	long := strings.Repeat("10,000 characters <b>&amp; ", 10_000/27)
	for kind, s := range map[string]string{"hostile": hostile, "address": "javascript:hostile()", "long": long, "bytes": "a\x00\xff\x1b[31m\r\n</textarea></title>"} {
		for name, page := range poisonedPages(s) {
			t.Run(kind+"/"+name, func(t *testing.T) {
				out := render(t, page)
				doc := parse(t, out)
				checkPolicy(t, doc)
				for n := range doc.Descendants() {
					if n.Type == html.ElementNode && slices.Contains([]string{"b", "img"}, n.Data) {
						t.Errorf("a name became <%s>", n.Data)
					}
				}
				if kind == "hostile" && !strings.Contains(text(doc), "<script>hostile()</script>") {
					t.Error("what was given is not shown")
				}
			})
		}
	}
}

func TestFormKeepsWhatWasTyped(t *testing.T) {
	p := sampleFaultyForm()
	p.Values["notes"] = hostile
	p.Values["config.headers"] = "X Y: 1\nZ: 2"
	p.Errors["dependencies"] = "has no field of its own"
	doc := parse(t, render(t, JobFormPage(p)))
	for id, want := range map[string]string{"f-name": "nightly/backup", "f-schedule": "61 2 * * *", "f-timeout": "soon", "f-config-url": "example.com"} {
		n := byID(doc, id)
		got, _ := attr(n, "value")
		if n.Data == "textarea" {
			got = text(n)
		}
		if got != want {
			t.Errorf("%s holds %q, want %q", id, got, want)
		}
		if bad, _ := attr(n, "aria-invalid"); bad != "true" {
			t.Errorf("%s is not marked", id)
		}
		by, _ := attr(n, "aria-describedby")
		if first, _, _ := strings.Cut(by, " "); text(byID(doc, first)) != p.Errors[strings.Replace(strings.TrimPrefix(id, "f-"), "-", ".", 1)] {
			t.Errorf("%s is described by %q", id, by)
		}
	}
	if got := byID(doc, "f-notes").FirstChild.Data; got != hostile {
		t.Errorf("notes hold %q", got)
	}
	if got := byID(doc, "f-config-headers").FirstChild.Data; got != "X Y: 1\nZ: 2" {
		t.Errorf("headers hold %q", got)
	}
	if page := text(doc); !strings.Contains(page, "dependencies: has no field of its own") || !strings.Contains(page, "X Y: is not a header's name") {
		t.Error("an error without a field of its own is not told")
	}
}

func TestRolesSeeTheirControls(t *testing.T) {
	p := JobProps{Page: samplePage("", NavJobs), Row: sampleJobs()[0], Executions: sampleRows()}
	for role, want := range map[scheduler.Role][]string{
		scheduler.Viewer:   {},
		scheduler.Operator: {"/run", "/disable", "/stop", "/retry"},
		scheduler.Editor:   {"/run", "/disable", "/stop", "/retry", "/delete", "/edit"},
	} {
		p.Role = role
		out := render(t, JobBoard(p)) + render(t, JobRow(p.Page, p.Row))
		for _, what := range []string{"/run", "/disable", "/stop", "/retry", "/delete", "/edit"} {
			if strings.Contains(out, what+`"`) != slices.Contains(want, what) {
				t.Errorf("%s: %s", role, what)
			}
		}
	}
	p.Role = scheduler.Editor
	if strings.Contains(render(t, JobPage(p)), "/settings") {
		t.Error("an editor is offered the settings")
	}
}

func TestPatchHasThePagesIDs(t *testing.T) {
	p := samplePage("", NavExecutions)
	for _, r := range sampleRows() {
		page := parse(t, render(t, ExecutionsTable(ExecutionsProps{Page: p, Rows: []ExecutionRowProps{r}})))
		box, err := html.ParseFragment(strings.NewReader(render(t, ExecutionPatch(p, r))), &html.Node{Type: html.ElementNode, Data: "body", DataAtom: atom.Body})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range box {
			id, _ := attr(n, "id")
			if how, _ := attr(n, "hx-swap-oob"); how != "morph" {
				t.Errorf("%s is swapped by %q", id, how)
			}
			if !strings.HasPrefix(id, "j-") && byID(page, id) == nil {
				t.Errorf("no place for %q in the table", id)
			}
		}
	}
}

func TestPathsEscapeNames(t *testing.T) {
	for got, want := range map[string]string{
		JobPath("a b/c?d#é%"):               "/jobs/a%20b%2Fc%3Fd%23%C3%A9%25",
		JobPath("x", "run"):                 "/jobs/x/run",
		ExecutionsOf("a&b=c", "failed"):     "/executions?job=a%26b%3Dc&state=failed",
		JobQuery{Limit: 50}.path(0):         "/jobs?limit=50",
		JobQuery{Q: "x", Limit: 5}.path(10): "/jobs?limit=5&offset=10&q=x",
		JobQuery{Q: "x"}.sorted("-name"):    "/jobs?q=x&sort=-name",
		JobQuery{Sort: "-name"}.sorted(""):  "/jobs",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestPager(t *testing.T) {
	for _, c := range []struct {
		total         scheduler.Total
		limit, offset int
		shown         int
		prev, next    bool
	}{
		{scheduler.Total{N: 6}, 50, 0, 6, false, false},
		{scheduler.Total{N: 51}, 50, 0, 50, false, true},
		{scheduler.Total{N: 51}, 50, 50, 1, true, false},
		{scheduler.Total{N: 10, Capped: true}, 10, 10, 10, true, true},
		{scheduler.Total{N: 10, Capped: true}, 10, 20, 3, true, false},
		{scheduler.Total{N: 5}, 10, 100, 0, true, false},
	} {
		out := render(t, pager(c.total, c.limit, c.offset, c.shown, JobQuery{}.path))
		if c.shown == 0 && !strings.Contains(out, `rel="prev" href="/jobs"`) {
			t.Errorf("from past the end, the page before is not the last: %s", out)
		}
		if strings.Contains(out, `rel="prev"`) != c.prev || strings.Contains(out, `rel="next"`) != c.next {
			t.Errorf("%+v: %s", c, out)
		}
	}
}

func BenchmarkJobsTable(b *testing.B) {
	p := JobsProps{Page: samplePage("", NavJobs)}
	for len(p.Rows) < 50 {
		p.Rows = append(p.Rows, sampleJobs()...)
	}
	p.Rows = p.Rows[:50]
	var buf bytes.Buffer
	for b.Loop() {
		buf.Reset()
		if err := JobsTable(p).Render(b.Context(), &buf); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(buf.Len()), "bytes/page")
}

func TestIconsExist(t *testing.T) {
	sprite, err := os.ReadFile("../static/icons.svg")
	if err != nil {
		t.Fatal(err)
	}
	for name, page := range samplePages() {
		for n := range parse(t, render(t, page)).Descendants() {
			href, _ := attr(n, "href")
			if _, id, ok := strings.Cut(href, ".svg#"); ok && n.Data == "use" && !strings.Contains(string(sprite), `id="`+id+`"`) {
				t.Errorf("%s: no icon %q", name, id)
			}
		}
	}
	for _, s := range scheduler.States {
		if !strings.Contains(string(sprite), `id="`+lookOf(s).Icon+`"`) {
			t.Errorf("no icon %q", lookOf(s).Icon)
		}
	}
}

// Whatever is wrong, the line at the top leads to its field and names it as the form does.
func TestWrongFieldsAreLinks(t *testing.T) {
	for _, kind := range configKinds {
		p := sampleForm()
		p.Values["executor"], p.Errors = kind, map[string]string{}
		for _, f := range formFields {
			p.Errors[f.name] = "is wrong: " + f.name
		}
		for _, f := range configFields[kind] {
			p.Errors[ConfigPrefix(kind)+f.Key] = "is wrong: " + f.Key
		}
		doc := parse(t, render(t, JobFormPage(p)))
		labels := map[string]string{}
		for n := range doc.Descendants() {
			if id, ok := attr(n, "for"); ok && n.Data == "label" {
				labels[id] = text(n)
			}
		}
		wrong := p.wrongFields()
		if len(wrong) != len(p.Errors) {
			t.Errorf("%s: %d of %d errors are told", kind, len(wrong), len(p.Errors))
		}
		for _, w := range wrong {
			if label, has := labels[w.id]; byID(doc, w.id) == nil || has && label != w.label {
				t.Errorf("%s: the line %+v leads to what is called %q", kind, w, label)
			}
		}
	}
}
