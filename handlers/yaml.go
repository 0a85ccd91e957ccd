package handlers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
	"go.yaml.in/yaml/v3"

	"belfry/handlers/httpkit"
	"belfry/scheduler"
)

// Jobs as YAML are those of the native JSON below one key, without what only the
// server knows and without what is at its default.

const yamlJobs = "jobs"

// YAML is the format of GET /jobs/export, and of what people write by hand.
func YAML() scheduler.ImportFormat {
	return scheduler.ImportFormat{
		Name: "belfry", Title: "Belfry",
		Hint: "YAML, as the export has it: jobs with the keys of the JSON API. What a job leaves out is at its default.",
		Read: func(_ context.Context, raw []byte) ([]scheduler.Imported, error) { return readYAML(raw) },
		List: func(server string) string { return strings.TrimSuffix(server, "/") + "/jobs/export" },
	}
}

// serverKeys are those of a job that only the server decides.
var serverKeys = []string{"id", "num", "origin", "version", "created_at", "updated_at", "next_at", "last", "dependents"}

// exportJobs writes the jobs that are named, or those that a list with the same
// filter has, all pages of it.
func (s *Server) exportJobs(c echo.Context) error {
	jobs := &yaml.Node{Kind: yaml.SequenceNode}
	err := s.eachExported(c, func(j scheduler.Job) error {
		node, err := s.yamlJob(j)
		jobs.Content = append(jobs.Content, node)
		return err
	})
	if err != nil {
		return err
	}
	var b bytes.Buffer
	w := yaml.NewEncoder(&b)
	w.SetIndent(2)
	if err := w.Encode(&yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{yamlText(yamlJobs), jobs}}); err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderContentDisposition, `attachment; filename="jobs.yaml"`)
	return c.Blob(http.StatusOK, "application/yaml", b.Bytes())
}

func (s *Server) eachExported(c echo.Context, do func(scheduler.Job) error) error {
	ctx := c.Request().Context()
	if named := c.QueryParams()["job"]; len(named) > 0 {
		if len(named) > scheduler.MaxPage {
			return httpkit.BadField("job", "choose at most %d", scheduler.MaxPage)
		}
		for _, name := range named {
			j, err := s.Store.JobByName(ctx, name)
			if err == nil {
				err = do(j)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	f, _, err := s.jobFilter(c.Request())
	if err != nil {
		return err
	}
	f.Limit, f.Offset = scheduler.MaxPage, 0
	for more := true; more; f.Offset += f.Limit {
		list, _, err := s.Store.ListJobs(ctx, f)
		if err != nil {
			return err
		}
		for _, j := range list {
			if err := do(j); err != nil {
				return err
			}
		}
		more = len(list) == f.Limit
	}
	return nil
}

// yamlJob is a job with what is not at its default, in the order of the JSON.
func (s *Server) yamlJob(j scheduler.Job) (*yaml.Node, error) {
	blank := scheduler.Draft{Enabled: true}
	blank.Normalize()
	shown, usual := s.presentJob(j, scheduler.JobStats{}), s.presentJob(scheduler.Job{Draft: blank}, scheduler.JobStats{})
	skip := slices.Clone(serverKeys)
	if len(j.Schedules) == 1 && j.Schedules[0].Grammar == "" {
		skip = append(skip, "schedules")
	} else {
		skip = append(skip, "schedule", "timezone")
	}
	job := &yaml.Node{Kind: yaml.MappingNode}
	value, standard := reflect.ValueOf(shown), reflect.ValueOf(usual)
	for i := range value.NumField() {
		key, _, _ := strings.Cut(value.Type().Field(i).Tag.Get("json"), ",")
		one := value.Field(i).Interface()
		if slices.Contains(skip, key) || reflect.DeepEqual(one, standard.Field(i).Interface()) {
			continue
		}
		if key == "schedules" {
			one = j.Schedules // whose JSON is without what is empty
		}
		node, err := yamlValue(one)
		if err != nil {
			return nil, err
		}
		job.Content = append(job.Content, yamlText(key), node)
	}
	return job, nil
}

// yamlValue is what has a JSON form, in the order of its keys.
func yamlValue(v any) (*yaml.Node, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return yamlNode(d)
}

// yamlNode reads the next JSON value.
func yamlNode(d *json.Decoder) (*yaml.Node, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case json.Delim:
		node := &yaml.Node{Kind: yaml.MappingNode}
		if t == '[' {
			node.Kind = yaml.SequenceNode
		}
		for d.More() {
			inner, err := yamlNode(d)
			if err != nil {
				return nil, err
			}
			node.Content = append(node.Content, inner)
		}
		if len(node.Content) == 0 {
			node.Style = yaml.FlowStyle
		}
		_, err := d.Token() // the end
		return node, err
	case string:
		return yamlText(t), nil
	case json.Number:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: t.String()}, nil // without a tag: YAML's ints are shorter than JSON's
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: fmt.Sprint(t)}, nil
	default:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}, nil
	}
}

// yamlText is a text. Scripts stay readable: a line each.
func yamlText(text string) *yaml.Node {
	node := &yaml.Node{}
	node.SetString(text)
	if jsonNumber.MatchString(text) {
		node.Style = yaml.DoubleQuotedStyle // also where YAML has no such number
	}
	return node
}

