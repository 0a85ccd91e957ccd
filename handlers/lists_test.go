package handlers

import (
	"cmp"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"belfry/scheduler"
	"belfry/views"
)

// names are the first cells of a CSV file without its head.
func (w *world) names(path string) string {
	w.t.Helper()
	rows, err := csv.NewReader(w.expect(http.StatusOK, ask{path: path, as: scheduler.Admin}).Body).ReadAll()
	w.must(err)
	var names []string
	for _, row := range rows[1:] {
		names = append(names, row[0])
	}
	return strings.Join(names, " ")
}

// TestWorkerList: page, JSON and CSV of one address show the same workers in the
// same order.
func TestWorkerList(t *testing.T) {
	w := newWorld(t)
	w.worker("Beta", "gpu", "linux")
	w.worker("alpha", "linux")
	w.worker("gone")
	w.must(func() error {
		_, err := w.service.SetWorkerMode(t.Context(), scheduler.Server, "gone", scheduler.WorkerDisconnected)
		return err
	}())
	server := decode[workersOut](t, w.expect(http.StatusOK, ask{path: "/workers", as: scheduler.Viewer})).Items[3].Name
	for query, want := range map[string]string{
		"":                            "alpha Beta gone " + server,
		"?sort=-name":                 server + " gone Beta alpha",
		"?sort=state":                 "alpha Beta " + server + " gone",
		"?sort=-state":                "gone " + server + " Beta alpha",
		"?tag=linux":                  "alpha Beta",
		"?tag=linux&sort=-name":       "Beta alpha",
		"?tag=gpu&q=+BET+":            "Beta",
		"?state=disconnected":         "gone",
		"?state=online&tag=nothing":   "",
		"?q=&state=&tag=&sort=&other": "alpha Beta gone " + server,
	} {
		and := "?"
		if query != "" {
			and = query + "&"
		}
		if got := w.names("/workers" + and + "format=csv"); got != want {
			t.Errorf("%s: %q, expected %q", query, got, want)
		}
		var names []string
		for _, o := range decode[workersOut](t, w.expect(http.StatusOK, ask{path: "/workers" + query, as: scheduler.Viewer})).Items {
			names = append(names, o.Name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("JSON of %s: %q, expected %q", query, got, want)
		}
	}
	page := w.expect(http.StatusOK, ask{path: "/workers?tag=gpu", as: scheduler.Viewer}.page()).Body.String()
	if !strings.Contains(page, ">Beta<") || strings.Contains(page, ">alpha<") || !strings.Contains(page, `href="/workers?limit=50&amp;tag=gpu&amp;format=csv"`) {
		t.Errorf("the page of one tag is %s", page)
	}
	none := w.expect(http.StatusOK, ask{path: "/workers?q=nothing", as: scheduler.Viewer}.page()).Body.String()
	if !strings.Contains(none, "Nothing matches") {
		t.Errorf("the page of none is %s", none)
	}
}

// TestPastTheEnd: a page that a list does not have is not said to be an empty list,
// and leads back to the list's last page.
func TestPastTheEnd(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"a", "b", "c"} {
		w.job(name)
		w.run(name)
		_, err := w.service.CreateTreeJob(t.Context(), scheduler.Server, scheduler.TreeDraft{Title: name, Command: "x"}, "", nil)
		w.must(err)
		w.worker(name)
		w.must(w.service.CreateUser(t.Context(), scheduler.Server, name, "12345678", scheduler.Viewer))
		_, _, err = w.service.CreateToken(t.Context(), scheduler.Server, name, scheduler.Viewer, 0)
		w.must(err)
		w.expect(http.StatusCreated, ask{method: "POST", path: "/settings/classes", as: scheduler.Admin, body: fmt.Sprintf(
			`{"name":%q,"executor":"noop"}`, "a."+name)})
	}
	for _, path := range []string{
		"/jobs", "/executions", "/executions?state=queued,running", "/audit", "/tree", "/workers", "/workers/tokens", "/settings/users", "/settings/tokens", "/settings/classes",
	} {
		and := "?"
		if strings.Contains(path, "?") {
			and = "&"
		}
		page := w.expect(http.StatusOK, ask{path: path + and + "limit=2&offset=100000", as: scheduler.Admin}.page()).Body.String()
		if !strings.Contains(page, "There is no page this far") {
			t.Errorf("%s does not say that there is no such page", path)
		}
		for _, words := range []string{"No jobs yet", "Nothing has run", "Nothing was done", "Nothing here yet", "Nothing matches", "No token"} {
			if strings.Contains(page, words) {
				t.Errorf("%s says %q", path, words)
			}
		}
		last := regexp.MustCompile(`href="([^"]*)">Show the last page`).FindStringSubmatch(page)
		if last == nil {
			t.Errorf("%s leads nowhere", path)
			continue
		}
		page = w.expect(http.StatusOK, ask{path: strings.ReplaceAll(last[1], "&amp;", "&"), as: scheduler.Admin}.page()).Body.String()
		if strings.Contains(page, "no page this far") || !strings.Contains(page, `rel="prev"`) || strings.Contains(page, `rel="next"`) {
			t.Errorf("%s leads to %s, which is not the last page", path, last[1])
		}
	}
}

