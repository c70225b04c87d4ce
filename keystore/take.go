package keystore

import (
	"context"
	"errors"
	"fmt"
)

// errStale: the record is no longer in the state that its header was listed with.
var errStale = errors.New("in another state by now")

// Take hands out single-use material: it picks the record of a kind in state from
// whose id sorts first, marks it as in state to, and returns it (in its new state) once
// that is on disk. No two calls return the same record, whatever crashes in between: one
// that was marked and not used is lost. ErrNotFound when there is none; damaged
// ones go to quarantine and are passed over.
func (s *Store) Take(ctx context.Context, kind Kind, from, to State) (Record, error) {
	if err := errors.Join(kind.validate(), from.validate(), to.validate()); err != nil {
		return Record{}, fmt.Errorf("take: %w", err)
	}
	if from == to {
		return Record{}, fmt.Errorf("take: %w", invalidf("from and to are both %q", from))
	}
	// Takers would pick the same record and retry; in a queue each gets its own.
	s.taking.Lock()
	defer s.taking.Unlock()
	if err := s.enterWrite(ctx); err != nil {
		return Record{}, fmt.Errorf("take: %w", err)
	}
	defer s.leave()

	ids, err := s.inState(ctx, kind, from)
	if err != nil {
		return Record{}, fmt.Errorf("take %s: %w", kind, err)
	}
	for _, id := range ids {
		r, err := s.modify(ctx, kind, id, func(r *Record) error {
			if r.State != from {
				return errStale
			}
			r.State = to
			return nil
		})
		switch {
		case err == nil:
			return r, nil
		case errors.Is(err, errStale), errors.Is(err, ErrNotFound), errors.Is(err, ErrDamaged):
		default:
			return Record{}, fmt.Errorf("take: %w", err)
		}
	}
	return Record{}, fmt.Errorf("take: %w: no %s is %s", ErrNotFound, kind, from)
}

// inState returns the ids of the records whose headers claim the state.
func (s *Store) inState(ctx context.Context, kind Kind, state State) ([]string, error) {
	var ids []string
	err := s.headers(ctx, kindPrefix(kind), func(h *Header, _ kekID) {
		if h.State == state {
			ids = append(ids, h.ID)
		}
	})
	return ids, err
}
