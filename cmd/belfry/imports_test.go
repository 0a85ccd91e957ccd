package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

// The import rules of docs/architecture.md as data. They read from the middle
// outwards: whoever is not named may not be imported. .golangci.yml says the
// same in editors; this test is the one that counts.
//
// The results depend on `go list`, which the test cache does not see: run with
// -count=1 (.ci/test.sh does).

var (
	anyPackage = []string{"*", "*/*", "*/*/*"}
	// outsideTheDomain leaves out what must build from the standard library alone.
	outsideTheDomain = []string{"scheduler/[^c]*", "scheduler/executor/*", "db", "handlers", "handlers/*", "cmd/belfry", "e2e/*"}
)

// ours lists for each of our packages which others of ours it may import. A
// pattern is a path.Match pattern below the module; the first that matches a
// package decides.
var ours = []struct {
	pkg string
	may []string
}{
	// L0: nothing of ours.
	{"scheduler/cron", nil},
	{"static", nil},
	{"migrations", nil},
	// L1: the domain.
	{"scheduler", []string{"scheduler/cron"}},
	// L2: what the domain's ports are made of, and what shows it. No edges between them.
	{"scheduler/timer", []string{"scheduler"}},
	{"scheduler/runner", []string{"scheduler"}},
	{"scheduler/remote", []string{"scheduler"}},
	{"scheduler/notify", []string{"scheduler"}},
	{"scheduler/events", []string{"scheduler"}},
	{"scheduler/metrics", []string{"scheduler"}},
	{"scheduler/executor/*", []string{"scheduler"}},
	{"scheduler/cronicle", []string{"scheduler", "scheduler/cron"}},
	{"scheduler/crontab", []string{"scheduler"}},
	{"scheduler/jobfile", []string{"scheduler", "scheduler/cron"}},
	{"scheduler/executor/docker/dockertest", nil},
	{"db", []string{"scheduler", "migrations"}},
	{"views", []string{"scheduler", "static"}},
	{"handlers/httpkit", []string{"scheduler"}},
	{"handlers/logsearch", []string{"scheduler"}},
	// L3: dialects know the domain and each other not at all.
	{"handlers/worker", []string{"scheduler", "scheduler/remote", "handlers/httpkit"}},
	{"handlers/*", []string{"scheduler", "scheduler/cron", "scheduler/jobfile", "handlers/httpkit"}},
	{"db/dbtest", []string{"scheduler", "db", "migrations"}},
	// L4: pages and native JSON.
	{"handlers", []string{"scheduler", "views", "static", "handlers/*"}},
	// L5: knows everything.
	{"cmd/belfry", anyPackage},
	// Load generators and the like drive the real binary from outside; only its test data may come from within.
	{"e2e/*", []string{"scheduler", "db", "db/dbtest"}},
}

// testsMay lists what any test may import besides what its package may: the
// store it needs to run against, the hub, a Docker engine, and pure values.
var testsMay = []string{"scheduler", "scheduler/cron", "scheduler/events", "scheduler/executor/docker/dockertest", "db", "db/dbtest"}

// owners names who may import a third-party module. A module that is not here
// may not be imported at all: a new one gets its owner, and a paragraph in
// docs/dependencies.md.
var owners = map[string][]string{
	"github.com/a-h/templ":                   {"views", "handlers"},
	"github.com/yuin/goldmark":               {"views"},
	"github.com/alecthomas/kong":             {"cmd/belfry"},
	"github.com/alexedwards/argon2id":        {"cmd/belfry"},
	"github.com/alexedwards/scs/v2":          {"handlers"},
	"github.com/coder/websocket":             {"handlers/ofelia"},
	"github.com/containerd/errdefs":          {"scheduler/executor/docker"},
	"github.com/distribution/reference":      {"scheduler/executor/docker"},
	"github.com/fluent/fluent-logger-golang": {"scheduler/notify"},
	"github.com/golang-jwt/jwt/v5":           {"handlers"},
	"github.com/google/go-cmp":               {"db/dbtest"},
	"github.com/google/uuid":                 {"cmd/belfry", "db/dbtest"},
	"github.com/jackc/pgx/v5":                {"db", "db/dbtest"},
	"github.com/kballard/go-shellquote":      {"scheduler/executor/docker", "scheduler/executor/shell"},
	"github.com/klauspost/compress":          {"db"},
	"github.com/labstack/echo/v4":            {"handlers", "handlers/*"},
	"github.com/moby/moby/api":               {"scheduler/executor/docker"},
	"github.com/moby/moby/client":            {"scheduler/executor/docker", "scheduler/executor/docker/dockertest"},
	"github.com/pressly/goose/v3":            {"db"},
	"github.com/prometheus/client_golang":    {"scheduler/metrics"},
	"github.com/r3labs/sse/v2":               {"handlers"},
	"github.com/reugn/go-quartz":             {"scheduler/timer"},
	"github.com/wneessen/go-mail":            {"scheduler/notify"},
	"go.yaml.in/yaml/v3":                     {"handlers"},
	"golang.org/x/sync":                      outsideTheDomain,
	"golang.org/x/sys":                       {"cmd/belfry", "scheduler/executor/shell", "scheduler/executor/docker"},
	"golang.org/x/time":                      {"handlers", "handlers/*"},
	"modernc.org/sqlite":                     {"db"},
}

