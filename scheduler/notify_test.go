package scheduler_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"belfry/scheduler"
)

// letter is a sender of kind "letter" with a secret and a key it needs.
type letter struct{}

func (letter) Check(config json.RawMessage) error {
	var c struct{ To, Stamp, Paper string }
	if err := json.Unmarshal(config, &c); err != nil {
		return err
	}
	if strings.Contains(c.To, "nowhere") {
		return scheduler.Invalid("to", "is nowhere")
	}
	return nil
}

func (letter) Complete(config json.RawMessage) bool {
	var c struct{ To string }
	return json.Unmarshal(config, &c) == nil && c.To != ""
}
func (letter) Targets() []string                                  { return []string{"box"} }
func (letter) Secrets() []string                                  { return []string{"stamp"} }
func (letter) Send(context.Context, scheduler.Notification) error { return errors.New("lost") }

// newTelling is a past whose server has senders.
func newTelling(t *testing.T) *past {
	t.Helper()
	p := newPast(t, scheduler.Retention{})
	o := p.service.Options
	o.Senders = map[string]scheduler.Sender{"letter": letter{}, "pigeon": letter{}}
	p.service = scheduler.New(o)
	return p
}

// tells makes a job with notifications.
func (p *past) tells(name string, list ...scheduler.Notify) {
	p.t.Helper()
	_, err := p.service.CreateJob(bg, admin, scheduler.Draft{Name: name, Executor: "sim", Notify: list}, scheduler.OriginAPI)
	p.must(err)
}

func tell(kind string, on scheduler.Condition, config string) scheduler.Notify {
	return scheduler.Notify{Kind: kind, On: on, Config: json.RawMessage(config)}
}

// told takes all that is due out of the outbox, as "kind config", sorted.
func (p *past) outbox() []string {
	p.t.Helper()
	list, err := p.service.ClaimDeliveries(bg, 100, time.Hour)
	p.must(err)
	var got []string
	for _, d := range list {
		got = append(got, d.Kind+" "+string(d.Config))
		d.State = scheduler.DeliverySent
		p.must(p.service.SettleDelivery(bg, d, d.Attempts))
	}
	slices.Sort(got)
	return got
}

func (p *past) wantOutbox(when string, want ...string) {
	p.t.Helper()
	if d := cmp.Diff(want, p.outbox()); d != "" {
		p.t.Errorf("%s (-want +got):\n%s", when, d)
	}
}

// TestNotifyConditions: each outcome is told to those that want to hear of it.
func TestNotifyConditions(t *testing.T) {
	p := newTelling(t)
	p.tells("j", tell("letter", scheduler.OnSuccess, `{"to":"success"}`), tell("letter", scheduler.OnFailure, `{"to":"failure"}`),
		tell("letter", scheduler.OnAny, `{"to":"any"}`), tell("letter", "", `{"to":"empty"}`), tell("letter", "", `{"paper":"no to"}`))
	p.job("quiet", scheduler.Retention{})
	both := []string{`letter {"to":"any"}`, `letter {"to":"empty"}`}
	for state, more := range map[scheduler.State][]string{
		scheduler.Succeeded: {`letter {"to":"success"}`},
		scheduler.Failed:    {`letter {"to":"failure"}`},
		scheduler.TimedOut:  {`letter {"to":"failure"}`},
		scheduler.Lost:      {`letter {"to":"failure"}`},
		scheduler.Cancelled: nil,
	} {
		p.ran("x", "j", state, 0)
		select {
		case <-p.service.NewDeliveries():
		default:
			t.Errorf("%s: nobody was woken", state)
		}
		p.wantOutbox(string(state), slices.Concat(both, more)...)
	}
	p.ran("x", "quiet", scheduler.Failed, 0)
	select {
	case <-p.service.NewDeliveries():
		t.Error("woken by a job that tells nobody")
	default:
		p.wantOutbox("quiet")
	}
}

