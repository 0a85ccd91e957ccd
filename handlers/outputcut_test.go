package handlers

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"belfry/scheduler"
)

// cutText is an output of lines, all of them, and as it is kept and answered.
func cutText() (text, kept string, gap scheduler.Gap) {
	var lines []string
	for i := range 1000 {
		lines = append(lines, fmt.Sprintf("line %04d of this output\n", i+1))
	}
	size := int64(len(lines[0]))
	gap = scheduler.Gap{Cut: scheduler.Cut{From: 100 * size, To: 900 * size}, FirstLine: 101, LastLine: 900}
	text = strings.Join(lines, "")
	return text, text[:gap.From] + gap.String() + "\n" + text[gap.To:], gap
}

// cutRun ends a run whose output is cut in the middle.
func (w *world) cutRun(text string, cut scheduler.Cut) scheduler.Execution {
	w.t.Helper()
	w.job("one")
	e := w.finished("one", text)
	w.must(w.store.InTx(w.t.Context(), func(tx scheduler.Tx) error {
		return tx.CutOutput(w.t.Context(), e.ID, cut.From, cut.To)
	}))
	return e
}

func TestOutputThatIsCut(t *testing.T) {
	w := newWorld(t)
	text, kept, gap := cutText()
	e := w.cutRun(text, gap.Cut)
	if !strings.Contains(kept, "[… 20000 bytes (800 lines) cut here by the output limit …]\n") {
		t.Fatalf("%s", gap)
	}
	path := "/executions/" + e.ID + "/output"
	rec := w.expect(http.StatusOK, ask{path: path, as: scheduler.Viewer})
	if rec.Body.String() != kept || rec.Header().Get("Content-Length") != fmt.Sprint(len(kept)) || rec.Header().Get("ETag") != `"`+e.ID+`"` {
		t.Errorf("%d bytes, %v; expected %d", rec.Body.Len(), rec.Header(), len(kept))
	}
	note := int(gap.From)
	for _, r := range [][2]int{
		{0, 9},
		{note - 5, note + 5},
		{note, note + 3},
		{note + 3, note + len(gap.String()) + 20},
		{note - 1, len(kept) - 1},
		{len(kept) - 30, len(kept) - 1},
		{note + len(gap.String()) + 1, note + len(gap.String()) + 1},
	} {
		rec := w.expect(http.StatusPartialContent, ask{path: path, as: scheduler.Viewer, header: map[string]string{"Range": fmt.Sprintf("bytes=%d-%d", r[0], r[1])}})
		if rec.Body.String() != kept[r[0]:r[1]+1] {
			t.Errorf("bytes %d to %d: %q, expected %q", r[0], r[1], rec.Body, kept[r[0]:r[1]+1])
		}
		if got := rec.Header().Get("Content-Range"); got != fmt.Sprintf("bytes %d-%d/%d", r[0], r[1], len(kept)) {
			t.Errorf("Content-Range %q", got)
		}
	}
	rec = w.expect(http.StatusPartialContent, ask{path: path, as: scheduler.Viewer, header: map[string]string{"Range": "bytes=-7"}})
	if rec.Body.String() != kept[len(kept)-7:] {
		t.Errorf("the last bytes: %q", rec.Body)
	}
	w.expect(http.StatusNotModified, ask{path: path, as: scheduler.Viewer, header: map[string]string{"If-None-Match": `"` + e.ID + `"`}})
}

