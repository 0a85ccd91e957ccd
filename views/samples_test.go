package views

import (
	"encoding/json"
	"fmt"
	"time"

	"belfry/scheduler"
)

// Samples: one consistent little world for the preview and the rendering tests.

var sampleNow = time.Date(2026, 11, 20, 14, 5, 9, 0, time.UTC)

func samplePage(title string, active Nav) Page {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		panic(err)
	}
	return Page{Title: title, Active: active, User: "ada", Role: scheduler.Admin, Now: sampleNow, Zone: zone, Topics: "board"}
}

func exit(n int) *int { return &n }

func sampleExecution(i int, job string, state scheduler.State) scheduler.Execution {
	e := scheduler.Execution{
		ID: fmt.Sprintf("018f%04d", i), JobID: "job" + job, JobName: job, State: state, Attempt: 1, Worker: "local", Progress: -1,
		Trigger: scheduler.Trigger{Kind: scheduler.TriggerSchedule},
		DueAt:   sampleNow.Add(-time.Duration(i) * 7 * time.Minute),
	}
	e.Group, e.RunAt, e.QueuedAt = e.ID, e.DueAt, e.DueAt.Add(3*time.Millisecond)
	switch state {
	case scheduler.Queued:
		e.Reason = "4 of 4 slots busy"
		return e
	case scheduler.Skipped:
		e.Reason, e.FinishedAt = "018f0001 was still running (concurrency forbid)", e.QueuedAt
		return e
	case scheduler.Missed:
		e.Reason, e.FinishedAt = "the server was down from 03:00:12 to 03:41:50", e.QueuedAt
		return e
	}
	e.StartedAt = e.DueAt.Add(40 * time.Millisecond)
	if state == scheduler.Running {
		return e
	}
	e.FinishedAt = e.StartedAt.Add(time.Duration(3+i*i%200) * 1300 * time.Millisecond)
	e.PeakMemory, e.CPUTime, e.OutputBytes, e.OutputLines = 18<<20, 420*time.Millisecond, 15_512, 214
	switch state {
	case scheduler.Succeeded:
		e.ExitCode = exit(0)
	case scheduler.Failed:
		e.ExitCode, e.Reason = exit(2), "the command ended with exit code 2"
	case scheduler.TimedOut:
		e.Signal, e.Reason = "SIGKILL", "ran longer than its timeout of 5 m 0 s"
	case scheduler.Cancelled:
		e.Signal, e.Reason = "SIGTERM", "stopped by ada"
	case scheduler.Lost:
		e.Reason = "the server ended while it ran"
	}
	return e
}

func sampleOutcomes(pattern string) []scheduler.Outcome {
	states := map[rune]scheduler.State{'s': scheduler.Succeeded, 'f': scheduler.Failed, 't': scheduler.TimedOut, 'k': scheduler.Skipped, 'l': scheduler.Lost}
	var out []scheduler.Outcome
	for i, c := range pattern {
		took := time.Duration(20+(i*37)%60) * time.Second
		if c == 'f' {
			took /= 5
		}
		out = append(out, scheduler.Outcome{ID: fmt.Sprint(i), State: states[c], StartedAt: sampleNow.Add(-time.Duration(i+1) * time.Hour), Took: took})
	}
	return out
}

func sampleJob(num int64, name, display, text, words, executor, pattern string) JobRowProps {
	config := json.RawMessage(`{"command":"set -e\n/usr/local/bin/backup --all --to /srv/backup\necho done","env":{"RESTIC_REPOSITORY":"/srv/backup","TZ":"UTC"},"dir":"/srv"}`)
	if executor == "http" {
		config = json.RawMessage(`{"url":"http://127.0.0.1:8080/health","method":"GET"}`)
	}
	r := JobRowProps{
		Job: scheduler.Job{
			ID: "job" + name, Num: num, Version: 3, Origin: scheduler.OriginPage,
			CreatedAt: sampleNow.AddDate(0, -2, -3), UpdatedAt: sampleNow.AddDate(0, 0, -4),
			Draft: scheduler.Draft{
				Name: name, DisplayName: display, Enabled: true, Executor: executor, Config: config,
				Concurrency: scheduler.Forbid, Retries: 2, Timeout: 5 * time.Minute, Grace: 10 * time.Second,
				Retry: scheduler.RetryPolicy{Delay: time.Second, Factor: 2, MaxDelay: time.Hour},
			},
		},
		Stats: scheduler.JobStats{
			Recent: sampleOutcomes(pattern), MedianTook: 48 * time.Second,
			Counts:      map[scheduler.State]int64{scheduler.Succeeded: 1204, scheduler.Failed: 31, scheduler.Skipped: 4},
			LastSuccess: sampleNow.Add(-2 * time.Hour), LastFailure: sampleNow.Add(-49 * time.Minute),
		},
		Next: sampleNow.Add(23 * time.Minute),
	}
	if text != "" {
		r.Job.Schedules = []scheduler.Schedule{{Text: text, Zone: "Europe/Berlin"}}
		r.Words = []string{words}
	}
	if len(pattern) > 0 {
		e := sampleExecution(int(num)+6, name, r.Stats.Recent[0].State)
		e.JobName = name
		r.Stats.Last = &e
	}
	return r
}

