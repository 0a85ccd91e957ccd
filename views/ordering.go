package views

import "cmp"

// listOrder is what a list can be ordered by.
type listOrder struct {
	standard string // the order of an address that says none
	columns  []orderColumn
}

// orderColumn is a column that a list can be ordered by.
type orderColumn struct {
	by, label string
	up, down  string // what its orders are called where there is no head to press
	downFirst bool   // its head leads to the descending order first
	headless  bool   // the table has no such column
	right     bool   // numbers, which are aligned
}

func byText(by, label string) orderColumn {
	return orderColumn{by: by, label: label, up: "A to Z", down: "Z to A"}
}

func byTime(by, label string) orderColumn {
	return orderColumn{by: by, label: label, up: "oldest first", down: "newest first", downFirst: true}
}

func byNumber(by, label string) orderColumn {
	return orderColumn{by: by, label: label, up: "lowest first", down: "highest first"}
}

func (c orderColumn) without() orderColumn {
	c.headless = true
	return c
}

var (
	jobOrder = listOrder{"name", []orderColumn{byText("name", "Job"), byTime("created", "Made").without(), byTime("updated", "Changed").without()}}

	executionOrder = listOrder{"-queued", []orderColumn{
		byText("job", "Job"), byTime("queued", "Queued"), byTime("started", "Started"), byTime("ended", "Ended"),
		{by: "duration", label: "Took", up: "shortest first", down: "longest first", downFirst: true, right: true},
	}}
	treeOrder = listOrder{"num", []orderColumn{
		{by: "num", label: "Job", up: "in order", down: "in reverse"}, byTime("started", "Started"),
	}}
	auditOrder = listOrder{"-at", []orderColumn{
		byTime("at", "When"), byText("actor", "Who"), byText("action", "What"), byText("object", "Object").without(),
	}}
	workerOrder = listOrder{"name", []orderColumn{
		byText("name", "Worker"),
		{by: "state", label: "State", up: "online first", down: "offline first"},
		byNumber("slots", "Slots"), byNumber("load", "Load"),
		{by: "seen", label: "Last seen", up: "longest ago first", down: "newest first"},
	}}
	userOrder = listOrder{"name", []orderColumn{
		byText("name", "User"), {by: "role", label: "Role", up: "least first", down: "most first"}, byTime("login", "Last login"), byTime("created", "Made"),
	}}
	tokenOrder = listOrder{"name", []orderColumn{
		byText("name", "Token"),
		{by: "role", label: "Role", up: "least first", down: "most first"},
		byText("owner", "Made by"), byTime("created", "Made"),
		byTime("used", "Last used"),
		{by: "expires", label: "Expires", up: "soonest first", down: "latest first"},
	}}
	workerTokenOrder = listOrder{"name", []orderColumn{
		byText("name", "Token"), byText("owner", "Made by"), byTime("created", "Made"), byTime("used", "Last used"),
	}}
	classOrder = listOrder{"name", []orderColumn{byText("name", "Class"), byText("executor", "Runs"), byText("source", "Declared")}}
)

func (o listOrder) column(by string) orderColumn {
	for _, c := range o.columns {
		if c.by == by {
			return c
		}
	}
	return orderColumn{}
}

// next is the order that a column's head leads to: the other way where the list is
// in its order already.
func (o listOrder) next(sort, by string) string {
	to := by
	switch cmp.Or(sort, o.standard) {
	case by:
		to = "-" + by
	case "-" + by:
	default:
		if o.column(by).downFirst {
			to = "-" + by
		}
	}
	return o.short(to)
}

// short is an order as an address says it: the standard one is not said.
func (o listOrder) short(sort string) string {
	if sort == o.standard {
		return ""
	}
	return sort
}

// aria is a column's aria-sort.
func (o listOrder) aria(sort, by string) string {
	switch cmp.Or(sort, o.standard) {
	case by:
		return "ascending"
	case "-" + by:
		return "descending"
	default:
		return "none"
	}
}

// choices are all orders, for where there are no heads.
func (o listOrder) choices() []Choice {
	var list []Choice
	for _, c := range o.columns {
		up, down := Choice{o.short(c.by), c.label + ", " + c.up}, Choice{o.short("-" + c.by), c.label + ", " + c.down}
		if c.downFirst {
			up, down = down, up
		}
		list = append(list, up, down)
	}
	return list
}

// headed reports whether the heads of the table lead to every order.
func (o listOrder) headed() bool {
	for _, c := range o.columns {
		if c.headless {
			return false
		}
	}
	return true
}

// ListQuery is the filter of a list that is searched for a text, as the URL has it.
type ListQuery struct {
	Q, Sort       string
	Limit, Offset int
}

func (q ListQuery) path(list string, offset int) string {
	return query(list, "q", q.Q, "sort", q.Sort, "limit", atoi0(q.Limit), "offset", atoi0(offset))
}

// pages are the addresses of a list's pages.
func (q ListQuery) pages(list string) func(offset int) string {
	return func(offset int) string { return q.path(list, offset) }
}

// orders are the addresses of a list's orders.
func (q ListQuery) orders(list string) func(sort string) string {
	return func(sort string) string {
		q.Sort = sort
		return q.path(list, 0)
	}
}
