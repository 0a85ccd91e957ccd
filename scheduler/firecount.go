package scheduler

import (
	"context"
	"encoding/json"
	"slices"
	"time"
)

const (
	// fireCountEach is how many due times of one schedule are counted before all others
	// were: enough for a week of every minute.
	fireCountEach = 11_000
	// fireCountAll bounds what one question costs, about a second: three weeks of every
	// second.
	fireCountAll = 2_000_000
)

// FireSlot is what comes within one slot of a calendar.
type FireSlot struct {
	N    int64    // due times
	Jobs []string // ids of jobs that are due, the first of them only
	Due  int      // how many jobs that is in all
}

// FireCounts are the coming due times of all jobs.
type FireCounts struct {
	Slots []FireSlot
	Often []string // ids of jobs that are due so often that all of them cannot be counted
	Left  int      // jobs that were not looked at, because there are too many
}

// JobFires are the due times of one job within a span.
type JobFires struct {
	JobID       string
	First, Last time.Time
	N           int64 // at most fireCountEach are counted
}

// CountFires counts the due times that come in the slots between edges, which
// ascend, and names at most keep jobs of each slot. What is past is not counted:
// it has executions.
func (s *Service) CountFires(ctx context.Context, edges []time.Time, keep int) (FireCounts, error) {
	c := FireCounts{Slots: make([]FireSlot, max(len(edges)-1, 0))}
	jobs, err := s.enabledJobs(ctx)
	if err != nil || len(c.Slots) == 0 {
		return c, err
	}
	from := s.coming(edges[0])
	budget := fireCountAll
	known := map[string][]int64{} // by what decides about them
	var often []JobTimes
	for i, j := range jobs {
		if budget <= 0 || ctx.Err() != nil {
			c.Left = len(jobs) - i
			break
		}
		key := fireKey(j, from, edges[len(edges)-1])
		counts, seen := known[key]
		if !seen {
			counts = countFires(j, from, edges, fireCountEach)
			known[key] = counts
			budget -= int(total(counts)) + 1
		}
		if counts == nil {
			often = append(often, j)
			continue
		}
		c.add(j.ID, counts, keep)
	}
	for _, j := range often { // with what is left: they keep no other from being counted
		key := fireKey(j, from, edges[len(edges)-1])
		counts := known[key]
		if counts == nil && budget > 0 && ctx.Err() == nil {
			counts = countFires(j, from, edges, budget)
			known[key] = counts
			if budget -= int(total(counts)); counts == nil {
				budget = 0
			}
		}
		if counts == nil {
			c.Often = append(c.Often, j.ID)
			continue
		}
		c.add(j.ID, counts, keep)
	}
	return c, ctx.Err()
}

// add counts the due times of a job.
func (c *FireCounts) add(jobID string, counts []int64, keep int) {
	for k, n := range counts {
		if n == 0 {
			continue
		}
		slot := &c.Slots[k]
		slot.N += n
		slot.Due++
		if len(slot.Jobs) < keep {
			slot.Jobs = append(slot.Jobs, jobID)
		}
	}
}

// fireKey is equal for jobs that are due at the same times: those whose schedules
// are, unless a bound of a job lies within.
func fireKey(j JobTimes, from, to time.Time) string {
	within := func(t time.Time) bool { return t.After(from) }
	if within(j.StartsAt) || within(j.PausedUntil) || !j.EndsAt.IsZero() && j.EndsAt.Before(to) {
		return j.ID
	}
	b, err := json.Marshal(j.Schedules)
	if err != nil {
		return j.ID
	}
	return string(b)
}

// countFires counts a job's due times by slot; nil when they are more than most.
func countFires(j JobTimes, from time.Time, edges []time.Time, most int) []int64 {
	counts := make([]int64, len(edges)-1)
	due, err := j.Parse()
	if err != nil {
		return counts // it cannot fire either
	}
	slot := 0
	at, ok := due.Next(from.Add(-1))
	for n := 0; ok && at.Before(edges[len(edges)-1]); at, ok = due.Next(at) {
		if n++; n > most {
			return nil
		}
		for !at.Before(edges[slot+1]) {
			slot++
		}
		counts[slot]++
	}
	return counts
}

func total(counts []int64) (n int64) {
	for _, c := range counts {
		n += c
	}
	return n
}

// coming is t, or now when that is later.
func (s *Service) coming(t time.Time) time.Time {
	if now := s.now(); t.Before(now) {
		return now
	}
	return t
}

// FiresWithin lists the jobs that are due in [from, to) from now on, by their
// first due time, at most limit, and how many there are.
func (s *Service) FiresWithin(ctx context.Context, from, to time.Time, limit int) ([]JobFires, int, error) {
	jobs, err := s.enabledJobs(ctx)
	if err != nil {
		return nil, 0, err
	}
	from = s.coming(from)
	var list []JobFires
	known := map[string]JobFires{}
	for _, j := range jobs {
		if ctx.Err() != nil {
			return nil, 0, ctx.Err()
		}
		key := fireKey(j, from, to)
		f, seen := known[key]
		if !seen {
			f = firesWithin(j, from, to)
			known[key] = f
		}
		if f.JobID = j.ID; f.N > 0 {
			list = append(list, f)
		}
	}
	slices.SortFunc(list, func(a, b JobFires) int { return a.First.Compare(b.First) })
	return list[:min(len(list), max(limit, 0))], len(list), nil
}

func firesWithin(j JobTimes, from, to time.Time) (f JobFires) {
	due, err := j.Parse()
	if err != nil {
		return f // it cannot fire either
	}
	for at, ok := due.Next(from.Add(-1)); ok && at.Before(to) && f.N < fireCountEach; at, ok = due.Next(at) {
		if f.N == 0 {
			f.First = at
		}
		f.Last = at
		f.N++
	}
	return f
}