func sampleJobs() []JobRowProps {
	a := sampleJob(1, "nightly-backup", "Nightly backup", "30 2 * * *", "at 02:30 every day", "shell", "ssssssssfsssssssstssssssskssss")
	b := sampleJob(2, "invoice-export", "Invoice export to the accountants", "0 6 * * MON-FRI", "at 06:00 from Monday to Friday", "shell", "ffsssssssssfssss")
	c := sampleJob(3, "health", "", "*/10 * * * * *", "every 10 seconds", "http", "ssssssssssssssssssssssssssssss")
	c.Running = 1
	d := sampleJob(4, "reindex-search", "", "@every 90s", "every 1 m 30 s", "shell", "lsssksss")
	e := sampleJob(5, "import-legacy", "Legacy import", "0 0 1 * *", "at 00:00 on day 1 of the month", "shell", "sss")
	e.Job.Enabled = false
	f := sampleJob(6, "by-hand", "", "", "", "shell", "")
	f.Next = time.Time{}
	return []JobRowProps{a, b, c, d, e, f}
}

// sampleJobProps is a job with everything that one can have.
func sampleJobProps() JobProps {
	row := sampleJobs()[0]
	d := &row.Job.Draft
	d.Schedules = append(d.Schedules, scheduler.Schedule{Text: "0 9 * * SAT", Zone: "Asia/Tokyo"})
	row.Words = append(row.Words, "at 09:00 on Saturday")
	d.Concurrency, d.MaxQueued, d.MaxRunning, d.Priority = scheduler.Queue, 5, 2, 10
	d.Retry.ExitCodes, d.CatchUp, d.CatchUpWindow, d.Jitter = []int{1, 75}, scheduler.CatchUpAll, 24*time.Hour, time.Minute
	d.PausedUntil, d.StartsAt, d.EndsAt = sampleNow.Add(3*time.Hour), sampleNow.Add(time.Hour), sampleNow.AddDate(0, 1, 0)
	d.DependsOn = []scheduler.Dependency{{Job: "invoice-export", On: scheduler.OnSuccess}, {Job: "health", On: scheduler.OnAny}}
	d.Tags, d.Metadata, d.Progress = []string{"backup", "disk=large"}, map[string]string{"team": "storage", "ticket": "OPS-17"}, `(\d+)%`
	d.OutputLimit, d.Retention = scheduler.OutputLimit{Head: 1 << 20, Tail: 4 << 20}, scheduler.Retention{MaxAge: 30 * 24 * time.Hour, MaxCount: 1000}
	p := JobProps{Page: samplePage("Nightly backup", NavJobs), Row: row, Fires: sampleFires(), Executions: sampleRows(), Total: scheduler.Total{N: 1239}}
	p.Row.Job.Notes = "# When it fails\n\nAsk *storage*, see <https://example.com/wiki>, or run `backup --repair`.\n\n- first\n- second"
	p.Row.Job.Metadata["owner"] = "storage"
	p.Row.Job.Triggers = []scheduler.Dependency{{Job: "clean-up", On: scheduler.OnAny}}
	p.History = sampleHistory(p.Page, row.Job)
	p.Curl = CurlProps{Run: "curl -X POST 'http://localhost/jobs/nightly-backup/run'", Make: "curl -d '{}'"}
	p.Dependents = []scheduler.Dependent{{Job: "report", On: scheduler.OnSuccess}, {Job: "page-somebody", On: scheduler.OnFailure}}
	return p
}

