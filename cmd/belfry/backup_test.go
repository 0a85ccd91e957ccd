package main

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// do runs a command of the binary to its end.
func do(t *testing.T, args ...string) (output string, err error) {
	t.Helper()
	out, err := command(t, args...).CombinedOutput()
	return string(out), err
}

// TestARestoreIsAServerThatGoesOn: a copy made under load starts, with the jobs,
// the history and the output that were there, ends what ran, and fires.
func TestARestoreIsAServerThatGoesOn(t *testing.T) {
	data, copied := t.TempDir(), filepath.Join(t.TempDir(), "copy.db")
	s := serve(t, data, "--drain-grace", "100ms")
	s.shellJob("tick", "* * * * * *", "echo tick", nil)
	s.shellJob("long", "@manually", "exec sleep 1000", map[string]any{"grace": "100ms"})
	long := s.run("long")
	s.until(long, is("running"))
	s.untilTotal("/executions?job=tick&state=succeeded", 2)
	output, err := do(t, "backup", "--data", data, copied)
	if err != nil || !strings.Contains(output, "2 jobs") {
		t.Fatalf("backup: %v\n%s", err, output)
	}
	if info, err := os.Stat(copied); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the copy has the mode %v, %v", info.Mode(), err)
	}
	if output, err := do(t, "backup", "--data", data, copied); err == nil || !strings.Contains(output, "exists already; use --force") {
		t.Errorf("a second backup: %v\n%s", err, output)
	}
	if output, err := do(t, "restore", "--data", data, "--force", copied); err == nil || !strings.Contains(output, "another Belfry is running") {
		t.Errorf("restoring under a server: %v\n%s", err, output)
	}
	if code := s.terminate(); code != 0 {
		t.Fatalf("exit code %d\n%s", code, s.log)
	}

	elsewhere := filepath.Join(t.TempDir(), "new", "data")
	if output, err := do(t, "restore", "--data", elsewhere, copied); err != nil {
		t.Fatalf("restore: %v\n%s", err, output)
	}
	s = serve(t, elsewhere)
	var e execution
	s.call(http.MethodGet, "/executions/"+long, nil, http.StatusOK, &e)
	if e.State != "lost" || e.Reason == "" {
		t.Errorf("what ran when the copy was made is %s: %s", e.State, e.Reason)
	}
	var ticks executionList
	s.call(http.MethodGet, "/executions?job=tick&state=succeeded", nil, http.StatusOK, &ticks)
	if ticks.Total < 2 {
		t.Fatalf("%d ticks of history", ticks.Total)
	}
	var text string
	s.call(http.MethodGet, "/executions/"+ticks.Items[0].ID+"/output", nil, http.StatusOK, &text)
	if text != "tick\n" {
		t.Errorf("output %q", text)
	}
	s.untilTotal("/executions?job=tick&state=succeeded", ticks.Total+2)
	s.terminate()
	checkIntegrity(t, elsewhere)

	// Over a database that is there: only with --force, and that one is kept.
	if output, err := do(t, "restore", "--data", elsewhere, copied); err == nil || !strings.Contains(output, "exists already") {
		t.Errorf("restoring over a database: %v\n%s", err, output)
	}
	if output, err := do(t, "restore", "--data", elsewhere, "--force", copied); err != nil || !strings.Contains(output, "before-restore-") {
		t.Fatalf("restore --force: %v\n%s", err, output)
	}
	kept, err := filepath.Glob(filepath.Join(elsewhere, "belfry.db.before-restore-*Z"))
	if err != nil || len(kept) != 1 {
		t.Fatalf("kept: %v, %v", kept, err)
	}
	if output, err := do(t, "restore", "--data", filepath.Join(t.TempDir(), "third"), kept[0]); err != nil {
		t.Errorf("what was kept cannot be restored: %v\n%s", err, output)
	}
	s = serve(t, elsewhere)
	s.call(http.MethodGet, "/jobs/tick", nil, http.StatusOK, nil)
}

func TestBackupAndRestoreRefuse(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	s := serve(t, filepath.Join(dir, "data"))
	s.terminate()
	whole, err := os.ReadFile(filepath.Join(dir, "data", "belfry.db"))
	if err != nil {
		t.Fatal(err)
	}
	broken := bytes.Clone(whole)
	for i := 8192; i < 65536; i++ {
		broken[i] ^= 0x5a
	}
	for what, tt := range map[string]struct {
		args []string
		says string
	}{
		"no database":   {[]string{"backup", "--data", filepath.Join(dir, "none"), filepath.Join(dir, "x")}, "there is no database"},
		"no folder":     {[]string{"backup", "--data", filepath.Join(dir, "data"), filepath.Join(dir, "none", "x")}, "no such file or directory"},
		"PostgreSQL":    {[]string{"backup", "--database", "postgres://x", filepath.Join(dir, "x")}, "pg_dump"},
		"no backup":     {[]string{"restore", "--data", filepath.Join(dir, "r"), filepath.Join(dir, "none")}, "no such file or directory"},
		"not SQLite":    {[]string{"restore", "--data", filepath.Join(dir, "r"), write("text", []byte(strings.Repeat("hello ", 2000)))}, "not a database"},
		"damaged":       {[]string{"restore", "--data", filepath.Join(dir, "r"), write("broken", broken)}, "damaged"},
		"an empty file": {[]string{"restore", "--data", filepath.Join(dir, "r"), write("empty", nil)}, "not a Belfry database"},
	} {
		output, err := do(t, tt.args...)
		if err == nil || !strings.Contains(output, tt.says) {
			t.Errorf("%s: %v, %q; want it to say %q", what, err, output, tt.says)
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, "*", ".belfry-*"))
	more, _ := filepath.Glob(filepath.Join(dir, ".belfry-*"))
	if err != nil || len(left)+len(more) > 0 {
		t.Errorf("left behind: %v %v, %v", left, more, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "r", "belfry.db")); err == nil {
		t.Error("a refused backup was put in place")
	}
}
