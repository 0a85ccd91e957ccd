package cron

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Dkron is the language of Dkron's jobs. It has six fields, the second first, which are read as Standard reads them, but that a day field
// is unrestricted only if it is * or ? itself: "0 0 0 */2 * 1" means odd days and Mondays, here as there.
//
// Instead of fields: what Standard has, @minutely, and @after RFC3339 <ISO8601, which is @at for a schedule that is read in time (see After).
// @every takes what is less than a second for a second, and drops fractions of one. The instants of @at and @after may have passed.
//
// A field may hold ~, which stands for a number made from the job's name: Hashed replaces it, and it is refused here.
var Dkron = NewGrammar("dkron", "Six fields, second minute hour day-of-month month day-of-week; or @daily and its like, @minutely, "+
	"@every 90s, @at 2026-12-24T18:00:00Z, @after 2026-12-24T18:00:00Z <PT30M, @manually; a prefix TZ=Europe/Berlin sets the time zone.", parseDkron)

func parseDkron(text string, loc *time.Location) (Schedule, error) {
	parts := words(text)
	first := parts[0]
	if _, ok := zonePrefix(first.text); ok && len(parts) > 1 {
		parts, first = parts[1:], parts[1]
	}
	var s Schedule
	var err *ParseError
	switch name := strings.ToLower(first.text); name {
	case "@every", "@at", "@after":
		s, err = parseMoment(name, parts[1:], loc)
	case "@minutely":
		s, err = parseWords(replaced(text, first, "0 * * * * *"), loc)
	default:
		if !strings.HasPrefix(name, "@") && len(parts) != 6 {
			rest := text[first.pos:]
			err = &ParseError{Field: "schedule", Msg: fmt.Sprintf("expected exactly 6 fields, found %d: [%s]", len(parts), shorten(rest)), Pos: first.pos}
			break
		}
		s, err = parseWords(words(text), loc)
		if c, ok := s.(*crontab); ok && err == nil && !strings.HasPrefix(name, "@") {
			c.dayStar, c.weekdayStar = starred(parts[3].text), starred(parts[5].text)
			if c.neverFires() {
				err = &ParseError{Field: "day of month", Msg: c.whyNever(), Pos: parts[3].pos}
			}
		}
	}
	if err != nil {
		err.Text = text
		return nil, err
	}
	return s, nil
}

// replaced are the words of a text with others in place of one.
func replaced(text string, w word, by string) []word {
	return words(text[:w.pos] + by + text[w.pos+len(w.text):])
}

// starred reports whether a list has an item that is every day.
func starred(list string) bool {
	for item := range strings.SplitSeq(list, ",") {
		if item == "*" || item == "?" || item == "*/1" || item == "?/1" {
			return true
		}
	}
	return false
}

// parseMoment reads what follows @every, @at and @after.
func parseMoment(name string, args []word, loc *time.Location) (Schedule, *ParseError) {
	wrong := func(format string, args ...any) (Schedule, *ParseError) {
		return nil, &ParseError{Field: "schedule", Msg: fmt.Sprintf(format, args...)}
	}
	want := 1
	if name == "@after" {
		want = 2
	}
	if len(args) != want {
		return wrong("%s takes %s, found %d", name, count(int64(want), "value"), len(args))
	}
	value := args[0].text
	if name == "@every" {
		d, err := time.ParseDuration(value)
		if err != nil {
			return wrong("failed to parse duration @every %s: %v", shorten(value), shorten(err.Error()))
		}
		return &every{max(1, int64(d/time.Second)), loc}, nil
	}
	at, err := time.Parse(time.RFC3339, value)
	if err != nil {
		return wrong("failed to parse date %s %s: %v", name, shorten(value), err)
	}
	if name == "@after" {
		if _, ok := isoDuration(strings.TrimPrefix(args[1].text, "<")); !ok {
			return wrong("failed to parse duration %s: it is not one of ISO 8601, such as PT30M", quote(args[1].text))
		}
	}
	return &once{at.Truncate(time.Second).In(loc)}, nil
}

// After returns the text of a schedule in Dkron's language that is read at now: an @after whose instant passed less than its duration ago is
// due in a second, any other text stays as it is.
func After(text string, now time.Time) string {
	parts := strings.Fields(text)
	if len(parts) != 3 || !strings.EqualFold(parts[0], "@after") {
		return text
	}
	at, err := time.Parse(time.RFC3339, parts[1])
	late, ok := isoDuration(strings.TrimPrefix(parts[2], "<"))
	if err != nil || !ok || at.After(now) || now.Sub(at) > late {
		return text
	}
	return "@at " + now.UTC().Truncate(time.Second).Add(2*time.Second).Format(time.RFC3339)
}

// isoDuration reads a duration of ISO 8601 in whole numbers: a year is 365 days, a month 30.
func isoDuration(text string) (total time.Duration, ok bool) {
	const day = 24 * time.Hour
	units := map[string]time.Duration{
		"Y": 365 * day, "M": 30 * day, "W": 7 * day, "D": day, "TH": time.Hour, "TM": time.Minute, "TS": time.Second,
	}
	rest, found := strings.CutPrefix(strings.ToUpper(text), "P")
	part := ""
	for found && rest != "" {
		if rest[0] == 'T' && part == "" {
			part, rest = "T", rest[1:]
			continue
		}
		digits := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
		n, err := strconv.ParseInt(digits, 10, 32)
		if err != nil || len(digits) == len(rest) {
			return 0, false
		}
		unit := units[part+rest[len(digits):len(digits)+1]]
		if unit == 0 || time.Duration(n) > (1<<62-total)/unit {
			return 0, false
		}
		total += time.Duration(n) * unit
		rest, ok = rest[len(digits)+1:], true
	}
	return total, ok
}

// Hashed replaces each ~ in the six fields of a schedule in Dkron's language by a number that a name gives, always the same one: it spreads
// jobs over their field. A text that is not six fields stays as it is.
func Hashed(text, name string) string {
	if !strings.Contains(text, "~") {
		return text
	}
	parts := strings.Fields(text)
	zone := ""
	if _, ok := zonePrefix(parts[0]); ok {
		zone, parts = parts[0]+" ", parts[1:]
	}
	if len(parts) != 6 {
		return text
	}
	sum := 0
	for _, r := range name {
		sum += int(r)
	}
	for i, f := range [6]struct{ mod, low int }{{60, 0}, {60, 0}, {24, 0}, {28, 1}, {12, 1}, {7, 0}} {
		parts[i] = strings.ReplaceAll(parts[i], "~", strconv.Itoa(sum%f.mod+f.low))
	}
	return zone + strings.Join(parts, " ")
}
