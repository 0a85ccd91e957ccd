package notify

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"mime"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"belfry/scheduler"
)

// mailbox is a mail server that keeps what it gets.
type mailbox struct {
	mu       sync.Mutex
	from     string
	to       []string
	data     []byte
	loggedIn string
	secure   bool
	refuse   error
	port     int
}

func newMailbox(t *testing.T, secure *tls.Config) *mailbox {
	t.Helper()
	m := &mailbox{}
	s := smtp.NewServer(m)
	s.Domain, s.TLSConfig = "localhost", secure
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m.port = l.Addr().(*net.TCPAddr).Port
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l)
	}()
	t.Cleanup(func() {
		_ = s.Close()
		<-done
	})
	return m
}

func (m *mailbox) NewSession(c *smtp.Conn) (smtp.Session, error) { return &mailSession{m, c}, nil }

type mailSession struct {
	*mailbox
	conn *smtp.Conn
}

func (s *mailSession) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *mailSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if password != "s3cret" {
			return errors.New("wrong")
		}
		s.loggedIn = user
		return nil
	}), nil
}

func (s *mailSession) Mail(from string, _ *smtp.MailOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, s.secure = s.conn.TLSConnectionState()
	s.from = from
	return nil
}

func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.to = append(s.to, to)
	return s.refuse
}

