package notify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"belfry/scheduler"
)

// processed runs a job that fails with output until its one processor has an
// outcome.
func processed(t *testing.T, log *slog.Logger, kind, config string) (scheduler.Execution, scheduler.Delivery) {
	t.Helper()
	ids := 0
	s := serve(t, filepath.Join(t.TempDir(), "x.db"), &ids, Processors(log))
	s.job(scheduler.Draft{Name: "j", Notify: []scheduler.Notify{{Kind: kind, On: scheduler.OnAny, Config: json.RawMessage(config)}}})
	e := s.fail("j", "out 1\n", "err 2\n")
	return e, s.drain(e)[0]
}

func TestProcessorLog(t *testing.T) {
	var b bytes.Buffer
	e, d := processed(t, slog.New(slog.NewJSONHandler(&b, nil)), "log", `{"forward":true}`)
	var line struct{ Msg, Job, Execution, State, Output string }
	if err := json.Unmarshal(b.Bytes(), &line); err != nil || d.State != scheduler.DeliverySent {
		t.Fatal(err, d, b.String())
	}
	if line.Job != "j" || line.Execution != e.ID || line.State != "failed" || line.Output != "out 1\nerr 2\n" {
		t.Errorf("%+v", line)
	}
}

func TestProcessorFiles(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "new", "folder")
	e, d := processed(t, slog.New(slog.DiscardHandler), "files", fmt.Sprintf(`{"log_dir":%q}`, folder))
	got, err := os.ReadFile(filepath.Join(folder, e.ID+".log"))
	if err != nil || string(got) != "out 1\nerr 2\n" || d.State != scheduler.DeliverySent {
		t.Errorf("%q, %v, %+v", got, err, d)
	}
	if entries, err := os.ReadDir(folder); err != nil || len(entries) != 1 {
		t.Errorf("in the folder: %v, %v", entries, err)
	}
}

func TestProcessorSyslog(t *testing.T) {
	address := filepath.Join(t.TempDir(), "log")
	daemon, err := net.ListenPacket("unixgram", address)
	if err != nil {
		t.Fatal(err)
	}
	defer daemon.Close()
	_, d := processed(t, slog.New(slog.DiscardHandler), "syslog", fmt.Sprintf(`{"address":%q}`, "unixgram://"+address))
	if d.State != scheduler.DeliverySent {
		t.Fatalf("%+v", d)
	}
	b := make([]byte, 4096)
	for _, want := range []string{"j: out 1\n", "j: err 2\n"} {
		if err := daemon.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, _, err := daemon.ReadFrom(b)
		if err != nil {
			t.Fatal(err)
		}
		// <75> is an error of cron's.
		if line := string(b[:n]); !strings.HasPrefix(line, "<75>") || !strings.HasSuffix(line, want) {
			t.Errorf("%q, want %q", line, want)
		}
	}
}

// fluentDaemon takes one connection of Fluent's Forward protocol, returns what came,
// and acknowledges it unless it is told not to.
func fluentDaemon(t *testing.T, acknowledge bool) (port int, got chan []byte) {
	t.Helper()
	daemon, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = daemon.Close() })
	got = make(chan []byte, 1)
	go func() {
		conn, err := daemon.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		var all []byte
		b := make([]byte, 64<<10)
		for {
			n, err := conn.Read(b)
			all = append(all, b[:n]...)
			// A message ends with the option {"chunk": ID}; the id is a short string of MessagePack.
			at := bytes.LastIndex(all, []byte("\xa5chunk"))
			if at >= 0 && len(all) > at+6 {
				if id := all[at+6:]; id[0]&0xe0 == 0xa0 && len(id) > int(id[0]&0x1f) || id[0] == 0xd9 && len(id) > 1 && len(id) >= 2+int(id[1]) {
					got <- all
					if acknowledge {
						_, _ = conn.Write(append([]byte("\x81\xa3ack"), id...))
					}
					return
				}
			}
			if err != nil {
				got <- all
				return
			}
		}
	}()
	return daemon.Addr().(*net.TCPAddr).Port, got
}

func TestProcessorFluent(t *testing.T) {
	port, got := fluentDaemon(t, true)
	e, d := processed(t, slog.New(slog.DiscardHandler), "fluent", fmt.Sprintf(`{"host":"127.0.0.1","port":%d,"tag":"belfry.test"}`, port))
	message := string(<-got)
	if d.State != scheduler.DeliverySent {
		t.Errorf("%+v", d)
	}
	for _, part := range []string{"belfry.test", "job_name\xa1j", e.ID, "out 1\nerr 2\n", "success\xc2", "exit code 3"} {
		if !strings.Contains(message, part) {
			t.Errorf("no %q in %q", part, message)
		}
	}
}

// TestProcessorFailures: what cannot be sent says why, and is tried again.
func TestProcessorFailures(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := gone.Addr().(*net.TCPAddr).Port
	_ = gone.Close()
	silent, heard := fluentDaemon(t, false)
	senders := Processors(slog.New(slog.DiscardHandler))
	for name, c := range map[string]struct{ kind, config, want string }{
		"a folder that is a file":    {"files", fmt.Sprintf(`{"log_dir":%q}`, filepath.Join(file, "x")), "not a directory"},
		"no daemon of syslog":        {"syslog", fmt.Sprintf(`{"address":%q}`, "unixgram://"+file), "no syslog daemon"},
		"no daemon of Fluent":        {"fluent", fmt.Sprintf(`{"host":"127.0.0.1","port":%d}`, nobody), "refused"},
		"Fluent acknowledges nought": {"fluent", fmt.Sprintf(`{"host":"127.0.0.1","port":%d}`, silent), "failed to write"},
	} {
		err := senders[c.kind].Send(t.Context(), ending(c.config, "text\n"))
		if err == nil || !strings.Contains(err.Error(), c.want) || scheduler.CodeOf(err) == scheduler.CodeInvalid {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	<-heard
}

func TestProcessorConfig(t *testing.T) {
	senders := Processors(slog.New(slog.NewTextHandler(io.Discard, nil)))
	for kind, configs := range map[string][]string{
		"log":    {`{"x":1}`, `{"forward":"yes"}`},
		"files":  {`{"log_dir":"relative"}`, `{"log_dir":"/a\u0000b"}`, `{"log_dir":7}`},
		"syslog": {`{"address":"ftp://x"}`, `{"address":"x"}`},
		"fluent": {`{"port":-1}`, `{"port":65536}`, `{"host":"a\nb"}`},
	} {
		for _, config := range configs {
			if err := senders[kind].Check(json.RawMessage(config)); scheduler.CodeOf(err) != scheduler.CodeInvalid {
				t.Errorf("%s %s: %v", kind, config, err)
			}
		}
		if err := senders[kind].Check(json.RawMessage(`{"forward":true}`)); err != nil || !senders[kind].Complete(json.RawMessage(`{}`)) {
			t.Errorf("%s needs a configuration: %v", kind, err)
		}
	}
}
