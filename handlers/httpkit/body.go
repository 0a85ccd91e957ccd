package httpkit

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"belfry/scheduler"
)

// MaxBody is how many bytes a request may send.
const MaxBody = 1 << 20

// MaxUpload is how many bytes a file may have that holds many jobs.
const MaxUpload = 64 << 20

// TooLarge is what a longer body gets.
func TooLarge() error { return longerThan(MaxBody) }

func longerThan(most int64) error {
	return Refuse(http.StatusRequestEntityTooLarge, scheduler.CodeTooLarge, "the body is too large: at most %d bytes", most)
}

// IsJSON reports whether the body says it is JSON.
func IsJSON(r *http.Request) bool {
	kind, _, _ := mime.ParseMediaType(r.Header.Get(echo.HeaderContentType))
	return kind == "application/json" || strings.HasSuffix(kind, "+json")
}

// JSON reads the body, one JSON value of at most MaxBody bytes, into *into.
// Field names that *into does not have, or that come twice, are refused.
func JSON[T any](c echo.Context, into *T) error {
	raw, err := readBody(c)
	if err != nil {
		return err
	}
	return Decode(raw, into)
}

// OptionalJSON is JSON where an empty body says nothing: *into stays as it is.
func OptionalJSON[T any](c echo.Context, into *T) error {
	raw, err := readBody(c)
	if err != nil || len(bytes.TrimSpace(raw)) == 0 {
		return err
	}
	return Decode(raw, into)
}

// LooseJSON is JSON for programs that may be newer than this server: fields that
// *into does not have are passed over.
func LooseJSON[T any](c echo.Context, into *T) error {
	raw, err := readBody(c)
	if err != nil {
		return err
	}
	return typeError(json.Unmarshal(raw, into))
}

func readBody(c echo.Context) ([]byte, error) {
	raw, err := io.ReadAll(http.MaxBytesReader(c.Response(), c.Request().Body, MaxBody))
	if err != nil {
		return nil, readError(err)
	}
	return raw, validText(raw)
}

// Decode is JSON for what is no body.
func Decode[T any](raw []byte, into *T) error {
	if err := strict(raw, reflect.TypeFor[T]()); err != nil {
		return err
	}
	return typeError(json.Unmarshal(raw, into))
}

func typeError(err error) error {
	if err == nil {
		return nil
	}
	switch field, problem, ok := scheduler.WrongType(err); {
	case ok && field == "":
		return Refuse(http.StatusBadRequest, scheduler.CodeInvalid, "the body %s", problem)
	case ok:
		return BadField(field, "%s", problem)
	}
	return Refuse(http.StatusBadRequest, scheduler.CodeInvalid, "the body is not valid JSON: %s", err.Error())
}

func readError(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return TooLarge()
	}
	return Refuse(http.StatusBadRequest, scheduler.CodeInvalid, "the body could not be read")
}

// Upload reads a form with the field "file", which is nil when it is not there or
// nothing was chosen; of at most MaxUpload bytes altogether.
func Upload(c echo.Context) (values url.Values, file []byte, err error) {
	r := c.Request()
	r.Body = http.MaxBytesReader(c.Response(), r.Body, MaxUpload)
	var tooLarge *http.MaxBytesError
	switch err := r.ParseMultipartForm(MaxUpload); {
	case errors.As(err, &tooLarge):
		return nil, nil, longerThan(MaxUpload)
	case err != nil:
		return nil, nil, readError(err)
	}
	defer func() { _ = r.MultipartForm.RemoveAll() }()
	for _, part := range r.MultipartForm.File["file"] {
		if part.Filename == "" && part.Size == 0 {
			continue
		}
		f, err := part.Open()
		if err != nil {
			return nil, nil, err
		}
		defer f.Close()
		file, err = io.ReadAll(f)
		return r.MultipartForm.Value, file, err
	}
	return r.MultipartForm.Value, nil, nil
}

// UploadBody reads the body as it is, of at most MaxUpload bytes.
func UploadBody(c echo.Context) ([]byte, error) {
	raw, err := io.ReadAll(http.MaxBytesReader(c.Response(), c.Request().Body, MaxUpload))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, longerThan(MaxUpload)
	case err != nil:
		return nil, readError(err)
	}
	return raw, nil
}

// Form reads the body as a form, urlencoded or multipart. Only the fields in
// several may have more than one value.
func Form(c echo.Context, several ...string) (url.Values, error) {
	r := c.Request()
	r.Body = http.MaxBytesReader(c.Response(), r.Body, MaxBody)
	kind, _, _ := mime.ParseMediaType(r.Header.Get(echo.HeaderContentType))
	switch kind {
	case echo.MIMEApplicationForm:
		if err := r.ParseForm(); err != nil {
			return nil, readError(err)
		}
	case echo.MIMEMultipartForm:
		if err := r.ParseMultipartForm(MaxBody); err != nil {
			return nil, readError(err)
		}
		defer func() { _ = r.MultipartForm.RemoveAll() }() // at most MaxBody: it is in memory
	default:
		return nil, Refuse(http.StatusUnsupportedMediaType, scheduler.CodeInvalid,
			"send the body as application/json, application/x-www-form-urlencoded or multipart/form-data")
	}
	return r.PostForm, checkForm(r.PostForm, several)
}

// checkForm refuses what cannot have come from a form: what is no text, a field
// with two different values (a check box with its hidden twin has), and JSON that
// was sent as a form, which is curl's default.
func checkForm(form url.Values, several []string) error {
	for field, values := range form {
		if strings.HasPrefix(field, "{") {
			return Refuse(http.StatusUnsupportedMediaType, scheduler.CodeInvalid, "the body looks like JSON; send it with Content-Type: application/json")
		}
		if !utf8.ValidString(field + "=" + strings.Join(values, "\n")) {
			return BadField(shown(field), "is not valid UTF-8")
		}
		for _, v := range values[1:] {
			if v != values[0] && !slices.Contains(several, field) && v != "true" && v != "false" {
				return BadField(shown(field), "is given twice")
			}
		}
	}
	return nil
}
