// Package views renders Belfry's pages. It is pure: a component sees only its
// props, which carry the time and the zone, so the same props give the same
// bytes. Every page is Layout around the fragment that htmx gets from the same
// URL, and both are exported.
//
// The pages run under a content security policy without inline scripts, inline
// styles or eval: no style attributes, no hx-on, no event filters, no script
// templates. What moves is in static/js and attaches by data attributes.
package views

import (
	"cmp"
	"time"

	"belfry/scheduler"
)

// Nav names an entry of the main navigation.
type Nav string

// The entries. NavNone is for pages outside of it, such as errors.
const (
	NavNone       Nav = ""
	NavNow        Nav = "now"
	NavJobs       Nav = "jobs"
	NavTree       Nav = "tree"
	NavExecutions Nav = "executions"
	NavAudit      Nav = "audit"
	NavWorkers    Nav = "workers"
	NavCalendar   Nav = "calendar"
	NavSettings   Nav = "settings"
)

// Page is what the shell and every fragment need: who looks, when, in which
// zone. A zero Role shows no controls that change anything.
type Page struct {
	Title  string // of the tab, without the product's name
	Active Nav
	User   string // empty: nobody is logged in
	Role   scheduler.Role
	Flash  Flash
	Now    time.Time
	Zone   *time.Location   // nil is UTC
	ZoneOf ZoneChoice       // where Zone comes from
	ofJob  bool             // Zone is a job's, and said
	Server *time.Location   // the server's zone
	Freeze scheduler.Freeze // when everything is paused, every page says so

	// Topics are what the page's board connection asks /events for. Empty opens
	// none; the execution page opens its own.
	Topics string
}

// ZoneChoice says whose zone times are shown in.
type ZoneChoice string

// The choices. With ZoneJob, a job's own times are in its schedule's zone and say so,
// and what belongs to no job is in the browser's zone, or the server's where that is
// not known.
const (
	ZoneServer ZoneChoice = ""
	ZoneJob    ZoneChoice = "job"
	ZoneMine   ZoneChoice = "mine"
	ZoneUTC    ZoneChoice = "utc"
)

// In is the page for times of a job whose schedules are in a zone; nil is the
// server's, where schedules without a zone are.
func (p Page) In(zone *time.Location) Page {
	if p.ZoneOf == ZoneJob {
		p.Zone, p.ofJob = cmp.Or(zone, p.Server, time.UTC), true
	}
	return p
}

// mark is what is said beside t's clock: its zone, where each job has its own.
func (p Page) mark(t time.Time) string {
	if !p.ofJob {
		return ""
	}
	return t.In(p.zone()).Format(" MST")
}

// clock is Clock in the page's zone.
func (p Page) clock(t time.Time) string { return Clock(t, p.Now, p.zone()) + p.mark(t) }

// second is the time of day in the page's zone: "14:05:09".
func (p Page) second(t time.Time) string { return t.In(p.zone()).Format("15:04:05") + p.mark(t) }

// CanOperate reports whether run, stop, retry, enable and disable are offered.
func (p Page) CanOperate() bool { return p.Role.Allows(scheduler.Operator) }

// CanEdit reports whether creating, changing and deleting jobs is offered.
func (p Page) CanEdit() bool { return p.Role.Allows(scheduler.Editor) }

// CanAdmin reports whether the settings are offered.
func (p Page) CanAdmin() bool { return p.Role.Allows(scheduler.Admin) }

func (p Page) zone() *time.Location {
	if p.Zone == nil {
		return time.UTC
	}
	return p.Zone
}

// Flash is one sentence about what the last request did, shown once. Href and
// Link are an optional place to go next.
type Flash struct {
	Kind FlashKind
	Text string
	Href string
	Link string
}

// FlashKind is how a Flash looks and how urgently it is read out.
type FlashKind string

// The kinds of flash; "" is FlashInfo.
const (
	FlashInfo  FlashKind = "info"
	FlashGood  FlashKind = "good"
	FlashError FlashKind = "error"
)

// LoginProps are the login page's. Next is where to go after it, a local path.
// Problem is what is wrong with what was sent, in words.
type LoginProps struct {
	Page
	Username string
	Next     string
	Problem  string
}

// ErrorProps are an error's, as a page or as the fragment htmx gets.
type ErrorProps struct {
	Page
	Status    int
	Heading   string // "There is no such job"
	Detail    string // what to do about it; may be empty
	RequestID string
}

// Fire is a coming instant of a schedule. Note is what is odd about it
// ("02:30 does not exist on this day: runs at 03:00"), usually empty.
type Fire struct {
	At   time.Time // in the schedule's zone
	Note string
}

