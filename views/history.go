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

// HistoryProps are the charts of a job's page.
type HistoryProps struct {
	Page
	Job, JobID string
	Runs       []scheduler.Outcome // the newest, newest first
	Days       []DayCount          // of 53 weeks, oldest first, each day once; days without runs too
}

// DayCount is what was due on one day, by how it ended.
type DayCount struct {
	Day time.Time // its midnight in the page's zone
	N   map[scheduler.State]int64
}

const (
	trendPoints = 40 // columns of a trend at most
	heatWeeks   = 53
	rateDays    = 30
)

// trendPoint is one column of a trend: some consecutive runs.
type trendPoint struct {
	From, To  time.Time
	Runs, Bad int
	P50, P95  time.Duration
}

func (t trendPoint) title(p Page) string {
	s := p.clock(t.From)
	if t.Runs > 1 {
		s += " to " + p.clock(t.To)
	}
	if s += ": " + Duration(t.P50); t.Runs > 1 {
		s += " median, " + Duration(t.P95) + " p95 of " + plural(int64(t.Runs), "run", "runs")
	}
	if t.Bad > 0 {
		s += ", " + strconv.Itoa(t.Bad) + " failed"
	}
	return s
}

// trend puts runs together, oldest first, so that a chart has few columns however
// many there are. of says what is measured; runs without it are left out.
func trend(runs []scheduler.Outcome, of func(scheduler.Outcome) (time.Duration, bool)) []trendPoint {
	type sample struct {
		run scheduler.Outcome
		d   time.Duration
	}
	var all []sample
	for _, r := range slices.Backward(runs) {
		if d, ok := of(r); ok {
			all = append(all, sample{r, max(d, 0)})
		}
	}
	each := max((len(all)+trendPoints-1)/trendPoints, 1)
	var points []trendPoint
	for part := range slices.Chunk(all, each) {
		t := trendPoint{From: part[0].run.DueAt, To: part[len(part)-1].run.DueAt, Runs: len(part)}
		var d []time.Duration
		for _, s := range part {
			d = append(d, s.d)
			if s.run.State.Bad() {
				t.Bad++
			}
		}
		t.P50, t.P95 = percentile(d, 50), percentile(d, 95)
		points = append(points, t)
	}
	return points
}

// percentile is the smallest of all that p per cent are not above.
func percentile(all []time.Duration, p int) time.Duration {
	if len(all) == 0 {
		return 0
	}
	all = slices.Sorted(slices.Values(all))
	return all[max((len(all)*p+99)/100-1, 0)]
}

func tookOf(o scheduler.Outcome) (time.Duration, bool) { return o.Took, !o.StartedAt.IsZero() }

// lateOf is how long after it was due a run began. A retry waits on purpose.
func lateOf(o scheduler.Outcome) (time.Duration, bool) {
	return o.StartedAt.Sub(o.DueAt), !o.StartedAt.IsZero() && o.Attempt == 1
}

const trendHeight = 100

// trendShape is a trend as paths over a width of ten for each point.
type trendShape struct {
	Most             time.Duration
	ViewBox          string
	Median, Spread   string // paths: a line, and the area up to p95
	Columns          []trendColumn
	From, To         time.Time
	Runs, Bad        int
	MedianOf, MostOf time.Duration // of all
}

type trendColumn struct {
	X, Title string
	Bad      bool
}

func (p Page) trendShape(points []trendPoint) trendShape {
	s := trendShape{ViewBox: fmt.Sprintf("0 0 %d %d", len(points)*10, trendHeight), From: points[0].From, To: points[len(points)-1].To}
	for _, t := range points {
		s.Most = max(s.Most, t.P95)
	}
	y := func(d time.Duration) float64 {
		return math.Round((trendHeight-8)*10*(1-float64(d)/float64(max(s.Most, 1))))/10 + 6
	}
	var line, up, down strings.Builder
	for i, t := range points {
		s.Runs, s.Bad = s.Runs+t.Runs, s.Bad+t.Bad
		sign := "L"
		if i == 0 {
			sign = "M"
		}
		// Steps: a column is what it is over its whole width.
		fmt.Fprintf(&line, "%s%d %gH%d", sign, i*10, y(t.P50), i*10+10)
		fmt.Fprintf(&up, "%s%d %gH%d", sign, i*10, y(t.P95), i*10+10)
		s.Columns = append(s.Columns, trendColumn{X: strconv.Itoa(i * 10), Title: t.title(p), Bad: t.Bad > 0})
	}
	for i, t := range slices.Backward(points) {
		fmt.Fprintf(&down, "V%gH%d", y(t.P50), i*10)
	}
	s.Median, s.Spread = line.String(), up.String()+down.String()+"z"
	return s
}

