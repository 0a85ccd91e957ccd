package runner

import (
	"bytes"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"belfry/scheduler"
)

const (
	maxMatched    = 4 << 10                // bytes of a line that the pattern sees: the last
	progressPace  = 500 * time.Millisecond // how often a small step of progress is told
	progressPoint = 1                      // percent; a larger step is told at once
	matchTime     = 50 * time.Millisecond  // then the older lines of a chunk are passed over: the run waits
)

// progress finds in a run's output how far it says that it is.
type progress struct {
	pattern *regexp.Regexp
	percent float64 // what the last match said; -1: there was none
	told    float64 // what was told last,
	at      time.Time
	line    []byte   // the end of the line that is under way
	lines   [][]byte // of one chunk; kept for the next
}

// newProgress returns nil where there is nothing to find.
func newProgress(pattern string) *progress {
	if pattern == "" {
		return nil
	}
	re, err := regexp.Compile(pattern)
	if err != nil || re.NumSubexp() == 0 {
		return nil
	}
	return &progress{pattern: re, percent: -1, told: -1}
}

// follow reads the next output and returns the percentage where it is to be told
// again: pages want to know a few times a second at most, and at the end.
func (p *progress) follow(c scheduler.Chunk, now time.Time, end bool) *float64 {
	p.read(c, end)
	step := math.Abs(p.percent - p.told)
	if step == 0 || (step < progressPoint && now.Sub(p.at) < progressPace && !end) {
		return nil
	}
	p.told, p.at = p.percent, now
	percent := p.percent
	return &percent
}

// read looks at the lines that ended, the newest first: the last match wins, and a
// run that prints it often costs one match for each time that output is stored.
func (p *progress) read(c scheduler.Chunk, end bool) {
	p.cut(c)
	if end && len(p.line) > 0 {
		p.lines = append(p.lines, p.line)
	}
	start := time.Now()
	for _, line := range slices.Backward(p.lines) {
		if time.Since(start) > matchTime {
			break
		}
		if percent, ok := p.match(line[max(0, len(line)-maxMatched):]); ok {
			p.percent = percent
			break
		}
	}
	clear(p.lines)
	p.lines = p.lines[:0]
	p.line = bytes.Clone(p.line[max(0, len(p.line)-maxMatched):])
}

// cut splits a chunk at line ends and carriage returns into p.lines; what is left
// is in p.line. What Belfry itself wrote is no progress.
func (p *progress) cut(c scheduler.Chunk) {
	at := 0
	for _, piece := range c.Pieces {
		text := c.Data[at : at+piece.Len]
		at += piece.Len
		if piece.Stream == scheduler.System {
			p.line = nil
			continue
		}
		for {
			n := bytes.IndexAny(text, "\r\n")
			if n < 0 {
				break
			}
			p.end(text[:n])
			text = text[n+1:]
		}
		if !piece.Open {
			p.end(text)
		} else if len(text) > 0 {
			p.line = slices.Concat(p.line[max(0, len(p.line)-maxMatched):], text)
		}
	}
}

func (p *progress) end(text []byte) {
	if len(p.line) > 0 {
		text = slices.Concat(p.line, text)
		p.line = nil
	}
	if len(text) > 0 {
		p.lines = append(p.lines, text)
	}
}

// match returns the percentage that a line says, by its last match that has one.
func (p *progress) match(line []byte) (float64, bool) {
	for _, m := range slices.Backward(p.pattern.FindAllSubmatch(line, -1)) {
		value, ok := number(m[1])
		if len(m) == 3 {
			of, both := number(m[2])
			switch {
			case ok && both && of > 0 && m[2][0] != '.': // ".5" is the rest of a number, not a total
				value = 100 * value / of
			case !ok:
				value, ok = of, both // of two that exclude each other
			}
		}
		if ok {
			return min(max(value, 0), 100), true
		}
	}
	return 0, false
}

func number(text []byte) (float64, bool) {
	v, err := strconv.ParseFloat(strings.TrimSuffix(string(text), "%"), 64)
	return v, err == nil && !math.IsNaN(v) && !math.IsInf(v, 0)
}
