package dkron

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"belfry/scheduler"
)

// ServerTags are what a Dkron's servers have without being told, as Belfry's tags:
// jobs ask for them.
var ServerTags = []string{"dc=dc1", "region=global", "role=dkron", "server=true"}

// placement is where a job with these tags runs: on so many workers as its lowest
// count says. One without tags runs once.
func placement(tags texts) (demanded []string, copies int) {
	if len(tags) == 0 {
		return nil, 1
	}
	copies = math.MaxInt
	for name, v := range tags {
		value, count, counted := strings.Cut(string(v), ":")
		if value != "" {
			name += "=" + value
		}
		demanded = append(demanded, name)
		if n, err := strconv.Atoi(count); counted && err == nil {
			copies = min(copies, n)
		}
	}
	slices.Sort(demanded)
	return demanded, min(copies, scheduler.EveryWorker)
}

func checkTags(tags texts) error {
	for name, v := range tags {
		_, count, counted := strings.Cut(string(v), ":")
		if n, err := strconv.Atoi(count); counted && (err != nil || n < 1) {
			return invalid("the count of tag " + name + " must be a number from 1")
		}
	}
	return nil
}

// shownTags are a job's tags as they came, or, when they were changed since, as
// they are.
func shownTags(d *scheduler.Draft, k *kept) texts {
	if demanded, copies := placement(k.Tags); slices.Equal(demanded, d.Tags) && copies == d.Copies {
		return k.Tags
	}
	if len(d.Tags) == 0 {
		return nil
	}
	tags := texts{}
	for _, t := range d.Tags {
		name, value, _ := strings.Cut(t, "=")
		if d.Copies < scheduler.EveryWorker {
			value += ":" + strconv.Itoa(d.Copies)
		}
		tags[name] = text(value)
	}
	return tags
}

// workerTags are a worker's tags as a member has them.
func workerTags(list []string) map[string]string {
	tags := map[string]string{}
	for _, t := range list {
		name, value, _ := strings.Cut(t, "=")
		tags[name] = value
	}
	return tags
}
