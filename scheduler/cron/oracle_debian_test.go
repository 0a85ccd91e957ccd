package cron

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The oracles here are other people's programs: Debian's python3-croniter, and systemd. They differ from us, and from each other, in what they
// can read; so an expression is drawn in all three languages at once, and where one has no words for an item it gets the item's values as a list.

const (
	// seedVariable repeats a run.
	seedVariable = "BELFRY_TEST_ORACLE_SEED"
	// requireVariable makes the absence of an oracle a failure.
	requireVariable = "BELFRY_TEST_REQUIRE_ORACLES"
)

// drawnItem is one item of a field's list.
type drawnItem struct {
	text     string
	croniter string
	systemd  string // empty: systemd has no words for it, or not in a list
	values   []int  // nil for L, W and #
}

// drawnField is one field in our words and in theirs.
type drawnField struct {
	text, croniter, systemd string
	systemdToo              bool
}

func (f drawnField) star() bool { return f.croniter[0] == '*' }

type drawer struct {
	*rand.Rand
	sixFields bool
}

func (d drawer) between(low, high int) int { return low + d.IntN(high-low+1) }

func (d drawer) chance(percent int) bool { return d.IntN(100) < percent }

// value writes a number of the field, or its name.
func (d drawer) value(f *field, v int) (text, croniter string) {
	text = strconv.Itoa(v)
	croniter = text
	if f == &dayOfWeek {
		croniter = d.croniterWeekdays([]int{v})
	}
	if f.names == nil || v == 7 || !d.chance(40) {
		return text, croniter
	}
	text = f.names[v-f.low]
	if d.chance(70) {
		text = text[:3] // croniter knows only these
		croniter = text
	}
	switch d.IntN(3) {
	case 0:
		text = strings.ToUpper(text)
	case 1:
		text = strings.ToLower(text)
	}
	return text, croniter
}

func numbers(values []int) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = strconv.Itoa(v)
	}
	return strings.Join(texts, ",")
}

// croniterWeekdays writes no 7 if there are six fields: croniter then never finds it.
func (d drawer) croniterWeekdays(values []int) string {
	text := numbers(values)
	if d.sixFields {
		text = strings.ReplaceAll(text, "7", "0")
	}
	return text
}

// systemdSteps writes the end of the field too. Without one systemd 252 steps past it: 0/18 in the hour is followed by 36,
// which is 12:00 tomorrow, and so 00:00 is lost.
func systemdSteps(from, to, step int) string { return fmt.Sprintf("%d..%d/%d", from, to, step) }

func (d drawer) item(f *field) drawnItem {
	var stepped string
	step := 1
	if d.chance(35) {
		step = d.between(1, f.most())
		if d.chance(70) {
			step = d.between(1, max(2, f.high/4))
		}
		stepped = "/" + strconv.Itoa(step)
	}
	most := f.high
	if f == &dayOfWeek && d.chance(30) {
		most = 7
	}
	from, to := d.between(f.low, most), d.between(f.low, most)
	switch kind := d.IntN(10); {
	case kind < 3: // any
		i := drawnItem{"*" + stepped, "*" + stepped, "*", seq(f.low, f.high, step, f.low, f.high)}
		if stepped != "" {
			i.systemd = systemdSteps(f.low, f.high, step)
		}
		if (f == &dayOfMonth || f == &dayOfWeek) && d.chance(30) {
			i.text = "?" + stepped
		}
		return i
	case kind < 6 || kind < 8 && stepped == "" || from == to: // a value, or from a value on
		text, croniter := d.value(f, from)
		if stepped == "" {
			return drawnItem{text, croniter, strconv.Itoa(from), []int{from}}
		}
		i := drawnItem{text: text + stepped, croniter: croniter + stepped, values: seq(from, max(from, f.high), step, f.low, most)}
		i.systemd = systemdSteps(from, f.high, step)
		if f == &dayOfWeek {
			i.croniter = d.croniterWeekdays(i.values) // croniter's week goes on to 7
		}
		return i
	default:
		if from > to && d.chance(70) {
			from, to = to, from
		}
		a, aCroniter := d.value(f, from)
		b, bCroniter := d.value(f, to)
		i := drawnItem{text: a + "-" + b + stepped}
		// The week from 7 is the week from 0, and the one to 7 ends with 0.
		if f == &dayOfWeek && from == 7 {
			i.values = seq(0, to, step, 0, 6)
		} else {
			i.values = seq(from, to, step, f.low, max(to, f.high))
		}
		if from > to || f == &dayOfWeek && most == 7 && d.sixFields {
			i.croniter, i.systemd = numbers(i.values), numbers(i.values)
			if f == &dayOfWeek {
				i.croniter = d.croniterWeekdays(i.values)
			}
			return i
		}
		i.croniter = aCroniter + "-" + bCroniter + stepped
		i.systemd = fmt.Sprintf("%d..%d%s", from, to, stepped)
		return i
	}
}

