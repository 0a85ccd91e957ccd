package remote

import (
	"encoding/json"
	"time"

	"belfry/scheduler"
)

// Prefix begins every address of the protocol; docs/worker-protocol.md describes
// it.
const Prefix = "/worker/v1"

// CodeFenced is the code of the error that ends a session: the worker ends what it
// runs, and connects again.
const CodeFenced = "fenced"

// CodeReplaced is the code of the error that ends a worker: another one connected
// under its name.
const CodeReplaced = "replaced"

// ConnectIn is what a worker sends to /connect.
type ConnectIn struct {
	Name    string   `json:"name"`
	Tags    []string `json:"tags"`
	Slots   int      `json:"slots"`
	Version string   `json:"version"`
	System  string   `json:"system"`
}

// ConnectOut is the session.
type ConnectOut struct {
	Worker string    `json:"worker"`
	Epoch  int64     `json:"epoch"`
	Time   time.Time `json:"time"` // the server's clock
}

// Session begins every other request.
type Session struct {
	Worker string `json:"worker"`
	Epoch  int64  `json:"epoch"`
}

// ClaimIn is what a worker sends to /claim.
type ClaimIn struct {
	Session
	Have   []string `json:"have"`
	Limit  int      `json:"limit"`
	WaitMS int64    `json:"wait_ms"`
}

// ClaimOut is what it is to run.
type ClaimOut struct {
	Executions []Assignment `json:"executions"`
}

// Assignment is an execution with the definition to run.
type Assignment struct {
	ID          string          `json:"id"`
	Group       string          `json:"group"`
	Attempt     int             `json:"attempt"`
	Copy        int             `json:"copy"`
	TriggerKind string          `json:"trigger_kind"`
	TriggerBy   string          `json:"trigger_by"`
	DueAt       time.Time       `json:"due_at"`
	RunAt       time.Time       `json:"run_at"`
	QueuedAt    time.Time       `json:"queued_at"`
	StartedAt   time.Time       `json:"started_at"`
	JobID       string          `json:"job_id"`
	JobName     string          `json:"job_name"`
	JobVersion  int64           `json:"job_version"`
	Executor    string          `json:"executor"`
	Config      json.RawMessage `json:"config"`
	TimeoutMS   int64           `json:"timeout_ms"`
	GraceMS     int64           `json:"grace_ms"`
	OutputHead  int64           `json:"output_head"` // bytes kept of a long output: the first
	OutputTail  int64           `json:"output_tail"` // and the last
	Progress    string          `json:"progress"`    // pattern
}

// BeatIn is what a worker sends to /beat.
type BeatIn struct {
	Session
	Load        float64  `json:"load"`
	CPUs        int      `json:"cpus"`
	MemoryFree  int64    `json:"memory_free"`
	MemoryTotal int64    `json:"memory_total"`
	SkewMS      int64    `json:"skew_ms"`
	Running     []string `json:"running"`
	Stopping    []string `json:"stopping"`
	Leaving     bool     `json:"leaving"`
	WaitMS      int64    `json:"wait_ms"`
}

// BeatOut is what it is to do.
type BeatOut struct {
	Time     time.Time         `json:"time"`
	Stop     map[string]string `json:"stop"` // why, by execution
	Draining bool              `json:"draining"`
}

// Chunk is output. Pieces are triples of whole numbers: bytes, what they are (the
// stream: 0 stdout, 1 stderr, 2 Belfry's own; 4 more when the line goes on in the
// next piece), and milliseconds since the piece before, of the first since At.
type Chunk struct {
	FirstByte int64   `json:"first_byte"`
	FirstLine int64   `json:"first_line"`
	At        int64   `json:"at"` // unix milliseconds
	Data      []byte  `json:"data"`
	Pieces    []int64 `json:"pieces"`
}

// Output is what a run wrote since the last request.
type Output struct {
	Seal     []Chunk  `json:"seal,omitempty"`
	Append   *Chunk   `json:"append,omitempty"`
	CutFrom  int64    `json:"cut_from,omitempty"`
	CutTo    int64    `json:"cut_to,omitempty"`
	Progress *float64 `json:"progress,omitempty"`
}

// OutputIn is what a worker sends to /output; End is the output's length then.
type OutputIn struct {
	Session
	Execution string `json:"execution"`
	End       int64  `json:"end"`
	Output
}

// FinishIn is what a worker sends to /finish, with the last of the output.
type FinishIn struct {
	Session
	Execution  string    `json:"execution"`
	State      string    `json:"state"`
	Reason     string    `json:"reason"`
	ExitCode   *int      `json:"exit_code"`
	Signal     string    `json:"signal"`
	PeakMemory int64     `json:"peak_memory"`
	CPUTimeUS  int64     `json:"cpu_time_us"`
	FinishedAt time.Time `json:"finished_at"`
	Output     Output    `json:"output"`
}

// Problem is an error answer.
type Problem struct {
	Error ProblemBody `json:"error"`
}

// ProblemBody says what is wrong. Code is one of scheduler.Code, CodeFenced or CodeReplaced.
type ProblemBody struct {
	Code    string            `json:"code"`
	Message string            `json:"message"`
	Fields  map[string]string `json:"fields,omitempty"`
}

const goesOn = 4

