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

// showOutput streams the raw bytes from the store, whole or in ranges. A run that
// goes on has no ETag: what it wrote so far is answered.
func (s *Server) showOutput(c echo.Context) error {
	e, err := s.execution(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	size, _, err := s.Store.OutputSize(ctx, e.ID)
	if err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, "text/plain; charset=utf-8")
	h.Set("Cache-Control", "private, no-cache")
	if e.State.Final() {
		h.Set("ETag", `"`+e.ID+`"`)
	}
	if c.QueryParam("download") == "1" {
		h.Set(echo.HeaderContentDisposition, attachment(e))
	}
	http.ServeContent(c.Response(), c.Request(), "", e.FinishedAt, &outputReader{ctx: ctx, store: s.Store, id: e.ID, size: size})
	return nil
}

// attachment names the file by job and execution, with nothing in it that a
// file system or a header would mind.
func attachment(e scheduler.Execution) string {
	name := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || strings.ContainsRune(`/\:*?"<>|`, r) {
			return '_'
		}
		return r
	}, e.JobName+"-"+e.ID+".log")
	return mime.FormatMediaType("attachment", map[string]string{"filename": name})
}

// outputReader reads an execution's output from the store, a chunk at a time.
type outputReader struct {
	ctx   context.Context
	store scheduler.OutputStore
	id    string
	size  int64 // when the answer began; what comes later is not part of it
	at    int64
	data  []byte // bytes from at on
}

// Read gives what is left of the chunk, and gets the next one when it is empty.
func (r *outputReader) Read(p []byte) (int, error) {
	if r.at >= r.size {
		return 0, io.EOF
	}
	if len(r.data) == 0 {
		c, err := r.store.OutputAt(r.ctx, r.id, r.at, chunkBytes)
		if err != nil {
			return 0, err
		}
		if len(c.Data) == 0 {
			return 0, io.ErrUnexpectedEOF // deleted meanwhile
		}
		r.data = c.Data[:min(int64(len(c.Data)), r.size-r.at)]
	}
	n := copy(p, r.data)
	r.data = r.data[n:]
	r.at += int64(n)
	return n, nil
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
	chunk, err := s.Store.OutputLines(c.Request().Context(), e.ID, first, int(count))
	if err != nil {
		return err
	}
	if form(c.Request()) == asJSON {
		return s.linesJSON(c, e.ID, chunk)
	}
	lines, _ := views.Lines(new(views.Terminal), chunk)
	return respond(c, http.StatusOK, answer{page: views.OutputLines(lines)})
}

func (s *Server) linesJSON(c echo.Context, id string, chunk scheduler.Chunk) error {
	_, total, err := s.Store.OutputSize(c.Request().Context(), id)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, answer{json: listOf(plainLines(chunk), scheduler.Total{N: total})})
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

// addTail adds the last lines, rendered, and where the connection goes on.
func (s *Server) addTail(ctx context.Context, p *views.ExecutionProps) error {
	chunk, err := s.Store.OutputTail(ctx, p.Row.Execution.ID, tailBytes)
	if err != nil {
		return err
	}
	t := new(views.Terminal)
	lines, open := views.Lines(t, chunk)
	p.Lines, p.Cursor = lines[max(0, len(lines)-linesMost):], views.Cursor(chunk.EndByte()-int64(open), t)
	return nil
}
