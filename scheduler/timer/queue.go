package timer

import (
	"container/heap"
	"sync"

	"github.com/reugn/go-quartz/quartz"
)

// queue is quartz's job queue as a heap with an index: its own copies the whole
// heap with every push, which makes 100,000 jobs cost two minutes.
type queue struct {
	mu    sync.Mutex
	heap  jobHeap
	items map[string]*item // by job key name
}

type item struct {
	quartz.ScheduledJob
	index int
}

func newQueue() *queue { return &queue{items: map[string]*item{}} }

func name(key *quartz.JobKey) string { return key.Name() }

// Push implements quartz.JobQueue; it replaces a job of the same key.
func (q *queue) Push(job quartz.ScheduledJob) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	key := name(job.JobDetail().JobKey())
	if it, ok := q.items[key]; ok {
		it.ScheduledJob = job
		heap.Fix(&q.heap, it.index)
		return nil
	}
	it := &item{ScheduledJob: job}
	q.items[key] = it
	heap.Push(&q.heap, it)
	return nil
}

// Pop implements quartz.JobQueue.
func (q *queue) Pop() (quartz.ScheduledJob, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.heap) == 0 {
		return nil, quartz.ErrQueueEmpty
	}
	it := heap.Pop(&q.heap).(*item)
	delete(q.items, name(it.JobDetail().JobKey()))
	return it.ScheduledJob, nil
}

// Head implements quartz.JobQueue.
func (q *queue) Head() (quartz.ScheduledJob, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.heap) == 0 {
		return nil, quartz.ErrQueueEmpty
	}
	return q.heap[0].ScheduledJob, nil
}

// Get implements quartz.JobQueue.
func (q *queue) Get(key *quartz.JobKey) (quartz.ScheduledJob, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	it, ok := q.items[name(key)]
	if !ok {
		return nil, quartz.ErrJobNotFound
	}
	return it.ScheduledJob, nil
}

// Remove implements quartz.JobQueue.
func (q *queue) Remove(key *quartz.JobKey) (quartz.ScheduledJob, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	it, ok := q.items[name(key)]
	if !ok {
		return nil, quartz.ErrJobNotFound
	}
	heap.Remove(&q.heap, it.index)
	delete(q.items, name(key))
	return it.ScheduledJob, nil
}

// ScheduledJobs implements quartz.JobQueue.
func (q *queue) ScheduledJobs(matchers []quartz.Matcher[quartz.ScheduledJob]) ([]quartz.ScheduledJob, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var found []quartz.ScheduledJob
next:
	for _, it := range q.heap {
		for _, m := range matchers {
			if !m.IsMatch(it.ScheduledJob) {
				continue next
			}
		}
		found = append(found, it.ScheduledJob)
	}
	return found, nil
}

// Size implements quartz.JobQueue.
func (q *queue) Size() (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.heap), nil
}

// Clear implements quartz.JobQueue.
func (q *queue) Clear() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.heap, q.items = nil, map[string]*item{}
	return nil
}

// first returns the n jobs with the earliest run times, in order, without
// looking at the others: below each one taken, only its children can come next.
func (q *queue) first(n int) []quartz.ScheduledJob {
	q.mu.Lock()
	defer q.mu.Unlock()
	var found []quartz.ScheduledJob
	next := frontier{all: q.heap}
	if len(q.heap) > 0 {
		heap.Push(&next, 0)
	}
	for len(found) < n && next.Len() > 0 {
		i := heap.Pop(&next).(int)
		found = append(found, q.heap[i].ScheduledJob)
		for child := 2*i + 1; child <= 2*i+2 && child < len(q.heap); child++ {
			heap.Push(&next, child)
		}
	}
	return found
}

type jobHeap []*item

func (h jobHeap) Len() int           { return len(h) }
func (h jobHeap) Less(i, j int) bool { return h[i].NextRunTime() < h[j].NextRunTime() }
func (h jobHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *jobHeap) Push(x any) {
	it := x.(*item)
	it.index = len(*h)
	*h = append(*h, it)
}

func (h *jobHeap) Pop() any {
	old := *h
	it := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return it
}

// frontier is a heap of places in all.
type frontier struct {
	all    jobHeap
	places []int
}

func (f *frontier) Len() int           { return len(f.places) }
func (f *frontier) Less(i, j int) bool { return f.all.Less(f.places[i], f.places[j]) }
func (f *frontier) Swap(i, j int)      { f.places[i], f.places[j] = f.places[j], f.places[i] }
func (f *frontier) Push(x any)         { f.places = append(f.places, x.(int)) }
func (f *frontier) Pop() any {
	last := f.places[len(f.places)-1]
	f.places = f.places[:len(f.places)-1]
	return last
}
