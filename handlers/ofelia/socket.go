package ofelia

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
)

const (
	socketQueue = 4096             // events that a client may be behind
	socketWrite = 10 * time.Second // for one event to be taken
	socketPing  = 15 * time.Second // between pings, at each of which the client is authorised again
	socketRead  = 64 << 10         // bytes of one message of a client; one that sends more is closed with 1009
)

// socket answers GET /api/ws: every event, from before the handshake is answered.
// What the client sends is not looked at.
func (a *API) socket(c echo.Context) error {
	r := c.Request()
	if token := r.URL.Query().Get("token"); token != "" && r.Header.Get(echo.HeaderAuthorization) == "" {
		r.Header.Set(echo.HeaderAuthorization, "Bearer "+token) // a browser's WebSocket has no headers
	}
	if _, err := a.Door.Who(c); err != nil {
		return err
	}
	if !a.mayListen(c) {
		return scheduler.Errorf(scheduler.CodeForbidden, "a page of another site may not listen")
	}
	if !strings.EqualFold(r.Header.Get(echo.HeaderUpgrade), "websocket") {
		return httpkit.Refuse(http.StatusBadRequest, scheduler.CodeInvalid, "this address is for WebSockets: send the headers of a handshake")
	}
	allowed := a.Door.Recheck(c)
	client, err := a.sockets.join()
	if err != nil {
		return err
	}
	defer a.sockets.leave(client)
	shake := &handshake{ResponseWriter: c.Response()}
	conn, err := websocket.Accept(shake, r, &websocket.AcceptOptions{InsecureSkipVerify: true}) // mayListen has looked
	if err != nil {
		return shake.refusal(err)
	}
	a.serveSocket(r.Context(), conn, client, allowed)
	return nil
}

// handshake passes the answer to a good handshake on, and keeps the library's text
// about a bad one back: its place is this API's envelope.
type handshake struct {
	http.ResponseWriter
	refused bool
}

// Unwrap leads to the connection.
func (h *handshake) Unwrap() http.ResponseWriter { return h.ResponseWriter }

func (h *handshake) WriteHeader(status int) {
	if h.refused = status != http.StatusSwitchingProtocols; !h.refused {
		h.ResponseWriter.WriteHeader(status)
	}
}

func (h *handshake) Write(b []byte) (int, error) {
	if h.refused {
		return len(b), nil
	}
	return h.ResponseWriter.Write(b)
}

// refusal is what is wrong with a handshake, as an answer of this API.
func (h *handshake) refusal(err error) error {
	for _, name := range []string{echo.HeaderContentType, echo.HeaderUpgrade, echo.HeaderConnection} {
		h.Header().Del(name) // of the library's text, and of its status 426
	}
	if inner := errors.Unwrap(err); inner != nil {
		err = inner // without "failed to accept"
	}
	return httpkit.Refuse(http.StatusBadRequest, scheduler.CodeInvalid, "%s", err.Error())
}

// mayListen reports whether a page may open a WebSocket: one of this server's own,
// and those of other sites as for any other request. Browsers ask no permission
// before, and send cookies along. Programs have no origin.
func (a *API) mayListen(c echo.Context) bool {
	r := c.Request()
	origin := r.Header.Get(echo.HeaderOrigin)
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host) || a.Admits(c)
}

// serveSocket writes to one client until it goes, falls behind, or may not read any
// more. Writing takes its own time: whoever makes events never waits for it.
func (a *API) serveSocket(ctx context.Context, conn *websocket.Conn, client *listener, allowed func(context.Context) bool) {
	ctx, gone := context.WithCancel(ctx)
	defer gone()
	conn.SetReadLimit(socketRead)
	go func() {
		defer gone()
		discard(ctx, conn)
	}()
	ping := time.NewTicker(socketPing)
	defer ping.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			_ = conn.CloseNow()
			return
		case <-client.gone:
			_ = conn.Close(client.status, client.reason)
			return
		case event := <-client.events:
			err = write(ctx, conn, event)
		case <-ping.C:
			if !allowed(ctx) {
				_ = conn.Close(websocket.StatusPolicyViolation, "the session has ended")
				return
			}
			alive, cancel := context.WithTimeout(ctx, socketWrite)
			err = conn.Ping(alive)
			cancel()
		}
		if err != nil {
			reason := "this connection takes events too slowly"
			if errors.Is(err, context.DeadlineExceeded) {
				_ = conn.Close(websocket.StatusTryAgainLater, reason)
			}
			_ = conn.CloseNow()
			return
		}
	}
}

// discard reads what a client sends, which answers its pings, until it goes.
func discard(ctx context.Context, conn *websocket.Conn) {
	for {
		_, r, err := conn.Reader(ctx)
		if err == nil {
			_, err = io.Copy(io.Discard, r)
		}
		if err != nil {
			return
		}
	}
}

func write(ctx context.Context, conn *websocket.Conn, event []byte) error {
	ctx, cancel := context.WithTimeout(ctx, socketWrite)
	defer cancel()
	return conn.Write(ctx, websocket.MessageText, event)
}

// listener is one connected client.
type listener struct {
	events chan []byte
	gone   chan struct{} // closed when it is sent away
	status websocket.StatusCode
	reason string
}

// sockets hands every event to all clients, rendered once. While there is no client
// it does nothing.
type sockets struct {
	api *API

	mu      sync.Mutex
	clients map[*listener]bool
	end     context.CancelFunc
	done    sync.WaitGroup
	closed  bool
}

