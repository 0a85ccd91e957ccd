package cron

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
)

// word is a part of the text between white space, with its place for messages.
type word struct {
	text string
	pos  int
}

func words(text string) []word {
	found := make([]word, 0, 8)
	start := -1
	for i, r := range text {
		space := unicode.IsSpace(r)
		switch {
		case space && start >= 0:
			found = append(found, word{text[start:i], start})
			start = -1
		case !space && start < 0:
			start = i
		}
	}
	if start >= 0 {
		found = append(found, word{text[start:], start})
	}
	return found
}

func parseStandard(text string, loc *time.Location) (Schedule, error) {
	s, err := parseWords(words(text), loc)
	if err != nil {
		err.Text = text
		return nil, err
	}
	return s, nil
}

func parseWords(parts []word, loc *time.Location) (Schedule, *ParseError) {
	first := parts[0]
	if zone, ok := zonePrefix(first.text); ok {
		if zone == "" {
			return nil, &ParseError{Field: "timezone", Msg: "a name must follow " + first.text + ", for example " + first.text + "Europe/Berlin", Pos: first.pos}
		}
		own, err := location(zone)
		if err != nil {
			err.Pos = first.pos + len(first.text) - len(zone)
			return nil, err
		}
		if len(parts) == 1 {
			return nil, &ParseError{Field: "schedule", Msg: "nothing follows the time zone"}
		}
		loc, parts, first = own, parts[1:], parts[1]
	}
	if strings.HasPrefix(first.text, "@") {
		return parseNamed(parts, loc)
	}
	return parseFields(parts, loc)
}

func zonePrefix(s string) (zone string, ok bool) {
	if zone, ok = strings.CutPrefix(s, "CRON_TZ="); ok {
		return zone, true
	}
	return strings.CutPrefix(s, "TZ=")
}

var abbreviations = map[string]string{
	"@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
	"@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}

// parseNamed reads what begins with @.
func parseNamed(parts []word, loc *time.Location) (Schedule, *ParseError) {
	name, args := strings.ToLower(parts[0].text), parts[1:]
	takesOne := name == "@every" || name == "@at"
	if takesOne && len(args) == 0 {
		example := map[string]string{"@every": "a duration, for example @every 90s", "@at": "an instant, for example @at 2026-12-24T18:00:00Z"}
		return nil, &ParseError{Field: "schedule", Msg: name + " needs " + example[name], Pos: parts[0].pos}
	}
	if !takesOne && len(args) > 0 || len(args) > 1 {
		extra := args[len(args)-1]
		return nil, &ParseError{Field: "schedule", Msg: "nothing may follow " + shorten(name) + ", found " + quote(extra.text), Pos: extra.pos}
	}
	switch name {
	case "@manually":
		return &manual{loc}, nil
	case "@every":
		return parseEvery(args[0], loc)
	case "@at":
		at, err := time.Parse(time.RFC3339, args[0].text)
		if err != nil {
			return nil, &ParseError{Field: "@at", Msg: quote(args[0].text) + " is not an RFC 3339 time such as 2026-12-24T18:00:00Z", Pos: args[0].pos}
		}
		return &once{at.Truncate(time.Second).In(loc)}, nil
	}
	if fields, ok := abbreviations[name]; ok {
		return parseFields(words(fields), loc)
	}
	return nil, &ParseError{
		Field: "schedule", Pos: parts[0].pos,
		Msg: quote(parts[0].text) + " is unknown; there are @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly, @every, @at and @manually",
	}
}

func parseEvery(arg word, loc *time.Location) (Schedule, *ParseError) {
	d, err := time.ParseDuration(arg.text)
	switch {
	case err != nil:
		return nil, &ParseError{Field: "@every", Msg: quote(arg.text) + " is not a duration such as 90s, 15m or 1h30m", Pos: arg.pos}
	case d < time.Second:
		return nil, &ParseError{Field: "@every", Msg: shorten(arg.text) + " is too short, the least is 1s", Pos: arg.pos}
	case d%time.Second != 0:
		return nil, &ParseError{Field: "@every", Msg: shorten(arg.text) + " is not a whole number of seconds", Pos: arg.pos}
	}
	return &every{int64(d / time.Second), loc}, nil
}

func parseFields(parts []word, loc *time.Location) (Schedule, *ParseError) {
	if len(parts) != 5 && len(parts) != 6 {
		return nil, &ParseError{
			Field: "schedule", Pos: parts[min(len(parts)-1, 6)].pos,
			Msg: fmt.Sprintf("needs 5 fields (minute hour day-of-month month day-of-week), or 6 with the second first, but has %d", len(parts)),
		}
	}
	c := &crontab{loc: loc, seconds: 1}
	if len(parts) == 6 {
		if err := c.readField(&second, parts[0]); err != nil {
			return nil, err
		}
		parts = parts[1:]
	}
	for i, f := range [...]*field{&minute, &hour, &dayOfMonth, &monthOfYear, &dayOfWeek} {
		if err := c.readField(f, parts[i]); err != nil {
			return nil, err
		}
	}
	if c.neverFires() {
		return nil, &ParseError{Field: "day of month", Msg: c.whyNever(), Pos: parts[2].pos}
	}
	return c, nil
}

// readField reads the comma-separated items of one field into c.
func (c *crontab) readField(f *field, w word) *ParseError {
	star := w.text[0] == '*' || w.text[0] == '?'
	switch f {
	case &minute, &hour:
		c.followsRealTime = c.followsRealTime || star
	case &dayOfMonth:
		c.dayStar = star
	case &dayOfWeek:
		c.weekdayStar = star
	case &second:
		c.seconds = 0
	}
	pos := w.pos
	for item := range strings.SplitSeq(w.text, ",") {
		if err := c.readItem(f, item); err != nil {
			return &ParseError{Field: f.name, Msg: err.Error(), Pos: pos}
		}
		pos += len(item) + 1
	}
	return nil
}

func (c *crontab) readItem(f *field, item string) error {
	if item == "" {
		return errors.New("an item of the list is empty")
	}
	if done, err := c.readSpecial(f, item); done || err != nil {
		return err
	}
	r, err := f.parseRange(item)
	if err != nil {
		return err
	}
	for v := range r.values(f) {
		c.set(f, v)
	}
	return nil
}

func (c *crontab) set(f *field, v int) {
	switch f {
	case &second:
		c.seconds |= 1 << v
	case &minute:
		c.minutes |= 1 << v
	case &hour:
		c.hours |= 1 << v
	case &dayOfMonth:
		c.days |= 1 << v
	case &monthOfYear:
		c.months |= 1 << v
	case &dayOfWeek:
		c.weekdays |= everyWeek(1 << v)
	}
}
