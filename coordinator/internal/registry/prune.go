package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/meshmpc/mpcd/protocol"
)

// Bounds of one transaction of Prune.
const (
	maxPruneEvents  = 250
	maxPruneStreams = 64
)

// maxAgeing bounds the events of a stream that never ends, whatever their age:
// who fails to show a key for months fills no disk.
const maxAgeing = 100_000

// Bounds of outcomes that belong to no session: how long, and how many, whatever
// the retention. What parties may send without being asked fills neither disk nor
// memory.
const (
	orphanLife = 90 * 24 * time.Hour
	maxOrphans = 10_000
)

// ageing are the streams that never end, and lose what is old.
var ageing = []string{AuthFailures, RequestStream}

// gcRatio is the part of a value log that must be garbage before Badger writes
// it anew.
const gcRatio = 0.5

// Prune drops what ended longer ago than retention (at least IdemLife; 0: it is
// kept for ever), and has had no event since: sign sessions, keygens that made no key, with their accounts,
// deleted webhooks, failed authentications, requests that changed nothing, and
// outcomes that belong to no session. These go after 90 days in any case. Of
// failed authentications and such requests it keeps the newest 100,000 at most, of
// such outcomes 10,000. It returns how many events it dropped. Each of its transactions is
// small, and others commit between them; when ctx ends it stops after one.
func (r *Registry) Prune(ctx context.Context, retention time.Duration) (n int, err error) {
	now := r.now().UTC()
	r.mu.Lock()
	r.view.idem.expire(now)
	r.mu.Unlock()
	r.wakeIdle()
	var before time.Time
	if retention > 0 {
		before = now.Add(-max(retention, IdemLife))
	}
	for ctx.Err() == nil {
		dropped, err := r.pruneSome(before, maxPruneEvents)
		n += dropped
		if err != nil {
			return n, fmt.Errorf("registry: prune: %w", err)
		}
		if dropped == 0 {
			break
		}
	}
	if n > 0 {
		err = r.collect()
	}
	return n, err
}

// Crowded returns a channel that has a value when there is so much of what parties
// send unasked that Prune should not wait for its next time.
func (r *Registry) Crowded() <-chan struct{} { return r.crowded }

// collect gives the space of dropped values back.
func (r *Registry) collect() error {
	for {
		err := r.db.RunValueLogGC(gcRatio)
		switch {
		case errors.Is(err, badger.ErrNoRewrite), errors.Is(err, badger.ErrRejected): // nothing to do; done by another
			return nil
		case err != nil:
			return fmt.Errorf("registry: collect garbage: %w", err)
		}
	}
}

