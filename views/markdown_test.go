package views

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

func TestNotes(t *testing.T) {
	for text, want := range map[string]string{
		"# Title\n\nSome *words*, `code`, https://example.com/a": `<h3>Title</h3><p>Some <em>words</em>, <code>code</code>, <a href="https://example.com/a">https://example.com/a</a></p>`,
		"one\ntwo":                                  `<p>one<br> two</p>`,
		"<b>bold</b> & so":                          `<p>&lt;b&gt;bold&lt;/b&gt; &amp; so</p>`,
		"<script>alert(1)</script>":                 `<pre>&lt;script&gt;alert(1)&lt;/script&gt;</pre>`,
		"[x](javascript:alert(1))":                  `<p><a href="">x</a></p>`,
		"![a *picture*](https://example.com/p.png)": `<p><a href="https://example.com/p.png">a <em>picture</em></a></p>`,
		"![x](data:text/html,hello)":                `<p><a href="">x</a></p>`,
	} {
		if got := strings.Join(strings.Fields(render(t, notes(text))), " "); strings.ReplaceAll(got, "> <", "><") != want {
			t.Errorf("%q became\n%s, want\n%s", text, got, want)
		}
	}
}

// FuzzNotes: whatever is written, nothing runs, loads or is styled.
func FuzzNotes(f *testing.F) {
	for _, seed := range []string{
		"<img src=x onerror=alert(1)>", "[a](javascript:x)", "![a](//e)", "|a|b|\n|:-|-:|\n|1|<b>|", "<javascript:x>", "[x]: data:x 'y'\n\n[x]",
		"- [ ] t", "<!-- x", "<a\nhref=x>", "[a](<ja\tvascript:x>)", "\x00&#x6a;avascript:", "~~x~~ https://e.x/\"onclick=",
	} {
		f.Add(seed)
	}
	elements := strings.Fields("p br em strong del code pre blockquote ul ol li h3 h4 h5 h6 hr a table thead tbody tr th td html head body")
	attributes := strings.Fields("href align start title class")
	f.Fuzz(func(t *testing.T, text string) {
		for n := range parse(t, render(t, notes(text))).Descendants() {
			if n.Type != html.ElementNode {
				continue
			}
			if !slices.Contains(elements, n.Data) {
				t.Fatalf("%q made a <%s>", text, n.Data)
			}
			for _, a := range n.Attr {
				scheme, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(a.Val)), ":")
				if !slices.Contains(attributes, a.Key) || a.Key == "href" && (scheme == "javascript" || scheme == "vbscript" || scheme == "data") {
					t.Fatalf("%q made <%s %s=%q>", text, n.Data, a.Key, a.Val)
				}
			}
		}
	})
}