// TestOutputThatIsCutToAnEnd: nothing before or behind what was cut out, and a
// line before it that has no line break.
func TestOutputThatIsCutToAnEnd(t *testing.T) {
	for name, c := range map[string]struct {
		text     string
		from, to int64
		kept     string
	}{
		"no head": {"aa\nbb\ncc\n", 0, 6, "[… 6 bytes (2 lines) cut here by the output limit …]\ncc\n"},
		"no tail": {"aa\nbb\ncc\n", 3, 9, "aa\n[… 6 bytes (2 lines) cut here by the output limit …]\n"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			e := w.cutRun(c.text, scheduler.Cut{From: c.from, To: c.to})
			rec := w.expect(http.StatusOK, ask{path: "/executions/" + e.ID + "/output", as: scheduler.Viewer})
			if rec.Body.String() != c.kept {
				t.Errorf("%q, expected %q", rec.Body, c.kept)
			}
			page := w.expect(http.StatusOK, ask{path: "/executions/" + e.ID, as: scheduler.Viewer}.page()).Body.String()
			if strings.Count(page, `id="cut"`) != 1 {
				t.Error("the page does not say what was cut out")
			}
			got := decode[listOut[lineForTest]](t, w.expect(http.StatusOK, ask{path: "/executions/" + e.ID + "/lines", as: scheduler.Viewer}))
			if got.Total != 3 || len(got.Items) != 2 {
				t.Errorf("%+v", got)
			}
		})
	}
	w := newWorld(t)
	w.job("one")
	id := w.run("one")
	_, err := w.service.Claim(t.Context(), scheduler.Worker{Name: "local"}, 1)
	w.must(err)
	at := w.clock.now().UTC().Truncate(time.Millisecond)
	c := scheduler.Chunk{FirstLine: 1, Data: []byte("aaBB\ncc\n"), Pieces: []scheduler.Piece{{Len: 2, At: at}, {Len: 3, Stream: scheduler.Stderr, At: at}, {Len: 3, At: at}}}
	w.must(w.service.AddOutput(t.Context(), id, scheduler.Output{Append: &c, Cut: scheduler.Cut{From: 1, To: 6}}, 8))
	rec := w.expect(http.StatusOK, ask{path: "/executions/" + id + "/output", as: scheduler.Viewer})
	if want := "aa\n[… 3 bytes (1 lines) cut here by the output limit …]\ncc\n"; rec.Body.String() != want {
		t.Errorf("%q, expected %q", rec.Body, want)
	}
}

func TestLinesAroundACut(t *testing.T) {
	w := newWorld(t)
	text, _, gap := cutText()
	e := w.cutRun(text, gap.Cut)
	path := "/executions/" + e.ID + "/lines"
	// The number of the line that stands for the gap is negative here.
	for query, want := range map[string][]int64{
		"?from=99&count=2":  {99, 100},
		"?from=99&count=4":  {99, 100, -101, 901, 902},
		"?from=100&count=1": {100},
		"?from=101&count=2": {-101, 901, 902},
		"?from=500&count=1": {-101, 901},
		"?from=900&count=1": {-101, 901},
		"?from=901&count=2": {901, 902},
		"?from=999&count=9": {999, 1000},
	} {
		got := decode[listOut[lineForTest]](t, w.expect(http.StatusOK, ask{path: path + query, as: scheduler.Viewer}))
		var numbers []int64
		for _, l := range got.Items {
			switch {
			case l.Stream == "system" && l.Text == gap.String():
				l.N = -l.N
			case l.Text != fmt.Sprintf("line %04d of this output", l.N):
				t.Errorf("%s: line %d is %q", query, l.N, l.Text)
			}
			numbers = append(numbers, l.N)
		}
		if fmt.Sprint(numbers) != fmt.Sprint(want) || got.Total != 1000 {
			t.Errorf("%s: %v of %d, expected %v", query, numbers, got.Total, want)
		}
		html := w.expect(http.StatusOK, ask{path: path + query, as: scheduler.Viewer}.htmx()).Body.String()
		at := 0
		for _, n := range want {
			mark := fmt.Sprintf(`id="L%d" data-n="%d"`, n, n)
			if n < 0 {
				mark = `id="cut" data-n="101" data-to="900" data-s="sys"`
			}
			next := strings.Index(html[at:], mark)
			if next < 0 {
				t.Fatalf("%s: no %s in its place in %s", query, mark, html)
			}
			at += next
		}
	}
	page := w.expect(http.StatusOK, ask{path: "/executions/" + e.ID, as: scheduler.Viewer}.page()).Body.String()
	for _, mark := range []string{`id="L1"`, `id="L100"`, `id="cut"`, `id="L901"`, `id="L1000"`} {
		if strings.Count(page, mark) != 1 {
			t.Errorf("%d times %s in the page", strings.Count(page, mark), mark)
		}
	}
}