// Upcoming is a job's next fire on the Now page.
type Upcoming struct {
	JobName  string
	Display  string // DisplayName, may be empty
	Executor string
	Words    string // the schedule's meaning
	At       time.Time
	Zone     *time.Location // of the schedules; nil: none of their own
}

// NowProps are the start page's.
type NowProps struct {
	Page
	Failing []JobRowProps       // enabled jobs whose newest ended execution is bad, newest first
	Running []ExecutionRowProps // longest running first

	Acknowledged []AcknowledgedRow   // what fails and somebody has seen
	Queued       []ExecutionRowProps // earliest first
	Next         []Upcoming          // within the next 60 minutes, earliest first
	Ended        []scheduler.HourCount
	Since        time.Time // what Ended covers begins here; its hours end with Now's

	// Totals, when the lists above are cut.
	FailingTotal, RunningTotal, QueuedTotal int64

	Pause PauseProps // of everything

	Jobs        int64 // how many jobs there are; 0 shows the welcome
	Busy, Slots int   // of all workers that are online; Slots 0 hides them

	Workers      []scheduler.Worker // that are there or lost, the fullest first
	WorkersTotal int                // when Workers is cut
}

// AcknowledgedRow is a job that fails, and who has seen it.
type AcknowledgedRow struct {
	JobRowProps
	scheduler.Acknowledgement
}

// PauseProps is what was typed into a dialog that pauses, and what is wrong with
// it: reason, until. It is open from the start when something is.
type PauseProps struct {
	Reason, Until string
	Open          bool // it was asked for by its address
	Errors        map[string]string
}

// JobRowProps is a job with what a list says about it.
type JobRowProps struct {
	Job     scheduler.Job
	Stats   scheduler.JobStats
	Running int            // executions running now
	Words   []string       // the meaning of each of Job.Schedules, in words
	Next    time.Time      // zero: none; in the schedule's zone
	Zone    *time.Location // of the schedules; nil: none of their own
}

// JobQuery is the jobs page's filter as the URL has it.
type JobQuery struct {
	Q        string
	State    string // of the newest ended execution
	Enabled  string // "", "true", "false"
	Executor string
	Tag      string
	Origin   string
	Metadata map[string]string // entries that a job has, all of them
	Sort     string
	Limit    int
	Offset   int
}

// BulkDeleteProps are the question's before several jobs are deleted.
type BulkDeleteProps struct {
	Page
	Jobs []string // names
}

// JobsProps are the jobs page's.
type JobsProps struct {
	Page
	Query     JobQuery
	Rows      []JobRowProps
	Total     scheduler.Total
	Executors []string // for the facet
}

// JobProps are one job's page's.
type JobProps struct {
	Page
	Row        JobRowProps
	Fires      []Fire // the next five
	Dependents []scheduler.Dependent
	Pause      PauseProps
	Executions []ExecutionRowProps
	Total      scheduler.Total // of the job's executions
	History    HistoryProps    // of the page, not of its board
	Curl       CurlProps
}

// CurlProps are command lines that run a job, and make it elsewhere.
type CurlProps struct{ Run, Make string }

// JobFormProps are the job form's, for a new job and for an existing one.
// Values and Errors are keyed by the JSON names of the fields, an object's with
// dots: name, enabled ("true"), schedule (one a line), config.command …,
// retry.delay. Values holds what was typed, so that nothing is lost with an error;
// FormValues makes it from a draft.
type JobFormProps struct {
	Page
	Job     string // name of the job being edited as it is stored; empty: a new one
	Version int64  // of that job, sent back as the field "version"
	Values  map[string]string
	Errors  map[string]string
	Problem string            // what is wrong with the whole, beside Errors
	Theirs  map[string]string // what is stored now, when somebody else changed it meanwhile
	Preview PreviewProps
	Zones   []string // suggestions for timezone
	Server  string   // the server's zone, used when timezone is empty
}

// RunFormProps are the form's that says what one run does otherwise.
type RunFormProps struct {
	JobFormProps
	Heading, Executor string
	Action, Back      string // paths
}

// PreviewProps is what the schedule field says about its text. Problem or the
// rest is set; all empty asks for a schedule.
type PreviewProps struct {
	Page
	Text    string // the schedule as typed
	Grammar string // which grammar read it, in words
	Words   string // its meaning
	Fires   []Fire // the next five; none: it never fires by itself
	Problem string // why it cannot be read
}

