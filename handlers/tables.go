package handlers

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"belfry/scheduler"
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
