package cron

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// APScheduler is the language of APScheduler's CronTrigger, 3.9 to 3.11, which
// Nextdoor's ndscheduler speaks. A text names the fields that are given,
//
//	day='last' hour='2' minute='*/5'
//
// and a field may stand once, in any order:
//
//	year         1970-9999
//	month        1-12, jan-dec
//	day          1-31, last, 3rd fri, last sun
//	week         1-53, of ISO 8601
//	day_of_week  0-6, mon-sun; 0 is Monday
//	hour         0-23
//	minute       0-59
//	second       0-59
//
// Each is a list of *, */5, 10, 10-20, 10/5 (to the end of the field), 10-20/5, or
// names and ranges of names; blanks around commas and upper case make no
// difference. All fields must match, day and day_of_week too. A field that is not
// given is * when it is more significant than a given one (as listed, with year
// first), else its least value; week and day_of_week are * then. A step counts from
// the field's least value.
//
// A range may not wrap, nor a step be longer than its range. What APScheduler
// drops silently, the /2 of mon-fri/2, is refused. A date that never comes is
// none: such a schedule never fires.
//
// Daylight saving: as Standard says for its own schedules, minute and hour deciding
// by their text, given or not; but a fixed time that the clock jumps over fires as
// much later as the clock jumped, as in every version of APScheduler.
var APScheduler = NewGrammar("apscheduler", "Fields by name, of APScheduler's: year, month, day, week, day_of_week (0 is Monday), hour, "+
	"minute, second; for example day='last' hour='2' minute='*/5'.", parseAPScheduler)

// APFields are the names of APScheduler's fields, the most significant first.
var APFields = []string{"year", "month", "day", "week", "day_of_week", "hour", "minute", "second"}

// apField is what one of them may hold.
type apField struct {
	name      string
	low, high int
	names     []string // of low, low+1, ...
	least     string   // what it is when a more significant one is the last given
}

var apFields = func() (all []apField) {
	limits := map[string]apField{
		"year": {low: 1970, high: 9999, least: "*"}, "month": {low: 1, high: 12, least: "1", names: shortNames(monthNames[:])},
		"day": {low: 1, high: 31, least: "1"}, "week": {low: 1, high: 53, least: "*"},
		"day_of_week": {high: 6, least: "*", names: apWeekdays},
		"hour":        {high: 23, least: "0"}, "minute": {high: 59, least: "0"}, "second": {high: 59, least: "0"},
	}
	for _, name := range APFields {
		f := limits[name]
		f.name = name
		all = append(all, f)
	}
	return all
}()

var (
	apWeekdays  = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}
	apPositions = []string{"1st", "2nd", "3rd", "4th", "5th", "last"}
)

func shortNames(names []string) []string {
	short := make([]string, len(names))
	for i, n := range names {
		short[i] = strings.ToLower(n[:3])
	}
	return short
}

// APText spells fields as the grammar's text, in the grammar's own order. Values
// keep what was given; what cannot stand in a text is for Parse to refuse.
func APText(fields map[string]string) string {
	var b strings.Builder
	for _, name := range APFields {
		if v, ok := fields[name]; ok {
			fmt.Fprintf(&b, " %s='%s'", name, strings.ReplaceAll(v, "'", "’"))
		}
	}
	return strings.TrimPrefix(b.String(), " ")
}

// APValues returns what each field of a text is, given or not, in the one spelling
// that means the same when it is given again: names and ordinals in lower case,
// numbers without leading zeros, lists without blanks.
func APValues(text string) (map[string]string, error) {
	s, err := APScheduler.Parse(text, "UTC")
	if err != nil {
		return nil, err
	}
	a := s.(*apschedule)
	values := make(map[string]string, len(APFields))
	for i, f := range apFields {
		values[f.name] = a.spelled[i]
	}
	return values, nil
}

func parseAPScheduler(text string, loc *time.Location) (Schedule, error) {
	given, err := apSplit(text)
	if err != nil {
		err.Text = text
		return nil, err
	}
	a := &apschedule{crontab: crontab{loc: loc}, spelled: make([]string, len(apFields))}
	last := 0
	for i, f := range apFields {
		if _, ok := given[f.name]; ok {
			last = i
		}
	}
	for i := range apFields {
		f := &apFields[i]
		w, ok := given[f.name]
		if !ok {
			w.text = "*"
			if i > last {
				w.text = f.least
			}
		}
		if err := a.readField(f, i, w); err != nil {
			err.Text = text
			return nil, err
		}
	}
	return a, nil
}

