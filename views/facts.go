package views

import (
	"strconv"
	"strings"
	"time"

	"belfry/scheduler"
)

type limitFact struct{ Name, Value string }

// limitFacts are a job's rules as its page shows them: those that every job has,
// and of the others those that somebody has set.
func limitFacts(d scheduler.Draft) []limitFact {
	facts := []limitFact{
		{"While it runs", concurrencyWords(d)},
		{"Retries", retryWords(d)},
		{"Timeout", limitWords(d.Timeout)},
	}
	add := func(when bool, name, value string) {
		if when {
			facts = append(facts, limitFact{name, value})
		}
	}
	add(d.MaxRunning > 0, "At once", "At most "+strconv.Itoa(d.MaxRunning))
	add(d.Priority != 0, "Priority", strconv.Itoa(d.Priority))
	add(d.Once, "Once", "It runs one single time by itself")
	add(d.CatchUp == scheduler.CatchUpLatest, "Missed fires", "The latest is run, if it is not older than "+durationValue(d.CatchUpWindow))
	add(d.CatchUp == scheduler.CatchUpAll, "Missed fires", "All are run that are not older than "+durationValue(d.CatchUpWindow))
	add(d.Jitter > 0, "Jitter", "Starts up to "+durationValue(d.Jitter)+" later")
	add(d.Copies > 1, "Copies", "On "+strconv.Itoa(d.Copies)+" workers at once")
	add(d.Progress != "", "Progress", "Read from the output by "+d.Progress)
	add(d.OutputLimit != scheduler.DefaultOutputLimit && d.OutputLimit != (scheduler.OutputLimit{}), "Output",
		"The first "+Size(d.OutputLimit.Head)+" and the last "+Size(d.OutputLimit.Tail)+" are kept")
	add(d.Retention != (scheduler.Retention{}), "Kept", retentionWords(d.Retention))
	return facts
}

func concurrencyWords(d scheduler.Draft) string {
	switch d.Concurrency {
	case scheduler.Forbid:
		return "A further fire is skipped"
	case scheduler.Queue:
		return "A further fire waits for its turn, at most " + plural(int64(d.MaxQueued), "does", "do")
	case scheduler.Replace:
		return "A further fire takes its place"
	case scheduler.Allow, "":
		return "A further fire runs beside it"
	default:
		return string(d.Concurrency)
	}
}

func retryWords(d scheduler.Draft) string {
	if d.Retries == 0 {
		return "None"
	}
	s := "Up to " + strconv.Itoa(d.Retries)
	if d.Retry.Delay > 0 {
		s += ", the first after about " + Duration(d.Retry.Delay)
	}
	codes := make([]string, len(d.Retry.ExitCodes))
	for i, c := range d.Retry.ExitCodes {
		codes[i] = strconv.Itoa(c)
	}
	switch len(codes) {
	case 0:
		return s
	case 1:
		return s + ", only after exit code " + codes[0]
	default:
		return s + ", only after exit codes " + strings.Join(codes, ", ")
	}
}

func limitWords(d time.Duration) string {
	if d <= 0 {
		return "None"
	}
	return Duration(d)
}

func retentionWords(r scheduler.Retention) string {
	var parts []string
	if r.MaxAge > 0 {
		parts = append(parts, "for "+ageValue(r.MaxAge))
	}
	if r.MaxCount > 0 {
		parts = append(parts, "at most "+plural(int64(r.MaxCount), "execution", "executions"))
	}
	if r.MaxBytes > 0 {
		parts = append(parts, "at most "+Size(r.MaxBytes)+" of output")
	}
	return strings.Join(parts, ", ")
}

// conditionWords say which outcome of it counts.
func conditionWords(c scheduler.Condition, it string) string {
	switch c {
	case scheduler.OnSuccess:
		return "if " + it + " succeeds"
	case scheduler.OnFailure:
		return "if " + it + " fails"
	case scheduler.OnAny:
		return "however " + it + " ends"
	default:
		return string(c)
	}
}

// originBadge tells a job apart that was not made by people here.
func originBadge(o scheduler.Origin) string {
	switch o {
	case scheduler.OriginDemo:
		return "demo"
	case scheduler.OriginFile:
		return "file"
	case scheduler.OriginLabel:
		return "label"
	default:
		return ""
	}
}

// owner is whom to ask about a job: its metadata says.
func owner(d scheduler.Draft) string { return d.Metadata["owner"] }
