package scheduler

import (
	"context"
	"encoding/json"
	"slices"
	"time"
)

// Store is the domain's memory. Reads see every commit that was answered before
// them. Errors are *Error: CodeNotFound and CodeConflict where a method says so,
// CodeUnavailable when the database cannot be reached or written (disk full).
// All methods may be called concurrently.
type Store interface {
	JobStore
	ExecutionStore
	RetentionStore
	OutputStore
	DeliveryStore
	UserStore
	TreeStore
	WorkerStore

	// Setting returns what Tx.PutSetting stored under name, "" when nothing.
	Setting(ctx context.Context, name string) (string, error)

	// InTx runs fn in one transaction: all of its writes are on disk when InTx
	// returns nil, none when it returns an error. fn may run more than once and
	// must change nothing but through tx; it must not call the Store or wait for
	// anything. Concurrent InTx calls may share one disk write (group commit).
	InTx(ctx context.Context, fn func(tx Tx) error) error

	// Ping tells whether the database can be read and written.
	Ping(ctx context.Context) error
	Close() error
}

// JobStore reads jobs.
type JobStore interface {
	Job(ctx context.Context, id string) (Job, error)
	JobByName(ctx context.Context, name string) (Job, error)
	ListJobs(ctx context.Context, f JobFilter) ([]Job, Total, error)
	// EachEnabledJob calls fn for every enabled job that has a schedule, in no
	// particular order, until fn fails. fn may not call the Store.
	EachEnabledJob(ctx context.Context, fn func(JobTimes) error) error
	// Dependents lists the jobs that depend on a job, by name.
	Dependents(ctx context.Context, jobID string) ([]Dependent, error)
	// JobStats answers for each of ids (unknown ones are absent), with at most
	// recent outcomes each.
	JobStats(ctx context.Context, ids []string, recent int) (map[string]JobStats, error)
	// JobSummaries answers for each of ids (unknown ones are absent), for very many
	// of them at little cost.
	JobSummaries(ctx context.Context, ids []string) (map[string]JobSummary, error)
}

// JobTimes is what decides about a job's due times.
type JobTimes struct {
	ID                            string
	Schedules                     []Schedule
	StartsAt, EndsAt, PausedUntil time.Time
	LiveSince                     time.Time // no due time before this was promised
}

// Equal reports whether both say the same due times.
func (t JobTimes) Equal(u JobTimes) bool {
	return t.ID == u.ID && slices.Equal(t.Schedules, u.Schedules) && t.StartsAt.Equal(u.StartsAt) &&
		t.EndsAt.Equal(u.EndsAt) && t.PausedUntil.Equal(u.PausedUntil)
}

// ExecutionStore reads executions.
type ExecutionStore interface {
	Execution(ctx context.Context, id string) (Execution, error)
	ListExecutions(ctx context.Context, f ExecutionFilter) ([]Execution, Total, error)
	// StartedAt lists the executions of a job that began to run at an instant.
	StartedAt(ctx context.Context, jobID string, at time.Time) ([]Execution, error)
	// Attempts lists the executions of e's group by attempt.
	Attempts(ctx context.Context, e Execution) ([]Execution, error)
	// ChangedSince lists what is active now, and what ended at or after t (oldest
	// change first), at most limit: enough to bring a page of that age up to date.
	ChangedSince(ctx context.Context, t time.Time, limit int) ([]Execution, error)
	// RunningOn lists what is running on a worker.
	RunningOn(ctx context.Context, worker string) ([]Execution, error)
	// NextRunAt returns the earliest RunAt of what waits for its time; ok=false when
	// nothing does.
	NextRunAt(ctx context.Context) (at time.Time, ok bool, err error)
	// Ended counts what ended since the hour of t, by hour and state.
	Ended(ctx context.Context, t time.Time) ([]HourCount, error)
	// Runs lists the newest executions of a job that ended, by due time, at most n.
	Runs(ctx context.Context, jobID string, n int) ([]Outcome, error)
	// DueByHour counts a job's executions that were due at or after from and ended,
	// by state and by hour; the hours begin with from, wherever in its hour that is.
	DueByHour(ctx context.Context, jobID string, from time.Time) ([]HourCount, error)
	// EndedWithin counts what ended of all jobs, by state, in each of the slots between
	// edges, which ascend: by when it was queued, and what was missed by when it was
	// due. The total of a slot and a state may be capped.
	EndedWithin(ctx context.Context, edges []time.Time) ([]map[State]Total, error)
	// MissedBetween lists what was missed of all jobs and due in [from, to), by due
	// time, at most limit.
	MissedBetween(ctx context.Context, from, to time.Time, limit int) ([]Execution, error)
}

