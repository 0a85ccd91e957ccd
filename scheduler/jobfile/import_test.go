package jobfile

import (
	"encoding/json"
	"strings"
	"testing"

	"belfry/scheduler"
)

func TestImport(t *testing.T) {
	list, err := Import().Read(t.Context(), []byte("[global]\nsmtp-host = mail\nemail-to = a@example.com\n[job-local \"a\"]\nschedule = @daily\ncommand = true\n[job-run \"b\"]\nschedule = @hourly\nimage = x\n"))
	if err != nil || len(list) != 2 || list[0].Draft.Name != "a" || list[0].Draft.Executor != "shell" || list[1].Draft.Executor != "docker-run" {
		t.Fatalf("%+v, %v", list, err)
	}
	_, err = Import().Read(t.Context(), []byte("[job-local \"a\"]\ncommand = true\n"))
	if scheduler.CodeOf(err) != scheduler.CodeInvalid || !strings.Contains(err.Error(), "the file:1: schedule: is required") {
		t.Errorf("%v", err)
	}
}

// TestImportKeepsVariables: neither the server's environment nor a default is put
// into what is imported.
func TestImportKeepsVariables(t *testing.T) {
	t.Setenv("BELFRY_TEST_VARIABLE", "a secret of the server")
	for written, want := range map[string]string{
		"${BELFRY_TEST_VARIABLE}": "${BELFRY_TEST_VARIABLE}", "cd ${HOME:-/tmp} && ls": "cd ${HOME:-/tmp} && ls", "${NAME%.gz}": "${NAME%.gz}", "$${X} ${Y}": "${X} ${Y}",
		"echo ${open": "echo ${open", "'${A} ; x'": "${A} ; x", "echo $HOME": "echo $HOME",
	} {
		list, err := Import().Read(t.Context(), []byte("[job-local \"a ${B}\"]\nschedule=@daily\ncommand = "+written+"\n"))
		if err != nil {
			t.Errorf("%s: %v", written, err)
			continue
		}
		var config struct{ Command string }
		if err := json.Unmarshal(list[0].Draft.Config, &config); err != nil || config.Command != want {
			t.Errorf("%s became %s, %v", written, config.Command, err)
		}
		if noted := len(list[0].Notes) == 1; noted != strings.Contains(want, "}") && !strings.Contains(want, "%") {
			t.Errorf("%s: the notes are %q", written, list[0].Notes)
		}
	}
}
