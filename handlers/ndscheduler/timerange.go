package ndscheduler

import (
	"math"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"belfry/handlers/httpkit"
)

// timeRange is which rows a list has. Both ends belong to it.
type timeRange struct {
	from, to      time.Time
	limit, offset int
}

// past is the first instant behind the range.
func (r timeRange) past() time.Time { return r.to.Add(time.Microsecond) }

// readRange reads a list's parameters: without any the last ten minutes. Each end
// has its own default, as in the servers.
func readRange(r *http.Request, now time.Time) (timeRange, error) {
	q := httpkit.ReadFirst(r)
	out := timeRange{from: now.Add(-10 * time.Minute), to: now}
	out.limit, out.offset = int(q.Int("limit", maxRows, 1, maxRows)), int(q.Int("offset", 0, 0, maxRows))
	if err := q.Err(); err != nil {
		return out, err
	}
	for name, to := range map[string]*time.Time{"time_range_start": &out.from, "time_range_end": &out.to} {
		given := r.URL.Query()[name]
		if len(given) == 0 {
			continue
		}
		t, ok := parseTime(given[len(given)-1])
		if !ok {
			return out, refuse(name + " is not a time; write 2015-12-19T00:31:50.313Z, 2015-12-19, or seconds since 1970")
		}
		*to = t
	}
	return out, nil
}

// layouts are the ways of ISO 8601 to write a time, each with Z, +hh:mm, +hhmm, +hh or
// without an offset, which is UTC then.
var layouts = func() (all []string) {
	for _, t := range []string{
		"2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", "20060102T150405", "20060102T1504",
	} {
		all = append(all, t, t+"Z07:00", t+"Z0700", t+"Z07")
	}
	return append(all, time.DateOnly)
}()

// basicDate is a day of ISO 8601 without dashes. The seconds it would be otherwise are
// in 1970 or 1971, before any scheduler ran.
var basicDate = regexp.MustCompile(`^(19|20)\d{6}$`)

// plusLost matches a time whose offset's plus sign was not percent-encoded.
var plusLost = regexp.MustCompile(`^(\S+[T ]\S+) (\d{2}:?(?:\d{2})?)$`)

func parseTime(text string) (time.Time, bool) {
	if basicDate.MatchString(text) {
		t, err := time.Parse("20060102", text)
		return t, err == nil
	}
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		if math.Abs(seconds) > 1<<40 || math.IsNaN(seconds) {
			return time.Time{}, false
		}
		return time.UnixMicro(int64(math.Round(seconds * 1e6))).UTC(), true
	}
	text = plusLost.ReplaceAllString(text, "$1+$2")
	for _, layout := range layouts {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}
