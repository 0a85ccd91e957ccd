package views

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"belfry/scheduler"
)

// AuditQuery is the audit page's filter as the URL has it.
type AuditQuery struct {
	Actor, Action, Object, Via string
	From, To                   string
	Limit, Offset              int
}

// AuditProps are the audit page's.
type AuditProps struct {
	Page
	Query  AuditQuery
	Rows   []scheduler.AuditEntry
	Total  scheduler.Total
	Errors map[string]string
	Head   scheduler.AuditLink // the end of the chain; zero hides it
}

func (q AuditQuery) pairs() []string {
	return []string{"actor", q.Actor, "action", q.Action, "object", q.Object, "via", q.Via, "from", q.From, "to", q.To}
}

func (q AuditQuery) path(offset int) string {
	return query("/audit", append(q.pairs(), "limit", atoi0(q.Limit), "offset", atoi0(offset))...)
}

func (q AuditQuery) export(format string) string {
	return query("/audit/export", append(q.pairs(), "format", format)...)
}

func (q AuditQuery) narrowed() bool {
	return q.Actor != "" || q.Action != "" || q.Object != "" || q.Via != "" || q.From != "" || q.To != ""
}

func (q AuditQuery) by(field, value string) string {
	n := AuditQuery{}
	switch field {
	case "actor":
		n.Actor = value
	case "object":
		n.Object = value
	}
	return n.path(0)
}

// auditActions are what the filter offers: groups of actions.
func (p AuditProps) actions() []Choice {
	all := []Choice{{"job.", "Jobs"}, {"job.run", "Runs by hand"}, {"execution.", "Executions"}, {"freeze", "Pausing everything"}}
	if p.CanAdmin() {
		all = append(all, []Choice{
			{"class.", "Job classes"},
			{"config.", "Configuration"},
			{"user.", "Users"},
			{"token.", "Tokens"},
			{"session.", "Logins"},
			{"server.", "Server"},
		}...)
	}
	if p.Query.Action != "" && !slices.ContainsFunc(all, func(c Choice) bool { return c.Value == p.Query.Action }) {
		all = append(all, Choice{p.Query.Action, p.Query.Action})
	}
	return all
}

// auditVias are the ways in, for the filter.
var auditVias = []Choice{
	{scheduler.ViaPage, "Page"},
	{scheduler.ViaToken, "Token"},
	{scheduler.ViaBasic, "User and password"},
	{scheduler.ViaCLI, "Command line"},
	{scheduler.ViaOpen, "No login"},
	{scheduler.ViaServer, "The server"},
}

func viaLabel(via string) string {
	for _, c := range auditVias {
		if c.Value == via {
			return strings.ToLower(c.Label[:1]) + c.Label[1:]
		}
	}
	return via
}

// auditWords says what was done.
func auditWords(a *scheduler.AuditEntry) string {
	words := map[string]string{
		"job.create": "made the job", "job.update": "changed the job", "job.delete": "deleted the job", "job.enable": "enabled the job",
		"job.disable": "disabled the job", "job.pause": "paused the job", "job.run": "ran the job", "execution.retry": "retried",
		"execution.stop": "stopped", "executions.delete": "deleted the history of", "freeze": "paused", "unfreeze": "resumed",
		"class.create": "made the job class", "class.update": "changed the job class", "class.delete": "deleted the job class",
		"config.change": "changed the setting", "user.create": "added the user", "user.delete": "deleted the user",
		"user.role": "changed the role of", "user.password": "changed the password of", "token.create": "made the token", "token.revoke": "revoked the token",
		"session.login": "logged in as", "session.logout": "logged out", "server.stop": "stopped the",
		"submissions.pause": "paused changes of", "submissions.unpause": "allowed changes of",
	}
	if w, ok := words[a.Action]; ok {
		return w
	}
	return a.Action
}

// auditLink is the page of what a row is about, "" when it has none.
func auditLink(a *scheduler.AuditEntry) string {
	switch {
	case strings.HasPrefix(a.Action, "job."), strings.HasPrefix(a.Action, "execution"):
		if a.Action == "job.delete" {
			return ""
		}
		return JobPath(a.Object)
	case strings.HasPrefix(a.Action, "class.") && a.Action != "class.delete":
		return ClassPath(a.Object)
	}
	return ""
}

// auditChange is one key that a change made different.
type auditChange struct {
	Key, Before, After string
	Was, Is            bool // there is a value before, after
}

// auditChanges are what a row changed, key by key. Keys of objects have dots.
func auditChanges(a *scheduler.AuditEntry) []auditChange {
	before, after := flat(a.Before), flat(a.After)
	keys := slices.Collect(maps.Keys(before))
	for k := range after {
		if _, ok := before[k]; !ok {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	var changes []auditChange
	for _, k := range keys {
		was, hadIt := before[k]
		is, hasIt := after[k]
		if was == is && hadIt == hasIt || k == "version" || ofRun(a, k) {
			continue
		}
		changes = append(changes, auditChange{k, was, is, hadIt, hasIt})
	}
	return changes
}

// ofRun reports whether a key says of a run what its row says anyway.
func ofRun(a *scheduler.AuditEntry, key string) bool {
	return auditExecution(a) != "" && (key == "job" || key == "title" || key == "execution")
}

// auditExecution is the execution that a row is about, "" when it is about none.
func auditExecution(a *scheduler.AuditEntry) string {
	if a.Action != "job.run" && !strings.HasPrefix(a.Action, "execution.") {
		return ""
	}
	return flat(a.After)["execution"]
}

// flat is a JSON value as texts by their keys.
func flat(text string) map[string]string {
	out := map[string]string{}
	var v any
	if text != "" && json.Unmarshal([]byte(text), &v) == nil {
		flatten(out, "", v)
	}
	return out
}

// listWords is a list as people read it: of schedules their texts, of anything else
// its JSON.
func listWords(list []any) string {
	texts := make([]string, len(list))
	for i, item := range list {
		s, ok := item.(map[string]any)
		text, has := s["text"].(string)
		if !ok || !has {
			b, err := json.Marshal(list)
			if err != nil {
				return ""
			}
			return string(b)
		}
		texts[i] = text
		if zone, ok := s["zone"].(string); ok {
			texts[i] += " (" + zone + ")"
		}
	}
	return strings.Join(texts, "; ")
}

func flatten(out map[string]string, key string, v any) {
	switch v := v.(type) {
	case nil:
	case map[string]any:
		for k, inner := range v {
			if key != "" {
				k = key + "." + k
			}
			flatten(out, k, inner)
		}
	case string:
		out[key] = v
	case []any:
		out[key] = listWords(v)
	default:
		b, err := json.Marshal(v)
		if err == nil {
			out[key] = string(b)
		}
	}
}
