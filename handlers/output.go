package handlers

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
	"belfry/views"
)

const (
	tailBytes  = 64 << 10  // of the output in the page itself
	chunkBytes = 256 << 10 // read from the store at once
	linesMost  = 2000      // as many as a page shows at most
)

// showOutput streams the raw bytes from the store, whole or in ranges, or another
// form of them. A run that goes on has no ETag: what it wrote so far is answered.
func (s *Server) showOutput(c echo.Context) error {
	q := httpkit.ReadQuery(c.Request())
	e, err := s.execution(c)
	if err != nil {
		return err
	}
	as := q.OneOf("as", "raw", asText, asGzip)
	if err := q.Err(); err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set("Cache-Control", "private, no-cache")
	if c.QueryParam("download") == "1" {
		h.Set(echo.HeaderContentDisposition, attachment(e, as))
	}
	if as == asText || as == asGzip {
		return s.showDerived(c, e, as)
	}
	whole, err := s.wholeOutput(c.Request().Context(), e.ID)
	if err != nil {
		return err
	}
	h.Set(echo.HeaderContentType, "text/plain; charset=utf-8")
	if e.State.Final() {
		h.Set("ETag", `"`+e.ID+`"`)
	}
	serveContent(c, e.FinishedAt, whole)
	return nil
}

// wholeOutput reads an output from its beginning to where it ends now, with one
// line in place of what was cut out.
func (s *Server) wholeOutput(ctx context.Context, id string) (*outputReader, error) {
	gap, err := s.Store.OutputGap(ctx, id)
	if err != nil {
		return nil, err
	}
	size, _, err := s.Store.OutputSize(ctx, id)
	r := &outputReader{ctx: ctx, store: s.Store, id: id, cut: gap.Cut, size: size}
	if err != nil || gap.IsZero() {
		return r, err
	}
	note := gap.String() + "\n"
	if gap.From > 0 {
		before, err := s.Store.OutputAt(ctx, id, gap.From-1, 1)
		if err != nil {
			return nil, err
		}
		if string(before.Data) != "\n" {
			note = "\n" + note // the line before ended without one
		}
	}
	r.note = []byte(note)
	r.size += int64(len(note)) - (gap.To - gap.From)
	return r, nil
}

// attachment names the file by job and execution, with nothing in it that a
// file system or a header would mind.
func attachment(e scheduler.Execution, as string) string {
	extension := ".log"
	switch as {
	case asText:
		extension = ".txt"
	case asGzip:
		extension = ".log.gz"
	}
	name := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || strings.ContainsRune(`/\:*?"<>|`, r) {
			return '_'
		}
		return r
	}, e.JobName+"-"+e.ID+extension)
	return mime.FormatMediaType("attachment", map[string]string{"filename": name})
}

// outputReader reads an execution's output from the store, a chunk at a time, and
// a note in place of what was cut out.
type outputReader struct {
	ctx   context.Context
	store scheduler.OutputStore
	id    string
	cut   scheduler.Cut
	note  []byte
	size  int64 // with the note, when the answer began; what comes later is not part of it
	at    int64
	data  []byte // bytes from at on
}

// Read gives what is left of the chunk, and gets the next one when it is empty.
func (r *outputReader) Read(p []byte) (int, error) {
	if r.at >= r.size {
		return 0, io.EOF
	}
	if len(r.data) == 0 {
		if err := r.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.data)
	r.data = r.data[n:]
	r.at += int64(n)
	return n, nil
}

// fill reads bytes from at on, up to an end of the note or of the answer.
func (r *outputReader) fill() error {
	noted := r.cut.From + int64(len(r.note))
	from, end := r.at, r.size
	switch {
	case len(r.note) == 0:
	case r.at < r.cut.From:
		end = r.cut.From
	case r.at < noted:
		r.data = r.note[r.at-r.cut.From:]
		return nil
	default:
		from += r.cut.To - noted
	}
	c, err := r.store.OutputAt(r.ctx, r.id, from, chunkBytes)
	if err != nil {
		return err
	}
	if len(c.Data) == 0 || c.FirstByte != from {
		return io.ErrUnexpectedEOF // deleted meanwhile
	}
	r.data = c.Data[:min(int64(len(c.Data)), end-r.at)]
	return nil
}

// Seek moves without reading.
func (r *outputReader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.size
	}
	if offset < 0 {
		return 0, errors.New("seek before the output's beginning")
	}
	if offset != r.at {
		r.at, r.data = offset, nil
	}
	return offset, nil
}

// lineOut is one line of output. Text is without its line break; bytes that are
// not UTF-8 are replaced.
type lineOut struct {
	N      int64   `json:"n"`
	At     instant `json:"at"`
	Stream string  `json:"stream"`
	Text   string  `json:"text"`
	Open   bool    `json:"open"` // more of it may come
}

