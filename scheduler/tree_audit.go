package scheduler

import (
	"fmt"
	"strings"
)

// treeObjects names jobs in an audit row.
func treeObjects(nums []int64) string {
	switch len(nums) {
	case 0:
		return "no job"
	case 1:
		return TreeName(nums[0])
	default:
		return fmt.Sprintf("%d jobs of the tree", len(nums))
	}
}

// auditedTree is a job of the tree in an audit row. Variables may hold secrets:
// only their names are told.
type auditedTree struct {
	TreeDraft
	Environment  []string `json:",omitempty"`
	Dependencies []int64  `json:",omitempty"`
}

func auditTree(j TreeJob, on []int64) auditedTree {
	return auditedTree{TreeDraft: j.TreeDraft, Environment: variableNames(j.Environment), Dependencies: on}
}

func variableNames(environment string) (names []string) {
	for line := range strings.SplitSeq(environment, "\n") {
		if name, _, _ := strings.Cut(line, "="); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// auditEdits is what changed in an audit row.
func auditEdits(edits map[int64]TreeEdit) any {
	all := make(map[int64]map[string]any, len(edits))
	for num, e := range edits {
		m := map[string]any{}
		for name, v := range map[string]*string{"title": e.Title, "command": e.Command, "dir": e.Dir, "user": e.User, "url": e.URL, "progress_pattern": e.Progress, "affinity": e.Affinity} {
			if v != nil {
				m[name] = *v
			}
		}
		for name, v := range map[string]*int64{"priority": e.Priority, "parent": e.Parent} {
			if v != nil {
				m[name] = *v
			}
		}
		if e.Environment != nil {
			m["environment"] = variableNames(*e.Environment)
		}
		if e.Timeout != nil {
			m["timeout"] = e.Timeout.String()
		}
		if e.Retries != nil {
			m["retry"] = *e.Retries
		}
		if e.Paused != nil {
			m["paused"] = *e.Paused
		}
		if e.State != nil {
			m["state"] = *e.State
		}
		if e.DependsOn != nil {
			m["dependencies"] = *e.DependsOn
		}
		all[num] = m
	}
	return all
}
