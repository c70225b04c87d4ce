package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/protocol"
)

// This file is about attempts that will never be a key: one member has no share
// of it and will never sign, says so (protocol.Abandon), and the others drop theirs.
//
// Who drops a share has signed and therefore never gives such a word of its own.
// It keeps the one that it has dropped the share for, and gives that to members
// that ask later. Before that everybody else has to pledge (pledge.go).

// withoutShare answers a member's question about an attempt of which this party has
// no share. It is silent unless it knows for sure that there will never be one.
func (n *Node) withoutShare(ctx context.Context, from protocol.PeerID, e *protocol.Endorse) (*protocol.Endorse, error) {
	s, body := e.Spec, &e.Certificate.Body
	if e.Reply || s == nil || s.Validate() != nil || s.Kind != protocol.KindKeygen || s.Network != n.cfg.Network ||
		s.SID() != body.SID || s.Key != body.Key || s.Epoch != body.Epoch ||
		from == n.cfg.Host.ID() || roleIn(s, from) == "" || roleIn(s, n.cfg.Host.ID()) == "" {
		return nil, nil
	}
	word, _, err := n.wordOn(ctx, body.SID) // a share that was pledged and has gone since was not completed
	if err != nil {
		return nil, err
	}
	if word == nil {
		switch never, err := n.neverSigns(ctx, s); {
		case errors.Is(err, keystore.ErrInvalid):
			return nil, nil // no key has such an id
		case err != nil || !never:
			return nil, err
		}
		word = protocol.SignAbandon(n.cfg.Host, body.SID)
		seldom.Do(func() {
			log.Warnw("this party has no share of an interrupted keygen and will never sign its certificate, and says so", "key", s.Key, "attempt", s.Attempt, "sid", body.SID.Short(), "peer", from)
		})
	}
	empty := protocol.Certificate{Body: *body, Signatures: make([][]byte, len(body.Roster))}
	return &protocol.Endorse{Certificate: empty, Reply: true, Abandon: word}, nil
}

// neverSigns reports that this party has not signed the certificate of an attempt
// and cannot do so any more, whatever it is sent. Each condition stays as it is once
// it holds: (1) the attempt is never accepted again, which is on disk before the word
// is given (refuseForEver); (2) if it was accepted before,
// its session has ended and writes nothing any more; (3) it has left no share.
//
// A share may also have been here and be gone. What this party has dropped has left
// an Abandon (drop), which its caller has looked for; what was erased for a user, the
// mark of the erased scope; what was damaged, a record in quarantine, which is an error here.
func (n *Node) neverSigns(ctx context.Context, s *protocol.Spec) (bool, error) {
	defer n.requests.hold(s.Session)() // it is not accepted meanwhile
	if n.underWay(s.SID()) || n.resolver.doubts(s.SID()) {
		return false, nil
	}
	gone, err := n.cfg.Store.Erased(ctx, s.Key, s.Epoch)
	if err != nil || gone {
		return false, err
	}
	record, _, err := n.made(ctx, s.Key, s.Epoch)
	switch {
	case errors.Is(err, errNoKey): // go on
	case err != nil, record.Spec.SID() == s.SID():
		return false, err
	} // a share of another attempt has taken nobody's place: see mayWrite
	return n.refuseForEver(ctx, s, time.Now())
}

// counts reports whether a word is another member's about an attempt.
func (n *Node) counts(s *protocol.Spec, a *protocol.Abandon) bool {
	return a.SID == s.SID() && a.Party != n.cfg.Host.ID() && roleIn(s, a.Party) != "" && a.Verify(p2p.Verify)
}

