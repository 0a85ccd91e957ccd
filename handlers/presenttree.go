package handlers

import (
	"belfry/scheduler"
	"belfry/views"
)

type treeSumsOut struct {
	Total    int64 `json:"total"`
	Finished int64 `json:"finished"`
	Errors   int64 `json:"errors"`
	Working  int64 `json:"working"`
}

func sumsOut(c scheduler.TreeCounts) treeSumsOut {
	return treeSumsOut{c.Total, c.TotalFinished, c.TotalErrors, c.TotalWorking}
}

type treeOut struct {
	ID          int64        `json:"id"`
	Parent      int64        `json:"parent"`
	Kind        string       `json:"kind"` // "job" or "group"
	Title       string       `json:"title"`
	Command     string       `json:"command"`
	Dir         string       `json:"dir"`
	Environment string       `json:"environment"`
	User        string       `json:"user"`
	URL         string       `json:"url"`
	Progress    string       `json:"progress_pattern"`
	Priority    int64        `json:"priority"`
	Affinity    string       `json:"affinity"`
	Timeout     int64        `json:"timeout"`
	Retries     int          `json:"retries"`
	RetriesLeft int          `json:"retries_left"`
	State       string       `json:"state"`
	Paused      bool         `json:"paused"`
	Held        bool         `json:"held"` // it or a group above is paused or pending
	DependsOn   []int64      `json:"depends_on,omitempty"`
	Done        *float64     `json:"progress"`
	Worker      *string      `json:"worker"`
	Execution   *string      `json:"execution"`
	StartedAt   instant      `json:"started_at"`
	Took        string       `json:"took"`
	Runs        int          `json:"runs"`
	Sums        *treeSumsOut `json:"sums,omitempty"`
}

type treeListOut struct {
	Group *treeOut    `json:"group,omitempty"` // absent at the root
	Items []treeOut   `json:"items"`
	Total int64       `json:"total"`
	Sums  treeSumsOut `json:"sums"`
}

func (s *Server) presentTree(r *views.TreeRow, on []scheduler.TreeJob) treeOut {
	j := &r.TreeJob
	out := treeOut{
		ID: j.Num, Parent: j.Parent, Kind: "job", Title: j.Title, Command: j.Command, Dir: j.Dir, Environment: j.Environment, User: j.User,
		URL: j.URL, Progress: j.Progress, Priority: j.Priority, Affinity: r.Affinities, Timeout: int64(j.Timeout.Seconds()), Retries: j.Retries,
		RetriesLeft: j.Retry, State: string(j.Shown()), Paused: j.Paused, Held: j.Held(), Worker: some(j.Worker), Execution: some(j.Execution),
		StartedAt: instant(j.StartedAt), Took: j.Elapsed(s.Now()).String(), Runs: j.Runs,
	}
	if done := j.Completed(); done != scheduler.NoProgress {
		out.Done = &done
	}
	if j.IsGroup() {
		sums := sumsOut(j.TreeCounts)
		out.Kind, out.Sums = "group", &sums
	}
	for _, d := range on {
		out.DependsOn = append(out.DependsOn, d.Num)
	}
	return out
}
