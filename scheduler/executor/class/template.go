package class

import (
	"bytes"
	"encoding/json"
	"errors"
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
			return asText(string(array(f.raw)), quoted)
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
		if m[3] != "" {
			return asText(string(compact(f.raw[n-1])), quoted)
		}
		return asText(f.words[n-1], quoted)
	})
	return filled, err
}

// asText is what an argument becomes in a text.
func asText(argument string, quoted bool) string {
	if quoted {
		return quoteAll([]string{argument})
	}
	return argument
}

// commandsOf calls fn for each text of a template that a shell may read.
func commandsOf(key string, v any, fn func(string) error) (err error) {
	switch v := v.(type) {
	case string:
		if key == "command" {
			return fn(v)
		}
	case map[string]any:
		for k := range v {
			err = errors.Join(err, commandsOf(k, v[k], fn))
		}
	case []any:
		for _, item := range v {
			err = errors.Join(err, commandsOf(key, item, fn))
		}
	}
	return err
}

// insideQuotes returns a hole that a shell would find inside quotes or behind a
// backslash: the quotes of what is put in would end those, or be none.
func insideQuotes(command string) (hole string, found bool) {
	var holes [][]int
	for _, m := range holePattern.FindAllStringSubmatchIndex(command, -1) {
		if m[8] < 0 { // a variable of the server is put in as it is
			holes = append(holes, m[:2])
		}
	}
	var quote byte // ', ", # of a comment, or 0
	word := false  // the byte before belongs to a word
	for i := 0; i < len(command); i++ {
		if len(holes) > 0 && holes[0][0] == i {
			end := holes[0][1]
			if quote == '\'' || quote == '"' {
				return command[i:end], true
			}
			holes, i, word = holes[1:], end-1, true
			continue
		}
		c := command[i]
		switch {
		case quote == '#':
			if c == '\n' {
				quote = 0
			}
		case c == '\\' && quote != '\'':
			if len(holes) > 0 && holes[0][0] == i+1 {
				return command[i+1 : holes[0][1]], true
			}
			i++
		case quote == c:
			quote = 0
		case quote == 0 && (c == '\'' || c == '"' || c == '#' && !word):
			quote = c
		}
		word = !strings.ContainsRune(" \t\n;&|()<>", rune(c))
	}
	return "", false
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
