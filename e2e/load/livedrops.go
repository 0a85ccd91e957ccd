package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// dropJob writes lines of two streams, and parts of lines, until it is stopped.
const dropJob = `i=0; while :; do i=$((i+1)); printf 'line %d ' $i; echo of many; [ $((i % 7)) = 0 ] && echo "and $i" >&2; sleep 0.005; done`

// liveDrops lets a program that follows a run lose its connection 1,000 times, in
// the middle of events too, and the server be restarted after the run. It must
// have every byte once.
func liveDrops(ctx context.Context, b *bench) error {
	s, err := b.serve(ctx)
	if err != nil {
		return err
	}
	defer func() { s.stop() }()
	id, err := s.start(ctx, "talker", dropJob)
	if err != nil {
		return err
	}
	wanted := b.pick(1000, 50)
	l := &listener{server: s, id: id, lines: map[int64]string{}}
	r := rand.New(rand.NewPCG(1, 2))
	begin := time.Now()
	for l.drops < wanted {
		if err := l.connect(ctx, r); err != nil {
			return err
		}
	}
	took := time.Since(begin)
	if err := s.call(ctx, http.MethodPost, "/executions/"+id+"/stop", nil, nil); err != nil {
		return err
	}
	if _, err := s.finished(ctx, id); err != nil {
		return err
	}
	s.stop()
	if s, err = s.restart(ctx); err != nil {
		return err
	}
	l.server = s
	for !l.ended {
		if err := l.connect(ctx, nil); err != nil {
			return err
		}
	}
	raw, err := s.fetch(ctx, http.MethodGet, "/executions/"+id+"/output", "*/*", nil)
	if err != nil {
		return err
	}
	var got strings.Builder
	for n := int64(1); n <= int64(len(l.lines)); n++ {
		got.WriteString(l.lines[n] + "\n")
	}
	same := got.String() == string(raw)
	b.results.must(fmt.Sprintf("%d drops and a restart of the server", l.drops),
		fmt.Sprintf("%d lines, %s, in %s; %d came twice, equal to what is stored: %t", len(l.lines), mb(int64(len(raw))), seconds(took), l.twice, same),
		"nothing missing, nothing twice", same && l.twice == 0)
	return nil
}

// listener keeps what a program reads over many connections.
type listener struct {
	server *server
	id     string
	cursor string
	lines  map[int64]string
	whole  int64 // lines up to here are known to be whole
	drops  int
	twice  int // whole lines that came again
	ended  bool
}

// connect reads from where the last connection was, until a random number of bytes
// has come; without r to the end.
func (l *listener) connect(ctx context.Context, r *rand.Rand) error {
	st, err := l.server.listen(ctx, "?topics=execution:"+l.id+"&cursor="+url.QueryEscape(l.cursor))
	if err != nil {
		return err
	}
	defer st.close()
	if r != nil {
		l.drops++
		if r.IntN(4) > 0 { // others are cut within an event
			_ = st.conn.SetReadDeadline(time.Now().Add(time.Duration(r.IntN(150)) * time.Millisecond))
		} else if _, err := st.body.Discard(r.IntN(3000)); err != nil {
			return err
		} else {
			return nil
		}
	}
	for {
		event, data, err := st.next()
		switch {
		case err != nil && r != nil:
			return ctx.Err()
		case err != nil:
			return err
		case event == "end":
			l.ended = true
			return nil
		case event == "output":
			if err := l.take(data); err != nil {
				return err
			}
		}
		if st.id != "" {
			l.cursor = st.id
		}
	}
}

func (l *listener) take(data []byte) error {
	var frame struct {
		Lines []struct {
			N    int64  `json:"n"`
			Text string `json:"text"`
			Open bool   `json:"open"`
		} `json:"lines"`
	}
	if err := json.Unmarshal(data, &frame); err != nil {
		return err
	}
	for _, line := range frame.Lines {
		switch {
		case line.N <= l.whole:
			l.twice++
		case line.N > l.whole+1:
			return fmt.Errorf("line %d follows line %d", line.N, l.whole)
		}
		l.lines[line.N] = line.Text
		if !line.Open {
			l.whole = max(l.whole, line.N)
		}
	}
	return nil
}
