package notify

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"os"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"belfry/scheduler"
)

// mailer sends mail by SMTP. TLS is used where the server offers it, or from the
// beginning on port 465; a password is never sent without it.
type mailer struct{}

type mailConfig struct {
	Host          string `json:"host"`
	Port          int    `json:"port"` // 0: 587 with a user, else 25
	User          string `json:"user"` // empty: no authentication
	Password      string `json:"password"`
	From          string `json:"from"` // empty: belfry@ this machine
	To            string `json:"to"`   // one or more addresses, with commas between
	Subject       string `json:"subject"`
	TLSSkipVerify bool   `json:"tls_skip_verify"`
}

const (
	mailOutput = 20 << 10
	portSMTPS  = 465
)

func (mailer) Secrets() []string { return []string{"password"} }
func (mailer) Targets() []string { return []string{"host", "port", "tls_skip_verify"} }

func (mailer) Check(config json.RawMessage) error {
	var c mailConfig
	if err := decode(config, &c); err != nil {
		return err
	}
	if c.Port < 0 || c.Port > 65535 {
		return scheduler.Invalid("port", "must be 1 to 65535; 0 or absent: 25, or 587 with a user")
	}
	if strings.ContainsAny(c.Host, " /@") {
		return scheduler.Invalid("host", "must be the name or address of a mail server")
	}
	if _, err := c.sender(); err != nil {
		return scheduler.Invalid("from", "is not a mail address")
	}
	if _, err := c.recipients(); err != nil {
		return scheduler.Invalid("to", "must be mail addresses with commas between them")
	}
	return firstError(plainText("host", c.Host), plainText("user", c.User), plainText("password", c.Password),
		plainText("from", c.From), plainText("to", c.To), plainText("subject", c.Subject))
}

func (mailer) Complete(config json.RawMessage) bool {
	var c mailConfig
	return decode(config, &c) == nil && c.Host != "" && strings.TrimSpace(c.To) != ""
}

func (c *mailConfig) sender() (*netmail.Address, error) {
	if c.From != "" {
		return netmail.ParseAddress(c.From)
	}
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "localhost"
	}
	return &netmail.Address{Name: "Belfry", Address: "belfry@" + host}, nil
}

func (c *mailConfig) recipients() ([]*netmail.Address, error) {
	to := strings.Trim(strings.TrimSpace(c.To), ",")
	if to == "" {
		return nil, nil
	}
	return netmail.ParseAddressList(to)
}

func (mailer) Send(ctx context.Context, n scheduler.Notification) error {
	if err := (mailer{}).Check(n.Config); err != nil {
		return err // the defaults and a job's own keys may not fit together
	}
	var c mailConfig
	if err := decode(n.Config, &c); err != nil {
		return err
	}
	message, err := c.message(ctx, n)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // closes the connection whatever state it is in
	client, err := c.client(ctx)
	if err != nil {
		return scheduler.Errorf(scheduler.CodeInvalid, "%w", err)
	}
	if err := client.DialWithContext(ctx); err != nil {
		return fmt.Errorf("connect to %s: %w", c.Host, err)
	}
	if err := client.Send(message); err != nil {
		return mailError(err)
	}
	_ = client.Close() // it is sent
	return nil
}

// mailError tells what the server will never take from what it may take later.
func mailError(err error) error {
	var refused *mail.SendError
	if errors.As(err, &refused) && !refused.IsTemp() && refused.ErrorCode() >= 500 {
		return scheduler.Errorf(scheduler.CodeInvalid, "refused: %w", err)
	}
	return err
}

func (c *mailConfig) client(ctx context.Context) (*mail.Client, error) {
	port := c.Port
	switch {
	case port == 0 && c.User != "":
		port = 587
	case port == 0:
		port = 25
	}
	secure := &tls.Config{ServerName: c.Host, InsecureSkipVerify: c.TLSSkipVerify} //nolint:gosec // the job's owner asked for it by name
	limit := time.Minute
	if end, ok := ctx.Deadline(); ok {
		limit = max(time.Until(end), time.Millisecond)
	}
	options := []mail.Option{
		mail.WithPort(port), mail.WithTLSPolicy(mail.TLSOpportunistic), mail.WithTLSConfig(secure), mail.WithTimeout(limit),
		mail.WithDialContextFunc(func(dialing context.Context, network, address string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(dialing, network, address)
			if err != nil {
				return nil, err
			}
			context.AfterFunc(ctx, func() { _ = conn.Close() })
			if port != portSMTPS {
				return conn, nil
			}
			over := tls.Client(conn, secure)
			return over, over.HandshakeContext(dialing)
		}),
	}
	if c.User != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(c.User), mail.WithPassword(c.Password))
	}
	return mail.NewClient(c.Host, options...)
}

func (c *mailConfig) message(ctx context.Context, n scheduler.Notification) (*mail.Msg, error) {
	m := mail.NewMsg()
	from, err := c.sender()
	if err != nil {
		return nil, scheduler.Invalid("from", "is not a mail address")
	}
	to, err := c.recipients()
	if err != nil {
		return nil, scheduler.Invalid("to", "must be mail addresses with commas between them")
	}
	m.FromMailAddress(from)
	m.ToMailAddress(to...)
	subject := oneLine(c.Subject)
	if subject == "" {
		subject = "[Belfry] " + headline(&n.Execution)
	}
	m.Subject(subject)
	m.SetDate()
	// The same for each attempt, so that who gets it twice sees it once.
	m.SetMessageIDWithValue(n.Delivery.ID + "@" + from.Address[strings.LastIndexByte(from.Address, '@')+1:])
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	body, err := mailBody(ctx, n)
	if err != nil {
		return nil, err
	}
	m.SetBodyString(mail.TypeTextPlain, body)
	return m, nil
}

func mailBody(ctx context.Context, n scheduler.Notification) (string, error) {
	body := headline(&n.Execution) + "\n\n" + story(&n.Execution)
	if n.Execution.OutputBytes == 0 {
		return body, nil
	}
	data, more, err := n.Output.Tail(ctx, mailOutput)
	if err != nil {
		return "", err
	}
	title := "Output:"
	if more {
		title = "Output, its end:"
	}
	text := strings.ToValidUTF8(string(data), "\uFFFD")
	return body + "\n" + title + "\n\n" + strings.ReplaceAll(text, "\x00", "\uFFFD"), nil
}
