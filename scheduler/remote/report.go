package remote

import (
	"context"
	"errors"
	"time"

	"belfry/scheduler"
)

// most bounds what one request holds: data counts by what base64 makes of it, and
// each piece by its numbers.
const most = 600 << 10

func weight(c *scheduler.Chunk) int { return len(c.Data)*4/3 + 12*len(c.Pieces) }

// AddOutput stores output. It is tried until the server has it: what was sent twice
// is stored once. Of an execution that the server does not count on any more, it is
// dropped. It never fails.
func (c *Client) AddOutput(ctx context.Context, id string, out scheduler.Output, end int64) error {
	for _, part := range split(out) {
		_ = c.insist(ctx, id, "/output", func(s Session) any {
			return OutputIn{Session: s, Execution: id, End: part.end, Output: FromOutput(part.Output)}
		})
	}
	return nil
}

type part struct {
	scheduler.Output
	end int64 // of what is stored then
}

// split cuts output into what one request can hold. Each part ends behind the one
// before, so that the server can tell which it has.
func split(out scheduler.Output) (parts []part) {
	var now part
	held := 0
	add := func(c *scheduler.Chunk, put func()) {
		if held > 0 && held+weight(c) > most {
			parts, now, held = append(parts, now), part{}, 0
		}
		put()
		held += weight(c)
		now.end = c.EndByte()
	}
	for _, c := range out.Seal {
		add(&c, func() { now.Seal = append(now.Seal, c) })
	}
	if a := out.Append; a != nil {
		add(a, func() { now.Append = a })
	}
	now.Cut, now.Progress = out.Cut, out.Progress // they come with the last
	return append(parts, now)
}

// Finish stores how a run ended, with the rest of its output. It is tried until the
// server has it. CodeConflict: the server does not count on it any more.
func (c *Client) Finish(ctx context.Context, e scheduler.Ending) error {
	parts := split(e.Output)
	id, last := e.Execution.ID, parts[len(parts)-1]
	for _, p := range parts[:len(parts)-1] {
		if err := c.AddOutput(ctx, id, p.Output, p.end); err != nil {
			return err
		}
	}
	x := e.Execution
	err := c.insist(ctx, id, "/finish", func(s Session) any {
		return FinishIn{
			Session: s, Execution: id, State: string(x.State), Reason: x.Reason, ExitCode: x.ExitCode, Signal: x.Signal,
			PeakMemory: x.PeakMemory, CPUTimeUS: x.CPUTime.Microseconds(), FinishedAt: x.FinishedAt, Output: FromOutput(last.Output),
		}
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.runs, id)
	return err
}

// insist sends something about an execution until the server has taken it.
// CodeConflict: it does not want it any more.
func (c *Client) insist(ctx context.Context, id, path string, make func(Session) any) error {
	c.mu.Lock()
	r := c.runs[id]
	c.mu.Unlock()
	gone := scheduler.Errorf(scheduler.CodeConflict, "the server does not count on this execution any more")
	if r == nil {
		return gone
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var pause backoff
	in := make(Session{c.Name, r.epoch})
	for {
		err := c.call(ctx, path, in, nil, 30*time.Second)
		var p *Error
		if err == nil {
			return nil
		}
		if errors.As(err, &p) {
			switch p.Code {
			case CodeFenced, CodeReplaced, string(scheduler.CodeUnauthenticated):
				c.look(err, r.epoch)
				c.forget(id, r)
				return gone
			case string(scheduler.CodeConflict), string(scheduler.CodeNotFound), string(scheduler.CodeInvalid), string(scheduler.CodeTooLarge):
				c.Log.Warn("the server refused what a run left", "execution", id, "why", p.Message)
				c.forget(id, r)
				return gone
			}
		}
		c.Log.Debug("send what a run left", "execution", id, "error", err)
		select {
		case <-time.After(pause.next()):
		case <-r.over:
			return gone
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// forget stops a run that the server does not count on, unless that was done.
func (c *Client) forget(id string, r *run) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.runs[id] == r {
		c.abandon(id, r)
	}
}