// join makes a client that gets every event from now on.
func (s *sockets) join() (*listener, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, scheduler.Errorf(scheduler.CodeUnavailable, "the server is stopping")
	}
	if len(s.clients) == 0 {
		s.clients = map[*listener]bool{}
		ctx, cancel := context.WithCancel(context.Background())
		s.end = cancel
		feed := s.api.Hub.Subscribe(true, nil)
		s.done.Go(func() { s.pump(ctx, feed) })
	}
	l := &listener{events: make(chan []byte, socketQueue), gone: make(chan struct{})}
	s.clients[l] = true
	return l, nil
}

func (s *sockets) leave(l *listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.clients, l)
	if len(s.clients) == 0 && s.end != nil {
		s.end()
		s.end = nil
	}
}

// pump renders events until ctx ends, or the server's hub does.
func (s *sockets) pump(ctx context.Context, feed scheduler.Subscription) {
	defer feed.Close()
	for {
		select {
		case <-ctx.Done():
			return
		case <-feed.Done():
			s.dismiss(websocket.StatusGoingAway, "the server is stopping")
			return
		case <-feed.Wake():
		}
		u := feed.Take()
		if u.Lagged {
			s.dismiss(websocket.StatusTryAgainLater, "more happened than could be told")
			continue
		}
		for _, event := range s.api.events(ctx, u.Events) {
			s.send(event)
		}
	}
}

// send gives an event to all. Who has not taken thousands of them is sent away.
func (s *sockets) send(event []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := range s.clients {
		select {
		case l.events <- event:
		default:
			s.away(l, websocket.StatusTryAgainLater, "this connection takes events too slowly")
		}
	}
}

// away ends a client; the caller holds mu.
func (s *sockets) away(l *listener, status websocket.StatusCode, reason string) {
	if _, here := s.clients[l]; !here || l.reason != "" {
		return
	}
	l.status, l.reason = status, reason
	close(l.gone)
}

func (s *sockets) dismiss(status websocket.StatusCode, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := range s.clients {
		s.away(l, status, reason)
	}
}

// Sockets counts the clients that listen.
func (a *API) Sockets() int {
	a.sockets.mu.Lock()
	defer a.sockets.mu.Unlock()
	return len(a.sockets.clients)
}

// Close ends what the dialect runs by itself.
func (a *API) Close() error {
	a.sockets.mu.Lock()
	a.sockets.closed = true
	if a.sockets.end != nil {
		a.sockets.end()
	}
	a.sockets.mu.Unlock()
	a.sockets.done.Wait()
	return nil
}

// outcomes are the events of executions that have one.
var outcomes = map[scheduler.State]string{
	scheduler.Running: "job.started", scheduler.Succeeded: "job.completed",
	scheduler.Failed: "job.failed", scheduler.TimedOut: "job.failed",
	scheduler.Lost: "job.failed", scheduler.Cancelled: "job.failed",
}

var changeNames = map[scheduler.Change]string{
	scheduler.JobAdded: "job.added", scheduler.JobUpdated: "job.updated", scheduler.JobRemoved: "job.removed",
}

// events renders what happened, in order.
func (a *API) events(ctx context.Context, list []scheduler.Event) [][]byte {
	known := a.jobsOf(ctx, list)
	out := make([][]byte, 0, len(list))
	for _, e := range list {
		w := eventWire{Timestamp: stamp(a.Now())}
		switch e.Kind {
		case scheduler.FreezeChanged:
			w.Type = "scheduler.started"
			if e.Frozen {
				w.Type = "scheduler.stopped"
			}
			w.Payload = map[string]any{"running": !e.Frozen}
		case scheduler.JobChanged:
			w.Type = changeNames[e.Change]
			if e.Job != nil {
				w.Payload = a.listedJob(*e.Job, known[e.JobID].last).wire
			}
		case scheduler.ExecutionChanged:
			w.Type = outcomes[e.Execution.State]
			if e.Execution.State == scheduler.Cancelled && e.Execution.StartedAt.IsZero() {
				w.Type = "" // it never ran
			}
			if j, ok := known[e.JobID]; ok && w.Type != "" {
				w.Payload = a.listedJob(j.Job, latest{statusOf(e.Execution.State), stamp(e.Execution.StartedAt)}).wire
				w.Payload["executionId"] = e.Execution.ID
			}
		}
		if w.Type == "" || w.Payload == nil {
			continue
		}
		if b, err := json.Marshal(w); err == nil {
			out = append(out, b)
		}
	}
	return out
}

// jobsOf reads the jobs of events, each once. One that was deleted meanwhile is as
// its events say.
func (a *API) jobsOf(ctx context.Context, list []scheduler.Event) map[string]listed {
	known, gone := map[string]listed{}, map[string]bool{}
	for _, e := range list {
		if _, ok := known[e.JobID]; !ok && e.JobID != "" && !gone[e.JobID] {
			if l, err := a.readJob(ctx, e.JobID); err == nil {
				known[e.JobID] = l
			} else {
				gone[e.JobID] = true
			}
		}
		if e.Job == nil || !gone[e.JobID] {
			continue
		}
		l := known[e.JobID]
		l.Job = *e.Job
		if l.last.status == "" || e.Stats != nil {
			var stats scheduler.JobStats
			if e.Stats != nil {
				stats = *e.Stats
			}
			l.last = latestOf(stats)
		}
		known[e.JobID] = l
	}
	return known
}

func (a *API) readJob(ctx context.Context, id string) (listed, error) {
	j, err := a.Store.Job(ctx, id)
	if err != nil {
		return listed{}, err
	}
	list, err := a.present(ctx, []scheduler.Job{j})
	if err != nil {
		return listed{}, err
	}
	return list[0], nil
}
