package jobfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// kind is the type of a field's value: what Go type it has (the comment), how it
// is written in an INI file and a label, and how in JSON.
type kind int

const (
	text     kind = iota // string; JSON: a string
	number               // int64; JSON: a number
	yesNo                // bool; JSON: a boolean
	list                 // []string; INI: the key repeated; JSON: an array of strings
	duration             // time.Duration; INI: 1h30m; JSON: nanoseconds, or text as in INI
	millis               // time.Duration; INI and JSON: a number of milliseconds
	seconds              // time.Duration; INI: 1h30m or a number of seconds; JSON: a number of seconds, or text as in INI
	codes                // string; JSON: a string, or a number as input
	pulling              // string; "always", "missing" or "never"; as input also a boolean
)

const maxDuration = time.Duration(1<<63 - 1)

// fromText reads a value of an INI file or a label; a list has several.
func (k kind) fromText(s string) (any, error) {
	switch k {
	case text, list, codes:
		return s, nil
	case pulling:
		return pullPolicy(s)
	}
	if s == "" {
		return nil, errors.New("needs a value")
	}
	switch k {
	case number:
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("must be a whole number, not %q", cut(s))
		}
		return n, nil
	case yesNo:
		return parseBool(s)
	case millis:
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("must be a whole number of milliseconds, not %q", cut(s))
		}
		return times(n, time.Millisecond)
	case seconds:
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return times(n, time.Second)
		}
	}
	return parseDuration(s)
}

func parseDuration(s string) (any, error) {
	d, err := time.ParseDuration(s)
	if err == nil {
		return d, nil
	}
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		return nil, fmt.Errorf("must be a duration with its unit, like %ss, not %q", cut(s), cut(s))
	}
	return nil, fmt.Errorf("must be a duration like 30s, 10m or 1h30m, not %q", cut(s))
}

func times(n int64, unit time.Duration) (any, error) {
	if n > int64(maxDuration/unit) || n < -int64(maxDuration/unit) {
		return nil, errors.New("is too large")
	}
	return time.Duration(n) * unit, nil
}

func parseBool(s string) (any, error) {
	switch strings.ToLower(s) {
	case "true", "yes", "on", "1":
		return true, nil
	case "false", "no", "off", "0":
		return false, nil
	}
	return nil, fmt.Errorf("must be true or false, not %q", cut(s))
}

func pullPolicy(s string) (any, error) {
	switch strings.ToLower(s) {
	case "true", "yes", "on", "1", "always":
		return "always", nil
	case "false", "no", "off", "0", "missing", "if-not-present":
		return "missing", nil
	case "never":
		return "never", nil
	}
	return nil, fmt.Errorf("must be always (or true), missing (or false) or never, not %q", cut(s))
}

// fromJSON reads a value of a JSON object.
func (k kind) fromJSON(raw json.RawMessage) (any, error) {
	var v any
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return nil, errors.New("is not valid JSON")
	}
	switch v := v.(type) {
	case string:
		if k == duration || k == seconds {
			return parseDuration(v)
		}
		if k == text || k == codes || k == pulling {
			return k.fromText(v)
		}
	case bool:
		if k == yesNo {
			return v, nil
		}
		if k == pulling {
			return pullPolicy(strconv.FormatBool(v))
		}
	case json.Number:
		return k.fromNumber(v)
	case []any:
		if k == list {
			return texts(v)
		}
	}
	return nil, k.wrongType()
}

func (k kind) fromNumber(v json.Number) (any, error) {
	n, err := v.Int64()
	switch {
	case k == codes:
		return v.String(), nil
	case err != nil || k == text || k == list || k == yesNo || k == pulling:
		return nil, k.wrongType()
	case k == duration:
		return time.Duration(n), nil
	case k == millis:
		return times(n, time.Millisecond)
	case k == seconds:
		return times(n, time.Second)
	}
	return n, nil
}

func texts(values []any) (any, error) {
	all := make([]string, len(values))
	for i, v := range values {
		s, ok := v.(string)
		if !ok {
			return nil, list.wrongType()
		}
		all[i] = s
	}
	return all, nil
}

func (k kind) wrongType() error {
	return errors.New("must be " + [...]string{
		text: "a string", number: "a whole number", yesNo: "true or false", list: "an array of strings",
		duration: `a whole number of nanoseconds, or a string like "1h30m"`, millis: "a whole number of milliseconds",
		seconds: `a whole number of seconds, or a string like "1m30s"`, codes: "a string",
		pulling: `"always", "missing" or "never"`,
	}[k])
}

// toJSON is a value as a JSON object shows it.
func (k kind) toJSON(v any) any {
	switch v := v.(type) {
	case time.Duration:
		switch k {
		case millis:
			return v.Milliseconds()
		case seconds:
			return int64(v / time.Second)
		}
		return int64(v)
	case []string:
		if v == nil {
			return []string{}
		}
	}
	return v
}