func (s *mailSession) Data(r io.Reader) error {
	data, err := io.ReadAll(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.data = data
	return err
}

func (s *mailSession) Reset()        {}
func (s *mailSession) Logout() error { return nil }

// certificate is one that nobody has signed.
func certificate(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// ending is a notification of a run that failed.
func ending(config string, output string) scheduler.Notification {
	code, start := 3, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return scheduler.Notification{
		Delivery: scheduler.Delivery{ID: "delivery"}, Config: json.RawMessage(config), Output: text(output),
		Execution: scheduler.Execution{
			ID: "0190", JobName: "backup", State: scheduler.Failed, Reason: "exit code 3", Attempt: 2, ExitCode: &code,
			StartedAt: start, FinishedAt: start.Add(90 * time.Second), OutputBytes: int64(len(output)),
			Trigger: scheduler.Trigger{Kind: scheduler.TriggerSchedule},
		},
	}
}

type text string

func (o text) Tail(_ context.Context, max int) ([]byte, bool, error) {
	return []byte(o[len(o)-min(len(o), max):]), len(o) > max, nil
}

func (o text) Each(context.Context, func(scheduler.Chunk, scheduler.Gap) error) error { return nil }

func (m *mailbox) config(more string) string {
	return fmt.Sprintf(`{"host":"127.0.0.1","port":%d,"from":"Bell <belfry@example.com>","to":"a@example.com, Ops <b@example.com>"%s}`, m.port, more)
}

func (m *mailbox) message(t *testing.T) (subject, body string, header netmail.Header) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	msg, err := netmail.ReadMessage(bytes.NewReader(m.data))
	if err != nil {
		t.Fatalf("%v in\n%s", err, m.data)
	}
	if subject, err = new(mime.WordDecoder).DecodeHeader(msg.Header.Get("Subject")); err != nil {
		t.Error(err)
	}
	b, err := io.ReadAll(quotedprintable.NewReader(msg.Body))
	if err != nil {
		t.Error(err)
	}
	return subject, strings.ReplaceAll(string(b), "\r\n", "\n"), msg.Header
}

func TestMail(t *testing.T) {
	m := newMailbox(t, nil)
	if err := (mailer{}).Send(t.Context(), ending(m.config(""), "first\n.\nwörld \xff\n")); err != nil {
		t.Fatal(err)
	}
	subject, body, header := m.message(t)
	if subject != "[Belfry] backup failed (exit code 3)" || m.from != "belfry@example.com" || strings.Join(m.to, " ") != "a@example.com b@example.com" {
		t.Errorf("%q from %s to %v", subject, m.from, m.to)
	}
	for _, part := range []string{"Job:       backup\n", "State:     failed\n", "Took:      1m30s\n", "Exit code: 3\n", "Attempt:   2\n", "\nOutput:\n\nfirst\n.\nwörld \uFFFD\n"} {
		if !strings.Contains(body, part) {
			t.Errorf("the body lacks %q:\n%s", part, body)
		}
	}
	if header.Get("Message-ID") != "<delivery@example.com>" || header.Get("Auto-Submitted") != "auto-generated" || header.Get("Date") == "" {
		t.Errorf("the header is %v", header)
	}
}

// TestMailTLS: with a user, nothing goes without TLS and a login; a certificate
// that nobody knows is refused unless the job says otherwise.
func TestMailTLS(t *testing.T) {
	secure, open := newMailbox(t, certificate(t)), newMailbox(t, nil)
	const login = `,"user":"me","password":"s3cret"`
	if err := (mailer{}).Send(t.Context(), ending(secure.config(login+`,"tls_skip_verify":true`), "")); err != nil {
		t.Fatal(err)
	}
	if !secure.secure || secure.loggedIn != "me" {
		t.Errorf("sent with TLS: %t, by %q", secure.secure, secure.loggedIn)
	}
	for name, config := range map[string]string{
		"unknown certificate": secure.config(login),
		"wrong password":      secure.config(`,"user":"me","password":"wrong","tls_skip_verify":true`),
		"no TLS":              open.config(login),
	} {
		secure.data, open.data = nil, nil
		err := (mailer{}).Send(t.Context(), ending(config, ""))
		if err == nil || secure.data != nil || open.data != nil {
			t.Errorf("%s: sent, %v", name, err)
		}
		if scheduler.CodeOf(err) == scheduler.CodeInvalid || strings.Contains(fmt.Sprint(err), "s3cret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestMailRefused: what the server will never take is final, all else is not.
func TestMailRefused(t *testing.T) {
	m := newMailbox(t, nil)
	for code, want := range map[int]scheduler.Code{550: scheduler.CodeInvalid, 451: scheduler.CodeInternal} {
		m.refuse = &smtp.SMTPError{Code: code, Message: "not here"}
		err := (mailer{}).Send(t.Context(), ending(m.config(""), ""))
		if scheduler.CodeOf(err) != want || !strings.Contains(fmt.Sprint(err), "not here") {
			t.Errorf("%d: %v", code, err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // it never answers
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	m.port = l.Addr().(*net.TCPAddr).Port
	if err := (mailer{}).Send(ctx, ending(m.config(""), "")); err == nil || scheduler.CodeOf(err) == scheduler.CodeInvalid {
		t.Errorf("a server that does not answer: %v", err)
	}
}

// TestMailInjection: nothing that a job is called, says or writes begins a header
// or ends the message.
func TestMailInjection(t *testing.T) {
	m := newMailbox(t, nil)
	n := ending(m.config(`,"subject":""`), "x\r\n.\r\nQUIT\r\n"+strings.Repeat("y", mailOutput))
	n.Execution.JobName, n.Execution.Reason = "a\r\nBcc: evil@example.com\r\n\r\nbody", "b\nTo: evil@example.com"
	if err := (mailer{}).Send(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	subject, body, header := m.message(t)
	if header.Get("Bcc") != "" || len(header["To"]) != 1 || !strings.HasPrefix(subject, "[Belfry] a Bcc: evil@example.com body failed (b To: ") {
		t.Errorf("%q, %v", subject, header)
	}
	if !strings.Contains(body, "Output, its end:") || strings.Contains(body, "\nBcc:") {
		t.Errorf("the body is %.500s", body)
	}
	for _, config := range []string{
		`{"to":"a@example.com\r\nBcc: b@example.com"}`, `{"from":"a@example.com\nX: y"}`, `{"subject":"a\nb"}`, `{"host":"a b"}`, `{"host":"a\r\n"}`,
		`{"port":99999}`, `{"port":"25"}`, `{"to":"nobody"}`, `{"user":"a\u0000"}`, `{"unknown":1}`, `[]`, `7`,
	} {
		if err := (mailer{}).Check(json.RawMessage(config)); scheduler.CodeOf(err) != scheduler.CodeInvalid {
			t.Errorf("%s: %v", config, err)
		}
	}
	for config, want := range map[string]bool{`{}`: false, `{"host":"h"}`: false, `{"to":"a@b"}`: false, `{"host":"h","to":"a@b"}`: true} {
		if err := (mailer{}).Check(json.RawMessage(config)); err != nil || (mailer{}).Complete(json.RawMessage(config)) != want {
			t.Errorf("%s: %v, complete: %t", config, err, !want)
		}
	}
}
