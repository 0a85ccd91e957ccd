// Package crontab reads the tables of cron as jobs: crontab(5) of Vixie's cron as
// ISC, Debian and cronie have it. What the five fields mean is scheduler/cron's.
package crontab

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"belfry/scheduler"
)

// Formats are a user's table, and those of the system, whose lines name a user.
func Formats() []scheduler.ImportFormat {
	const home = " Jobs start in the server's directory, unless the table sets HOME."
	return []scheduler.ImportFormat{
		{
			Name: "crontab", Title: "crontab of a user",
			Hint: "What crontab -l prints." + home,
			Read: func(_ context.Context, raw []byte) ([]scheduler.Imported, error) { return read(raw, false) },
		},
		{
			Name: "crontab-system", Title: "crontab of the system",
			Hint: "/etc/crontab, or a file of /etc/cron.d: before its command, each line names a user." + home,
			Read: func(_ context.Context, raw []byte) ([]scheduler.Imported, error) { return read(raw, true) },
		},
	}
}

// table is what the lines above an entry say.
type table struct {
	system   bool
	env      map[string]string // for the commands
	shell    string
	mail     string
	zone     string
	delay    time.Duration
	comments []string // directly above
	names    map[string]bool
}

func read(raw []byte, system bool) ([]scheduler.Imported, error) {
	text := strings.TrimPrefix(string(raw), "\ufeff")
	if strings.IndexByte(text, 0) >= 0 {
		return nil, scheduler.Errorf(scheduler.CodeInvalid, "this is no text")
	}
	t := table{system: system, env: map[string]string{}, names: map[string]bool{}}
	var list []scheduler.Imported
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.Trim(line, " \t\r\n")
		switch {
		case line == "":
			t.comments = nil
		case line[0] == '#':
			t.comment(line)
		case t.setting(line):
			t.comments = nil
		default:
			list = append(list, t.entry(line, number))
			t.comments = nil
		}
	}
	return list, nil
}

// legend is the line over the columns that installed tables begin with.
var legend = regexp.MustCompile(`^#[\s*]*(m|min|minute)\s+h`)

func (t *table) comment(line string) {
	text := strings.TrimSpace(strings.TrimLeft(line, "#"))
	if text != "" && !legend.MatchString(line) {
		t.comments = append(t.comments, text)
	}
}

// assignment is a line that sets a variable: the name, and the value, may be in quotes.
var assignment = regexp.MustCompile(`^(?:"([^"=]+)"|'([^'=]+)'|([A-Za-z_][A-Za-z0-9_]*))\s*=\s*(.*)$`)

// setting reads a line that sets a variable for the entries below it.
func (t *table) setting(line string) bool {
	m := assignment.FindStringSubmatch(line)
	if m == nil {
		return false
	}
	name, value := m[1]+m[2]+m[3], m[4]
	if n := len(value); n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
		value = value[1 : n-1]
	}
	switch name {
	case "SHELL":
		t.shell = value
	case "MAILTO":
		t.mail = value
	case "CRON_TZ":
		t.zone = value
	case "RANDOM_DELAY":
		minutes, _ := strconv.Atoi(value)
		t.delay = time.Duration(max(0, minutes)) * time.Minute
	case "MAILFROM", "CONTENT_TYPE", "CONTENT_TRANSFER_ENCODING":
	default:
		t.env[name] = value
	}
	return true
}

