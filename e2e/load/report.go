package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// table is what was measured, in order.
type table struct {
	scenario string // that the next rows belong to
	rows     [][5]string
	broken   []string // promises, not aims
}

// note adds what has no aim.
func (t *table) note(what, measured string) {
	t.rows = append(t.rows, [5]string{t.scenario, what, measured})
}

// check adds what is compared with an aim.
func (t *table) check(what, measured, aim string, met bool) {
	verdict := "missed"
	if met {
		verdict = "met"
	}
	t.rows = append(t.rows, [5]string{t.scenario, what, measured, aim, verdict})
}

// must adds a promise: that it is not kept makes the whole run fail.
func (t *table) must(what, measured, aim string, kept bool) {
	t.check(what, measured, aim, kept)
	if !kept {
		t.broken = append(t.broken, fmt.Sprintf("%s: %s: %s", t.scenario, what, measured))
	}
}

func (t *table) print(to io.Writer) {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nSCENARIO\tWHAT\tMEASURED\tAIM\t")
	last := ""
	for _, r := range t.rows {
		if r[0] == last {
			r[0] = ""
		} else {
			last = r[0]
		}
		fmt.Fprintln(w, strings.Join(r[:], "\t"))
	}
	_ = w.Flush() // a terminal that is gone
}

func firstLine(err error) string {
	text, _, _ := strings.Cut(err.Error(), "\n")
	return text
}

// times are durations of one kind, of which the distribution matters.
type times []time.Duration

// at returns the smallest time that a part p of all does not exceed.
func (t times) at(p float64) time.Duration {
	if len(t) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(t))
	return sorted[max(0, min(len(sorted)-1, int(p*float64(len(sorted))+0.999999)-1))]
}

func (t times) String() string {
	return fmt.Sprintf("p50 %s, p95 %s, p99 %s, most %s", ms(t.at(0.5)), ms(t.at(0.95)), ms(t.at(0.99)), ms(t.at(1)))
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

func mb(bytes int64) string { return fmt.Sprintf("%.1f MB", float64(bytes)/1e6) }