// RetentionStore finds what of the past may go.
type RetentionStore interface {
	// Histories lists jobs by number, those behind after, at most limit.
	Histories(ctx context.Context, after int64, limit int) ([]History, error)
	// Expendable lists executions of a job that may be deleted, oldest due time
	// first, at most limit: those that were due before a time and ended, of groups
	// that are not active. The newest that ended, the last success and the last
	// failure (failed, timed out or lost) are not among them.
	Expendable(ctx context.Context, jobNum int64, before time.Time, limit int) ([]Record, error)
	// ExpendableOutput is like Expendable, over all jobs: those that have output, by
	// when they ended, that follow after (nil: from the first). It looks at no more
	// than limit; next is the last it looked at, nil when it came to the end.
	ExpendableOutput(ctx context.Context, after *Record, before time.Time, limit int) (list []Record, next *Record, err error)
	// KeptOutput adds up the output that is kept of a job's executions (0: of all
	// jobs') that ended in [from, to).
	KeptOutput(ctx context.Context, jobNum int64, from, to time.Time) (bytes int64, err error)
	// Shrink gives a little of the space that deleting has freed back to the file
	// system, and reports whether there is more to give back.
	Shrink(ctx context.Context) (more bool, err error)
}

// OutputStore reads what runs wrote. An execution without output has none of
// these; that is not an error. Chunks returned may be joined or cut differently
// from how they were stored.
//
// Offsets and line numbers count what the output limit cut out. No chunk reaches
// over the gap: one that begins before it ends there, and what begins within it
// begins behind it instead.
type OutputStore interface {
	// OutputSize returns the length in bytes and the number of lines begun.
	OutputSize(ctx context.Context, id string) (bytes, lines int64, err error)
	// OutputAt returns at most max bytes (at least one byte if there is one) from
	// the offset on, as one chunk with FirstByte == from, or behind the gap.
	OutputAt(ctx context.Context, id string, from int64, max int) (Chunk, error)
	// OutputLines returns at most n lines from line number first on, or behind the
	// gap.
	OutputLines(ctx context.Context, id string, first int64, n int) (Chunk, error)
	// EachOutput calls fn for the output from an offset on, as it is now, chunk by
	// chunk until the end or until fn fails, and returns what it failed with. The
	// chunk is the store's: it is another one after fn has returned.
	EachOutput(ctx context.Context, id string, from int64, fn func(*Chunk) error) error
	// OutputTail returns whole lines from the end, at most max bytes (but at least
	// the last line, cut at its end if it is longer).
	OutputTail(ctx context.Context, id string, max int) (Chunk, error)
	// OutputGap tells what was cut out, as it is now; zero when all is there.
	OutputGap(ctx context.Context, id string) (Gap, error)
}

// UserStore reads users, tokens, logins, audit rows, and keeps session data.
type UserStore interface {
	User(ctx context.Context, id string) (User, error)
	UserByName(ctx context.Context, name string) (User, error)
	ListUsers(ctx context.Context) ([]User, error)
	TokenByHash(ctx context.Context, hash string) (Token, error)
	ListTokens(ctx context.Context) ([]Token, error)
	Login(ctx context.Context, id string) (Login, error)
	AuditStore

	// Session data is opaque; a token past its expiry is not found.
	SessionData(ctx context.Context, token string) (data []byte, found bool, err error)
	PutSessionData(ctx context.Context, token string, data []byte, expires time.Time) error
	DeleteSessionData(ctx context.Context, token string) error
	// Touch records that a login and a token were used; zero ids are skipped.
	Touch(ctx context.Context, loginID, tokenID string, at time.Time) error
	// DropExpired deletes sessions and logins that ended before t.
	DropExpired(ctx context.Context, t time.Time) error
}

