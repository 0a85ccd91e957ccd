// Package notify tells people and programs how executions ended: it empties the
// outbox, by mail, to Slack, to a webhook, and into files.
package notify

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"unicode"

	"belfry/scheduler"
)

// Senders are all that there are, by kind.
func Senders() map[string]scheduler.Sender {
	return map[string]scheduler.Sender{"mail": mailer{}, "slack": slack{}, "webhook": webhook{}, "save": saver{}}
}

var unknownField = regexp.MustCompile(`unknown field "(.*)"`)

// decode reads a configuration strictly: a key that is misspelt is named.
func decode(config json.RawMessage, into any) error {
	d := json.NewDecoder(bytes.NewReader(config))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	var kind *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &kind):
		return scheduler.Invalid(kind.Field, "must be a %s", map[string]string{"string": "text", "int": "number", "bool": "true or false"}[kind.Type.Kind().String()])
	}
	if m := unknownField.FindStringSubmatch(err.Error()); m != nil {
		return scheduler.Invalid(m[1], "is not known")
	}
	return scheduler.Invalid("", "must be a JSON object")
}

// oneLine makes text safe where a line end would begin something new.
func oneLine(text string) string {
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))), " ")
}

// plainText refuses what has no place in a value of one line.
func plainText(key, text string) error {
	if strings.ContainsFunc(text, unicode.IsControl) {
		return scheduler.Invalid(key, "must not contain control characters")
	}
	return nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// secretsIn returns the values of keys that are long enough to be secret.
func secretsIn(config json.RawMessage, keys []string) (secrets []string) {
	const shortest = 4
	var values map[string]any
	if json.Unmarshal(config, &values) != nil {
		return nil
	}
	for _, key := range keys {
		if text, ok := values[key].(string); ok && len(text) >= shortest {
			secrets = append(secrets, text)
		}
	}
	return secrets
}
