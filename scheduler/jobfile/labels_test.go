package jobfile

import (
	"strings"
	"testing"
)

// boxes makes containers of lines "NAME label=value"; a name with ! is stopped.
func boxes(lines ...string) []Container {
	var all []Container
	byName := map[string]int{}
	for _, l := range lines {
		name, label, _ := strings.Cut(l, " ")
		key, value, _ := strings.Cut(label, "=")
		i, known := byName[name]
		if !known {
			i = len(all)
			byName[name] = i
			plain := strings.TrimSuffix(name, "!")
			all = append(all, Container{Name: plain, Stopped: plain != name, Labels: map[string]string{"ofelia.enabled": "true", "com.example.x": "1"}})
		}
		all[i].Labels[key] = value
	}
	return all
}

func TestLabels(t *testing.T) {
	g := DefaultGlobal()
	jobs, problems := Labels(boxes(
		"web ofelia.job-exec.a.b.schedule=@hourly",
		"web ofelia.job-exec.a.b.command=date # not a comment ${NAME} \"",
		"web ofelia.job-exec.a.b.environment=A=1",
		"web ofelia.job-exec.other.schedule=@daily",
		"web ofelia.job-exec.other.container=db",
		"web ofelia.JOB_RUN.r.Schedule=@daily",
		"web ofelia.job-run.r.volume=[\"data:/data\", \"/cache\"]",
		"web ofelia.job-service-run.s.schedule=@daily",
		"off ofelia.enabled=false",
		"off ofelia.job-exec.off.nonsense=1",
		"stopped! ofelia.job-run.from-stopped.schedule=@daily",
		"stopped! ofelia.job-exec.ignored.schedule=@daily",
		"stopped! ofelia.job-run.r.schedule=@weekly",
	), &g)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	var names []string
	for _, j := range jobs {
		names = append(names, j.Name)
	}
	if got := strings.Join(names, " "); got != "a.b from-stopped other r s" {
		t.Fatal(got)
	}
	first := JSON(jobs[0].Draft)
	if first["container"] != "web" || first["command"] != `date # not a comment ${NAME} "` || jobs[0].Source != "container web" {
		t.Error(first)
	}
	if JSON(jobs[2].Draft)["container"] != "db" || JSON(jobs[3].Draft)["schedule"] != "@daily" {
		t.Error("the container key, or a running container, has to count")
	}
	if file, line, key := jobs[0].Where("schedule"); file != "container web" || line != 0 || key != "ofelia.job-exec.a.b.schedule" {
		t.Error(file, line, key)
	}
}

func TestLabelProblems(t *testing.T) {
	const allow = "; allow-host-jobs-from-labels = true in [global] allows it"
	tests := []struct{ line, want string }{
		{"c ofelia.job-exec.x=uv run", "ofelia.job-exec.x: is not of the form ofelia.job-TYPE.NAME.KEY, for example ofelia.job-exec.backup.schedule"},
		{"c ofelia.job-exe.x.schedule=1", `ofelia.job-exe.x.schedule: is not of the form ofelia.job-TYPE.NAME.KEY (did you mean "job-exec"?)`},
		{"c ofelia.service=true", "ofelia.service: is not supported as a label: what holds for all jobs is set in the configuration file, in [global] or [docker]"},
		{"c ofelia.slack-webhook=x", "ofelia.slack-webhook: is not supported as a label: what holds for all jobs is set in the configuration file, in [global] or [docker]"},
		{"c ofelia.enabled=maybe", `ofelia.enabled: must be true or false, not "maybe"`},
		{"c ofelia.job-exec.x.shedule=@daily", `ofelia.job-exec.x.shedule: is not a key of job-exec (did you mean "schedule"?)`},
		{"c ofelia.job-exec.x.no_overlap=true", "ofelia.job-exec.x.no_overlap: is given twice, first by ofelia.job-exec.x.no-overlap"},
		{"c ofelia.job-exec.x.environment=[1]", `ofelia.job-exec.x.environment: begins with [ but is not a JSON array of strings, like ["a","b"]`},
		{"c ofelia.job-local.l.schedule=@daily", "ofelia.job-local.l.schedule: a label may not define job-local, a process on the host" + allow},
		{"c ofelia.job-run.x.volume=/etc:/etc", `ofelia.job-run.x.volume: a label may not mount the host's path "/etc:/etc"` + allow},
		{`c ofelia.job-run.x.volume=["a1:/b","./c:/d"]`, `ofelia.job-run.x.volume: a label may not mount the host's path "./c:/d"` + allow},
		{`c ofelia.job-service-run.x.volume=type=bind,src=/x`, `ofelia.job-service-run.x.volume: a label may not mount the host's path "type=bind,src=/x"` + allow},
		{"c ofelia.job-run.x.volumes-from=web", "ofelia.job-run.x.volumes-from: a label may not set volumes-from, which reaches into the host" + allow},
		{"c ofelia.job-exec.x.env-file=/etc/passwd", "ofelia.job-exec.x.env-file: a label may not set env-file, which reaches into the host" + allow},
		{"c ofelia.job-exec.x.save-folder=/etc", "ofelia.job-exec.x.save-folder: a label may not set save-folder, which reaches into the host" + allow},
	}
	for _, tt := range tests {
		lines := []string{tt.line, "ok ofelia.job-exec.fine.schedule=@daily"}
		for _, typ := range []string{"job-exec", "job-run", "job-service-run"} {
			if strings.Contains(tt.line, typ+".x.") {
				lines = append(lines, "c ofelia."+typ+".x.schedule=@daily", "c ofelia."+typ+".x.no-overlap=true")
			}
		}
		g := DefaultGlobal()
		jobs, problems := Labels(boxes(lines...), &g)
		want := "container c: " + tt.want
		if problems.Error() != want {
			t.Errorf("%s\n got %v\nwant %s", tt.line, problems, want)
		}
		if len(jobs) != 1 || jobs[0].Name != "fine" {
			t.Errorf("%s: %d jobs; the others must not suffer", tt.line, len(jobs))
		}
		if strings.HasSuffix(tt.want, allow) {
			g.AllowHostJobsFromLabels = true
			if jobs, problems := Labels(boxes(lines...), &g); len(problems) > 0 || len(jobs) != 2 {
				t.Errorf("%s: refused though it is allowed: %v", tt.line, problems)
			}
		}
	}
}

func TestLabelsDefinedTwice(t *testing.T) {
	g := DefaultGlobal()
	jobs, problems := Labels(boxes("b ofelia.job-exec.x.schedule=@daily", "a ofelia.job-exec.x.schedule=@daily"), &g)
	if len(jobs) != 1 || jobs[0].Source != "container a" || problems.Error() != `container b: the job "x" is also defined by container a; that one counts` {
		t.Error(jobs, problems)
	}
}
