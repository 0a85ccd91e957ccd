package scheduler

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Bounds of what a job of the tree may say.
const (
	maxTreeText    = 1 << 20 // bytes of a command or an environment
	maxTreeTitle   = 10_000
	maxTreeRetries = 1_000_000
	maxTreeTimeout = 100 * 365 * 24 * time.Hour
	maxTreePrio    = 1<<31 - 1
)

// DefaultTreeProgress is how a job of the tree that says nothing else tells how far
// it is.
const DefaultTreeProgress = "PROGRESS:%percent"

// TreeProgress finds in the output of a job how far it is.
type TreeProgress struct {
	re    *regexp.Regexp
	group int
	per   float64
}

// ParseTreeProgress reads an RE2 pattern in which %percent stands for a number up
// to 100, or %one for one up to 1; "" is DefaultTreeProgress.
func ParseTreeProgress(pattern string) (*TreeProgress, error) {
	pattern = cmp.Or(pattern, DefaultTreeProgress)
	p := &TreeProgress{per: 100}
	word := "%percent"
	if !strings.Contains(pattern, word) {
		word, p.per = "%one", 1
	}
	if !strings.Contains(pattern, word) {
		return nil, Invalid("progress_pattern", "must contain %%percent or %%one")
	}
	const number = "[0-9.]+"
	pattern = strings.Replace(pattern, word, "(?P<belfry>"+number+")", 1)
	re, err := regexp.Compile(strings.ReplaceAll(pattern, word, number))
	if err != nil {
		return nil, Invalid("progress_pattern", "is no regular expression: %v", err)
	}
	p.re, p.group = re, re.SubexpIndex("belfry")
	return p, nil
}

// Find returns what the last match that is a number says, 0 to 1.
func (p *TreeProgress) Find(text []byte) (done float64, ok bool) {
	for _, m := range p.re.FindAllSubmatch(text, -1) {
		if v, err := strconv.ParseFloat(string(m[p.group]), 64); err == nil {
			done, ok = min(max(v/p.per, 0), 1), true
		}
	}
	return done, ok
}

// Normalize fills what was left empty.
func (d *TreeDraft) Normalize() {
	d.Priority = max(d.Priority, 0)
	d.Environment = strings.TrimSpace(strings.ReplaceAll(d.Environment, "\r\n", "\n"))
}

// Validate says everything that is wrong.
func (d *TreeDraft) Validate() error {
	var wrong []FieldError
	add := func(field, format string, args ...any) {
		wrong = append(wrong, FieldError{field, fmt.Sprintf(format, args...)})
	}
	for _, f := range []struct {
		name, text string
		most       int
	}{
		{"title", d.Title, maxTreeTitle},
		{"command", d.Command, maxTreeText},
		{"dir", d.Dir, maxTreeTitle},
		{"environment", d.Environment, maxTreeText},
		{"user", d.User, maxTreeTitle},
		{"url", d.URL, maxTreeTitle},
		{"progress_pattern", d.Progress, maxTreeTitle},
	} {
		switch {
		case len(f.text) > f.most:
			add(f.name, "is too long: at most %d bytes", f.most)
		case !utf8.ValidString(f.text):
			add(f.name, "is not valid UTF-8")
		case strings.ContainsRune(f.text, 0):
			add(f.name, "contains a NUL character")
		}
	}
	if d.Timeout < 0 || d.Timeout > maxTreeTimeout {
		add("timeout", "must be from 0 (none) to %d seconds", int64(maxTreeTimeout/time.Second))
	}
	if d.Retries < 0 || d.Retries > maxTreeRetries {
		add("retry", "must be from 0 to %d", maxTreeRetries)
	}
	if d.Priority > maxTreePrio {
		add("priority", "must be at most %d", maxTreePrio)
	}
	if _, err := ParseTreeProgress(d.Progress); err != nil && len(d.Progress) <= maxTreeTitle {
		add("progress_pattern", "%s", firstField(err))
	}
	if len(wrong) == 0 {
		return nil
	}
	return &Error{Code: CodeInvalid, Message: "the job is not valid", Fields: wrong}
}

func firstField(err error) string {
	var e *Error
	if errors.As(err, &e) && len(e.Fields) > 0 {
		return e.Fields[0].Message
	}
	return err.Error()
}

// MaxAffinities is how many affinities can have names.
const MaxAffinities = 63

// Affinities are the names of the bits of affinities; "" is a bit without one.
type Affinities struct {
	Names [MaxAffinities]string `json:"names"`
	// Listed: somebody said which there are. Until then a name that comes up for the
	// first time takes a bit of its own.
	Listed bool `json:"listed"`
}

// Text names the bits of a mask, in order, with a comma between: "#5" is the fifth
// bit where it has no name.
func (a *Affinities) Text(mask int64) string {
	var names []string
	for i := range MaxAffinities {
		if mask&(1<<i) == 0 {
			continue
		}
		name := a.Names[i]
		if name == "" {
			name = "#" + strconv.Itoa(i+1)
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ",")
}

// named lists the names, in order of their bits.
func (a *Affinities) named() []string {
	return slices.DeleteFunc(slices.Clone(a.Names[:]), func(name string) bool { return name == "" })
}

// NoMask is one that no job has.
const NoMask = -1

// take reads a list of names; unless the names are listed, new ones are given a bit.
func (a *Affinities) take(field, text string) (mask int64, err error) {
	for _, name := range splitNames(text) {
		i, err := a.bit(field, name)
		if err == nil && i < 0 {
			i, err = a.give(field, name)
		}
		if err != nil {
			return 0, err
		}
		mask |= 1 << i
	}
	return mask, nil
}

// find reads a list of names: NoMask when one of them has no bit.
func (a *Affinities) find(field, text string) (mask int64, err error) {
	for _, name := range splitNames(text) {
		i, err := a.bit(field, name)
		if err != nil {
			return 0, err
		}
		if i < 0 {
			return NoMask, nil
		}
		mask |= 1 << i
	}
	return mask, nil
}

// bit returns which bit a name means, from 0: -1 when none has it.
func (a *Affinities) bit(field, name string) (int, error) {
	digits, ok := strings.CutPrefix(name, "#")
	if !ok {
		return slices.Index(a.Names[:], name), nil
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n < 1 || n > MaxAffinities {
		return 0, Invalid(field, "%q is no affinity: # comes before a number from 1 to %d", cut(name, 80), MaxAffinities)
	}
	return n - 1, nil
}

// give makes a bit have a new name.
func (a *Affinities) give(field, name string) (int, error) {
	if a.Listed {
		return 0, Invalid(field, "there is no affinity %q; these are named: %s", cut(name, 80), cmp.Or(strings.Join(a.named(), ", "), "none"))
	}
	i := slices.Index(a.Names[:], "")
	if i < 0 {
		return 0, Invalid(field, "%q would be one affinity more than the %d that there can be", cut(name, 80), MaxAffinities)
	}
	a.Names[i] = name
	return i, checkAffinity(field, name)
}

func checkAffinity(field, name string) error {
	if len(name) > 200 || strings.ContainsAny(name, ",\n#\x00") || !utf8.ValidString(name) {
		return Invalid(field, "%q cannot name an affinity: at most 200 bytes without comma, line break and #", cut(name, 80))
	}
	return nil
}