func sampleRows() []ExecutionRowProps {
	var rows []ExecutionRowProps
	for i, s := range []scheduler.State{
		scheduler.Running, scheduler.Queued, scheduler.Succeeded, scheduler.Failed, scheduler.Succeeded, scheduler.TimedOut,
		scheduler.Skipped, scheduler.Lost, scheduler.Missed, scheduler.Cancelled, scheduler.Succeeded,
	} {
		e := sampleExecution(i, []string{"nightly-backup", "health", "invoice-export"}[i%3], s)
		switch i {
		case 3:
			e.Attempt, e.Trigger = 2, scheduler.Trigger{Kind: scheduler.TriggerRetry}
		case 4:
			e.Trigger = scheduler.Trigger{Kind: scheduler.TriggerManual, By: "ada"}
		case 5:
			e.Trigger = scheduler.Trigger{Kind: scheduler.TriggerAPI, By: "deploy-pipeline"}
		case 10:
			e.Trigger = scheduler.Trigger{Kind: scheduler.TriggerDependency, By: "health"}
		}
		r := ExecutionRowProps{Execution: e, Median: 10 * time.Minute}
		if i%3 == 0 {
			r.Display = "Nightly backup"
		}
		rows = append(rows, r)
	}
	rows[0].Execution.Progress = 42
	rows[0].Execution.StartedAt = sampleNow.Add(-4*time.Minute - 11*time.Second)
	return rows
}

func sampleFires() []Fire {
	zone := samplePage("", NavNone).Zone
	var out []Fire
	for i := range 5 {
		at := time.Date(2027, 3, 26+i, 2, 30, 0, 0, zone)
		f := Fire{At: at}
		if i == 2 {
			f.Note = "02:30 does not exist on this day: it fires at 03:00, the first instant after the change to summer time"
		}
		out = append(out, f)
	}
	return out
}

func sampleNowProps() NowProps {
	jobs := sampleJobs()
	rows := sampleRows()
	p := NowProps{
		Page: samplePage("Now", NavNow), Failing: []JobRowProps{jobs[1], jobs[3]}, FailingTotal: 2,
		Running: rows[:1], RunningTotal: 1, Queued: rows[1:2], QueuedTotal: 1,
		Since: sampleNow.Add(-23 * time.Hour), Jobs: 6, Busy: 1, Slots: 4, Workers: []scheduler.Worker{sampleWorkers().Workers[0].Worker, sampleWorkers().Workers[1].Worker}, WorkersTotal: 21,
		Acknowledged: []AcknowledgedRow{{jobs[0], scheduler.Acknowledgement{Execution: "018f0008", By: "grace", At: sampleNow.Add(-time.Hour)}}},
	}
	for i := range 24 {
		h := sampleNow.Truncate(time.Hour).Add(-time.Duration(i) * time.Hour)
		p.Ended = append(p.Ended, scheduler.HourCount{Hour: h, State: scheduler.Succeeded, N: int64(30 + (i*17)%40)})
		if i%5 == 1 {
			p.Ended = append(p.Ended, scheduler.HourCount{Hour: h, State: scheduler.Failed, N: int64(1 + i/4)})
		}
		if i == 9 {
			p.Ended = append(p.Ended, scheduler.HourCount{Hour: h, State: scheduler.Missed, N: 6}, scheduler.HourCount{Hour: h, State: scheduler.Skipped, N: 9})
		}
	}
	for i, j := range jobs[:4] {
		p.Next = append(p.Next, Upcoming{JobName: j.Job.Name, Display: j.Job.DisplayName, Executor: j.Job.Executor, Words: j.Words[0], At: sampleNow.Add(time.Duration(i*i*4+1) * time.Minute)})
	}
	return p
}

var sampleLog = []string{
	"$ backup --all --to /srv/backup",
	"\x1b[1mopening repository\x1b[0m /srv/backup",
	"\x1b[32m✔\x1b[0m repository \x1b[36m4f1a9c\x1b[0m opened (version 2)",
	"scanning  10%\rscanning  55%\rscanning 100%  1,204 files, 3.1 GiB",
	"\x1b[33mwarning:\x1b[0m /srv/data/cache is excluded by \x1b[4m.backupignore\x1b[0m",
	"\x1b[48;5;24m\x1b[97m INFO \x1b[0m uploading pack 1 of 12",
	"\x1b[38;2;255;140;0mtrue colour\x1b[0m, \x1b[3mitalic\x1b[0m, \x1b[2mdim\x1b[0m, \x1b[7minverse\x1b[0m, \x1b[9mstruck\x1b[0m",
	"see \x1b]8;;https://example.com/docs\x1b\\the manual\x1b]8;;\x1b\\ for more",
	"<script>alert('never')</script>",
	"",
}

