package jobfile

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"belfry/scheduler"
)

func TestClasses(t *testing.T) {
	set, err := Parse("classes.ini", `[class "jobs.reports.Monthly"]
notes = Sends the report.
executor = shell
template = {"command": "/usr/local/bin/report {{args}}"}
argument = string: Month, like 2026-11
argument = Region
example = ["2026-11", "eu"]

[class "jobs.py.*"]
executor = python
template = {"path": ["${FOLDER}"]}

[job-local "x"]
schedule = @daily
command = true
`, func(name string) (string, bool) { return "/srv/jobs", name == "FOLDER" })
	if err != nil {
		t.Fatal(err)
	}
	want := []scheduler.JobClass{
		{
			Name: "jobs.reports.Monthly", Notes: "Sends the report.", Executor: "shell", Source: "classes.ini:1",
			Template:  []byte(`{"command": "/usr/local/bin/report {{args}}"}`),
			Arguments: []scheduler.ClassArgument{{Type: "string", Description: "Month, like 2026-11"}, {Description: "Region"}},
			Example:   []byte(`["2026-11", "eu"]`),
		},
		{Name: "jobs.py.*", Executor: "python", Source: "classes.ini:9", Template: []byte(`{"path": ["/srv/jobs"]}`)},
	}
	var got []scheduler.JobClass
	for _, c := range set.Classes {
		got = append(got, c.JobClass)
	}
	if d := cmp.Diff(want, got); d != "" || len(set.Jobs) != 1 {
		t.Errorf("%d jobs (-want +got):\n%s", len(set.Jobs), d)
	}
	problems := set.Classes[0].Problems(&scheduler.Error{Code: scheduler.CodeInvalid, Fields: []scheduler.FieldError{
		{Field: "template", Message: "is wrong"}, {Field: "arguments", Message: "are too many"}, {Field: "name", Message: "is bad"},
	}})
	if got := problems.Error(); got != "classes.ini:4: template: is wrong\nclasses.ini:5: argument: are too many\nclasses.ini:1: the job class \"jobs.reports.Monthly\": name is bad" {
		t.Errorf("the problems are %s", got)
	}
}

func TestClassesThatAreWrong(t *testing.T) {
	_, err := Parse("c.ini", `[class]
executor = shell
[class two words]
[class "a"]
template = nonsense
argument =
command = x
schedule = @daily
[class "a"]
executor = shell
[classes "b"]
`, nil)
	if err == nil {
		t.Fatal("it is read")
	}
	for _, want := range []string{
		`c.ini:1: the class needs a name: [class "name"]`, `c.ini:3: the class's name has to stand in quotes`, "c.ini:5: template: is not valid JSON",
		"c.ini:6: argument: needs a value", "c.ini:7: command: is not a key of [class]", "c.ini:8: schedule: is not a key of [class]",
		`c.ini:9: the job class "a" is declared twice, first at c.ini:4`, "c.ini:11: [classes \"b\"] is not a section that is known (did you mean \"class\"?)",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("nothing says %s in\n%s", want, err)
		}
	}
	if _, problems := Labels([]Container{{Name: "c", Labels: map[string]string{"ofelia.enabled": "true", "ofelia.class.a.executor": "shell"}}}, &Global{}); len(problems) == 0 {
		t.Error("a label declares a class")
	}
}
