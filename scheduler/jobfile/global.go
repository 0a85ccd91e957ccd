package jobfile

import (
	"encoding/json"
	"errors"
	"slices"
	"time"

	"belfry/scheduler"
)

// Global is what [global] and [docker] say.
type Global struct {
	LogLevel                string
	WebAddress              string
	MaxRuntime              time.Duration // of jobs that do not say; 0: none
	DefaultUser             string        // of jobs in containers that do not say
	AllowHostJobsFromLabels bool

	SlackWebhook     string
	SlackChannel     string
	SlackOnlyOnError bool

	SMTPHost          string
	SMTPPort          int
	SMTPUser          string
	SMTPPassword      string
	SMTPTLSSkipVerify bool
	EmailTo           string // comma-separated
	EmailFrom         string
	EmailSubject      string
	MailOnlyOnError   bool

	SaveFolder      string
	SaveOnlyOnError bool

	DockerHost           string
	DockerFilters        []string // as `docker ps --filter` takes them
	DockerIncludeStopped bool
	DockerEvents         bool
	DockerPollInterval   time.Duration // how often labels are looked at besides events; 0: never
}

// DefaultGlobal is what is true of keys that no file has.
func DefaultGlobal() Global {
	return Global{MaxRuntime: defaultMaxRuntime, DockerEvents: true, DockerPollInterval: 30 * time.Second}
}

// CORS is what [cors] says: who may use the API from pages of other origins.
// Without AllowedOrigins nobody may.
type CORS struct {
	AllowedOrigins   []string
	AllowedMethods   []string
	AllowedHeaders   []string
	MaxAge           time.Duration
	AllowCredentials bool
}

// JSON shows g by its JSON keys, secrets masked.
func (g *Global) JSON() map[string]any {
	all := make(map[string]any, len(globalFields))
	for i := range globalFields {
		all[globalFields[i].jsonKey()] = globalFields[i].shown(g)
	}
	return all
}

// Merge sets the keys that are given. An error is a *scheduler.Error with a field
// for each key that is unknown or wrong, and g is then as before. A masked secret
// leaves the one that g has.
func (g *Global) Merge(given map[string]json.RawMessage) error {
	changed := *g
	var bad []scheduler.FieldError
	mergeAll(globalFields, &changed, given, func(key, message string) {
		bad = append(bad, scheduler.FieldError{Field: key, Message: message})
	})
	if err := invalid(bad); err != nil {
		return err
	}
	*g = changed
	return nil
}

// Notify is what g says about notifications: one of each kind of which it has a
// key. They hold for every job, and what a job's own notification of that kind
// does not say is as here. One that lacks what its kind needs (to whom, for
// example) is a default only.
func (g *Global) Notify() []scheduler.Notify {
	var all []scheduler.Notify
	add := func(kind string, onlyOnError bool, config object) {
		if len(config) == 0 && !onlyOnError {
			return
		}
		n := scheduler.Notify{Kind: kind, Config: config.raw()}
		if onlyOnError {
			n.On = scheduler.OnFailure
		}
		all = append(all, n)
	}
	config := object{}
	config.put("host", g.SMTPHost)
	config.put("user", g.SMTPUser)
	config.put("password", g.SMTPPassword)
	config.put("to", g.EmailTo)
	config.put("from", g.EmailFrom)
	config.put("subject", g.EmailSubject)
	if g.SMTPPort != 0 {
		config.put("port", g.SMTPPort)
	}
	if g.SMTPTLSSkipVerify {
		config.put("tls_skip_verify", true)
	}
	add(mail, g.MailOnlyOnError, config)

	config = object{}
	config.put("webhook", g.SlackWebhook)
	config.put("channel", g.SlackChannel)
	add(slack, g.SlackOnlyOnError, config)

	config = object{}
	config.put("folder", g.SaveFolder)
	add(save, g.SaveOnlyOnError, config)
	return all
}

// InKeys is what the domain says is wrong with g, by g's JSON keys.
func (g *Global) InKeys(err error) error {
	var e *scheduler.Error
	if !errors.As(err, &e) || len(e.Fields) == 0 {
		return err
	}
	with := *e
	with.Fields = slices.Clone(e.Fields)
	for i := range with.Fields {
		if f := g.byDomain(with.Fields[i].Field); f != nil {
			with.Fields[i].Field = f.jsonKey()
		}
	}
	return &with
}

// byDomain finds the row for a field of the domain's errors, or nil.
func (g *Global) byDomain(name string) *field[*Global] {
	name = notifyField(g.Notify(), name)
	for i := range globalFields {
		if globalFields[i].means(name) {
			return &globalFields[i]
		}
	}
	return nil
}

// Values are some of g's keys as JSON, secrets too: for storing them, not for
// showing. Keys that do not exist are absent.
func (g *Global) Values(keys []string) map[string]json.RawMessage {
	all := map[string]json.RawMessage{}
	for i := range globalFields {
		f := &globalFields[i]
		if slices.Contains(keys, f.jsonKey()) {
			all[f.jsonKey()] = encode(f.kind.toJSON(f.get(g)))
		}
	}
	return all
}
