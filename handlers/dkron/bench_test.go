package dkron

import (
	"testing"
	"time"

	"belfry/scheduler"
)

func BenchmarkPresent(b *testing.B) {
	w := Job{
		Name: "job-00001", Schedule: "0 0 4 * * *", Timezone: "Europe/Berlin", Owner: "Platform Team", Tags: texts{"server": "true:1"},
		Metadata: texts{"office": "Barcelona"}, Retries: 2, Processors: map[string]texts{"log": {"forward": "true"}}, Concurrency: "forbid",
		Executor: "shell", ExecutorConfig: texts{"shell": "true", "command": "echo 1"},
	}
	d, err := draftOf(w, nil, time.Now())
	if err != nil {
		b.Fatal(err)
	}
	d.Normalize()
	j := scheduler.Job{Draft: d}
	for b.Loop() {
		if got := present(j, scheduler.JobSummary{}); got.Tags["server"] != "true:1" {
			b.Fatal(got)
		}
	}
}