// TestNotifyEndOfGroup: what is tried again is told once, at the end; what is
// cancelled before it began is told.
func TestNotifyEndOfGroup(t *testing.T) {
	p := newTelling(t)
	_, err := p.service.CreateJob(bg, admin, scheduler.Draft{
		Name: "j", Executor: "sim", Retries: 1, Notify: []scheduler.Notify{tell("letter", "", `{"to":"x"}`)},
	}, scheduler.OriginAPI)
	p.must(err)
	p.ran("first", "j", scheduler.Failed, 0)
	p.wantOutbox("after the first attempt")
	claimed, err := p.service.Claim(bg, scheduler.Worker{Name: "w"}, 1)
	p.must(err)
	end := scheduler.Ending{Execution: claimed[0].Execution, Job: claimed[0].Job}
	end.Execution.State, end.Execution.FinishedAt = scheduler.Failed, p.now
	p.must(p.service.Finish(bg, end))
	p.wantOutbox("after the last", `letter {"to":"x"}`)
	e, err := p.service.RunJob(bg, admin, "j", nil)
	p.must(err)
	p.must(p.service.StopExecution(bg, admin, e.ID))
	p.wantOutbox("after a stop in the queue", `letter {"to":"x"}`)
	// Nobody is told of a job that is deleted while it runs.
	a := p.start("j")
	p.must(p.service.DeleteJob(bg, admin, "j", false))
	end = scheduler.Ending{Execution: a.Execution, Job: a.Job}
	end.Execution.State, end.Execution.FinishedAt = scheduler.Cancelled, p.now
	p.must(p.service.Finish(bg, end))
	p.wantOutbox("after the deletion")
}

// TestNotifyDefaults: the server's values, and a job's own over them.
func TestNotifyDefaults(t *testing.T) {
	p := newTelling(t)
	p.job("plain", scheduler.Retention{})
	p.tells("own", tell("letter", "", `{"to":"me"}`))
	p.tells("moved", tell("letter", "", `{"box":"mine"}`))
	p.tells("stays", tell("letter", "", `{"box":"theirs"}`))
	p.tells("always", tell("letter", scheduler.OnAny, `{}`))
	p.tells("silent", tell("letter", "", `{"to":""}`), tell("pigeon", scheduler.OnSuccess, `{"to":"loft"}`))
	p.must(p.service.SetDefaults(scheduler.Defaults{Notify: []scheduler.Notify{
		tell("letter", scheduler.OnFailure, `{"to":"ops","stamp":"s3cret","box":"theirs"}`), tell("pigeon", "", `{"paper":"thin"}`),
	}}))
	for _, c := range []struct {
		job   string
		state scheduler.State
		want  []string
	}{
		{"moved", scheduler.Failed, []string{`letter {"box":"mine","to":"ops"}`}},
		{"stays", scheduler.Failed, []string{`letter {"box":"theirs","stamp":"s3cret","to":"ops"}`}},
		{"plain", scheduler.Failed, []string{`letter {"to":"ops","stamp":"s3cret","box":"theirs"}`}},
		{"plain", scheduler.Succeeded, nil},
		{"own", scheduler.Failed, []string{`letter {"box":"theirs","stamp":"s3cret","to":"me"}`}},
		{"own", scheduler.Succeeded, nil},
		{"always", scheduler.Succeeded, []string{`letter {"box":"theirs","stamp":"s3cret","to":"ops"}`}},
		{"silent", scheduler.Failed, nil},
		{"silent", scheduler.Succeeded, []string{`pigeon {"paper":"thin","to":"loft"}`}},
	} {
		p.ran("x", c.job, c.state, 0)
		p.wantOutbox(c.job+" "+string(c.state), c.want...)
	}
	for _, bad := range [][]scheduler.Notify{
		{tell("fax", "", `{}`)},
		{tell("letter", "", `{"to":"nowhere"}`)},
		{tell("letter", "sometimes", `{}`)},
		{tell("letter", "", `{}`), tell("letter", "", `{}`)},
	} {
		if err := p.service.SetDefaults(scheduler.Defaults{Notify: bad}); scheduler.CodeOf(err) != scheduler.CodeInvalid {
			t.Errorf("%v is taken: %v", bad, err)
		}
	}
	p.ran("x", "plain", scheduler.Failed, 0)
	p.wantOutbox("after what was refused", `letter {"to":"ops","stamp":"s3cret","box":"theirs"}`)
	p.must(p.service.SetDefaults(scheduler.Defaults{}))
	p.ran("x", "plain", scheduler.Failed, 0)
	p.wantOutbox("without defaults")
}

