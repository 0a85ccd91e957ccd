package cronicle

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"belfry/scheduler"
	"belfry/scheduler/cron"
)

// timing has the values of each field that match; none is all. Unlike in a crontab,
// days and weekdays must both match.
type timing struct {
	Years    []number `json:"years"`
	Months   []number `json:"months"`
	Days     []number `json:"days"`
	Weekdays []number `json:"weekdays"` // 0 is Sunday
	Hours    []number `json:"hours"`
	Minutes  []number `json:"minutes"`
}

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// schedules are none for an event that only runs by hand.
func (e *event) schedules() ([]scheduler.Schedule, error) {
	if raw := string(bytes.TrimSpace(e.Timing)); raw == "" || raw == "false" || raw == "null" || raw == "0" {
		return nil, nil
	}
	var t timing
	if err := json.Unmarshal(e.Timing, &t); err != nil {
		return nil, fmt.Errorf("its timing cannot be read: %s", scheduler.JSONProblem(err))
	}
	minutes, hours := field(t.Minutes, 0, 59), field(t.Hours, 0, 23)
	days, months := field(t.Days, 1, 31), field(t.Months, 1, 12)
	week := field(t.Weekdays, 0, 6)
	s := scheduler.Schedule{Text: strings.Join([]string{minutes, hours, days, months, week}, " "), Zone: e.Timezone}
	if len(t.Years) == 0 && (days == "*" || week == "*") {
		return []scheduler.Schedule{s}, nil
	}
	given := map[string]string{"month": months, "day": days, "hour": hours, "minute": minutes}
	if len(t.Years) > 0 {
		given["year"] = list(t.Years)
	}
	if week != "*" {
		var names []string
		for _, n := range sorted(t.Weekdays) {
			if n < 0 || int(n) >= len(weekdays) {
				return nil, fmt.Errorf("its timing has the weekday %d, and there are 0 to 6", n)
			}
			names = append(names, weekdays[n])
		}
		given["day_of_week"] = strings.Join(names, ",")
	}
	s.Grammar, s.Text = cron.APScheduler.Name, cron.APText(given)
	return []scheduler.Schedule{s}, nil
}

func sorted(values []number) []number {
	values = slices.Clone(values)
	slices.Sort(values)
	return slices.Compact(values)
}

func list(values []number) string {
	var words []string
	for _, v := range sorted(values) {
		words = append(words, strconv.FormatInt(int64(v), 10))
	}
	return strings.Join(words, ",")
}

// field is a field of a crontab, as short as people write it.
func field(values []number, low, high number) string {
	values = sorted(values)
	n := number(len(values))
	switch {
	case n == 0 || n == high-low+1 && values[0] == low && values[n-1] == high:
		return "*"
	case n < 3:
		return list(values)
	}
	step := values[1] - values[0]
	for i := 1; i < len(values); i++ {
		if values[i]-values[i-1] != step {
			return list(values)
		}
	}
	switch {
	case step == 1:
		return fmt.Sprintf("%d-%d", values[0], values[n-1])
	case values[0] == low && values[n-1]+step > high:
		return fmt.Sprintf("*/%d", step)
	}
	return list(values)
}
