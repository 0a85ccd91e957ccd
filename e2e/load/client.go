package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// call sends a request with JSON, and reads the answer into out unless it is nil.
func (s *server) call(ctx context.Context, method, path string, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	answer, err := s.fetch(ctx, method, path, "application/json", body)
	if err != nil || out == nil {
		return err
	}
	return json.Unmarshal(answer, out)
}

// fetch returns the body of a successful answer.
func (s *server) fetch(ctx context.Context, method, path, accept string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+s.addr+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", accept)
	req.Header.Set("Content-Type", "application/json")
	if s.token != "" {
		req.Header.Set("Authorization", "Bearer "+s.token)
	} else {
		req.SetBasicAuth("admin", adminPassword)
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, answer)
	}
	return answer, err
}

func (s *server) makeToken(ctx context.Context) error {
	var made struct {
		Secret string `json:"secret"`
	}
	err := s.call(ctx, http.MethodPost, "/settings/tokens", map[string]string{"name": "bench", "role": "admin"}, &made)
	s.token = made.Secret
	return err
}

// job is what is created; execution is what is read of one.
type (
	job struct {
		Name      string         `json:"name"`
		Schedules []schedule     `json:"schedules"`
		Executor  string         `json:"executor"`
		Config    map[string]any `json:"config"`
		Enabled   bool           `json:"enabled"`
	}
	schedule struct {
		Text string `json:"text"`
		Zone string `json:"zone"`
	}
	execution struct {
		ID         string    `json:"id"`
		Job        string    `json:"job"`
		State      string    `json:"state"`
		DueAt      time.Time `json:"due_at"`
		QueuedAt   time.Time `json:"queued_at"`
		StartedAt  time.Time `json:"started_at"`
		FinishedAt time.Time `json:"finished_at"`
		Bytes      int64     `json:"output_bytes"`
		Lines      int64     `json:"output_lines"`
	}
	page[T any] struct {
		Items []T `json:"items"`
		Total int `json:"total"`
	}
)

// trueJob runs /bin/true at the times of schedules, which are read in UTC.
func trueJob(name string, schedules ...string) job {
	j := job{Name: name, Executor: "shell", Config: map[string]any{"argv": []string{"/bin/true"}}, Enabled: true}
	for _, text := range schedules {
		j.Schedules = append(j.Schedules, schedule{text, "UTC"})
	}
	return j
}

// farAhead is a schedule that does not fire while anything is measured, and is
// another one for each i.
func farAhead(i int) string {
	month := time.Now().UTC().AddDate(0, 6, 0).Month()
	return fmt.Sprintf("%d %d %d %d *", i%60, i/60%24, 1+i/1440%28, int(month))
}

// atSecond is a schedule that fires at t, and not again this year.
func atSecond(t time.Time) string {
	t = t.UTC()
	return fmt.Sprintf("%d %d %d %d %d *", t.Second(), t.Minute(), t.Hour(), t.Day(), int(t.Month()))
}

const clients = 4 // that write at the same time

// putJobs creates or changes n jobs. What comes for names is made by draft.
func (s *server) putJobs(ctx context.Context, method string, n int, draft func(i int) job) error {
	group, ctx := errgroup.WithContext(ctx)
	for c := range clients {
		group.Go(func() error {
			w, err := s.dial(ctx)
			if err != nil {
				return err
			}
			defer w.close()
			for i := c; i < n; i += clients {
				j := draft(i)
				body, err := json.Marshal(j)
				if err != nil {
					return err
				}
				path := "/jobs"
				if method == http.MethodPut {
					path += "/" + url.PathEscape(j.Name)
				}
				if status, answer, err := w.send(method, path, body); err != nil || status/100 != 2 {
					return fmt.Errorf("%s %s: %d %s %w", method, path, status, answer, err)
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// count returns how many rows a list has.
func (s *server) count(ctx context.Context, path string) (int, error) {
	separator := "?"
	if strings.Contains(path, "?") {
		separator = "&"
	}
	var p page[json.RawMessage]
	err := s.call(ctx, http.MethodGet, path+separator+"limit=1", nil, &p)
	return p.Total, err
}

// executions reads a list to its end. Rows that come while it reads move others
// to later pages, so that some are read twice and none is missed.
func (s *server) executions(ctx context.Context, query string) ([]execution, error) {
	const most = 1000
	var all []execution
	for {
		var p page[execution]
		path := fmt.Sprintf("/executions?%s&limit=%d&offset=%d", query, most, len(all))
		if err := s.call(ctx, http.MethodGet, path, nil, &p); err != nil {
			return nil, err
		}
		if all = append(all, p.Items...); len(p.Items) < most {
			return all, nil
		}
	}
}

// poll asks again and again until it is done: for what the API has no signal for.
func poll(ctx context.Context, every time.Duration, done func() (bool, error)) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// until waits for an instant.
func until(ctx context.Context, t time.Time) error {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// wire is one keep-alive connection. net/http's client takes as much CPU for a
// small request as the server does, and here both share the same cores.
type wire struct {
	conn   net.Conn
	r      *bufio.Reader
	header string
	buf    []byte
	cancel func() bool
}

func (s *server) dial(ctx context.Context) (*wire, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.addr)
	if err != nil {
		return nil, err
	}
	header := "Host: " + s.addr + "\r\nAuthorization: Bearer " + s.token + "\r\nContent-Type: application/json\r\n"
	return &wire{
		conn: conn, r: bufio.NewReaderSize(conn, 16<<10), header: header,
		cancel: context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }),
	}, nil
}

func (w *wire) close() {
	w.cancel()
	_ = w.conn.Close()
}

// send makes one request with JSON and waits for its answer.
func (w *wire) send(method, path string, body []byte) (status int, answer []byte, err error) {
	w.buf = fmt.Appendf(w.buf[:0], "%s %s HTTP/1.1\r\n%sAccept: application/json\r\nContent-Length: %d\r\n\r\n%s",
		method, path, w.header, len(body), body)
	if _, err := w.conn.Write(w.buf); err != nil {
		return 0, nil, err
	}
	resp, err := http.ReadResponse(w.r, nil)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}
