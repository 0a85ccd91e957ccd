package jobfile

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// The makers of fields that are members of an executor's configuration. absent is
// what the executor takes a missing member for.

func confText(key, name, absent string, types ...Type) field[*draft] {
	return field[*draft]{
		key: key, types: types, domain: []string{"config." + name},
		get: func(d *draft) any { return get(d.config, name, absent) },
		set: func(d *draft, v any) error { d.configure(name, v); return nil },
	}
}

func confBool(key, name string, absent bool, types ...Type) field[*draft] {
	f := confText(key, name, "", types...)
	f.kind = yesNo
	f.get = func(d *draft) any { return get(d.config, name, absent) }
	return f
}

func confList(key, name string, types ...Type) field[*draft] {
	f := confText(key, name, "", types...)
	f.kind = list
	f.get = func(d *draft) any { return get(d.config, name, []string{}) }
	return f
}

func confDuration(key, name string, absent time.Duration, types ...Type) field[*draft] {
	f := confText(key, name, "", types...)
	f.kind = duration
	f.get = func(d *draft) any { return d.config.duration(name, absent) }
	f.set = func(d *draft, v any) error { d.configure(name, v.(time.Duration).String()); return nil }
	return f
}

// pairs are list fields whose entries are names and values, kept as a map.
type pairs struct {
	between string // what parts name and value
	written string // how an entry looks
	fold    bool   // names that differ in case are the same
}

var (
	equations = pairs{between: "=", written: "key=value"}
	variables = pairs{between: "=", written: "NAME=value"}
	headers   = pairs{between: ": ", written: "Name: value", fold: true}
)

func (p pairs) field(key, name string, types ...Type) field[*draft] {
	f := confText(key, name, "", types...)
	f.kind = list
	f.get = func(d *draft) any { return sortedPairs(get(d.config, name, map[string]string{}), p.between) }
	f.set = func(d *draft, v any) error {
		m, err := p.read(v.([]string))
		if err == nil {
			d.configure(name, m)
		}
		return err
	}
	return f
}

func (p pairs) read(entries []string) (map[string]string, error) {
	m := map[string]string{}
	for _, e := range entries {
		name, value, ok := strings.Cut(e, strings.TrimSpace(p.between))
		if !ok || strings.TrimSpace(name) == "" {
			return nil, fmt.Errorf("%q is not of the form %s", cut(e), p.written)
		}
		if p.fold {
			name, value = http.CanonicalHeaderKey(strings.TrimSpace(name)), strings.TrimSpace(value)
		}
		if _, twice := m[name]; twice {
			return nil, fmt.Errorf("has %q twice", cut(name))
		}
		m[name] = value
	}
	return m, nil
}

// localCommand is the command of a process on the host. Jobs that were not made
// through the dialect may have a script for a shell, or a list of arguments.
var localCommand = field[*draft]{
	key: "command", types: []Type{Local}, domain: []string{"config.command", "config.argv", "config.shell"},
	get: func(d *draft) any {
		if argv := get(d.config, "argv", []string(nil)); len(argv) > 0 {
			return joinWords(argv)
		}
		return get(d.config, "command", "")
	},
	set: func(d *draft, v any) error {
		if strings.TrimSpace(v.(string)) == "" {
			return errors.New("is required")
		}
		// A script keeps its shell; everything else has none, as the dialect says.
		if get(d.config, "command", "") == "" {
			d.configure("argv", []string(nil))
			d.configure("shell", "none")
		}
		d.configure("command", v)
		return nil
	},
}

// joinWords writes arguments so that a POSIX shell, or what splits words like
// one, reads them again.
func joinWords(argv []string) string {
	quoted := make([]string, len(argv))
	for i, a := range argv {
		quoted[i] = a
		if a == "" || strings.Trim(a, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./_-") != "" {
			quoted[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}
