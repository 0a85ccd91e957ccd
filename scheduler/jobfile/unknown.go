package jobfile

import "slices"

// otherwise says what to do with keys that Ofelia has, or had, and Belfry not.
var otherwise = map[string]string{
	"overlap":                  "is not supported; use no-overlap",
	"delay":                    "is not supported; begin the command with sleep, or move the schedule",
	"volumes":                  "is not known; repeat volume, once for each mount",
	"webhooks":                 "is not supported; use slack-webhook",
	"slackurl":                 "is not known; use slack-webhook",
	"enableweb":                "is not supported: the pages are always served; remove the line",
	"enablepprof":              "is not supported; remove the line",
	"pprofaddress":             "is not supported; remove the line",
	"enablestrictvalidation":   "is not supported: everything is always validated; remove the line",
	"webauthenabled":           "is not supported: belfry has users and roles of its own; remove the line",
	"webusername":              "is not supported: belfry has users and roles of its own; remove the line",
	"webpasswordhash":          "is not supported: belfry has users and roles of its own; remove the line",
	"websecretkey":             "is not supported: the key is made and kept by the server; remove the line",
	"webtokenexpiry":           "is not supported here; use --api-token-ttl",
	"notificationcooldown":     "is not supported; remove the line",
	"dockernopoll":             "is not supported; use docker-poll-interval = 0s",
	"dockerfilter":             "is not known; use filters in [docker]",
	"webhookallowedhosts":      "is not supported; remove the line",
	"webmaxloginattempts":      "is not supported: the login throttle is fixed; remove the line",
	"restorehistory":           "is not supported: history is always kept; remove the line",
	"restorehistorymaxage":     "is not supported: history is always kept; remove the line",
	"configpollinterval":       "is not supported; ask for a reload with POST /api/scheduler/reload",
	"pollinterval":             "is not known; use docker-poll-interval",
	"webtrustedproxies":        "is not supported here; use the server's flag",
	"restoreexecutionsonstart": "is not supported: history is always kept; remove the line",
}

// unknownKey says what is wrong with a key that no field has.
func unknownKey[T any](fields []field[T], s *section, key string) string {
	if advice, ok := otherwise[normal(key)]; ok {
		return advice
	}
	var known []string
	for i := range fields {
		known = append(append(known, fields[i].also...), fields[i].key)
	}
	message := "is not a key of " + s.title() + didYouMean(key, known)
	for _, t := range Types {
		if s.kind != string(t) && slices.ContainsFunc(t.fields(), func(f field[*draft]) bool { return f.named(normal(key)) }) {
			return message + "; " + t.Section() + " has it"
		}
	}
	return message
}

// title is how problems call a section.
func (s *section) title() string {
	if slices.Contains(Types, Type(s.kind)) {
		return Type(s.kind).Section()
	}
	return "[" + s.kind + "]"
}
