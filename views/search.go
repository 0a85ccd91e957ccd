package views

import (
	"strings"

	"belfry/scheduler"
)

// SearchProps are what a search found.
type SearchProps struct {
	Page
	Query      string
	Pages      []Goto
	Jobs       []JobName
	JobsTotal  int64
	Executions []scheduler.Execution
}

// Goto is a place of this application.
type Goto struct {
	Title string `json:"title"`
	Path  string `json:"path"`
	icon  string
	need  scheduler.Role
}

var places = []Goto{
	{"Now", "/", "activity", scheduler.Viewer},
	{"Jobs", "/jobs", "list-checks", scheduler.Viewer},
	{"New job", "/jobs/new", "plus", scheduler.Editor},
	{"Failing jobs", "/jobs?enabled=true&state=failed", "circle-x", scheduler.Viewer},
	{"Disabled jobs", "/jobs?enabled=false", "ban", scheduler.Viewer},
	{"Executions", "/executions", "history", scheduler.Viewer},
	{"Running executions", "/executions?state=running", "play", scheduler.Viewer},
	{"Waiting executions", "/executions?state=queued", "clock", scheduler.Viewer},
	{"Failed executions", "/executions?state=failed", "circle-x", scheduler.Viewer},
	{"Calendar", "/calendar", "calendar-days", scheduler.Viewer},
	{"Users", "/settings/users", "users", scheduler.Admin},
	{"API tokens", "/settings/tokens", "key-round", scheduler.Admin},
	{"System health and backup", "/settings/system", "server", scheduler.Admin},
	{"Your account", "/account", "key-round", scheduler.Viewer},
	{"Configuration", "/settings/configuration", "settings", scheduler.Admin},
}

// PagesNamed are the pages whose title has every word of query, those that the
// reader may see.
func PagesNamed(p Page, query string) (list []Goto) {
	for _, place := range places {
		title := strings.ToLower(place.Title)
		fits := p.Role.Allows(place.need)
		for word := range strings.FieldsSeq(strings.ToLower(query)) {
			fits = fits && strings.Contains(title, word)
		}
		if fits {
			list = append(list, place)
		}
	}
	return list
}