// special draws L, W and #.
func (d drawer) special(f *field) drawnItem {
	n := d.between(1, 31)
	if f == &dayOfMonth {
		switch d.IntN(5) {
		case 0, 1:
			return drawnItem{text: "L", croniter: "L", systemd: "~01"}
		case 2:
			text := fmt.Sprintf("L-%d", n-1)
			if n > 28 {
				return drawnItem{text: text, croniter: text} // systemd counts back to ~28
			}
			return drawnItem{text: text, croniter: text, systemd: fmt.Sprintf("~%02d", n)}
		case 3:
			return drawnItem{text: "lw", croniter: "LW"}
		}
		return drawnItem{text: fmt.Sprintf("%dW", n), croniter: fmt.Sprintf("%dW", n)}
	}
	v, which := d.between(0, 7), d.between(1, 5)
	text, _ := d.value(f, v)
	v %= 7
	if d.chance(40) {
		return drawnItem{text: text + "L", croniter: fmt.Sprintf("L%d", v), systemd: weekdayNames[v][:3] + " ~07/1"}
	}
	return drawnItem{
		text: fmt.Sprintf("%s#%d", text, which), croniter: fmt.Sprintf("%d#%d", v, which),
		systemd: fmt.Sprintf("%s %d..%d", weekdayNames[v][:3], 7*which-6, min(7*which, 31)),
	}
}

func (d drawer) field(f *field, anyPercent int) drawnField {
	if d.chance(anyPercent) {
		return drawnField{"*", "*", "*", true}
	}
	var items []drawnItem
	dayField := f == &dayOfMonth || f == &dayOfWeek
	specials := false
	for more := true; more; more = len(items) < 4 && d.chance(30) {
		if dayField && d.chance(25) {
			items, specials = append(items, d.special(f)), true
		} else {
			items = append(items, d.item(f))
		}
	}
	var r drawnField
	var texts, croniter, systemd []string
	r.systemdToo = true
	for _, i := range items {
		theirs := i.croniter
		if specials && i.values != nil && i.croniter[0] != '*' {
			theirs = numbers(i.values)
		}
		texts, croniter, systemd = append(texts, i.text), append(croniter, theirs), append(systemd, i.systemd)
		r.systemdToo = r.systemdToo && i.systemd != "" && (i.values != nil || len(items) == 1)
	}
	r.text, r.croniter, r.systemd = strings.Join(texts, ","), strings.Join(croniter, ","), strings.Join(systemd, ",")
	switch {
	case f == &dayOfWeek && !specials:
		r.systemd = weekdayList(items)
	case slices.Contains(systemd, "*"):
		r.systemd = "*" // systemd has no lists with it
	}
	return r
}

// weekdayList names each day: systemd knows neither steps nor numbers here.
func weekdayList(items []drawnItem) string {
	var names []string
	for day := range 7 {
		if slices.ContainsFunc(items, func(i drawnItem) bool {
			return slices.Contains(i.values, day) || day == 0 && slices.Contains(i.values, 7)
		}) {
			names = append(names, weekdayNames[day][:3])
		}
	}
	if len(names) == 7 {
		return "*"
	}
	return strings.Join(names, ",")
}

type drawnSchedule struct {
	text     string
	croniter []string
	systemd  string // empty if systemd cannot say it
}

func (d drawer) schedule() drawnSchedule {
	d.sixFields = d.chance(30)
	anyDate := 35
	if d.chance(40) {
		anyDate = 100 // otherwise few would fire on the days on which the clock changes
	}
	sec := drawnField{"0", "0", "0", true}
	if d.sixFields {
		sec = d.field(&second, 10)
	}
	min, hr := d.field(&minute, 15), d.field(&hour, 25)
	if d.chance(25) {
		early := strconv.Itoa(d.between(0, 3))
		hr = drawnField{early, early, early, true}
	}
	dom, month, dow := d.field(&dayOfMonth, anyDate), d.field(&monthOfYear, anyDate), d.field(&dayOfWeek, anyDate)

	var s drawnSchedule
	fields := []drawnField{min, hr, dom, month, dow}
	if d.sixFields {
		fields = slices.Insert(fields, 0, sec)
	}
	var texts []string
	for _, f := range fields {
		texts, s.croniter = append(texts, f.text), append(s.croniter, f.croniter)
	}
	s.text = strings.Join(texts, " ")

	for _, f := range append(fields, sec) {
		if !f.systemdToo {
			return s
		}
	}
	if !dom.star() && !dow.star() {
		return s
	}
	day, weekday := dom.systemd, dow.systemd
	if name, days, ok := strings.Cut(weekday, " "); ok { // 5L and 5#2 are a weekday together with days of the month
		if day != "*" {
			return s
		}
		weekday, day = name, days
	}
	if weekday == "*" {
		weekday = ""
	}
	if !strings.HasPrefix(day, "~") {
		day = "-" + day
	}
	s.systemd = strings.TrimSpace(fmt.Sprintf("%s *-%s%s %s:%s:%s", weekday, month.systemd, day, hr.systemd, min.systemd, sec.systemd))
	return s
}

var changingZones = []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Atlantic/Azores"}

