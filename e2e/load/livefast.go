package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"
)

// paceCommand makes this program a job that writes lines at a rate for a time.
const paceCommand = "pace"

// paceMain writes args[0] lines a second for args[1] seconds. What it says last is
// how much longer it took: a job must not be slowed by who reads its output.
func paceMain(args []string) int {
	rate, _ := strconv.Atoi(args[0])
	window, _ := strconv.Atoi(args[1])
	out := bufio.NewWriterSize(os.Stdout, 64<<10)
	begin := time.Now()
	for i := range rate * window {
		if i%(rate/100) == 0 {
			if err := out.Flush(); err != nil {
				return 1
			}
			time.Sleep(time.Until(begin.Add(time.Duration(i) * time.Second / time.Duration(rate))))
		}
		fmt.Fprintf(out, "line %d of many\n", i+1)
	}
	fmt.Fprintf(out, "late %d\n", time.Since(begin.Add(time.Duration(window)*time.Second)).Milliseconds())
	if out.Flush() != nil {
		return 1
	}
	return 0
}

// liveFast lets a job write 50,000 lines a second while a page follows it.
func liveFast(ctx context.Context, b *bench) error {
	const rate = 50_000
	window := b.pick(60, 5)
	s, err := b.serve(ctx)
	if err != nil {
		return err
	}
	defer s.stop()
	self, err := selfPath()
	if err != nil {
		return err
	}
	worked, _ := cpuOf(s.pid())
	id, err := s.start(ctx, "fast", fmt.Sprintf("exec %s %s %d %d", self, paceCommand, rate, window))
	if err != nil {
		return err
	}
	st, err := s.listen(ctx, "?format=html&topics=execution:"+id)
	if err != nil {
		return err
	}
	defer st.close()
	frames, bytesSent := 0, 0
	for {
		event, data, err := st.next()
		if err != nil {
			return err
		}
		if event == "end" {
			break
		}
		if event == "output" {
			frames++
			bytesSent += len(data)
		}
	}
	e, err := s.finished(ctx, id)
	if err != nil {
		return err
	}
	now, _ := cpuOf(s.pid())
	took := e.FinishedAt.Sub(e.StartedAt)
	r := &b.results
	late, whole, err := s.checkPaced(ctx, id, rate*window)
	if err != nil {
		return err
	}
	r.must(fmt.Sprintf("%d lines/s for %d s, stored", rate, window), fmt.Sprintf("%d lines, %s", e.Lines-1, mb(e.Bytes)), "every byte", whole)
	r.check("the job ended", fmt.Sprintf("%d ms after its time; the run took %s", late, seconds(took)), "not slowed: 500 ms", late <= 500)
	r.check("updates of a page that follows", fmt.Sprintf("%.1f/s, %s/s", float64(frames)/took.Seconds(), mb(int64(float64(bytesSent)/took.Seconds()))), "10/s",
		float64(frames)/took.Seconds() <= 10.5)
	r.note("CPU of the server meanwhile", fmt.Sprintf("%.0f %% of a core", 100*(now-worked).Seconds()/took.Seconds()))
	return nil
}

// checkPaced reads the whole output and compares it with what was written.
func (s *server) checkPaced(ctx context.Context, id string, lines int) (late int, whole bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr+"/executions/"+id+"/output", nil)
	if err != nil {
		return 0, false, err
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	resp, err := s.http.Do(req)
	if err != nil {
		return 0, false, err
	}
	defer resp.Body.Close()
	got, want := sha256.New(), sha256.New()
	in := bufio.NewReader(resp.Body)
	n := 0
	for {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, false, err
		}
		if rest, ok := bytes.CutPrefix(line, []byte("late ")); ok {
			late, err = strconv.Atoi(string(bytes.TrimSpace(rest)))
			if err != nil {
				return 0, false, err
			}
			break
		}
		n++
		got.Write(line)
		fmt.Fprintf(want, "line %d of many\n", n)
	}
	return late, n == lines && bytes.Equal(got.Sum(nil), want.Sum(nil)), nil
}
