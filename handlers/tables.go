package handlers

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"belfry/scheduler"
	"belfry/views"
)

// Lists as tables, for spreadsheets: the columns of the pages, with times in RFC
// 3339 and durations in seconds.

func cell(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func seconds(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	return strconv.FormatFloat(d.Seconds(), 'f', 3, 64)
}

func (s *Server) jobTable(jobs []scheduler.Job, stats map[string]scheduler.JobStats) [][]string {
	rows := [][]string{{
		"name", "display_name", "enabled", "schedule", "words", "executor", "next_at", "last_state", "last_started_at", "last_seconds", "median_seconds", "owner", "tags", "origin",
	}}
	for _, j := range jobs {
		var schedules []string
		for _, sch := range j.Schedules {
			schedules = append(schedules, sch.Text)
		}
		var state, started, took string
		if e := stats[j.ID].Last; e != nil {
			state, started = string(e.State), cell(e.StartedAt)
			if !e.FinishedAt.IsZero() {
				took = seconds(e.Elapsed(e.FinishedAt))
			}
		}
		rows = append(rows, []string{
			j.Name, j.DisplayName, strconv.FormatBool(j.Enabled), strings.Join(schedules, "; "), strings.Join(s.words(j.Schedules), "; "), j.Executor,
			cell(s.nextFire(j)), state, started, took, seconds(stats[j.ID].MedianTook), j.Metadata["owner"], strings.Join(j.Tags, ", "), string(j.Origin),
		})
	}
	return rows
}

func (s *Server) executionTable(list []scheduler.Execution) [][]string {
	rows := [][]string{{
		"id", "job", "state", "reason", "attempt", "trigger", "by", "worker", "due_at", "queued_at", "started_at", "finished_at", "seconds", "exit_code", "signal",
	}}
	for _, e := range list {
		e = s.explained(e)
		var code, took string
		if e.ExitCode != nil {
			code = strconv.Itoa(*e.ExitCode)
		}
		if !e.FinishedAt.IsZero() {
			took = seconds(e.Elapsed(e.FinishedAt))
		}
		rows = append(rows, []string{
			e.ID, e.JobName, string(e.State), e.Reason, strconv.Itoa(e.Attempt), string(e.Trigger.Kind), e.Trigger.By, e.Worker,
			cell(e.DueAt), cell(e.QueuedAt), cell(e.StartedAt), cell(e.FinishedAt), took, code, e.Signal,
		})
	}
	return rows
}

func workerTable(workers []workerOut) [][]string {
	rows := [][]string{{
		"name", "kind", "state", "used", "slots", "tags", "load", "cpus", "memory_free", "memory_total", "skew_ms", "version", "system", "address",
		"connected_at", "seen_at", "withheld",
	}}
	for _, w := range workers {
		var load string
		if w.Load != nil {
			load = strconv.FormatFloat(*w.Load, 'f', 2, 64)
		}
		var withheld []string
		for _, f := range w.Failures {
			if f.Withheld {
				withheld = append(withheld, f.Job)
			}
		}
		rows = append(rows, []string{
			w.Name, w.Kind, w.State, strconv.Itoa(w.Used), strconv.Itoa(w.Slots), strings.Join(w.Tags, ", "), load, known(w.CPUs),
			known(w.MemoryFree), known(w.MemoryTotal), strconv.FormatInt(w.SkewMS, 10), known(w.Version), known(w.System), known(w.Address),
			cell(time.Time(w.ConnectedAt)), cell(time.Time(w.SeenAt)), strings.Join(withheld, ", "),
		})
	}
	return rows
}

// known is a value as text, empty when there is none.
func known[T any](v *T) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(*v)
}

func (s *Server) treeTable(list []views.TreeRow) [][]string {
	rows := [][]string{{
		"id", "parent", "kind", "title", "command", "state", "progress", "priority", "affinity", "worker", "started_at", "seconds", "total", "finished", "errors", "working",
	}}
	for i := range list {
		j := s.presentTree(&list[i], nil)
		row := []string{
			strconv.FormatInt(j.ID, 10), strconv.FormatInt(j.Parent, 10), j.Kind, j.Title, j.Command, j.State, known(j.Done),
			strconv.FormatInt(j.Priority, 10), j.Affinity, known(j.Worker), cell(time.Time(j.StartedAt)), seconds(list[i].Elapsed(s.Now())), "", "", "", "",
		}
		if sums := j.Sums; sums != nil {
			for i, n := range []int64{sums.Total, sums.Finished, sums.Errors, sums.Working} {
				row[12+i] = strconv.FormatInt(n, 10)
			}
		}
		rows = append(rows, row)
	}
	return rows
}

func userTable(users []scheduler.User) [][]string {
	rows := [][]string{{"name", "role", "created_at", "last_login_at"}}
	for _, u := range users {
		rows = append(rows, []string{u.Name, string(u.Role), cell(u.CreatedAt), cell(u.LastLoginAt)})
	}
	return rows
}

func tokenTable(tokens []tokenOut) [][]string {
	rows := [][]string{{"name", "role", "owner", "created_at", "expires_at", "last_used_at", "revoked_at"}}
	for _, t := range tokens {
		rows = append(rows, []string{
			t.Name, t.Role, t.Owner, cell(time.Time(t.CreatedAt)), cell(time.Time(t.ExpiresAt)), cell(time.Time(t.LastUsedAt)), cell(time.Time(t.RevokedAt)),
		})
	}
	return rows
}

func classTable(classes []classOut) [][]string {
	rows := [][]string{{"name", "executor", "arguments", "source", "notes"}}
	for _, c := range classes {
		var arguments []string
		for _, a := range c.Arguments {
			arguments = append(arguments, a.Description)
		}
		rows = append(rows, []string{c.Name, c.Executor, strings.Join(arguments, ", "), c.Source, c.Notes})
	}
	return rows
}

func workerTokenTable(tokens []workerTokenOut) [][]string {
	rows := [][]string{{"name", "made_by", "created_at", "last_used_at", "revoked_at"}}
	for _, t := range tokens {
		rows = append(rows, []string{
			t.Name, t.MadeBy, cell(time.Time(t.CreatedAt)), cell(time.Time(t.LastUsedAt)), cell(time.Time(t.RevokedAt)),
		})
	}
	return rows
}

var auditColumns = []string{"id", "at", "actor", "via", "from", "action", "object", "before", "after", "seq", "previous", "hash"}

func auditTable(list []scheduler.AuditEntry) [][]string {
	rows := [][]string{auditColumns}
	for _, a := range list {
		rows = append(rows, auditRow(a))
	}
	return rows
}

// auditRow has times to the microsecond, as the hash of a row wants them.
func auditRow(a scheduler.AuditEntry) []string {
	return []string{
		strconv.FormatInt(a.ID, 10), a.At.UTC().Format("2006-01-02T15:04:05.000000Z07:00"), a.Actor, a.Via, a.From, a.Action, a.Object,
		a.Before, a.After, strconv.FormatInt(a.Seq, 10), a.Previous, a.Hash,
	}
}

// definition is a job without what only the server decides.
func (s *Server) definition(j scheduler.Job) (map[string]json.RawMessage, error) {
	b, err := json.Marshal(s.presentJob(j, scheduler.JobStats{}))
	if err != nil {
		return nil, err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, err
	}
	for _, key := range append([]string{"schedule", "timezone", "source"}, serverKeys...) { // schedules says the same
		delete(all, key)
	}
	return all, nil
}
