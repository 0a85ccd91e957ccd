package dkron

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"belfry/scheduler"
	"belfry/scheduler/cron"
)

// Name is this API's in Draft.Extra, and that of its schedules' grammar.
const Name = "dkron"

// kept is what a job was sent as, where Belfry has it in another form or not at
// all. It is shown again as long as the job is still what it was read as.
type kept struct {
	Owner          string               `json:"owner,omitempty"`
	OwnerEmail     string               `json:"owner_email,omitempty"`
	Schedule       string               `json:"schedule,omitempty"`
	Timezone       string               `json:"timezone,omitempty"`
	As             []scheduler.Schedule `json:"as,omitempty"` // what Schedule was read as
	Tags           texts                `json:"tags,omitempty"`
	Executor       string               `json:"executor,omitempty"`
	ExecutorConfig texts                `json:"executor_config,omitempty"`
	Processors     map[string]texts     `json:"processors,omitempty"`
}

func keptOf(d *scheduler.Draft) (k kept) {
	if raw := d.Extra[Name]; raw != nil {
		_ = json.Unmarshal(raw, &k) // written by draftOf
	}
	return k
}

// draftOf is what a job means for Belfry. stored is the job of that name, if there
// is one: what this API does not know of it, and what is sent as it was shown,
// stays as it is.
func draftOf(w Job, stored *scheduler.Job, now time.Time) (scheduler.Draft, error) {
	if err := check(&w); err != nil {
		return scheduler.Draft{}, err
	}
	d := scheduler.Draft{Name: w.Name}
	var shown Job
	if stored != nil {
		d = stored.Draft
		shown = present(*stored, scheduler.JobSummary{})
	}
	k := keptOf(&d)
	k.Owner, k.OwnerEmail = w.Owner, w.OwnerEmail
	d.DisplayName, d.Enabled, d.Retries, d.Ephemeral = w.DisplayName, !w.Disabled, int(w.Retries), w.Ephemeral
	d.StartsAt, d.EndsAt = time.Time(w.StartsAt), time.Time(w.ExpiresAt)
	d.Metadata = plainTexts(w.Metadata)
	if stored == nil || w.Concurrency != shown.Concurrency {
		d.Concurrency = scheduler.Concurrency(w.Concurrency)
	}
	if stored == nil || w.ParentJob != shown.ParentJob {
		d.DependsOn = nil
		if w.ParentJob != "" {
			d.DependsOn = []scheduler.Dependency{{Job: w.ParentJob, On: scheduler.OnSuccess}}
		}
	}
	if stored == nil || w.Schedule != shown.Schedule || w.Timezone != shown.Timezone || (w.ParentJob == "") != (shown.ParentJob == "") {
		k.Schedule, k.Timezone = w.Schedule, w.Timezone
		k.As = schedulesOf(&w, now)
		d.Schedules = k.As
	}
	if stored == nil || !maps.Equal(w.Tags, shown.Tags) {
		k.Tags = w.Tags
		d.Tags, d.Copies = placement(w.Tags)
	}
	if stored == nil || w.Executor != shown.Executor || !maps.Equal(w.ExecutorConfig, shown.ExecutorConfig) {
		k.Executor, k.ExecutorConfig = w.Executor, w.ExecutorConfig
		n := nativeOf(w.Name, w.Executor, w.ExecutorConfig)
		if stored != nil && n.kind == kindShell && d.Executor == kindShell && w.ExecutorConfig["env"] == shown.ExecutorConfig["env"] {
			n.config = withEnv(n.config, d.Config)
		}
		d.Executor, d.Config, d.Timeout = n.kind, n.config, n.timeout
	}
	k.Processors = w.Processors
	d.Notify = withProcessors(d.Notify, w.Processors)
	raw, err := json.Marshal(k)
	if err != nil {
		return d, err
	}
	d.Extra = maps.Clone(d.Extra)
	if d.Extra == nil {
		d.Extra = map[string]json.RawMessage{}
	}
	d.Extra[Name] = raw
	return d, nil
}

