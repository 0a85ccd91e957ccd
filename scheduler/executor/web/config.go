// Package web sends HTTP requests: it is the executor "http".
package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"belfry/scheduler"
)

// Limits of a configuration.
const (
	maxURL     = 8 << 10
	maxText    = 1 << 20 // the body, and the headers together
	maxPattern = 4 << 10
	maxPath    = 4095
	maxTimeout = 24 * time.Hour
)

// Config is what a job with the executor "http" asks, and which answer is good.
type Config struct {
	// Method is GET when empty.
	Method string `json:"method,omitempty"`
	// URL is absolute, http or https. A user and a password in it become Basic
	// authentication.
	URL string `json:"url"`
	// Headers are sent with the request; "Host" replaces the URL's.
	Headers map[string]string `json:"headers,omitempty"`
	// Body is sent as it is, at most 1 MiB.
	Body string `json:"body,omitempty"`
	// Timeout is for the whole exchange, redirects and body included, as a Go
	// duration ("5s"). Empty is none; the job's own timeout applies anyway.
	Timeout string `json:"timeout,omitempty"`
	// ExpectCodes are the good statuses: "304", or ranges like "200-299", which is
	// what empty means.
	ExpectCodes []string `json:"expect_codes,omitempty"`
	// ExpectBody is an RE2 pattern that must match within the first 4 MiB
	// of the body.
	ExpectBody string `json:"expect_body,omitempty"`
	// FollowRedirects is true when absent; at most 10 are followed.
	FollowRedirects *bool `json:"follow_redirects,omitempty"`
	// InsecureSkipVerify accepts any certificate.
	InsecureSkipVerify bool `json:"insecure_skip_verify,omitempty"`
	// CAFile is the path of PEM certificates to trust instead of the system's.
	CAFile string `json:"ca_file,omitempty"`
	// ClientCertFile and ClientKeyFile are paths of PEM files, both or neither.
	ClientCertFile string `json:"client_cert_file,omitempty"`
	ClientKeyFile  string `json:"client_key_file,omitempty"`
	// MaxBody is how many bytes of the body become output; the rest is not read.
	// 0 is all of it: the limits on a run's output apply anyway.
	MaxBody int64 `json:"max_body,omitempty"`
}

// Check validates a configuration. Nothing is connected to and no file is read.
func (*Executor) Check(config json.RawMessage) error {
	var c Config
	fields := decodeStrict(config, &c)
	if len(fields) == 0 {
		fields = c.check()
	}
	if len(fields) > 0 {
		return &scheduler.Error{Code: scheduler.CodeInvalid, Message: "the configuration is not valid", Fields: fields}
	}
	return nil
}

// decodeStrict fills dst, a pointer to a struct, and says what is of the wrong
// type or unknown.
func decodeStrict(config json.RawMessage, dst any) []scheduler.FieldError {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(config, &raw); err != nil || raw == nil {
		return []scheduler.FieldError{{Field: "", Message: "must be a JSON object"}}
	}
	known := map[string]bool{}
	for f := range reflect.TypeOf(dst).Elem().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		known[name] = true
	}
	var fields []scheduler.FieldError
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		if !known[name] {
			fields = append(fields, scheduler.FieldError{Field: name, Message: "is not a field of this executor"})
		}
	}
	err := json.Unmarshal(config, dst)
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong):
		fields = append(fields, scheduler.FieldError{Field: wrong.Field, Message: "must not be a " + wrong.Value})
	case err != nil:
		fields = append(fields, scheduler.FieldError{Field: "", Message: err.Error()})
	}
	return fields
}

// complaints collects field errors.
type complaints []scheduler.FieldError

func (c *complaints) add(field, format string, args ...any) {
	*c = append(*c, scheduler.FieldError{Field: field, Message: fmt.Sprintf(format, args...)})
}

// parse reads a stored configuration.
func parse(config json.RawMessage) (*Config, error) {
	c := new(Config)
	if err := json.Unmarshal(config, c); err != nil {
		return nil, err
	}
	if bad := c.check(); len(bad) > 0 {
		return nil, errors.New(bad[0].Field + " " + bad[0].Message)
	}
	return c, nil
}

