package views

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"belfry/scheduler"
)

func (f Flash) kind() FlashKind {
	switch f.Kind {
	case FlashGood, FlashError:
		return f.Kind
	default:
		return FlashInfo
	}
}

// local reports whether the way on stays here.
func (f Flash) local() bool {
	return strings.HasPrefix(f.Href, "/") && !strings.HasPrefix(f.Href, "//") && !strings.HasPrefix(f.Href, "/\\")
}

func (f Flash) role() string {
	if f.Kind == FlashError {
		return "alert"
	}
	return "status"
}

func (f Flash) icon() string {
	switch f.Kind {
	case FlashGood:
		return "check"
	case FlashError:
		return "triangle-alert"
	default:
		return "info"
	}
}

func roleWords(r scheduler.Role) string {
	switch r {
	case scheduler.Viewer:
		return "Viewer: reads"
	case scheduler.Operator:
		return "Operator: and runs, stops, enables"
	case scheduler.Editor:
		return "Editor: and changes jobs"
	case scheduler.Admin:
		return "Admin: and users and tokens"
	default:
		return string(r)
	}
}

// tally says how many of each there are: "28 succeeded, 2 failed".
func tally(count map[scheduler.State]int64) string {
	var parts []string
	for _, s := range scheduler.States {
		if n := count[s]; n > 0 {
			parts = append(parts, Number(n)+" "+lower(StateLabel(s)))
		}
	}
	return strings.Join(parts, ", ")
}

func outcomeWords(recent []scheduler.Outcome) string {
	count := map[scheduler.State]int64{}
	for _, o := range recent {
		count[o.State]++
	}
	if len(recent) == 1 {
		return "Last run: " + tally(count)
	}
	return fmt.Sprintf("Last %d runs: %s", len(recent), tally(count))
}

const maxBars = 30

// tonePath draws all bars of one tone.
type tonePath struct{ Tone, D string }

// outcomePaths are the bars of the newest outcomes, the newest on the right, as
// one path for each tone: thousands of elements would cost more than the rest
// of a list. A bad one has a dot above it and is told from a good one without
// its colour.
func outcomePaths(recent []scheduler.Outcome) []tonePath {
	recent = recent[:min(len(recent), maxBars)]
	longest := time.Millisecond
	for _, o := range recent {
		longest = max(longest, o.Took)
	}
	var paths []tonePath
	for i, o := range recent {
		// By the root: a run of a second next to one of an hour stays visible.
		h := 4 + int(math.Round(14*math.Sqrt(float64(max(o.Took, 0))/float64(longest))))
		x := (maxBars - 1 - i) * 5
		d := fmt.Sprintf("M%d 24v-%dh4v%dz", x, h, h)
		if o.State.Bad() {
			d += fmt.Sprintf("M%d 0h4v3h-4z", x)
		}
		tone := lookOf(o.State).Tone
		at := slices.IndexFunc(paths, func(p tonePath) bool { return p.Tone == tone })
		if at < 0 {
			paths = append(paths, tonePath{Tone: tone})
			at = len(paths) - 1
		}
		paths[at].D += d
	}
	return paths
}

type hourShape struct {
	X, Title string
	Stack    []stackShape
}

type stackShape struct{ Y, H, Tone string }

// hourShapes are columns of equal width over the hours from Since to Now, each
// with a stack of what ended well, badly and otherwise.
func hourShapes(p NowProps) []hourShape {
	from := p.Since.UTC().Truncate(time.Hour)
	n := int(p.Now.UTC().Truncate(time.Hour).Sub(from)/time.Hour) + 1
	if n < 1 || n > 24*7 {
		return nil
	}
	counts := make([]map[scheduler.State]int64, n)
	var most int64 = 1
	for _, c := range p.Ended {
		i := int(c.Hour.UTC().Sub(from) / time.Hour)
		if i < 0 || i >= n || c.N <= 0 {
			continue
		}
		if counts[i] == nil {
			counts[i] = map[scheduler.State]int64{}
		}
		counts[i][c.State] += c.N
	}
	for _, c := range counts {
		most = max(most, sum(c))
	}
	out := make([]hourShape, n)
	for i := range out {
		start := from.Add(time.Duration(i) * time.Hour)
		out[i].X = strconv.Itoa(i * 20)
		out[i].Title = start.In(p.zone()).Format("Mon 15:04") + ": " + hourTally(counts[i])
		y := 60.0
		for _, tone := range [...]string{"good", "idle", "warn", "bad"} {
			var k int64
			for s, c := range counts[i] {
				if lookOf(s).Tone == tone {
					k += c
				}
			}
			if k == 0 {
				continue
			}
			// Never thinner than can be seen: one failure among thousands matters.
			h := max(56*float64(k)/float64(most), 3)
			y = max(y-h, 0)
			out[i].Stack = append(out[i].Stack, stackShape{Y: strconv.FormatFloat(y, 'f', 1, 64), H: strconv.FormatFloat(h, 'f', 1, 64), Tone: tone})
		}
	}
	return out
}

