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
	f.send(ctx, "execution", bytes.ReplaceAll(b.Bytes(), []byte{'\r'}, []byte("&#13;")))
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

// joinRelay begins to follow the watched execution: what there is now is sent from
// the store, and everything after that comes from the relay.
func (f *feeder) joinRelay(ctx context.Context, begun uint64) bool {
	n, ok := f.relay.current(ctx, begun)
	if !ok {
		return false
	}
	f.catchUp(ctx, n.end)
	f.next = n.next
	f.news = n
	f.news.parts = nil
	return true
}

// catchUp sends what comes before a place from the store. A page that is far
// behind sees the end of it.
func (f *feeder) catchUp(ctx context.Context, end int64) {
	if err := f.tape.skip(ctx, end); err != nil {
		f.server.reportStream(ctx, err)
		return
	}
	for more := true; more && ctx.Err() == nil; {
		var p outputPart
		var err error
		if p, more, err = f.tape.next(ctx, end); err != nil {
			f.server.reportStream(ctx, err)
			return
		}
		f.sendPart(ctx, p)
	}
}

func (f *feeder) sendPart(ctx context.Context, p outputPart) {
	if p.data != nil {
		f.cursor = p.cursor
		f.send(ctx, "output", p.data)
	}
}

// sendExecution sends what is new of the watched execution, and reports whether
// it has ended.
func (f *feeder) sendExecution(ctx context.Context) (ended bool) {
	n := f.news
	for _, p := range n.parts {
		switch {
		case p.from == f.tape.at, f.tape.html && p.from > f.tape.at: // a page may skip what it would not show
			f.sendPart(ctx, p)
			f.tape.goTo(p)
		case p.end > f.tape.at:
			f.catchUp(ctx, p.end)
		}
	}
	f.next = n.next
	if n.version == f.seen {
		return n.ended
	}
	f.seen = n.version
	if !f.watch.html {
		f.sendJSON(ctx, "execution", f.server.presentExecution(n.execution))
		if n.execution.State.Final() {
			f.sendJSON(ctx, "end", f.server.presentExecution(n.execution))
		}
		return n.ended
	}
	f.page.Now = f.server.Now()
	n.props.Page = f.page.In(n.props.Row.Zone)
	f.render(ctx, "execution", views.ExecutionHeader(n.props))
	if n.execution.State.Final() {
		f.render(ctx, "end", views.EndNote(n.props))
	}
	return n.ended
}

func (f *feeder) render(ctx context.Context, event string, c templ.Component) {
	b, err := html(ctx, c)
	if err != nil {
		f.report(ctx, err)
		return
	}
	f.send(ctx, event, b)
}

func (f *feeder) sendJSON(ctx context.Context, event string, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		f.report(ctx, err)
		return
	}
	f.send(ctx, event, b)
}

func (f *feeder) report(ctx context.Context, err error) { f.server.reportStream(ctx, err) }

// reportStream logs what keeps a stream from being true; the reader's next event or
// reconnect mends it.
func (s *Server) reportStream(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil && !errors.Is(err, context.Canceled) {
		s.Log.Warn("feed a stream", "error", err)
	}
}