// words is the trend for those who cannot see it.
func (s trendShape) words(what string, points []trendPoint) string {
	first, last := points[0], points[len(points)-1]
	text := fmt.Sprintf("%s of the last %s, oldest first: median from %s to %s, at most %s at the 95th percentile", what,
		plural(int64(s.Runs), "run", "runs"), Duration(first.P50), Duration(last.P50), Duration(s.Most))
	if s.Bad > 0 {
		text += "; " + strconv.Itoa(s.Bad) + " of them failed"
	}
	return text
}

// heatCell is one day of the calendar.
type heatCell struct {
	X, Y         int
	Class, Title string
	Bad          bool
}

const heatStep = 13

// heat lays the days out: a column for a week, Monday on top. Those without runs
// are one path.
func (p HistoryProps) heat() (cells, months []heatCell, idle string) {
	if len(p.Days) == 0 {
		return nil, nil, ""
	}
	var ground strings.Builder
	var most int64 = 1
	for _, d := range p.Days {
		most = max(most, sum(d.N))
	}
	shift := (int(p.Days[0].Day.Weekday()) + 6) % 7
	for i, d := range p.Days {
		at := i + shift
		c := heatCell{X: at / 7 * heatStep, Y: at % 7 * heatStep}
		if n := sum(d.N); n > 0 {
			good, ran := rateOf(d.N)
			// By the root, in four steps: a day with one run is seen beside one with a thousand.
			step := strconv.Itoa(min(1+int(3*math.Sqrt(float64(n)/float64(most))), 4))
			switch {
			case ran == 0:
				c.Class = "idle"
			case good == ran:
				c.Class = "good s" + step
			case good*2 >= ran:
				c.Class, c.Bad = "mixed", true
			default:
				c.Class, c.Bad = "bad", true
			}
			c.Title = d.Day.Format("Mon 2 Jan 2006") + ": " + tally(d.N)
			cells = append(cells, c)
		} else {
			fmt.Fprintf(&ground, "M%d %dh11v11h-11z", c.X, c.Y)
		}
		if d.Day.Day() == 1 || i == 0 && d.Day.Day() <= 20 {
			months = append(months, heatCell{X: c.X, Title: d.Day.Format("Jan")})
		}
	}
	return cells, months, ground.String()
}

func (p HistoryProps) heatWords() string {
	total := map[scheduler.State]int64{}
	days, bad := 0, 0
	for _, d := range p.Days {
		for s, n := range d.N {
			total[s] += n
		}
		if good, ran := rateOf(d.N); ran > 0 {
			days++
			if good < ran {
				bad++
			}
		}
	}
	if days == 0 {
		return "Nothing ran in the last 53 weeks"
	}
	return fmt.Sprintf("The last 53 weeks by day: it ran on %s, with failures on %d; %s", plural(int64(days), "day", "days"), bad, tally(total))
}

// monthCount is a month of the calendar as a row of its table.
type monthCount struct {
	Month string
	N     map[scheduler.State]int64
}

// months are the calendar in numbers, the newest first.
func (p HistoryProps) months() []monthCount {
	var list []monthCount
	for _, d := range slices.Backward(p.Days) {
		if len(d.N) == 0 {
			continue
		}
		name := d.Day.Format("January 2006")
		if len(list) == 0 || list[len(list)-1].Month != name {
			list = append(list, monthCount{name, map[scheduler.State]int64{}})
		}
		for s, n := range d.N {
			list[len(list)-1].N[s] += n
		}
	}
	return list
}

// recently is the success rate of the last days.
func (p HistoryProps) recently() string {
	total := map[scheduler.State]int64{}
	for _, d := range p.Days[max(len(p.Days)-rateDays, 0):] {
		for s, n := range d.N {
			total[s] += n
		}
	}
	return rateWords(total)
}

// heatCaption is what the calendar is of, and whose days they are where that is
// not the page's matter.
func (p HistoryProps) heatCaption() string {
	text := "Succeeded in the last 30 days: " + p.recently()
	if p.ofJob {
		text += ". Days are those of " + zoneName(p.zone())
	}
	return text
}

// rateOf is how many of what ran, or should have, succeeded.
func rateOf(n map[scheduler.State]int64) (good, ran int64) {
	good = n[scheduler.Succeeded]
	return good, good + n[scheduler.Failed] + n[scheduler.TimedOut] + n[scheduler.Lost] + n[scheduler.Missed]
}

func rateWords(n map[scheduler.State]int64) string {
	good, ran := rateOf(n)
	if ran == 0 {
		return none
	}
	return percent(good, ran) + " of " + Number(ran)
}
