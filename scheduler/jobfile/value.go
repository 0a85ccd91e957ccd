package jobfile

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// quoting is what the quotes in a value come to.
type quoting struct {
	open    byte // the quote that is not closed; 0: none
	closing int  // where the quote closes that the value begins with; -1: it begins with none
	mark    byte // a ; or # that may begin a comment; 0: none
}

// scan finds the quotes in a value, and what they do not protect.
func scan(text string) quoting {
	q := quoting{closing: -1}
	start, before := 0, ' '
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		c := text[i]
		switch {
		case c == '\\' && (q.open == 0 || q.open == '"') && i+1 < len(text):
			_, next := utf8.DecodeRuneInString(text[i+1:])
			size += next
		case q.open != 0:
			if c == q.open {
				q.open = 0
				if start == 0 && q.closing < 0 && isQuote(text[0]) {
					q.closing = i
				}
			}
		case isQuote(c):
			q.open, start = c, i
		case (c == ';' || c == '#') && unicode.IsSpace(before) && q.mark == 0:
			q.mark = c
		}
		before = r
		i += size
	}
	return q
}

func isQuote(c byte) bool { return c == '"' || c == '\'' || c == '`' }

var unescape = strings.NewReplacer(`\"`, `"`, `\\`, `\`)

// unquote takes the quotes around a whole value away and refuses what can be
// read in two ways.
func unquote(raw string) (string, error) {
	q := scan(raw)
	switch {
	case q.open != 0:
		return "", fmt.Errorf("the quote %c is not closed; if it is meant as text, put the whole value in other quotes", q.open)
	case q.closing > 0 && q.closing == len(raw)-1:
		if raw[0] == '"' {
			return unescape.Replace(raw[1:q.closing]), nil
		}
		return raw[1:q.closing], nil
	case q.mark != 0:
		return "", fmt.Errorf("the %c may begin a comment or belong to the value; quote the value, or put the comment on its own line", q.mark)
	}
	return raw, nil
}

// substitute replaces ${VAR} and ${VAR:-default}, unless lookup is nil.
func substitute(text string, lookup Lookup) (string, error) {
	var out strings.Builder
	for {
		i := strings.Index(text, "${")
		if i < 0 {
			out.WriteString(text)
			return out.String(), nil
		}
		if i > 0 && text[i-1] == '$' {
			out.WriteString(text[:i-1] + "${")
			text = text[i+2:]
			continue
		}
		if lookup == nil {
			out.WriteString(text[:i+2])
			text = text[i+2:]
			continue
		}
		out.WriteString(text[:i])
		inner, rest, closed := strings.Cut(text[i+2:], "}")
		if !closed {
			return "", errors.New("the } of a ${ is missing; write $${ for a literal ${")
		}
		value, err := variable(inner, lookup)
		if err != nil {
			return "", err
		}
		out.WriteString(value)
		text = rest
	}
}

// variable is what stands for ${inner}.
func variable(inner string, lookup Lookup) (string, error) {
	name, fallback, hasDefault := strings.Cut(inner, ":-")
	if !variableName(name) {
		return "", fmt.Errorf("${%s} is neither ${VAR} nor ${VAR:-default}; write $${ for a literal ${", cut(inner))
	}
	value, set := lookup(name)
	switch {
	case hasDefault && value == "":
		return fallback, nil
	case !set:
		return "", fmt.Errorf("the variable %s is not set; set it, give a default with ${%s:-default}, or write $${ for a literal ${", name, name)
	case !utf8.ValidString(value) || strings.ContainsFunc(value, func(r rune) bool { return unicode.IsControl(r) && r != '\t' }):
		return "", fmt.Errorf("the value of the variable %s contains what is no text, or more than one line", name)
	}
	return value, nil
}

func variableName(s string) bool {
	for i, r := range s {
		letter := r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return s != ""
}
