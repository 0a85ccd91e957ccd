package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"

	"github.com/alecthomas/kong"

	"belfry/scheduler"
)

// version is set by the release build: -ldflags "-X main.version=1.2.3".
var version = ""

// cli is every command and flag. Kong gives each flag its BELFRY_ variable.
type cli struct {
	Serve    serveCmd    `cmd:"" help:"Run the server: schedules, jobs, pages and API."`
	User     userCmd     `cmd:"" help:"Administer who can log in."`
	Token    tokenCmd    `cmd:"" help:"Administer API tokens."`
	Jobs     jobsCmd     `cmd:"" help:"List and run the jobs of a running server."`
	Import   importCmd   `cmd:"" help:"Take over the jobs of another system, into a running server."`
	Apply    applyCmd    `cmd:"" help:"Make the jobs of a running server as YAML files say; others stay."`
	Export   exportCmd   `cmd:"" help:"Print the jobs of a running server as YAML, which apply takes."`
	Validate validateCmd `cmd:"" help:"Check configuration files, without a server: for CI."`
	Backup   backupCmd   `cmd:"" help:"Copy the database to a file, while the server may be running."`
	Restore  restoreCmd  `cmd:"" help:"Put a copy in the place of the database of a server that is not running."`
	Version  versionCmd  `cmd:"" help:"Print the version."`
}

// console is what a command reads from and writes to.
type console struct {
	stdin          io.Reader
	stdout, stderr io.Writer
}

// run parses args, runs the command, and returns the process's exit code: 0 well,
// 1 failed, 2 called wrongly.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (code int) {
	exited := -1
	parser, err := kong.New(&cli{},
		kong.Name("belfry"),
		kong.Description("Belfry runs scheduled jobs and shows them live. Every flag can be set by the variable named behind it."),
		kong.Vars{"import_formats": formatNames()},
		kong.DefaultEnvars("BELFRY"), kong.Writers(stdout, stderr), kong.UsageOnError(),
		kong.Exit(func(code int) { exited = code; panic(exitPanic{}) }),
	)
	if err != nil {
		fmt.Fprintln(stderr, "belfry:", err)
		return 2
	}
	defer func() {
		if v := recover(); v != nil {
			if _, ok := v.(exitPanic); !ok {
				panic(v)
			}
			code = exited
		}
	}()
	command, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintln(stderr, "belfry:", err)
		return 2
	}
	command.BindTo(ctx, (*context.Context)(nil))
	err = command.Run(&console{os.Stdin, stdout, stderr})
	if err == nil {
		return 0
	}
	var quiet exitError
	if errors.As(err, &quiet) {
		return int(quiet)
	}
	fmt.Fprintln(stderr, "belfry:", err)
	return 1
}

// exitPanic unwinds from kong's --help, which would end the process.
type exitPanic struct{}

// exitError ends the process with a code and no further words.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(c *console) error {
	fmt.Fprintln(c.stdout, "belfry", versionText())
	return nil
}

// versionText is the release's version, or the commit that was built.
func versionText() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return "development " + s.Value[:min(12, len(s.Value))]
		}
	}
	return "development"
}

// logFlags choose what is logged to standard error.
type logFlags struct {
	LogLevel  *slog.Level `help:"Least level that is logged: debug, info, warn, error; info, unless a configuration says otherwise."`
	LogFormat string      `help:"How logs look: ${enum}." enum:"text,json" default:"text"`
}

// logger logs from level on, which begins with what the flag says.
func (f logFlags) logger(w io.Writer, level *slog.LevelVar) *slog.Logger {
	if f.LogLevel != nil {
		level.Set(*f.LogLevel)
	}
	options := &slog.HandlerOptions{Level: level}
	if f.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// explain turns a domain error into one line for a terminal.
func explain(err error) error {
	var e *scheduler.Error
	if !errors.As(err, &e) || len(e.Fields) == 0 {
		return err
	}
	var parts []string
	for _, f := range e.Fields {
		parts = append(parts, f.Field+" "+f.Message)
	}
	return errors.New(strings.Join(parts, "; "))
}
