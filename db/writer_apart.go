package db

import (
	"fmt"
	"runtime/debug"

	"belfry/scheduler"
)

// apart takes the batch's transaction back and runs the closures again so that
// each can fail by itself.
func (w *writer) apart() {
	w.rollback()
	if len(w.batch) == 1 && w.batch[0].err != nil {
		w.answer(w.batch, nil)
		return
	}
	if err := w.within(); err == nil {
		w.answer(w.batch, nil)
		return
	}
	w.rollback()
	for len(w.batch) > 0 {
		r := w.batch[0]
		r.err = w.alone(r.fn)
		w.batch = w.batch[1:]
		close(r.done)
	}
	w.batch = nil
}

// within runs the batch in one transaction, each closure within a savepoint. It
// returns an error when the transaction did not come about.
func (w *writer) within() error {
	if err := w.begin(); err != nil {
		return err
	}
	for _, r := range w.batch {
		if err := w.control("SAVEPOINT closure"); err != nil {
			return err
		}
		t := &tx{s: w.s, querier: w, pending: newDeltas()}
		if r.err = call(r.fn, t); r.err == nil {
			r.err = t.pending.flush(t)
		}
		if r.err != nil {
			if broken(r.err) {
				return r.err
			}
			w.s.jobs.forget()
			if err := w.control("ROLLBACK TO closure"); err != nil {
				return err
			}
		}
		if err := w.control("RELEASE closure"); err != nil {
			return err
		}
	}
	return w.commit()
}

func (w *writer) alone(fn func(*tx) error) error {
	if err := w.begin(); err != nil {
		return err
	}
	t := &tx{s: w.s, querier: w, pending: newDeltas()}
	err := call(fn, t)
	if err == nil {
		err = t.pending.flush(t)
	}
	if err == nil {
		err = w.commit()
	}
	if err != nil {
		w.rollback()
	}
	return err
}

// call runs a closure; its panic becomes an error.
func call(fn func(*tx) error, t *tx) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &scheduler.Error{
				Code: scheduler.CodeInternal, Message: "internal error",
				Err: fmt.Errorf("panic in a transaction: %v\n%s", v, debug.Stack()),
			}
		}
	}()
	return fn(t)
}