// showLines answers lines by number, for jumping about in long output.
func (s *Server) showLines(c echo.Context) error {
	q := httpkit.ReadQuery(c.Request())
	first, count := q.Int("from", 1, 1, 1<<53), q.Int("count", 200, 1, linesMost)
	if err := q.Err(); err != nil {
		return err
	}
	e, err := s.execution(c)
	if err != nil {
		return err
	}
	parts, err := s.readLines(c.Request().Context(), e, first, int(count))
	if err != nil {
		return err
	}
	if form(c.Request()) == asJSON {
		return s.linesJSON(c, e.ID, parts)
	}
	var lines []views.Line
	for _, p := range parts {
		if !p.gap.IsZero() {
			lines = append(lines, views.GapLine(p.gap))
		}
		part, _ := views.Lines(new(views.Terminal), p.chunk)
		lines = append(lines, part...)
	}
	return respond(c, http.StatusOK, answer{page: views.OutputLines(lines)})
}

// passage is lines of an output, and what was cut out before them.
type passage struct {
	gap   scheduler.Gap
	chunk scheduler.Chunk
}

// readLines reads lines of an output. What is missing of those asked for takes no
// part in their count.
func (s *Server) readLines(ctx context.Context, e scheduler.Execution, first int64, count int) ([]passage, error) {
	chunk, err := s.Store.OutputLines(ctx, e.ID, first, count)
	if err != nil || (e.Cut == (scheduler.Cut{}) && e.State.Final()) {
		return []passage{{chunk: chunk}}, err
	}
	gap, err := s.Store.OutputGap(ctx, e.ID)
	if err != nil || gap.IsZero() || first > gap.LastLine {
		return []passage{{chunk: chunk}}, err
	}
	if len(chunk.Data) == 0 || chunk.FirstLine > gap.LastLine { // it begins behind the gap
		return []passage{{gap, chunk}}, nil
	}
	got := int(chunk.EndLine() - chunk.FirstLine)
	if chunk.EndByte() != gap.From || got >= count {
		return []passage{{chunk: chunk}}, nil
	}
	rest, err := s.Store.OutputLines(ctx, e.ID, gap.LastLine+1, count-got)
	return []passage{{chunk: chunk}, {gap, rest}}, err
}

func (s *Server) linesJSON(c echo.Context, id string, parts []passage) error {
	_, total, err := s.Store.OutputSize(c.Request().Context(), id)
	if err != nil {
		return err
	}
	lines := []lineOut{}
	for _, p := range parts {
		if !p.gap.IsZero() {
			lines = append(lines, gapLine(p.gap))
		}
		lines = append(lines, plainLines(p.chunk)...)
	}
	return respond(c, http.StatusOK, answer{json: listOf(lines, scheduler.Total{N: total})})
}

// gapLine stands for what was cut out: it has the number of the first line that is
// missing.
func gapLine(g scheduler.Gap) lineOut {
	return lineOut{N: g.FirstLine, Stream: scheduler.System.String(), Text: g.String()}
}

// outputOut is an output event of /events.
type outputOut struct {
	Execution string    `json:"execution"`
	Offset    int64     `json:"offset"` // of the first line's first byte
	Lines     []lineOut `json:"lines"`
}

func presentOutput(execution string, from int64, c scheduler.Chunk) outputOut {
	return outputOut{execution, from, plainLines(c)}
}

// plainLines cuts a chunk that begins with a line into its lines.
func plainLines(c scheduler.Chunk) []lineOut {
	lines := []lineOut{}
	start, end := 0, 0
	for i, p := range c.Pieces {
		if start == end {
			lines = append(lines, lineOut{N: c.FirstLine + int64(len(lines)), At: instant(p.At), Stream: p.Stream.String()})
		}
		end = min(end+p.Len, len(c.Data))
		if p.Open && i < len(c.Pieces)-1 {
			continue
		}
		last := &lines[len(lines)-1]
		last.Open = p.Open
		last.Text = strings.TrimSuffix(strings.TrimSuffix(string(c.Data[start:end]), "\n"), "\r")
		start = end
	}
	return lines
}

// addTail adds the last lines, rendered, and where the connection goes on. Where
// the output limit leaves less than that, what is before the gap is there, too.
func (s *Server) addTail(ctx context.Context, p *views.ExecutionProps) error {
	e := &p.Row.Execution
	chunk, err := s.Store.OutputTail(ctx, e.ID, tailBytes)
	if err != nil {
		return err
	}
	t := new(views.Terminal)
	lines, open := views.Lines(t, chunk)
	p.Cursor = views.Cursor(chunk.EndByte()-int64(open), t)
	if e.Cut.To > 0 {
		before, err := s.beforeGap(ctx, e.ID, chunk)
		if err != nil {
			return err
		}
		lines = append(before, lines...)
	}
	if !p.Search.Only {
		p.Lines = lines[max(0, len(lines)-linesMost):]
	}
	return nil
}

// beforeGap returns the line for what was cut out before a tail of the output, and
// the lines before that if they are few.
func (s *Server) beforeGap(ctx context.Context, id string, tail scheduler.Chunk) ([]views.Line, error) {
	gap, err := s.Store.OutputGap(ctx, id)
	if err != nil || tail.FirstByte != gap.To {
		return nil, err
	}
	var lines []views.Line
	if gap.From > 0 && gap.From+int64(len(tail.Data)) <= tailBytes {
		head, err := s.Store.OutputAt(ctx, id, 0, int(gap.From))
		if err != nil {
			return nil, err
		}
		lines, _ = views.Lines(new(views.Terminal), head)
	}
	return append(lines, views.GapLine(gap)), nil
}
