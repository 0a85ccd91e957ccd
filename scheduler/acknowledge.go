package scheduler

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// Acknowledgement says that somebody has seen how a job failed. It is about one
// execution: the next failure is a new one.
type Acknowledgement struct {
	Execution string    `json:"execution"`
	By        string    `json:"by"`
	At        time.Time `json:"at"`
}

const (
	settingAcknowledged = "acknowledged"
	maxAcknowledged     = 1000 // the newest are kept
)

// Acknowledged are the acknowledgements by job. Those of executions that are not
// their job's newest any more mean nothing.
func (s *Service) Acknowledged(ctx context.Context) (map[string]Acknowledgement, error) {
	text, err := s.Store.Setting(ctx, settingAcknowledged)
	all := map[string]Acknowledgement{}
	if err != nil || text == "" {
		return all, err
	}
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		s.Log.Error("read what was acknowledged", "error", err)
		return map[string]Acknowledgement{}, nil
	}
	return all, nil
}

// Acknowledge notes that somebody has seen how an execution ended. CodeConflict:
// it did not end in a way that anybody should look at.
func (s *Service) Acknowledge(ctx context.Context, by Principal, id string) error {
	if err := authorize(by, Operator, "acknowledging a failure"); err != nil {
		return err
	}
	e, err := s.Store.Execution(ctx, id)
	if err != nil {
		return err
	}
	if !e.State.Bad() {
		return Errorf(CodeConflict, "there is nothing to acknowledge: the execution is %s", e.State)
	}
	s.acknowledging.Lock()
	defer s.acknowledging.Unlock()
	all, err := s.Acknowledged(ctx)
	if err != nil {
		return err
	}
	all[e.JobID] = Acknowledgement{id, by.Name, s.now()}
	oldest := slices.SortedFunc(maps.Keys(all), func(a, b string) int { return cmp.Or(all[a].At.Compare(all[b].At), cmp.Compare(a, b)) })
	for _, job := range oldest[:max(len(oldest)-maxAcknowledged, 0)] {
		delete(all, job)
	}
	return s.Store.InTx(ctx, func(tx Tx) error {
		if err := tx.PutSetting(ctx, settingAcknowledged, jsonOrEmpty(all)); err != nil {
			return err
		}
		return tx.InsertAudit(ctx, s.audit(by, "execution.acknowledge", e.JobName, nil, map[string]string{"execution": id}))
	})
}
