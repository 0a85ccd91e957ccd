package coalition

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"belfry/scheduler"
)

// showLog answers what all runs of a job wrote, one after the other, as a JSON
// text. It is written while it is read: a log may be long.
func (a *API) showLog(c echo.Context) error {
	ctx := c.Request().Context()
	id, err := idParam(c)
	if err != nil {
		return err
	}
	runs, err := a.Store.TreeExecutions(ctx, id)
	if err != nil {
		return err
	}
	r := c.Response()
	r.Header().Set(echo.HeaderContentType, echo.MIMEApplicationJSON)
	r.WriteHeader(http.StatusOK)
	w := &jsonText{write: func(b []byte) error {
		_, err := r.Write(b)
		return err
	}}
	if err := w.write([]byte{'"'}); err != nil {
		return nil //nolint:nilerr // whoever asked has gone
	}
	for _, run := range runs {
		if err := a.copyLog(ctx, run, w); err != nil {
			panic(http.ErrAbortHandler) // the status is out: only this tells that the log is not whole
		}
	}
	if w.end() == nil {
		_ = w.write([]byte{'"'})
	}
	return nil
}

// copyLog writes what one run wrote, with a line in place of what was cut out.
func (a *API) copyLog(ctx context.Context, run string, w *jsonText) error {
	return scheduler.EachPart(ctx, a.Store, run, func(part scheduler.Chunk, cut scheduler.Gap) error {
		if !cut.IsZero() {
			if err := w.add([]byte(cut.String() + "\n")); err != nil {
				return err
			}
		}
		return w.add(part.Data)
	})
}

// jsonText writes bytes as the inside of a JSON text; what is not UTF-8 becomes
// U+FFFD. A character that is cut in two waits for its other half.
type jsonText struct {
	write func([]byte) error
	rest  []byte
}

func (t *jsonText) add(b []byte) error {
	b = append(t.rest, b...)
	whole := len(b)
	for back := 1; back <= min(3, len(b)); back++ {
		if c := b[len(b)-back]; utf8.RuneStart(c) {
			if !utf8.FullRune(b[len(b)-back:]) {
				whole = len(b) - back
			}
			break
		}
	}
	t.rest = append([]byte(nil), b[whole:]...)
	return t.encode(b[:whole])
}

func (t *jsonText) end() error {
	rest := t.rest
	t.rest = nil
	return t.encode(rest)
}

func (t *jsonText) encode(b []byte) error {
	text, err := json.Marshal(strings.ToValidUTF8(string(b), "\uFFFD"))
	if err != nil {
		return err
	}
	return t.write(text[1 : len(text)-1])
}
