package scheduler

import "context"

const settingPaused = "submissions" // "paused": new jobs and changes are refused

func (s *Service) loadPause(ctx context.Context) error {
	text, err := s.Store.Setting(ctx, settingPaused)
	s.paused.Store(text == "paused")
	return err
}

// SubmissionsPaused reports whether new jobs and changes of jobs are refused.
func (s *Service) SubmissionsPaused() bool { return s.paused.Load() }

// PauseSubmissions refuses new jobs and changes of jobs from now on, through every
// door, or takes them again. What is there fires and runs as before, can be
// enabled, disabled and deleted, and configuration files still say what they say.
// It needs the role editor.
func (s *Service) PauseSubmissions(ctx context.Context, by Principal, paused bool) error {
	if err := authorize(by, Editor, "pausing changes of jobs"); err != nil {
		return err
	}
	action, value := "submissions.unpause", ""
	if paused {
		action, value = "submissions.pause", "paused"
	}
	err := s.Store.InTx(ctx, func(tx Tx) error {
		if err := tx.PutSetting(ctx, settingPaused, value); err != nil {
			return err
		}
		return tx.InsertAudit(ctx, s.audit(by, action, "jobs", s.SubmissionsPaused(), paused))
	})
	if err == nil {
		s.paused.Store(paused)
	}
	return err
}

// ErrPaused is what submitting a job gets while that is paused.
var ErrPaused = &Error{Code: CodeUnavailable, Message: "New job submissions are currently paused; an editor can end that with POST /v1/unpause"}

// submitting refuses who may not make or change jobs, and everybody while that is
// paused.
func (s *Service) submitting(by Principal, what string) error {
	if err := authorize(by, Editor, what); err != nil {
		return err
	}
	if s.SubmissionsPaused() {
		return ErrPaused
	}
	return nil
}

// StopServer calls stop, which ends this server, after the wish is recorded. It
// needs the role admin.
func (s *Service) StopServer(ctx context.Context, by Principal, stop func()) error {
	if err := authorize(by, Admin, "stopping the server"); err != nil {
		return err
	}
	err := s.Store.InTx(ctx, func(tx Tx) error {
		return tx.InsertAudit(ctx, s.audit(by, "server.stop", "server", nil, nil))
	})
	if err == nil {
		stop()
	}
	return err
}
