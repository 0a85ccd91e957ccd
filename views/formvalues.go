package views

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"belfry/scheduler"
)

// FormValues makes the job form's values of a draft. What the form has no field
// for is not in it: the handler starts from the stored draft when it saves.
// Durations are as Go writes them; schedules, dependencies, objects and the argv
// of a command are one entry a line, JSON where lines could not say it; other
// lists are separated by commas. Times are UTC, as a datetime-local field has them.
func FormValues(d scheduler.Draft) map[string]string {
	v := map[string]string{
		"name": d.Name, "display_name": d.DisplayName, "notes": d.Notes, "executor": d.Executor,
		"starts_at": timeValue(d.StartsAt), "ends_at": timeValue(d.EndsAt), "paused_until": timeValue(d.PausedUntil),
		"catch_up": string(d.CatchUp), "catch_up_window": durationValue(d.CatchUpWindow), "jitter": durationValue(d.Jitter),
		"depends_on": dependencyLines(d.DependsOn), "triggers": dependencyLines(d.Triggers), "tags": strings.Join(d.Tags, ", "), "metadata": metadataLines(d.Metadata),
	}
	if d.Enabled {
		v["enabled"] = "true"
	}
	for name, on := range map[string]bool{"once": d.Once, "run_on_start": d.RunOnStart, "ephemeral": d.Ephemeral} {
		if on {
			v[name] = "true"
		}
	}
	v["timezone"] = FormZone(d.Schedules)
	if len(d.Schedules) > 0 && d.Schedules[0].Grammar != "" && !slices.ContainsFunc(d.Schedules, func(s scheduler.Schedule) bool { return s.Grammar != d.Schedules[0].Grammar }) {
		v["grammar"] = d.Schedules[0].Grammar // another system's: its schedules go on being read as it reads them
	}
	lines := make([]string, len(d.Schedules))
	for i, s := range d.Schedules {
		lines[i] = ScheduleLine(s, v["timezone"])
	}
	v["schedule"] = strings.Join(lines, "\n")
	limitValues(d, v)
	var config map[string]any
	dec := json.NewDecoder(strings.NewReader(string(d.Config)))
	dec.UseNumber()
	if dec.Decode(&config) == nil {
		for k, x := range config {
			v[ConfigPrefix(d.Executor)+k] = configValue(k, x)
		}
	}
	return v
}

func limitValues(d scheduler.Draft, v map[string]string) {
	v["concurrency"], v["retries"], v["progress"] = string(d.Concurrency), strconv.Itoa(d.Retries), d.Progress
	v["max_queued"], v["max_running"], v["priority"] = countValue(d.MaxQueued), countValue(d.MaxRunning), countValue(d.Priority)
	v["copies"], v["retention.max_count"] = countValue(d.Copies), countValue(d.Retention.MaxCount)
	v["timeout"], v["grace"] = durationValue(d.Timeout), durationValue(d.Grace)
	v["retry.delay"], v["retry.max_delay"] = durationValue(d.Retry.Delay), durationValue(d.Retry.MaxDelay)
	if d.Retry.Factor != 0 {
		v["retry.factor"] = strconv.FormatFloat(d.Retry.Factor, 'g', -1, 64)
	}
	codes := make([]string, len(d.Retry.ExitCodes))
	for i, c := range d.Retry.ExitCodes {
		codes[i] = strconv.Itoa(c)
	}
	v["retry.exit_codes"] = strings.Join(codes, ", ")
	if d.OutputLimit != (scheduler.OutputLimit{}) {
		v["output_limit.head"], v["output_limit.tail"] = sizeValue(d.OutputLimit.Head), sizeValue(d.OutputLimit.Tail)
	}
	if d.Retention.MaxBytes != 0 {
		v["retention.max_bytes"] = sizeValue(d.Retention.MaxBytes)
	}
	v["retention.max_age"] = ageValue(d.Retention.MaxAge)
}

// ageValue is a duration in days where that is exact.
func ageValue(d time.Duration) string {
	const day = 24 * time.Hour
	if d > 0 && d%day == 0 {
		return strconv.Itoa(int(d/day)) + "d"
	}
	return durationValue(d)
}

