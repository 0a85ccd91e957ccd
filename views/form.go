package views

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/a-h/templ"
)

// formField is one control of a form: its name, what was typed, what is wrong.
type formField struct {
	form   string // makes ids differ between the forms of a page
	name   string
	values map[string]string
	errors map[string]string
}

func (f formField) value() string { return f.values[f.name] }

// wrong is what is wrong with the field or with a part of it ("config.env.A" is
// said beside "config.env").
func (f formField) wrong() string {
	var all []string
	if w := f.errors[f.name]; w != "" {
		all = append(all, w)
	}
	for _, k := range slices.Sorted(maps.Keys(f.errors)) {
		if part, ok := strings.CutPrefix(k, f.name+"."); ok {
			all = append(all, part+": "+f.errors[k])
		}
	}
	return strings.Join(all, "; ")
}
func (f formField) id() string { return f.form + strings.ReplaceAll(f.name, ".", "-") }

// described are the attributes that tie a control to its hint and its error.
func (f formField) described(hint bool) templ.Attributes {
	a := templ.Attributes{"id": f.id(), "name": f.name}
	var by []string
	if f.wrong() != "" {
		a["aria-invalid"] = "true"
		by = append(by, f.id()+"-error")
	}
	if hint {
		by = append(by, f.id()+"-hint")
	}
	if len(by) > 0 {
		a["aria-describedby"] = strings.Join(by, " ")
	}
	return a
}

// field is one of the new user's; with On set the errors belong to a row.
func (p UsersProps) field(name string) formField {
	errors := p.Errors
	if p.On != "" {
		errors = nil
	}
	return formField{form: "new-", name: name, values: p.Values, errors: errors}
}

func (p UsersProps) made(name string) string {
	if p.On != "" {
		return ""
	}
	return p.Values[name]
}

func (p TokensProps) field(name string) formField {
	return formField{form: "new-", name: name, values: p.Values, errors: p.Errors}
}

// expires is the choice in the form; a fresh one suggests an end.
func (p TokensProps) expires() string {
	if v, typed := p.Values["expires"]; typed {
		return v
	}
	return "90"
}

func rowID(what string, i int) string { return what + "-" + strconv.Itoa(i) }
