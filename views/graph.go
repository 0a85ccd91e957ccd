package views

import (
	"fmt"
	"strconv"
	"unicode/utf8"

	"belfry/scheduler"
)

// graphNode is a job in the drawing of what it waits for and what waits for it.
type graphNode struct {
	X, Y        int
	Name, Short string
	Words       string // what the line to it means
	Path, Line  string // Path empty: the job itself; Line: of its edge
	Broken      bool   // the edge is drawn with dashes: after a failure, or whatever the outcome
}

const (
	graphWidth  = 200 // of a box
	graphHeight = 34
	graphGap    = 70 // between columns
	graphRow    = 46
	graphMost   = 8 // jobs on a side
	graphShort  = 24
)

// graph is a column of those before, the job, and a column of those after it.
func (p JobProps) graph() (nodes []graphNode, height int, more string) {
	type relation struct{ name, words, on string }
	var before, after []relation
	for _, d := range p.Row.Job.DependsOn {
		before = append(before, relation{d.Job, conditionWords(d.On, "it"), string(d.On)})
	}
	for _, d := range p.Dependents {
		after = append(after, relation{d.Job, conditionWords(d.On, "this"), string(d.On)})
	}
	for _, d := range p.Row.Job.Triggers {
		after = append(after, relation{d.Job, "started " + conditionWords(d.On, "this"), string(d.On)})
	}
	if len(before)+len(after) == 0 {
		return nil, 0, ""
	}
	if n := max(len(before)-graphMost, 0) + max(len(after)-graphMost, 0); n > 0 {
		more = Number(int64(n)) + " more are listed above"
	}
	before, after = before[:min(len(before), graphMost)], after[:min(len(after), graphMost)]
	rows := max(len(before), len(after), 1)
	height = rows * graphRow
	mid := height/2 - graphHeight/2
	const column = graphWidth + graphGap
	nodes = append(nodes, graphNode{X: column, Y: mid, Name: p.Row.Job.Name, Short: short(p.Row.Job.Name)})
	for side, list := range [][]relation{before, after} {
		top := (height - len(list)*graphRow) / 2
		for i, r := range list {
			y := top + i*graphRow + (graphRow-graphHeight)/2
			n := graphNode{X: side * 2 * column, Y: y, Name: r.name, Short: short(r.name), Words: r.words, Path: JobPath(r.name), Broken: r.on != string(scheduler.OnSuccess)}
			from, to := graphWidth, column
			a, b := y+graphHeight/2, mid+graphHeight/2
			if side == 1 {
				from, to, a, b = column+graphWidth, 2*column, b, a
			}
			n.Line = fmt.Sprintf("M%d %dC%d %d %d %d %d %d", from, a, from+graphGap/2, a, to-graphGap/2, b, to-7, b)
			nodes = append(nodes, n)
		}
	}
	return nodes, height, more
}

func short(name string) string {
	if utf8.RuneCountInString(name) <= graphShort {
		return name
	}
	return string([]rune(name)[:graphShort-1]) + "…"
}

func graphWords(nodes []graphNode) string {
	before, after := 0, 0
	for _, n := range nodes[1:] {
		if n.X == 0 {
			before++
		} else {
			after++
		}
	}
	return "It waits for " + plural(int64(before), "job", "jobs") + ", and " + plural(int64(after), "job comes", "jobs come") + " after it"
}

func px(n int) string { return strconv.Itoa(n) }