// check refuses what Dkron refuses, in its words, and fills in its defaults.
func check(w *Job) error {
	if w.Name == "" {
		return invalid("name cannot be empty")
	}
	for _, r := range w.Name {
		if !unicode.Is(unicode.Ll, r) && !unicode.IsDigit(r) && r != '_' && r != '-' {
			return invalid("name contains illegal character '" + string(r) + "'")
		}
	}
	if w.ParentJob == w.Name {
		return invalid("the job can not have itself as parent")
	}
	if w.Timezone != "" {
		if _, err := time.LoadLocation(w.Timezone); err != nil || w.Timezone == "Local" {
			return invalid("unknown time zone " + w.Timezone)
		}
	}
	if w.Schedule == "" && w.ParentJob == "" {
		return invalid("can't parse job schedule: empty spec string")
	}
	if w.Schedule != "" {
		if _, err := cron.Dkron.Parse(cron.Hashed(w.Schedule, w.Name), w.Timezone); err != nil {
			return invalid("can't parse job schedule: " + scheduleWords(err))
		}
	}
	if w.Concurrency == "" {
		w.Concurrency = string(scheduler.Allow)
	}
	if w.Concurrency != string(scheduler.Allow) && w.Concurrency != string(scheduler.Forbid) {
		return invalid(`invalid concurrency policy value, use "allow" or "forbid"`)
	}
	if err := checkTags(w.Tags); err != nil {
		return err
	}
	if err := checkProcessors(w.Processors); err != nil {
		return err
	}
	return checkExecutor(w.Executor, w.ExecutorConfig)
}

func scheduleWords(err error) string {
	var e *cron.ParseError
	if errors.As(err, &e) {
		return e.Msg
	}
	return err.Error()
}

// schedulesOf are the due times of a job: a child runs after its parent only.
func schedulesOf(w *Job, now time.Time) []scheduler.Schedule {
	if w.ParentJob != "" || w.Schedule == "" {
		return nil
	}
	text := cron.After(cron.Hashed(w.Schedule, w.Name), now)
	return []scheduler.Schedule{{Grammar: Name, Text: text, Zone: w.Timezone}}
}

// present is a job as this API shows it, but for what the timetable knows.
func present(j scheduler.Job, m scheduler.JobSummary) Job {
	k := keptOf(&j.Draft)
	w := Job{
		ID: j.Name, Name: j.Name, DisplayName: j.DisplayName, Owner: k.Owner, OwnerEmail: k.OwnerEmail,
		SuccessCount: m.Succeeded, ErrorCount: m.Failed, LastSuccess: optional(m.SucceededAt), LastError: optional(m.FailedAt),
		Disabled: !j.Enabled, Metadata: wireTexts(j.Metadata), Retries: uint(j.Retries), DependentJobs: m.Dependents,
		Concurrency: string(scheduler.Allow), Status: statusOf(m.Outcome), Ephemeral: j.Ephemeral,
		StartsAt: optional(j.StartsAt), ExpiresAt: optional(j.EndsAt),
	}
	if j.Concurrency != scheduler.Allow {
		w.Concurrency = string(scheduler.Forbid) // as near as it has
	}
	if len(j.DependsOn) > 0 {
		w.ParentJob = j.DependsOn[0].Job
	}
	w.Schedule, w.Timezone = shownSchedule(&j.Draft, &k)
	w.Tags = shownTags(&j.Draft, &k)
	w.Executor, w.ExecutorConfig = shownExecutor(&j.Draft, &k)
	w.Processors = shownProcessors(j.Notify, &k)
	return w
}

// shownSchedule is a job's first schedule in six fields.
func shownSchedule(d *scheduler.Draft, k *kept) (text, zone string) {
	if slices.Equal(d.Schedules, k.As) && (k.Schedule != "" || len(d.DependsOn) > 0) {
		return k.Schedule, k.Timezone
	}
	if len(d.Schedules) == 0 {
		if len(d.DependsOn) > 0 {
			return "", ""
		}
		return "@manually", ""
	}
	first := d.Schedules[0]
	fields := strings.Fields(first.Text)
	if len(fields) == 5 && !strings.HasPrefix(first.Text, "@") {
		return "0 " + first.Text, first.Zone
	}
	if len(fields) == 6 && strings.Contains(fields[0], "TZ=") {
		return fields[0] + " 0 " + strings.Join(fields[1:], " "), first.Zone
	}
	return first.Text, first.Zone
}

// statusOf is how a job's last group ended.
func statusOf(outcome scheduler.State) string {
	switch outcome {
	case "":
		return ""
	case scheduler.Succeeded:
		return "success"
	default:
		return "failed"
	}
}

func plainTexts(t texts) map[string]string {
	if len(t) == 0 {
		return nil
	}
	m := make(map[string]string, len(t))
	for key, v := range t {
		m[key] = string(v)
	}
	return m
}

func wireTexts(m map[string]string) texts {
	if len(m) == 0 {
		return nil
	}
	t := make(texts, len(m))
	for key, v := range m {
		t[key] = text(v)
	}
	return t
}

// sameJSON compares two objects.
func sameJSON(a, b json.RawMessage) bool {
	if bytes.Equal(a, b) {
		return true
	}
	var x, y bytes.Buffer
	var v, w any
	if json.Unmarshal(a, &v) != nil || json.Unmarshal(b, &w) != nil {
		return false
	}
	return json.NewEncoder(&x).Encode(v) == nil && json.NewEncoder(&y).Encode(w) == nil && bytes.Equal(x.Bytes(), y.Bytes())
}