func sum(c map[scheduler.State]int64) (n int64) {
	for _, k := range c {
		n += k
	}
	return n
}

func hourTally(c map[scheduler.State]int64) string {
	if len(c) == 0 {
		return "nothing ended"
	}
	return tally(c)
}

func (p NowProps) ended() map[scheduler.State]int64 {
	total := map[scheduler.State]int64{}
	for _, c := range p.Ended {
		total[c.State] += c.N
	}
	return total
}

func hourWords(p NowProps) string {
	c := p.ended()
	if len(c) == 0 {
		return "Nothing ended in the last 24 hours"
	}
	return "Ended in the last 24 hours, by hour: " + tally(c)
}

// rate is how many of what ran in the last hours succeeded; what never ran has
// no part in it.
func (p NowProps) rate() (good, ran int64) {
	for s, n := range p.ended() {
		switch s {
		case scheduler.Succeeded:
			good += n
			ran += n
		case scheduler.Failed, scheduler.TimedOut, scheduler.Lost, scheduler.Missed:
			ran += n
		}
	}
	return good, ran
}

// Verdict is the state of everything in one sentence.
func (p NowProps) Verdict() string {
	var parts []string
	if n := max(p.FailingTotal, int64(len(p.Failing))); n > 0 {
		parts = append(parts, Number(n)+" failing")
	}
	lateOnes := int64(len(p.late()))
	if lateOnes > 0 {
		parts = append(parts, Number(lateOnes)+" late")
	}
	if n := max(p.RunningTotal, int64(len(p.Running))); n > 0 {
		parts = append(parts, Number(n)+" running")
	}
	if len(parts) == 0 || (len(p.Failing) == 0 && lateOnes == 0) {
		parts = append([]string{"Nothing is failing"}, parts...)
	}
	if good, ran := p.rate(); ran > 0 {
		parts = append(parts, percent(good, ran)+" over 24 h")
	}
	return strings.Join(parts, ", ")
}

// troubled reports whether the verdict is one to act on.
func (p NowProps) troubled() bool {
	return len(p.Failing) > 0 || p.FailingTotal > 0 || len(p.late()) > 0
}

// late are those of the queued that should run by now.
func (p NowProps) late() []ExecutionRowProps { return p.queued(true) }

// waiting are the others.
func (p NowProps) waiting() []ExecutionRowProps { return p.queued(false) }

func (p NowProps) queued(isLate bool) (rows []ExecutionRowProps) {
	for _, r := range p.Queued {
		if late(&r.Execution, p.Now) == isLate {
			rows = append(rows, r)
		}
	}
	return rows
}

// progress is how far a run is by the median of the ones before: 0 to 99.
func (r ExecutionRowProps) progress(now time.Time) int {
	if r.Median <= 0 {
		return 0
	}
	return int(min(r.Execution.Elapsed(now)*100/r.Median, 99))
}

// eta says what is left by the median, or that it takes longer than that.
func (r ExecutionRowProps) eta(now time.Time) string {
	if r.Median <= 0 || r.Execution.State != scheduler.Running {
		return ""
	}
	left := r.Median - r.Execution.Elapsed(now)
	if left < 0 {
		return "longer than its usual " + Duration(r.Median)
	}
	return "about " + Duration(left.Round(time.Second)) + " left"
}

func (r JobRowProps) name() string {
	if r.Job.DisplayName != "" {
		return r.Job.DisplayName
	}
	return r.Job.Name
}

func (r JobRowProps) flip() string {
	if r.Job.Enabled {
		return "disable"
	}
	return "enable"
}

func medianWords(r JobRowProps) string {
	if r.Stats.MedianTook <= 0 {
		return none
	}
	return Duration(r.Stats.MedianTook)
}

// lastAt is the newest thing that happened to an execution.
func lastAt(e *scheduler.Execution) time.Time {
	for _, t := range [...]time.Time{e.FinishedAt, e.StartedAt, e.QueuedAt} {
		if !t.IsZero() {
			return t
		}
	}
	return e.DueAt
}

// lastRow is a job's last execution as a row of its own.
func lastRow(r JobRowProps) ExecutionRowProps {
	return ExecutionRowProps{Execution: *r.Stats.Last, Display: r.Job.DisplayName, Executor: r.Job.Executor}
}
