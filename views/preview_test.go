package views

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/a-h/templ"

	"belfry/scheduler"
	"belfry/static"
)

func samplePages() map[string]templ.Component {
	empty := sampleNowProps()
	empty.Jobs = 0
	calm := sampleNowProps()
	calm.Failing, calm.FailingTotal, calm.Running, calm.RunningTotal, calm.Queued, calm.QueuedTotal = nil, 0, nil, 0, nil, 0
	frozen := sampleNowProps()
	frozen.Freeze = scheduler.Freeze{Since: sampleNow.Add(-4 * time.Minute), Until: sampleNow.Add(time.Hour), By: "ada", Reason: "the storage is being moved"}
	calm.Pause = PauseProps{Reason: "the storage is being moved", Until: "soon", Errors: map[string]string{"until": "is neither a duration nor a time"}}
	jobs := sampleJobs()
	viewer := samplePage("Jobs", NavJobs)
	viewer.Role = scheduler.Viewer
	fault := sampleUsers()
	fault.Errors = map[string]string{"username": "the name is taken", "password": "must have at least 12 characters"}
	fault.Values = map[string]string{"username": "grace", "role": "editor"}
	none := sampleLive(scheduler.Succeeded)
	none.Lines, none.Row.Execution.OutputLines = nil, 0
	live := sampleLive(scheduler.Running)
	live.Row.Execution.StartedAt = time.Now()
	live.Row.Execution.FinishedAt = time.Time{}
	live.Lines = sampleLines(40)
	live.Now = time.Now()
	return map[string]templ.Component{
		"now":            NowPage(sampleNowProps()),
		"now-calm":       NowPage(calm),
		"now-frozen":     NowPage(frozen),
		"now-empty":      NowPage(empty),
		"jobs":           JobsPage(JobsProps{Page: samplePage("Jobs", NavJobs), Query: JobQuery{Limit: 50}, Rows: jobs, Total: scheduler.Total{N: 6}, Executors: []string{"http", "shell"}}),
		"jobs-viewer":    JobsPage(JobsProps{Page: viewer, Query: JobQuery{Limit: 2, Offset: 2, Sort: "-name"}, Rows: jobs[:2], Total: scheduler.Total{N: 10000, Capped: true}}),
		"jobs-empty":     JobsPage(JobsProps{Page: samplePage("Jobs", NavJobs)}),
		"jobs-nothing":   JobsPage(JobsProps{Page: samplePage("Jobs", NavJobs), Query: JobQuery{Q: "zzz"}}),
		"job":            JobPage(sampleJobProps()),
		"job-new":        JobPage(JobProps{Page: samplePage("By hand", NavJobs), Row: jobs[5], History: HistoryProps{Page: samplePage("", NavJobs), Job: "by-hand"}}),
		"calendar":       CalendarPage(sampleCalendar("week", 7)),
		"calendar-day":   CalendarPage(sampleCalendar("day", 1)),
		"calendar-hour":  CalendarHourPage(sampleCalendarHour()),
		"run":            RunFormPage(RunFormProps{JobFormProps: sampleForm(), Heading: "Run nightly-backup with changes", Executor: "shell", Action: "/jobs/nightly-backup/run", Back: "/jobs/nightly-backup"}),
		"form":           JobFormPage(sampleForm()),
		"form-errors":    JobFormPage(sampleFaultyForm()),
		"executions":     ExecutionsPage(ExecutionsProps{Page: samplePage("Executions", NavExecutions), Query: ExecutionQuery{Limit: 50}, Rows: sampleRows(), Total: scheduler.Total{N: 40123}}),
		"exec-empty":     ExecutionsPage(ExecutionsProps{Page: samplePage("Executions", NavExecutions)}),
		"exec-running":   ExecutionPage(sampleLive(scheduler.Running)),
		"exec-failed":    ExecutionPage(sampleLive(scheduler.Failed)),
		"exec-silent":    ExecutionPage(none),
		"exec-live":      ExecutionPage(live),
		"system":         SettingsSystemPage(sampleSystem()),
		"account":        AccountPage(AccountProps{Page: samplePage("Your account", NavNone), Session: true, Errors: map[string]string{"current": "is not your password"}}),
		"search":         SearchPage(sampleSearch()),
		"bulk-delete":    BulkDeletePage(BulkDeleteProps{Page: samplePage("Delete jobs", NavJobs), Jobs: []string{"a", "<b>b</b>"}}),
		"exec-search":    ExecutionPage(searching(OutputSearchProps{Q: "<b>", Only: true, Skip: 2000, Total: 9000})),
		"exec-wrong":     ExecutionPage(searching(OutputSearchProps{Q: "(", Case: true, Problem: "is not a regular expression (RE2): missing closing ): `(`"})),
		"users":          SettingsUsersPage(sampleUsers()),
		"users-errors":   SettingsUsersPage(fault),
		"tokens":         SettingsTokensPage(sampleTokens()),
		"workers":        WorkersPage(sampleWorkers()),
		"worker":         WorkerPage(sampleWorker()),
		"login":          LoginPage(LoginProps{}),
		"login-refused":  LoginPage(LoginProps{Username: "ada", Next: "/jobs", Problem: "The user or the password is wrong."}),
		"error":          ErrorPage(ErrorProps{Page: samplePage("", NavNone), Status: 404, Heading: "There is no such job", Detail: "It may have been deleted or renamed.", RequestID: "0a1b2c3d"}),
		"error-stranger": ErrorPage(ErrorProps{Status: 500, Heading: "Something went wrong here", RequestID: "0a1b2c3d"}),
	}
}

