package ndscheduler

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
	"belfry/scheduler/cron"
)

// cronKeys are the fields that clients may set, in the order of the servers' words.
var cronKeys = []string{"month", "day", "hour", "minute", "day_of_week"}

// jobRequest is the body of a POST or a PUT.
type jobRequest struct {
	keys  map[string]json.RawMessage
	class string
	name  string
	args  []json.RawMessage // nil: not given
	text  string            // of the schedule
}

func readJob(c echo.Context) (*jobRequest, error) {
	if !httpkit.IsJSON(c.Request()) {
		return nil, refuse("send the body as JSON, with Content-Type: application/json")
	}
	r := &jobRequest{}
	if err := httpkit.JSON(c, &r.keys); err != nil {
		return nil, err
	}
	for _, key := range []string{"name", "job_class_string"} {
		if _, ok := r.keys[key]; !ok {
			return nil, refuse("Require this parameter: " + key)
		}
	}
	if err := r.known(); err != nil {
		return nil, err
	}
	for key, to := range map[string]*string{"name": &r.name, "job_class_string": &r.class} {
		if json.Unmarshal(r.keys[key], to) != nil || strings.TrimSpace(*to) == "" {
			return nil, refuse(key + " must be a text that is not empty")
		}
	}
	if err := r.readArgs(); err != nil {
		return nil, err
	}
	return r, r.readCron()
}

// known refuses keys that the document does not have: there they would become
// arguments that nobody sees, or change the scheduler's own objects.
func (r *jobRequest) known() error {
	allowed := append([]string{"name", "job_class_string", "pub_args"}, cronKeys...)
	var unknown []string
	for _, key := range slices.Sorted(maps.Keys(r.keys)) {
		if !slices.Contains(allowed, key) {
			unknown = append(unknown, key)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	return refuse(fmt.Sprintf("These parameters are not known: %s. There are %s", strings.Join(unknown, ", "), strings.Join(allowed, ", ")))
}

func (r *jobRequest) readArgs() error {
	raw, ok := r.keys["pub_args"]
	if !ok {
		return nil
	}
	if string(raw) == "null" {
		r.args = []json.RawMessage{}
		return nil
	}
	if json.Unmarshal(raw, &r.args) != nil {
		return refuse("pub_args must be an array")
	}
	return nil
}

// readCron spells the schedule of the fields that are given; null is not given.
func (r *jobRequest) readCron() error {
	given := map[string]string{}
	for _, key := range cronKeys {
		raw, ok := r.keys[key]
		if !ok || string(raw) == "null" {
			continue
		}
		v, err := cronValue(raw)
		if err != nil {
			return refuse(key + ": " + err.Error())
		}
		given[key] = v
	}
	if len(given) == 0 {
		return refuse("Require at least one of following parameters: ['" + strings.Join(cronKeys, "', '") + "']")
	}
	r.text = cron.APText(given)
	values, err := cron.APValues(r.text)
	if err != nil {
		return refuse(err.Error())
	}
	for key := range given {
		given[key] = values[key]
	}
	r.text = cron.APText(given)
	return nil
}

func cronValue(raw json.RawMessage) (string, error) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text, nil
	}
	var n int64
	if json.Unmarshal(raw, &n) == nil {
		return fmt.Sprint(n), nil
	}
	return "", fmt.Errorf("must be a text or a whole number")
}

// apply makes the request's changes to a draft. Arguments that are not given stay.
func (r *jobRequest) apply(d *scheduler.Draft, before []json.RawMessage) {
	if r.args != nil {
		before = r.args
	}
	d.Name = r.name
	d.Config = classConfig(r.class, before)
	d.Schedules = []scheduler.Schedule{{Grammar: cron.APScheduler.Name, Text: r.text}}
}
