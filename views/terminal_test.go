package views

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/net/html"

	"belfry/scheduler"
)

func TestTerminalLine(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"plain", "hello\tworld", "hello\tworld"},
		{"line break", "hello\r\n", "hello"},
		{"escaping", `<b a="1" c='2'>&`, "&lt;b a=&#34;1&#34; c=&#39;2&#39;&gt;&amp;"},
		{"colour", "\x1b[31mred\x1b[0m plain", `<span class="f1">red</span> plain`},
		{"bright", "\x1b[91;102mx\x1b[m", `<span class="g10">x</span>`},
		{"256", "\x1b[38;5;208mx", `<span class="f208">x</span>`},
		{"true colour", "\x1b[38;2;255;135;1mx", `<span class="f208" data-f="#ff8701">x</span>`},
		{"true colour with colons", "\x1b[38:2::255:135:0mx", `<span class="f208" data-f="#ff8700">x</span>`},
		{"grey", "\x1b[38;2;128;128;128mx", `<span class="f244" data-f="#808080">x</span>`},
		{"dark true colour can be read", "\x1b[38;2;0;0;40mx", `<span class="f233" data-f="#808094">x</span>`},
		{"true ground", "\x1b[48;2;0;0;250mx", `<span class="g21" data-f="#ffffff" data-g="#0000fa">x</span>`},
		{"true colours", "\x1b[38;2;250;250;0;48;2;0;0;90mx", `<span class="g17 f226" data-f="#fafa00" data-g="#00005a">x</span>`},
		{"true colours that could not be read", "\x1b[38;2;250;250;0;48;2;250;250;250mx", `<span class="g231" data-f="#000000" data-g="#fafafa">x</span>`},
		{"colour then more", "\x1b[38;5;208;1mx", `<span class="f208 tb">x</span>`},
		{"attributes", "\x1b[1;2;3;4;9mx", `<span class="tb td ti tu ts">x</span>`},
		{"curly underline and none", "\x1b[4:3mx\x1b[4:0my", `<span class="tu">x</span>y`},
		{"inverse", "\x1b[7mx\x1b[27my", `<span class="tv">x</span>y`},
		{"inverse colour", "\x1b[7;31mx", `<span class="g1">x</span>`},
		{"colour that could not be read on its background", "\x1b[33;43mx", `<span class="g3">x</span>`},
		{"only what has text gets an element", "\x1b[1m\x1b[31m\x1b[0mx", "x"},
		{"empty parameters reset", "\x1b[31m\x1b[mx", "x"},
		{"carriage return", "10%\r55%\r100%", "100%"},
		{"shorter over longer", "abcdef\rxy", "xycdef"},
		{"erase to the end", "abcdef\rxy\x1b[K", "xy"},
		{"erase the line", "abcdef\x1b[2K\rxy", "xy"},
		{"erase to the cursor", "abc\x1b[1Kx", "   x"},
		{"erase without moving", "abc\x1b[K", "abc"},
		{"backspace", "abc\b\bx", "axc"},
		{"column", "abc\x1b[1Gx", "xbc"},
		{"left and right", "abc\x1b[2Dx\x1b[Cy", "axcy"},
		{"far right is bounded", "\x1b[999999Cx", strings.Repeat(" ", maxColumn) + "x"},
		{"colour survives being written over", "\x1b[31mab\x1b[0m\rx", `x<span class="f1">b</span>`},
		{"link", "\x1b]8;;https://a.b/?x=1&y=2\x1b\\t\x1b]8;;\x1b\\u", `<a rel="noopener noreferrer nofollow" target="_blank" href="https://a.b/?x=1&amp;y=2">t</a>u`},
		{"link with bell and id", "\x1b]8;id=1;mailto:a@b.c\at\x1b]8;;\a", `<a rel="noopener noreferrer nofollow" target="_blank" href="mailto:a@b.c">t</a>`},
		{"link that may not be", "\x1b]8;;javascript:alert(1)\at\x1b]8;;\a", "t"},
		{"link with a quote", "\x1b]8;;https://a.b/\"x\at", `<a rel="noopener noreferrer nofollow" target="_blank" href="https://a.b/&#34;x">t</a>`},
		{"link that ends with the line", "\x1b]8;;https://a.b\ax", `<a rel="noopener noreferrer nofollow" target="_blank" href="https://a.b">x</a>`},
		{"title is dropped", "\x1b]0;title\ax", "x"},
		{"control string is dropped", "\x1bPq#0\x1b\\x", "x"},
		{"an unfinished string loses its introduction only", "\x1b]0;error", "0;error"},
		{"cursor and modes are dropped", "\x1b[?25l\x1b[2J\x1b[10;3Hx\x1b(B", "x"},
		{"private m is not colour", "\x1b[>4;1mx", "x"},
		{"lone escape", "a\x1b", "a"},
		{"unfinished sequence", "a\x1b[31", "a"},
		{"bell", "a\ab", "ab"},
		{"control made visible", "a\x00\x0bb\x7f", "a␀␋b␡"},
		{"invalid UTF-8", "a\xff\xc3b", "a��b"},
		{"C1 is no control", "a\u009b31mb", "a�31mb"},
		{"right to left override is told", "a\u202eb", `a<span class="tx">U+202E</span>b`},
		{"right to left text is left alone", "שלום", "שלום"},
		{"a line break within", "a\nb", "a␊b"},
	} {
		if got := TerminalHTML([]byte(c.in)); got != c.want {
			t.Errorf("%s: %q\n got %s\nwant %s", c.name, c.in, got, c.want)
		}
	}
}

