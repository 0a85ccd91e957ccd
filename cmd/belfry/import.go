package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"belfry/handlers"
	"belfry/handlers/dkron"
	"belfry/handlers/httpkit"
	"belfry/handlers/ndscheduler"
	"belfry/scheduler"
	"belfry/scheduler/cronicle"
	"belfry/scheduler/crontab"
	"belfry/scheduler/jobfile"
)

// importFormats are the systems whose jobs can be taken over, beside those that
// are stored.
func importFormats(stored dkron.Jobs, classes ndscheduler.Catalogue) []scheduler.ImportFormat {
	return append(
		[]scheduler.ImportFormat{handlers.YAML(), dkron.Format(stored, time.Now), ndscheduler.Format(classes), jobfile.Import(), cronicle.Format()},
		crontab.Formats()...,
	)
}

func formatNames() string {
	var names []string
	for _, f := range importFormats(nil, nil) {
		names = append(names, f.Name)
	}
	return strings.Join(names, ", ")
}

// importCmd are the flags of `belfry import`.
type importCmd struct {
	clientFlags
	Format      string `arg:"" help:"Which system: ${import_formats}."`
	Source      string `arg:"" help:"A file with its jobs, - for standard input, or the address of a server of it." placeholder:"FILE|URL"`
	DryRun      bool   `help:"Say what would be done, and what is not supported, and store nothing."`
	SourceToken string `help:"Sent as a bearer token to the server that the jobs come from." placeholder:"TOKEN"`
}

// imported is the server's answer.
type imported struct {
	Created int `json:"created"`
	Changed int `json:"changed"`
	Kept    int `json:"kept"`
	Refused int `json:"refused"`
	Items   []struct {
		Name    string       `json:"name"`
		Action  string       `json:"action"`
		Changes []difference `json:"changes"`
		Notes   []string     `json:"notes"`
		Error   string       `json:"error"`
	} `json:"items"`
}

// difference is one field that is not as it is stored.
type difference struct {
	Key    string  `json:"key"`
	Before *string `json:"before"`
	After  *string `json:"after"`
}

func (d difference) String() string {
	switch {
	case d.Before == nil:
		return d.Key + ": " + *d.After
	case d.After == nil:
		return d.Key + ": " + *d.Before + " → nothing"
	default:
		return d.Key + ": " + *d.Before + " → " + *d.After
	}
}

// Run imports, says what became of each job that is not as it was, and exits with
// 1 when one was refused.
func (i *importCmd) Run(ctx context.Context, c *console) error {
	formats := importFormats(nil, nil) // nothing is read here
	at := slices.IndexFunc(formats, func(f scheduler.ImportFormat) bool { return f.Name == i.Format })
	if at < 0 {
		return fmt.Errorf("%q is not one of the systems that can be imported: %s", i.Format, formatNames())
	}
	raw, err := i.read(ctx, c, &formats[at])
	if err != nil {
		return err
	}
	return takeOver(ctx, c, i.client(), i.Format, raw, i.DryRun)
}

// takeOver sends jobs to the server and says what it did with them.
func takeOver(ctx context.Context, c *console, api *client, format string, raw []byte, dry bool) error {
	path := fmt.Sprintf("/jobs/import?format=%s&preview=%t", url.QueryEscape(format), dry)
	header := http.Header{"Content-Type": {"application/octet-stream"}}
	body, err := api.send(ctx, http.MethodPost, path, "application/json", header, raw)
	if err != nil {
		return err
	}
	defer body.Close()
	var done imported
	if err := json.NewDecoder(body).Decode(&done); err != nil {
		return err
	}
	return done.tell(c, dry)
}

// read returns what the source has.
func (i *importCmd) read(ctx context.Context, c *console, f *scheduler.ImportFormat) ([]byte, error) {
	u, err := url.Parse(i.Source)
	switch {
	case i.Source == "-" || err != nil || u.Scheme != "http" && u.Scheme != "https":
		return readInput(c, i.Source)
	case f.List == nil:
		return nil, fmt.Errorf("there are no servers of %s to read from: give a file", f.Title)
	}
	user := u.User
	u.User = nil
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.List(u.String()), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	source := http.Client{Timeout: 5 * time.Minute}
	if user != nil {
		password, _ := user.Password()
		if f.Login == "" {
			req.SetBasicAuth(user.Username(), password)
		} else if source.Jar, err = logIn(ctx, req.URL.ResolveReference(&url.URL{Path: f.Login}).String(), user.Username(), password); err != nil {
			return nil, err
		}
	}
	if i.SourceToken != "" {
		req.Header.Set("Authorization", "Bearer "+i.SourceToken)
	}
	resp, err := source.Do(req)
	if err != nil {
		return nil, fmt.Errorf("cannot read the jobs: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("cannot read the jobs: %s answered %s", req.URL, resp.Status)
	}
	return limited(resp.Body)
}

// logIn sends a form and returns the cookies that the answer sets.
func logIn(ctx context.Context, address, name, password string) (http.CookieJar, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	client := http.Client{Timeout: time.Minute, Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	form := url.Values{"username": {name}, "password": {password}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("cannot log in: %w", err)
	}
	if err := resp.Body.Close(); err != nil {
		return nil, err
	}
	if resp.StatusCode >= 400 || len(jar.Cookies(req.URL)) == 0 {
		return nil, fmt.Errorf("cannot log in: %s answered %s without a cookie", address, resp.Status)
	}
	return jar, nil
}

// limited reads as much as a server takes.
func limited(r io.Reader) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(r, httpkit.MaxUpload+1))
	if err == nil && len(raw) > httpkit.MaxUpload {
		err = errors.New("that is too much: at most 64 MiB are taken")
	}
	return raw, err
}

// tell prints a line for each job that is not as it was, or that there is
// something to know of.
func (done *imported) tell(c *console, dry bool) error {
	w := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	words := map[string]string{"create": "made", "change": "changed", "keep": "as it was", "refuse": "refused"}
	if dry {
		words = map[string]string{"create": "would be made", "change": "would be changed", "keep": "stays", "refuse": "refused"}
	}
	for _, item := range done.Items {
		lines := item.Notes
		if item.Error != "" {
			lines = append([]string{item.Error}, lines...)
		}
		if item.Action == "keep" && len(lines) == 0 {
			continue
		}
		if item.Action == "change" || dry {
			for _, d := range item.Changes {
				lines = append(lines, d.String())
			}
		}
		first := ""
		if len(lines) > 0 {
			first, lines = lines[0], lines[1:]
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", words[item.Action], printable(item.Name), printable(first))
		for _, line := range lines {
			fmt.Fprintf(w, "\t\t%s\n", printable(line))
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(c.stdout, "%d %s, %d %s, %d %s, %d %s\n", done.Created, words["create"], done.Changed, words["change"],
		done.Kept, words["keep"], done.Refused, words["refuse"])
	if done.Refused > 0 {
		return exitError(1)
	}
	return nil
}

// printable is text that does nothing to a terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
