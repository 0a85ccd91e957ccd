package httpkit

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"belfry/scheduler"
)

// strict checks what encoding/json lets pass: names of fields that t does not
// have, names in another case, names that come twice, and anything after the
// value. A typo in an optional field must not silently mean its default.
func strict(raw []byte, t reflect.Type) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := walk(d, t, "", maxDepth); err != nil {
		return syntaxError(err, d)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Refuse(http.StatusBadRequest, scheduler.CodeInvalid, "the body goes on after the JSON value, at byte %d", d.InputOffset())
	}
	return nil
}

func syntaxError(err error, d *json.Decoder) error {
	var known *StatusError
	if errors.As(err, &known) {
		return err
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return Refuse(http.StatusBadRequest, scheduler.CodeInvalid, "the body is not valid JSON: it ends too early")
	}
	return Refuse(http.StatusBadRequest, scheduler.CodeInvalid, "the body is not valid JSON: %s, at byte %d", err.Error(), d.InputOffset())
}

// validText refuses JSON whose texts encoding/json would change: bytes that are not
// UTF-8, and escapes of one half of a character.
func validText(raw []byte) error {
	if !utf8.Valid(raw) {
		return Refuse(http.StatusBadRequest, scheduler.CodeInvalid, "the body is not valid UTF-8")
	}
	for i := 0; i+1 < len(raw); i++ {
		if raw[i] != '\\' {
			continue
		}
		r := escaped(raw[i:])
		switch {
		case !utf16.IsSurrogate(r):
			i++ // what is escaped may be a backslash
		case utf16.DecodeRune(r, escaped(raw[i+6:])) == unicode.ReplacementChar:
			return Refuse(http.StatusBadRequest, scheduler.CodeInvalid, "the body has %s, which is half a character, at byte %d", raw[i:i+6], i)
		default:
			i += 11
		}
	}
	return nil
}

// escaped is what a \u and four digits at the beginning of text stand for, 0 where
// there are none.
func escaped(text []byte) rune {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0
	}
	n, _ := strconv.ParseUint(string(text[2:6]), 16, 16)
	return rune(n)
}

// maxDepth is how deep objects and lists may be nested: a megabyte of brackets
// must not become a million calls.
const maxDepth = 100

// walk reads one value. t is what it is read into; nil allows any fields.
func walk(d *json.Decoder, t reflect.Type, path string, depth int) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	if depth == 0 {
		return Refuse(http.StatusBadRequest, scheduler.CodeInvalid, "the JSON is nested more than %d deep", maxDepth)
	}
	switch token {
	case json.Delim('{'):
		return walkObject(d, t, path, depth)
	case json.Delim('['):
		var elem reflect.Type
		if t = behind(t); t != nil && t.Kind() == reflect.Slice {
			elem = t.Elem()
		}
		for d.More() {
			if err := walk(d, elem, path, depth-1); err != nil {
				return err
			}
		}
		_, err = d.Token()
	}
	return err
}

func walkObject(d *json.Decoder, t reflect.Type, path string, depth int) error {
	known := fieldsOf(t)
	seen := map[string]bool{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return err
		}
		name, _ := token.(string)
		inner, ok := known[name]
		switch {
		case known != nil && !ok:
			return BadField(shown(path+name), "is not a field of this request")
		case seen[name]:
			return BadField(shown(path+name), "is given twice")
		}
		seen[name] = true
		if err := walk(d, inner, path+name+".", depth-1); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

// shown is a field's name as an answer may repeat it.
func shown(name string) string {
	const most = 100
	if len(name) > most {
		name = strings.ToValidUTF8(name[:most], "") + "…"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, name)
}

// behind follows pointers, and returns nil for what takes any JSON.
func behind(t reflect.Type) reflect.Type {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == reflect.TypeFor[json.RawMessage]() {
		return nil
	}
	return t
}

var fieldCache sync.Map // reflect.Type -> map[string]reflect.Type

// fieldsOf returns the JSON fields of a struct type, nil for any other.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	if t = behind(t); t == nil || t.Kind() != reflect.Struct {
		return nil
	}
	if cached, ok := fieldCache.Load(t); ok {
		return cached.(map[string]reflect.Type)
	}
	fields := map[string]reflect.Type{}
	for _, f := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
			fields[name] = f.Type
		}
	}
	fieldCache.Store(t, fields)
	return fields
}
