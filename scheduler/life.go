package scheduler

import (
	"context"
	"encoding/json"
	"sync"
	"time"
)

// Life is one life of the server: a process on a host.
type Life struct {
	Since time.Time `json:"since"`
	Host  string    `json:"host"`
	PID   int       `json:"pid"`
}

const (
	settingLives = "server_lives"
	maxLives     = 1000 // that are remembered
)

// lives are the server's lives, oldest first.
type lives struct {
	mu   sync.Mutex
	all  []Life
	read bool
}

// BeginLife notes that the server lives from now on.
func (s *Service) BeginLife(ctx context.Context, host string, pid int) error {
	s.lives.mu.Lock()
	defer s.lives.mu.Unlock()
	if err := s.readLives(ctx); err != nil {
		return err
	}
	all := append(s.lives.all[:len(s.lives.all):len(s.lives.all)], Life{s.now(), host, pid})
	all = all[max(0, len(all)-maxLives):]
	text, err := json.Marshal(all)
	if err != nil {
		return err
	}
	err = s.Store.InTx(ctx, func(tx Tx) error { return tx.PutSetting(ctx, settingLives, string(text)) })
	if err == nil {
		s.lives.all = all
	}
	return err
}

// Life tells which server process was alive at an instant; ok is false when that is
// not known.
func (s *Service) Life(ctx context.Context, at time.Time) (found Life, ok bool) {
	s.lives.mu.Lock()
	defer s.lives.mu.Unlock()
	if s.readLives(ctx) != nil {
		return Life{}, false
	}
	for _, l := range s.lives.all {
		if l.Since.After(at) {
			break
		}
		found, ok = l, true
	}
	return found, ok
}

func (s *Service) readLives(ctx context.Context) error {
	if s.lives.read {
		return nil
	}
	text, err := s.Store.Setting(ctx, settingLives)
	if err == nil && text != "" {
		err = json.Unmarshal([]byte(text), &s.lives.all)
	}
	s.lives.read = err == nil
	return err
}
