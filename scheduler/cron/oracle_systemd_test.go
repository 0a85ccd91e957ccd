package cron

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// systemdNext asks for the next n fires of each OnCalendar expression. A list ends early if systemd finds no more.
func systemdNext(t *testing.T, expressions []string, unix int64, n int) [][]int64 {
	t.Helper()
	base := time.Unix(unix, 0).UTC().Format("2006-01-02 15:04:05 UTC")
	args := append([]string{"calendar", fmt.Sprintf("--iterations=%d", n), "--base-time=" + base}, expressions...)
	cmd := exec.Command("systemd-analyze", args...)
	cmd.Env = append(cmd.Environ(), "TZ=UTC", "LC_ALL=C", "SYSTEMD_COLORS=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("systemd-analyze %q: %v\n%s", args, err, out)
	}
	var answers [][]int64
	for line := range strings.Lines(string(out)) {
		label, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch {
		case label == "Normalized form":
			answers = append(answers, nil)
		case (label == "Next elapse" || strings.HasPrefix(label, "Iter. #")) && value != "never":
			at, err := time.Parse("Mon 2006-01-02 15:04:05 MST", value)
			if err != nil {
				t.Fatalf("systemd-analyze %q: %v", args, err)
			}
			answers[len(answers)-1] = append(answers[len(answers)-1], at.Unix())
		}
	}
	if len(answers) != len(expressions) {
		t.Fatalf("systemd-analyze %q: %d answers\n%s", args, len(answers), out)
	}
	return answers
}

// clockChange is the last change of the clock up to some instant: by so much, negative if it was set back. No change is by 0.
type clockChange struct{ at, by int64 }

func lastChange(loc *time.Location, unix int64) clockChange {
	start, _ := time.Unix(unix, 0).In(loc).ZoneBounds()
	if start.IsZero() {
		return clockChange{}
	}
	_, after := start.Zone()
	_, before := start.Add(-time.Second).In(loc).Zone()
	return clockChange{start.Unix(), int64(after - before)}
}

// repeated says whether the clock shows the time of this instant for the second time.
func repeated(loc *time.Location, unix int64) bool {
	c := lastChange(loc, unix)
	return unix < c.at-c.by
}

// firstPass moves what falls into the second pass of a repeated hour to the first.
func firstPass(loc *time.Location, fires []int64) []int64 {
	moved := slices.Clone(fires)
	for i, f := range fires {
		if repeated(loc, f) {
			moved[i] += lastChange(loc, f).by
		}
	}
	return moved
}

// systemdWould predicts systemd's fires from ours. docs/semantics.md lists the differences:
//   - a time inside the gap is left out, not carried to its end;
//   - a time that comes twice counts once for every schedule, for ours only if it is at a fixed time;
//   - started while an hour repeats, systemd does not know of the first pass.
func systemdWould(drawn drawnSchedule, zone string, unix int64, n int) ([]int64, error) {
	s, err := Standard.Parse(drawn.text, zone)
	if err != nil {
		return nil, err
	}
	wall, err := Standard.Parse(drawn.text, "UTC")
	if err != nil {
		return nil, err
	}
	loc := s.Location()
	var fires []int64
	if c := lastChange(loc, unix); repeated(loc, unix) && !s.(*crontab).followsRealTime {
		_, offset := time.Unix(unix, 0).In(loc).Zone()
		for _, w := range nextFires(wall, unix+int64(offset), n) {
			if at := w - int64(offset); at < c.at-c.by {
				fires = append(fires, at)
			}
		}
	}
	startRepeats := repeated(loc, unix)
	for at := time.Unix(unix, 0); len(fires) < n; {
		next, ok := s.Next(at)
		if !ok {
			break
		}
		at = next
		if repeated(loc, at.Unix()) && !startRepeats {
			continue
		}
		if c := lastChange(loc, at.Unix()); c.at == at.Unix() && c.by > 0 {
			_, offset := at.Zone()
			shown := at.Unix() + int64(offset)
			if due, _ := wall.Next(time.Unix(shown-1, 0)); due.Unix() != shown {
				continue
			}
		}
		fires = append(fires, at.Unix())
	}
	return fires, nil
}

func TestAgainstSystemd(t *testing.T) {
	const (
		expressions = 500
		together    = 10 // share a start, and so a process
		n           = 5
	)
	needs(t, "systemd", "systemd-analyze", "calendar", "daily")
	d := newDrawer(t)
	compared, ended := 0, 0
	for range expressions / together {
		var drawn []drawnSchedule
		for len(drawn) < together {
			s := d.schedule()
			if _, err := Standard.Parse(s.text, "UTC"); s.systemd != "" && err == nil {
				drawn = append(drawn, s)
			}
		}
		for _, zone := range append(slices.Clone(changingZones), "UTC") {
			loc, _ := location(zone)
			start := d.start(loc)
			var texts []string
			for _, s := range drawn {
				texts = append(texts, s.systemd+" "+zone)
			}
			for i, got := range systemdNext(t, texts, start, n) {
				want, err := systemdWould(drawn[i], zone, start, n)
				if err != nil {
					t.Fatal(err)
				}
				if len(got) < n {
					ended++
				}
				if strings.Contains(texts[i], "~") {
					// To count back from a month's end, systemd looks at the next month, which has the other offset. Then it takes
					// the second pass of a repeated hour, not the first.
					got, want = firstPass(loc, got), firstPass(loc, want)
				}
				if !slices.Equal(got, want) {
					t.Errorf("%q in %s after %s\nexpected %v\n systemd %v for %q", drawn[i].text, zone, readable([]int64{start}, loc),
						readable(want, loc), readable(got, loc), texts[i])
				}
				compared += len(got)
			}
		}
		if t.Failed() {
			break
		}
	}
	t.Logf("%d expressions, %d fires, %d searches without end", expressions, compared, ended)
}
