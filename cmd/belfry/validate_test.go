package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestValidate: files are right, or all that is wrong with them is said, with the
// place.
func TestValidate(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		code int
		said []string
	}{
		"right": {"[job-local \"a\"]\nschedule = @daily\ncommand = true\n", 0, []string{"1 files, 1 jobs: valid"}},
		"another server's job": {
			"[job-local \"a\"]\nschedule = @daily\ncommand = true\ndepends-on = b\n", 0,
			[]string{`the job "b" is not defined in these files`, "valid"},
		},
		"text": {"[job-local \"a\"]\nschedul = @daily\ncommand = true ; no\n", 1, []string{
			`:2: schedul: is not a key of job-local (did you mean "schedule"?)`, ":3: command: the ; may begin a comment",
		}},
		"schedule":            {"[job-local \"a\"]\ncommand = true\nschedule = 61 * * * *\n", 1, []string{":3: schedule: ", "61"}},
		"no filter":           {"[docker]\nfilters = x\n", 1, []string{":2: filters: a filter must be like"}},
		"no engine's filter":  {"[docker]\nfilters = nmae=x\n", 1, []string{":2: filters: an engine does not filter by nmae"}},
		"no origin":           {"[cors]\nallowed-origins = https://a.example\nallowed-origins = notanorigin\n", 1, []string{`:2: allowed-origins: "notanorigin" is not an origin`}},
		"no address":          {"[global]\nweb-address = :::::\n", 1, []string{":2: web-address: must be"}},
		"no engine":           {"[docker]\nhost = nonsense\n", 1, []string{":2: host: must be"}},
		"no command":          {"[job-local \"a\"]\nschedule = @daily\n", 1, []string{":1: command: is required\n"}},
		"a stopped container": {"[global]\ndefault-user = u\n[job-run \"a\"]\nschedule = @daily\ncontainer = c\n", 0, []string{"valid"}},
		"a container's own":   {"[job-run \"a\"]\nschedule = @daily\ncontainer = c\npull = never\n", 1, []string{":4: pull: has no use with container"}},
		"executor":            {"[job-run \"a\"]\nschedule = @daily\nimage = UPPER CASE\n", 1, []string{":3: image: "}},
		"cycle": {
			"[job-local \"a\"]\nschedule = @daily\ncommand = true\ndepends-on = b\n[job-local \"b\"]\nschedule = @daily\ncommand = true\non-failure = c\n" +
				"[job-local \"c\"]\nschedule = @daily\ncommand = true\non-success = b\n", 1,
			[]string{":8: on-failure: makes a cycle: b → c → b"},
		},
		"no mail address":   {"[global]\nemail-to = x\n", 1, []string{":2: email-to: must be mail addresses"}},
		"no webhook":        {"[global]\nmax-runtime = 1h\nslack-webhook = nourl\n", 1, []string{":3: slack-webhook: must be"}},
		"a relative folder": {"[global]\nsave-folder = logs\n", 1, []string{":2: save-folder: must be an absolute path"}},
		"twice":             {"[job-local \"a\"]\nschedule = @daily\ncommand = true\n[job-local \"a\"]\nschedule = @daily\ncommand = true\n", 1, []string{":4: ", "defined twice"}},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "jobs.ini")
			if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			var stdout, stderr bytes.Buffer
			if code := run(t.Context(), []string{"validate", "--config", file}, &stdout, &stderr); code != c.code {
				t.Errorf("exit code %d, expected %d", code, c.code)
			}
			for _, words := range c.said {
				if said := stdout.String() + stderr.String(); !strings.Contains(said, words) {
					t.Errorf("%q is not in:\n%s", words, said)
				}
			}
		})
	}
}

// TestValidatePatterns: a pattern without a file is more likely a typo than meant,
// where somebody asks; a server starts with it.
func TestValidatePatterns(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "jobs.ini"), "[job-local \"a\"]\nschedule = @daily\ncommand = true\n")
	found, nothing := filepath.Join(dir, "j*.ini"), filepath.Join(dir, "zzz*.ini")
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"validate", "--config", found, "--config", nothing}, &stdout, &stderr); code != 1 || !strings.Contains(stderr.String(), nothing+": matches no file") {
		t.Errorf("exit code %d\n%s%s", code, &stdout, &stderr)
	}
	if code := run(t.Context(), []string{"validate", "--config", found}, &stdout, &stderr); code != 0 {
		t.Errorf("exit code %d\n%s%s", code, &stdout, &stderr)
	}
	serve(t, t.TempDir(), "--config", found, "--config", nothing).terminate()
}