// readYAML reads the jobs of all documents. One that cannot be a job is refused
// alone, with its line.
func readYAML(raw []byte) (list []scheduler.Imported, err error) {
	d := yaml.NewDecoder(bytes.NewReader(raw))
	for {
		var document yaml.Node
		if err := d.Decode(&document); errors.Is(err, io.EOF) {
			return list, nil
		} else if err != nil {
			return nil, scheduler.Errorf(scheduler.CodeInvalid, "%s", strings.TrimPrefix(err.Error(), "yaml: "))
		}
		root := document.Content[0]
		if root.Tag == "!!null" {
			continue
		}
		if root.Kind != yaml.MappingNode {
			return nil, wrongLine(root.Line, "there must be a key %q, with a list of jobs", yamlJobs)
		}
		for i := 0; i < len(root.Content); i += 2 {
			key, value := root.Content[i], root.Content[i+1]
			if key.Value != yamlJobs {
				return nil, wrongLine(key.Line, "the key %q is not known; there is only %q", key.Value, yamlJobs)
			}
			if value.Kind != yaml.SequenceNode && value.Tag != "!!null" {
				return nil, wrongLine(value.Line, "%q must be a list of jobs", yamlJobs)
			}
			for _, node := range value.Content {
				list = append(list, readYAMLJob(node))
			}
		}
	}
}

func readYAMLJob(node *yaml.Node) (one scheduler.Imported) {
	node = behindAlias(node)
	name := yamlName(node)
	var in jobIn
	raw, err := yamlJSON(node)
	if err == nil {
		err = httpkit.Decode(raw, &in)
	}
	var r jobRequest
	if err == nil {
		name = strings.TrimSpace(in.Name)
		r.fromJSON(in)
		one.Draft = r.draft
		if len(r.wrong) > 0 {
			err = &scheduler.Error{Code: scheduler.CodeInvalid, Message: "the job is not valid", Fields: r.wrong}
		}
	}
	if one.Draft.Name = name; err != nil {
		one.Draft, one.Err = scheduler.Draft{Name: name}, err
	}
	if name == "" {
		one.Draft.Name = fmt.Sprintf("line %d", node.Line)
		if err == nil {
			one.Err = scheduler.Invalid("name", "is required")
		}
	}
	return one
}

// yamlName is the name of a job that is wrong in other ways.
func yamlName(node *yaml.Node) string {
	for i := 0; node.Kind == yaml.MappingNode && i < len(node.Content); i += 2 {
		if node.Content[i].Value == "name" {
			return strings.TrimSpace(behindAlias(node.Content[i+1]).Value)
		}
	}
	return ""
}

func behindAlias(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}

// yamlJSON is a job as JSON. Numbers keep their digits, and dates are the texts that
// stand there: JSON has none.
func yamlJSON(node *yaml.Node) ([]byte, error) {
	if node.Kind != yaml.MappingNode {
		return nil, wrongLine(node.Line, "a job must be an object")
	}
	var checked any // what makes no sense in YAML, such as an anchor within itself, ends here
	if err := node.Decode(&checked); err != nil {
		return nil, scheduler.Errorf(scheduler.CodeInvalid, "%s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	v, err := plainValue(node)
	if err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

// plainValue is what a node is in JSON.
func plainValue(node *yaml.Node) (any, error) {
	node = behindAlias(node)
	tag := node.ShortTag()
	switch {
	case node.Kind == yaml.MappingNode && tag == "!!map":
		return plainObject(node)
	case node.Kind == yaml.SequenceNode && tag == "!!seq":
		list := make([]any, len(node.Content))
		for i, item := range node.Content {
			var err error
			if list[i], err = plainValue(item); err != nil {
				return nil, err
			}
		}
		return list, nil
	case node.Kind == yaml.ScalarNode:
		return plainScalar(node, tag)
	}
	return nil, wrongLine(node.Line, "the tag %s is not taken", tag)
}

func plainObject(node *yaml.Node) (any, error) {
	var members map[any]yaml.Node // with those of merged objects
	if err := node.Decode(&members); err != nil {
		return nil, wrongLine(node.Line, "%s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	object := make(map[string]any, len(members))
	for key, member := range members {
		name, ok := key.(string)
		if !ok {
			return nil, wrongLine(node.Line, "has keys that are no texts")
		}
		var err error
		if object[name], err = plainValue(&member); err != nil {
			return nil, err
		}
	}
	return object, nil
}

// jsonNumber is what both languages read as the same number.
var jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)

func plainScalar(node *yaml.Node, tag string) (any, error) {
	switch {
	case (node.Style == 0 || tag == "!!int" || tag == "!!float") && jsonNumber.MatchString(node.Value):
		return json.Number(node.Value), nil
	case tag == "!!str" || tag == "!!timestamp":
		return node.Value, nil
	case !slices.Contains([]string{"!!int", "!!float", "!!bool", "!!null"}, tag):
		return nil, wrongLine(node.Line, "the tag %s is not taken", tag)
	}
	var v any
	if err := node.Decode(&v); err != nil {
		return nil, wrongLine(node.Line, "%s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if f, ok := v.(float64); ok && (math.IsInf(f, 0) || math.IsNaN(f)) {
		return nil, wrongLine(node.Line, "%s is not a number that a job can have", node.Value)
	}
	return v, nil
}

func wrongLine(line int, format string, args ...any) error {
	return scheduler.Errorf(scheduler.CodeInvalid, "line %d: %s", line, fmt.Sprintf(format, args...))
}
