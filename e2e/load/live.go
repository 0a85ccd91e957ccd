package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

const (
	liveLines = 200
	// clockJob prints the time as it writes each line. date is a process, which
	// takes a millisecond or two: the pace is a little slower than 20 ms.
	clockJob = "i=0; while [ $i -lt 200 ]; do date +%s%N; sleep 0.02; i=$((i+1)); done"
)

// live measures how long a line of output is on its way from the process that
// writes it to a program that follows the execution's events.
func live(ctx context.Context, b *bench) error {
	s, err := b.serve(ctx)
	if err != nil {
		return err
	}
	defer s.stop()
	id, err := s.start(ctx, "clock", clockJob)
	if err != nil {
		return err
	}
	st, err := s.listen(ctx, "?topics=execution:"+id)
	if err != nil {
		return err
	}
	defer st.close()
	late, err := follow(st)
	if err != nil {
		return err
	}
	b.results.check("a line, from write to client", late.String(), "p95 250 ms", late.at(0.95) <= 250*time.Millisecond)
	b.results.must("lines, in order and once", fmt.Sprintf("%d of %d", len(late), liveLines), "all", len(late) == liveLines)
	return nil
}

// start makes a job of a command, whose output is kept whole, and runs it.
func (s *server) start(ctx context.Context, name, command string) (id string, err error) {
	j := map[string]any{
		"name": name, "executor": "shell", "config": map[string]string{"command": command}, "schedules": []schedule{},
		"output_limit": map[string]int64{"head": 1 << 20, "tail": 1 << 30},
	}
	if err := s.call(ctx, http.MethodPost, "/jobs", j, nil); err != nil {
		return "", err
	}
	var started struct {
		ID string `json:"id"`
	}
	err = s.call(ctx, http.MethodPost, "/jobs/"+name+"/run", nil, &started)
	return started.ID, err
}

// finished waits for an execution's end.
func (s *server) finished(ctx context.Context, id string) (e execution, err error) {
	err = poll(ctx, 50*time.Millisecond, func() (bool, error) {
		err := s.call(ctx, http.MethodGet, "/executions/"+id, nil, &e)
		return !e.FinishedAt.IsZero(), err
	})
	return e, err
}

// follow reads the lines of an execution until it has ended. A line that is
// still open comes again when it is whole.
func follow(st *stream) (late times, err error) {
	for {
		event, data, err := st.next()
		now := time.Now()
		if err != nil || event == "end" {
			return late, err
		}
		if event != "output" {
			continue
		}
		var frame struct {
			Lines []struct {
				N    int    `json:"n"`
				Text string `json:"text"`
				Open bool   `json:"open"`
			} `json:"lines"`
		}
		if err := json.Unmarshal(data, &frame); err != nil {
			return nil, err
		}
		for _, line := range frame.Lines {
			if line.Open {
				continue
			}
			if line.N != len(late)+1 {
				return nil, fmt.Errorf("line %d follows line %d", line.N, len(late))
			}
			printed, err := strconv.ParseInt(line.Text, 10, 64)
			if err != nil {
				return nil, err
			}
			late = append(late, now.Sub(time.Unix(0, printed)))
		}
	}
}