// FormZone is the zone that the form shows for all schedules; those in another
// one say it in their lines. Nothing can be said there of the server's own zone,
// so where it is among others it is the form's.
func FormZone(all []scheduler.Schedule) string {
	if len(all) == 0 || slices.ContainsFunc(all, func(s scheduler.Schedule) bool { return s.Zone == "" }) {
		return ""
	}
	return all[0].Zone
}

// ScheduleLine is a schedule as a line of the form, which is in a zone.
func ScheduleLine(s scheduler.Schedule, zone string) string {
	text := strings.Join(strings.Fields(s.Text), " ")
	if s.Zone == zone || strings.HasPrefix(text, "TZ=") || strings.HasPrefix(text, "CRON_TZ=") {
		return text
	}
	return "TZ=" + s.Zone + " " + text
}

func dependencyLines(all []scheduler.Dependency) string {
	lines := make([]string, len(all))
	for i, d := range all {
		lines[i] = d.Job + " " + string(d.On)
	}
	return strings.Join(lines, "\n")
}

// metadataLines is an entry a line, or an object where that would not come back
// as it was.
func metadataLines(all map[string]string) string {
	lines := make([]string, 0, len(all))
	for k, v := range all {
		if strings.ContainsAny(v, "\r\n") || strings.ContainsAny(k, "=\r\n{") || strings.TrimSpace(k) != k {
			b, err := json.MarshalIndent(all, "", "  ")
			if err != nil {
				return ""
			}
			return string(b)
		}
		lines = append(lines, k+"="+v)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func countValue(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// sizeValue is a number of bytes as short as it can be exact.
func sizeValue(n int64) string {
	for _, unit := range [...]struct {
		bytes int64
		name  string
	}{{1 << 30, " GiB"}, {1 << 20, " MiB"}, {1 << 10, " KiB"}} {
		if n != 0 && n%unit.bytes == 0 {
			return strconv.FormatInt(n/unit.bytes, 10) + unit.name
		}
	}
	return strconv.FormatInt(n, 10)
}

// timeValue is a time as a datetime-local field has it, which makes it as short
// as it can be: what nobody touched must come back as it was shown.
func timeValue(t time.Time) string {
	t = t.UTC()
	switch {
	case t.IsZero():
		return ""
	case t.Second() == 0:
		return t.Format("2006-01-02T15:04")
	default:
		return t.Format("2006-01-02T15:04:05")
	}
}

func durationValue(d time.Duration) string {
	if d == 0 {
		return ""
	}
	s := d.String()
	// 1m0s and 1h0m0s are not what anybody typed.
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// lineFields are the lists of which the form has an entry a line.
var lineFields = map[string]bool{"argv": true, "env_files": true, "volumes": true, "volumes_from": true}

func configValue(key string, x any) string {
	switch x := x.(type) {
	case nil:
		return ""
	case string:
		return x
	case json.Number:
		if key == "memory" || key == "memory_limit" {
			if n, err := x.Int64(); err == nil {
				return sizeValue(n)
			}
		}
		return x.String()
	case bool:
		return strconv.FormatBool(x)
	case map[string]any:
		separator := "="
		if key == "headers" {
			separator = ": "
		}
		lines := make([]string, 0, len(x))
		for k, v := range x {
			lines = append(lines, k+separator+configValue("", v))
		}
		slices.Sort(lines)
		return strings.Join(lines, "\n")
	case []any:
		parts := make([]string, len(x))
		lines := true
		for i, v := range x {
			parts[i] = configValue("", v)
			lines = lines && parts[i] != "" && !strings.ContainsAny(parts[i], "\r\n")
		}
		if !lineFields[key] {
			return strings.Join(parts, ", ")
		}
		if lines && len(parts) > 0 && !strings.HasPrefix(parts[0], "[") {
			return strings.Join(parts, "\n")
		}
		b, err := json.Marshal(parts)
		if err != nil {
			return ""
		}
		return string(b)
	default:
		return fmt.Sprint(x)
	}
}
