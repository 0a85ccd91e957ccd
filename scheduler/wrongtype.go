package scheduler

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"time"
)

// embedded matches what a decoder puts before the name of a field that is of another
// object only in Go. The names of fields begin with a small letter.
var embedded = regexp.MustCompile(`\b[A-Z]\w*\.`)

// WrongType says what is wrong with a JSON value of another type than the field has
// that it was decoded into: the field, "" for the whole value, and words that follow
// its name. ok is false for any other error.
func WrongType(err error) (field, problem string, ok bool) {
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) {
		return "", "", false
	}
	return embedded.ReplaceAllString(wrong.Field, ""), fmt.Sprintf("must be %s, not %s", inWords(wrong.Type), wrong.Value), true
}

// JSONProblem says why JSON could not be decoded, without Go's names.
func JSONProblem(err error) string {
	var when *time.ParseError
	switch field, problem, ok := WrongType(err); {
	case ok && field == "":
		return "it " + problem
	case ok:
		return field + " " + problem
	case errors.As(err, &when):
		return fmt.Sprintf("%q is not a time; write 2026-12-24T18:00:00Z", when.Value)
	}
	return err.Error()
}

// inWords names the JSON type that a Go type is read from.
func inWords(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return inWords(t.Elem())
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a text in quotes"
	case reflect.Slice:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Float64:
		return "a number"
	default:
		return "a whole number"
	}
}
