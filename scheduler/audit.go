package scheduler

import (
	"encoding/json"
	"regexp"
	"time"
)

// auditedJob is how a job looks in an audit row.
type auditedJob struct {
	Name        string      `json:"name"`
	DisplayName string      `json:"display_name,omitempty"`
	Notes       string      `json:"notes,omitempty"`
	Enabled     bool        `json:"enabled"`
	Schedules   []Schedule  `json:"schedules,omitempty"`
	Executor    string      `json:"executor"`
	Config      any         `json:"config"`
	Concurrency Concurrency `json:"concurrency"`
	Retries     int         `json:"retries"`
	RetryDelay  string      `json:"retry_delay"`
	RetryFactor float64     `json:"retry_factor"`
	RetryMax    string      `json:"retry_max_delay"`
	Timeout     string      `json:"timeout"`
	Grace       string      `json:"grace"`
	Version     int64       `json:"version"`
}

func auditJob(j Job) auditedJob {
	return auditedJob{
		Name: j.Name, DisplayName: j.DisplayName, Notes: j.Notes, Enabled: j.Enabled,
		Schedules: j.Schedules, Executor: j.Executor, Config: maskConfig(j.Config),
		Concurrency: j.Concurrency, Retries: j.Retries, RetryDelay: j.Retry.Delay.String(),
		RetryFactor: j.Retry.Factor, RetryMax: j.Retry.MaxDelay.String(),
		Timeout: j.Timeout.String(), Grace: j.Grace.Round(time.Millisecond).String(), Version: j.Version,
	}
}

// secretKey matches names under which people keep secrets in environments and
// headers. Audit rows live longer than secrets should.
var secretKey = regexp.MustCompile(`(?i)passw|secret|token|credential|api_?key|private|^authorization$|^cookie$`)

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
	}
	return v
}