// Tx is what may be done inside one transaction.
type Tx interface {
	// Job reads a job as this transaction sees it.
	Job(ctx context.Context, id string) (Job, error)
	// InsertJob stores j and sets its Num. ErrNameTaken: another job has its name.
	InsertJob(ctx context.Context, j *Job) error
	// UpdateJob stores j where its version is still j.Version-1. CodeConflict:
	// somebody else changed it. ErrNameTaken: another job has its name.
	UpdateJob(ctx context.Context, j Job) error
	// LiveNow makes now the LiveSince of all jobs where it is later.
	LiveNow(ctx context.Context, now time.Time) error
	// DeleteJob deletes the job; its executions and their output go later, in
	// small steps, by PurgeDeleted. They are not listed any more.
	DeleteJob(ctx context.Context, id string) error
	// PurgeDeleted deletes at most limit executions of deleted jobs that are not
	// active and have no pending delivery, with their output, and reports whether
	// there are more.
	PurgeDeleted(ctx context.Context, limit int) (more bool, err error)

	// JobStats is like JobStore's for one job, as this transaction sees it and without
	// Recent; zero when there is no such job.
	JobStats(ctx context.Context, jobID string) (JobStats, error)
	// ActiveExecutions lists what is queued or running of a job, oldest first, at
	// most limit.
	ActiveExecutions(ctx context.Context, jobID string, limit int) ([]Execution, error)
	// Occupancy counts a job's active executions; of those that wait for their turn
	// at most turns, which is at least 1. Until the transaction ends, nobody else can
	// decide from them.
	Occupancy(ctx context.Context, jobID string, turns int) (Occupancy, error)
	// InsertExecution stores e unless (job, due time, attempt, copy) exists: then it
	// reports false.
	InsertExecution(ctx context.Context, e Execution) (inserted bool, err error)
	// Waiting lists what waits for its time and may run at now, at most limit,
	// earliest first.
	Waiting(ctx context.Context, now time.Time, limit int) ([]Execution, error)
	// NextTurn returns the oldest execution of a job that waits for its turn.
	NextTurn(ctx context.Context, jobID string) (e Execution, ok bool, err error)
	// SetWait says what a queued execution waits for from now on, and why.
	SetWait(ctx context.Context, executionID string, wait Wait, reason string) error
	// Claim makes at most limit queued executions that wait for nothing, and whose
	// tags the worker has, running on it, without a reason any more, and returns
	// them with their jobs. They are taken by the worker's rules, priority (higher
	// first), due time and the job's Num. Not taken is a copy of a fire of which
	// another copy is running on the worker, nor, when the worker shuns some jobs,
	// what failed too often on it.
	Claim(ctx context.Context, w Worker, now time.Time, limit int) ([]Assignment, error)
	// Finish stores e's final state and what is known of its end where its state
	// is still from. CodeConflict: it is not. OutputBytes, OutputLines, Cut and
	// Progress are not of these: AppendOutput, SealOutput, CutOutput and SetProgress
	// keep them.
	Finish(ctx context.Context, e Execution, from State) error

	// Dependents lists the jobs that depend on a job, in a fixed order.
	Dependents(ctx context.Context, jobID string) ([]Dependent, error)
	// Satisfied reports for each of a job's dependencies whether the last outcome
	// fulfilled it since it was last used.
	Satisfied(ctx context.Context, jobID string) ([]SatisfiedDependency, error)
	// Satisfy notes that a dependency is fulfilled or not.
	Satisfy(ctx context.Context, jobID, parentID string, is bool) error
	// TriggeredBy lists the jobs that trigger a job, in a fixed order.
	TriggeredBy(ctx context.Context, jobID string) ([]Dependency, error)
	// Use notes that all of a job's dependencies were used.
	Use(ctx context.Context, jobID string) error
	// Release removes all dependencies on a job.
	Release(ctx context.Context, parentID string) error
	// HasRun reports whether any execution of a job is stored.
	HasRun(ctx context.Context, jobID string) (bool, error)
	// LastOutcome returns the state of the newest execution of a job that was an
	// outcome, "" when there is none.
	LastOutcome(ctx context.Context, jobID string) (State, error)
	// LastDue returns the newest due time of a schedule's execution of a job that is
	// stored; zero when there is none.
	LastDue(ctx context.Context, jobID string) (time.Time, error)
	// JobByName reads a job as this transaction sees it.
	JobByName(ctx context.Context, name string) (Job, error)
	// AddSetting stores a value unless the name has one.
	AddSetting(ctx context.Context, name, value string) error
	// PutSetting stores one of Belfry's own small values.
	PutSetting(ctx context.Context, name, value string) error

	// AppendOutput stores a chunk that begins where the output ends so far.
	AppendOutput(ctx context.Context, executionID string, c Chunk) error
	// SealOutput stores c compressed, in place of the appended chunks within its
	// bytes. c begins where one of those begins, or where the output ends so far,
	// and may reach beyond them.
	SealOutput(ctx context.Context, executionID string, c Chunk) error
	// CutOutput deletes output from byte from to byte to, but whole lines only: the
	// lines that hold the bytes before from and at to stay. What was cut before
	// belongs to the gap; its beginning stays where it is.
	CutOutput(ctx context.Context, executionID string, from, to int64) error
	// SetProgress stores how far a run says that it is, in percent.
	SetProgress(ctx context.Context, executionID string, percent float64) error

	// CountOutcome notes in a job's summary how a group ended, in the transaction in
	// which its last execution ended; nothing when the job is gone, or when that is
	// no outcome.
	CountOutcome(ctx context.Context, jobID string, state State, at time.Time) error
	// ClearSummary makes the numbers and times of a job's summary zero.
	ClearSummary(ctx context.Context, jobID string) error
	// DeleteHistory deletes at most limit executions of a job that ended at or before
	// an instant and whose groups are not active, with their output, and reports
	// whether there may be more.
	DeleteHistory(ctx context.Context, jobID string, until time.Time, limit int) (more bool, err error)

	// DeleteExecutions deletes executions with their output, those of them that are
	// not, and whose groups are not, active any more.
	DeleteExecutions(ctx context.Context, list []Record) error
	// DropOutput deletes at most n stored chunks of an execution's output, of one
	// that is about to be deleted, and reports whether there are more.
	DropOutput(ctx context.Context, r Record, n int) (more bool, err error)

	InsertUser(ctx context.Context, u User) error // ErrNameTaken
	UpdateUser(ctx context.Context, u User) error
	DeleteUser(ctx context.Context, id string) error // with its logins; its tokens are revoked
	// CountAdmins counts the users that are admins.
	CountAdmins(ctx context.Context) (int, error)
	InsertToken(ctx context.Context, t Token) error // ErrNameTaken: by a live token
	RevokeToken(ctx context.Context, id string, at time.Time) error
	InsertLogin(ctx context.Context, l Login) error
	// RevokeLogins revokes one login, or all of a user's when loginID is "".
	RevokeLogins(ctx context.Context, userID, loginID string, at time.Time) error

	AuditTx
	DeliveryTx
	TreeTx
	WorkerTx
}

