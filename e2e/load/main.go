// Command load measures a real Belfry: it builds the binary, starts it with a
// new data folder for each scenario, drives it through its API over loopback,
// and prints one table of what was measured beside what is aimed for.
//
//	go run ./e2e/load [-only exec-rate,live] [-seconds 30] [-quick]
//
// Every request carries an API token, as a program's would: nothing is measured
// with authentication switched off. BELFRY_BIN names a binary to measure instead
// of the one that is built. The exit code is 1 when a scenario could not be
// carried out or something was lost; a missed aim is a result, not a failure.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// scenario is one thing that is measured, within a time that it never needs.
type scenario struct {
	name  string
	limit time.Duration
	run   func(context.Context, *bench) error
}

var scenarios = []scenario{
	{"exec-rate", 5 * time.Minute, execRate},
	{"lateness", 5 * time.Minute, lateness},
	{"create", 5 * time.Minute, create},
	{"list", 15 * time.Minute, list},
	{"dkron", 5 * time.Minute, asDkron},
	{"sse", 5 * time.Minute, idleStreams},
	{"stalled", 3 * time.Minute, stalledReader},
	{"live", 2 * time.Minute, live},
	{"tree", 5 * time.Minute, tree},
	{"workers", 5 * time.Minute, workers},
	{"live-large", 10 * time.Minute, liveLarge},
	{"live-fast", 5 * time.Minute, liveFast},
	{"live-drops", 10 * time.Minute, liveDrops},
	{"live-viewers", 5 * time.Minute, liveViewers},
}

// bench is one run of this program.
type bench struct {
	binary  string
	dir     string        // everything that is written; it is removed at the end
	window  time.Duration // how long what is sustained is sustained
	quick   bool
	results table
}

// pick returns a count, less of it when only a quick look is wanted.
func (b *bench) pick(full, quick int) int {
	if b.quick {
		return quick
	}
	return full
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == bareCommand {
		os.Exit(bareMain(os.Args[2:]))
	}
	if len(os.Args) > 1 && os.Args[1] == paceCommand {
		os.Exit(paceMain(os.Args[2:]))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	only := flag.String("only", "", "names of scenarios, with commas between them: "+strings.Join(names(), ", "))
	seconds := flag.Int("seconds", 30, "how long to sustain a load")
	quick := flag.Bool("quick", false, "5 seconds and less data: shows that it works, measures little")
	flag.Parse()
	b := &bench{quick: *quick, window: time.Duration(*seconds) * time.Second}
	if *seconds < 1 || *seconds > 120 {
		return errors.New("-seconds must be from 1 to 120")
	}
	if b.quick {
		b.window = 5 * time.Second
	}
	chosen, err := choose(*only)
	if err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "belfry-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	if b.dir, err = filepath.EvalSymlinks(b.dir); err != nil {
		return err
	}
	if err := b.build(ctx); err != nil {
		return err
	}
	fmt.Println(machine(b.dir))
	for _, s := range chosen {
		err = errors.Join(err, b.measure(ctx, s))
	}
	b.results.print(os.Stdout)
	for _, promise := range b.results.broken {
		err = errors.Join(err, errors.New(promise))
	}
	return err
}

func names() []string {
	var list []string
	for _, s := range scenarios {
		list = append(list, s.name)
	}
	return list
}

// choose returns the named scenarios, all when none is named.
func choose(only string) ([]scenario, error) {
	if only == "" {
		return scenarios, nil
	}
	var chosen []scenario
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(scenarios, func(s scenario) bool { return s.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no scenario %q; there are %s", name, strings.Join(names(), ", "))
		}
		chosen = append(chosen, scenarios[i])
	}
	return chosen, nil
}

// build makes the binary as a release has it.
func (b *bench) build(ctx context.Context) error {
	if b.binary = os.Getenv("BELFRY_BIN"); b.binary != "" {
		var err error
		b.binary, err = filepath.Abs(b.binary)
		return err
	}
	b.binary = filepath.Join(b.dir, "belfry")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", b.binary, "belfry/cmd/belfry")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build belfry: %w\n%s", err, out)
	}
	return nil
}

// measure carries out one scenario; what it says goes into the table.
func (b *bench) measure(ctx context.Context, s scenario) error {
	if ctx.Err() != nil {
		return nil // interrupted: the table says what was measured until then
	}
	b.results.scenario = s.name
	load := loadAverage()
	fmt.Fprintf(os.Stderr, "%s %s (load average %s)\n", time.Now().Format(time.TimeOnly), s.name, load)
	b.results.note("load average before", load)
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	if err := s.run(ctx, b); err != nil {
		b.results.note("FAILED", firstLine(err))
		return fmt.Errorf("%s: %w", s.name, err)
	}
	return nil
}
