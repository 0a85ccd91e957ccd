package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// clientFlags say which server to talk to, and as whom.
type clientFlags struct {
	Server   string `help:"Address of the running server." default:"http://127.0.0.1:8080" placeholder:"URL"`
	Token    string `help:"API token." placeholder:"TOKEN"`
	User     string `help:"User name, instead of a token." placeholder:"NAME"`
	Password string `help:"That user's password." placeholder:"PASSWORD"`
}

// client calls the native JSON API.
type client struct {
	clientFlags
	http *http.Client
}

func (f clientFlags) client() *client {
	return &client{f, &http.Client{Transport: &http.Transport{ResponseHeaderTimeout: 30 * time.Second}}}
}

// problem is an error answer of the server, RFC 9457.
type problem struct {
	Status int    `json:"-"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Errors []struct {
		Field   string `json:"field"`
		Message string `json:"message"`
	} `json:"errors"`
}

func (p problem) Error() string {
	text := p.Detail
	if text == "" {
		text = p.Title
	}
	for _, e := range p.Errors {
		text += "; " + e.Field + " " + e.Message
	}
	return text
}

// open sends a request and returns the body of an answer that is not an error.
func (c *client) open(ctx context.Context, method, path, accept string, header http.Header) (io.ReadCloser, error) {
	return c.send(ctx, method, path, accept, header, nil)
}

// send is open with a body, unless it is nil.
func (c *client) send(ctx context.Context, method, path, accept string, header http.Header, content []byte) (io.ReadCloser, error) {
	base := strings.TrimSuffix(c.Server, "/")
	req, err := http.NewRequestWithContext(ctx, method, base+path, bytes.NewReader(content))
	if err != nil {
		return nil, fmt.Errorf("--server: %w", err)
	}
	for k, v := range header {
		req.Header[k] = v
	}
	req.Header.Set("Accept", accept)
	switch {
	case c.Token != "":
		req.Header.Set("Authorization", "Bearer "+c.Token)
	case c.User != "":
		req.SetBasicAuth(c.User, c.Password)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("cannot reach the server: %w", err)
	}
	if resp.StatusCode < 400 {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	p := problem{Status: resp.StatusCode}
	if json.Unmarshal(b, &p) != nil || p.Error() == "" {
		p.Title = "the server answered " + resp.Status
	}
	if p.Status == http.StatusUnauthorized && c.Token == "" && c.User == "" {
		p.Detail = "log in: set BELFRY_TOKEN, or --user and --password (`belfry token create NAME` makes a token)"
	}
	return nil, p
}

// call sends a request and decodes the JSON answer into v, if there is one to fill.
func (c *client) call(ctx context.Context, method, path string, v any) error {
	body, err := c.open(ctx, method, path, "application/json", nil)
	if err != nil {
		return err
	}
	defer body.Close()
	if v == nil {
		return nil
	}
	return json.NewDecoder(body).Decode(v)
}

// events calls fn with each server-sent event of the topics, from lastID on,
// until fn reports done or the stream ends. It returns the last id.
func (c *client) events(ctx context.Context, topics, lastID string, fn func(event string, data []byte) (done bool, err error)) (string, bool, error) {
	header := http.Header{}
	if lastID != "" {
		header.Set("Last-Event-ID", lastID)
	}
	body, err := c.open(ctx, http.MethodGet, "/events?topics="+url.QueryEscape(topics), "text/event-stream", header)
	if err != nil {
		return lastID, false, err
	}
	defer body.Close()
	lines := bufio.NewReader(body)
	var event, id string
	var data []byte
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return lastID, false, nil // the server is stopping, or the network is: the caller comes back
		}
		line = bytes.TrimRight(line, "\r\n")
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(name) {
		case "id":
			id = string(value)
		case "event":
			event = string(value)
		case "data":
			data = append(append(data, value...), '\n')
		}
		if len(line) > 0 || len(data) == 0 {
			continue
		}
		done, err := fn(event, data)
		lastID, event, data = id, "", nil
		if done || err != nil {
			return lastID, done, err
		}
	}
}
