package jobfile

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Container is a container whose labels may define jobs.
type Container struct {
	Name    string // without a slash in front
	Labels  map[string]string
	Stopped bool // only its job-run labels count then
}

const labelPrefix = "ofelia."

// Labels reads the jobs that containers define: with ofelia.enabled=true, labels
// of the form ofelia.job-TYPE.NAME.KEY, where NAME may contain dots. A list is a
// JSON array of strings or a single plain value. A job-exec without a container
// key runs in the container that has the label.
//
// What reaches into the server's host (job-local, host paths in volume,
// volumes-from, env-file, save-folder) is refused unless g allows it. The result
// has the jobs about which there is no problem, by name; the others are in
// problems, and concern no other job. Of several containers that define a job, the
// first by name wins, and one that runs before a stopped one.
func Labels(containers []Container, g *Global) ([]Job, Problems) {
	containers = slices.Clone(containers)
	slices.SortStableFunc(containers, func(a, b Container) int {
		if a.Stopped != b.Stopped {
			if a.Stopped {
				return 1
			}
			return -1
		}
		return cmp.Compare(a.Name, b.Name)
	})
	var jobs []Job
	var problems Problems
	first := map[string]Container{}
	for _, c := range containers {
		for _, s := range c.sections(&problems) {
			j, ok := c.job(s, g, &problems)
			if !ok {
				continue
			}
			if other, again := first[j.Name]; again {
				if c.Stopped == other.Stopped {
					problems.add(j.Source, 0, "", "the job %q is also defined by container %s; that one counts", j.Name, other.Name)
				}
				continue
			}
			first[j.Name] = c
			jobs = append(jobs, j)
		}
	}
	slices.SortFunc(jobs, func(a, b Job) int { return cmp.Compare(a.Name, b.Name) })
	return jobs, problems
}

func (c *Container) source() string { return "container " + c.Name }

// enabled reports whether the container's labels are to be read.
func (c *Container) enabled(problems *Problems) bool {
	v, ok := c.Labels[labelPrefix+"enabled"]
	if !ok {
		return false
	}
	on, err := parseBool(strings.TrimSpace(v))
	if err != nil {
		problems.add(c.source(), 0, labelPrefix+"enabled", "%s", err)
		return false
	}
	return on.(bool)
}

// sections collects the labels of each job.
func (c *Container) sections(problems *Problems) []*section {
	if !c.enabled(problems) {
		return nil
	}
	var all []*section
	byJob := map[string]*section{}
	for _, label := range slices.Sorted(maps.Keys(c.Labels)) {
		rest, ours := strings.CutPrefix(label, labelPrefix)
		if !ours || rest == "enabled" {
			continue
		}
		kind, name, key, message := readLabel(rest)
		if message != "" {
			problems.add(c.source(), 0, label, "%s", message)
			continue
		}
		if c.Stopped && kind != string(Run) {
			continue
		}
		s := byJob[kind+" "+name]
		if s == nil {
			s = &section{kind: kind, name: name, file: c.source(), labels: true}
			byJob[kind+" "+name] = s
			all = append(all, s)
		}
		s.entries = append(s.entries, entry{key: key, shown: label, value: strings.TrimSpace(c.Labels[label])})
	}
	return all
}

// readLabel takes job-TYPE.NAME.KEY apart; message says why that is not possible.
func readLabel(rest string) (kind, name, key, message string) {
	word, nameAndKey, _ := strings.Cut(rest, ".")
	kind, known := kinds[normal(word)]
	if !known || !slices.Contains(Types, Type(kind)) {
		if normal(word) == "service" || known || find(globalFields, normal(word)) != nil {
			return "", "", "", "is not supported as a label: what holds for all jobs is set in the configuration file, in [global] or [docker]"
		}
		if advice, ok := foreign[normal(word)]; ok {
			return "", "", "", advice
		}
		return "", "", "", "is not of the form ofelia.job-TYPE.NAME.KEY" + didYouMean(word, sectionNames[:5])
	}
	i := strings.LastIndexByte(nameAndKey, '.')
	if i <= 0 || i == len(nameAndKey)-1 || strings.TrimSpace(nameAndKey[:i]) == "" {
		return "", "", "", "is not of the form ofelia.job-TYPE.NAME.KEY, for example ofelia.job-exec.backup.schedule"
	}
	return kind, strings.TrimSpace(nameAndKey[:i]), nameAndKey[i+1:], ""
}

// job makes the job of a section of labels; ok is false when there is a problem.
func (c *Container) job(s *section, g *Global, problems *Problems) (j Job, ok bool) {
	before := len(*problems)
	j = readJob(s, g, problems)
	if !g.AllowHostJobsFromLabels {
		c.refuseHost(s, &j, problems)
	}
	if _, given := j.where["container"]; s.kind == string(Exec) && !given {
		d := open(&j.Draft)
		d.configure("container", c.Name)
		d.close()
	}
	return j, len(*problems) == before
}

const allowHost = "; allow-host-jobs-from-labels = true in [global] allows it"

// refuseHost complains about what would reach into the server's host.
func (c *Container) refuseHost(s *section, j *Job, problems *Problems) {
	if s.kind == string(Local) {
		problems.add(c.source(), 0, s.entries[0].shown, "a label may not define job-local, a process on the host"+allowHost)
		return
	}
	for _, f := range Type(s.kind).fields() {
		if e, given := j.where[f.key]; given && f.host {
			problems.add(c.source(), 0, e.shown, "a label may not set %s, which reaches into the host"+allowHost, f.key)
		}
	}
	for _, v := range get(readObject(j.Config), "volumes", []string{}) {
		if hostPath(v) {
			problems.add(c.source(), 0, j.where["volume"].shown, "a label may not mount the host's path %q"+allowHost, cut(v))
		}
	}
}

// volumeName is what Docker takes for the name of a volume.
var volumeName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]+$`)

// hostPath reports whether a volume is anything but a named or an anonymous one.
func hostPath(volume string) bool {
	source, _, mounted := strings.Cut(volume, ":")
	if !mounted {
		return !strings.HasPrefix(volume, "/")
	}
	return !volumeName.MatchString(source)
}