// FromChunk translates a chunk.
func FromChunk(c scheduler.Chunk) Chunk {
	w := Chunk{FirstByte: c.FirstByte, FirstLine: c.FirstLine, Data: c.Data, Pieces: make([]int64, 0, 3*len(c.Pieces))}
	if len(c.Pieces) > 0 {
		w.At = c.Pieces[0].At.UnixMilli()
	}
	last := w.At
	for _, p := range c.Pieces {
		what, at := int64(p.Stream), p.At.UnixMilli()
		if p.Open {
			what += goesOn
		}
		w.Pieces = append(w.Pieces, int64(p.Len), what, at-last)
		last = at
	}
	return w
}

// Chunk translates back. CodeInvalid: the pieces are not triples, or impossible.
func (w Chunk) Chunk() (scheduler.Chunk, error) {
	c := scheduler.Chunk{FirstByte: w.FirstByte, FirstLine: w.FirstLine, Data: w.Data}
	if len(w.Pieces)%3 != 0 {
		return c, scheduler.Invalid("pieces", "must be triples of bytes, kind and milliseconds")
	}
	at := w.At
	sum := int64(0)
	for i := 0; i < len(w.Pieces); i += 3 {
		n, what := w.Pieces[i], w.Pieces[i+1]
		if sum += n; n < 0 || sum > int64(len(w.Data)) || what < 0 || what&^goesOn > int64(scheduler.System) {
			return c, scheduler.Invalid("pieces", "do not describe the data")
		}
		at += w.Pieces[i+2]
		c.Pieces = append(c.Pieces, scheduler.Piece{
			Len: int(n), Stream: scheduler.Stream(what &^ goesOn), At: time.UnixMilli(at).UTC(), Open: what&goesOn != 0,
		})
	}
	if sum != int64(len(w.Data)) || w.FirstByte < 0 || w.FirstLine < 1 {
		return c, scheduler.Invalid("pieces", "do not describe the data")
	}
	return c, nil
}

// FromOutput translates output.
func FromOutput(o scheduler.Output) Output {
	w := Output{CutFrom: o.Cut.From, CutTo: o.Cut.To, Progress: o.Progress}
	for _, c := range o.Seal {
		w.Seal = append(w.Seal, FromChunk(c))
	}
	if o.Append != nil {
		c := FromChunk(*o.Append)
		w.Append = &c
	}
	return w
}

// Output translates back.
func (w Output) Output() (o scheduler.Output, err error) {
	for _, s := range w.Seal {
		c, err := s.Chunk()
		if err != nil {
			return o, err
		}
		o.Seal = append(o.Seal, c)
	}
	if w.Append != nil {
		c, err := w.Append.Chunk()
		if err != nil {
			return o, err
		}
		o.Append = &c
	}
	if w.CutFrom < 0 || w.CutTo < w.CutFrom {
		return o, scheduler.Invalid("cut_to", "must not be before cut_from")
	}
	o.Cut = scheduler.Cut{From: w.CutFrom, To: w.CutTo}
	if p := w.Progress; p != nil && !(*p >= 0 && *p <= 100) {
		return o, scheduler.Invalid("progress", "must be from 0 to 100")
	}
	o.Progress = w.Progress
	return o, nil
}

// FromAssignment translates what is to be run.
func FromAssignment(a scheduler.Assignment) Assignment {
	e, j := a.Execution, a.Job
	return Assignment{
		ID: e.ID, Group: e.Group, Attempt: e.Attempt, Copy: e.Copy, TriggerKind: string(e.Trigger.Kind), TriggerBy: e.Trigger.By,
		DueAt: e.DueAt, RunAt: e.RunAt, QueuedAt: e.QueuedAt, StartedAt: e.StartedAt,
		JobID: j.ID, JobName: j.Name, JobVersion: j.Version, Executor: j.Executor, Config: j.Config,
		TimeoutMS: j.Timeout.Milliseconds(), GraceMS: j.Grace.Milliseconds(),
		OutputHead: j.OutputLimit.Head, OutputTail: j.OutputLimit.Tail, Progress: j.Progress,
	}
}

// Assignment translates back.
func (w Assignment) Assignment(worker string) scheduler.Assignment {
	a := scheduler.Assignment{
		Execution: scheduler.Execution{
			ID: w.ID, JobID: w.JobID, JobName: w.JobName, State: scheduler.Running, Group: w.Group, Attempt: w.Attempt, Copy: w.Copy,
			Trigger: scheduler.Trigger{Kind: scheduler.TriggerKind(w.TriggerKind), By: w.TriggerBy},
			DueAt:   w.DueAt, RunAt: w.RunAt, QueuedAt: w.QueuedAt, StartedAt: w.StartedAt, Worker: worker, Progress: -1,
		},
		Job: scheduler.Job{ID: w.JobID, Version: w.JobVersion},
	}
	a.Job.Name, a.Job.Executor, a.Job.Config = w.JobName, w.Executor, w.Config
	a.Job.Timeout, a.Job.Grace = time.Duration(w.TimeoutMS)*time.Millisecond, time.Duration(w.GraceMS)*time.Millisecond
	a.Job.OutputLimit = scheduler.OutputLimit{Head: w.OutputHead, Tail: w.OutputTail}
	a.Job.Progress = w.Progress
	return a
}
