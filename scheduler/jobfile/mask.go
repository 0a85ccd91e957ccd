package jobfile

import (
	"errors"
	"net/url"
	"slices"
	"strings"

	"belfry/scheduler"
)

// hidden stands for what is secret.
const hidden = "******"

var errMasked = errors.New("is masked; leave it as it was shown to keep it, or give the whole value")

func masked(f field[*draft], mask func(any) any, unmask func(given, stored any) (any, error)) field[*draft] {
	f.mask, f.unmask = mask, unmask
	return f
}

func maskPassword(v any) any {
	if v.(string) == "" {
		return ""
	}
	return hidden
}

// maskWebhook keeps the host, as everything behind it is the secret.
func maskWebhook(v any) any {
	s := v.(string)
	u, err := url.Parse(s)
	switch {
	case s == "":
		return ""
	case err != nil || u.Host == "":
		return hidden
	}
	return u.Scheme + "://" + u.Host + "/…" + hidden
}

// unmaskWhole refuses a masked value that is not the stored one's, which never
// gets here.
func unmaskWhole(given, _ any) (any, error) {
	if s := given.(string); s == hidden || strings.HasSuffix(s, "…"+hidden) {
		return nil, errMasked
	}
	return given, nil
}

// maskURL hides the password in a URL, and what is secret in its query.
func maskURL(v any) any {
	s := v.(string)
	places := scheduler.SecretParameters(s)
	for _, at := range slices.Backward(places) {
		s = s[:at[0]] + hidden + s[at[1]:]
	}
	if from, to, ok := urlPassword(s); ok {
		s = s[:from] + hidden + s[to:]
	}
	return s
}

// unmaskURL puts the stored secrets back, for the same user and host only: they
// must not be sent to another.
func unmaskURL(given, stored any) (any, error) {
	g, s := given.(string), stored.(string)
	if from, to, ok := urlPassword(g); ok && g[from:to] == hidden {
		sFrom, sTo, ok := urlPassword(s)
		if !ok || origin(g, to) != origin(s, sTo) || g[:from] != s[:sFrom] {
			return nil, errMasked
		}
		g = g[:from] + s[sFrom:sTo] + g[to:]
	}
	known := map[string][]string{} // values by parameter, in order
	for _, at := range scheduler.SecretParameters(s) {
		name := parameter(s, at[0])
		known[name] = append(known[name], s[at[0]:at[1]])
	}
	var out strings.Builder
	done := 0
	for _, at := range scheduler.SecretParameters(g) {
		name := parameter(g, at[0])
		if g[at[0]:at[1]] != hidden {
			continue
		}
		if len(known[name]) == 0 || site(g) != site(s) {
			return nil, errMasked
		}
		out.WriteString(g[done:at[0]] + known[name][0])
		known[name], done = known[name][1:], at[1]
	}
	return out.String() + g[done:], nil
}

// parameter is the name of the one whose value begins at from.
func parameter(s string, from int) string {
	return s[strings.LastIndexAny(s[:from], "?&")+1 : from-1]
}

// site is a URL up to its path.
func site(s string) string {
	start := strings.Index(s, "://") + len("://")
	if start < len("://") {
		return ""
	}
	return s[:start] + origin(s, start)
}

// origin is what follows in the authority, up to the path.
func origin(s string, from int) string {
	rest := s[from:]
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		return rest[:i]
	}
	return rest
}

// urlPassword finds the password in scheme://user:password@host. It goes by the
// text, as a URL that cannot be parsed may have one too.
func urlPassword(s string) (from, to int, ok bool) {
	start := strings.Index(s, "://")
	if start < 0 {
		return 0, 0, false
	}
	start += len("://")
	authority := origin(s, start)
	at := strings.LastIndexByte(authority, '@')
	colon := strings.IndexByte(authority, ':')
	if at < 0 || colon < 0 || colon > at {
		return 0, 0, false
	}
	return start + colon + 1, start + at, true
}

// secretHeaders are those whose values are credentials.
var secretHeaders = []string{"authorization", "proxy-authorization", "cookie", "x-api-key", "x-auth-token"}

func secretHeader(entry string) (name, value string, ok bool) {
	name, value, _ = strings.Cut(entry, ":")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	return name, value, slices.Contains(secretHeaders, strings.ToLower(name))
}

func maskHeaders(v any) any {
	all := slices.Clone(v.([]string))
	for i, h := range all {
		if name, _, ok := secretHeader(h); ok {
			all[i] = name + ": " + hidden
		}
	}
	return all
}

func unmaskHeaders(given, stored any) (any, error) {
	all := slices.Clone(given.([]string))
	for i, h := range all {
		name, value, secret := secretHeader(h)
		if !secret || value != hidden {
			continue
		}
		at := slices.IndexFunc(stored.([]string), func(s string) bool {
			known, _, _ := secretHeader(s)
			return strings.EqualFold(known, name)
		})
		if at < 0 {
			return nil, errMasked
		}
		all[i] = stored.([]string)[at]
	}
	return all, nil
}
