package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"belfry/scheduler"
)

// Error is the server's own no.
type Error struct {
	Status  int
	Code    string
	Message string
}

func (e *Error) Error() string { return e.Message }

// final reports whether asking again is of no use.
func (e *Error) final() bool {
	switch e.Code {
	case CodeReplaced, string(scheduler.CodeUnauthenticated), string(scheduler.CodeInvalid), string(scheduler.CodeNotFound):
		return true
	}
	return false
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 256 << 20

// call sends one request. An answer that is not this protocol's, from a proxy for
// instance, is an error like no answer at all.
func (c *Client) call(ctx context.Context, path string, in, out any, limit time.Duration) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Server+Prefix+path, bytes.NewReader(body))
	if err != nil {
		return &Error{Code: string(scheduler.CodeInvalid), Message: err.Error()}
	}
	req.Header.Set("Authorization", "Bearer "+c.Token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		var p Problem
		if json.Unmarshal(b, &p) != nil || p.Error.Code == "" {
			return fmt.Errorf("the server answered %s", resp.Status)
		}
		message := p.Error.Message
		for field, what := range p.Error.Fields {
			message += "; " + field + " " + what
		}
		return &Error{Status: resp.StatusCode, Code: p.Error.Code, Message: message}
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(b, out)
}

// backoff grows with each failure.
type backoff time.Duration

func (b *backoff) next() time.Duration {
	d := max(time.Duration(*b), firstWait)
	*b = backoff(min(2*d, maxWait))
	return d/2 + rand.N(d)
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
