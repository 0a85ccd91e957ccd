package handlers

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"belfry/scheduler"
)

func TestOtherFormsOfAnOutput(t *testing.T) {
	w := newWorld(t)
	w.job("one")
	var raw, text strings.Builder
	for i := range 25_000 { // several parts of each form
		fmt.Fprintf(&raw, "\x1b[3%dmline %d\x1b[0m <b> of a long output: %d\r\n", i%8, i+1, i*7919)
		fmt.Fprintf(&text, "line %d <b> of a long output: %d\n", i+1, i*7919)
	}
	e := w.finished("one", raw.String())
	path := "/executions/" + e.ID + "/output"
	get := func(as, ranges string, status int) (string, http.Header) {
		t.Helper()
		rec := w.expect(status, ask{path: path + "?download=1&as=" + as, as: scheduler.Viewer, header: map[string]string{"Range": ranges}})
		return rec.Body.String(), rec.Header()
	}
	whole := map[string]string{}
	for as, kind := range map[string]string{"raw": "text/plain; charset=utf-8", "text": "text/plain; charset=utf-8", "gzip": "application/gzip"} {
		body, h := get(as, "", http.StatusOK)
		whole[as] = body
		if h.Get("Content-Type") != kind || h.Get("ETag") == "" || h.Get("Accept-Ranges") != "bytes" || !strings.Contains(h.Get("Content-Disposition"), "one-"+e.ID) {
			t.Errorf("%s: %v", as, h)
		}
		w.expect(http.StatusNotModified, ask{path: path + "?as=" + as, as: scheduler.Viewer, header: map[string]string{"If-None-Match": h.Get("ETag")}})
	}
	if whole["raw"] != raw.String() || whole["text"] != text.String() || unzip(t, whole["gzip"]) != raw.String() {
		t.Fatal("an output is another in one of its forms")
	}
	// What is asked for in ranges is the same, whether its parts are known or not.
	for range 2 {
		for as, body := range whole {
			n := len(body)
			for _, r := range [][2]int{{0, 9}, {n / 2, n/2 + 1000}, {n - 1, n - 1}, {n / 3, 2 * n / 3}, {1, n - 1}} {
				part, h := get(as, fmt.Sprintf("bytes=%d-%d", r[0], r[1]), http.StatusPartialContent)
				if part != body[r[0]:r[1]+1] || h.Get("Content-Range") != fmt.Sprintf("bytes %d-%d/%d", r[0], r[1], n) {
					t.Errorf("%s %v: %d bytes, %v", as, r, len(part), h)
				}
			}
			get(as, fmt.Sprintf("bytes=%d-", n), http.StatusRequestedRangeNotSatisfiable)
			rec := w.expect(http.StatusOK, ask{method: "HEAD", path: path + "?as=" + as, as: scheduler.Viewer})
			if rec.Header().Get("Content-Length") != fmt.Sprint(n) || rec.Body.Len() > 0 {
				t.Errorf("HEAD %s: %v", as, rec.Header())
			}
		}
		w.server.marks = &markTable{}
	}
	w.expect(http.StatusBadRequest, ask{path: path + "?as=pdf", as: scheduler.Viewer})
}

func unzip(t *testing.T, packed string) string {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader([]byte(packed)))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestOtherFormsOfARunThatGoesOn(t *testing.T) {
	w := newLiveWorld(t)
	a := w.started("one")
	out := &writer{w: w, id: a.Execution.ID}
	out.write("\x1b[1mfirst\x1b[0m\nand an op")
	for as, want := range map[string]string{"text": "first\nand an op", "gzip": "\x1b[1mfirst\x1b[0m\nand an op"} {
		rec := w.expect(http.StatusOK, ask{path: "/executions/" + a.Execution.ID + "/output?as=" + as, header: map[string]string{"Range": "bytes=1-2"}})
		body := rec.Body.String()
		if as == "gzip" {
			body = unzip(t, body)
		}
		if body != want || rec.Header().Get("ETag") != "" || rec.Header().Get("Accept-Ranges") != "none" {
			t.Errorf("%s: %q %v", as, body, rec.Header())
		}
		w.expect(http.StatusOK, ask{method: "HEAD", path: "/executions/" + a.Execution.ID + "/output?as=" + as})
	}
}

func TestOtherFormsOfAnOutputThatIsCut(t *testing.T) {
	w := newWorld(t)
	text, kept, gap := cutText()
	e := w.cutRun(text, gap.Cut)
	path := "/executions/" + e.ID + "/output?as="
	if got := w.expect(http.StatusOK, ask{path: path + "text", as: scheduler.Viewer}).Body.String(); got != kept {
		t.Errorf("text: %d bytes, expected %d", len(got), len(kept))
	}
	if got := unzip(t, w.expect(http.StatusOK, ask{path: path + "gzip", as: scheduler.Viewer}).Body.String()); got != kept {
		t.Errorf("gzip: %d bytes, expected %d", len(got), len(kept))
	}
	from := gap.From - 7
	rec := w.expect(http.StatusPartialContent, ask{path: path + "text", as: scheduler.Viewer, header: map[string]string{"Range": fmt.Sprintf("bytes=%d-%d", from, from+99)}})
	if rec.Body.String() != kept[from:from+100] {
		t.Errorf("%q", rec.Body)
	}
}