// apSplit reads name='value' pairs. A value without blanks needs no quotes.
func apSplit(text string) (map[string]word, *ParseError) {
	given := map[string]word{}
	for at := 0; ; {
		at += len(text[at:]) - len(strings.TrimLeft(text[at:], " \t"))
		if at == len(text) {
			return given, nil
		}
		name, rest, ok := strings.Cut(text[at:], "=")
		if !ok || !knownField(name) {
			first, _, _ := strings.Cut(text[at:], " ")
			return nil, &ParseError{Field: "schedule", Pos: at, Msg: quote(first) + " is not a field; write for example minute='*/5', with " + join(APFields, "or")}
		}
		if _, twice := given[name]; twice {
			return nil, &ParseError{Field: name, Pos: at, Msg: "is given twice"}
		}
		pos := at + len(name) + 1
		value, end := rest, len(rest)
		if q := strings.IndexAny(rest, `'"`); q == 0 {
			closing := strings.IndexByte(rest[1:], rest[0])
			if closing < 0 {
				return nil, &ParseError{Field: name, Pos: pos, Msg: "the quote is not closed"}
			}
			value, end, pos = rest[1:1+closing], closing+2, pos+1
		} else if blank := strings.IndexAny(rest, " \t"); blank >= 0 {
			value, end = rest[:blank], blank
		}
		given[name] = word{value, pos}
		at += len(name) + 1 + end
	}
}

func knownField(name string) bool {
	for i := range apFields {
		if apFields[i].name == name {
			return true
		}
	}
	return false
}

// readField reads the comma-separated items of a field.
func (a *apschedule) readField(f *apField, i int, w word) *ParseError {
	var spelled []string
	pos := w.pos
	for item := range strings.SplitSeq(w.text, ",") {
		text, err := a.readItem(f, strings.Trim(item, " \t"))
		if err != nil {
			return &ParseError{Field: f.name, Msg: err.Error(), Pos: pos}
		}
		spelled = append(spelled, text)
		pos += len(item) + 1
	}
	a.spelled[i] = strings.Join(spelled, ",")
	if f.name == "minute" || f.name == "hour" {
		a.followsRealTime = a.followsRealTime || a.spelled[i][0] == '*'
	}
	return nil
}

func (a *apschedule) readItem(f *apField, item string) (spelled string, err error) {
	lower := strings.ToLower(item)
	if f.name == "day" {
		if done, spelled, err := a.readPosition(lower); done {
			return spelled, err
		}
	}
	r, err := f.parseRange(lower)
	if err != nil {
		return "", err
	}
	a.set(f.name, r.span)
	return r.spelled, nil
}

// readPosition reads last, 3rd fri and last fri.
func (a *apschedule) readPosition(item string) (done bool, spelled string, err error) {
	if item == "last" {
		a.fromEnd |= 1
		return true, item, nil
	}
	which, day, ok := strings.Cut(item, " ")
	n := indexOf(apPositions, which)
	if n < 0 {
		return false, "", nil
	}
	d := indexOf(apWeekdays, strings.Trim(day, " "))
	if !ok || d < 0 {
		return true, "", fmt.Errorf("%s is not a day; write for example 1st mon or last fri", quote(item))
	}
	sunday := (d + 1) % 7 // as weekday counts
	if n == len(apPositions)-1 {
		a.last |= 1 << sunday
	} else {
		a.nth |= 1 << (7*n + sunday)
	}
	return true, apPositions[n] + " " + apWeekdays[d], nil
}

func indexOf(names []string, name string) int {
	for i, n := range names {
		if n == name {
			return i
		}
	}
	return -1
}

// limits is the allowed range in words.
func (f *apField) limits() string {
	s := strconv.Itoa(f.low) + "-" + strconv.Itoa(f.high)
	if f.names != nil {
		s += " or " + f.names[0] + "-" + f.names[len(f.names)-1]
	}
	return s
}