// TestPreview is for looking at the pages: with VIEWS_PREVIEW=dir it writes them
// there, with VIEWS_SERVE=host:port it serves them, under the real content
// security policy and with an execution that writes.
func TestPreview(t *testing.T) {
	dir, address := os.Getenv("VIEWS_PREVIEW"), os.Getenv("VIEWS_SERVE")
	if dir == "" && address == "" {
		t.Skip("VIEWS_PREVIEW and VIEWS_SERVE are not set")
	}
	if dir != "" {
		for name, page := range samplePages() {
			var b bytes.Buffer
			if err := page.Render(t.Context(), &b); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name+".html"), b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if address == "" {
		return
	}
	mux := http.NewServeMux()
	mux.Handle(static.Prefix, static.Handler())
	mux.HandleFunc("/events", previewEvents)
	mux.HandleFunc("GET /executions/{id}/lines", func(w http.ResponseWriter, r *http.Request) {
		from, _ := strconv.Atoi(r.FormValue("from"))
		count, _ := strconv.Atoi(r.FormValue("count"))
		all := sampleLines(5000)
		from = min(max(from, 1), len(all))
		_ = OutputLines(all[from-1:min(from-1+count, len(all))]).Render(r.Context(), w)
	})
	mux.HandleFunc("GET /jobs/preview", func(w http.ResponseWriter, r *http.Request) {
		p := PreviewProps{Page: samplePage("", NavJobs), Text: r.FormValue("schedule"), Words: "read: " + r.FormValue("schedule") + " in " + r.FormValue("timezone"), Fires: sampleFires()}
		_ = SchedulePreview(p).Render(r.Context(), w)
	})
	mux.HandleFunc("POST /jobs/{name}/{what}", func(w http.ResponseWriter, r *http.Request) {
		row := sampleJobs()[0]
		switch r.PathValue("what") {
		case "run":
			_ = Toast(Flash{Kind: FlashGood, Text: "Started Nightly backup", Href: "/exec-live", Link: "Open"}).Render(r.Context(), w)
		case "disable":
			row.Job.Enabled = false
			_ = JobRow(samplePage("", NavJobs), row).Render(r.Context(), w)
		default:
			_ = JobRow(samplePage("", NavJobs), row).Render(r.Context(), w)
		}
	})
	mux.HandleFunc("POST /executions/{id}/{what}", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusConflict)
		_ = ErrorFragment(ErrorProps{Status: 409, Heading: "It has ended already", Detail: "Nothing was stopped."}).Render(r.Context(), w)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		name := r.URL.Path[1:]
		if name == "" {
			name = "now"
		}
		page, ok := samplePages()[name]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if r.Header.Get("HX-Request") != "" && name == "now" {
			page = NowBoard(sampleNowProps())
		}
		if r.Header.Get("HX-Request") != "" && name == "jobs" {
			page = JobsTable(JobsProps{Page: samplePage("Jobs", NavJobs), Query: JobQuery{Q: r.FormValue("q"), Limit: 50}, Rows: sampleJobs(), Total: scheduler.Total{N: 6}})
		}
		_ = page.Render(r.Context(), w)
	})
	t.Logf("http://%s/", address)
	server := &http.Server{Addr: address, Handler: mux, ReadHeaderTimeout: time.Second}
	t.Fatal(server.ListenAndServe())
}

func previewEvents(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	send := func(event, id string, c templ.Component) {
		var b bytes.Buffer
		_ = c.Render(r.Context(), &b)
		fmt.Fprintf(w, "event: %s\n", event)
		if id != "" {
			fmt.Fprintf(w, "id: %s\n", id)
		}
		for line := range bytes.Lines(b.Bytes()) {
			fmt.Fprintf(w, "data: %s\n", bytes.TrimRight(line, "\n"))
		}
		fmt.Fprint(w, "\n")
		w.(http.Flusher).Flush()
	}
	p := sampleLive(scheduler.Running)
	if r.FormValue("topics") == "board" {
		for i := 0; ; i++ {
			select {
			case <-r.Context().Done():
				return
			case <-time.After(700 * time.Millisecond):
			}
			rows := sampleRows()
			row := rows[i%3]
			row.Execution.State = scheduler.States[i%4]
			send("execution", "", ExecutionPatch(samplePage("", NavNow), row))
		}
	}
	all := sampleLines(5000)
	p.Row.Execution.StartedAt = time.Now()
	p.Now = time.Now()
	pace, _ := time.ParseDuration(os.Getenv("VIEWS_PACE"))
	pace = max(pace, 5*time.Millisecond)
	at := 40
	if n, err := strconv.Atoi(r.Header.Get("Last-Event-ID")); err == nil {
		at = n
	}
	for i := at; i < 3000; i += 3 {
		select {
		case <-r.Context().Done():
			return
		case <-time.After(pace):
		}
		send("output", strconv.Itoa(i+3), OutputLines(all[i:i+3]))
		if i%300 == 40 {
			p.Row.Execution.OutputLines = int64(i)
			send("execution", "", ExecutionHeader(p))
		}
	}
	p.Row.Execution = sampleLive(scheduler.Failed).Row.Execution
	send("execution", "", ExecutionHeader(p))
	send("end", "", EndNote(p))
	<-r.Context().Done()
}
