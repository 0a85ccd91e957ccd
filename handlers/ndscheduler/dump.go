package ndscheduler

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"belfry/scheduler"
	"belfry/scheduler/cron"
)

// Catalogue knows job classes.
type Catalogue interface {
	Class(name string) (found scheduler.JobClass, known []string, ok bool)
}

// Format is what an ndscheduler answers to GET /api/v1/jobs, for an import.
func Format(classes Catalogue) scheduler.ImportFormat {
	return scheduler.ImportFormat{
		Name: "ndscheduler", Title: "ndscheduler", Login: "/login",
		Hint: "What ndscheduler answers to GET /api/v1/jobs. Its executions and its audit log stay there.",
		Read: func(_ context.Context, raw []byte) ([]scheduler.Imported, error) { return readDump(raw, classes) },
		List: func(server string) string {
			server = strings.TrimSuffix(server, "/")
			return strings.TrimSuffix(strings.TrimSuffix(server, "/jobs"), prefix) + prefix + "/jobs"
		},
	}
}

// savedJob is a job of a list.
type savedJob struct {
	JobID string            `json:"job_id"`
	Name  string            `json:"name"`
	Class string            `json:"job_class_string"`
	Args  []json.RawMessage `json:"pub_args"`
	Next  *string           `json:"next_run_time"`
	CronWire

	wrong error // what cannot be read of it
}

// readDump reads the list, as it was answered or only the array within.
func readDump(raw []byte, classes Catalogue) ([]scheduler.Imported, error) {
	raw = bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf"))
	var whole struct {
		Jobs *[]json.RawMessage `json:"jobs"`
	}
	var err error
	if bytes.HasPrefix(bytes.TrimSpace(raw), []byte("[")) {
		err = json.Unmarshal(raw, &whole.Jobs)
	} else {
		err = json.Unmarshal(raw, &whole)
	}
	switch {
	case err != nil:
		return nil, noList(scheduler.JSONProblem(err))
	case whole.Jobs == nil:
		return nil, noList(`it has no "jobs"`)
	}
	saved := make([]savedJob, len(*whole.Jobs))
	for i, one := range *whole.Jobs {
		if err := json.Unmarshal(one, &saved[i]); err != nil {
			saved[i].wrong = scheduler.Errorf(scheduler.CodeInvalid, "%s", scheduler.JSONProblem(err))
			saved[i].Name = cmp.Or(saved[i].Name, fmt.Sprintf("entry %d", i+1))
		}
	}
	// Names are not unique there. Which one is the second must be the same each time.
	slices.SortStableFunc(saved, func(x, y savedJob) int { return cmp.Compare(x.JobID, y.JobID) })
	list := make([]scheduler.Imported, len(saved))
	names := make([]string, len(saved))
	for i := range saved {
		names[i] = saved[i].Name
	}
	for i, name := range scheduler.DistinctNames(names) {
		j, one := &saved[i], &list[i]
		one.Draft, one.Notes, one.Err = j.draft(classes)
		if one.Draft.Name = name; name != j.Name {
			one.Draft.DisplayName = j.Name
		}
	}
	return list, nil
}

func noList(why string) error {
	return scheduler.Errorf(scheduler.CodeInvalid, "this is not a list of jobs as ndscheduler answers it to GET /api/v1/jobs: %s", why)
}

// draft makes the job, with what is to be known about it.
func (j *savedJob) draft(classes Catalogue) (d scheduler.Draft, notes []string, err error) {
	d = newDraft()
	if j.wrong != nil {
		return d, nil, j.wrong
	}
	if strings.TrimSpace(j.Class) == "" {
		return d, nil, scheduler.Errorf(scheduler.CodeInvalid, "it has no job_class_string")
	}
	given := map[string]string{}
	for key, v := range map[string]string{"month": j.Month, "day": j.Day, "day_of_week": j.DayOfWeek, "hour": j.Hour, "minute": j.Minute} {
		if v != "" {
			given[key] = v
		}
	}
	if len(given) == 0 {
		return d, nil, scheduler.Errorf(scheduler.CodeInvalid, "it has no schedule")
	}
	if j.Week != "" && j.Week != "*" {
		return d, nil, scheduler.Errorf(scheduler.CodeInvalid, "it runs in week %s of the year only, which this API cannot say", j.Week)
	}
	s := scheduler.Schedule{Grammar: cron.APScheduler.Name, Text: cron.APText(given)}
	if _, err := cron.APValues(s.Text); err != nil {
		return d, nil, scheduler.Errorf(scheduler.CodeInvalid, "%s", err)
	}
	d.Config = classConfig(j.Class, j.Args)
	if _, known, ok := classes.Class(j.Class); !ok {
		notes = append(notes, fmt.Sprintf("There is no job class %s here, so each run will fail until there is; known are %s.", j.Class, strings.Join(known, ", ")))
	}
	if j.Next != nil {
		notes = append(notes, j.place(&d, &s)...)
	}
	d.Schedules = []scheduler.Schedule{s}
	return d, notes, nil
}

// place reads from the next run there whether the job was paused, and in which zone
// it runs.
func (j *savedJob) place(d *scheduler.Draft, s *scheduler.Schedule) []string {
	parsed, err := cron.APScheduler.Parse(s.Text, "")
	if err != nil {
		return nil
	}
	if *j.Next == "" {
		if _, fires := parsed.Next(time.Unix(0, 0)); fires {
			d.Enabled = false
			return []string{"It is paused there, and disabled here."}
		}
		return []string{"Its schedule never comes."}
	}
	there, err := time.Parse(time.RFC3339, *j.Next)
	if err != nil {
		return []string{fmt.Sprintf("Its next_run_time %q is no time.", *j.Next)}
	}
	if next, ok := parsed.Next(there.Add(-time.Microsecond)); ok && next.Equal(there) {
		return nil
	}
	if _, offset := there.Zone(); offset == 0 {
		if utc, err := cron.APScheduler.Parse(s.Text, "UTC"); err == nil {
			if next, ok := utc.Next(there.Add(-time.Microsecond)); ok && next.Equal(there) {
				s.Zone = "UTC"
				return []string{"Its times are UTC there, and so they are here."}
			}
		}
	}
	return []string{fmt.Sprintf("Its next run there is %s, which it is not by its schedule in this server's zone; set the job's time zone.", *j.Next)}
}
