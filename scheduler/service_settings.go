package scheduler

import "context"

// SaveSetting stores one of the server's values for good. It needs the role admin.
// before and after are for the audit row: JSON values without secrets.
func (s *Service) SaveSetting(ctx context.Context, by Principal, name, value string, before, after any) error {
	if err := authorize(by, Admin, "changing the configuration"); err != nil {
		return err
	}
	return s.Store.InTx(ctx, func(tx Tx) error {
		if err := tx.PutSetting(ctx, name, value); err != nil {
			return err
		}
		return tx.InsertAudit(ctx, s.audit(by, "config.change", name, before, after))
	})
}

// MayReload refuses whom it is not for to read the configuration again.
func (s *Service) MayReload(by Principal) error {
	return authorize(by, Admin, "reading the configuration again")
}
