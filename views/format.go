package views

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"belfry/scheduler"
)

// none stands where there is no value.
const none = "–"

// Duration says how long in at most two units: "340 ms", "4.2 s", "42 s", "1 m 12 s",
// "2 h 5 m", "3 d 4 h". static/js/app.js says it the same way.
func Duration(d time.Duration) string {
	if d < 0 {
		d = 0
	}
	s := int64(d / time.Second)
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second && d.Milliseconds()/100%10 != 0:
		return fmt.Sprintf("%d.%d s", s, d.Milliseconds()/100%10)
	case s < 60:
		return fmt.Sprintf("%d s", s)
	case s < 3600:
		return fmt.Sprintf("%d m %d s", s/60, s%60)
	case s < 86400:
		return fmt.Sprintf("%d h %d m", s/3600, s/60%60)
	default:
		return fmt.Sprintf("%d d %d h", s/86400, s/3600%24)
	}
}

// Ago says where t is from now: "now", "12 s ago", "in 3 m", "5 d ago".
func Ago(t, now time.Time) string {
	d := now.Sub(t)
	past := d >= 0
	s := int64(d.Abs() / time.Second)
	var text string
	switch {
	case s < 1:
		return "now"
	case s < 60:
		text = fmt.Sprintf("%d s", s)
	case s < 3600:
		text = fmt.Sprintf("%d m", s/60)
	case s < 86400:
		text = fmt.Sprintf("%d h", s/3600)
	case s < 365*86400:
		text = fmt.Sprintf("%d d", s/86400)
	default:
		text = fmt.Sprintf("%d y", s/(365*86400))
	}
	if past {
		return text + " ago"
	}
	return "in " + text
}

// Clock says when in the zone, as short as now allows: "14:05:09",
// "12 Nov 14:05", "12 Nov 2024".
func Clock(t, now time.Time, zone *time.Location) string {
	t, now = t.In(zone), now.In(zone)
	switch {
	case t.Year() == now.Year() && t.YearDay() == now.YearDay():
		return t.Format("15:04:05")
	case t.Sub(now).Abs() < 300*24*time.Hour:
		return t.Format("2 Jan 15:04")
	default:
		return t.Format("2 Jan 2006")
	}
}

// Stamp says when in the zone to the second: "14:05:09", "12 Nov 14:05:09".
func Stamp(t, now time.Time, zone *time.Location) string {
	t, now = t.In(zone), now.In(zone)
	switch {
	case t.Year() == now.Year() && t.YearDay() == now.YearDay():
		return t.Format("15:04:05")
	case t.Sub(now).Abs() < 300*24*time.Hour:
		return t.Format("2 Jan 15:04:05")
	default:
		return t.Format("2 Jan 2006 15:04:05")
	}
}

// Exact is the whole truth about an instant: "Fri 20 Nov 2026 14:05:09.120
// +01:00 Europe/Berlin".
func Exact(t time.Time, zone *time.Location) string {
	t = t.In(zone)
	layout := "Mon 2 Jan 2006 15:04:05 -07:00"
	if t.Nanosecond() >= int(time.Millisecond) {
		layout = "Mon 2 Jan 2006 15:04:05.000 -07:00"
	}
	return t.Format(layout) + " " + zoneName(zone)
}

func zoneName(zone *time.Location) string {
	if zone == time.Local {
		return "server time"
	}
	return zone.String()
}

