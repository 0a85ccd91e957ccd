// Package metrics counts what happens for Prometheus. It is a scheduler.Publisher
// in front of another, so that it sees every change exactly once and in the
// process that made it; a hub's readers may miss some.
package metrics

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"belfry/scheduler"
)

// Options are what is measured besides events. What is nil is not measured.
type Options struct {
	Version  string
	Job      func(ctx context.Context, id string) (scheduler.Job, error)
	Readers  func() int               // open streams of events
	Usage    func() (busy, slots int) // of this process's worker
	Database func() (bytes int64, err error)
	Queued   func() (n int64, err error)
}

// Metrics passes events on, and counts them. Its methods may be called
// concurrently.
type Metrics struct {
	next     scheduler.Publisher
	o        Options
	registry *prometheus.Registry

	// The names of Ofelia's documentation.
	total, failed prometheus.Counter
	running       prometheus.GaugeFunc
	duration      prometheus.Histogram

	ended    *prometheus.CounterVec
	took     *prometheus.HistogramVec
	lateness prometheus.Histogram
	waited   prometheus.Histogram

	mu        sync.Mutex
	active    map[string]bool // ids of what runs
	executors map[string]kind // by job id
}

// kind is what is remembered of a job.
type kind struct{ name, executor string }

// New counts what is published to next.
func New(next scheduler.Publisher, o Options) *Metrics {
	m := &Metrics{next: next, o: o, registry: prometheus.NewRegistry(), active: map[string]bool{}, executors: map[string]kind{}}
	m.total = prometheus.NewCounter(prometheus.CounterOpts{Name: "ofelia_jobs_total", Help: "Total number of jobs executed"})
	m.failed = prometheus.NewCounter(prometheus.CounterOpts{Name: "ofelia_jobs_failed_total", Help: "Total number of failed jobs"})
	m.running = prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "ofelia_jobs_running", Help: "Number of currently running jobs"}, m.count)
	buckets := []float64{0.1, 0.5, 1, 5, 10, 30, 60, 300, 600, 1800, 3600}
	m.duration = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "ofelia_job_duration_seconds", Help: "Job execution duration in seconds", Buckets: buckets,
	})
	m.ended = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "belfry_executions_total", Help: "Executions that ended since the server's start, by job, executor and final state.",
	}, []string{"job", "executor", "state"})
	m.took = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "belfry_execution_duration_seconds", Help: "How long executions ran.", Buckets: buckets,
	}, []string{"executor"})
	m.lateness = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "belfry_schedule_lateness_seconds", Help: "From a due time to its execution being recorded.",
		Buckets: []float64{0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30, 60},
	})
	m.waited = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "belfry_queue_wait_seconds", Help: "From when an execution could start to when it did.",
		Buckets: []float64{0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30, 60, 300, 3600},
	})
	m.registry.MustRegister(
		m.total, m.failed, m.running, m.duration, m.ended, m.took, m.lateness, m.waited,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	m.registerGauges()
	return m
}

func (m *Metrics) registerGauges() {
	gauge := func(name, help string, value func() float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "belfry_build_info", Help: "1, with the version.", ConstLabels: prometheus.Labels{"version": m.o.Version},
	})
	info.Set(1)
	m.registry.MustRegister(info)
	if m.o.Readers != nil {
		gauge("belfry_sse_clients", "Open streams of events.", func() float64 { return float64(m.o.Readers()) })
	}
	if m.o.Usage != nil {
		gauge("belfry_worker_slots", "How many executions this server's worker may run at once.", func() float64 {
			_, slots := m.o.Usage()
			return float64(slots)
		})
		gauge("belfry_worker_slots_used", "How many executions it runs.", func() float64 {
			busy, _ := m.o.Usage()
			return float64(busy)
		})
	}
	if m.o.Database != nil {
		gauge("belfry_database_size_bytes", "Size of the database; -1: it could not be read.", orMinusOne(m.o.Database))
	}
	if m.o.Queued != nil {
		gauge("belfry_queue_length", "Executions that are queued; -1: they could not be counted.", orMinusOne(m.o.Queued))
	}
}