// pruneSome drops at most limit events, in one transaction. Without a time, it
// drops only what is too much.
func (r *Registry) pruneSome(before time.Time, limit int) (int, error) {
	r.commitMu.Lock() // nothing is added to a stream while it goes
	defer r.commitMu.Unlock()
	cuts, n, err := r.cutExpired(before, limit)
	if err != nil {
		return 0, err
	}
	for _, stream := range ageing {
		if n >= limit {
			break
		}
		r.mu.RLock()
		surplus := r.view.ageing[stream] - maxAgeing
		r.mu.RUnlock()
		old, err := r.cutStream(stream, limit-n, func(i int, e *Event) bool { return i >= surplus && !e.Time.Before(before) })
		if err != nil {
			return 0, err
		}
		cuts, n = append(cuts, old), n+len(old.keys)
	}
	if n > 0 {
		if err := r.db.Update(func(txn *badger.Txn) error { return deleteCuts(txn, cuts) }); err != nil {
			return 0, err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range cuts {
		r.view.drop(c)
	}
	return n, nil
}

// cut is what is dropped of one stream, oldest first.
type cut struct {
	stream string
	keys   []cutKey // to be deleted now
	events []Event  // of the stream
	rest   bool     // more of it stays for the next time
}

// cutKey is one event to be deleted.
type cutKey struct {
	seq     uint64
	audited bool
}

// cutExpired reads what there is to drop of streams that have ended.
func (r *Registry) cutExpired(before time.Time, limit int) (cuts []cut, n int, err error) {
	orphans := r.now().Add(-orphanLife)
	if before.After(orphans) {
		orphans = before
	}
	r.mu.RLock()
	streams := r.view.expired(before, maxPruneStreams, r.view.oldOrphans(orphans))
	r.mu.RUnlock()
	seen := make(map[string]bool, len(streams))
	for _, stream := range streams {
		if n >= limit {
			break
		}
		if seen[stream] {
			continue // two keygens of one account
		}
		seen[stream] = true
		c, err := r.cutStream(stream, limit-n, nil)
		if err != nil {
			return nil, 0, err
		}
		cuts, n = append(cuts, c), n+len(c.keys)
	}
	return cuts, n, nil
}

// cutStream reads what there is to drop of a stream: its oldest events, at most
// limit, up to the first that is kept; nil: none is, it goes as a whole. All that
// something could begin with goes at once: a replay of the rest must find nothing.
func (r *Registry) cutStream(stream string, limit int, kept func(i int, e *Event) bool) (cut, error) {
	c := cut{stream: stream}
	err := r.db.View(func(txn *badger.Txn) error {
		opt := badger.DefaultIteratorOptions
		opt.Prefix, opt.PrefetchValues = streamPrefix(stream), false
		it := txn.NewIterator(opt)
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			e, err := eventAt(txn, it.Item().Key()[len(opt.Prefix):])
			switch {
			case err != nil:
				return err
			case kept != nil && kept(len(c.keys), &e):
				return nil
			case len(c.keys) < limit, kept == nil && begins(e.Type):
				c.keys = append(c.keys, cutKey{e.Seq, audited(&e)})
			case kept != nil:
				return nil
			default:
				c.rest = true
			}
			c.events = append(c.events, Event{Type: e.Type, SID: e.SID, Party: e.Party, Invite: e.Invite})
		}
		return nil
	})
	return c, err
}

func begins(t Type) bool { return t == SessionCreated || t == AccountCreated || t == WebhookCreated }

func deleteCuts(txn *badger.Txn, cuts []cut) error {
	var pruned []uint64
	for _, c := range cuts {
		for _, k := range c.keys {
			pruned = append(pruned, k.seq)
			keys := [][]byte{logKey(k.seq), streamKey(c.stream, k.seq)}
			if k.audited {
				keys = append(keys, auditKey(k.seq))
			}
			for _, key := range keys {
				if err := txn.Delete(key); err != nil {
					return err
				}
			}
		}
	}
	return addGaps(txn, pruned)
}

// oldOrphans returns the streams of orphans whose last event is before a time, and
// the oldest of all that are too many.
func (v *view) oldOrphans(before time.Time) []string {
	streams := slices.Collect(maps.Keys(v.orphans))
	slices.SortFunc(streams, func(a, b string) int {
		return cmp.Or(v.orphans[a].last.Compare(v.orphans[b].last), strings.Compare(a, b))
	})
	left := v.orphanage
	for i, stream := range streams {
		if !v.orphans[stream].last.Before(before) && left <= maxOrphans {
			return streams[:i]
		}
		left -= v.orphans[stream].events
	}
	return streams
}

// expired returns streams whose end is before a time: what is left of others
// first, and then the orphans that are to go.
func (v *view) expired(before time.Time, limit int, orphans []string) []string {
	streams := append(slices.Sorted(maps.Keys(v.headless)), orphans...)
	for _, e := range v.webhookIDs {
		if w := v.webhooks[e.id]; w != nil && !w.Deleted.IsZero() && w.Deleted.Before(before) {
			streams = append(streams, WebhookStream(e.id))
		}
	}
	for _, c := range v.classes[""] {
		if c.prunable() {
			streams = v.expiredOf(c.list, streams, before, limit)
		}
	}
	return streams[:min(len(streams), limit)]
}

// expiredOf appends the streams of a class's sessions, each after that of the
// account that has no key because of it: a session can do without its account,
// but nobody would look for an account without its session.
func (v *view) expiredOf(sessions list, streams []string, before time.Time, limit int) []string {
	for _, e := range sessions {
		s := v.sessions[e.id]
		if s == nil {
			continue
		}
		if len(streams)+2 > limit || !s.Created.Before(before) {
			break
		}
		if !s.Updated.Before(before) {
			continue
		}
		if a := v.accounts[s.Account]; s.Kind == protocol.KindKeygen && a != nil {
			if a.Status == AccountStatusActive {
				continue // it got its key in another way
			}
			streams = append(streams, AccountStream(a.ID))
		}
		streams = append(streams, SessionStream(s.ID))
	}
	return streams
}
