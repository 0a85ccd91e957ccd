package handlers

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"net/http"
	"regexp"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"belfry/scheduler"
	"belfry/views"
)

// The forms that an output can be had in besides its bytes as they are.
const (
	asText = "text" // what a reader sees: without escape sequences
	asGzip = "gzip"
)

const gzipBytes = 1 << 20 // of output that are packed at once

// showDerived streams an output in another form. That of an execution that has
// ended can be had in ranges, although it is stored nowhere: its parts are made
// again as they are needed, and are always the same.
func (s *Server) showDerived(c echo.Context, e scheduler.Execution, as string) error {
	h := c.Response().Header()
	d := &derived{ctx: c.Request().Context(), store: s.Store, id: e.ID, step: (*derived).textStep}
	h.Set(echo.HeaderContentType, "text/plain; charset=utf-8")
	if as == asGzip {
		d.step = (*derived).gzipStep
		h.Set(echo.HeaderContentType, "application/gzip")
	}
	if !e.State.Final() {
		h.Set("Accept-Ranges", "none")
		return d.stream(c)
	}
	h.Set("ETag", fmt.Sprintf(`"%s-%s-%x"`, e.ID, as, s.makes()))
	h.Set("Accept-Ranges", "bytes")
	marks := s.marks.of(e.ID, as)
	r := c.Request()
	if marks == nil && (r.Header.Get("Range") != "" || r.Method == http.MethodHead) {
		// Where its parts are is known after all of it was made once.
		if _, err := io.Copy(io.Discard, d); err != nil {
			return err
		}
		marks = d.marks
		s.marks.keep(e.ID, as, marks)
	}
	if marks != nil {
		d.begin(marks)
		serveContent(c, e.FinishedAt, d)
		return nil
	}
	if r.Header.Get("If-None-Match") == h.Get("ETag") {
		return c.NoContent(http.StatusNotModified)
	}
	if err := d.stream(c); err != nil {
		return err
	}
	s.marks.keep(e.ID, as, d.marks)
	return nil
}

// serveContent answers with content, whole or in ranges. The last no bytes are no range,
// for which http.ServeContent has an answer only when they are asked for otherwise.
func serveContent(c echo.Context, modified time.Time, content io.ReadSeeker) {
	r := c.Request()
	if lastNone.MatchString(r.Header.Get("Range")) {
		r.Header.Set("Range", fmt.Sprintf("bytes=%d-", int64(math.MaxInt64)))
	}
	http.ServeContent(c.Response(), r, "", modified, content)
}

var lastNone = regexp.MustCompile(`^bytes=\s*-\s*0+\s*$`)

// makes tells programs apart that may make other forms of the same output.
func (s *Server) makes() uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(s.Version)) // a hash takes everything
	return h.Sum32()
}

// mark is where a part begins: in the output as it is, and in this form of it.
type mark struct{ raw, made int64 }

// derived reads an output in another form, part by part.
type derived struct {
	ctx   context.Context
	store scheduler.OutputStore
	id    string
	step  func(d *derived, at int64) (part []byte, next int64, err error)

	marks []mark // of the parts that were made; the last is the end when whole is set
	whole bool
	raw   int64  // where the next part begins
	at    int64  // what Read returns next
	made  []byte // from at on
}

func (d *derived) begin(marks []mark) {
	d.marks, d.whole, d.raw, d.at, d.made = marks, true, 0, 0, nil
}

// stream answers all of it as it is made.
func (d *derived) stream(c echo.Context) error {
	if c.Request().Method == http.MethodHead {
		return c.NoContent(http.StatusOK)
	}
	c.Response().WriteHeader(http.StatusOK)
	_, err := io.Copy(c.Response(), d)
	if err != nil && d.ctx.Err() == nil {
		panic(http.ErrAbortHandler) // the status was sent: only a broken answer says that it is not whole
	}
	return d.ctx.Err()
}