func sampleLines(n int) []Line {
	var t Terminal
	var lines []Line
	for i := range n {
		text := sampleLog[i%len(sampleLog)]
		if i%len(sampleLog) == 5 {
			text += fmt.Sprintf(" (line %d)", i+1)
		}
		l := Line{N: int64(i + 1), At: sampleNow.Add(time.Duration(i*137) * time.Millisecond), HTML: t.Line([]byte(text))}
		if i%11 == 4 {
			l.Stream = scheduler.Stderr
		}
		lines = append(lines, l)
	}
	return lines
}

func searching(search OutputSearchProps) ExecutionProps {
	p := sampleLive(scheduler.Succeeded)
	p.Search = search
	return p
}

func sampleLive(state scheduler.State) ExecutionProps {
	e := sampleExecution(3, "nightly-backup", state)
	e.Attempt = 2
	e.Trigger = scheduler.Trigger{Kind: scheduler.TriggerRetry}
	one := sampleExecution(4, "nightly-backup", scheduler.Failed)
	one.Group, e.Group = one.ID, one.ID
	if !e.State.Final() {
		e.StartedAt = sampleNow.Add(-72 * time.Second)
		e.OutputLines, e.OutputBytes = 214, 15_512
	}
	return ExecutionProps{
		Page: samplePage("", NavExecutions), Row: ExecutionRowProps{Execution: e, Display: "Nightly backup", Median: 100 * time.Second},
		Attempts: []scheduler.Execution{one, e}, OfAttempts: 3, Next: sampleNow.Add(12 * time.Hour), Lines: sampleLines(120), Cursor: "0",
	}
}

func sampleForm() JobFormProps {
	p := samplePage("Edit", NavJobs)
	d := sampleJobProps().Row.Job.Draft
	return JobFormProps{
		Page: p, Job: d.Name, Version: 3, Values: FormValues(d), Zones: []string{"Europe/Berlin", "UTC"}, Server: "Europe/Berlin",
		Preview: PreviewProps{Page: p, Text: "30 2 * * *", Grammar: "Five fields: minute, hour, day of month, month, day of week", Words: "at 02:30 every day", Fires: sampleFires()},
	}
}

func sampleFaultyForm() JobFormProps {
	p := sampleForm()
	p.Job, p.Title = "", "New job"
	p.Values["name"], p.Values["schedule"], p.Values["timeout"], p.Values["executor"] = "nightly/backup", "61 2 * * *", "soon", "http"
	p.Values["config.url"] = "example.com"
	p.Errors = map[string]string{
		"name": "must not contain a slash", "schedule": "minute: 61 is more than 59", "timeout": "is not a duration, like 30s or 1h30m",
		"config.url": "must begin with http:// or https://", "config.headers.X Y": "is not a header's name",
	}
	p.Preview = PreviewProps{Page: p.Page, Text: "61 2 * * *", Problem: "minute: 61 is more than 59"}
	return p
}

func sampleUsers() UsersProps {
	p := UsersProps{Page: samplePage("Users", NavSettings)}
	for i, n := range []string{"ada", "grace", "a-script-in-the-night-with-a-rather-long-name"} {
		p.Users = append(p.Users, UserRow{Self: i == 0, User: scheduler.User{
			ID: n, Name: n, Role: scheduler.Roles[3-i], CreatedAt: sampleNow.AddDate(0, -i, 0), LastLoginAt: sampleNow.Add(-time.Duration(i) * time.Hour),
		}})
	}
	p.Users[2].User.LastLoginAt = time.Time{}
	return p
}

func sampleTokens() TokensProps {
	p := TokensProps{Page: samplePage("API tokens", NavSettings), Secret: "bfy_7Gq0Yx3nT5kVb9ZsJm2LwQeR8uHcPdA1", SecretName: "deploy"}
	p.Tokens = []TokenRow{
		{Owner: "ada", Token: scheduler.Token{ID: "1", Name: "deploy", Role: scheduler.Operator, ExpiresAt: sampleNow.AddDate(0, 3, 0)}},
		{Owner: "ada", Token: scheduler.Token{ID: "2", Name: "grafana", Role: scheduler.Viewer, LastUsedAt: sampleNow.Add(-40 * time.Second)}},
		{Owner: "grace", Token: scheduler.Token{ID: "3", Name: "old-pipeline", Role: scheduler.Editor, RevokedAt: sampleNow.Add(-time.Hour)}},
	}
	return p
}