// WorkerStore reads workers that dial in.
type WorkerStore interface {
	// ListWorkers lists all that were ever connected and not forgotten, by name.
	ListWorkers(ctx context.Context) ([]Worker, error)
	// WorkerTokenByHash returns a token, also one that was revoked.
	WorkerTokenByHash(ctx context.Context, hash string) (WorkerToken, error)
	// ListWorkerTokens lists all tokens by name.
	ListWorkerTokens(ctx context.Context) ([]WorkerToken, error)
	// WorkerFailures lists what failed on workers since it last succeeded there: by
	// worker and job.
	WorkerFailures(ctx context.Context) ([]WorkerFailures, error)
	// Claimable counts the queued executions that wait for nothing but a worker, by
	// the tags they demand, each up to limit.
	Claimable(ctx context.Context, limit int) ([]Ready, error)
}

// WorkerTx changes workers that dial in.
type WorkerTx interface {
	// PutWorker stores a worker under its name. Used and Shuns are not stored.
	PutWorker(ctx context.Context, w Worker) error
	// DeleteWorker forgets a worker and what failed on it.
	DeleteWorker(ctx context.Context, name string) error
	InsertWorkerToken(ctx context.Context, t WorkerToken) error // ErrNameTaken: by a live token
	RevokeWorkerToken(ctx context.Context, id string, at time.Time) error
	// TouchWorkerToken notes that a worker connected with a token.
	TouchWorkerToken(ctx context.Context, id string, at time.Time) error
	// Held returns how many bytes of output are stored of an execution that runs on
	// a worker, claimed with that fence; until the transaction ends nobody else ends
	// it. CodeConflict: it is not running there.
	Held(ctx context.Context, executionID, worker string, fence int64) (bytes int64, err error)
	// AddFailure counts a failure of a job on a worker and returns how many there are.
	AddFailure(ctx context.Context, worker, jobID, executionID string, at time.Time) (int, error)
	// ClearFailures forgets the failures of a job on a worker, of all jobs when jobID
	// is "".
	ClearFailures(ctx context.Context, worker, jobID string) error
	// Copies lists the newest attempt of each copy of a fire, by copy.
	Copies(ctx context.Context, jobID string, due time.Time) ([]Execution, error)
}