// Read implements io.Reader.
func (d *derived) Read(p []byte) (int, error) {
	for len(d.made) == 0 {
		part, next, err := d.step(d, d.raw)
		if err != nil {
			return 0, err
		}
		if !d.whole {
			d.marks = append(d.marks, mark{d.raw, d.at})
		}
		if next == d.raw {
			d.whole = true
			return 0, io.EOF
		}
		d.made, d.raw = part, next
	}
	n := copy(p, d.made)
	d.made = d.made[n:]
	d.at += int64(n)
	return n, nil
}

// Seek implements io.Seeker once all marks are known.
func (d *derived) Seek(offset int64, whence int) (int64, error) {
	size := d.marks[len(d.marks)-1].made
	switch whence {
	case io.SeekCurrent:
		offset += d.at
	case io.SeekEnd:
		offset += size
	}
	if offset < 0 {
		return 0, errors.New("seek before the beginning")
	}
	if offset == d.at {
		return offset, nil
	}
	i := sort.Search(len(d.marks), func(i int) bool { return d.marks[i].made > offset }) - 1
	d.raw, d.made, d.at = d.marks[i].raw, nil, offset
	if skip := offset - d.marks[i].made; skip > 0 && offset < size {
		part, next, err := d.step(d, d.raw)
		if err != nil {
			return 0, err
		}
		if skip > int64(len(part)) {
			return 0, io.ErrUnexpectedEOF // deleted meanwhile
		}
		d.raw, d.made = next, part[skip:]
	}
	return offset, nil
}

// textStep is what a reader sees of whole lines from at on.
func (d *derived) textStep(at int64) ([]byte, int64, error) {
	for size := chunkBytes; ; size *= 4 {
		c, err := d.store.OutputAt(d.ctx, d.id, at, size)
		if err != nil || len(c.Data) == 0 && c.FirstByte <= at {
			return nil, at, err
		}
		var text []byte
		if c.FirstByte > at || len(c.Data) == 0 { // there is a gap
			gap, err := d.store.OutputGap(d.ctx, d.id)
			if err != nil || gap.To <= at {
				return nil, at, err
			}
			return append([]byte(gap.String()), '\n'), gap.To, nil
		}
		end, start := 0, 0
		for i, p := range c.Pieces {
			end = min(end+p.Len, len(c.Data))
			last := i == len(c.Pieces)-1
			if p.Open && (!last || len(c.Data) >= size) || p.Len == 0 && end == start {
				continue
			}
			text = append(text, views.TerminalText(c.Data[start:end])...)
			if !p.Open || bytes.HasSuffix(c.Data[start:end], []byte("\n")) {
				text = append(text, '\n')
			}
			start = end
		}
		if start > 0 || size > longestLine {
			return text, at + int64(start), nil
		}
	}
}

// gzipStep packs the next bytes from at on. What follows one another is one file:
// gzip files may have several members.
func (d *derived) gzipStep(at int64) ([]byte, int64, error) {
	c, err := d.store.OutputAt(d.ctx, d.id, at, gzipBytes)
	if err != nil {
		return nil, at, err
	}
	data, next := c.Data, c.EndByte()
	if len(data) == 0 || c.FirstByte > at {
		gap, err := d.store.OutputGap(d.ctx, d.id)
		if err != nil || gap.To <= at {
			return nil, at, err
		}
		data, next = append([]byte(gap.String()), '\n'), gap.To
	}
	packer, _ := packers.Get().(*gzip.Writer)
	defer packers.Put(packer)
	var b bytes.Buffer
	packer.Reset(&b)
	_, err = packer.Write(data)
	if err == nil {
		err = packer.Close()
	}
	return b.Bytes(), next, err
}

// markTable remembers the marks of a few outputs, so that a download that is
// taken up again, or made in many ranges, does not begin at the beginning.
type markTable struct {
	mu   sync.Mutex
	list []marksOf // the newest comes last
}

type marksOf struct {
	id, as string
	marks  []mark
}

const marksKept = 32

func (t *markTable) of(id, as string) []mark {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range t.list {
		if m.id == id && m.as == as {
			return m.marks
		}
	}
	return nil
}

func (t *markTable) keep(id, as string, marks []mark) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.list) == marksKept {
		t.list = slices.Delete(t.list, 0, 1)
	}
	t.list = append(t.list, marksOf{id, as, marks})
}