// testOwners is the same for what only tests import.
var testOwners = map[string][]string{
	"github.com/coder/websocket":      {"cmd/belfry"},
	"github.com/emersion/go-sasl":     {"scheduler/notify"},
	"github.com/emersion/go-smtp":     {"scheduler/notify"},
	"github.com/getkin/kin-openapi":   {"handlers", "cmd/belfry"},
	"github.com/google/go-cmp":        anyPackage,
	"github.com/google/uuid":          anyPackage,
	"go.uber.org/goleak":              anyPackage,
	"pgregory.net/rapid":              anyPackage,
	"github.com/r3labs/sse/v2":        {"handlers", "cmd/belfry"},
	"github.com/alexedwards/argon2id": anyPackage,
	"github.com/labstack/echo/v4":     {"handlers", "handlers/*"},
	"golang.org/x/net":                {"handlers", "views"},
}

type listed struct {
	ImportPath   string
	Standard     bool
	Module       *struct{ Path string }
	Imports      []string
	TestImports  []string
	XTestImports []string
}

func TestImportsGoInward(t *testing.T) {
	packages := goList(t)
	for _, p := range packages {
		from, mine := strings.CutPrefix(p.ImportPath, "belfry/")
		if !mine {
			continue
		}
		may, known := allowedFor(from)
		if !known {
			t.Errorf("package %s has no line in the table of import rules", from)
			continue
		}
		for _, to := range p.Imports {
			if why := refuse(packages, from, to, may, owners); why != "" {
				t.Error(why)
			}
		}
		for _, to := range append(p.TestImports, p.XTestImports...) {
			if why := refuse(packages, from, to, append(slices.Clone(may), append(testsMay, from)...), owners, testOwners); why != "" {
				t.Error("in a test: " + why)
			}
		}
	}
}

// refuse says why from may not import to, or "".
func refuse(packages map[string]listed, from, to string, may []string, tables ...map[string][]string) string {
	if inside, mine := strings.CutPrefix(to, "belfry/"); mine {
		if matchesAny(may, inside) {
			return ""
		}
		return from + " imports " + inside + ", but may import of ours only: " + list(may)
	}
	p, found := packages[to]
	if !found || p.Standard || to == "C" {
		return ""
	}
	module := p.Module.Path
	var all []string
	for _, table := range tables {
		all = append(all, table[module]...)
	}
	if matchesAny(all, from) {
		return ""
	}
	if len(all) == 0 {
		return from + " imports " + to + ", but the module " + module + " has no owner in the table"
	}
	return from + " imports " + to + ", but the module " + module + " belongs to: " + list(all)
}

func allowedFor(pkg string) (may []string, known bool) {
	for _, rule := range ours {
		if matchesAny([]string{rule.pkg}, pkg) {
			return rule.may, true
		}
	}
	return nil, false
}

func matchesAny(patterns []string, pkg string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		ok, err := path.Match(pattern, pkg)
		return ok && err == nil
	})
}

func list(patterns []string) string {
	if len(patterns) == 0 {
		return "nothing"
	}
	return strings.Join(patterns, ", ")
}

// goList returns every package of this module and everything they import, tests
// included, by import path.
func goList(t *testing.T) map[string]listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-deps", "-test",
		"-json=ImportPath,Standard,Module,Imports,TestImports,XTestImports", "belfry/...")
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %v\n%s", err, exit.Stderr)
		}
		t.Fatal(err)
	}
	packages := map[string]listed{}
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		// With -test, packages appear again as "x [x.test]" and "x.test".
		if !strings.Contains(p.ImportPath, " [") && !strings.HasSuffix(p.ImportPath, ".test") {
			packages[p.ImportPath] = p
		}
	}
}
