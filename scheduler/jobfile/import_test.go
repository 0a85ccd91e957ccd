package jobfile

import (
	"strings"
	"testing"

	"belfry/scheduler"
)

func TestImport(t *testing.T) {
	list, err := Import().Read(t.Context(), []byte("[global]\nsmtp-host = mail\nemail-to = a@example.com\n[job-local \"a\"]\nschedule = @daily\ncommand = true\n[job-run \"b\"]\nschedule = @hourly\nimage = x\n"))
	if err != nil || len(list) != 2 || list[0].Draft.Name != "a" || list[0].Draft.Executor != "shell" || list[1].Draft.Executor != "docker-run" {
		t.Fatalf("%+v, %v", list, err)
	}
	t.Setenv("BELFRY_TEST_VARIABLE", "a secret of the server")
	for text, want := range map[string]string{
		"[job-local \"a\"]\ncommand = true\n":                                     "the file:1: schedule: is required",
		"[job-local \"a\"]\nschedule=@daily\ncommand = ${BELFRY_TEST_VARIABLE}\n": "BELFRY_TEST_VARIABLE",
	} {
		_, err := Import().Read(t.Context(), []byte(text))
		if scheduler.CodeOf(err) != scheduler.CodeInvalid || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
