package node

import (
	"context"
	"errors"
	"fmt"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/protocol"
)

// This file is about what keeps a liar from having one party drop its share of an attempt
// and another one complete the key: a member that has given its word (protocol.Abandon) and then
// signs. Nobody drops a share before every other member has told that it will never
// complete its own. Who has one, and does not know the signature of the one whose word it is
// shown, pledges that by giving the word back; from then on, also after a restart, it
// does not take that signature.
//
// A pledge ends when others have completed the key all the same: one of them that is honest has
// never pledged (or was released by such a one), so that nobody has dropped a share or ever will.

// pledge answers a member that shows a word: with the word on which this party's pending share
// will never be completed. It is nil if that is not so, because the signature is known.
func (n *Node) pledge(ctx context.Context, s *protocol.Spec, shown *protocol.Abandon) (*protocol.Abandon, error) {
	ctx = context.WithoutCancel(ctx)
	r := n.resolver
	r.mu.Lock()
	defer r.mu.Unlock()
	record, state, err := n.made(ctx, s.Key, s.Epoch)
	switch {
	case errors.Is(err, errNoKey):
		return nil, nil // it was dropped just now; who asks asks again
	case err != nil:
		return nil, err
	case state != keystore.StatePending || record.Spec.SID() != s.SID():
		return nil, nil
	}
	if given, _, err := n.wordOn(ctx, s.SID()); given != nil || err != nil {
		return given, err
	}
	if shown == nil || !n.counts(s, shown) {
		return nil, nil
	}
	r.keepWord(s, shown)
	if len(r.abandoned(record, r.known(record), shown.Party)) == 0 {
		return nil, nil // it has signed
	}
	if err := n.keepAbandon(ctx, s, shown, keystore.StatePending); err != nil {
		return nil, fmt.Errorf("a pledge could not be kept: %w", err)
	}
	return shown, nil
}

// barred returns the member whose signature this party may not take, for it has pledged
// that, or is about to drop the share; empty if there is none. The caller holds resolver.mu.
func (n *Node) barred(ctx context.Context, s *protocol.Spec) (protocol.PeerID, error) {
	word, _, err := n.wordOn(ctx, s.SID())
	if word == nil {
		return "", err
	}
	n.resolver.keepWord(s, word) // after a restart it is on disk alone
	return word.Party, nil
}

// release is barred for what a member shows. A whole certificate may end the pledge: who shows it
// has completed the key, if it is honest. The caller holds resolver.mu.
//
// Of t-1 such members one is honest if fewer than t are not, of which the liar is
// one; and if all others show it, the honest ones do.
func (n *Node) release(ctx context.Context, record protocol.KeyRecord, from protocol.PeerID, shown *protocol.Certificate) (protocol.PeerID, error) {
	s, r := &record.Spec, n.resolver
	liar, err := n.barred(ctx, s)
	if liar == "" || err != nil {
		return "", err
	}
	for i, m := range shown.Body.Roster {
		if m.Peer == liar && p2p.Verify(liar, shown.Body.Signed(), shown.Signatures[i]) {
			r.contradicts(s, liar)
		}
	}
	if shown.Verify(p2p.Verify) != nil {
		return liar, nil
	}
	id := shareID(s.Key, s.Epoch)
	if r.whole[id] == nil {
		r.whole[id] = make(map[protocol.PeerID]protocol.SID)
	}
	r.whole[id][from] = s.SID()
	complete := 0
	for _, m := range n.others(s) {
		if m.Peer != liar && r.whole[id][m.Peer] == s.SID() {
			complete++
		}
	}
	if complete < min(int(s.Threshold)-1, len(s.Roster)-2) {
		return liar, nil
	}
	if word, err := n.abandonOf(ctx, s.SID()); word != nil || err != nil {
		return liar, err // the share is as good as dropped
	}
	if err := n.cfg.Store.Delete(ctx, kindAbandon, s.SID().String()); err != nil {
		return "", fmt.Errorf("end a pledge: %w", err)
	}
	return "", nil
}
