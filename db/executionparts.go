package db

import "strings"

// executionPart is a part of a list of executions: those of a condition, in the
// order of an index.
type executionPart struct{ from, cond, order string }

// rest is a query behind its columns.
func (p executionPart) rest() string { return p.from + p.cond }

// executionParts are the lists behind scheduler.ExecutionSorts but "queued", nil
// when there is no such order. That of one job is sorted: its history is bounded,
// and where in an index of all executions its few are is not.
func executionParts(column, direction string, w where) []executionPart {
	part := func(cond, order string) executionPart {
		return executionPart{fromListed, strings.Join(append(w.conds[:len(w.conds):len(w.conds)], cond), " AND "), order}
	}
	const newest = "e.queued_at DESC, e.seq DESC"
	switch column {
	case "started":
		return []executionPart{
			part("e.started_at > 0", "e.started_at"+direction+", e.seq"+direction),
			part("e.started_at = 0", newest),
		}
	case "ended":
		return []executionPart{
			part("e.finished_at > 0", "e.finished_at"+direction+", e.seq"+direction),
			part("e.finished_at = 0", newest),
		}
	case "duration":
		return []executionPart{
			part("e.finished_at > 0 AND e.started_at > 0", "e.finished_at - e.started_at"+direction+", e.seq"+direction),
			part("(e.finished_at = 0 OR e.started_at = 0)", newest),
		}
	case "job":
		p := part("e.seq > 0", "j.name_key"+direction+", j.num"+direction+", e.due_at DESC, e.attempt DESC, e.copy DESC")
		p.from = " FROM jobs j CROSS JOIN executions e WHERE e.job = j.num AND "
		return []executionPart{p}
	}
	return nil
}

// inParts reads a page of a list that is several parts, one after the other. How
// long a part is is asked for only where the page begins behind it.
func inParts[P, T any](parts []P, limit, offset int, read func(p P, limit, offset int) ([]T, error), count func(P) (int, error)) ([]T, error) {
	list := []T{}
	if limit == 0 {
		return list, nil
	}
	for _, p := range parts {
		rows, err := read(p, limit-len(list), offset)
		if err != nil {
			return nil, err
		}
		list = append(list, rows...)
		switch {
		case len(list) == limit:
			return list, nil
		case len(rows) > 0:
			offset = 0
		case offset > 0:
			n, err := count(p)
			if err != nil {
				return nil, err
			}
			offset = max(offset-n, 0)
		}
	}
	return list, nil
}
