package registry

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"github.com/meshmpc/mpcd/protocol"
)

// Page is a part of a list, newest first: at most Limit entries whose first
// event is before Before (0: from the newest).
type Page struct {
	Before uint64
	Limit  int
}

// Session returns a session, nil if there is none.
func (r *Registry) Session(id string) *Session {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.view.sessions[id]
}

// Account returns an account, nil if there is none.
func (r *Registry) Account(id string) *Account {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.view.accounts[id]
}

// Presigning returns the accounts that have a key and ask for presignatures, in no
// particular order.
func (r *Registry) Presigning() []*Account {
	r.mu.RLock()
	defer r.mu.RUnlock()
	asking := make([]*Account, 0, len(r.view.presigning))
	for id := range r.view.presigning {
		asking = append(asking, r.view.accounts[id])
	}
	return asking
}

// SessionBySID returns the session of an attempt, nil if it is unknown.
func (r *Registry) SessionBySID(sid protocol.SID) *Session {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.view.sessions[r.view.bySID[sid.String()]]
}

// SessionByInvite returns the session of an invite by its code's hash in hex, nil
// if there is none.
func (r *Registry) SessionByInvite(hash string) *Session {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.view.sessions[r.view.invites[hash]]
}

// Idem returns what a request with this key has made within the last IdemLife.
func (r *Registry) Idem(key string) (Idem, bool) {
	now := r.now()
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.view.idem.get(key, now)
}

// Unfinished returns the sessions that have not ended, oldest first.
func (r *Registry) Unfinished() []*Session {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var open []*Session
	for id := range maps.Keys(r.view.unfinished) {
		if s := r.view.sessions[id]; s != nil {
			open = append(open, s)
		}
	}
	slices.SortFunc(open, func(a, b *Session) int { return int(a.Seq) - int(b.Seq) })
	return open
}

// HasLate reports whether a late outcome of the party is in the log: a failure, or
// a record.
func (r *Registry) HasLate(sid protocol.SID, party protocol.PeerID, failure bool) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	_, ok := r.view.late[late{sid.String(), party, failure}]
	return ok
}

// SessionFilter selects sessions; empty fields select all.
type SessionFilter struct {
	Kind    protocol.Kind
	Custody Custody
	Status  Status
	Account string
}

// Sessions lists sessions, newest first. next is the Before of the page that
// follows, 0 if there is none.
func (r *Registry) Sessions(f SessionFilter, p Page) (list []*Session, next uint64) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	ids, next := newest(r.view.classes[f.Account].matching(f), p)
	return pick(ids, r.view.sessions), next
}

// Accounts lists accounts, newest first, of one owner if owner is not empty.
// next is the Before of the page that follows, 0 if there is none.
func (r *Registry) Accounts(owner string, p Page) (accounts []*Account, next uint64) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	all := r.view.accountIDs
	if owner != "" {
		all = r.view.byOwner[owner]
	}
	ids, next := newest([]list{all}, p)
	return pick(ids, r.view.accounts), next
}

func pick[T any](ids []string, all map[string]T) []T {
	items := make([]T, 0, len(ids))
	for _, id := range ids {
		if item, ok := all[id]; ok {
			items = append(items, item)
		}
	}
	return items
}

// Events returns at most limit events of a stream whose sequence is above after.
func (r *Registry) Events(stream string, after uint64, limit int) ([]Event, error) {
	var events []Event
	err := r.db.View(func(txn *badger.Txn) error {
		opt := badger.DefaultIteratorOptions
		opt.Prefix, opt.PrefetchValues = streamPrefix(stream), false
		it := txn.NewIterator(opt)
		defer it.Close()
		for it.Seek(streamKey(stream, after+1)); it.Valid() && len(events) < limit; it.Next() {
			e, err := eventAt(txn, it.Item().Key()[len(opt.Prefix):])
			if err != nil {
				return err
			}
			events = append(events, e)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("registry: read events of %s: %w", stream, err)
	}
	return events, nil
}

// Log returns at most limit events of all streams whose sequence is above after,
// oldest first.
func (r *Registry) Log(after uint64, limit int) ([]Event, error) {
	var events []Event
	err := r.db.View(func(txn *badger.Txn) error {
		opt := badger.DefaultIteratorOptions
		opt.Prefix, opt.PrefetchSize = logPrefix, min(limit, 100)
		it := txn.NewIterator(opt)
		defer it.Close()
		for it.Seek(logKey(after + 1)); it.Valid() && len(events) < limit; it.Next() {
			var e Event
			if err := it.Item().Value(func(b []byte) error { return json.Unmarshal(b, &e) }); err != nil {
				return err
			}
			events = append(events, e)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("registry: read events after %d: %w", after, err)
	}
	return events, nil
}

func eventAt(txn *badger.Txn, seq []byte) (e Event, err error) {
	item, err := txn.Get(append([]byte("log/"), seq...))
	if err != nil {
		return e, err
	}
	return e, item.Value(func(b []byte) error { return json.Unmarshal(b, &e) })
}

// WaitFinished returns the session once it has ended, or as it is when ctx ends
// (with ctx's error).
func (r *Registry) WaitFinished(ctx context.Context, id string) (*Session, error) {
	for {
		if s := r.Session(id); s == nil || s.Status.Finished() {
			return s, nil // before Watch: nobody would wake a watcher of a finished session
		}
		changed := r.Watch(SessionStream(id))
		s := r.Session(id)
		if s == nil || s.Status.Finished() {
			return s, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return s, ctx.Err()
		}
	}
}

// Snapshot is the whole state, for comparison.
type Snapshot struct {
	Sessions map[string]Session
	Accounts map[string]Account
}

// Snapshot copies the state.
func (r *Registry) Snapshot() Snapshot {
	r.mu.RLock()
	defer r.mu.RUnlock()
	s := Snapshot{Sessions: make(map[string]Session), Accounts: make(map[string]Account)}
	for id, session := range r.view.sessions {
		s.Sessions[id] = *session
	}
	for id, account := range r.view.accounts {
		s.Accounts[id] = *account
	}
	return s
}

// Event returns the event with a sequence number; false if there is none any
// more.
func (r *Registry) Event(seq uint64) (e Event, ok bool, err error) {
	err = r.db.View(func(txn *badger.Txn) error {
		e, err = eventAt(txn, binary.BigEndian.AppendUint64(nil, seq))
		return err
	})
	switch {
	case errors.Is(err, badger.ErrKeyNotFound):
		return e, false, nil
	case err != nil:
		return e, false, fmt.Errorf("registry: read event %d: %w", seq, err)
	}
	return e, true, nil
}