// start draws an instant, mostly one around a change of the clock if the zone has any.
func (d drawer) start(loc *time.Location) int64 {
	at := time.Date(d.between(2005, 2045), 1, 1, 0, 0, d.IntN(365*secondsPerDay), 0, time.UTC).In(loc)
	_, end := at.ZoneBounds()
	if end.IsZero() || d.chance(20) {
		return at.Unix()
	}
	spans := [...][2]int{{-600, 0}, {-2 * 3600, 0}, {-30 * 3600, 0}, {0, 2 * 3600}, {-1, 1}}
	span := spans[d.IntN(len(spans))]
	return end.Unix() + int64(d.between(span[0], span[1]))
}

func newDrawer(t *testing.T) drawer {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv(seedVariable); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("repeat with %s=%d", seedVariable, seed)
	return drawer{Rand: rand.New(rand.NewPCG(seed, 0))}
}

// needs skips the test, or fails it where the oracles are required, if a command does not succeed.
func needs(t *testing.T, debianPackage, name string, args ...string) {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	switch {
	case err == nil:
	case os.Getenv(requireVariable) != "":
		t.Fatalf("%s is required (Debian package %s): %v\n%s", name, debianPackage, err, out)
	default:
		t.Skipf("no %s (Debian package %s): %v", name, debianPackage, err)
	}
}

// croniterProcess answers one request after the other.
type croniterProcess struct {
	in  io.Writer
	out *bufio.Scanner
}

func startCroniter(t *testing.T) croniterProcess {
	t.Helper()
	const python = "/usr/bin/python3" // Debian's packages are for Debian's Python
	needs(t, "python3-croniter", python, "-c", "import croniter, zoneinfo")
	cmd := exec.Command(python, "testdata/croniter_oracle.py")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v\n%s", err, stderr.String())
		}
	})
	return croniterProcess{in, bufio.NewScanner(out)}
}

type oracleStart struct {
	zone string
	unix int64
}

func (s oracleStart) MarshalJSON() ([]byte, error) { return json.Marshal([]any{s.zone, s.unix}) }

func (p croniterProcess) ask(fields []string, starts []oracleStart, n int) (answer [][]int64, err error) {
	request, err := json.Marshal(map[string]any{"fields": fields, "starts": starts, "n": n})
	if err != nil {
		return nil, err
	}
	if _, err := p.in.Write(append(request, '\n')); err != nil {
		return nil, err
	}
	if !p.out.Scan() {
		return nil, io.ErrUnexpectedEOF
	}
	return answer, json.Unmarshal(p.out.Bytes(), &answer)
}

// nextFires is what we answer.
func nextFires(s Schedule, unix int64, n int) (fires []int64) {
	for at := time.Unix(unix, 0); len(fires) < n; {
		next, ok := s.Next(at)
		if !ok {
			break
		}
		fires, at = append(fires, next.Unix()), next
	}
	return fires
}

func readable(fires []int64, loc *time.Location) (texts []string) {
	for _, f := range fires {
		texts = append(texts, time.Unix(f, 0).In(loc).Format("Mon 2006-01-02T15:04:05-07:00"))
	}
	return texts
}

func TestAgainstCroniter(t *testing.T) {
	const (
		expressions = 2500
		n           = 5
		horizon     = 49 * 366 * secondsPerDay // croniter looks fifty years ahead
	)
	oracle := startCroniter(t)
	d := newDrawer(t)
	compared, ended, atChanges := 0, 0, 0
	for range expressions {
		drawn := d.schedule()
		var starts []oracleStart
		for _, zone := range []string{"UTC", "UTC", changingZones[d.IntN(4)], changingZones[d.IntN(4)]} {
			loc, _ := location(zone)
			starts = append(starts, oracleStart{zone, d.start(loc)})
		}
		answer, err := oracle.ask(drawn.croniter, starts, n)
		if err != nil {
			t.Fatalf("%q as %q: %v", drawn.text, drawn.croniter, err)
		}
		for i, start := range starts {
			s, err := Standard.Parse(drawn.text, start.zone)
			if err != nil {
				if !strings.Contains(err.Error(), "never") || len(answer[i]) > 0 {
					t.Errorf("%q: %v, but croniter answers %q with %v", drawn.text, err, drawn.croniter, readable(answer[i], time.UTC))
				}
				ended++
				continue
			}
			want := answer[i]
			got := nextFires(s, start.unix, n)
			if len(want) < n && len(got) > len(want) {
				last := start.unix
				if len(want) > 0 {
					last = want[len(want)-1]
				}
				if got[len(want)] > last+horizon {
					got = got[:len(want)]
				}
				ended++
			}
			if !slices.Equal(got, want) {
				t.Errorf("%q in %s after %s\n     got %v\ncroniter %v for %q", drawn.text, start.zone, readable([]int64{start.unix}, s.Location()),
					readable(got, s.Location()), readable(want, s.Location()), drawn.croniter)
			}
			compared += len(want)
			for _, f := range want {
				if lastChange(s.Location(), f+3600).at > f-3600 {
					atChanges++
				}
			}
		}
		if t.Failed() {
			break
		}
	}
	t.Logf("%d expressions, %d fires, %d of them within an hour of a change, %d searches without end", expressions, compared, atChanges, ended)
}