// TestNotifyMissed: who hears of failures hears of a gap, once.
func TestNotifyMissed(t *testing.T) {
	p := newTelling(t)
	p.must(p.service.ClockSet(bg))
	_, err := p.service.CreateJob(bg, admin, scheduler.Draft{
		Name: "j", Executor: "sim", Enabled: true, Schedules: []scheduler.Schedule{{Text: "* * * * *"}},
		Notify: []scheduler.Notify{
			tell("letter", scheduler.OnSuccess, `{"to":"success"}`), tell("letter", scheduler.OnFailure, `{"to":"failure"}`), tell("letter", "", `{"to":"any"}`),
		},
	}, scheduler.OriginAPI)
	p.must(err)
	p.now = p.now.Add(time.Hour)
	for _, when := range []string{"first", "again"} {
		_, err = p.service.Resume(bg)
		p.must(err)
		if when == "first" {
			p.wantOutbox(when, `letter {"to":"any"}`, `letter {"to":"failure"}`)
		} else {
			p.wantOutbox(when)
		}
	}
}

// TestNotifySecretsAreKept: a mask means the stored secret, wherever it is clear
// which one.
func TestNotifySecretsAreKept(t *testing.T) {
	p := newTelling(t)
	a, b := tell("letter", "", `{"stamp":"one","to":"a"}`), tell("letter", "", `{"stamp":"two","to":"b"}`)
	only := tell("pigeon", "", `{"stamp":"three","to":"c"}`)
	p.tells("j", a, b, only)
	j, err := p.store.JobByName(bg, "j")
	p.must(err)
	shown := p.service.MaskNotify(j.Notify)
	if text := fmt.Sprintf("%s", shown); strings.Contains(text, "one") || strings.Contains(text, "two") || string(j.Notify[0].Config) != string(a.Config) {
		t.Fatalf("shown as %s, and left as %s", text, j.Notify[0].Config)
	}
	moved := tell("pigeon", scheduler.OnFailure, `{"stamp":"******","to":"elsewhere"}`)
	for name, c := range map[string]struct{ given, want []scheduler.Notify }{
		"as it is":    {shown, []scheduler.Notify{a, b, only}},
		"turned":      {[]scheduler.Notify{shown[2], shown[1], shown[0]}, []scheduler.Notify{only, b, a}},
		"one is gone": {[]scheduler.Notify{shown[1]}, []scheduler.Notify{b}},
		"changed":     {[]scheduler.Notify{moved}, []scheduler.Notify{tell("pigeon", scheduler.OnFailure, `{"stamp":"three","to":"elsewhere"}`)}},
		"a new one":   {[]scheduler.Notify{tell("letter", "", `{"stamp":"four","to":"a"}`)}, []scheduler.Notify{tell("letter", "", `{"stamp":"four","to":"a"}`)}},
		"unclear":     {[]scheduler.Notify{tell("letter", "", `{"stamp":"******","to":"z"}`)}, nil},
		"elsewhere":   {[]scheduler.Notify{tell("pigeon", "", `{"stamp":"******","to":"c","box":"mine"}`)}, nil},
		"other case":  {[]scheduler.Notify{tell("pigeon", "", `{"Stamp":"five"}`)}, nil},
		"twice":       {[]scheduler.Notify{shown[2], shown[2]}, nil},
	} {
		d := j.Draft
		d.Notify = c.given
		got, err := p.service.UpdateJob(bg, admin, "j", 0, d)
		if c.want == nil {
			if scheduler.CodeOf(err) != scheduler.CodeInvalid {
				t.Errorf("%s: taken, %v", name, err)
			}
			continue
		}
		p.must(err)
		if diff := cmp.Diff(c.want, got.Notify); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		_, err = p.service.UpdateJob(bg, admin, "j", 0, j.Draft)
		p.must(err)
	}
}
