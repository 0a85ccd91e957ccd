package views

import (
	"slices"
	"strings"

	"belfry/scheduler"
)

// AuditQuery is the audit page's filter as the URL has it.
type AuditQuery struct {
	Actor, Action, Object, Via string
	From, To                   string
	Sort                       string
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
	return []string{"actor", q.Actor, "action", q.Action, "object", q.Object, "via", q.Via, "from", q.From, "to", q.To, "sort", q.Sort}
}

func (q AuditQuery) path(offset int) string {
	return query("/audit", append(q.pairs(), "limit", atoi0(q.Limit), "offset", atoi0(offset))...)
}

// sorted is the list in another order.
func (q AuditQuery) sorted(sort string) string {
	q.Sort = sort
	return q.path(0)
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

// filterLabels are the fields of filters in which anything can be typed.
var filterLabels = []Choice{{"exit_code", "Exit code"}, {"from", "From"}, {"to", "Until"}}

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
		"worker_token.create": "made the worker token", "worker_token.revoke": "revoked the worker token", "worker.rules": "changed the rules of the worker",
		"worker.forget": "forgot the worker", "worker.clear": "cleared the failures on", "affinity.name": "named the affinity",
		"tree.create": "added to the tree", "tree.update": "changed in the tree", "tree.depend": "changed what is waited for by", "tree.start": "started in the tree",
		"tree.pause": "paused in the tree", "tree.delete": "deleted from the tree",
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

// auditChanges are what a row changed, key by key. The version changes with each.
func auditChanges(a *scheduler.AuditEntry) []scheduler.Difference {
	return slices.DeleteFunc(scheduler.Differences(a.Before, a.After), func(d scheduler.Difference) bool { return d.Key == "version" })
}

// auditExecution is the execution that a row is about, "" when it is about none.
func auditExecution(a *scheduler.AuditEntry) string {
	if a.Action != "job.run" && !strings.HasPrefix(a.Action, "execution.") {
		return ""
	}
	for _, d := range scheduler.Differences("", a.After) {
		if d.Key == "execution" {
			return *d.After
		}
	}
	return ""
}
