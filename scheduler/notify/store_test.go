package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"belfry/db"
	"belfry/scheduler"
)

type noTimes struct{}

func (noTimes) Put(scheduler.JobTimes) error       { return nil }
func (noTimes) Remove(string)                      {}
func (noTimes) Refresh()                           {}
func (noTimes) Next(string) (at time.Time, _ bool) { return at, false }
func (noTimes) Upcoming(int) []scheduler.Due       { return nil }
func (noTimes) Wake()                              {}
func (noTimes) Stop(string, string) bool           { return false }
func (noTimes) Workers() []scheduler.Worker        { return nil }
func (noTimes) Publish(scheduler.Event)            {}

type anything struct{}

func (anything) Check(json.RawMessage) error { return nil }
func (anything) Execute(context.Context, scheduler.Task, scheduler.OutputWriter) scheduler.Result {
	panic("the test is the worker")
}

// server is a service on a database file, as after a start.
type server struct {
	t       *testing.T
	store   *db.Store
	service *scheduler.Service
	senders map[string]scheduler.Sender
}

func serve(t *testing.T, path string, ids *int, senders map[string]scheduler.Sender) *server {
	t.Helper()
	store, err := db.Open(t.Context(), db.Options{Path: path, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return &server{t: t, store: store, senders: senders, service: scheduler.New(scheduler.Options{
		Store: store, Timetable: noTimes{}, Launcher: noTimes{}, Publisher: noTimes{}, Senders: senders,
		Executors: map[string]scheduler.Executor{"any": anything{}}, Now: time.Now,
		NewID: func() string { *ids++; return fmt.Sprintf("%06d", *ids) }, Log: slog.New(slog.DiscardHandler),
	})}
}

func (s *server) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) job(d scheduler.Draft) {
	s.t.Helper()
	d.Executor = "any"
	_, err := s.service.CreateJob(s.t.Context(), scheduler.Server, d, scheduler.OriginAPI)
	s.must(err)
}

// fail runs a job until it has failed with some output on both streams.
func (s *server) fail(name string, lines ...string) scheduler.Execution {
	s.t.Helper()
	_, err := s.service.RunJob(s.t.Context(), scheduler.Server, name, nil)
	s.must(err)
	claimed, err := s.service.Claim(s.t.Context(), scheduler.Worker{Name: "w"}, 1)
	s.must(err)
	a, code := claimed[0], 3
	end := scheduler.Ending{Execution: a.Execution, Job: a.Job}
	end.Execution.State, end.Execution.Reason, end.Execution.ExitCode = scheduler.Failed, "exit code 3", &code
	end.Execution.FinishedAt = time.Now().UTC().Truncate(time.Microsecond)
	if len(lines) > 0 {
		c := &scheduler.Chunk{FirstLine: 1}
		for i, line := range lines {
			c.Data = append(c.Data, line...)
			c.Pieces = append(c.Pieces, scheduler.Piece{Len: len(line), Stream: scheduler.Stream(i % 3), At: time.Now().UTC().Truncate(time.Millisecond)})
		}
		end.Output.Append = c
	}
	s.must(s.service.Finish(s.t.Context(), end))
	e, err := s.store.Execution(s.t.Context(), a.Execution.ID)
	s.must(err)
	return e
}

// drain runs the drain until every delivery of e has an outcome.
func (s *server) drain(e scheduler.Execution) []scheduler.Delivery {
	s.t.Helper()
	ctx, stop := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer stop()
	source := &watched{Source: s.service, settled: make(chan struct{}, 100)}
	d := &Drain{Source: source, Senders: s.senders, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.Run(ctx)
	}()
	var list []scheduler.Delivery
	for open := true; open; {
		select {
		case <-source.settled:
		case <-ctx.Done():
			s.t.Error("not all was sent in time")
		}
		var err error
		list, err = s.store.ListDeliveries(s.t.Context(), e.ID)
		s.must(err)
		open = false
		for _, d := range list {
			open = open || d.State == scheduler.DeliveryPending && ctx.Err() == nil
		}
	}
	stop()
	<-done
	return list
}

// watched tells when something was settled.
type watched struct {
	Source
	settled chan struct{}
}

func (w *watched) SettleDelivery(ctx context.Context, d scheduler.Delivery, attempt int) error {
	err := w.Source.SettleDelivery(ctx, d, attempt)
	w.settled <- struct{}{}
	return err
}

// TestKilledBeforeItWasSent: a server that dies when the run has ended leaves what
// is to be told to the next one.
func TestKilledBeforeItWasSent(t *testing.T) {
	path, folder, ids := filepath.Join(t.TempDir(), "x.db"), t.TempDir(), 0
	s := serve(t, path, &ids, Senders())
	s.job(scheduler.Draft{Name: "j", Notify: []scheduler.Notify{{Kind: "save", Config: json.RawMessage(fmt.Sprintf(`{"folder":%q}`, folder))}}})
	e := s.fail("j", "out\n", "err\n")
	s.must(s.store.Close())

	s = serve(t, path, &ids, Senders())
	if list, err := s.store.ListDeliveries(t.Context(), e.ID); err != nil || len(list) != 1 || list[0].State != scheduler.DeliveryPending {
		t.Fatalf("left behind: %+v, %v", list, err)
	}
	if list := s.drain(e); list[0].State != scheduler.DeliverySent || list[0].SentAt.IsZero() {
		t.Errorf("after the restart: %+v", list)
	}
	found, err := filepath.Glob(folder + "/*_j_" + e.ID + ".json")
	if err != nil || len(found) != 1 {
		t.Errorf("files: %v, %v", found, err)
	}
}

// TestFailingSenderStopsNobody: dependents begin, and runs end, whatever becomes
// of a notification.
func TestFailingSenderStopsNobody(t *testing.T) {
	ids := 0
	broken := &script{send: func(context.Context, int) error { panic("broken") }}
	refuses := &script{send: func(context.Context, int) error { return scheduler.Errorf(scheduler.CodeInvalid, "never") }}
	s := serve(t, filepath.Join(t.TempDir(), "x.db"), &ids, map[string]scheduler.Sender{"broken": broken, "refuses": refuses})
	s.job(scheduler.Draft{Name: "j", Notify: []scheduler.Notify{{Kind: "broken"}, {Kind: "refuses"}}})
	s.job(scheduler.Draft{Name: "after", Enabled: true, DependsOn: []scheduler.Dependency{{Job: "j", On: scheduler.OnFailure}}})
	e := s.fail("j")
	list, _, err := s.store.ListExecutions(t.Context(), scheduler.ExecutionFilter{States: []scheduler.State{scheduler.Queued}})
	s.must(err)
	if len(list) != 1 || list[0].JobName != "after" {
		t.Errorf("queued before anything is sent: %+v", list)
	}
	source := &watched{Source: s.service, settled: make(chan struct{}, 100)}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		(&Drain{Source: source, Senders: s.senders, Now: time.Now, Log: slog.New(slog.DiscardHandler)}).Run(ctx)
	}()
	<-source.settled
	<-source.settled
	if claimed, err := s.service.Claim(t.Context(), scheduler.Worker{Name: "w"}, 5); err != nil || len(claimed) != 1 {
		t.Errorf("claimed %v, %v", claimed, err)
	}
	stop()
	<-done
	deliveries, err := s.store.ListDeliveries(t.Context(), e.ID)
	s.must(err)
	if deliveries[0].State != scheduler.DeliveryPending || !strings.Contains(deliveries[0].Error, "broken") || deliveries[1].State != scheduler.DeliveryFailed {
		t.Errorf("left are %+v", deliveries)
	}
}

