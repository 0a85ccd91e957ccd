package views

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"belfry/scheduler"
	"belfry/static"
)

// Names are people's: every path that holds one is built here.

func asset(name string) string { return static.URL(name) }

// JobPath is a job's page, or with more elements what lies below it.
func JobPath(name string, more ...string) string { return below("/jobs/", name, more) }

// ExecutionPath is an execution's page, or with more elements what lies below.
func ExecutionPath(id string, more ...string) string { return below("/executions/", id, more) }

// WorkerPath is a worker's page, or with more elements what lies below.
func WorkerPath(name string, more ...string) string { return below("/workers/", name, more) }

func workerTokenPath(id string, more ...string) string { return below("/workers/tokens/", id, more) }

func userPath(name string, more ...string) string { return below("/settings/users/", name, more) }

func tokenPath(id string, more ...string) string { return below("/settings/tokens/", id, more) }

func below(prefix, name string, more []string) string {
	p := prefix + url.PathEscape(name)
	for _, m := range more {
		p += "/" + m
	}
	return p
}

func query(path string, pairs ...string) string {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" && !(pairs[i] == "offset" && pairs[i+1] == "0") {
			v.Set(pairs[i], pairs[i+1])
		}
	}
	if len(v) == 0 {
		return path
	}
	return path + "?" + v.Encode()
}

func (q JobQuery) path(offset int) string {
	return query("/jobs", append(q.pairs(), "limit", atoi0(q.Limit), "offset", atoi0(offset))...)
}

// export is the file with all jobs of the list.
func (q JobQuery) export() string { return query("/jobs/export", q.pairs()...) }

func (q JobQuery) pairs() []string {
	pairs := []string{"q", q.Q, "state", q.State, "enabled", q.Enabled, "executor", q.Executor, "tag", q.Tag, "origin", q.Origin, "sort", q.Sort}
	for k, v := range q.Metadata {
		pairs = append(pairs, "metadata."+k, v)
	}
	return pairs
}

// without is the list with one entry of metadata less.
func (q JobQuery) without(key string) string {
	q.Metadata = maps.Clone(q.Metadata)
	delete(q.Metadata, key)
	return q.path(0)
}

// otherMetadata are the entries that have no field of their own.
func (q JobQuery) otherMetadata() []string {
	keys := slices.Sorted(maps.Keys(q.Metadata))
	return slices.DeleteFunc(keys, func(k string) bool { return k == "owner" })
}

// downloadPath is a list's address as a file.
func downloadPath(path, format string) string {
	if strings.Contains(path, "?") {
		return path + "&format=" + format
	}
	return path + "?format=" + format
}

func tagPath(tag string) string { return query("/jobs", "tag", tag) }

func metadataPath(key, value string) string { return query("/jobs", "metadata."+key, value) }

// sorted is the list in another order.
func (q JobQuery) sorted(sort string) string {
	q.Sort = sort
	return q.path(0)
}

func (q JobQuery) narrowed() bool {
	return q.Q != "" || q.State != "" || q.Enabled != "" || q.Executor != "" || q.Tag != "" || q.Origin != "" || len(q.Metadata) > 0
}

func (q WorkerQuery) path(offset int) string {
	return query("/workers", "q", q.Q, "state", q.State, "tag", q.Tag, "sort", q.Sort, "limit", atoi0(q.Limit), "offset", atoi0(offset))
}

// sorted is the list in another order.
func (q WorkerQuery) sorted(sort string) string {
	q.Sort = sort
	return q.path(0)
}

func (q WorkerQuery) narrowed() bool { return q.Q != "" || q.State != "" || q.Tag != "" }

func (q ExecutionQuery) path(offset int) string {
	return query("/executions", "job", q.Job, "state", q.State, "trigger", q.Trigger, "worker", q.Worker, "exit_code", q.Exit,
		"from", q.From, "to", q.To, "sort", q.Sort, "limit", atoi0(q.Limit), "offset", atoi0(offset))
}

// inZone says which zone From and To are in, where it is not the page's.
func (q ExecutionQuery) inZone() string {
	if q.Zone == nil {
		return ""
	}
	return ", " + zoneName(q.Zone)
}

// sorted is the list in another order.
func (q ExecutionQuery) sorted(sort string) string {
	q.Sort = sort
	return q.path(0)
}

// newestFirst reports whether what begins now is on the first page.
func (q ExecutionQuery) newestFirst() bool { return executionOrder.short(q.Sort) == "" }

func (q ExecutionQuery) narrowed() bool {
	return q.Job != "" || q.State != "" || q.Trigger != "" || q.Worker != "" || q.Exit != "" || q.From != "" || q.To != ""
}

// has reports whether a state is among those that are asked for.
func (q ExecutionQuery) has(s scheduler.State) bool {
	return slices.Contains(strings.Split(q.State, ","), string(s))
}

func backupPath(name string, more ...string) string {
	return below("/settings/backups/", name, more)
}

// ExecutionsOf is the executions page narrowed to a job and a state; both may be
// empty.
func ExecutionsOf(job, state string) string { return query("/executions", "job", job, "state", state) }

func atoi0(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func eventsPath(topics string) string { return query("/events", "topics", topics, "format", "html") }
