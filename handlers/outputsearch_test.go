package handlers

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"belfry/scheduler"
)

// foundForTest is what a program reads of a search.
type foundForTest struct {
	Items []struct {
		N      int64
		Text   string
		Stream string
		Ranges [][2]int
	}
	Total, Before *int64
}

func (f foundForTest) String() string {
	var b strings.Builder
	for _, i := range f.Items {
		fmt.Fprintf(&b, "%d ", i.N)
	}
	if f.Total != nil {
		fmt.Fprintf(&b, "of %d behind %d", *f.Total, *f.Before)
	}
	return strings.TrimSpace(b.String())
}

func TestSearchingAnOutput(t *testing.T) {
	w := newWorld(t)
	w.job("one")
	var b strings.Builder
	for i := range 3000 {
		word := "fine"
		if i%100 == 0 {
			word = "\x1b[31mERR\x1b[0mOR 😀 \\"
		}
		fmt.Fprintf(&b, "%s %d\n", word, i+1)
	}
	e := w.finished("one", b.String())
	path := "/executions/" + e.ID + "/search?"
	for query, want := range map[string]string{
		"q=error&count=3":                     "1 101 201 of 30 behind 0",
		"q=error&count=2&from=102":            "201 301 of 30 behind 2",
		"q=error&count=2&from=102&to=201":     "201 of 30 behind 2",
		"q=error&count=2&from=101&back=true":  "1 101 of 30 behind 0",
		"q=error&count=1&back=true":           "2901 of 30 behind 29",
		"q=error&count=2&skip=28&total=false": "2801 2901",
		"q=error&count=0&from=2":              "of 30 behind 1",
		"q=error&case=true":                   "of 0 behind 0",
		"q=ERROR&case=true&count=1":           "1 of 30 behind 0",
		"q=^fine+300.$&count=9":               "3000 of 1 behind 0",
		"q=%5Efine+300.%3F%24&count=9":        "300 3000 of 2 behind 0",
	} {
		got := decode[foundForTest](t, w.expect(http.StatusOK, ask{path: path + query, as: scheduler.Viewer}))
		if got.String() != want {
			t.Errorf("%s: %s, expected %s", query, got, want)
		}
	}
	got := decode[foundForTest](t, w.expect(http.StatusOK, ask{path: path + "q=error.%2B%5C%5C&count=1", as: scheduler.Viewer}))
	if i := got.Items[0]; i.Text != `ERROR 😀 \ 1` || i.Stream != "stdout" || fmt.Sprint(i.Ranges) != "[[0 10]]" {
		t.Errorf("%+v", i)
	}
	rec := w.expect(http.StatusOK, ask{path: path + "q=error&count=1&from=2", as: scheduler.Viewer}.htmx())
	if html := rec.Body.String(); !strings.Contains(html, `id="L101"`) || !strings.Contains(html, `<span class="f1">ERR</span>OR`) || strings.Count(html, `class="ln"`) != 1 {
		t.Errorf("%s", html)
	}
	for query, status := range map[string]int{"": 422, "q=(": 422, "q=x&from=0": 400, "q=x&count=2001": 400, "q=x&back=1": 400} {
		w.problem(w.expect(status, ask{path: path + query, as: scheduler.Viewer}))
	}
}

func TestSearchInAnAddress(t *testing.T) {
	w := newWorld(t)
	w.job("one")
	e := w.finished("one", "first\nan error\nlast\n")
	page := func(query url.Values) string {
		t.Helper()
		return w.expect(http.StatusOK, ask{path: "/executions/" + e.ID + "?" + query.Encode(), as: scheduler.Viewer}.page()).Body.String()
	}
	html := page(url.Values{"q": {"error"}, "only": {"true"}})
	if !strings.Contains(html, `id="L2"`) || strings.Contains(html, `id="L1"`) || !strings.Contains(html, "1 line matches") {
		t.Error("only=true does not show only what matches")
	}
	if html = page(url.Values{"q": {"error"}}); !strings.Contains(html, `id="L1"`) || !strings.Contains(html, `value="error"`) {
		t.Error("the address's search is not in the field, or lines are missing")
	}
	if html = page(url.Values{"q": {`<b>(`}, "only": {"true"}}); !strings.Contains(html, "missing closing )") || !strings.Contains(html, `value="&lt;b&gt;("`) {
		t.Error("what is wrong is not beside the field")
	}
}
