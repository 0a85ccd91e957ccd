package scheduler

import (
	"encoding/json"
	"regexp"
	"time"
)

// auditedJob is how a job looks in an audit row.
type auditedJob struct {
	ID          string      `json:"id"`
	Name        string      `json:"name"`
	DisplayName string      `json:"display_name,omitempty"`
	Notes       string      `json:"notes,omitempty"`
	Enabled     bool        `json:"enabled"`
	Schedules   []Schedule  `json:"schedules,omitempty"`
	Executor    string      `json:"executor"`
	Config      any         `json:"config"`
	Concurrency Concurrency `json:"concurrency"`
	MaxQueued   int         `json:"max_queued,omitempty"`
	MaxRunning  int         `json:"max_running,omitempty"`
	Priority    int         `json:"priority,omitempty"`
	DependsOn   []string    `json:"depends_on,omitempty"`
	Triggers    []string    `json:"triggers,omitempty"`
	Once        bool        `json:"once,omitempty"`
	Ephemeral   bool        `json:"ephemeral,omitempty"`
	RunOnStart  bool        `json:"run_on_start,omitempty"`
	CatchUp     CatchUp     `json:"catch_up,omitempty"`
	CatchUpFor  string      `json:"catch_up_window,omitempty"`
	Jitter      string      `json:"jitter,omitempty"`
	StartsAt    time.Time   `json:"starts_at,omitzero"`
	EndsAt      time.Time   `json:"ends_at,omitzero"`
	PausedUntil time.Time   `json:"paused_until,omitzero"`
	Tags        []string    `json:"tags,omitempty"`
	Copies      int         `json:"copies,omitempty"`
	Metadata    any         `json:"metadata,omitempty"`
	OutputHead  int64       `json:"output_head,omitempty"`
	OutputTail  int64       `json:"output_tail,omitempty"`
	Progress    string      `json:"progress,omitempty"`
	KeepAge     string      `json:"retention_max_age,omitempty"`
	KeepCount   int         `json:"retention_max_count,omitempty"`
	KeepBytes   int64       `json:"retention_max_bytes,omitempty"`
	ExitCodes   []int       `json:"retry_exit_codes,omitempty"`
	Notify      []Notify    `json:"notify,omitempty"` // Service.audit masks it
	Retries     int         `json:"retries"`
	RetryDelay  string      `json:"retry_delay"`
	RetryFactor float64     `json:"retry_factor"`
	RetryMax    string      `json:"retry_max_delay"`
	Timeout     string      `json:"timeout"`
	Grace       string      `json:"grace"`
	Version     int64       `json:"version"`
}

func auditJob(j Job) auditedJob {
	a := auditedJob{
		ID: j.ID, Name: j.Name, DisplayName: j.DisplayName, Notes: j.Notes, Enabled: j.Enabled,
		Schedules: j.Schedules, Executor: j.Executor, Config: maskConfig(j.Config),
		Concurrency: j.Concurrency, MaxQueued: j.MaxQueued, MaxRunning: j.MaxRunning, Priority: j.Priority,
		Once: j.Once, Ephemeral: j.Ephemeral, RunOnStart: j.RunOnStart, CatchUp: j.CatchUp, CatchUpFor: j.CatchUpWindow.String(), Jitter: j.Jitter.String(),
		StartsAt: j.StartsAt, EndsAt: j.EndsAt, PausedUntil: j.PausedUntil, Tags: j.Tags, Copies: j.Copies,
		OutputHead: j.OutputLimit.Head, OutputTail: j.OutputLimit.Tail, Progress: j.Progress,
		KeepAge: j.Retention.MaxAge.String(), KeepCount: j.Retention.MaxCount, KeepBytes: j.Retention.MaxBytes,
		Retries: j.Retries, RetryDelay: j.Retry.Delay.String(), RetryFactor: j.Retry.Factor,
		RetryMax: j.Retry.MaxDelay.String(), ExitCodes: j.Retry.ExitCodes,
		Timeout: j.Timeout.String(), Grace: j.Grace.Round(time.Millisecond).String(), Version: j.Version,
		Notify: j.Notify,
	}
	for _, d := range j.DependsOn {
		a.DependsOn = append(a.DependsOn, d.Job+" "+string(d.On))
	}
	for _, d := range j.Triggers {
		a.Triggers = append(a.Triggers, d.Job+" "+string(d.On))
	}
	if len(j.Metadata) > 0 {
		m := map[string]any{}
		for k, v := range j.Metadata {
			m[k] = v
		}
		a.Metadata = mask(m)
	}
	return a
}

// secretKey matches names under which people keep secrets in environments and
// headers. Audit rows live longer than secrets should.
var secretKey = regexp.MustCompile(`(?i)passw|secret|token|credential|api_?key|private|^authorization$|^cookie$`)

// urlPassword is the one in scheme://user:password@host.
var urlPassword = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://[^\s/?#:@]*:)[^\s/?#]*@`)

// secretParameter is a parameter of an address with a name under which people keep
// secrets.
var secretParameter = regexp.MustCompile(`(?i)([?&](?:[^=?&#\s]*(?:passw|pwd|secret|token|credential|api[_-]?key|access[_-]?key|private|signature)[^=?&#\s]*|sig|key|auth)=)([^&#\s"']+)`)

// SecretParameters are the places, from and to, of values in the query of an address
// that look secret by their names.
func SecretParameters(address string) (places [][2]int) {
	for _, m := range secretParameter.FindAllStringSubmatchIndex(address, -1) {
		places = append(places, [2]int{m[4], m[5]})
	}
	return places
}

// maskConfig returns the configuration with secret-looking values replaced.
func maskConfig(config json.RawMessage) any {
	var v any
	if json.Unmarshal(config, &v) != nil {
		return nil
	}
	return mask(v)
}

func mask(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, inner := range v {
			if _, isText := inner.(string); isText && secretKey.MatchString(k) {
				v[k] = "***"
			} else {
				v[k] = mask(inner)
			}
		}
	case []any:
		for i := range v {
			v[i] = mask(v[i])
		}
	case string:
		return secretParameter.ReplaceAllString(urlPassword.ReplaceAllString(v, "$1***@"), "$1***")
	}
	return v
}
