package docker

import (
	"context"
	"io"
	"sync"

	"github.com/moby/moby/client"

	"belfry/scheduler"
)

// serviceLogs copies a service's output. What swarm sends while one follows may
// end early; what it sends of a task that has ended is all. So at the end it is
// read once more, and what came before is left out.
type serviceLogs struct {
	r    *serviceRun
	ctx  context.Context
	stop context.CancelFunc
	once sync.Once
	live *stream // after begin
	seen counter
}

func (r *serviceRun) followLogs(ctx context.Context) *serviceLogs {
	l := &serviceLogs{r: r}
	// What a service says when it is stopped is still wanted.
	l.ctx, l.stop = context.WithCancel(context.WithoutCancel(ctx))
	l.seen.out = r.out
	return l
}

// begin follows the output of a task that runs.
func (l *serviceLogs) begin() {
	l.once.Do(func() {
		logs, err := l.open(l.ctx, true)
		if err != nil {
			l.r.e.log.Warn("a service's output cannot be followed", "service", l.r.id, "error", err)
			return
		}
		l.live = follow(logs, logs, l.r.c.TTY, &l.seen)
	})
}

func (l *serviceLogs) open(ctx context.Context, follow bool) (io.ReadCloser, error) {
	return l.r.api.ServiceLogs(ctx, l.r.id, client.ServiceLogsOptions{ShowStdout: true, ShowStderr: true, Follow: follow, Tail: "all"})
}

// finish completes the output of a task that has ended.
func (l *serviceLogs) finish(ctx context.Context) {
	l.close()
	read, cancel := brief(ctx)
	defer cancel()
	logs, err := l.open(read, false)
	if err != nil {
		say(l.r.out, scheduler.Stderr, "the rest of the output cannot be read: "+l.r.e.explain(err))
		return
	}
	rest := follow(logs, logs, l.r.c.TTY, &skipper{out: l.r.out, left: l.seen.all()})
	<-rest.done
	rest.close()
}

// drain takes what still comes.
func (l *serviceLogs) drain() {
	if l.live != nil {
		l.live.drain(serviceSilence)
	}
}

// close ends the following.
func (l *serviceLogs) close() {
	l.stop()
	if l.live != nil {
		l.live.close()
	}
}

// counter counts what it passes on, by stream.
type counter struct {
	out scheduler.OutputWriter
	mu  sync.Mutex
	n   [2]int64
}

func (c *counter) Write(s scheduler.Stream, p []byte) {
	c.mu.Lock()
	c.n[s] += int64(len(p))
	c.mu.Unlock()
	c.out.Write(s, p)
}

func (c *counter) all() [2]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

// skipper leaves out the beginning of each stream.
type skipper struct {
	out  scheduler.OutputWriter
	left [2]int64
}

func (k *skipper) Write(s scheduler.Stream, p []byte) {
	skip := min(k.left[s], int64(len(p)))
	k.left[s] -= skip
	if p = p[skip:]; len(p) > 0 {
		k.out.Write(s, p)
	}
}
