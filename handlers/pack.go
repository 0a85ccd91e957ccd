package handlers

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"sync"

	"github.com/labstack/echo/v4"
)

// packFrom is how long an answer must be for packing it to save anything.
const packFrom = 1400 // what fits into one packet anyway

var packers = sync.Pool{New: func() any {
	w, _ := gzip.NewWriterLevel(nil, 5) // a level that exists: it cannot fail
	return w
}}

// blob answers bytes that are all there, packed where the client takes it. This
// is not echo's middleware because that prepares a packer for every request,
// also where nothing is packed: a third of the time of creating a job.
func blob(c echo.Context, status int, kind string, body []byte) error {
	h := c.Response().Header()
	h.Add(echo.HeaderVary, echo.HeaderAcceptEncoding)
	if len(body) < packFrom || !takesGzip(c.Request()) {
		return c.Blob(status, kind, body)
	}
	packer, _ := packers.Get().(*gzip.Writer)
	defer packers.Put(packer)
	var b bytes.Buffer
	packer.Reset(&b)
	_, err := packer.Write(body)
	if err == nil {
		err = packer.Close()
	}
	if err != nil {
		return err
	}
	h.Set(echo.HeaderContentEncoding, "gzip")
	return c.Blob(status, kind, b.Bytes())
}

func takesGzip(r *http.Request) bool {
	q, named := quality(r.Header.Values(echo.HeaderAcceptEncoding), "gzip")
	return named && q > 0
}
