package handlers

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/r3labs/sse/v2"

	"belfry/scheduler"
	"belfry/views"
)

// Hub is where /events learns that something changed.
type Hub = scheduler.Feed

const (
	heartbeat   = 15 * time.Second       // so that proxies and browsers know the stream lives
	boardPace   = 200 * time.Millisecond // at most five board frames a second
	outputPace  = 100 * time.Millisecond // at most ten output frames a second
	waitPace    = 2 * time.Second        // how old the reason why an execution waits may be
	stallLimit  = 5 * time.Second        // a reader that takes nothing for so long is let go
	boardReplay = 15 * time.Second       // what a page may have missed between its HTML and its stream
)

// watch is what one connection asked for.
type watch struct {
	board     bool
	execution string // id; empty: none
	html      bool

	since  time.Time // the board is sent from here on
	cursor string    // the output is sent from here on
}

// parseWatch reads the query and the id that a reconnecting reader was at. An id
// is the board's time in microseconds, the output's cursor, or both with "~"
// between them: one connection has one id.
func parseWatch(query url.Values, lastID string) (watch, error) {
	var w watch
	topics := query.Get("topics")
	if topics == "" {
		topics = "board"
	}
	for topic := range strings.SplitSeq(topics, ",") {
		id, isExecution := strings.CutPrefix(topic, "execution:")
		switch {
		case topic == "board":
			w.board = true
		case isExecution && id != "" && (w.execution == "" || w.execution == id):
			w.execution = id
		default:
			return w, scheduler.Invalid("topics", "use board, and at most one execution:ID, with a comma between them")
		}
	}
	switch query.Get("format") {
	case "", "json":
	case "html":
		w.html = true
	default:
		return w, scheduler.Invalid("format", "use json or html")
	}
	w.cursor = query.Get("cursor")
	return w, w.resume(lastID)
}

func (w *watch) resume(lastID string) error {
	if lastID == "" {
		return nil
	}
	board, cursor, both := strings.Cut(lastID, "~")
	if !w.board {
		board, cursor = "", lastID
	} else if !both {
		cursor = ""
	}
	if board != "" {
		us, err := strconv.ParseInt(board, 10, 64)
		if err != nil {
			return scheduler.Invalid("Last-Event-ID", "is not an id of this stream")
		}
		w.since = time.UnixMicro(us)
	}
	if cursor != "" {
		w.cursor = cursor
	}
	return nil
}

// events answers GET /events. r3labs/sse frames what is sent, over one stream
// per connection: with a shared stream one stalled reader would stop all others.
func (s *Server) events(c echo.Context) error {
	w, err := parseWatch(c.QueryParams(), c.Request().Header.Get("Last-Event-ID"))
	if err != nil {
		return err
	}
	f := &feeder{server: s, watch: w, page: s.page(c, "", views.NavNone), allowed: s.recheck(c)}
	if err := f.begin(c.Request().Context()); err != nil {
		return err
	}
	s.viewers.Add(1)
	defer s.viewers.Add(-1)
	f.serve(c.Response(), c.Request())
	return nil
}

// newFrames makes the writer of frames that all connections share. Nothing is
// replayed from it and nobody but us makes streams.
func newFrames() *sse.Server {
	frames := sse.New()
	frames.AutoReplay, frames.AutoStream, frames.SplitData = false, false, true
	frames.BufferSize = 8
	frames.Headers["X-Accel-Buffering"] = "no"
	frames.Headers["Cache-Control"] = "no-store"
	return frames
}

// feeder serves one connection.
type feeder struct {
	server  *Server
	watch   watch
	page    views.Page
	allowed func(context.Context) bool // is who asked still allowed to?

	stream string
	relay  *relay // of the watched execution; nil: none is
	tape   tape   // what of its output was sent
	cursor string // of the same
	next   uint64 // number of the relay's part that comes next
	seen   uint64 // version of the header that was sent
	news   news   // of the relay, not sent yet
}

// begin checks what was asked for while the answer can still be an error.
func (f *feeder) begin(ctx context.Context) (err error) {
	if f.watch.execution != "" {
		if _, err = f.server.Store.Execution(ctx, f.watch.execution); err != nil {
			return err
		}
	}
	f.tape = tape{store: f.server.Store, id: f.watch.execution, html: f.watch.html}
	if f.tape.at, f.tape.terminal, err = parseCursor(f.watch.cursor); err != nil {
		return scheduler.Invalid("cursor", "is not a place in an output")
	}
	f.cursor = views.Cursor(f.tape.at, f.tape.terminal)
	return nil
}

