package scheduler

import (
	"fmt"
	"slices"
	"strings"
)

// Waiting says why a queued execution has not started, in words; "" when it is
// about to.
func (s *Service) Waiting(e *Execution) string {
	if e.State != Queued {
		return ""
	}
	if f := s.Frozen(); f.Active() {
		return f.String()
	}
	if e.Wait != WaitNone {
		return e.Reason
	}
	return s.withoutWorker(e)
}

// withoutWorker says why no worker takes an execution that waits for nothing else.
func (s *Service) withoutWorker(e *Execution) string {
	now := s.now()
	var used, slots, n int
	var kept string // why the last of those that have the tags does not take it
	workers := s.online()
	for i := range workers {
		w := &workers[i]
		if !w.Has(e.Tags) {
			continue
		}
		n++
		s.fleet.mu.Lock()
		blocked := s.fleet.blocked(w.Name, e.JobID)
		s.fleet.mu.Unlock()
		switch status := w.Status(now); {
		case status == string(WorkerDraining):
			kept = "worker " + w.Name + " drains"
		case status != string(WorkerOnline):
			kept = "worker " + w.Name + " is " + status
		case blocked:
			kept = fmt.Sprintf("worker %s does not get the job any more: it failed there %d times in a row", w.Name, MaxFailures)
		default:
			used, slots = used+w.Used, slots+w.Slots
		}
	}
	switch {
	case n == 0 && len(e.Tags) > 0:
		return noWorkerWith(workers, e.Tags)
	case n == 0:
		return "no worker is online"
	case slots == 0 && n == 1 && kept != "":
		return kept
	case slots == 0 && kept != "":
		return fmt.Sprintf("none of the %d workers takes it: %s", n, kept)
	case used >= slots:
		return fmt.Sprintf("%d of %d slots busy", used, slots)
	default:
		return e.Reason
	}
}

// noWorkerWith names the tags that no worker has.
func noWorkerWith(workers []Worker, tags []string) string {
	var missing []string
	for _, t := range tags {
		if !slices.ContainsFunc(workers, func(w Worker) bool { return w.hasTag(t) }) {
			missing = append(missing, t)
		}
	}
	if len(missing) == 0 {
		return "no worker that has all of the tags " + strings.Join(tags, ",") + " is online"
	}
	return "no worker with tags " + strings.Join(missing, ", ") + " is online"
}