// History is what decides how much of a job's history is deleted.
type History struct {
	JobNum    int64
	Retention Retention
	Ended     int64 // executions that ended and are stored
}

// Record is an execution that may be deleted.
type Record struct {
	Key        int64 // the store's
	JobNum     int64
	FinishedAt time.Time
	Bytes      int64 // of output that is kept
}

// Assignment is a claimed execution with the definition to run.
type Assignment struct {
	Execution Execution
	Job       Job
}

// Dependent is a job that depends on another.
type Dependent struct {
	JobID     string
	Job       string // its name
	On        Condition
	Satisfied bool
}

// SatisfiedDependency is a dependency and whether it is fulfilled.
type SatisfiedDependency struct {
	Dependency
	Satisfied bool
}

// Timetable wakes the service when jobs are due. Put replaces what was there.
type Timetable interface {
	Put(t JobTimes) error
	Remove(jobID string)
	// Refresh makes the next due time of every job the first one after now: the
	// clock was set.
	Refresh()
	// Next returns a job's next due time; ok=false when it has none.
	Next(jobID string) (at time.Time, ok bool)
	// Upcoming lists the earliest n due times over all jobs, each job once.
	Upcoming(n int) []Due
}

// Due is a job's next due time.
type Due struct {
	JobID string
	At    time.Time
}

// Launcher starts what is queued.
type Launcher interface {
	// Wake says that something may be claimable. It never blocks.
	Wake()
	// Stop ends a running execution; reason is kept with it. It reports false when
	// this launcher does not run it.
	Stop(executionID, reason string) bool
	// Workers are those that are online.
	Workers() []Worker
}

// Executor runs one kind of job.
type Executor interface {
	// Check validates a configuration. CodeInvalid: Fields name what is wrong,
	// without the "config." prefix.
	Check(config json.RawMessage) error
	// Execute runs the task and returns when nothing of it is left. When ctx ends
	// it terminates the run: asks, waits the job's grace, kills. It never panics on
	// a bad configuration: it returns a Failed result with a reason.
	Execute(ctx context.Context, t Task, out OutputWriter) Result
}

// Task is what an executor is given.
type Task struct {
	Execution Execution
	Job       Job
}

// Result is how a run ended. State is Succeeded or Failed; a run that ended
// because its context did is judged by the runner.
type Result struct {
	State      State
	Reason     string // why it is not Succeeded, in words
	ExitCode   *int
	Signal     string
	PeakMemory int64
	CPUTime    time.Duration
}

// Publisher tells open pages. It never blocks and never fails; events may be
// dropped for a reader that does not keep up.
type Publisher interface {
	Publish(Event)
}
