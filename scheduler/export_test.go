package scheduler

import "context"

// StoreFires stores the fires that wait, as FireLoop does.
func (s *Service) StoreFires(ctx context.Context) error {
	for {
		batch := s.fires.take(fireBatch)
		if len(batch) == 0 {
			return nil
		}
		if err := s.fireAll(ctx, batch); err != nil {
			return err
		}
	}
}