// TestStreamJumpsOverACut: a reader whose place was cut out is told so, and goes on
// behind it; one that comes anew reads all that there is.
func TestStreamJumpsOverACut(t *testing.T) {
	w := newLiveWorld(t)
	a := w.started("one")
	text, _, gap := cutText()
	out := &writer{w: w, id: a.Execution.ID}
	line := len(text) / 1000
	out.write(text[:150*line])
	s := w.open("?topics=execution:"+a.Execution.ID, "")
	read := func() (numbers []int64) {
		t.Helper()
		for {
			f, ok := s.next()
			if !ok {
				t.Fatalf("the stream ended after %v", numbers)
			}
			if f.event != "output" {
				continue
			}
			var h heard
			w.must(json.Unmarshal([]byte(f.data), &h))
			for _, l := range h.Lines {
				if l.Text == gap.String() {
					l.N = -l.N
				}
				numbers = append(numbers, l.N)
			}
			return numbers
		}
	}
	if got := read(); len(got) != 150 {
		t.Fatalf("%d lines at first", len(got))
	}
	// Lines 151 to 900 come and go before the reader is told of them.
	c := chunkOf(text, time.Now())
	c.FirstByte, c.FirstLine, c.Data, c.Pieces = int64(150*line), 151, c.Data[150*line:], c.Pieces[150:]
	w.must(w.service.AddOutput(t.Context(), a.Execution.ID, scheduler.Output{Append: c, Cut: gap.Cut}, int64(len(text))))
	if got := read(); len(got) != 1 || got[0] != -101 {
		t.Fatalf("in place of what is gone: %v", got)
	}
	if got := read(); len(got) != 100 || got[0] != 901 {
		t.Fatalf("behind the gap: %v", got)
	}
	_ = s.body.Close()
	s = w.open("?topics=execution:"+a.Execution.ID, "")
	if got := read(); len(got) != 100 || got[99] != 100 {
		t.Fatalf("from the beginning: %v", got)
	}
	if got := read(); len(got) != 1 || got[0] != -101 {
		t.Fatalf("then: %v", got)
	}
	if got := read(); len(got) != 100 || got[0] != 901 {
		t.Fatalf("and then: %v", got)
	}
	w.end(a, int64(len(text)), 1000)
}

// TestStreamsReadOverACut: whoever comes when an output is cut already reads what is
// before the gap, the gap, and what is behind it, also when somebody else has been
// told all of it before and when nothing more will come.
func TestStreamsReadOverACut(t *testing.T) {
	for _, format := range []string{"json", "html"} {
		for name, again := range map[string]func(*liveWorld, scheduler.Assignment, string){
			"beside another": func(*liveWorld, scheduler.Assignment, string) {},
			"after the end": func(w *liveWorld, a scheduler.Assignment, text string) {
				w.end(a, int64(len(text)), 1000)
			},
		} {
			t.Run(format+" "+name, func(t *testing.T) {
				w := newLiveWorld(t)
				a := w.started("one")
				text, _, gap := cutText()
				c := chunkOf(text, time.Now())
				w.must(w.service.AddOutput(t.Context(), a.Execution.ID, scheduler.Output{Append: c, Cut: gap.Cut}, int64(len(text))))
				query := "?format=" + format + "&topics=execution:" + a.Execution.ID
				whole := func(s *stream) {
					t.Helper()
					var got strings.Builder
					for !strings.Contains(got.String(), "line 1000 of") {
						f, ok := s.next()
						if !ok {
							t.Fatalf("the stream ended after %d bytes: %s", got.Len(), got.String())
						}
						if f.event == "output" {
							got.WriteString(f.data)
						}
					}
					at := 0
					for _, part := range []string{"line 0001 of", "line 0100 of", gap.String(), "line 0901 of", "line 1000 of"} {
						next := strings.Index(got.String()[at:], part)
						if next < 0 || strings.Count(got.String(), part) != 1 {
							t.Fatalf("%d times %q: %s", strings.Count(got.String(), part), part, got.String())
						}
						at += next
					}
				}
				whole(w.open(query, ""))
				again(w, a, text)
				whole(w.open(query, ""))
			})
		}
	}
}

// TestStreamTellsOfACutAtAnEnd: a gap that has nothing before it, or nothing behind it.
func TestStreamTellsOfACutAtAnEnd(t *testing.T) {
	const gap = "[… 6 bytes (2 lines) cut here by the output limit …]"
	for name, c := range map[string]struct {
		cut  scheduler.Cut
		want []string
	}{
		"no head": {scheduler.Cut{From: 0, To: 6}, []string{gap, "cc"}},
		"no tail": {scheduler.Cut{From: 3, To: 9}, []string{"aa", gap}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newLiveWorld(t)
			e := w.cutRun("aa\nbb\ncc\n", c.cut)
			s := w.open("?topics=execution:"+e.ID, "")
			var got []string
			for f, ok := s.next(); ok; f, ok = s.next() {
				if f.event == "output" {
					for _, l := range decodeJSON[heard](t, f.data).Lines {
						got = append(got, l.Text)
					}
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%q, expected %q", got, c.want)
			}
		})
	}
}
