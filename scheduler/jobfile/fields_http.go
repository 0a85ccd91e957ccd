package jobfile

import (
	"strings"
	"time"
)

const defaultHTTPTimeout = 30 * time.Second

var httpFields = []field[*draft]{
	masked(confText("url", "url", "", HTTP), maskURL, unmaskURL),
	confText("method", "method", "GET", HTTP),
	masked(headers.field("header", "headers", HTTP), maskHeaders, unmaskHeaders),
	confText("body", "body", "", HTTP),
	confDuration("timeout", "timeout", 0, HTTP),
	expectCode(),
	confText("expect-body", "expect_body", "", HTTP),
	confBool("tls-skip-verify", "insecure_skip_verify", false, HTTP),
}

// expectCode has the good statuses as one text, "200-299,304".
func expectCode() field[*draft] {
	const name = "expect_codes"
	f := confText("expect-code", name, "", HTTP)
	f.kind = codes
	f.get = func(d *draft) any { return strings.Join(get(d.config, name, []string{}), ",") }
	f.set = func(d *draft, v any) error {
		var all []string
		for one := range strings.SplitSeq(v.(string), ",") {
			if one = strings.TrimSpace(one); one != "" {
				all = append(all, one)
			}
		}
		d.configure(name, all)
		return nil
	}
	return f
}
