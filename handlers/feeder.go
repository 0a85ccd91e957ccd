package handlers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/a-h/templ"

	"belfry/scheduler"
	"belfry/views"
)

// replay sends what changed since the reader's last id. A page without one gets
// what may have changed since its HTML was made; a program begins with now.
func (f *feeder) replay(ctx context.Context) {
	if !f.watch.board {
		return
	}
	if f.watch.since.IsZero() {
		f.watch.since = f.server.Now()
		if !f.watch.html {
			return
		}
		f.watch.since = f.watch.since.Add(-boardReplay)
	}
	f.sendChangedSince(ctx)
}

func (f *feeder) sendChangedSince(ctx context.Context) {
	// A second of overlap: what was committed with an older time than it was
	// published at must not fall between.
	changed, err := f.server.Store.ChangedSince(ctx, f.watch.since.Add(-time.Second), 1000)
	if err != nil {
		f.report(ctx, err)
		return
	}
	f.watch.since = f.server.Now()
	f.sendChanges(ctx, changed)
}

func (f *feeder) sendBoard(ctx context.Context, u scheduler.Update) {
	switch {
	case !f.watch.board:
	case u.Lagged:
		f.sendChangedSince(ctx)
	case len(u.Events) > 0:
		f.watch.since = f.server.Now()
		var changed []scheduler.Execution
		tree, workers := false, map[string]bool{}
		for _, e := range u.Events {
			if e.Execution != nil {
				changed = append(changed, *e.Execution)
			} else if e.Kind == scheduler.TreeChanged {
				tree = true
			} else if e.Kind == scheduler.WorkerChanged {
				workers[e.Worker] = true
			} else if !f.watch.html {
				f.sendJSON(ctx, "job", map[string]string{"id": e.JobID})
			} else if e.JobID == "" { // everything was paused, or goes on
				f.page.Freeze = f.server.Service.Frozen()
				f.render(ctx, "execution", views.FreezePatch(f.page))
			}
		}
		f.sendWorkers(ctx, workers)
		f.sendChanges(ctx, changed)
		if tree {
			f.sendTree(ctx)
		}
	}
}

// sendTree tells that something in the tree changed.
func (f *feeder) sendTree(ctx context.Context) {
	if f.watch.html {
		f.render(ctx, "execution", views.TreeChanged())
	} else {
		f.sendJSON(ctx, "tree", map[string]bool{"changed": true})
	}
}

// sendWorkers tells which workers changed; a page only that some did.
func (f *feeder) sendWorkers(ctx context.Context, changed map[string]bool) {
	if len(changed) > 0 && f.watch.html {
		f.render(ctx, "execution", views.WorkersChanged())
		return
	}
	for name := range changed {
		f.sendJSON(ctx, "worker", map[string]string{"name": name})
	}
}

// sendChanges sends executions: to a program each change, to a page one frame
// with the newest state of each.
func (f *feeder) sendChanges(ctx context.Context, changed []scheduler.Execution) {
	if !f.watch.html {
		for i := range changed {
			f.sendJSON(ctx, "execution", f.server.presentExecution(changed[i]))
		}
		return
	}
	newest := map[string]int{}
	for i := range changed {
		newest[changed[i].ID] = i
	}
	var kept []scheduler.Execution
	for _, i := range slices.Sorted(mapValues(newest)) {
		kept = append(kept, changed[i])
	}
	rows, err := f.server.executionRows(ctx, kept)
	if err != nil {
		f.report(ctx, err)
		return
	}
	f.page.Now = f.server.Now()
	var b bytes.Buffer
	for _, r := range rows {
		if err := views.ExecutionPatch(f.page, r).Render(ctx, &b); err != nil {
			f.report(ctx, err)
			return
		}
	}
	f.sendHTML(ctx, "execution", b.Bytes())
}

func mapValues(m map[string]int) func(func(int) bool) {
	return func(yield func(int) bool) {
		for _, v := range m {
			if !yield(v) {
				return
			}
		}
	}
}

