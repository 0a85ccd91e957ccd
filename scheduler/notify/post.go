package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"belfry/scheduler"
)

// postTimeout is how long an answer may take.
const postTimeout = 15 * time.Second

// slack posts to an incoming webhook of Slack, or of what understands the same.
type slack struct{}

type slackConfig struct {
	Webhook string `json:"webhook"`
	Channel string `json:"channel"`
}

func (slack) Secrets() []string { return []string{"webhook"} }
func (slack) Targets() []string { return nil } // the secret is the address

func (slack) Check(config json.RawMessage) error {
	var c slackConfig
	if err := decode(config, &c); err != nil {
		return err
	}
	return firstError(checkURL("webhook", c.Webhook), plainText("channel", c.Channel))
}

func (slack) Complete(config json.RawMessage) bool {
	var c slackConfig
	return decode(config, &c) == nil && c.Webhook != ""
}

func (slack) Send(ctx context.Context, n scheduler.Notification) error {
	var c slackConfig
	if err := decode(n.Config, &c); err != nil {
		return err
	}
	return post(ctx, "webhook", c.Webhook, struct {
		Text    string `json:"text"`
		Channel string `json:"channel,omitempty"`
	}{slackText(&n.Execution), c.Channel})
}

// slackText is the headline with what Slack reads as markup made harmless.
func slackText(e *scheduler.Execution) string {
	text := headline(e)
	if took, ok := tookOf(e); ok {
		text += " after " + took.Round(time.Millisecond).String()
	}
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text + "\nexecution " + e.ID)
}

// webhook posts the facts about an execution as JSON.
type webhook struct{}

type webhookConfig struct {
	URL string `json:"url"`
}

func (webhook) Secrets() []string { return []string{"url"} }
func (webhook) Targets() []string { return nil }

func (webhook) Check(config json.RawMessage) error {
	var c webhookConfig
	if err := decode(config, &c); err != nil {
		return err
	}
	return checkURL("url", c.URL)
}

func (webhook) Complete(config json.RawMessage) bool {
	var c webhookConfig
	return decode(config, &c) == nil && c.URL != ""
}

func (webhook) Send(ctx context.Context, n scheduler.Notification) error {
	var c webhookConfig
	if err := decode(n.Config, &c); err != nil {
		return err
	}
	return post(ctx, "url", c.URL, struct {
		Delivery  string `json:"delivery"` // the same each time that this is sent
		Execution facts  `json:"execution"`
	}{n.Delivery.ID, factsOf(&n.Execution)})
}

func checkURL(key, text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return scheduler.Invalid(key, "must be an http or https address")
	}
	return nil
}

// post sends a JSON document. The address is a secret: it is in no error.
func post(ctx context.Context, key, address string, document any) error {
	if err := checkURL(key, address); err != nil {
		return err
	}
	body, err := json.Marshal(document)
	if err != nil {
		return scheduler.Errorf(scheduler.CodeInvalid, "%w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, postTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return scheduler.Invalid(key, "must be an http or https address")
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "Belfry")
	client := &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: 1 << 20,
			DialContext: (&net.Dialer{Timeout: postTimeout}).DialContext,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	answer, err := client.Do(r)
	if err != nil {
		return postError(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return fmt.Errorf("answered %d", answer.StatusCode)
	}
	return nil
}

func postError(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no answer within %s", postTimeout)
	}
	var whole *url.Error
	if errors.As(err, &whole) {
		return whole.Err // without the address
	}
	return err
}
