package class

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"

	"belfry/scheduler"
)

// holePattern is what stands for arguments in a template.
var holePattern = regexp.MustCompile(`\{\{\s*(?:(args|json|argv)|(\d{1,3})|json\s+(\d{1,3})|env\s+([A-Za-z_][A-Za-z0-9_]*))\s*\}\}`)

// argvItem is the item of a list that all arguments take the place of.
var argvItem = regexp.MustCompile(`^\{\{\s*argv\s*\}\}$`)

// filling is what a template is filled with.
type filling struct {
	raw   []json.RawMessage
	words []string
	names []scheduler.ClassArgument // for what is missing
	env   func(string) (string, bool)
}

func (c *Config) filling(names []scheduler.ClassArgument) filling {
	return filling{raw: c.Args, words: c.words(), names: names, env: os.LookupEnv}
}

// fill returns the template with arguments in it.
func (f filling) fill(template json.RawMessage) (json.RawMessage, error) {
	var v any
	d := json.NewDecoder(bytes.NewReader(template))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	v, err := f.value("", v)
	if err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

func (f filling) value(key string, v any) (_ any, err error) {
	switch v := v.(type) {
	case string:
		return f.text(v, key == "command")
	case map[string]any:
		for k := range v {
			if v[k], err = f.value(k, v[k]); err != nil {
				return nil, err
			}
		}
	case []any:
		return f.list(key, v)
	}
	return v, nil
}

func (f filling) list(key string, items []any) (any, error) {
	filled := []any{}
	for _, item := range items {
		if text, ok := item.(string); ok && argvItem.MatchString(text) {
			for _, w := range f.words {
				filled = append(filled, w)
			}
			continue
		}
		v, err := f.value(key, item)
		if err != nil {
			return nil, err
		}
		filled = append(filled, v)
	}
	return filled, nil
}

func (f filling) text(text string, quoted bool) (_ string, err error) {
	filled := holePattern.ReplaceAllStringFunc(text, func(found string) string {
		m := holePattern.FindStringSubmatch(found)
		switch {
		case m[1] == "args" || m[1] == "argv":
			return quoteAll(f.words)
		case m[1] == "json":
			return string(array(f.raw))
		case m[4] != "":
			v, ok := f.env(m[4])
			if !ok && err == nil {
				err = fmt.Errorf("the variable %s is not set in the server's environment", m[4])
			}
			return v
		}
		n, _ := strconv.Atoi(m[2] + m[3]) // of at most three digits
		if n < 1 || n > len(f.words) {
			if err == nil {
				err = f.missing(n)
			}
			return ""
		}
		switch {
		case m[3] != "":
			return string(compact(f.raw[n-1]))
		case quoted:
			return quoteAll(f.words[n-1 : n])
		}
		return f.words[n-1]
	})
	return filled, err
}

func (f filling) missing(n int) error {
	name := ""
	if n >= 1 && n <= len(f.names) {
		name = " (" + f.names[n-1].Description + ")"
	}
	return fmt.Errorf("argument %d%s is missing: %d given", n, name, len(f.words))
}

// quoteAll quotes words for a POSIX shell.
func quoteAll(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
	}
	return strings.Join(quoted, " ")
}

func array(items []json.RawMessage) []byte {
	parts := make([][]byte, len(items))
	for i, raw := range items {
		parts[i] = compact(raw)
	}
	return append(append([]byte("["), bytes.Join(parts, []byte(","))...), ']')
}

func compact(raw json.RawMessage) []byte {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return raw
	}
	return b.Bytes()
}
