package handlers

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// How requests about jobs write values, as forms and as JSON. What is empty is
// the zero value, which means the default; what cannot be read is noted beside
// its field and is the zero value too.

// duration reads a duration; empty is 0, which means the default.
func (r *jobRequest) duration(field, text string) time.Duration {
	if text = strings.TrimSpace(text); text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		r.bad(field, "is not a duration; write it like 30s, 5m or 1h30m")
	}
	return d
}

// age is a duration that may be a number of days.
func (r *jobRequest) age(field, text string) time.Duration {
	const day = 24 * time.Hour
	days, ok := strings.CutSuffix(strings.TrimSpace(text), "d")
	n, err := strconv.ParseInt(days, 10, 64)
	if !ok || err != nil {
		return r.duration(field, text)
	}
	if n < 0 || n > math.MaxInt64/int64(day) {
		r.bad(field, "is not a possible number of days")
		return 0
	}
	return time.Duration(n) * day
}

// timeLayouts are how an instant is written, in UTC when it names no offset: a
// page's field cannot.
var timeLayouts = []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04"}

func (r *jobRequest) time(field, text string) time.Time {
	if text = strings.TrimSpace(text); text == "" {
		return time.Time{}
	}
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC()
		}
	}
	r.bad(field, "is not a time; write it like 2026-12-24T18:00:00Z")
	return time.Time{}
}

func (r *jobRequest) number(field, text string) int64 {
	if text = strings.TrimSpace(text); text == "" {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		r.bad(field, "must be a whole number")
	}
	return n
}

// count is a number that fits every database: what is beyond it is refused by the
// job's own limits.
func (r *jobRequest) count(field, text string) int {
	return int(max(min(r.number(field, text), math.MaxInt32), math.MinInt32))
}

func (r *jobRequest) factor(field, text string) float64 {
	if text = strings.TrimSpace(text); text == "" {
		return 0
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		r.bad(field, "must be a number")
	}
	return f
}

// size reads a number of bytes as views.FormValues writes it: 512, 64 KiB, 10M.
func (r *jobRequest) size(field, text string) int64 {
	number := strings.TrimRight(text, "KMGTiBkmgtb \t")
	unit := strings.ToUpper(strings.TrimSpace(text[len(number):]))
	shift, known := map[string]int{"": 0, "B": 0, "K": 10, "M": 20, "G": 30, "T": 40}[strings.TrimSuffix(strings.TrimSuffix(unit, "B"), "I")]
	n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
	switch {
	case strings.TrimSpace(text) == "":
		return 0
	case err != nil || !known || n > math.MaxInt64>>shift || n < math.MinInt64>>shift:
		r.bad(field, "is not a size; write it like 512, 64 KiB or 10 MiB")
		return 0
	}
	return n << shift
}

// numbers reads whole numbers with commas or spaces between them.
func (r *jobRequest) numbers(field, text string) []int {
	var all []int
	for _, word := range words(text) {
		n, err := strconv.ParseInt(word, 10, 32)
		if err != nil {
			r.bad(field, "%.20q is not a whole number", word)
			return nil
		}
		all = append(all, int(n))
	}
	return all
}

// words are what commas and spaces separate.
func words(text string) []string {
	return strings.FieldsFunc(text, func(c rune) bool { return c == ',' || c == ' ' || c == '\t' || c == '\n' || c == '\r' })
}
