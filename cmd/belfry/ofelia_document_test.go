package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// operation is one of the document: what is asked and what it shows as the answer.
type operation struct {
	ID, Method, Path string
	Status           int
	Request          object
	Response         any
	Text             []string // lines, where the answer is no JSON
}

// additions is the one place that lists what this server has beside the document.
type additions struct {
	Operations []string       // that the document does not have
	Codes      []string       // of errors
	Nullable   []string       // keys whose value may be null, as the document shows of error only
	Optional   []string       // keys that are only there when there is something to say
	Keys       map[string]any // by operation: what its answer also has
	Types      map[string]struct {
		Has, HasNot []string // what a job of this type shows compared with the document's, which is of type exec
	}
	Fields map[string]object // by type: what can be set besides, with a value that is not the default
}

// document is testdata/ofelia.json with testdata/ofelia-additions.json.
type document struct {
	operations map[string]operation
	additions
}

var ofeliaDocument = sync.OnceValues(func() (document, error) {
	d := document{operations: map[string]operation{}}
	var list []operation
	if err := errors.Join(readJSON("ofelia.json", &list), readJSON("ofelia-additions.json", &d.additions)); err != nil {
		return d, err
	}
	for _, o := range list {
		if more, ok := d.Keys[o.ID]; ok {
			o.Response = merged(o.Response, more)
		}
		d.operations[o.ID] = o
	}
	return d, nil
})

// readJSON keeps numbers as they are written.
func readJSON(name string, into any) error {
	f, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		return err
	}
	defer f.Close()
	d := json.NewDecoder(f)
	d.UseNumber()
	d.DisallowUnknownFields()
	return d.Decode(into)
}

// merged adds keys to an object, and elements to a list.
func merged(to, more any) any {
	switch more := more.(type) {
	case object:
		all, _ := to.(object)
		all = maps.Clone(all)
		if all == nil {
			all = object{}
		}
		for key, v := range more {
			all[key] = merged(all[key], v)
		}
		return all
	case []any:
		all, _ := to.([]any)
		return append(slices.Clone(all), more...)
	}
	return more
}

func theDocument(t *testing.T) document {
	t.Helper()
	d, err := ofeliaDocument()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// differences compares an answer with an example: the same keys, the same types,
// the same formats.
func (d document) differences(path string, example, got any) (all []string) {
	key := path[strings.LastIndexAny(path, ".]")+1:]
	if got == nil && slices.Contains(d.Nullable, key) {
		return nil
	}
	wrong := func(format string, args ...any) []string {
		return append(all, path+": "+fmt.Sprintf(format, args...))
	}
	switch example := example.(type) {
	case nil: // error is null, or a text
		if _, ok := got.(string); !ok {
			return wrong("is %v, want null or a text", got)
		}
	case bool:
		if _, ok := got.(bool); !ok {
			return wrong("is %v, want true or false", got)
		}
	case json.Number:
		if n, ok := got.(json.Number); !ok || strings.ContainsAny(n.String(), ".eE") {
			return wrong("is %v, want a whole number", got)
		}
	case string:
		return append(all, textDifferences(path, example, got)...)
	case []any:
		list, ok := got.([]any)
		if !ok {
			return wrong("is %v, want a list", got)
		}
		for i, e := range list {
			at := fmt.Sprintf("%s[%d]", path, i)
			if len(example) == 0 {
				return nil // the document says nothing about what is in it
			}
			all = append(all, d.differences(at, exampleFor(example, e), e)...)
		}
	case object:
		return append(all, d.objectDifferences(path, example, got)...)
	}
	return all
}

// exampleFor is the example of an element: the one of the same type, if they say.
func exampleFor(examples []any, e any) any {
	o, _ := e.(object)
	for _, one := range examples {
		if x, ok := one.(object); ok && x["type"] != nil && x["type"] == o["type"] {
			return one
		}
	}
	return examples[0]
}

func (d document) objectDifferences(path string, example object, got any) (all []string) {
	o, ok := got.(object)
	if !ok {
		return []string{fmt.Sprintf("%s: is %v, want an object", path, got)}
	}
	for _, key := range slices.Sorted(maps.Keys(example)) {
		v, there := o[key]
		switch {
		case there:
			all = append(all, d.differences(path+"."+key, example[key], v)...)
		case !slices.Contains(d.Optional, key):
			all = append(all, path+"."+key+": is missing")
		}
	}
	for _, key := range slices.Sorted(maps.Keys(o)) {
		if _, known := example[key]; !known {
			all = append(all, path+"."+key+": is not in the document")
		}
	}
	return all
}

var (
	uuidText  = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	tokenText = regexp.MustCompile(`^eyJ[\w-]+\.eyJ[\w-]+\.[\w-]+$`)
)

// textDifferences compares two texts by their formats.
func textDifferences(path, example string, got any) []string {
	s, ok := got.(string)
	bad := ""
	switch _, err := time.Parse(time.RFC3339, example); {
	case !ok:
		bad = "a text"
	case err == nil:
		if _, err := time.Parse(time.RFC3339, s); err != nil {
			bad = "a time as RFC 3339 has it"
		}
	case uuidText.MatchString(example) && !uuidText.MatchString(s):
		bad = "an id like " + example
	case strings.HasPrefix(example, "eyJ") && !tokenText.MatchString(s):
		bad = "a JWT"
	}
	if bad == "" {
		return nil
	}
	return []string{fmt.Sprintf("%s: is %v, want %s", path, got, bad)}
}

// compare decodes an answer and compares it with what the document shows of an
// operation.
func (d document) compare(t *testing.T, id string, a said) {
	t.Helper()
	o, known := d.operations[id]
	if !known {
		t.Fatalf("the document has no operation %s", id)
	}
	if a.status != o.Status {
		t.Errorf("%s: status %d, want %d", a.what, a.status, o.Status)
	}
	if kind := a.header.Get("Content-Type"); kind != "application/json" {
		t.Errorf("%s: Content-Type %q", a.what, kind)
	}
	for _, difference := range d.differences(id, o.Response, a.exact()) {
		t.Errorf("%s: %s\n%s", a.what, difference, a.body)
	}
}

// exact decodes an answer and keeps numbers as they are written.
func (a said) exact() (v any) {
	a.t.Helper()
	decoder := json.NewDecoder(strings.NewReader(string(a.body)))
	decoder.UseNumber()
	if err := decoder.Decode(&v); err != nil {
		a.t.Fatalf("%s: %v in %s", a.what, err, a.body)
	}
	return v
}
