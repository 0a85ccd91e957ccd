package handlers

import (
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

// orEmpty makes null an empty list.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

type listOut[T any] struct {
	Items  []T   `json:"items"`
	Total  int64 `json:"total"`
	Capped bool  `json:"total_capped,omitempty"` // total is a lower bound
}

func listOf[T any](items []T, total scheduler.Total) listOut[T] {
	return listOut[T]{orEmpty(items), total.N, total.Capped}
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
	Wait        string     `json:"wait"` // "", "time" or "turn"
	Attempt     int        `json:"attempt"`
	Copy        int        `json:"copy"` // from 0: of a fire that runs on several workers
	Group       string     `json:"group"`
	Trigger     triggerOut `json:"trigger"`
	Priority    int        `json:"priority"`
	Tags        []string   `json:"tags"`
	DueAt       instant    `json:"due_at"`
	RunAt       instant    `json:"run_at"`
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
	Progress    *float64   `json:"progress"` // percent; null: nothing is known

	Deliveries []deliveryOut `json:"deliveries,omitzero"` // where one execution is read
}

// explained is an execution whose reason, while it is queued, is why it waits now
// and not why it began to.
func (s *Server) explained(e scheduler.Execution) scheduler.Execution {
	if e.State == scheduler.Queued {
		e.Reason = s.Service.Waiting(&e)
	}
	return e
}

func (s *Server) presentExecution(e scheduler.Execution) executionOut {
	e = s.explained(e)
	out := executionOut{
		ID: e.ID, Job: e.JobName, JobID: e.JobID, State: string(e.State), Reason: e.Reason,
		Wait: string(e.Wait), Priority: e.Priority, Tags: orEmpty(e.Tags), RunAt: instant(e.RunAt),
		Attempt: e.Attempt, Copy: e.Copy, Group: e.Group, Trigger: triggerOut{string(e.Trigger.Kind), some(e.Trigger.By)},
		DueAt: instant(e.DueAt), QueuedAt: instant(e.QueuedAt),
		StartedAt: instant(e.StartedAt), FinishedAt: instant(e.FinishedAt),
		ExitCode: e.ExitCode, Signal: some(e.Signal), Worker: some(e.Worker), PeakMemory: some(e.PeakMemory),
		OutputBytes: e.OutputBytes, OutputLines: e.OutputLines,
	}
	if e.CPUTime != 0 {
		out.CPUTime = some(e.CPUTime.String())
	}
	if e.Progress >= 0 {
		out.Progress = &e.Progress
	}
	if !e.StartedAt.IsZero() && !e.FinishedAt.IsZero() {
		out.Duration = some(e.FinishedAt.Sub(e.StartedAt).String())
	}
	return out
}

func (s *Server) presentExecutions(all []scheduler.Execution) []executionOut {
	out := make([]executionOut, len(all))
	for i := range all {
		out[i] = s.presentExecution(all[i])
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
