package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"time"

	"belfry/scheduler"
)

// seedDemo stores a few jobs that show what Belfry does, when there are none.
func seedDemo(ctx context.Context, s *scheduler.Service, base string) error {
	_, total, err := s.Store.ListJobs(ctx, scheduler.JobFilter{Limit: 1})
	if err != nil || total.N > 0 {
		return err
	}
	for _, d := range demoJobs(base) {
		if _, err := s.CreateJob(ctx, scheduler.Server, d, scheduler.OriginDemo); err != nil {
			return fmt.Errorf("make the demo job %s: %w", d.Name, err)
		}
	}
	return nil
}

func demoJobs(base string) []scheduler.Draft {
	every := func(text string) []scheduler.Schedule { return []scheduler.Schedule{{Text: text}} }
	config := func(v map[string]any) json.RawMessage {
		b, _ := json.Marshal(v) // maps of text always encode
		return b
	}
	return []scheduler.Draft{
		{
			Name: "tick", DisplayName: "Clock", Enabled: true, Executor: "shell", Schedules: every("*/5 * * * * *"),
			Notes:  "Says what time it is, every five seconds.",
			Config: config(map[string]any{"command": `echo "It is $(date '+%H:%M:%S') on $(uname -n)."`}),
		},
		{
			Name: "nightly-report", DisplayName: "Report with progress and colours", Enabled: true, Executor: "shell",
			Schedules: every("30 * * * * *"), Concurrency: scheduler.Forbid, Timeout: time.Minute,
			Notes:    "Runs for twenty seconds, so that you can watch it live, stop it, and see what is left.",
			Config:   config(map[string]any{"command": demoReport}),
			Progress: `reading +(\d+) of (\d+)`,
		},
		{
			Name: "mail-report", DisplayName: "Send the report", Enabled: true, Executor: "shell",
			DependsOn: []scheduler.Dependency{{Job: "nightly-report", On: scheduler.OnSuccess}},
			Notes:     "Has no schedule: it runs when the report has succeeded.",
			Config:    config(map[string]any{"command": "echo \"the report of $(date '+%H:%M') is on its way\""}),
		},
		{
			Name: "flaky-upload", DisplayName: "Upload that fails at first", Enabled: true, Executor: "shell",
			Schedules: every("0 * * * * *"), Retries: 2, Retry: scheduler.RetryPolicy{Delay: 3 * time.Second, Factor: 2},
			Notes:  "Fails twice and succeeds at the third attempt: look at how the attempts are linked.",
			Config: config(map[string]any{"command": demoFlaky}),
		},
		{
			Name: "broken-backup", DisplayName: "Backup to a disk that is not there", Enabled: true, Executor: "shell",
			Schedules: every("15 */2 * * * *"), Retries: 1, Retry: scheduler.RetryPolicy{Delay: 5 * time.Second, Factor: 2},
			Notes:  "Fails, is retried, and fails again: this is how a problem looks.",
			Config: config(map[string]any{"command": "set -e\necho 'copying 3 files'\ncp /etc/hostname /mnt/backup-disk-that-is-not-there/"}),
		},
		{
			Name: "health", DisplayName: "Belfry's own health", Enabled: true, Executor: "http", Schedules: every("@every 30s"),
			Notes:  "An HTTP job against this server: it expects the status 200 and a word in the answer.",
			Config: config(map[string]any{"url": base + "/health/readiness", "expect_body": `"ready":true`}),
		},
		{
			Name: "by-hand", DisplayName: "Only when you say so", Enabled: true, Executor: "shell", Schedules: every("@manually"),
			Config: config(map[string]any{"command": "echo 'You pressed Run.'; env | grep ^BELFRY_ | sort"}),
		},
	}
}

const demoReport = `printf '\033[1mNightly report\033[0m\n'
i=0
while [ $i -lt 20 ]; do
  i=$((i + 1))
  printf '\rreading %2d of 20 ' $i
  [ $((i % 5)) -eq 0 ] && printf '\r\033[32mok\033[0m    block %d read   \n' $((i / 5))
  [ $i -eq 12 ] && echo 'a slow disk, going on' >&2
  sleep 1
done
printf '\033[42;30m done \033[0m \033[36m20 blocks\033[0m\n'`

const demoFlaky = `echo "attempt $BELFRY_ATTEMPT"
if [ "$BELFRY_ATTEMPT" -lt 3 ]; then
  printf '\033[31mconnection reset by peer\033[0m\n' >&2
  exit 7
fi
echo 'uploaded 12 files'`

// openBrowser shows the page to somebody who sits in front of this machine.
func openBrowser(ctx context.Context, url string) {
	if os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "" {
		return
	}
	if path, err := exec.LookPath("xdg-open"); err == nil {
		_ = exec.CommandContext(ctx, path, url).Start()
	}
}
