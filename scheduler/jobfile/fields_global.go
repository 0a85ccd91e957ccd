package jobfile

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"
)

// member makes a field of a struct's member. at returns a pointer to it.
func member[T any, V any](key string, k kind, at func(*T) *V, also ...string) field[*T] {
	return field[*T]{
		key: key, kind: k, also: also,
		get: func(t *T) any { return *at(t) },
		set: func(t *T, v any) error { *at(t) = v.(V); return nil },
	}
}

// told names what the domain calls a field in its errors.
func told(domain string, f field[*Global]) field[*Global] {
	f.domain = []string{domain}
	return f
}

// DockerFilters is what errors about Global.DockerFilters call it.
const DockerFilters = "docker.filters"

// dockerPrefix begins the keys of [docker] where they stand in [global] or in JSON.
const dockerPrefix = "docker-"

// globalFields is the table of [global]; the keys that begin with docker- may
// also stand in [docker], there without the prefix.
var globalFields = []field[*Global]{
	logLevel(),
	checked(webAddress, member("web-address", text, func(g *Global) *string { return &g.WebAddress })),
	member("max-runtime", duration, func(g *Global) *time.Duration { return &g.MaxRuntime }),
	member("default-user", text, func(g *Global) *string { return &g.DefaultUser }),
	member("allow-host-jobs-from-labels", yesNo, func(g *Global) *bool { return &g.AllowHostJobsFromLabels }),

	slackURL(),
	told("notify.slack.channel", member("slack-channel", text, func(g *Global) *string { return &g.SlackChannel })),
	member("slack-only-on-error", yesNo, func(g *Global) *bool { return &g.SlackOnlyOnError }),

	told("notify.mail.host", member("smtp-host", text, func(g *Global) *string { return &g.SMTPHost })),
	globalPort(),
	told("notify.mail.user", member("smtp-user", text, func(g *Global) *string { return &g.SMTPUser })),
	globalPassword(),
	member("smtp-tls-skip-verify", yesNo, func(g *Global) *bool { return &g.SMTPTLSSkipVerify }),
	told("notify.mail.to", member("email-to", text, func(g *Global) *string { return &g.EmailTo })),
	told("notify.mail.from", member("email-from", text, func(g *Global) *string { return &g.EmailFrom })),
	told("notify.mail.subject", member("email-subject", text, func(g *Global) *string { return &g.EmailSubject })),
	member("mail-only-on-error", yesNo, func(g *Global) *bool { return &g.MailOnlyOnError }),

	told("notify.save.folder", member("save-folder", text, func(g *Global) *string { return &g.SaveFolder })),
	member("save-only-on-error", yesNo, func(g *Global) *bool { return &g.SaveOnlyOnError }),

	dockerHost(),
	told(DockerFilters, member("docker-filters", list, func(g *Global) *[]string { return &g.DockerFilters })),
	member("docker-include-stopped", yesNo, func(g *Global) *bool { return &g.DockerIncludeStopped }),
	member("docker-events", yesNo, func(g *Global) *bool { return &g.DockerEvents }),
	member("docker-poll-interval", seconds, func(g *Global) *time.Duration { return &g.DockerPollInterval }),
}

// inDocker are the rows that may stand in [docker].
func inDocker() (rows []field[*Global]) {
	for _, f := range globalFields {
		if short, ok := strings.CutPrefix(f.key, dockerPrefix); ok {
			f.also = append([]string{short}, f.also...)
			rows = append(rows, f)
		}
	}
	return rows
}

func logLevel() field[*Global] {
	f := member("log-level", text, func(g *Global) *string { return &g.LogLevel })
	f.set = func(g *Global, v any) error {
		switch level := strings.ToLower(v.(string)); level {
		case "", "debug", "info", "error":
			g.LogLevel = level
		case "notice":
			g.LogLevel = "info"
		case "warn", "warning":
			g.LogLevel = "warn"
		case "critical":
			g.LogLevel = "error"
		default:
			return errors.New("must be debug, info, warn or error")
		}
		return nil
	}
	return f
}

func slackURL() field[*Global] {
	f := member("slack-webhook", text, func(g *Global) *string { return &g.SlackWebhook }, "slack-url")
	f.json, f.mask, f.unmask = "slackURL", maskWebhook, unmaskWhole
	return told("notify.slack.webhook", f)
}

func globalPassword() field[*Global] {
	f := member("smtp-password", text, func(g *Global) *string { return &g.SMTPPassword })
	f.mask, f.unmask = maskPassword, unmaskWhole
	return told("notify.mail.password", f)
}

func globalPort() field[*Global] {
	return field[*Global]{
		key: "smtp-port", kind: number, max: 65535, domain: []string{"notify.mail.port"},
		get: func(g *Global) any { return int64(g.SMTPPort) },
		set: func(g *Global, v any) error { g.SMTPPort = int(v.(int64)); return nil },
	}
}

// corsFields is the table of [cors].
var corsFields = []field[*CORS]{
	oneEach(checked(origins, member("allowed-origins", list, func(c *CORS) *[]string { return &c.AllowedOrigins }))),
	oneEach(member("allowed-methods", list, func(c *CORS) *[]string { return &c.AllowedMethods })),
	oneEach(member("allowed-headers", list, func(c *CORS) *[]string { return &c.AllowedHeaders })),
	member("max-age", seconds, func(c *CORS) *time.Duration { return &c.MaxAge }),
	member("allow-credentials", yesNo, func(c *CORS) *bool { return &c.AllowCredentials }),
}

// checked refuses values that check complains about.
func checked[T, V any](check func(V) error, f field[*T]) field[*T] {
	set := f.set
	f.set = func(t *T, v any) error {
		if err := check(v.(V)); err != nil {
			return err
		}
		return set(t, v)
	}
	return f
}

func webAddress(s string) error {
	if s == "" {
		return nil
	}
	_, port, err := net.SplitHostPort(s)
	if err == nil && port != "" {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil || port == "" {
		return errors.New("must be an address with a port, like 127.0.0.1:8080 or :8080")
	}
	return nil
}

func dockerHost() field[*Global] {
	f := checked(func(s string) error {
		scheme, rest, _ := strings.Cut(s, "://")
		if s != "" && s != "off" && (scheme == "" || rest == "") {
			return errors.New("must be the address of an engine, like unix:///var/run/docker.sock or tcp://host:2376, or off")
		}
		return nil
	}, member("docker-host", text, func(g *Global) *string { return &g.DockerHost }))
	f.mask, f.unmask = maskURL, unmaskURL
	return f
}

// origins refuses what no browser ever sends as the origin of a page.
func origins(all []string) error {
	for _, o := range all {
		u, err := url.Parse(o)
		if o != "*" && o != "null" && (err != nil || u.Host == "" || !strings.EqualFold(u.Scheme+"://"+u.Host, o)) {
			return fmt.Errorf("%q is not an origin; use scheme://host or scheme://host:port without a path, or *", cut(o))
		}
	}
	return nil
}

// oneEach refuses several values on one line, which would quietly be one that
// nothing ever matches.
func oneEach(f field[*CORS]) field[*CORS] {
	set := f.set
	f.set = func(c *CORS, v any) error {
		for _, one := range v.([]string) {
			if strings.ContainsAny(one, ", \t") {
				return errors.New("has several values on one line; repeat the key, once for each")
			}
		}
		return set(c, v)
	}
	return f
}