func TestTerminalCarriesStyleOn(t *testing.T) {
	var term Terminal
	if got, want := term.Line([]byte("\x1b[1;31mone\n")), `<span class="f1 tb">one</span>`; got != want {
		t.Errorf("first: %s", got)
	}
	state := term.State()
	if got, want := NewTerminal(state).Line([]byte("two")), `<span class="f1 tb">two</span>`; got != want {
		t.Errorf("resumed from %q: %s", state, got)
	}
	if got := term.Line([]byte("two\x1b[0m")); got != `<span class="f1 tb">two</span>` || term.State() != "" {
		t.Errorf("second: %s, then %q", got, term.State())
	}
	for _, nonsense := range []string{"x", "f", "f999", "a1f2z", "f1f", "-1", "a300"} {
		if *NewTerminal(nonsense) != (Terminal{}) {
			t.Errorf("state %q was believed", nonsense)
		}
	}
}

func TestCursorComesBack(t *testing.T) {
	at, term, err := ParseCursor(Cursor(123, NewTerminal("a3f12g256")))
	if err != nil || at != 123 || term.State() != "a3f12g256" {
		t.Errorf("got %d, %q, %v", at, term.State(), err)
	}
	if c := Cursor(7, &Terminal{}); c != "7" {
		t.Errorf("a plain cursor is %q", c)
	}
	for _, bad := range []string{"", "-1", "x", "1x"} {
		if _, _, err := ParseCursor(bad); err == nil {
			t.Errorf("cursor %q was accepted", bad)
		}
	}
}

func TestLines(t *testing.T) {
	at := time.UnixMilli(1_700_000_000_123)
	chunk := scheduler.Chunk{
		FirstByte: 100, FirstLine: 7, Data: []byte("\x1b[31mone\ntwo is two\nerr\nopen \x1b[0mend"),
		Pieces: []scheduler.Piece{
			{Len: 9, At: at},
			{Len: 4, At: at, Open: true},
			{Len: 7, At: at.Add(time.Second)},
			{Len: 4, At: at, Stream: scheduler.Stderr},
			{Len: 5, At: at, Open: true},
			{Len: 7, At: at, Open: true},
		},
	}
	var term Terminal
	lines, open := Lines(&term, chunk)
	if len(lines) != 4 || open != 12 {
		t.Fatalf("%d lines, %d open bytes: %+v", len(lines), open, lines)
	}
	if lines[1].N != 8 || lines[1].HTML != `<span class="f1">two is two</span>` || !lines[1].At.Equal(at) || lines[1].Open {
		t.Errorf("second line: %+v", lines[1])
	}
	if lines[2].Stream != scheduler.Stderr || lines[3].N != 10 || !lines[3].Open {
		t.Errorf("last lines: %+v", lines[2:])
	}
	if term.State() != "f2" {
		t.Errorf("the open line's reset was kept: %q", term.State())
	}
	out := string(appendLines(nil, lines))
	want := `<div class="ln" id="L10" data-n="10" data-t="1700000000123" data-s="out" data-open=""><a class="no" tabindex="-1" href="#L10">10</a><span class="tt"><span class="f1">open </span>end</span></div>`
	if !strings.HasSuffix(out, want) || strings.ContainsAny(out, "\r\n") {
		t.Errorf("rendered: %s", out)
	}
}

