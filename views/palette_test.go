package views

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write static/css/terminal.css")

const terminalCSS = "../static/css/terminal.css"

// What a log looks like besides its colours.
const terminalRules = `/* The execution page's log. The colours are generated: go test ./views -run TerminalCSS -update */

.log { position: relative; flex: 1 1 0; min-height: 0; overflow: auto; overscroll-behavior: contain; overflow-anchor: none; background: %[1]s; color: %[2]s; color-scheme: dark; border: 1px solid var(--line); border-radius: 10px; font: 0.8125rem/1.5 var(--mono); font-variant-ligatures: none; tab-size: 8; }
.log:focus-visible { outline-offset: -2px; }
#lines { padding: var(--s2) 0; }
#lines:empty { padding: 0; }
.ln { display: flex; min-width: max-content; padding-right: var(--s4); }
.ln:hover { background: #171e26; }
.no { flex: none; width: max(4.5rem, var(--digits, 0) * 1ch + 1.25rem); padding-right: var(--s2); color: #8b97a5; text-align: right; text-decoration: none; user-select: none; font-variant-numeric: tabular-nums; }
.no:hover { color: #fff; text-decoration: underline; }
.ln::before { order: 1; flex: none; width: 1.25rem; content: ""; text-align: center; color: #8b97a5; user-select: none; }
.ln[data-s="err"]::before { content: "!" / "stderr: "; color: #ff938c; font-weight: 700; }
.ln[data-s="sys"]::before { content: "§" / "Belfry: "; color: #86bfff; }
.ln[data-s="err"] { box-shadow: inset 3px 0 #e5534b; }
.ln[data-s="sys"] { font-style: italic; }
.ln[data-ts]::after { order: 1; flex: none; content: attr(data-ts); padding-right: var(--s3); color: #8b97a5; user-select: none; white-space: pre; font-variant-numeric: tabular-nums; }
.tt { order: 2; flex: 1 0 auto; white-space: pre; unicode-bidi: plaintext; text-align: left; }
.log[data-wrap] .ln { min-width: 0; }
.log[data-wrap] .tt { flex: 1 1 0; min-width: 0; white-space: pre-wrap; overflow-wrap: anywhere; }
.ln.picked { background: #2b2a14; box-shadow: inset 3px 0 #e3b341; }
.ln.picked .no { color: #f0d58a; }
.ln a:not(.no) { color: #84b4ff; }
::highlight(found) { background: #5a4a12; color: #ffe9a8; }
::highlight(found-here) { background: #f0b04a; color: #14100a; }
.load { display: block; width: 100%%; margin: 0; padding: var(--s2); border: 0; background: #151b22; color: #b9c4d0; font: var(--small)/1.5 var(--sans); text-align: center; }
.load a { color: #84b4ff; }
.log-empty { padding: var(--s5) var(--s4); color: #98a3b0; font-family: var(--sans); }
.end { display: flex; flex-wrap: wrap; align-items: center; gap: var(--s2); padding: var(--s2) var(--s4) var(--s3); border-top: 1px solid #252c35; font-family: var(--sans); color: #b9c4d0; position: sticky; left: 0; }
.end-words { flex: 1 1 60%%; }
.end.good { color: #5ad57e; }
.end.bad { color: #ff938c; }
.end.warn { color: #ecbb4b; }
.end-next { color: #98a3b0; margin-left: auto; }
.pill { position: absolute; z-index: 3; left: 50%%; bottom: 1.25rem; transform: translateX(-50%%); display: inline-flex; align-items: center; gap: 0.375rem; padding: 0.375rem 0.875rem; border: 0; border-radius: 99px; background: #2459c9; color: #fff; font-weight: 560; box-shadow: 0 6px 20px rgb(0 0 0 / 50%%); }
.pill:hover { background: #1c4aac; }

@media (width < 47rem) {
  .log { font-size: 0.75rem; }
  .no { width: max(3rem, var(--digits, 0) * 1ch + 1rem); }
  .pill { min-height: 2.5rem; }
}

.tb { font-weight: 700; }
.td { color: #a3adb8; }
.ti { font-style: italic; }
.tu { text-decoration: underline; }
.ts { text-decoration: line-through; }
.tu.ts { text-decoration: underline line-through; }
.tv { background: %[2]s; color: %[1]s; }
.tx { border: 1px solid #8b97a5; border-radius: 3px; padding: 0 2px; font-size: 0.85em; color: #ecbb4b; }
`

func hex(c rgb) string { return fmt.Sprintf("#%06x", uint32(c)) }

func terminalSheet() string {
	var b strings.Builder
	fmt.Fprintf(&b, terminalRules, hex(terminalBack), hex(terminalText))
	for i, c := range palette {
		fmt.Fprintf(&b, ".g%d{background:%s;color:%s}\n", i, hex(c), hex(blackOrWhite(c)))
	}
	for i, c := range textColours {
		fmt.Fprintf(&b, ".f%d{color:%s}\n", i, hex(c))
	}
	return b.String()
}

func TestTerminalCSS(t *testing.T) {
	want := terminalSheet()
	if *update {
		if err := os.WriteFile(terminalCSS, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(terminalCSS)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("static/css/terminal.css is not what the palette makes: go test ./views -run TerminalCSS -update")
	}
}

func TestPaletteCanBeRead(t *testing.T) {
	for i, c := range textColours {
		if r := contrast(c, terminalBack); r < minContrast {
			t.Errorf("colour %d as text: contrast %.2f", i, r)
		}
	}
	for i, c := range palette {
		if r := max(contrast(0, c), contrast(0xffffff, c)); r < minContrast {
			t.Errorf("colour %d as background: contrast %.2f", i, r)
		}
	}
}

func TestNearest(t *testing.T) {
	for n := 16; n < 256; n++ {
		c := palette[n]
		got := nearest(uint8(c>>16), uint8(c>>8), uint8(c))
		if palette[got] != c {
			t.Errorf("nearest to colour %d is %d", n, got)
		}
	}
}