// TestSaveFromTheStore: each stream is in its file, a cut in both, and nothing
// else is in the folder.
func TestSaveFromTheStore(t *testing.T) {
	folder, ids := filepath.Join(t.TempDir(), "new", "folder"), 0
	s := serve(t, filepath.Join(t.TempDir(), "x.db"), &ids, Senders())
	s.job(scheduler.Draft{Name: "Ärger .. 💡", Notify: []scheduler.Notify{{Kind: "save", Config: json.RawMessage(fmt.Sprintf(`{"folder":%q}`, folder))}}})
	e := s.fail("Ärger .. 💡", "out 1\n", "err 2\n", "sys 3\n", "out 4\n", "err 5\n", "sys 6\n", "out 7\n")
	s.must(s.store.InTx(t.Context(), func(tx scheduler.Tx) error { return tx.CutOutput(t.Context(), e.ID, 6, 30) }))
	if list := s.drain(e); list[0].State != scheduler.DeliverySent {
		t.Fatalf("left is %+v", list[0])
	}
	gap, err := s.store.OutputGap(t.Context(), e.ID)
	s.must(err)
	if gap.IsZero() {
		t.Fatal("nothing was cut")
	}
	base := filepath.Join(folder, e.StartedAt.UTC().Format("20060102T150405Z")+"_Ärger____"+"__"+e.ID)
	entries, err := os.ReadDir(folder)
	s.must(err)
	if len(entries) != 3 {
		t.Errorf("in the folder: %v", entries)
	}
	for suffix, want := range map[string]string{
		".stdout.log": "out 1\n" + gap.String() + "\nout 7\n",
		".stderr.log": gap.String() + "\nsys 6\n",
	} {
		got, err := os.ReadFile(base + suffix)
		if err != nil || string(got) != want {
			t.Errorf("%s: %q, %v; want %q", suffix, got, err, want)
		}
		if info, err := os.Stat(base + suffix); err != nil || info.Mode().Perm() != 0o640 {
			t.Errorf("%s: %v, %v", suffix, info, err)
		}
	}
	var f map[string]any
	text, err := os.ReadFile(base + ".json")
	s.must(err)
	if err := json.Unmarshal(text, &f); err != nil || f["id"] != e.ID || f["state"] != "failed" || f["exit_code"] != 3.0 {
		t.Errorf("the facts: %s, %v", text, err)
	}
}

func TestSaveErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	n := scheduler.Notification{Config: json.RawMessage(fmt.Sprintf(`{"folder":%q}`, file)), Output: noOutput{}}
	if err := (saver{}).Send(t.Context(), n); err == nil || scheduler.CodeOf(err) == scheduler.CodeInvalid {
		t.Errorf("a file as folder: %v", err)
	}
	folder := t.TempDir()
	n.Config = json.RawMessage(fmt.Sprintf(`{"folder":%q}`, folder))
	n.Output = noOutput{errors.New("broken")}
	if err := (saver{}).Send(t.Context(), n); err == nil {
		t.Error("output that cannot be read is saved")
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	for name, want := range map[string]string{
		"../../etc/passwd": "______etc_passwd", "a/b": "a_b", "..": "__", "x\x00\n": "x__", strings.Repeat("é", 100): strings.Repeat("é", 40),
	} {
		if got := safeName(name); got != want {
			t.Errorf("%q becomes %q, want %q", name, got, want)
		}
	}
}

// noOutput is the output of a run that wrote nothing.
type noOutput struct{ err error }

func (o noOutput) Tail(context.Context, int) ([]byte, bool, error) { return nil, false, o.err }
func (o noOutput) Each(context.Context, func(scheduler.Chunk, scheduler.Gap) error) error {
	return o.err
}