// hearAbandon keeps a member's word about an attempt of which this party has a
// share. It may come from any member, for it is signed; and whoever answers with it will
// itself never have a complete key.
func (n *Node) hearAbandon(from protocol.PeerID, record protocol.KeyRecord, state keystore.State, a *protocol.Abandon) {
	s, r := &record.Spec, n.resolver
	if !n.counts(s, a) {
		seldom.Do(func() {
			log.Warnw("a member's word about an interrupted keygen does not hold", "key", s.Key, "peer", from)
		})
		return
	}
	if state == keystore.StateActive { // everybody has signed
		r.contradicts(s, a.Party)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keepWord(s, a)
	id := shareID(s.Key, s.Epoch)
	if r.without[id] == nil {
		r.without[id] = make(map[protocol.PeerID]protocol.SID)
	}
	r.without[id][from] = a.SID
}

// keepWord notes a word that counts. The caller holds mu.
func (r *resolver) keepWord(s *protocol.Spec, a *protocol.Abandon) {
	id := shareID(s.Key, s.Epoch)
	if r.abandons[id] == nil {
		r.abandons[id] = make(map[protocol.PeerID]*protocol.Abandon)
	}
	r.abandons[id][a.Party] = a
}

// abandoned returns the words of the members that will never sign the certificate of a
// key, of all or of those that are named; cert has the signatures that are known. Who has
// signed it as well says two things, and counts for nothing. The caller holds mu.
func (r *resolver) abandoned(record protocol.KeyRecord, cert *protocol.Certificate, of ...protocol.PeerID) []*protocol.Abandon {
	id, sid := shareID(record.Spec.Key, record.Spec.Epoch), record.Spec.SID()
	var words []*protocol.Abandon
	for i, m := range record.Spec.Roster {
		a := r.abandons[id][m.Peer]
		if a == nil || a.SID != sid || len(of) > 0 && !slices.Contains(of, m.Peer) {
			continue
		}
		if cert != nil && len(cert.Signatures[i]) > 0 && p2p.Verify(m.Peer, cert.Body.Signed(), cert.Signatures[i]) {
			r.contradicts(&record.Spec, m.Peer)
			continue
		}
		words = append(words, a)
	}
	return words
}

// contradicts tells the operator of a member that says two things, once for each key's
// attempt: the member may repeat them without end.
func (r *resolver) contradicts(s *protocol.Spec, member protocol.PeerID) {
	if _, told := r.liars.LoadOrStore(liar{s.SID(), member}, nil); told {
		return
	}
	log.Errorw("a member has signed a key's certificate, and says that it never will: the share is kept; find out what runs there, and make another account without it", "member", member, "key", s.Key, "sid", s.SID().Short())
}

// liar is a member that says two things about an attempt.
type liar struct {
	sid    protocol.SID
	member protocol.PeerID
}

// drop removes the pending share of an attempt that will never be a key. The reason
// is on disk first: who finds a share beside it after a crash goes on from there, and
// who finds it alone knows that this party has signed. The caller holds resolver.mu.
//
// The record is deleted, and the salt of its scope stays: later attempts at the key
// are sealed under it. What is left of the share on disk until the store is compacted is
// part of a key that nobody can ever have the certificate of.
func (n *Node) drop(ctx context.Context, s *protocol.Spec, word *protocol.Abandon) error {
	if err := n.keepAbandon(ctx, s, word, keystore.StateRetired); err != nil {
		return fmt.Errorf("a pending share could not be dropped: %w", err)
	}
	if err := n.discard(ctx, s); err != nil {
		return fmt.Errorf("a pending share could not be dropped: %w", err)
	}
	id := shareID(s.Key, s.Epoch)
	delete(n.resolver.heard, id)
	delete(n.resolver.abandons, id)
	delete(n.resolver.without, id)
	delete(n.resolver.whole, id)
	log.Warnw("a pending share was dropped: a member has never signed the certificate and never will, so that there is no key", "key", s.Key, "attempt", s.Attempt, "sid", word.SID.Short(), "member", word.Party)
	return nil
}

// keepAbandon writes a word: retired, it is the reason for which this party drops
// its share; pending, the one for which it has pledged never to complete it.
func (n *Node) keepAbandon(ctx context.Context, s *protocol.Spec, word *protocol.Abandon, state keystore.State) error {
	payload, err := protocol.Marshal(word)
	if err != nil {
		return err
	}
	header := keystore.Header{Kind: kindAbandon, ID: word.SID.String(), Account: s.Account, State: state}
	return n.cfg.Store.Put(ctx, keystore.Record{Header: header, Payload: payload})
}

// abandonOf returns the word for which this party has dropped the share of an
// attempt, or is about to; nil if there is none.
func (n *Node) abandonOf(ctx context.Context, sid protocol.SID) (*protocol.Abandon, error) {
	word, state, err := n.wordOn(ctx, sid)
	if state != keystore.StateRetired {
		return nil, err
	}
	return word, err
}

// wordOn returns what keepAbandon has written about an attempt; nil if nothing.
func (n *Node) wordOn(ctx context.Context, sid protocol.SID) (*protocol.Abandon, keystore.State, error) {
	record, err := n.cfg.Store.Get(ctx, kindAbandon, sid.String())
	switch {
	case errors.Is(err, keystore.ErrNotFound):
		return nil, "", nil
	case err != nil:
		return nil, "", err
	}
	var a protocol.Abandon
	if err := protocol.Unmarshal(record.Payload, &a); err != nil {
		return nil, "", fmt.Errorf("a member's word about session %s: %w", sid.Short(), err)
	}
	return &a, record.State, nil
}

// doubt notes that a share could not be saved. Unless nothing was written, it is known
// for sure only after the next start whether it is on disk; until then this party does
// not say that it is not.
func (r *resolver) doubt(sid protocol.SID, err error) {
	for _, unwritten := range []error{errHaveKey, errEarlier, keystore.ErrDiskFull, keystore.ErrErased, keystore.ErrInvalid} {
		if errors.Is(err, unwritten) {
			return
		}
	}
	r.doubtful.Store(sid, nil)
}

func (r *resolver) doubts(sid protocol.SID) bool {
	_, doubtful := r.doubtful.Load(sid)
	return doubtful
}