func sampleWorkers() WorkersProps {
	remote := sampleWorker().Worker
	lost := scheduler.Worker{
		Name: "render-2", Kind: scheduler.WorkerRemote, Presence: scheduler.WorkerLost, Slots: 2, SeenAt: sampleNow.Add(-3 * time.Minute),
		About: scheduler.WorkerAbout{Version: "1.4.1", System: "linux/arm64"},
	}
	return WorkersProps{
		Page: samplePage("Workers", NavWorkers), Withholding: true, Command: "belfry worker --server 'https://belfry.example.com'", TokenName: "farm",
		Workers: []WorkerRow{
			{Worker: remote, Withheld: 1},
			{Worker: lost},
			{Worker: scheduler.Worker{Name: "server", Kind: scheduler.WorkerServer, Presence: scheduler.WorkerOnline, Mode: scheduler.WorkerDraining, Slots: 4, Used: 1}},
		},
		Tokens: []scheduler.WorkerToken{
			{ID: "1", Name: "farm", MadeBy: "ada", CreatedAt: sampleNow.Add(-time.Hour)},
			{ID: "2", Name: "old", MadeBy: "ada", CreatedAt: sampleNow.Add(-48 * time.Hour), RevokedAt: sampleNow},
		},
		Errors: map[string]string{"name": "a worker token of this name exists"},
	}
}

func sampleWorker() WorkerProps {
	rows := sampleRows()
	return WorkerProps{
		Page: samplePage("render-1", NavWorkers), Withholding: true,
		Worker: scheduler.Worker{
			Name: "render-1", Kind: scheduler.WorkerRemote, Presence: scheduler.WorkerOnline, Tags: []string{"gpu", "linux"}, Slots: 8, Used: 2,
			Rules: [][]string{{"gpu"}, {"gpu", "linux"}}, Sleep: scheduler.Sleep{Text: "Mon-Fri 08:00-18:00", Zone: "Europe/Berlin"},
			About: scheduler.WorkerAbout{
				Version: "1.4.2", System: "linux/amd64", Address: "10.0.0.7", Load: 3.2, CPUs: 16, MemoryFree: 12 << 30, MemoryTotal: 64 << 30, Skew: 1500 * time.Millisecond,
			},
			ConnectedAt: sampleNow.Add(-26 * time.Hour), SeenAt: sampleNow.Add(-2 * time.Second),
		},
		Running: rows[:1], Recent: rows,
		Failures: []scheduler.WorkerFailures{{Worker: "render-1", JobID: "j", Job: "etl", Failures: 3, LastAt: sampleNow.Add(-time.Hour), Execution: "018f0003"}},
		Errors:   map[string]string{"sleep": "is wrong"},
	}
}

// sampleHistory is a year of a job that failed at times, and more lately.
func sampleHistory(page Page, j scheduler.Job) HistoryProps {
	h := HistoryProps{Page: page, Job: j.Name, JobID: j.ID}
	for i := range 400 {
		o := scheduler.Outcome{ID: fmt.Sprint(i), State: scheduler.Succeeded, Attempt: 1 + i%60/59, DueAt: sampleNow.Add(-time.Duration(i) * 7 * time.Hour)}
		if i%47 == 5 || i > 380 {
			o.State = scheduler.Failed
		}
		o.StartedAt = o.DueAt.Add(time.Duration(3+i*i%70) * time.Millisecond)
		o.Took = time.Duration(40+(i*37)%60-i/20) * time.Second
		h.Runs = append(h.Runs, o)
	}
	for i := range 53 * 7 {
		d := DayCount{Day: time.Date(2026, 11, 20-53*7+1+i, 0, 0, 0, 0, page.zone())}
		if i > 90 && i%11 != 3 {
			d.N = map[scheduler.State]int64{scheduler.Succeeded: int64(1 + i%9)}
			if i%29 == 7 {
				d.N[scheduler.Failed] = int64(1 + i%13)
			}
			if i%61 == 7 {
				d.N = map[scheduler.State]int64{scheduler.Skipped: 2}
			}
		}
		h.Days = append(h.Days, d)
	}
	return h
}

