package scheduler

import (
	"errors"
	"fmt"
	"strings"
)

// Code classifies an Error. Every front door maps codes to its own statuses in
// one table.
type Code string

// The codes. A new one needs a row in each front door's table.
const (
	CodeInvalid         Code = "invalid"         // the request is wrong; Fields may say where
	CodeUnauthenticated Code = "unauthenticated" // nobody is logged in, or the credentials are wrong
	CodeForbidden       Code = "forbidden"       // the principal's role does not allow it
	CodeNotFound        Code = "not_found"
	CodeConflict        Code = "conflict"  // the name is taken, the state does not allow it, or somebody else changed it
	CodeTooLarge        Code = "too_large" // a body or a field over its limit
	CodeRateLimited     Code = "rate_limited"
	CodeUnavailable     Code = "unavailable" // stopping, or the database cannot be written
	CodeInternal        Code = "internal"
)

// FieldError is one thing wrong with one field, in words for its editor.
// Field is the JSON name ("schedule", "config.command").
type FieldError struct {
	Field   string
	Message string
}

// Error is the domain's one error type. Message is for people and never holds
// secrets or internals; Err, if any, is the cause for the log only.
type Error struct {
	Code    Code
	Message string
	Fields  []FieldError
	Err     error
}

// Error returns the message, the fields' messages and the cause.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Message)
	for i, f := range e.Fields {
		if i == 0 {
			b.WriteString(": ")
		} else {
			b.WriteString("; ")
		}
		b.WriteString(f.Field + ": " + f.Message)
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error of the code; a %w argument becomes its cause's chain.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Message: err.Error(), Err: errors.Unwrap(err)}
}

// Invalid makes a CodeInvalid error about one field.
func Invalid(field, format string, args ...any) *Error {
	return &Error{
		Code: CodeInvalid, Message: "the request is not valid",
		Fields: []FieldError{{field, fmt.Sprintf(format, args...)}},
	}
}

// CodeOf returns the code of the first Error in err's chain, CodeInternal for
// any other error, and "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return CodeInternal
}
