package jobfile

import (
	"errors"
	"slices"
	"strings"
	"time"

	"belfry/scheduler"
)

// The dialect's defaults, which are not all the domain's.
const (
	defaultRetryDelay    = time.Second
	defaultRetryMaxDelay = time.Minute
	defaultMaxRuntime    = 24 * time.Hour
)

// maxNumber is the most that counts may be; the domain's own limits are lower
// where it has some.
const maxNumber = 1_000_000_000

// jobFields is the table: the keys of jobs, in the order in which they are set.
var jobFields = slices.Concat(commonFields, notifyFields, dockerFields, localFields, httpFields)

var commonFields = []field[*draft]{
	{
		key: "schedule", domain: []string{"schedule", "timezone"},
		get: func(d *draft) any { return scheduleText(d.Schedules) },
		set: func(d *draft, v any) error { return setSchedule(d, v.(string)) },
	},
	{
		key: "run-on-startup", kind: yesNo, domain: []string{"run_on_start"},
		get: func(d *draft) any { return d.RunOnStart },
		set: func(d *draft, v any) error { d.RunOnStart = v.(bool); return nil },
	},
	{
		key: "history-limit", kind: number, max: maxNumber, domain: []string{"retention.max_count"},
		get: func(d *draft) any { return int64(d.Retention.MaxCount) },
		set: func(d *draft, v any) error { d.Retention.MaxCount = int(v.(int64)); return nil },
	},
	{
		key: "max-retries", kind: number, max: maxNumber, domain: []string{"retries"},
		get: func(d *draft) any { return int64(d.Retries) },
		set: func(d *draft, v any) error { d.Retries = int(v.(int64)); return nil },
	},
	{
		key: "retry-delay-ms", kind: millis, min: 1, domain: []string{"retry.delay"},
		get: func(d *draft) any { return d.Retry.Delay },
		set: func(d *draft, v any) error { d.Retry.Delay = v.(time.Duration); return nil },
	},
	{
		key: "retry-exponential", kind: yesNo, domain: []string{"retry.factor"},
		get: func(d *draft) any { return d.Retry.Factor > 1 },
		set: func(d *draft, v any) error {
			d.Retry.Factor = 1
			if v.(bool) {
				d.Retry.Factor = 2
			}
			return nil
		},
	},
	{
		key: "retry-max-delay-ms", kind: millis, min: 1, domain: []string{"retry.max_delay"},
		get: func(d *draft) any { return d.Retry.MaxDelay },
		set: func(d *draft, v any) error { d.Retry.MaxDelay = v.(time.Duration); return nil },
	},
	{
		key: "depends-on", kind: list, domain: []string{"depends_on"},
		get: func(d *draft) any { return jobNames(d.DependsOn, "") },
		set: func(d *draft, v any) error { return setDependsOn(d, v.([]string)) },
	},
	trigger("on-success", scheduler.OnSuccess),
	trigger("on-failure", scheduler.OnFailure),
	{
		key: "no-overlap", kind: yesNo, domain: []string{"concurrency"},
		get: func(d *draft) any { return d.Concurrency == scheduler.Forbid },
		set: func(d *draft, v any) error {
			d.Concurrency = scheduler.Allow
			if v.(bool) {
				d.Concurrency = scheduler.Forbid
			}
			return nil
		},
	},
	{
		key: "max-runtime", kind: duration, domain: []string{"timeout"},
		get: func(d *draft) any { return d.Timeout },
		set: func(d *draft, v any) error { d.Timeout = v.(time.Duration); return nil },
	},
}

// unscheduled are the words for a job that only others and people start.
var unscheduled = []string{"@triggered", "@manual", "@none"}

// scheduleText writes schedules as one text. Several, which the dialect cannot
// say, are shown one after the other; so is a grammar that is not its own.
func scheduleText(all []scheduler.Schedule) string {
	if len(all) == 0 {
		return unscheduled[0]
	}
	shown := make([]string, len(all))
	for i, s := range all {
		shown[i] = s.Text
		if s.Zone != "" && !strings.HasPrefix(s.Text, "TZ=") && !strings.HasPrefix(s.Text, "CRON_TZ=") {
			shown[i] = "CRON_TZ=" + s.Zone + " " + s.Text
		}
	}
	return strings.Join(shown, "; ")
}

func setSchedule(d *draft, given string) error {
	given = strings.TrimSpace(given)
	if given == "" {
		return errors.New("is required; @triggered is for jobs that only others or people start")
	}
	if slices.Contains(unscheduled, strings.ToLower(given)) {
		d.Schedules = nil
		return nil
	}
	s := scheduler.Schedule{Text: given}
	if _, err := s.Parse(); err != nil {
		return errors.New(words(err))
	}
	d.Schedules = []scheduler.Schedule{s}
	return nil
}

// words is what a domain error says, without its fields' names.
func words(err error) string {
	var e *scheduler.Error
	if !errors.As(err, &e) || len(e.Fields) == 0 {
		return err.Error()
	}
	all := make([]string, len(e.Fields))
	for i, f := range e.Fields {
		all[i] = f.Message
	}
	return strings.Join(all, "; ")
}
