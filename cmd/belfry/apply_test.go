package main

import (
	"strings"
	"testing"
)

// tell runs a command that talks to the server, and returns what it printed.
func (s *server) tell(t *testing.T, code int, stdin string, args ...string) string {
	t.Helper()
	cmd := command(t, append(args, "--server", s.url)...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != code {
		t.Fatalf("%v: exit code %d, %v\n%s", args, got, err, out)
	}
	return string(out)
}

// TestApply: what is exported is applied again and changes nothing; a dry run says
// what would change, field by field; jobs of a file are refused with where to
// change them.
func TestApply(t *testing.T) {
	t.Parallel()
	f := newINI(t, "[job-local \"filed\"]\nschedule = @daily\ncommand = true\n")
	s := serve(t, t.TempDir(), "--docker", "off", "--config", f.path)
	t.Cleanup(s.end)
	text := "jobs:\n- name: mine\n  schedule: 0 3 * * *\n  config: {command: echo 1}\n"
	if said := s.tell(t, 0, text, "apply", "-f", "-", "--dry-run"); !strings.Contains(said, "would be made  mine") || !strings.Contains(said, "config.command: echo 1") || !strings.Contains(said, "1 would be made") {
		t.Errorf("%s", said)
	}
	if said := s.tell(t, 0, "", "export"); strings.Contains(said, "mine") {
		t.Fatalf("a dry run stored it:\n%s", said)
	}
	if said := s.tell(t, 0, text, "apply", "-f", "-"); !strings.Contains(said, "1 made, 0 changed, 0 as it was, 0 refused") {
		t.Errorf("%s", said)
	}
	all := s.tell(t, 0, "", "export")
	if !strings.Contains(all, "name: mine") || !strings.Contains(all, "source: "+f.path+":1") {
		t.Fatalf("%s", all)
	}
	if said := s.tell(t, 0, all, "apply", "-f", "-"); !strings.HasPrefix(said, "0 made, 0 changed, 2 as it was, 0 refused") {
		t.Errorf("the same again:\n%s", said)
	}
	changed := strings.ReplaceAll(strings.ReplaceAll(all, "echo 1", "echo 2"), "'@daily'", "'@hourly'")
	said := s.tell(t, 1, changed, "apply", "-f", "-")
	for _, words := range []string{"changed", "config.command: echo 1 → echo 2", "refused", f.path, "0 made, 1 changed, 0 as it was, 1 refused"} {
		if !strings.Contains(said, words) {
			t.Errorf("no %q in:\n%s", words, said)
		}
	}
}

// TestImportACrontab: the words of cron become jobs that run.
func TestImportACrontab(t *testing.T) {
	t.Parallel()
	s := serve(t, t.TempDir(), "--docker", "off")
	t.Cleanup(s.end)
	said := s.tell(t, 0, "PATH=/usr/bin:/bin\nMAILTO=ops\n# why\n*/5 * * * *  /bin/cat%hello%\n", "import", "crontab", "-")
	for _, words := range []string{"made  cat", "mailed to ops", "1 made"} {
		if !strings.Contains(said, words) {
			t.Errorf("no %q in:\n%s", words, said)
		}
	}
	if out := s.tell(t, 0, "", "jobs", "run", "--follow", "cat"); !strings.Contains(out, "hello") {
		t.Errorf("%s", out)
	}
	said = s.tell(t, 0, "[job-local \"ini\"]\nschedule = @daily\ncommand = true\n", "import", "ofelia", "-")
	if !strings.Contains(said, "made  ini") {
		t.Errorf("%s", said)
	}
}

// TestImportFromCronicle: its scripts run here, whatever reads them, and one starts
// the next.
func TestImportFromCronicle(t *testing.T) {
	t.Parallel()
	s := serve(t, t.TempDir(), "--docker", "off")
	t.Cleanup(s.end)
	export := `# Cronicle Data Export v1.0
global/schedule/0 - {"type":"list_page","items":[
{"id":"a","enabled":1,"title":"First of all","plugin":"shellplug","params":{"script":"#!/bin/sh -e\necho 40%\necho said by $0\n"},"timing":{"hours":[4],"minutes":[0]},"chain":"b","max_children":1},
{"id":"b","enabled":1,"title":"Second","plugin":"shellplug","params":{"script":"echo after $BELFRY_TRIGGER"},"timing":false,"max_children":1}]}
`
	head, list, _ := strings.Cut(export, "\n")
	export = head + "\n" + strings.ReplaceAll(list, "\n", "") + "\n" // a record is a line
	said := s.tell(t, 0, export, "import", "cronicle", "-")
	for _, words := range []string{"made  First of all", "made  Second", "sh reads its script from its input", "2 made"} {
		if !strings.Contains(said, words) {
			t.Errorf("no %q in:\n%s", words, said)
		}
	}
	if said := s.tell(t, 0, export, "import", "cronicle", "-"); !strings.Contains(said, "0 made, 0 changed, 2 as it was, 0 refused") {
		t.Errorf("the same again:\n%s", said)
	}
	if out := s.tell(t, 0, "", "jobs", "run", "--follow", "First of all"); !strings.Contains(out, "said by") {
		t.Errorf("%s", out)
	}
}