// TestOtherFormats: a list that is asked for as something else is not answered as
// JSON, as if that had been asked for.
func TestOtherFormats(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{
		"/jobs", "/executions", "/audit", "/tree", "/workers", "/workers/tokens", "/settings/users", "/settings/tokens", "/settings/classes",
	} {
		for _, format := range []string{"CSV", "xml", "csv,json"} {
			a := ask{path: path + "?format=" + format, as: scheduler.Admin}
			if p := w.problem(w.expect(http.StatusBadRequest, a)); len(p.Errors) != 1 || p.Errors[0].Field != "format" {
				t.Errorf("%s: %+v", a.path, p.Errors)
			}
			w.expect(http.StatusBadRequest, a.page())
		}
		w.expect(http.StatusOK, ask{path: path + "?format=", as: scheduler.Admin})
		w.expect(http.StatusOK, ask{path: path + "?format=json", as: scheduler.Admin})
	}
}

// TestWorkersByLoad: what is busiest, and what was not seen for longest, comes
// first or last.
func TestWorkersByLoad(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	worker := func(name string, used int, load float64, seen int) scheduler.Worker {
		return scheduler.Worker{Name: name, Presence: scheduler.WorkerOnline, Used: used, About: scheduler.WorkerAbout{Load: load}, SeenAt: now.Add(time.Duration(-seen) * time.Second)}
	}
	for by, want := range map[string]string{
		"slots": "bca", "-slots": "acb", "load": "cab", "-load": "bac", "seen": "cba", "-seen": "abc",
	} {
		var got string
		list := []scheduler.Worker{worker("a", 3, 1, 0), worker("b", 0, 8.5, 5), worker("c", 0, 0.2, 9)}
		for _, w := range selectWorkers(list, views.WorkerQuery{Sort: by}, now) {
			got += w.Name
		}
		if got != want {
			t.Errorf("by %s: %s, expected %s", by, got, want)
		}
	}
}

// TestSettingsLists: users and tokens are found by a part of their names.
func TestSettingsLists(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"walter", "Wanda"} {
		w.must(w.service.CreateUser(t.Context(), scheduler.Server, name, "12345678", scheduler.Viewer))
	}
	for _, name := range []string{"deploy", "redeploy", "grafana"} {
		_, _, err := w.service.CreateToken(t.Context(), scheduler.Server, name, scheduler.Viewer, 0)
		w.must(err)
	}
	for path, want := range map[string]string{
		"/settings/users?q=WA&format=csv":      "walter Wanda",
		"/settings/users?q=nobody&format=csv":  "",
		"/settings/tokens?q=DEPLOY&format=csv": "deploy redeploy",
	} {
		if got := w.names(path); got != want {
			t.Errorf("%s: %q, expected %q", path, got, want)
		}
	}
	page := w.expect(http.StatusOK, ask{path: "/settings/users?q=wanda", as: scheduler.Admin}.page()).Body.String()
	if !strings.Contains(page, ">Wanda<") || strings.Contains(page, ">walter<") || !strings.Contains(page, `href="/settings/users?limit=50&amp;q=wanda&amp;format=csv"`) {
		t.Errorf("the page is %s", page)
	}
}

// TestTreeFile: the list of a group is kept as it is shown.
func TestTreeFile(t *testing.T) {
	w := newWorld(t)
	group, err := w.service.CreateTreeJob(t.Context(), scheduler.Server, scheduler.TreeDraft{Title: "films"}, "", nil)
	w.must(err)
	for _, title := range []string{"=shot 1", "shot 2"} {
		_, err := w.service.CreateTreeJob(t.Context(), scheduler.Server, scheduler.TreeDraft{Parent: group.Num, Title: title, Command: "render"}, "", nil)
		w.must(err)
	}
	path := "/tree/" + strconv.FormatInt(group.Num, 10) + "?q=shot&limit=1&format=csv"
	rows, err := csv.NewReader(w.expect(http.StatusOK, ask{path: path, as: scheduler.Viewer}).Body).ReadAll()
	w.must(err)
	if len(rows) != 2 || rows[1][2] != "job" || rows[1][3] != "'=shot 1" || rows[1][4] != "render" || rows[1][5] != "waiting" {
		t.Errorf("the file is %q", rows)
	}
	if rec := w.expect(http.StatusOK, ask{path: "/tree?format=csv", as: scheduler.Viewer}); rec.Header().Get("Content-Disposition") != `attachment; filename=tree.csv` ||
		!strings.Contains(rec.Body.String(), ",group,films,") {
		t.Errorf("the root is %v %s", rec.Header(), rec.Body)
	}
}

