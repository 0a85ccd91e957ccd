package web

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"belfry/scheduler"
)

const (
	matchLimit   = 4 << 20 // how much of an answer ExpectBody sees
	maxRedirects = 10
)

// Executor sends HTTP requests. It is safe for concurrent use.
type Executor struct{ log *slog.Logger }

var _ scheduler.Executor = (*Executor)(nil)

// New returns an executor.
func New(log *slog.Logger) *Executor { return &Executor{log: log} }

var (
	errRequestTimeout = errors.New("the request's timeout")
	errRedirects      = fmt.Errorf("more than %d redirects", maxRedirects)
)

// Execute sends the task's request and writes the answer: what was asked and the
// answer's head as system lines, without credentials, then the body as it comes.
// The exit code is the status. The connection is not kept: a job that runs once
// an hour must not hold one for the hour, and must notice a changed address.
func (x *Executor) Execute(ctx context.Context, t scheduler.Task, out scheduler.OutputWriter) scheduler.Result {
	c, err := parse(t.Job.Config)
	if err != nil {
		return failed("the configuration is not valid: " + err.Error())
	}
	if c.Timeout != "" {
		timeout, _ := time.ParseDuration(c.Timeout) // parse has checked it
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, timeout, errRequestTimeout)
		defer cancel()
	}
	client, err := c.client()
	if err != nil {
		return failed(err.Error())
	}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, c.method(), c.URL, strings.NewReader(c.Body))
	if err != nil {
		return failed("the request cannot be made: " + err.Error())
	}
	for name, value := range c.Headers {
		if strings.EqualFold(name, "Host") {
			req.Host = value
		}
		req.Header.Set(name, value)
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "belfry")
	}
	system(out, "> %s %s\n", req.Method, withoutSecrets(req.URL))
	resp, err := client.Do(req)
	if err != nil {
		return failed(c.explain(ctx, err))
	}
	defer resp.Body.Close()
	writeHead(out, resp)
	return c.judge(ctx, resp, out)
}

// judge reads the answer to its end and compares it with what is expected.
func (c *Config) judge(ctx context.Context, resp *http.Response, out scheduler.OutputWriter) scheduler.Result {
	body := &bodyWriter{out: out, left: c.MaxBody, all: c.MaxBody == 0, match: c.ExpectBody != ""}
	_, err := io.Copy(body, resp.Body)
	status := resp.StatusCode
	r := scheduler.Result{State: scheduler.Failed, ExitCode: &status}
	good, expected := c.expects(status)
	switch {
	case err != nil:
		r.Reason = "the answer was cut off: " + c.explain(ctx, err)
	case !good:
		r.Reason = fmt.Sprintf("status %d, expected %s", status, expected)
	case c.ExpectBody != "" && !regexp.MustCompile(c.ExpectBody).Match(body.seen):
		r.Reason = "the answer does not match " + shorten(c.ExpectBody)
	default:
		r.State = scheduler.Succeeded
	}
	return r
}

// bodyWriter writes an answer to the output and keeps its beginning for the pattern.
type bodyWriter struct {
	out   scheduler.OutputWriter
	all   bool
	left  int64 // unless all
	cut   bool
	match bool
	seen  []byte
}

func (b *bodyWriter) Write(p []byte) (int, error) {
	if b.match && len(b.seen) < matchLimit {
		b.seen = append(b.seen, p[:min(len(p), matchLimit-len(b.seen))]...)
	}
	show := p
	if !b.all {
		show = p[:min(int64(len(p)), b.left)]
		b.left -= int64(len(show))
	}
	b.out.Write(scheduler.Stdout, show)
	if len(show) < len(p) && !b.cut {
		b.cut = true
		system(b.out, "\n[the rest of the answer is not kept: max_body]\n")
	}
	return len(p), nil
}

// client makes a client with transport settings of its own.
func (c *Config) client() (*http.Client, error) {
	secure, err := c.tls()
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: secure, DisableKeepAlives: true,
		DialContext: (&net.Dialer{Timeout: 30 * time.Second}).DialContext, TLSHandshakeTimeout: 30 * time.Second,
		ForceAttemptHTTP2: true, MaxResponseHeaderBytes: 1 << 20,
	}}
	follow := c.FollowRedirects == nil || *c.FollowRedirects
	client.CheckRedirect = func(_ *http.Request, via []*http.Request) error {
		if !follow {
			return http.ErrUseLastResponse
		}
		if len(via) > maxRedirects {
			return errRedirects
		}
		return nil
	}
	return client, nil
}

func (c *Config) tls() (*tls.Config, error) {
	secure := &tls.Config{InsecureSkipVerify: c.InsecureSkipVerify} //nolint:gosec // the job's owner asked for it by name
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		secure.RootCAs = x509.NewCertPool()
		if !secure.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca_file: %s holds no certificate in PEM", c.CAFile)
		}
	}
	if c.ClientCertFile != "" {
		pair, err := tls.LoadX509KeyPair(c.ClientCertFile, c.ClientKeyFile)
		if err != nil {
			return nil, fmt.Errorf("client_cert_file: %w", err)
		}
		secure.Certificates = []tls.Certificate{pair}
	}
	return secure, nil
}

// explain says in words why there is no answer.
func (c *Config) explain(ctx context.Context, err error) string {
	var unverified *tls.CertificateVerificationError
	var dns *net.DNSError
	switch {
	case errors.Is(context.Cause(ctx), errRequestTimeout):
		return "timed out after " + c.Timeout
	case ctx.Err() != nil:
		return "stopped: " + context.Cause(ctx).Error()
	case errors.Is(err, errRedirects):
		return errRedirects.Error()
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused: nothing listens on " + hostOf(c.URL)
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "the server closed the connection before the answer was complete"
	case errors.As(err, &unverified):
		return "TLS: " + unverified.Err.Error()
	case errors.As(err, &dns):
		return "cannot find the host " + dns.Name
	}
	var wrapped *url.Error // its text would repeat the address, with its password
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return err.Error()
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "the host"
	}
	return u.Host
}

// secretHeaders are answered and asked with credentials in them.
var secretHeaders = []string{"Authorization", "Cookie", "Set-Cookie", "Proxy-Authorization", "Www-Authenticate"}

func writeHead(out scheduler.OutputWriter, resp *http.Response) {
	system(out, "< %s %s\n", resp.Proto, resp.Status)
	names := make([]string, 0, len(resp.Header))
	for name := range resp.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range resp.Header[name] {
			if slices.Contains(secretHeaders, name) {
				value = "***"
			}
			system(out, "< %s: %s\n", name, value)
		}
	}
}

// withoutSecrets is an address without its password, and without the values of
// its query, where people put tokens.
func withoutSecrets(u *url.URL) string {
	shown := *u
	if shown.User != nil {
		shown.User = url.User("***")
	}
	if shown.RawQuery != "" {
		shown.RawQuery = "…"
	}
	return shown.String()
}

func system(out scheduler.OutputWriter, format string, args ...any) {
	out.Write(scheduler.System, fmt.Appendf(nil, format, args...))
}

func failed(reason string) scheduler.Result {
	return scheduler.Result{State: scheduler.Failed, Reason: reason}
}