func TestGapLine(t *testing.T) {
	l := GapLine(scheduler.Gap{Cut: scheduler.Cut{From: 10, To: 30}, FirstLine: 3, LastLine: 7})
	want := `<div class="ln" id="cut" data-n="3" data-to="7" data-s="sys"><span class="no"></span><span class="tt">` +
		`[… 20 bytes (5 lines) cut here by the output limit …]</span></div>`
	if got := string(appendLines(nil, []Line{l})); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

func TestLinesSurvivesChunksThatLie(t *testing.T) {
	for _, pieces := range [][]scheduler.Piece{
		nil, {{Len: 0}}, {{Len: 0, Open: true}, {Len: 3}}, {{Len: 1000}}, {{Len: 2}, {Len: 1000, Open: true}}, {{Len: 5}, {Len: 5}, {Len: 5}},
	} {
		lines, open := Lines(new(Terminal), scheduler.Chunk{FirstLine: 1, Data: []byte("abc"), Pieces: pieces})
		for i, l := range lines {
			if l.N != int64(i+1) {
				t.Errorf("%+v: line %d is numbered %d", pieces, i, l.N)
			}
		}
		if open < 0 || open > 3 {
			t.Errorf("%+v: %d open bytes", pieces, open)
		}
	}
}

var exactColour = regexp.MustCompile(`^#[0-9a-f]{6}$`)

// wellFormed fails on anything but text, our spans and our links, each closed.
func wellFormed(t *testing.T, out string) {
	t.Helper()
	if !utf8.ValidString(out) {
		t.Fatalf("not UTF-8: %q", out)
	}
	if strings.ContainsAny(out, "\r\n\x00\x1b") {
		t.Fatalf("control characters: %q", out)
	}
	var open []string
	z := html.NewTokenizer(strings.NewReader(out))
	for {
		switch kind := z.Next(); kind {
		case html.ErrorToken:
			if len(open) > 0 {
				t.Fatalf("%v left open: %q", open, out)
			}
			return
		case html.TextToken:
		case html.StartTagToken:
			tok := z.Token()
			open = append(open, tok.Data)
			for _, a := range tok.Attr {
				ok := tok.Data == "span" && (a.Key == "data-f" || a.Key == "data-g") && exactColour.MatchString(a.Val) ||
					tok.Data == "span" && a.Key == "class" && strings.Trim(a.Val, "abcdefghijklmnopqrstuvwxyz0123456789 ") == "" ||
					tok.Data == "a" && (a.Key == "rel" || a.Key == "target" ||
						a.Key == "href" && link([]byte(a.Val)) == a.Val)
				if !ok {
					t.Fatalf("<%s %s=%q>: %q", tok.Data, a.Key, a.Val, out)
				}
			}
			if tok.Data != "span" && tok.Data != "a" {
				t.Fatalf("<%s>: %q", tok.Data, out)
			}
		case html.EndTagToken:
			name, _ := z.TagName()
			if len(open) == 0 || open[len(open)-1] != string(name) {
				t.Fatalf("</%s> closes nothing: %q", name, out)
			}
			open = open[:len(open)-1]
		default:
			t.Fatalf("%v: %q", kind, out)
		}
	}
}

// textOf is what a browser shows of HTML.
func textOf(rendered string) string {
	var text strings.Builder
	for z := html.NewTokenizer(strings.NewReader(rendered)); ; {
		switch z.Next() {
		case html.ErrorToken:
			return text.String()
		case html.TextToken:
			text.WriteString(z.Token().Data)
		}
	}
}

func TestTerminalText(t *testing.T) {
	for in, want := range map[string]string{
		"plain <b>&\tx\r\n":              "plain <b>&\tx",
		"\x1b[31mred\x1b[0m and ünï\n":   "red and ünï",
		"10 %\r100 %\x1b[K":              "100 %",
		"a\u202eb":                       "aU+202Eb",
		"\x1b]8;;https://a.b\alink\x00x": "link␀x",
		"a\xffb":                         "a\uFFFDb",
	} {
		if got := string(TerminalText([]byte(in))); got != want || got != textOf(TerminalHTML([]byte(in))) {
			t.Errorf("%q: %q, expected %q", in, got, want)
		}
	}
}

func FuzzTerminal(f *testing.F) {
	for _, s := range sampleLog {
		f.Add([]byte(s))
	}
	f.Add([]byte("\x1b]8;;https://a\"><script>\a<\x1b[7;31;48;2;1;2;3mx\r\x1b[1Ky\b\x1b[3C\xff\xc2\x9b</span>"))
	f.Add([]byte("\x1b[38;5\x1b[;;;;m\x1b[38:2:1m\x1b]8;;mailto:x\x1b\\\x1b[99999999999999999999C."))
	f.Fuzz(func(t *testing.T, b []byte) {
		var term Terminal
		in := bytes.Clone(b)
		first := term.Line(b)
		wellFormed(t, first)
		if !bytes.Equal(in, b) {
			t.Fatal("the input was changed")
		}
		if NewTerminal(term.State()).State() != term.State() {
			t.Fatalf("state %q does not come back", term.State())
		}
		wellFormed(t, term.Line(b)) // from whatever state the first left
		if first != TerminalHTML(b) {
			t.Fatal("the same line renders differently")
		}
		if text := string(TerminalText(b)); text != textOf(first) {
			t.Fatalf("the text is %q, what is shown %q", text, textOf(first))
		}
	})
}

func BenchmarkTerminalPlain(b *testing.B) {
	benchmarkTerminal(b, "2026-11-20T14:05:09Z INFO request served path=/api/v1/jobs status=200 bytes=5123 took=12ms client=10.0.0.7")
}

func BenchmarkTerminalEscaped(b *testing.B) {
	benchmarkTerminal(b, `2026-11-20T14:05:09Z INFO "GET /api/v1/jobs?q=a&b=c" 200 <nil> 'ok' – für Jürgen, 5 µs, 日本語テキスト`)
}

func BenchmarkTerminalColours(b *testing.B) {
	benchmarkTerminal(b, "\x1b[32mINFO\x1b[0m \x1b[1mrequest served\x1b[0m path=\x1b[36m/api/v1/jobs\x1b[0m status=\x1b[38;5;208m200\x1b[0m bytes=5123 took=12ms")
}

func benchmarkTerminal(b *testing.B, text string) {
	line := []byte(text)
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	var t Terminal
	for b.Loop() {
		_ = t.Line(line)
	}
}
