package dkron

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"belfry/scheduler"
)

// Format is what a Dkron answers to GET /v1/jobs, for an import beside the jobs
// that are stored.
func Format(stored Jobs, now func() time.Time) scheduler.ImportFormat {
	return scheduler.ImportFormat{
		Name: Name, Title: "Dkron",
		Hint: "What Dkron answers to GET /v1/jobs, which is also what its dashboard saves and restores.",
		Read: func(ctx context.Context, raw []byte) ([]scheduler.Imported, error) {
			return readDump(ctx, stored, raw, now())
		},
		List: func(server string) string {
			server = strings.TrimSuffix(server, "/")
			return strings.TrimSuffix(strings.TrimSuffix(server, "/v1/jobs"), "/v1") + "/v1/jobs"
		},
	}
}

// Jobs is where stored jobs come from.
type Jobs interface {
	ListJobs(ctx context.Context, f scheduler.JobFilter) ([]scheduler.Job, scheduler.Total, error)
}

// readDump reads what a Dkron answers to GET /v1/jobs.
func readDump(ctx context.Context, from Jobs, raw []byte, now time.Time) ([]scheduler.Imported, error) {
	var sent []json.RawMessage
	d := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf"))))
	if err := d.Decode(&sent); err != nil || d.More() {
		why := "something follows it"
		if err != nil {
			why = scheduler.JSONProblem(err)
		}
		return nil, scheduler.Errorf(scheduler.CodeInvalid, "this is not a list of jobs as Dkron answers it to GET /v1/jobs: %s", why)
	}
	stored, err := allJobs(ctx, from)
	if err != nil {
		return nil, err
	}
	list := make([]scheduler.Imported, len(sent))
	for i := range sent {
		list[i] = readDumped(sent[i], i, stored, now)
	}
	return list, nil
}

// readDumped reads one job of a list, the one at index i.
func readDumped(raw json.RawMessage, i int, stored map[string]*scheduler.Job, now time.Time) (one scheduler.Imported) {
	var sent Job
	if err := json.Unmarshal(raw, &sent); err != nil {
		one.Err = scheduler.Errorf(scheduler.CodeInvalid, "%s", scheduler.JSONProblem(err))
	} else if one.Draft, err = draftOf(sent, stored[sent.Name], now); err != nil {
		one.Err = scheduler.Errorf(scheduler.CodeInvalid, "%s", plainWords(err))
	}
	if one.Err != nil {
		one.Draft = scheduler.Draft{Name: cmp.Or(sent.Name, fmt.Sprintf("entry %d", i+1))}
		return one
	}
	one.Notes = unsupported(&sent, &one.Draft)
	return one
}

func allJobs(ctx context.Context, from Jobs) (map[string]*scheduler.Job, error) {
	all := map[string]*scheduler.Job{}
	for f := (scheduler.JobFilter{Limit: scheduler.MaxPage}); ; f.Offset += f.Limit {
		list, _, err := from.ListJobs(ctx, f)
		if err != nil {
			return nil, err
		}
		for i := range list {
			all[list[i].Name] = &list[i]
		}
		if len(list) < f.Limit {
			return all, nil
		}
	}
}

// unsupported says what of a job Belfry does not do.
func unsupported(w *Job, d *scheduler.Draft) (notes []string) {
	if d.Executor == kindUnsupported {
		var c struct {
			Reason string `json:"reason"`
		}
		_ = json.Unmarshal(d.Config, &c) // from nativeOf
		notes = append(notes, "It is kept, but each run will fail: "+c.Reason+".")
	}
	for _, name := range slices.Sorted(maps.Keys(w.Processors)) {
		if _, known := processors[name]; !known {
			notes = append(notes, "The processor "+name+" is not known here; it is kept and not run.")
		}
	}
	if w.ParentJob != "" && w.Schedule != "" {
		notes = append(notes, "It has a parent, so its schedule does not fire, as in Dkron.")
	}
	if w.OwnerEmail != "" {
		notes = append(notes, "Nothing is mailed to its owner by itself; add a notification for that.")
	}
	return notes
}

// plainWords is why a job was refused, for people.
func plainWords(err error) string {
	_, words := explain(err)
	return strings.TrimSuffix(strings.TrimPrefix(words, "Job validation failed: "), ".")
}