// ExecutionRowProps is an execution with what a list says about it.
type ExecutionRowProps struct {
	Execution scheduler.Execution
	Display   string         // the job's DisplayName, may be empty
	Executor  string         // the job's, empty unknown: what its exit code means
	Median    time.Duration  // of the job's recent runs, 0 unknown: the ETA
	Zone      *time.Location // of the job's schedules; nil: none of its own
}

// ExecutionQuery is the executions page's filter as the URL has it. From and To
// are kept as typed.
type ExecutionQuery struct {
	Job     string
	State   string
	Trigger string
	Worker  string
	Exit    string // as typed
	From    string
	To      string
	Sort    string
	Limit   int
	Offset  int
	Zone    *time.Location // of From and To, where it is the job's and not the page's
}

// ExecutionsProps are the executions page's. Errors are about From and To.
type ExecutionsProps struct {
	Page
	Query  ExecutionQuery
	Rows   []ExecutionRowProps
	Total  scheduler.Total
	Errors map[string]string
}

// ExecutionProps are the live page's.
type ExecutionProps struct {
	Page
	Row        ExecutionRowProps
	JobDeleted bool
	Attempts   []scheduler.Execution // of the group by attempt, this one included
	OfAttempts int                   // how many there may be: 1 + the job's retries
	Next       time.Time             // the job's next fire, shown at the end; zero: none
	Deliveries []scheduler.Delivery

	Lines  []Line // the tail, or what Search looks for
	Cursor string // where /events goes on after the tail: the id of its last output event
	Search OutputSearchProps
}

// OutputSearchProps are what an execution's page looks for in its output, as the
// address has it.
type OutputSearchProps struct {
	Q     string
	Case  bool
	Only  bool  // show only the lines that match, from the one after Skip others on
	Skip  int64 // lines that match before those
	Total int64 // lines that match; counted for Only

	Problem string // what is wrong with Q
}

// Line is one line of output, rendered.
type Line struct {
	N      int64 // from 1
	At     time.Time
	Stream scheduler.Stream
	HTML   string // from Terminal.Line: safe, without line breaks
	Open   bool   // its newline has not come yet; it will be sent again
	Last   int64  // of a line that stands for those that were cut out: the number of the last
}

// UserRow is a user in the settings.
type UserRow struct {
	User scheduler.User
	Self bool // the one who looks
}

// UsersProps are the users' settings page's. Values and Errors belong to the
// form that makes a user (username, password, role); with On set, to the forms
// of that user instead (role, password).
type UsersProps struct {
	Page
	Query   ListQuery // Q: part of the name
	Users   []UserRow
	Total   scheduler.Total
	Values  map[string]string
	Errors  map[string]string
	On      string
	Problem string
}

// TokenRow is a token in the settings.
type TokenRow struct {
	Token scheduler.Token
	Owner string // name of the user who made it
}

// TokensProps are the tokens' settings page's. Secret is set once, in the
// answer that made the token named SecretName. Values and Errors: name, role,
// expires (days, empty for never).
type TokensProps struct {
	Page
	Query      ListQuery // Q: part of the name, or of the owner's
	Tokens     []TokenRow
	Total      scheduler.Total
	Values     map[string]string
	Errors     map[string]string
	Problem    string
	Secret     string
	SecretName string
}

// WorkerRow is a worker in the list.
type WorkerRow struct {
	Worker   scheduler.Worker
	Withheld int // jobs that it does not get any more
}

// WorkerQuery is the workers page's filter as the URL has it.
type WorkerQuery struct {
	Q     string // part of the name, system, version or address
	State string
	Tag   string
	Sort  string

	Limit, Offset int
}

// WorkersProps are the workers' page's. Command is set once, in the answer that
// made the token named TokenName. Values and Errors: name.
type WorkersProps struct {
	Page
	Query       WorkerQuery
	Workers     []WorkerRow
	Total       scheduler.Total
	Withholding bool
	Tokens      []scheduler.WorkerToken // the first of TokensTotal
	TokensTotal scheduler.Total
	Values      map[string]string
	Errors      map[string]string
	Command     string
	TokenName   string
}

// WorkerTokensProps are the worker tokens' page's.
type WorkerTokensProps struct {
	Page
	Query  ListQuery // Q: part of the name, or of who made it
	Tokens []scheduler.WorkerToken
	Total  scheduler.Total
}

// WorkerProps are one worker's page's. Values, nil for what is stored, and Errors:
// rules, sleep, sleep_zone.
type WorkerProps struct {
	Page
	Worker      scheduler.Worker
	Running     []ExecutionRowProps
	Recent      []ExecutionRowProps
	Failures    []scheduler.WorkerFailures
	Withholding bool
	Values      map[string]string
	Errors      map[string]string
}
