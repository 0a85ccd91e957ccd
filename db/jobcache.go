package db

import (
	"slices"
	"sync"

	"belfry/scheduler"
)

// maxCachedJobs bounds the cache: about a kilobyte each.
const maxCachedJobs = 8192

// jobCache keeps definitions that a transaction read, for fires and claims.
//
// On SQLite it is the truth: the one writer drops what it changes, all when it
// rolls back, and all when another process has written (data_version). On
// PostgreSQL an entry is good while the row has the same version, which the
// reader asks for first: less than reading the row.
type jobCache struct {
	mu    sync.Mutex
	byNum map[int64]scheduler.Job
	numOf map[string]int64
	alone map[string]bool // ids of jobs on which no other depends
}

// get returns the job with a number; ok=false when it is not kept, or has
// another version than the one asked for (0: any).
func (c *jobCache) get(num, version int64) (scheduler.Job, bool) {
	c.mu.Lock()
	j, ok := c.byNum[num]
	c.mu.Unlock()
	if !ok || (version != 0 && j.Version != version) {
		return scheduler.Job{}, false
	}
	return detach(j), true
}

// num returns the number of the job with an id, if it is kept.
func (c *jobCache) num(id string) (int64, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, ok := c.numOf[id]
	return n, ok
}

func (c *jobCache) put(j scheduler.Job) {
	j = detach(j)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byNum == nil {
		c.byNum, c.numOf = map[int64]scheduler.Job{}, map[string]int64{}
	}
	if _, ok := c.byNum[j.Num]; !ok && len(c.byNum) >= maxCachedJobs {
		for num, old := range c.byNum { // any one: this is a bound, not a policy
			delete(c.byNum, num)
			delete(c.numOf, old.ID)
			break
		}
	}
	c.byNum[j.Num], c.numOf[j.ID] = j, j.Num
}

// drop forgets a job that changes.
func (c *jobCache) drop(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.byNum, c.numOf[id])
	delete(c.numOf, id)
}

// isAlone reports whether it is known that no job depends on the one with an id.
func (c *jobCache) isAlone(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.alone[id]
}

func (c *jobCache) setAlone(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.alone == nil || len(c.alone) >= maxCachedJobs {
		c.alone = map[string]bool{}
	}
	c.alone[id] = true
}

// related forgets who is alone: a dependency was made.
func (c *jobCache) related() {
	c.mu.Lock()
	c.alone = nil
	c.mu.Unlock()
}

// forget empties the cache.
func (c *jobCache) forget() {
	c.mu.Lock()
	c.byNum, c.numOf, c.alone = nil, nil, nil
	c.mu.Unlock()
}

// detach copies what a caller could change in place.
func detach(j scheduler.Job) scheduler.Job {
	j.Schedules = slices.Clone(j.Schedules)
	j.Config = slices.Clone(j.Config)
	return j
}

// claims remembers where the executions that this process claimed are stored, so
// that finishing one does not search for it. An entry is a hint: who uses it
// compares the id.
type claims struct {
	mu sync.Mutex
	m  map[string]claim
}

type claim struct{ seq, job, due, attempt int64 }

// maxClaims bounds the hints; an execution without one is only found more slowly.
const maxClaims = 4096

func (c *claims) put(id string, at claim) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil || len(c.m) >= maxClaims {
		c.m = map[string]claim{}
	}
	c.m[id] = at
}

// take returns the hint for an execution and forgets it.
func (c *claims) take(id string) (claim, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, ok := c.m[id]
	delete(c.m, id)
	return at, ok
}
