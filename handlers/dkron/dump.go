package dkron

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
)

// MaxDump is how many bytes a list of jobs may have: tens of thousands of them.
const MaxDump = httpkit.MaxUpload

// Item is one job of a list that was saved from a Dkron.
type Item struct {
	Job   Job
	Draft scheduler.Draft // what it means here, after Translate
	Notes []string        // what of it is not supported, in sentences
	Err   error           // why it cannot be taken at all
}

// ReadDump reads what a Dkron answers to GET /v1/jobs.
func ReadDump(raw []byte) ([]Item, error) {
	if len(raw) > MaxDump {
		return nil, scheduler.Errorf(scheduler.CodeTooLarge, "the list of jobs is too large: at most %d bytes", MaxDump)
	}
	var list []Job
	d := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf"))))
	if err := d.Decode(&list); err != nil || d.More() {
		if err == nil {
			err = fmt.Errorf("something follows it")
		}
		return nil, scheduler.Errorf(scheduler.CodeInvalid, "this is not a list of jobs as Dkron answers it to GET /v1/jobs: %w", err)
	}
	items := make([]Item, len(list))
	for i, w := range list {
		items[i].Job = w
	}
	return items, nil
}

// Jobs is where stored jobs come from.
type Jobs interface {
	ListJobs(ctx context.Context, f scheduler.JobFilter) ([]scheduler.Job, scheduler.Total, error)
}

// Translate fills in what items mean beside the jobs that are stored.
func Translate(ctx context.Context, from Jobs, items []Item, now time.Time) error {
	stored := map[string]*scheduler.Job{}
	for f := (scheduler.JobFilter{Limit: scheduler.MaxPage}); ; f.Offset += f.Limit {
		list, _, err := from.ListJobs(ctx, f)
		if err != nil {
			return err
		}
		for i := range list {
			stored[list[i].Name] = &list[i]
		}
		if len(list) < f.Limit {
			break
		}
	}
	for i := range items {
		item := &items[i]
		item.Draft, item.Err = draftOf(item.Job, stored[item.Job.Name], now)
		if item.Err != nil {
			item.Draft.Name = item.Job.Name
			continue
		}
		item.Notes = unsupported(&item.Job, &item.Draft)
	}
	return nil
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
		notes = append(notes, "Nothing is mailed to the owner by itself; add a notification for that.")
	}
	return notes
}

// Importer stores jobs.
type Importer interface {
	Import(ctx context.Context, by scheduler.Principal, drafts []scheduler.Draft, origin scheduler.Origin, preview bool) ([]scheduler.ImportStep, error)
}

// Import stores what items mean, or with preview says what that would do. The
// steps are those of items.
func Import(ctx context.Context, to Importer, by scheduler.Principal, items []Item, origin scheduler.Origin, preview bool) ([]scheduler.ImportStep, error) {
	steps, err := to.Import(ctx, by, drafts(items), origin, preview)
	if err != nil {
		return nil, err
	}
	all := make([]scheduler.ImportStep, len(items))
	next := 0
	for i, item := range items {
		if item.Err != nil {
			all[i] = scheduler.ImportStep{Name: item.Job.Name, Action: scheduler.ImportRefuse, Err: item.Err}
			continue
		}
		all[i] = steps[next]
		next++
	}
	return all, nil
}

func drafts(items []Item) (list []scheduler.Draft) {
	for _, item := range items {
		if item.Err == nil {
			list = append(list, item.Draft)
		}
	}
	return list
}

// Words is why a job was refused, for people.
func Words(err error) string {
	_, words := explain(err)
	return strings.TrimSuffix(strings.TrimPrefix(words, "Job validation failed: "), ".")
}