// TestEveryOrder: each list is in each of the orders that its page offers and its
// description names, the same as a page, JSON and CSV, whole and cut into pages.
func TestEveryOrder(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"beta", "alpha", "gamma"} {
		w.job(name)
		w.finished(name, "done")
		w.worker("worker-"+name, "tag")
		w.must(w.service.CreateUser(t.Context(), scheduler.Server, name, "12345678", scheduler.Viewer))
		_, _, err := w.service.CreateToken(t.Context(), scheduler.Server, name, scheduler.Viewer, 0)
		w.must(err)
		_, err = w.service.CreateTreeJob(t.Context(), scheduler.Server, scheduler.TreeDraft{Title: name, Command: "true"}, "", nil)
		w.must(err)
	}
	w.run("beta")
	option := regexp.MustCompile(`<option value="([^"]*)"`)
	for _, path := range []string{
		"/jobs", "/executions", "/tree", "/audit", "/workers", "/workers/tokens", "/settings/users", "/settings/tokens", "/settings/classes",
	} {
		page := w.expect(http.StatusOK, ask{path: path, as: scheduler.Admin}.page()).Body.String()
		_, choices, _ := strings.Cut(page, `<select id="sort" name="sort">`)
		choices, _, _ = strings.Cut(choices, "</select>")
		sorts, standard := sortsOf(t, path)
		var offered []string
		for _, o := range option.FindAllStringSubmatch(choices, -1) {
			offered = append(offered, cmp.Or(o[1], standard))
		}
		slices.Sort(offered)
		slices.Sort(sorts)
		if d := gocmp.Diff(sorts, offered); d != "" {
			t.Errorf("%s: orders (-described +offered):\n%s", path, d)
		}
		whole := map[string]string{}
		for _, sort := range sorts {
			list := func(query string) (items []json.RawMessage) {
				got := decode[listOut[json.RawMessage]](t, w.expect(http.StatusOK, ask{path: path + "?sort=" + sort + query, as: scheduler.Admin}))
				return got.Items
			}
			all := list("")
			if len(all) < 3 {
				t.Fatalf("%s has only %d rows", path, len(all))
			}
			for i := range all {
				if one := list("&limit=1&offset=" + strconv.Itoa(i)); len(one) != 1 || key(t, one[0]) != key(t, all[i]) {
					t.Errorf("%s by %s: row %d is %s, on a page of its own %s", path, sort, i, all[i], one)
				}
				whole[sort] += key(t, all[i]) + " "
			}
			w.expect(http.StatusOK, ask{path: path + "?sort=" + sort, as: scheduler.Admin}.page())
			rows, err := csv.NewReader(w.expect(http.StatusOK, ask{path: path + "?format=csv&limit=2&sort=" + sort, as: scheduler.Admin}).Body).ReadAll()
			w.must(err)
			if len(rows) != 3 {
				t.Errorf("%s by %s: %d lines of CSV, expected 3", path, sort, len(rows))
			}
		}
		if by := strings.TrimPrefix(standard, "-"); whole[by] == whole["-"+by] {
			t.Errorf("%s by %s is the same in both directions: %s", path, by, whole[by])
		}
		p := w.problem(w.expect(http.StatusBadRequest, ask{path: path + "?sort=color", as: scheduler.Admin}))
		if len(p.Errors) != 1 || p.Errors[0].Field != "sort" || !strings.Contains(p.Errors[0].Message, sorts[0]) {
			t.Errorf("%s by color: %+v", path, p.Errors)
		}
		w.expect(http.StatusBadRequest, ask{path: path + "?sort=color", as: scheduler.Admin}.page())
	}
}

// key names a row of a list.
func key(t *testing.T, item json.RawMessage) string {
	t.Helper()
	var is struct {
		ID   any    `json:"id"`
		Name string `json:"name"`
	}
	if err := json.Unmarshal(item, &is); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(is.ID, is.Name)
}

// sortsOf are the orders of a list as openapi.json describes them.
func sortsOf(t *testing.T, path string) (sorts []string, standard string) {
	t.Helper()
	var doc struct {
		Paths map[string]struct {
			Get struct {
				Parameters []struct {
					Name   string
					Schema struct {
						Enum    []string
						Default any
					}
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(openAPIDocument), &doc); err != nil {
		t.Fatal(err)
	}
	for _, p := range doc.Paths[path].Get.Parameters {
		if p.Name == "sort" {
			standard, _ = p.Schema.Default.(string)
			sorts = p.Schema.Enum
		}
	}
	return sorts, standard
}