// sendExecution sends what is new of the watched execution, and reports whether
// it has ended. The state is read before the output: when it is final, the output
// that follows is all there is.
func (f *feeder) sendExecution(ctx context.Context) (ended bool) {
	if f.watch.execution == "" {
		return false
	}
	e, err := f.server.Store.Execution(ctx, f.watch.execution)
	if err != nil {
		f.report(ctx, err)
		return scheduler.CodeOf(err) == scheduler.CodeNotFound
	}
	for f.sendOutput(ctx, outputFrame) {
	}
	if e.Cut.To > 0 && f.at == e.Cut.From { // there is more behind what was cut out
		for f.sendOutput(ctx, outputFrame) {
		}
	}
	e = f.server.explained(e)
	if e.State == f.seen.State && e.Reason == f.seen.Reason && e.Progress == f.seen.Progress {
		return e.State.Final()
	}
	f.seen = e
	if !f.watch.html {
		f.sendJSON(ctx, "execution", f.server.presentExecution(e))
		if e.State.Final() {
			f.sendJSON(ctx, "end", f.server.presentExecution(e))
		}
		return e.State.Final()
	}
	f.sendHeader(ctx, e)
	return e.State.Final()
}

func (f *feeder) sendHeader(ctx context.Context, e scheduler.Execution) {
	f.page.Now = f.server.Now()
	props, err := f.server.executionProps(ctx, f.page, e)
	if err != nil {
		f.report(ctx, err)
		return
	}
	f.render(ctx, "execution", views.ExecutionHeader(props))
	if e.State.Final() {
		f.render(ctx, "end", views.EndNote(props))
	}
}

// sendOutput sends at most max bytes of new output and reports whether there may
// be more. A line that is longer is read whole.
func (f *feeder) sendOutput(ctx context.Context, max int) (more bool) {
	chunk, err := f.server.Store.OutputAt(ctx, f.watch.execution, f.at, max)
	if err != nil {
		f.report(ctx, err)
		return false
	}
	if len(chunk.Data) == 0 || ctx.Err() != nil {
		return false
	}
	if chunk.FirstByte > f.at {
		return f.jump(ctx)
	}
	lines, open := views.Lines(f.terminal, chunk)
	whole := len(chunk.Data) - open
	full := len(chunk.Data) >= max
	if whole == 0 && full && max < longestLine {
		return f.sendOutput(ctx, longestLine)
	}
	from := f.at
	f.at += int64(whole)
	if full && open > 0 && whole > 0 {
		lines = lines[:len(lines)-1] // cut by max, not by the run: the next frame has it
	}
	if f.watch.html {
		f.render(ctx, "output", views.OutputLines(lines))
	} else {
		f.sendJSON(ctx, "output", presentOutput(f.watch.execution, from, chunk))
	}
	return full && whole > 0
}

// jump sends what stands for the output that was cut out where the reader is, and
// goes on behind it. It reports whether it could.
func (f *feeder) jump(ctx context.Context) bool {
	gap, err := f.server.Store.OutputGap(ctx, f.watch.execution)
	if err != nil {
		f.report(ctx, err)
	}
	from := f.at
	if gap.To <= from {
		return false
	}
	f.at, f.terminal = gap.To, new(views.Terminal)
	if f.watch.html {
		f.render(ctx, "output", views.OutputLines([]views.Line{views.GapLine(gap)}))
	} else {
		f.sendJSON(ctx, "output", outputOut{f.watch.execution, from, []lineOut{gapLine(gap)}})
	}
	return true
}

func (f *feeder) render(ctx context.Context, event string, c templ.Component) {
	var b bytes.Buffer
	if err := c.Render(ctx, &b); err != nil {
		f.report(ctx, err)
		return
	}
	f.sendHTML(ctx, event, b.Bytes())
}

// sendHTML keeps carriage returns from ending a line of the frame.
func (f *feeder) sendHTML(ctx context.Context, event string, html []byte) {
	f.send(ctx, event, bytes.ReplaceAll(html, []byte{'\r'}, []byte("&#13;")))
}

func (f *feeder) sendJSON(ctx context.Context, event string, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		f.report(ctx, err)
		return
	}
	f.send(ctx, event, b)
}

// report logs what keeps a stream from being true; the reader's next event or
// reconnect mends it.
func (f *feeder) report(ctx context.Context, err error) {
	if ctx.Err() == nil && !errors.Is(err, context.Canceled) {
		f.server.Log.Warn("feed a stream", "error", err)
	}
}
