package handlers

import (
	"encoding/csv"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

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
	if !strings.Contains(page, ">Beta<") || strings.Contains(page, ">alpha<") || !strings.Contains(page, `href="/workers?tag=gpu&amp;format=csv"`) {
		t.Errorf("the page of one tag is %s", page)
	}
	none := w.expect(http.StatusOK, ask{path: "/workers?q=nothing", as: scheduler.Viewer}.page()).Body.String()
	if !strings.Contains(none, "Nothing matches") {
		t.Errorf("the page of none is %s", none)
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
	if !strings.Contains(page, ">Wanda<") || strings.Contains(page, ">walter<") || !strings.Contains(page, `href="/settings/users?q=wanda&amp;format=csv"`) {
		t.Errorf("the page is %s", page)
	}
}

// TestTreeFile: the list of a group is kept as it is shown.
func TestTreeFile(t *testing.T) {
	w := newWorld(t)
	group, err := w.service.CreateTreeJob(t.Context(), scheduler.Server, scheduler.TreeDraft{Title: "films"}, nil)
	w.must(err)
	for _, title := range []string{"=shot 1", "shot 2"} {
		_, err := w.service.CreateTreeJob(t.Context(), scheduler.Server, scheduler.TreeDraft{Parent: group.Num, Title: title, Command: "render"}, nil)
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