// machine is t for the datetime attribute.
func machine(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func millis(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

// Size says how many bytes, in powers of 1024: "0 B", "64 KiB", "1.5 MiB".
func Size(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", max(n, 0))
	}
	v, unit := float64(n), ""
	for _, unit = range [...]string{"KiB", "MiB", "GiB", "TiB", "PiB"} {
		v /= 1024
		if v < 1023.95 {
			break
		}
	}
	if v = math.Round(v*10) / 10; v < 10 && v != math.Trunc(v) {
		return fmt.Sprintf("%.1f %s", v, unit)
	}
	return fmt.Sprintf("%.0f %s", v, unit)
}

// Number groups thousands: "1,234,567".
func Number(n int64) string {
	if n < 0 {
		return "-" + Number(-n)
	}
	s := strconv.FormatInt(n, 10)
	var b strings.Builder
	for i := range len(s) {
		if i > 0 && (len(s)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// plural says "1 line", "2 lines".
func plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Number(n) + " " + many
}

// shortTotal is a total where there is little room: "9,999", "10k+".
func shortTotal(t scheduler.Total) string {
	text := Number(t.N)
	if t.N >= 10_000 {
		text = Number(t.N/1000) + "k"
	}
	if t.Capped {
		text += "+"
	}
	return text
}

func totalText(t scheduler.Total) string {
	if t.Capped {
		return "more than " + Number(t.N)
	}
	return Number(t.N)
}

// lastPage is the offset of the last page of a list that is not empty.
func lastPage(total scheduler.Total, limit int) int {
	if limit <= 0 {
		return 0
	}
	return int((total.N-1)/int64(limit)) * limit
}

// pageBefore is the offset of the page before, or of the last one from past the end.
func pageBefore(total scheduler.Total, limit, offset int) int {
	before := max(offset-limit, 0)
	if total.N > 0 && !total.Capped {
		before = min(before, lastPage(total, limit))
	}
	return before
}

// percent is part of whole with one decimal, cut and not rounded: 99.97 % must
// not read as 100.
func percent(part, whole int64) string {
	if whole == 0 {
		return none
	}
	tenths := part * 1000 / whole
	if tenths%10 == 0 {
		return fmt.Sprintf("%d %%", tenths/10)
	}
	return fmt.Sprintf("%d.%d %%", tenths/10, tenths%10)
}

// look is how a state is told: in a word, with a shape, and with a tone that
// only adds to them.
type look struct{ Label, Icon, Tone, Favicon string }

var looks = map[scheduler.State]look{
	scheduler.Queued:    {"Queued", "clock", "idle", "favicon-queued.svg"},
	scheduler.Running:   {"Running", "play", "busy", "favicon-running.svg"},
	scheduler.Succeeded: {"Succeeded", "circle-check", "good", "favicon-good.svg"},
	scheduler.Failed:    {"Failed", "circle-x", "bad", "favicon-bad.svg"},
	scheduler.TimedOut:  {"Timed out", "timer-off", "bad", "favicon-bad.svg"},
	scheduler.Cancelled: {"Cancelled", "ban", "idle", "favicon-other.svg"},
	scheduler.Lost:      {"Lost", "unplug", "warn", "favicon-bad.svg"},
	scheduler.Skipped:   {"Skipped", "skip-forward", "idle", "favicon-other.svg"},
	scheduler.Missed:    {"Missed", "calendar-x", "warn", "favicon-bad.svg"},
}

func lookOf(s scheduler.State) look {
	if l, ok := looks[s]; ok {
		return l
	}
	return look{string(s), "info", "idle", "favicon.svg"}
}

// StateLabel is the state in a word for people: "Timed out".
func StateLabel(s scheduler.State) string { return lookOf(s).Label }

func triggerWords(t scheduler.Trigger) string {
	if t.By == "" || t.Kind == scheduler.TriggerSchedule {
		return triggerLabel(t.Kind)
	}
	return triggerLabel(t.Kind) + ", " + t.By
}

func triggerLabel(k scheduler.TriggerKind) string {
	switch k {
	case scheduler.TriggerSchedule:
		return "Schedule"
	case scheduler.TriggerManual:
		return "By hand"
	case scheduler.TriggerAPI:
		return "API"
	case scheduler.TriggerRetry:
		return "Retry"
	case scheduler.TriggerStart:
		return "Server's start"
	case scheduler.TriggerDependency:
		return "Another job"
	case scheduler.TriggerTree:
		return "Tree"
	default:
		return string(k)
	}
}

func executorLabel(kind string) string {
	switch kind {
	case "shell":
		return "Shell command"
	case "http":
		return "HTTP request"
	case "docker-exec":
		return "Command in a container"
	case "docker-run":
		return "New container"
	case "docker-service":
		return "Swarm service"
	case scheduler.ClassExecutor:
		return "Job class"
	case "unsupported":
		return "Not possible here"
	default:
		return kind
	}
}

func executorNoun(kind string) string {
	switch kind {
	case "shell":
		return "command"
	case "http":
		return "request"
	case "docker-exec":
		return "exec"
	case "docker-run":
		return "container"
	case "docker-service":
		return "service"
	default:
		return kind
	}
}

func executorIcon(kind string) string {
	switch kind {
	case "shell":
		return "terminal"
	case "http":
		return "globe"
	case "docker-exec", "docker-run", "docker-service":
		return "container"
	case scheduler.ClassExecutor:
		return "list-checks"
	default:
		return "server"
	}
}

// Ids in reasons are for programs.
var (
	executionID = regexp.MustCompile(`execution [0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
	attemptID   = regexp.MustCompile(`attempt [0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
)

// ending is how an execution ended, or why it waits, as short as a table needs:
// nothing when it went as it should.
func (r ExecutionRowProps) ending() string {
	e := &r.Execution
	var parts []string
	switch {
	case e.Signal != "" && !strings.Contains(e.Reason, e.Signal):
		parts = append(parts, e.Signal)
	case e.Signal != "", e.ExitCode == nil, strings.Contains(e.Reason, strconv.Itoa(*e.ExitCode)):
	case r.Executor == "http":
		parts = append(parts, "status "+strconv.Itoa(*e.ExitCode))
	case *e.ExitCode != 0 && e.State != scheduler.Succeeded:
		parts = append(parts, "exit "+strconv.Itoa(*e.ExitCode))
	}
	if e.Reason != "" {
		why := strings.TrimPrefix(e.Reason, string(e.State)+": ") // the state stands beside it
		parts = append(parts, attemptID.ReplaceAllString(executionID.ReplaceAllString(why, "another execution"), "the last attempt"))
	}
	return strings.Join(parts, " · ")
}

// waiting is what a queued execution waits for, after how long it has.
func (r ExecutionRowProps) waiting() string {
	if why := r.ending(); why != "" {
		return ": " + why
	}
	return ""
}

// percent is what the output said of the progress.
func (r ExecutionRowProps) percent() int { return int(min(max(r.Execution.Progress, 0), 100)) }

func (r ExecutionRowProps) codeLabel() string {
	if r.Executor == "http" {
		return "Status"
	}
	return "Exit code"
}

func late(e *scheduler.Execution, now time.Time) bool {
	return e.State == scheduler.Queued && now.Sub(e.RunAt) > 10*time.Second
}

func lower(s string) string { return strings.ToLower(s) }

func orNone(s string) string {
	if s == "" {
		return none
	}
	return s
}