// sampleCalendar is a week with a change of the clocks, seen on its Friday.
func sampleCalendar(view string, n int) CalendarProps {
	page := samplePage("Calendar", NavCalendar)
	page.Now = time.Date(2026, 10, 23, 9, 20, 0, 0, page.zone())
	p := CalendarProps{Page: page, View: view, Often: 2, OftenJobs: []JobName{{Name: "tick"}, {"health", "Health of everything"}}}
	first := time.Date(2026, 10, 26-n, 0, 0, 0, 0, page.zone())
	for i := range n {
		d := CalendarDay{Day: first.AddDate(0, 0, i)}
		at := d.Day
		for h := range 24 {
			s := CalendarSlot{Hour: h, From: at, To: at.Add(time.Hour)}
			if s.Twice = n-1 == i && h == 2; s.Twice {
				s.To = s.To.Add(time.Hour)
			}
			if s.To.After(page.Now) {
				s.Fires = int64(h * h % 17 * (i + 1))
				if h == 2 {
					s.Fires = 1240
				}
				if s.Due = int(s.Fires); s.Due > 0 {
					s.Jobs = []JobName{{"nightly-backup", "Nightly backup"}, {Name: "health"}}[:min(s.Due, 2)]
				}
			} else if h%2 == 0 || i == 3 {
				s.Ended = map[scheduler.State]scheduler.Total{scheduler.Succeeded: {N: int64(1 + h*h*(i+1))}}
				if h%7 == 3 {
					s.Ended[scheduler.Missed] = scheduler.Total{N: 12}
				}
				if h%5 == 4 {
					s.Ended[scheduler.Failed], s.Ended[scheduler.TimedOut] = scheduler.Total{N: 3}, scheduler.Total{N: 10_000, Capped: i == 5}
				}
				if h%6 == 0 {
					s.Ended[scheduler.Skipped] = scheduler.Total{N: 40}
				}
			}
			at = s.To
			d.Slots = append(d.Slots, s)
		}
		p.Days = append(p.Days, d)
	}
	return p
}

func sampleCalendarHour() CalendarHourProps {
	c := sampleCalendar("week", 7)
	p := CalendarHourProps{Page: c.Page, Day: c.Days[6].Day, Slot: c.Days[6].Slots[2], Jobs: 40, MissedTotal: scheduler.Total{N: 1}}
	for i, r := range sampleJobs()[:4] {
		p.Fires = append(p.Fires, CalendarFire{
			JobName: JobName{r.Job.Name, r.Job.DisplayName}, Words: r.Words, First: p.Slot.From.Add(time.Duration(i) * 7 * time.Minute), Last: p.Slot.To, N: int64(1 + i*40),
		})
	}
	e := sampleExecution(3, "invoice-export", scheduler.Missed)
	p.Missed = []ExecutionRowProps{{Execution: e, Display: "Invoice export"}}
	return p
}

func sampleSystem() SystemProps {
	return SystemProps{
		Page: samplePage("System", NavSettings), Version: "1.4.0", Go: "go1.26", Started: sampleNow.Add(-50 * time.Hour), LateMedian: 3 * time.Millisecond,
		Late99: 41 * time.Millisecond, Fires: 1024, Viewers: 12, Busy: 1, Slots: 4, Memory: 91 << 20, Database: 412 << 20, DatabaseKind: "SQLite", CanBackup: true,
		BackupFolder: "/var/lib/belfry/backups", Restore: "belfry restore --data /var/lib/belfry --force /var/lib/belfry/backups/belfry-20261120-030000.000.db",
		Backups: []BackupRow{
			{"belfry-20261120-030000.000.db", time.Date(2026, 11, 20, 3, 0, 0, 0, time.UTC), 412 << 20, true},
			{"belfry-20261019-181502.123.db", time.Date(2026, 10, 19, 18, 15, 2, 0, time.UTC), 9 << 10, false},
		},
		Settings: [][2]string{{"listen", "127.0.0.1:8080"}, {"config", ""}},
	}
}

func sampleSearch() SearchProps {
	p := samplePage("Search", NavNone)
	return SearchProps{
		Page: p, Query: "run", Pages: PagesNamed(p, "run"), Jobs: []JobName{{"nightly-run", "Nightly run"}}, JobsTotal: 12,
		Executions: []scheduler.Execution{sampleExecution(3, "x", scheduler.Failed)},
	}
}