// entry reads a line that says when to run what.
func (t *table) entry(line string, number int) (one scheduler.Imported) {
	refuse := func(format string, args ...any) scheduler.Imported {
		return scheduler.Imported{
			Draft: scheduler.Draft{Name: fmt.Sprintf("line %d", number)},
			Err:   scheduler.Errorf(scheduler.CodeInvalid, "line %d: %s", number, fmt.Sprintf(format, args...)),
		}
	}
	fields := 5
	if line[0] == '@' {
		fields = 1
	}
	when, rest, ok := cut(line, fields)
	if !ok {
		return refuse("there is no command after the %s", map[bool]string{true: "word that says when", false: "five fields that say when"}[fields == 1])
	}
	user := ""
	if t.system {
		if user, rest, ok = cut(rest, 1); !ok {
			return refuse("there is no command after the user; or this is the table of a user, whose lines name none")
		}
		user, _, _ = strings.Cut(user, ":") // cronie and BSD take a group or a login class
	}
	script, stdin := percent(rest)
	d := scheduler.Draft{Name: t.name(script), Enabled: true, Executor: "shell", Notes: strings.Join(t.comments, "\n")}
	if strings.EqualFold(when, "@reboot") {
		d.RunOnStart = true
		one.Notes = append(one.Notes, "It runs whenever Belfry starts, rather than the machine.")
	} else {
		d.Schedules = []scheduler.Schedule{{Text: strings.ToLower(when), Zone: t.zone}}
		d.Jitter = t.delay
	}
	var err error
	if d.Config, err = json.Marshal(t.config(script, stdin, user)); err != nil {
		return refuse("%v", err)
	}
	if t.mail != "" {
		one.Notes = append(one.Notes, "Its output was mailed to "+t.mail+"; here, add a notification for that.")
	}
	one.Draft = d
	return one
}

// config is that of the shell executor.
func (t *table) config(script, stdin, user string) map[string]any {
	config := map[string]any{"command": script}
	if stdin != "" {
		config["stdin"] = stdin
	}
	if user != "" {
		config["user"] = user
	}
	if t.shell != "" && t.shell != "/bin/sh" {
		config["shell"] = t.shell
	}
	if home := t.env["HOME"]; strings.HasPrefix(home, "/") {
		config["dir"] = home
	}
	if len(t.env) > 0 {
		config["env"] = t.env
	}
	return config
}

// cut returns the first words, with one space between them, and what follows.
func cut(line string, words int) (first, rest string, ok bool) {
	var list []string
	rest = line
	for range words {
		end := strings.IndexAny(rest, " \t")
		if end < 0 {
			return "", "", false
		}
		list = append(list, rest[:end])
		rest = strings.TrimLeft(rest[end:], " \t")
	}
	return strings.Join(list, " "), rest, rest != ""
}

// percent splits a command at its first %: what follows is its input, where each
// further % is the end of a line. \% is a percent sign.
func percent(text string) (script, stdin string) {
	var b strings.Builder
	first := -1
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text) && text[i+1] == '%':
			b.WriteByte('%')
			i++
		case text[i] == '%' && first < 0:
			first = b.Len()
		case text[i] == '%':
			b.WriteByte('\n')
		default:
			b.WriteByte(text[i])
		}
	}
	if first < 0 {
		return b.String(), ""
	}
	return b.String()[:first], b.String()[first:] + "\n"
}

// nameLength is how much of a command is enough to know it by.
const nameLength = 48

// name makes one of a command: its words, without directories. The second of the
// same name in a table gets a number.
func (t *table) name(script string) string {
	script, _, _ = strings.Cut(script, ">") // where the output goes is no name
	var words []string
	for _, word := range strings.FieldsFunc(script, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(";|&<>()\"'`$", r) }) {
		if i := strings.LastIndexByte(strings.TrimRight(word, "/"), '/'); i >= 0 {
			word = word[i+1:]
		}
		word = strings.Trim(strings.Map(func(r rune) rune {
			if unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' || r == '.' {
				return unicode.ToLower(r)
			}
			return '-'
		}, word), "-.")
		if word != "" {
			words = append(words, word)
		}
	}
	name := strings.Join(words, "-")
	if runes := []rune(name); len(runes) > nameLength {
		name = strings.TrimRight(string(runes[:nameLength]), "-.")
	}
	if name == "" {
		name = "command"
	}
	unique := name
	for n := 2; t.names[unique]; n++ {
		unique = fmt.Sprintf("%s-%d", name, n)
	}
	t.names[unique] = true
	return unique
}
