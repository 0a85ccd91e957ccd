package views

// A cursor may be sent this far past the text: enough for any progress bar, too
// little to fill memory with blanks.
const maxColumn = 1000

// screen is one line of a terminal, for lines that are written over.
type screen struct {
	cells []cell
	col   int
	style style
	link  int16
	links []string
}

type cell struct {
	r     rune
	style style
	link  int16 // index in links + 1
	note  bool
}

func (s *screen) play(b []byte) {
	for len(b) > 0 {
		tok, n := next(b)
		b = b[n:]
		switch tok.kind {
		case kText, kNote:
			s.put(cell{r: tok.r, style: s.style, link: s.link, note: tok.kind == kNote})
		case kSGR:
			s.style.sgr(tok.args)
		case kLink:
			s.follow(link(tok.args))
		case kReturn:
			s.col = 0
		case kBack:
			s.col = max(s.col-tok.n, 0)
		case kRight:
			s.move(s.col + tok.n)
		case kColumn:
			s.move(tok.n - 1)
		case kErase:
			s.erase(tok.n)
		}
	}
}

func (s *screen) move(col int) { s.col = min(col, max(len(s.cells), maxColumn)) }

func (s *screen) follow(href string) {
	s.link = 0
	if href != "" && len(s.links) < 1<<15-1 {
		s.links = append(s.links, href)
		s.link = int16(len(s.links))
	}
}

func (s *screen) put(c cell) {
	for len(s.cells) < s.col {
		s.cells = append(s.cells, cell{r: ' '})
	}
	if s.col == len(s.cells) {
		s.cells = append(s.cells, c)
	} else {
		s.cells[s.col] = c
	}
	s.col++
}

func (s *screen) erase(mode int) {
	switch mode {
	case 0:
		s.cells = s.cells[:min(s.col, len(s.cells))]
	case 1:
		for i := range s.cells[:min(s.col+1, len(s.cells))] {
			s.cells[i] = cell{r: ' '}
		}
	case 2:
		s.cells = s.cells[:0]
	}
}

func (s *screen) draw(w *writer) {
	for _, c := range s.cells {
		w.style, w.href = c.style, ""
		if c.link != 0 {
			w.href = s.links[c.link-1]
		}
		if c.note {
			w.note(c.r)
		} else {
			w.rune(c.r)
		}
	}
	w.close()
}
