// Package cron turns schedule texts into instants.
//
// The five fields follow the crontab(5) of Paul Vixie's cron, maintained by ISC: what the fields mean, that day of month and day of week are
// alternatives when both are restricted, and (cron(8), "Daylight Saving Time and other time changes") that jobs at fixed times are carried over
// a change of the clock while jobs with a star in minute or hour follow real time. The additions L, W and # are those of Quartz.
//
// Parsing is done here and not by a library because the daylight-saving policy needs matching in wall time, apart from any zone, which no library's
// Next offers, because a refusal must name the field and what it allows, and for size: with a zone a schedule of go-cron v0.15.0 holds
// 2.9 KB (a copy of the zone), one of ours 64 bytes.
//
// Everything a Grammar returns is immutable and safe for concurrent use.
package cron

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Schedule says when a job is due. Implementations are immutable.
type Schedule interface {
	// Next returns the first fire strictly after t, a whole second in the schedule's zone; ok is false when there is none, ever.
	Next(t time.Time) (next time.Time, ok bool)
	// Location is the zone in which the schedule's fields are read.
	Location() *time.Location
	// Describe is the meaning in plain English, without the zone: "at 02:30 every day".
	Describe() string
}

// Grammar is a named schedule language. Dialect packages make further values with NewGrammar.
type Grammar struct {
	Name  string
	help  string
	parse func(text string, loc *time.Location) (Schedule, error)
}

// NewGrammar makes a grammar. help is one sentence on which fields it reads; parse gets the text without surrounding white space, never empty
// and at most MaxLength bytes, and the zone already resolved.
func NewGrammar(name, help string, parse func(text string, loc *time.Location) (Schedule, error)) Grammar {
	return Grammar{Name: name, help: help, parse: parse}
}

// Standard is the crontab language, the default everywhere.
//
//	minute        0-59                 * , - /
//	hour          0-23                 * , - /
//	day of month  1-31                 * , - / ? L L-3 LW 15W
//	month         1-12, JAN-DEC        * , - /
//	day of week   0-7, SUN-SAT, 0=7    * , - / ? 5L FRI#2
//
// A sixth field in front is the second. Names are read in any case, short or whole. A range may wrap (22-2, FRI-MON); 5/15 is 5-59/15; ? is *.
// If day of month and day of week are both restricted either one is enough. A field that begins with * is not restricted in this sense, */2
// included: "0 0 */2 * 1" means Mondays that are odd days, as it does in Vixie cron.
//
// Instead of fields: @yearly @annually @monthly @weekly @daily @midnight @hourly, @every DURATION, @at RFC3339, @manually. A prefix TZ=Zone or
// CRON_TZ=Zone overrides the zone given to Parse.
//
// Daylight saving: if minute or hour begins with *, the schedule fires whenever the clock shows a matching time, so its intervals are real ones
// and a repeated hour counts twice: "*/15 2 * * *" has eight fires on the day that shows 02:00 twice and none on the day that skips it.
// Every other schedule fires once for each matching wall-clock time: at the first instant after the gap if the clock jumps over it (several
// such times make one fire), at the first occurrence if the clock shows it twice.
//
// @every fires at the multiples of its duration since 1970-01-01T00:00:00Z, so restarting or saving a job does not shift it.
var Standard = NewGrammar("cron", "Five fields, minute hour day-of-month month day-of-week, or six with the second first; "+
	"or @daily and its like, @every 90s, @at 2026-12-24T18:00:00Z, @manually; a prefix TZ=Europe/Berlin sets the time zone.", parseStandard)

// Lookup finds the grammars of this package by name; "" is Standard. Dialects offer theirs themselves.
func Lookup(name string) (Grammar, bool) {
	switch name {
	case "", Standard.Name:
		return Standard, true
	case Dkron.Name:
		return Dkron, true
	}
	return Grammar{}, false
}

// Help is one sentence on which fields the grammar reads.
func (g Grammar) Help() string { return g.help }

// MaxLength is how many bytes a schedule text may have.
const MaxLength = 1000

// Parse reads text in the zone with this IANA name, time.Local if it is empty. Every error is a *ParseError. A schedule that could
// never fire, such as 31 February, is refused; one whose only moment has passed is not.
func (g Grammar) Parse(text, zone string) (Schedule, error) {
	if g.parse == nil {
		return nil, &ParseError{Text: shorten(text), Field: "grammar", Msg: "no such schedule grammar"}
	}
	if len(text) > MaxLength {
		return nil, &ParseError{Text: shorten(text), Field: "schedule", Msg: fmt.Sprintf("has %d characters, at most %d are allowed", len(text), MaxLength), Pos: MaxLength}
	}
	loc, err := location(zone)
	if err != nil {
		err.Text = text
		return nil, err
	}
	trimmed := strings.TrimSpace(text)
	if trimmed == "" {
		return nil, &ParseError{Text: text, Field: "schedule", Msg: "is empty"}
	}
	s, perr := g.parse(trimmed, loc)
	if perr == nil {
		return s, nil
	}
	return nil, asParseError(perr, text)
}

// ParseError says what is wrong with a schedule in words for the person who wrote it.
type ParseError struct {
	Text  string // as given, cut if it is longer than MaxLength
	Field string // "minute", "hour", ..., "timezone", or "schedule" for the whole
	Msg   string
	Pos   int // byte offset in Text of the offending part
}

func (e *ParseError) Error() string {
	if e.Field == "" {
		return e.Msg
	}
	return e.Field + ": " + e.Msg
}

// asParseError makes the error speak of text as the user gave it, whatever part of it the grammar looked at.
func asParseError(err error, text string) *ParseError {
	var e *ParseError
	if !errors.As(err, &e) {
		return &ParseError{Text: text, Field: "schedule", Msg: shorten(err.Error())}
	}
	own := *e
	if lead := strings.Index(text, own.Text); lead >= 0 {
		own.Pos += lead
	} else {
		own.Pos = 0 // the grammar had rewritten the text
	}
	own.Text = text
	return &own
}
