package cron

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// apNumber draws a number of a field, now and then one that it does not have.
func (d drawer) apNumber(f *apField) int {
	high := min(f.high, f.low+80)
	if f.name == "year" {
		return d.between(2024, 2040)
	}
	if d.chance(3) {
		return high + 1
	}
	return d.between(f.low, high)
}

// apItem draws one item of a field's list, sometimes one that is wrong.
func (d drawer) apItem(f *apField) string {
	if f.name == "day" && d.chance(20) {
		if d.chance(30) {
			return "Last"
		}
		return apPositions[d.IntN(6)] + strings.Repeat(" ", d.between(1, 2)) + apWeekdays[d.IntN(7)]
	}
	if f.names != nil && d.chance(40) {
		a, b := d.IntN(len(f.names)), d.IntN(len(f.names))
		if d.chance(50) {
			return strings.ToUpper(f.names[a])
		}
		return f.names[a] + "-" + f.names[b]
	}
	text := "*"
	if kind := d.IntN(3); kind > 0 {
		text = strconv.Itoa(d.apNumber(f))
		if d.chance(10) {
			text = "0" + text
		}
		if kind == 2 {
			text += "-" + strconv.Itoa(d.apNumber(f))
		}
	}
	if d.chance(35) {
		text += "/" + strconv.Itoa(d.IntN(max(3, (f.high-f.low)/3)))
	}
	return text
}

func (d drawer) apFields() map[string]string {
	fields := map[string]string{}
	for i := range apFields {
		f := &apFields[i]
		often := 45
		if f.name == "year" || f.name == "week" || f.name == "second" {
			often = 8
		}
		if !d.chance(often) {
			continue
		}
		items := []string{d.apItem(f)}
		for len(items) < 4 && d.chance(25) {
			items = append(items, d.apItem(f))
		}
		fields[f.name] = strings.Join(items, []string{",", ", ", " ,"}[d.IntN(3)])
	}
	if len(fields) == 0 {
		fields["minute"] = "*/7"
	}
	return fields
}

// apOracle asks Debian's python3-apscheduler.
type apOracle struct{ croniterProcess }

type apAnswer struct {
	Next []int64           `json:"next"`
	Echo map[string]string `json:"echo"`
}

func startAPScheduler(t *testing.T) apOracle {
	t.Helper()
	const python = "/usr/bin/python3"
	needs(t, "python3-apscheduler", python, "-c", "import apscheduler.triggers.cron")
	cmd := exec.Command(python, "testdata/apscheduler_oracle.py")
	cmd.Stderr = os.Stderr
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
			t.Error(err)
		}
	})
	return apOracle{croniterProcess{in, bufio.NewScanner(out)}}
}

func (p apOracle) ask(t *testing.T, fields map[string]string, zone string, from int64, n int) (answer *apAnswer) {
	t.Helper()
	request, err := json.Marshal(map[string]any{"fields": fields, "zone": zone, "from": from, "n": n})
	if err == nil {
		_, err = p.in.Write(append(request, '\n'))
	}
	if err != nil {
		t.Fatal(err)
	}
	if !p.out.Scan() {
		t.Fatal("the oracle has ended")
	}
	if err := json.Unmarshal(p.out.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

// TestAgainstAPScheduler compares what is read, how it is spelled, and when it
// fires, in zones whose clocks do not change: there README.md decides.
func TestAgainstAPScheduler(t *testing.T) {
	const (
		expressions = 2000
		n           = 5
		horizon     = 49 * 365 * secondsPerDay
	)
	oracle := startAPScheduler(t)
	d := newDrawer(t)
	refused, compared, ended := 0, 0, 0
	for read := 0; read < expressions; {
		fields := d.apFields()
		zone := []string{"UTC", "Asia/Kolkata"}[d.IntN(2)]
		from := int64(d.between(1_700_000_000, 2_000_000_000))
		answer := oracle.ask(t, fields, zone, from, n)
		s, err := APScheduler.Parse(APText(fields), zone)
		if (err != nil) != (answer == nil) {
			t.Fatalf("%v: we say %v, APScheduler %v", fields, err, answer)
		}
		if err != nil {
			refused++
			continue
		}
		read++
		want, got := answer.Next, nextFires(s, from-1, n)
		for len(want) < n && len(got) > len(want) && got[len(got)-1] > from+horizon {
			got = got[:len(got)-1]
		}
		if len(want) < n {
			ended++
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%v in %s after %s\n        got %v\nAPScheduler %v", fields, zone, time.Unix(from, 0).In(s.Location()),
				readable(got, s.Location()), readable(want, s.Location()))
		}
		compared += len(want)
		values, err := APValues(APText(fields))
		if err != nil {
			t.Fatal(err)
		}
		for name, theirs := range answer.Echo {
			if values[name] != theirs && !strings.Contains(values[name], "0-0/") {
				t.Fatalf("%v: %s is echoed as %q, by APScheduler as %q", fields, name, values[name], theirs)
			}
		}
	}
	t.Logf("%d expressions and %d that both refuse, %d fires, %d searches without end", expressions, refused, compared, ended)
}