func parseCursor(cursor string) (int64, *views.Terminal, error) {
	if cursor == "" {
		cursor = "0"
	}
	return views.ParseCursor(cursor)
}

// serve writes frames until the reader leaves, stalls, or there is nothing more
// to come. The order matters: r3labs leaks a goroutine when a stream is removed
// before its subscriber has left.
func (f *feeder) serve(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	f.stream = rand.Text()
	left, joined := make(chan struct{}), make(chan struct{})
	stream := f.server.frames.CreateStream(f.stream)
	stream.OnSubscribe = func(string, *sse.Subscriber) { close(joined) }
	stream.OnUnsubscribe = func(string, *sse.Subscriber) { close(left) }
	defer f.server.frames.RemoveStream(f.stream)

	fed := make(chan struct{})
	go func() {
		defer close(fed)
		<-joined
		f.feed(ctx)
	}()
	asked := r.Clone(ctx)
	asked.Header.Del("Last-Event-ID") // r3labs takes numbers only, and we replay ourselves
	asked.URL.RawQuery = url.Values{"stream": {f.stream}}.Encode()
	f.server.frames.ServeHTTP(&guarded{ResponseWriter: w, stalled: cancel}, asked)
	cancel()
	<-left
	<-fed
}

// guarded gives each write a deadline, and ends the connection that misses it.
type guarded struct {
	http.ResponseWriter
	stalled context.CancelFunc
}

func (g *guarded) Write(p []byte) (int, error) {
	_ = http.NewResponseController(g.ResponseWriter).SetWriteDeadline(time.Now().Add(stallLimit))
	n, err := g.ResponseWriter.Write(p)
	if err != nil {
		g.stalled()
	}
	return n, err
}

// Flush implements http.Flusher.
func (g *guarded) Flush() {
	control := http.NewResponseController(g.ResponseWriter)
	_ = control.SetWriteDeadline(time.Now().Add(stallLimit))
	if err := control.Flush(); err != nil {
		g.stalled()
	}
}

// send publishes one frame to this connection's stream, and waits while the
// reader has not taken the ones before. Only this connection waits.
func (f *feeder) send(ctx context.Context, event string, data []byte) {
	if len(data) == 0 || ctx.Err() != nil {
		return // r3labs ends a stream at a frame without data
	}
	f.server.frames.Publish(f.stream, &sse.Event{ID: f.id(), Event: []byte(event), Data: data})
}

func (f *feeder) id() []byte {
	var id []byte
	if f.watch.board {
		id = strconv.AppendInt(id, f.watch.since.UnixMicro(), 10)
	}
	if f.watch.execution != "" {
		if f.watch.board {
			id = append(id, '~')
		}
		id = append(id, f.cursor...)
	}
	return id
}

// finish makes ServeHTTP return after what was sent has been written.
func (f *feeder) finish() {
	f.server.frames.Publish(f.stream, &sse.Event{Event: []byte("finish")})
}

// feed subscribes first, then replays from the store, then follows.
func (f *feeder) feed(ctx context.Context) {
	defer f.finish()
	sub := f.server.Hub.Subscribe(f.watch.board, nil)
	defer sub.Close()
	var begun uint64
	if f.watch.execution != "" {
		f.relay, begun = f.server.join(relayKey{f.watch.execution, f.watch.html}, f.tape)
		defer f.server.leave(f.relay)
	}
	f.server.frames.Publish(f.stream, &sse.Event{Comment: []byte("connected")})
	f.replay(ctx)
	if f.relay != nil && !f.joinRelay(ctx, begun) {
		return
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	var update scheduler.Update
	for {
		f.sendBoard(ctx, update)
		if f.relay != nil && f.sendExecution(ctx) && !f.watch.board {
			return
		}
		if !f.wait(ctx, sub, beat) {
			return
		}
		update = sub.Take()
		if f.relay != nil {
			f.news = f.relay.take(f.next)
		}
	}
}

// wait returns when there may be something new, and reports false when the
// stream is to end.
func (f *feeder) wait(ctx context.Context, sub scheduler.Subscription, beat *time.Ticker) bool {
	if f.watch.board {
		rest := time.NewTimer(boardPace)
		defer rest.Stop()
		select {
		case <-ctx.Done():
			return false
		case <-sub.Done():
			return false
		case <-rest.C:
		}
	}
	for {
		select {
		case <-ctx.Done():
			return false
		case <-sub.Done():
			return false
		case <-sub.Wake():
			return true
		case <-f.news.wake:
			return true
		case <-beat.C:
			if !f.allowed(ctx) {
				return false
			}
			f.server.frames.Publish(f.stream, &sse.Event{Comment: []byte("beat")})
		}
	}
}
