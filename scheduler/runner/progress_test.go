package runner

import (
	"strings"
	"testing"
	"time"

	"belfry/scheduler"
)

func TestProgressIsTheLastMatch(t *testing.T) {
	const none = -1.0
	for _, c := range []struct {
		pattern string
		writes  []string // stored one by one
		want    []float64
	}{
		{`(\d+)%`, []string{"10%\n", "20%\n30%\n", "nothing\n", "40"}, []float64{10, 30, 30, 30}},
		{`(\d+)%`, []string{"1", "7", "% done", "\n"}, []float64{none, none, none, 17}},
		{`(\d+)%`, []string{"\r10%", "\r20%", "\r30%"}, []float64{none, 10, 20}},
		{`(\d+)%`, []string{"10% then 20%\n"}, []float64{20}},
		{`(\d+\.?\d*)%`, []string{"12.5%\n", "150%\n", "0%\n"}, []float64{12.5, 100, 0}},
		{`(-?\d+)%`, []string{"-5%\n"}, []float64{0}},
		{`(\d+%)`, []string{"7%\n"}, []float64{7}},
		{`^step (\d+)/(\d+)$`, []string{"step 1/8\n", "step 3/0\n", "step 8/8\r\n"}, []float64{12.5, 3, 100}},
		{`(?:(\d+)%|at (\d+))`, []string{"at 5\n", "6%\n"}, []float64{5, 6}},
		{`(\d+)(\.\d+)?%`, []string{"50.5%\n"}, []float64{50}},
		{`(.*)%`, []string{"NaN%\n", "x%\n", "inf%\n", "1e1%\n"}, []float64{none, none, none, 10}},
		{`(\d+)%`, []string{strings.Repeat("x", 100_000), "42%" + strings.Repeat("y", 1000) + "\n"}, []float64{none, 42}},
		{`(\d+)%`, []string{"99%" + strings.Repeat("x", 2*maxMatched) + "\n"}, []float64{none}},
		{`\d+%`, []string{"10%\n"}, []float64{none}},
		{``, []string{"10%\n"}, []float64{none}},
		{`(`, []string{"10%\n"}, []float64{none}},
	} {
		now := time.Unix(1_700_000_000, 0)
		s := newSink(func() time.Time { return now }, &scheduler.Job{Draft: scheduler.Draft{Progress: c.pattern}})
		for i, text := range c.writes {
			now = now.Add(progressPace)
			s.Write(scheduler.Stdout, []byte(text))
			s.Write(scheduler.System, []byte("77%\n")[:0]) // nothing
			s.output(false)
			if got := percentOf(s); got != c.want[i] {
				t.Errorf("%q: %v after %.40q, want %v", c.pattern, got, text, c.want[i])
			}
		}
	}
}

func percentOf(s *sink) float64 {
	if s.progress == nil {
		return -1
	}
	return s.progress.percent
}

func TestProgressOfTwoStreams(t *testing.T) {
	s := newSink(time.Now, &scheduler.Job{Draft: scheduler.Draft{Progress: `(\d+)%`}})
	s.Write(scheduler.Stdout, []byte("1"))
	s.Write(scheduler.Stderr, []byte("2%")) // ends the line that says 1
	s.Write(scheduler.System, []byte("99%\n"))
	s.output(false)
	if got := percentOf(s); got != 2 {
		t.Errorf("%v, want what stderr said", got)
	}
	s.Write(scheduler.Stdout, []byte("30%")) // no line break comes
	s.close()
	out, _ := s.output(true)
	if out.Progress == nil || *out.Progress != 30 {
		t.Errorf("at the end %v, want 30", out.Progress)
	}
}

func TestProgressIsToldNowAndThen(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	s := newSink(func() time.Time { return now }, &scheduler.Job{Draft: scheduler.Draft{Progress: `([\d.]+)%`}})
	told := func(text string) bool {
		s.Write(scheduler.Stdout, []byte(text))
		out, _ := s.output(false)
		return out.Progress != nil
	}
	if told("x\n") || !told("0%\n") || told("0.1%\n") || !told("1.2%\n") {
		t.Error("a step of a point is told, a smaller one not at once")
	}
	now = now.Add(progressPace)
	if told("1.2%\n") || !told("1.3%\n") || told("1.4%\n") {
		t.Error("a small step is told after a while")
	}
	s.close()
	if out, _ := s.output(true); out.Progress == nil || *out.Progress != 1.4 {
		t.Error("the last step is told at the end")
	}
	if out, _ := s.output(true); out.Progress != nil {
		t.Error("nothing new is told")
	}
}
