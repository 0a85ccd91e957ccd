package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"
)

// stream is one EventSource.
type stream struct {
	conn   net.Conn
	answer io.ReadCloser
	body   *bufio.Reader // of the answer
	stop   func() bool
	id     string // of the last event that came whole
}

// listen opens GET /events with a query, and returns when the server has begun
// the stream: from then on nothing is missed.
func (s *server) listen(ctx context.Context, query string) (*stream, error) {
	return s.listenBy(ctx, new(net.Dialer), query)
}

// narrow makes connections as a far reader has them. Over loopback segments are
// so large that the kernel alone keeps megabytes for one that takes nothing.
var narrow = net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096)
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, 1400)
	})
}}

func (s *server) listenBy(ctx context.Context, dialer *net.Dialer, query string) (*stream, error) {
	conn, err := dialer.DialContext(ctx, "tcp", s.addr)
	if err != nil {
		return nil, err
	}
	st := &stream{conn: conn, stop: context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })}
	if err := st.begin(s, query); err != nil {
		st.close()
		return nil, fmt.Errorf("GET /events%s: %w", query, err)
	}
	return st, nil
}

func (st *stream) begin(s *server, query string) error {
	_, err := fmt.Fprintf(st.conn, "GET /events%s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nAccept: text/event-stream\r\n\r\n",
		query, s.addr, s.token)
	if err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReader(st.conn), nil) //nolint:bodyclose // close does, after the connection
	if err != nil {
		return err
	}
	st.answer = resp.Body
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	st.body = bufio.NewReader(st.answer)
	_, err = st.body.ReadString('\n') // the comment "connected"
	return err
}

func (st *stream) close() {
	st.stop()
	_ = st.conn.Close() // first: closing an answer reads to its end
	if st.answer != nil {
		_ = st.answer.Close()
	}
}

// next returns the next event that has data; io.EOF when the server has ended
// the stream.
func (st *stream) next() (event string, data []byte, err error) {
	var id []byte
	for {
		line, err := st.body.ReadBytes('\n')
		if err != nil {
			return "", nil, err
		}
		line = bytes.TrimSuffix(line, []byte("\n"))
		switch field, value, _ := bytes.Cut(line, []byte(": ")); {
		case len(line) == 0 && len(data) > 0:
			if len(id) > 0 {
				st.id = string(id)
			}
			return event, data, nil
		case string(field) == "id":
			id = value
		case len(line) == 0:
			event = ""
		case string(field) == "event":
			event = string(value)
		case string(field) == "data":
			data = append(data, value...)
		}
	}
}

// endsWithin reports whether the server ends the stream within a time, whatever
// still comes before its end.
func (st *stream) endsWithin(limit time.Duration) bool {
	st.stop()
	_ = st.conn.SetReadDeadline(time.Now().Add(limit))
	_, err := io.Copy(io.Discard, st.conn)
	return !errors.Is(err, context.DeadlineExceeded) && !isTimeout(err)
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
