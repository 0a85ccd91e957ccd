package handlers

import (
	"encoding/json"

	"belfry/scheduler"
)

type scheduleOut struct {
	Text    string `json:"text"`
	Zone    string `json:"zone"`
	Grammar string `json:"grammar"`
}

type retryOut struct {
	Delay     string  `json:"delay"`
	Factor    float64 `json:"factor"`
	MaxDelay  string  `json:"max_delay"`
	ExitCodes []int   `json:"exit_codes"` // empty: after every failure
}

type dependencyOut struct {
	Job string `json:"job"`
	On  string `json:"on"`
}

type outputLimitOut struct {
	Head int64 `json:"head"` // bytes
	Tail int64 `json:"tail"`
}

type retentionOut struct {
	MaxAge   string `json:"max_age"`
	MaxCount int    `json:"max_count"`
	MaxBytes int64  `json:"max_bytes"`
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
	MaxQueued   int             `json:"max_queued"`
	MaxRunning  int             `json:"max_running"`
	Priority    int             `json:"priority"`
	Retries     int             `json:"retries"`
	Retry       retryOut        `json:"retry"`
	Timeout     string          `json:"timeout"`
	Grace       string          `json:"grace"`

	DependsOn     []dependencyOut `json:"depends_on"`
	Triggers      []dependencyOut `json:"triggers"`
	Once          bool            `json:"once"`
	RunOnStart    bool            `json:"run_on_start"`
	Ephemeral     bool            `json:"ephemeral"`
	CatchUp       string          `json:"catch_up"`
	CatchUpWindow string          `json:"catch_up_window"`
	Jitter        string          `json:"jitter"`
	StartsAt      instant         `json:"starts_at"`
	EndsAt        instant         `json:"ends_at"`
	PausedUntil   instant         `json:"paused_until"`

	Tags        []string          `json:"tags"`
	Copies      int               `json:"copies"`
	Metadata    map[string]string `json:"metadata"`
	OutputLimit outputLimitOut    `json:"output_limit"`
	Progress    string            `json:"progress"`
	Retention   retentionOut      `json:"retention"`
	Notify      []notifyOut       `json:"notify"`

	Origin     string   `json:"origin"`
	Source     string   `json:"source"` // where a declared job is changed
	Version    int64    `json:"version"`
	CreatedAt  instant  `json:"created_at"`
	UpdatedAt  instant  `json:"updated_at"`
	NextAt     instant  `json:"next_at"`
	Last       *lastOut `json:"last"`                // the newest execution that left the queue
	Dependents []string `json:"dependents,omitzero"` // where one job is read: the names of those that wait for it
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
		Executor: j.Executor, Config: j.Config, Origin: string(j.Origin), Source: j.Source, Version: j.Version,
		CreatedAt: instant(j.CreatedAt), UpdatedAt: instant(j.UpdatedAt), NextAt: instant(s.nextFire(j)),
	}
	out.addTimes(&j.Draft)
	out.addLimits(&j.Draft)
	out.Notify = s.presentNotify(j.Notify)
	if e := stats.Last; e != nil {
		out.Last = &lastOut{e.ID, string(e.State), instant(e.StartedAt), instant(e.FinishedAt)}
	}
	return out
}

// addTimes adds what says when a job runs, and where.
func (o *jobOut) addTimes(d *scheduler.Draft) {
	o.Schedules = make([]scheduleOut, 0, len(d.Schedules))
	o.DependsOn, o.Triggers = presentRelations(d.DependsOn), presentRelations(d.Triggers)
	for i, sch := range d.Schedules {
		if i == 0 {
			o.Schedule, o.Timezone = sch.Text, sch.Zone
		}
		o.Schedules = append(o.Schedules, scheduleOut(orCron(sch)))
	}
	o.Once, o.RunOnStart, o.Ephemeral, o.CatchUp, o.CatchUpWindow, o.Jitter = d.Once, d.RunOnStart, d.Ephemeral, string(d.CatchUp), d.CatchUpWindow.String(), d.Jitter.String()
	o.StartsAt, o.EndsAt, o.PausedUntil = instant(d.StartsAt), instant(d.EndsAt), instant(d.PausedUntil)
	o.Tags, o.Copies, o.Metadata = orEmpty(d.Tags), d.Copies, d.Metadata
	if o.Metadata == nil {
		o.Metadata = map[string]string{}
	}
}

func presentRelations(list []scheduler.Dependency) []dependencyOut {
	out := make([]dependencyOut, 0, len(list))
	for _, d := range list {
		out = append(out, dependencyOut{d.Job, string(d.On)})
	}
	return out
}

// addLimits adds what bounds a job's runs and what is kept of them.
func (o *jobOut) addLimits(d *scheduler.Draft) {
	o.Concurrency, o.MaxQueued, o.MaxRunning, o.Priority = string(d.Concurrency), d.MaxQueued, d.MaxRunning, d.Priority
	o.Retries = d.Retries
	o.Retry = retryOut{d.Retry.Delay.String(), d.Retry.Factor, d.Retry.MaxDelay.String(), orEmpty(d.Retry.ExitCodes)}
	o.Timeout, o.Grace = d.Timeout.String(), d.Grace.String()
	o.OutputLimit, o.Progress = outputLimitOut(d.OutputLimit), d.Progress
	o.Retention = retentionOut{d.Retention.MaxAge.String(), d.Retention.MaxCount, d.Retention.MaxBytes}
}

// defaultGrammar is what an empty Schedule.Grammar means.
const defaultGrammar = "cron"

func orCron(s scheduler.Schedule) struct{ Text, Zone, Grammar string } {
	if s.Grammar == "" {
		s.Grammar = defaultGrammar
	}
	return struct{ Text, Zone, Grammar string }{s.Text, s.Zone, s.Grammar}
}

type freezeOut struct {
	Frozen bool    `json:"frozen"`
	Since  instant `json:"since"`
	Until  instant `json:"until"` // null: until somebody ends it
	Reason string  `json:"reason"`
	By     string  `json:"by"`
}

// presentFreeze shows a freeze; one that is over is none.
func presentFreeze(f scheduler.Freeze) freezeOut {
	if !f.Active() {
		return freezeOut{}
	}
	return freezeOut{true, instant(f.Since), instant(f.Until), f.Reason, f.By}
}
