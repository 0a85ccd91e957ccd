package jobfile

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"belfry/scheduler"
)

// readOnly are members of a job's JSON object that say how it fares. Merge lets
// them pass, so that what GET answered can be sent back by PUT.
var readOnly = []string{"lastRun", "nextRun", "status", "origin", "history", "metrics"}

// JSON shows a job by the JSON keys: name, type, enabled, and every field of its
// type, whether it is set or not; secrets are masked. What fares with the job
// (lastRun and so on) is not in it. With only, just those of these keys that the
// type has, which is cheaper.
func JSON(d scheduler.Draft, only ...string) map[string]any {
	t, _ := TypeOf(d.Executor)
	w := open(&d)
	all := map[string]any{"name": d.Name, "type": string(t), "enabled": d.Enabled}
	maps.DeleteFunc(all, func(key string, _ any) bool { return len(only) > 0 && !slices.Contains(only, key) })
	rows := t.fields()
	for i := range rows {
		if key := rows[i].jsonKey(); len(only) == 0 || slices.Contains(only, key) {
			all[key] = rows[i].shown(w)
		}
	}
	return all
}

// Merge sets what is given and leaves the rest, including what the dialect has no
// word for. A value that equals what JSON shows changes nothing, a masked secret
// among them. The type cannot change. An error is a *scheduler.Error of
// CodeInvalid with a field for each key that is unknown or wrong, and d is then
// as before; it has what check, unless that is nil, says of the rest too. Whether
// the result can be stored when no key is wrong is left to who stores it.
func Merge(d *scheduler.Draft, given map[string]json.RawMessage, check func(scheduler.Draft) error) error {
	t, _ := TypeOf(d.Executor)
	changed := *d
	m := merging{draft: open(&changed), given: maps.Clone(given)}
	if v, ok := m.take("type", text); ok && typeNamed(v.(string)) != t {
		m.complain("type", "cannot be changed; delete the job and create it again")
	}
	m.merge(t)
	if err := m.err(check); err != nil {
		return err
	}
	*d = changed
	return nil
}

// Create makes a job of a JSON object, which has to have name, type and schedule,
// with the dialect's defaults and those of g. Errors are as Merge's.
func Create(given map[string]json.RawMessage, g *Global, check func(scheduler.Draft) error) (scheduler.Draft, error) {
	var d scheduler.Draft
	m := merging{draft: open(&d), given: maps.Clone(given)}
	v, _ := m.take("type", text)
	t := typeNamed(v.(string))
	if !slices.Contains(Types, t) {
		if len(m.bad) == 0 {
			m.complain("type", "must be one of exec, run, local, service, http")
		}
		return d, invalid(m.bad)
	}
	d = New(t, g)
	m.draft = open(&d)
	for _, required := range []string{"name", "schedule"} {
		if _, ok := given[required]; !ok {
			m.complain(required, "is required")
		}
	}
	m.merge(t)
	if _, ok := given["retryMaxDelayMs"]; !ok {
		m.draft.Retry.MaxDelay = max(d.Retry.MaxDelay, d.Retry.Delay)
	}
	return d, m.err(check)
}

// typeNamed also knows the word of the sections for services.
func typeNamed(s string) Type {
	if s == "service-run" {
		return Service
	}
	return Type(s)
}

// merging is a JSON object on its way into a draft.
type merging struct {
	draft *draft
	given map[string]json.RawMessage
	bad   []scheduler.FieldError
}

func (m *merging) complain(key, message string) {
	m.bad = append(m.bad, scheduler.FieldError{Field: key, Message: message})
}

// err says what was complained about, and then what check says of other keys.
func (m *merging) err(check func(scheduler.Draft) error) error {
	if len(m.bad) == 0 || check == nil {
		return invalid(m.bad)
	}
	var more *scheduler.Error
	if errors.As(check(*m.draft.Draft), &more) {
		named := len(m.bad)
		for _, f := range more.Fields {
			key := JSONField(*m.draft.Draft, f.Field)
			if !slices.ContainsFunc(m.bad[:named], func(known scheduler.FieldError) bool { return known.Field == key }) {
				m.complain(key, withoutArgv(f.Message))
			}
		}
	}
	return invalid(m.bad)
}

// take reads a member that is no field of the table; ok is false when it is not
// given, or wrong.
func (m *merging) take(key string, k kind) (v any, ok bool) {
	raw, ok := m.given[key]
	if !ok {
		return "", false
	}
	delete(m.given, key)
	v, err := k.fromJSON(raw)
	if err != nil {
		m.complain(key, err.Error())
		return "", false
	}
	return v, true
}

// merge sets everything but the type.
func (m *merging) merge(t Type) {
	if v, ok := m.take("name", text); ok {
		m.draft.Name = strings.TrimSpace(v.(string))
	}
	if v, ok := m.take("enabled", yesNo); ok {
		m.draft.Enabled = v.(bool)
	}
	for _, key := range readOnly {
		delete(m.given, key)
	}
	before := get(m.draft.config, "container", "")
	mergeAll(t.fields(), m.draft, m.given, m.complain)
	if before == "" { // what a job that has one says, somebody has said
		m.draft.leaveToContainer(t, func(key string) bool { _, ok := m.given[key]; return ok })
	}
	m.draft.close()
}

// invalid is the error about the fields, nil when there are none.
func invalid(bad []scheduler.FieldError) error {
	if len(bad) == 0 {
		return nil
	}
	return &scheduler.Error{Code: scheduler.CodeInvalid, Message: "the request is not valid", Fields: bad}
}

// JSONField is the JSON key of what the domain calls field in its errors about d
// ("retry.delay", "config.dir"); what has no key is field itself.
func JSONField(d scheduler.Draft, field string) string {
	if f := byDomain(d, field); f != nil {
		return f.jsonKey()
	}
	if field == "executor" {
		return "type"
	}
	return field
}

// byDomain finds the row for a field of the domain's errors, or nil.
func byDomain(d scheduler.Draft, name string) *field[*draft] {
	if rows := allByDomain(d, name); len(rows) > 0 {
		return rows[0]
	}
	return nil
}

// allByDomain finds the rows that make up a field of the domain's errors.
func allByDomain(d scheduler.Draft, name string) (found []*field[*draft]) {
	t, _ := TypeOf(d.Executor)
	name = notifyField(d.Notify, name)
	rows := t.fields()
	for i := range rows {
		if rows[i].means(name) {
			found = append(found, &rows[i])
		}
	}
	return found
}

// notifyField turns "notify.0.config.webhook" into "notify.slack.webhook".
func notifyField(all []scheduler.Notify, name string) string {
	rest, ok := strings.CutPrefix(name, "notify.")
	if !ok {
		return name
	}
	which, member, _ := strings.Cut(rest, ".")
	for i, n := range all {
		if which == strconv.Itoa(i) {
			which = n.Kind
		}
	}
	return "notify." + which + "." + strings.TrimPrefix(member, "config.")
}
