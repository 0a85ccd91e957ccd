package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"text/tabwriter"
	"time"
)

type jobsCmd struct {
	List jobsListCmd `cmd:"" help:"List the jobs."`
	Run  jobsRunCmd  `cmd:"" help:"Run a job now."`
}

type jobsListCmd struct {
	clientFlags
	Query string `arg:"" optional:"" help:"Part of the name."`
}

// Run lists jobs, page by page.
func (j *jobsListCmd) Run(ctx context.Context, c *console) error {
	w := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tENABLED\tSCHEDULE\tNEXT\tLAST")
	const page = 500
	for offset := 0; ; offset += page {
		var list struct {
			Items []struct {
				Name     string     `json:"name"`
				Enabled  bool       `json:"enabled"`
				Schedule string     `json:"schedule"`
				NextAt   *time.Time `json:"next_at"`
				Last     struct {
					State string `json:"state"`
				} `json:"last"`
			} `json:"items"`
		}
		path := fmt.Sprintf("/jobs?q=%s&limit=%d&offset=%d", url.QueryEscape(j.Query), page, offset)
		if err := j.client().call(ctx, http.MethodGet, path, &list); err != nil {
			return err
		}
		for _, x := range list.Items {
			next := "-"
			if x.NextAt != nil {
				next = x.NextAt.Local().Format(time.RFC3339)
			}
			fmt.Fprintf(w, "%s\t%t\t%s\t%s\t%s\n", x.Name, x.Enabled, x.Schedule, next, x.Last.State)
		}
		if len(list.Items) < page {
			return w.Flush()
		}
	}
}

type jobsRunCmd struct {
	clientFlags
	Name   string `arg:"" help:"The job's name."`
	Follow bool   `help:"Print the output while it runs, and end as the run ended: 0 succeeded, 1 otherwise."`
}

// Run queues an execution, prints its id, and follows it if asked to.
func (j *jobsRunCmd) Run(ctx context.Context, c *console) error {
	api := j.client()
	var made struct {
		ID string `json:"id"`
	}
	if err := api.call(ctx, http.MethodPost, "/jobs/"+url.PathEscape(j.Name)+"/run", &made); err != nil {
		return err
	}
	if !j.Follow {
		fmt.Fprintln(c.stdout, made.ID)
		return nil
	}
	fmt.Fprintln(c.stderr, "execution", made.ID)
	return follow(ctx, api, made.ID, c)
}

// follow prints an execution's output until it has ended. The stream says when
// there is more; the bytes come from the output itself, from where the last ones
// ended, so that a dropped connection loses and doubles nothing.
func follow(ctx context.Context, api *client, id string, c *console) error {
	var at int64
	var last string
	var end struct {
		State  string `json:"state"`
		Reason string `json:"reason"`
	}
	for {
		lastID, done, err := api.events(ctx, "execution:"+id, last, func(event string, data []byte) (bool, error) {
			n, err := api.copyOutput(ctx, id, at, c.stdout)
			at += n
			if err != nil || event != "end" {
				return false, err
			}
			return true, json.Unmarshal(data, &end)
		})
		last = lastID
		if err != nil {
			return err
		}
		if done {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
	if end.State == "succeeded" {
		return nil
	}
	fmt.Fprintf(c.stderr, "%s: %s\n", end.State, end.Reason)
	return exitError(1)
}

// copyOutput copies an execution's output from an offset on.
func (c *client) copyOutput(ctx context.Context, id string, from int64, to io.Writer) (int64, error) {
	header := http.Header{"Range": {fmt.Sprintf("bytes=%d-", from)}}
	body, err := c.open(ctx, http.MethodGet, "/executions/"+id+"/output", "*/*", header)
	var p problem
	if errors.As(err, &p) && p.Status == http.StatusRequestedRangeNotSatisfiable {
		return 0, nil // nothing new
	}
	if err != nil {
		return 0, err
	}
	defer body.Close()
	return io.Copy(to, body)
}