func orMinusOne(read func() (int64, error)) func() float64 {
	return func() float64 {
		n, err := read()
		if err != nil {
			return -1
		}
		return float64(n)
	}
}

// ServeHTTP answers in Prometheus's text format.
func (m *Metrics) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}).ServeHTTP(w, r)
}

// Register adds what another part of the server measures.
func (m *Metrics) Register(name, help string, value func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
}

func (m *Metrics) count() float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return float64(len(m.active))
}

// Publish implements scheduler.Publisher.
func (m *Metrics) Publish(e scheduler.Event) {
	switch e.Kind {
	case scheduler.ExecutionChanged:
		m.execution(e.Execution)
	case scheduler.JobChanged:
		m.job(e)
	}
	m.next.Publish(e)
}

func (m *Metrics) execution(e *scheduler.Execution) {
	switch {
	case e.State == scheduler.Running:
		if m.set(e.ID, true) {
			m.waited.Observe(max(e.StartedAt.Sub(later(e)).Seconds(), 0))
		}
	case e.State == scheduler.Queued:
		if e.Trigger.Kind == scheduler.TriggerSchedule && e.Attempt == 1 && e.Wait != scheduler.WaitTurn {
			m.lateness.Observe(max(e.QueuedAt.Sub(e.DueAt).Seconds(), 0))
		}
	case e.State.Final():
		m.set(e.ID, false)
		k := m.kindOf(e.JobID, e.JobName)
		m.ended.WithLabelValues(valid(e.JobName), k, string(e.State)).Inc()
		if e.StartedAt.IsZero() {
			return
		}
		took := e.FinishedAt.Sub(e.StartedAt).Seconds()
		m.total.Inc()
		m.duration.Observe(took)
		m.took.WithLabelValues(k).Observe(took)
		if e.State != scheduler.Succeeded && e.State != scheduler.Cancelled {
			m.failed.Inc()
		}
	}
}

// later is when an execution could have started.
func later(e *scheduler.Execution) time.Time {
	if e.RunAt.After(e.QueuedAt) {
		return e.RunAt
	}
	return e.QueuedAt
}

// set notes what runs, and reports whether that is new.
func (m *Metrics) set(id string, running bool) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	was := m.active[id]
	if running {
		m.active[id] = true
	} else {
		delete(m.active, id)
	}
	return was != running
}

// mostJobs bounds what is remembered of jobs.
const mostJobs = 100_000

// kindOf returns a job's executor.
func (m *Metrics) kindOf(id, name string) string {
	m.mu.Lock()
	k, known := m.executors[id]
	m.mu.Unlock()
	if known {
		return k.executor
	}
	if m.o.Job != nil {
		if j, err := m.o.Job(context.Background(), id); err == nil {
			k = kind{j.Name, j.Executor}
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.executors) >= mostJobs {
		clear(m.executors)
	}
	if k.name == "" {
		k.name = name
	}
	m.executors[id] = k
	return k.executor
}

// job forgets the series of a job that is gone or has another name: they would
// stay for ever.
func (m *Metrics) job(e scheduler.Event) {
	if e.Job == nil {
		return
	}
	m.mu.Lock()
	old, known := m.executors[e.JobID]
	if e.Change == scheduler.JobRemoved {
		delete(m.executors, e.JobID)
	} else {
		m.executors[e.JobID] = kind{e.Job.Name, e.Job.Executor}
	}
	m.mu.Unlock()
	name := e.Job.Name
	if known {
		name = old.name
	}
	if e.Change == scheduler.JobRemoved || name != e.Job.Name {
		m.ended.DeletePartialMatch(prometheus.Labels{"job": valid(name)})
	}
}

func valid(label string) string { return strings.ToValidUTF8(label, "\uFFFD") }
