package handlers

import (
	"encoding/json"
	"net/http"
	"time"

	"belfry/scheduler"
)

// The native JSON's shapes: the only place of this package's json tags for
// answers (requests have theirs beside their handlers). openapi.json describes
// them, and a test compares.

// instant is a time in UTC with microseconds; zero is null.
type instant time.Time

const instantLayout = `"2006-01-02T15:04:05.000000Z07:00"`

// MarshalJSON writes null or RFC 3339.
func (t instant) MarshalJSON() ([]byte, error) {
	if time.Time(t).IsZero() {
		return []byte("null"), nil
	}
	return time.Time(t).UTC().AppendFormat(nil, instantLayout), nil
}

// some is a value or, when it is zero, null.
func some[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

type listOut[T any] struct {
	Items  []T   `json:"items"`
	Total  int64 `json:"total"`
	Capped bool  `json:"total_capped,omitempty"` // total is a lower bound
}

func listOf[T any](items []T, total scheduler.Total) listOut[T] {
	if items == nil {
		items = []T{}
	}
	return listOut[T]{items, total.N, total.Capped}
}

type scheduleOut struct {
	Text    string `json:"text"`
	Zone    string `json:"zone"`
	Grammar string `json:"grammar"`
}

type retryOut struct {
	Delay    string  `json:"delay"`
	Factor   float64 `json:"factor"`
	MaxDelay string  `json:"max_delay"`
}

type jobOut struct {
	ID          string          `json:"id"`
	Num         int64           `json:"num"`
	Name        string          `json:"name"`
	DisplayName string          `json:"display_name"`
	Notes       string          `json:"notes"`
	Enabled     bool            `json:"enabled"`
	Schedule    string          `json:"schedule"` // of the first; "" is none
	Timezone    string          `json:"timezone"` // of the first
	Schedules   []scheduleOut   `json:"schedules"`
	Executor    string          `json:"executor"`
	Config      json.RawMessage `json:"config"`
	Concurrency string          `json:"concurrency"`
	Retries     int             `json:"retries"`
	Retry       retryOut        `json:"retry"`
	Timeout     string          `json:"timeout"`
	Grace       string          `json:"grace"`
	Origin      string          `json:"origin"`
	Version     int64           `json:"version"`
	CreatedAt   instant         `json:"created_at"`
	UpdatedAt   instant         `json:"updated_at"`
	NextAt      instant         `json:"next_at"`
	Last        *lastOut        `json:"last"` // the newest execution that left the queue
}

type lastOut struct {
	ID         string  `json:"id"`
	State      string  `json:"state"`
	StartedAt  instant `json:"started_at"`
	FinishedAt instant `json:"finished_at"`
}

func (s *Server) presentJob(j scheduler.Job, stats scheduler.JobStats) jobOut {
	out := jobOut{
		ID: j.ID, Num: j.Num, Name: j.Name, DisplayName: j.DisplayName, Notes: j.Notes, Enabled: j.Enabled,
		Schedules: make([]scheduleOut, 0, len(j.Schedules)), Executor: j.Executor, Config: j.Config,
		Concurrency: string(j.Concurrency), Retries: j.Retries,
		Retry:   retryOut{j.Retry.Delay.String(), j.Retry.Factor, j.Retry.MaxDelay.String()},
		Timeout: j.Timeout.String(), Grace: j.Grace.String(), Origin: string(j.Origin), Version: j.Version,
		CreatedAt: instant(j.CreatedAt), UpdatedAt: instant(j.UpdatedAt), NextAt: instant(s.nextFire(j)),
	}
	for i, sch := range j.Schedules {
		if i == 0 {
			out.Schedule, out.Timezone = sch.Text, sch.Zone
		}
		out.Schedules = append(out.Schedules, scheduleOut(orCron(sch)))
	}
	if e := stats.Last; e != nil {
		out.Last = &lastOut{e.ID, string(e.State), instant(e.StartedAt), instant(e.FinishedAt)}
	}
	return out
}

// defaultGrammar is what an empty Schedule.Grammar means.
const defaultGrammar = "cron"

func orCron(s scheduler.Schedule) struct{ Text, Zone, Grammar string } {
	if s.Grammar == "" {
		s.Grammar = defaultGrammar
	}
	return struct{ Text, Zone, Grammar string }{s.Text, s.Zone, s.Grammar}
}

type triggerOut struct {
	Kind string  `json:"kind"`
	By   *string `json:"by"`
}

type executionOut struct {
	ID          string     `json:"id"`
	Job         string     `json:"job"`
	JobID       string     `json:"job_id"`
	State       string     `json:"state"`
	Reason      string     `json:"reason"`
	Attempt     int        `json:"attempt"`
	Group       string     `json:"group"`
	Trigger     triggerOut `json:"trigger"`
	DueAt       instant    `json:"due_at"`
	QueuedAt    instant    `json:"queued_at"`
	StartedAt   instant    `json:"started_at"`
	FinishedAt  instant    `json:"finished_at"`
	ExitCode    *int       `json:"exit_code"`
	Signal      *string    `json:"signal"`
	Worker      *string    `json:"worker"`
	PeakMemory  *int64     `json:"peak_memory"`
	CPUTime     *string    `json:"cpu_time"`
	Duration    *string    `json:"duration"` // null until it has ended
	OutputBytes int64      `json:"output_bytes"`
	OutputLines int64      `json:"output_lines"`
}

func presentExecution(e scheduler.Execution) executionOut {
	out := executionOut{
		ID: e.ID, Job: e.JobName, JobID: e.JobID, State: string(e.State), Reason: e.Reason,
		Attempt: e.Attempt, Group: e.Group, Trigger: triggerOut{string(e.Trigger.Kind), some(e.Trigger.By)},
		DueAt: instant(e.DueAt), QueuedAt: instant(e.QueuedAt),
		StartedAt: instant(e.StartedAt), FinishedAt: instant(e.FinishedAt),
		ExitCode: e.ExitCode, Signal: some(e.Signal), Worker: some(e.Worker), PeakMemory: some(e.PeakMemory),
		OutputBytes: e.OutputBytes, OutputLines: e.OutputLines,
	}
	if e.CPUTime != 0 {
		out.CPUTime = some(e.CPUTime.String())
	}
	if !e.StartedAt.IsZero() && !e.FinishedAt.IsZero() {
		out.Duration = some(e.FinishedAt.Sub(e.StartedAt).String())
	}
	return out
}

func presentExecutions(all []scheduler.Execution) []executionOut {
	out := make([]executionOut, len(all))
	for i := range all {
		out[i] = presentExecution(all[i])
	}
	return out
}

type userOut struct {
	Name        string  `json:"name"`
	Role        string  `json:"role"`
	CreatedAt   instant `json:"created_at"`
	LastLoginAt instant `json:"last_login_at"`
}

func presentUser(u scheduler.User) userOut {
	return userOut{u.Name, string(u.Role), instant(u.CreatedAt), instant(u.LastLoginAt)}
}

type tokenOut struct {
	ID         string  `json:"id"`
	Name       string  `json:"name"`
	Role       string  `json:"role"`
	Owner      string  `json:"owner"`
	CreatedAt  instant `json:"created_at"`
	ExpiresAt  instant `json:"expires_at"`
	LastUsedAt instant `json:"last_used_at"`
	RevokedAt  instant `json:"revoked_at"`
	Secret     string  `json:"secret,omitempty"` // in the answer that made it only
}

func presentToken(t scheduler.Token, owner string) tokenOut {
	return tokenOut{
		ID: t.ID, Name: t.Name, Role: string(t.Role), Owner: owner, CreatedAt: instant(t.CreatedAt),
		ExpiresAt: instant(t.ExpiresAt), LastUsedAt: instant(t.LastUsedAt), RevokedAt: instant(t.RevokedAt),
	}
}

// problemOut is a problem document (RFC 9457).
type problemOut struct {
	Type     string       `json:"type"`
	Title    string       `json:"title"`
	Status   int          `json:"status"`
	Detail   string       `json:"detail"`
	Instance string       `json:"instance"`
	Errors   []problemFor `json:"errors,omitempty"`
}

type problemFor struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

func problemOf(f failure, request string) problemOut {
	p := problemOut{
		Type: "urn:belfry:problem:" + string(f.code), Title: http.StatusText(f.status), Status: f.status,
		Detail: f.detail, Instance: "urn:belfry:request:" + request,
	}
	for _, e := range f.fields {
		p.Errors = append(p.Errors, problemFor(e))
	}
	return p
}