func (c *Config) check() []scheduler.FieldError {
	var bad complaints
	if m := c.method(); !token(m) || len(m) > 32 || m == http.MethodConnect {
		bad.add("method", "is not an HTTP method that can be used here")
	}
	c.checkURL(&bad)
	c.checkHeaders(&bad)
	if len(c.Body) > maxText {
		bad.add("body", "is longer than %d bytes", maxText)
	}
	if c.Timeout != "" {
		if d, err := time.ParseDuration(c.Timeout); err != nil || d <= 0 || d > maxTimeout {
			bad.add("timeout", `must be a duration like "5s", at most %s`, maxTimeout)
		}
	}
	for _, s := range c.ExpectCodes {
		if _, _, err := codes(s); err != nil {
			bad.add("expect_codes", `%q is not a status like "304" or a range like "200-299"`, shorten(s))
			break
		}
	}
	if len(c.ExpectBody) > maxPattern {
		bad.add("expect_body", "is longer than %d bytes", maxPattern)
	} else if _, err := regexp.Compile(c.ExpectBody); err != nil {
		bad.add("expect_body", "is not an RE2 pattern: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	for _, f := range [...][2]string{{"ca_file", c.CAFile}, {"client_cert_file", c.ClientCertFile}, {"client_key_file", c.ClientKeyFile}} {
		if f[1] != "" && (!filepath.IsAbs(f[1]) || len(f[1]) > maxPath || strings.IndexByte(f[1], 0) >= 0) {
			bad.add(f[0], "must be an absolute path")
		}
	}
	if (c.ClientCertFile == "") != (c.ClientKeyFile == "") {
		bad.add("client_key_file", "and client_cert_file go together")
	}
	if c.MaxBody < 0 {
		bad.add("max_body", "must not be negative")
	}
	return bad
}

func (c *Config) method() string {
	if c.Method == "" {
		return http.MethodGet
	}
	return strings.ToUpper(c.Method)
}

func (c *Config) checkURL(bad *complaints) {
	u, err := url.Parse(c.URL)
	switch {
	case c.URL == "":
		bad.add("url", "is required")
	case len(c.URL) > maxURL:
		bad.add("url", "is longer than %d bytes", maxURL)
	case err != nil:
		bad.add("url", "is not a URL")
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		bad.add("url", "must begin with http:// or https:// and a host")
	}
}

func (c *Config) checkHeaders(bad *complaints) {
	total := 0
	for _, name := range slices.Sorted(maps.Keys(c.Headers)) {
		value := c.Headers[name]
		total += len(name) + len(value) + 4
		switch canonical := http.CanonicalHeaderKey(name); {
		case !token(name):
			bad.add("headers", "%q is not a header's name", shorten(name))
		case canonical == "Content-Length" || canonical == "Transfer-Encoding" || canonical == "Connection":
			bad.add("headers", "%s is Belfry's own to set", canonical)
		case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
			bad.add("headers", "the value of %s must not contain control characters", shorten(name))
		}
	}
	if total > maxText {
		bad.add("headers", "are longer than %d bytes", maxText)
	}
}

// token reports whether s can be a method or a header's name (RFC 9110, 5.6.2).
func token(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}

// codes reads a status or a range of them.
func codes(s string) (lo, hi int, err error) {
	from, to, isRange := strings.Cut(s, "-")
	if !isRange {
		to = from
	}
	lo, err1 := strconv.Atoi(strings.TrimSpace(from))
	hi, err2 := strconv.Atoi(strings.TrimSpace(to))
	if err1 != nil || err2 != nil || lo < 100 || hi > 599 || lo > hi {
		return 0, 0, errors.New("not a status")
	}
	return lo, hi, nil
}

// expects reports whether status is a good one, and names those that are.
func (c *Config) expects(status int) (good bool, expected string) {
	list := c.ExpectCodes
	if len(list) == 0 {
		list = []string{"200-299"}
	}
	good = slices.ContainsFunc(list, func(s string) bool {
		lo, hi, err := codes(s)
		return err == nil && lo <= status && status <= hi
	})
	return good, strings.Join(list, ", ")
}

// shorten cuts what a person typed for a message.
func shorten(s string) string {
	if r := []rune(s); len(r) > 100 {
		return string(r[:100]) + "…"
	}
	return s
}
