package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"os"

	"belfry/handlers"
)

// applyCmd are the flags of `belfry apply`.
type applyCmd struct {
	clientFlags
	File   []string `short:"f" required:"" sep:"none" help:"A file with jobs, - for standard input; can be repeated." placeholder:"FILE"`
	DryRun bool     `help:"Say what would be made and changed, field by field, and store nothing."`
}

// Run applies all files as one, and exits with 1 when a job was refused.
func (a *applyCmd) Run(ctx context.Context, c *console) error {
	var all bytes.Buffer
	for _, name := range a.File {
		raw, err := readInput(c, name)
		if err != nil {
			return err
		}
		all.WriteString("---\n")
		all.Write(raw)
		all.WriteString("\n")
	}
	return takeOver(ctx, c, a.client(), handlers.YAML().Name, all.Bytes(), a.DryRun)
}

// readInput reads a file, or standard input.
func readInput(c *console, name string) ([]byte, error) {
	if name == "-" {
		return limited(c.stdin)
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return limited(file)
}

// exportCmd are the flags of `belfry export`.
type exportCmd struct {
	clientFlags
	Query string `arg:"" optional:"" help:"Part of the names of the jobs."`
}

// Run prints YAML.
func (e *exportCmd) Run(ctx context.Context, c *console) error {
	body, err := e.client().open(ctx, http.MethodGet, "/jobs/export?q="+url.QueryEscape(e.Query), "*/*", nil)
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = io.Copy(c.stdout, body)
	return err
}
