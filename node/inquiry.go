package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/protocol"
)

// Times of a question.
const (
	retryLimit = 2 * time.Second        // for one that a proposal of another attempt brings about
	askAgain   = 300 * time.Millisecond // of who is silent, growing: it may have been lost with a member's earlier start
)

// inquiry is a question to the other members of a pending key. Their answers change
// what the resolver knows; the inquiry only tells who has answered.
type inquiry struct {
	sid    protocol.SID
	silent map[protocol.PeerID]bool // who has not answered; true: nor can be reached. Guarded by resolver.mu
	all    chan struct{}            // closed when nobody is waited for any more
}

func (r *resolver) open(sid protocol.SID, members []protocol.Member) *inquiry {
	i := &inquiry{sid: sid, silent: make(map[protocol.PeerID]bool, len(members)), all: make(chan struct{})}
	for _, m := range members {
		i.silent[m.Peer] = false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inquiries[i] = struct{}{}
	return i
}

// close ends an inquiry, and tells who of the members has not answered.
func (r *resolver) close(i *inquiry, members []protocol.Member) (silent []protocol.PeerID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.inquiries, i)
	for _, m := range members {
		if _, is := i.silent[m.Peer]; is {
			silent = append(silent, m.Peer)
		}
	}
	return silent
}

// answered notes that a member has answered, after what it says was taken in.
func (r *resolver) answered(sid protocol.SID, by protocol.PeerID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.inquiries {
		if i.sid == sid {
			delete(i.silent, by)
			i.look()
		}
	}
}

// unreached notes that a question has not reached a member: it is not waited for.
func (r *resolver) unreached(i *inquiry, member protocol.PeerID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, silent := i.silent[member]; silent {
		i.silent[member] = true
		i.look()
	}
}

// awaits tells whether a member has not answered.
func (r *resolver) awaits(i *inquiry, member protocol.PeerID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, silent := i.silent[member]
	return silent
}

// look closes all once nobody is waited for. The caller holds resolver.mu.
func (i *inquiry) look() {
	for _, gone := range i.silent {
		if !gone {
			return
		}
	}
	select {
	case <-i.all:
	default:
		close(i.all)
	}
}

// verdict is what has become of a pending share.
type verdict struct {
	state   keystore.State    // empty: there is no share any more
	waiting []protocol.PeerID // pending: who has to say something first
}

// settle asks the other members of a pending key what they know of it, waits for
// the answers within the limit, and then drops the share if one of them will never
// sign and all others have answered. Completing the key comes first: every answer that
// does is taken.
func (n *Node) settle(ctx context.Context, keyID string, epoch uint32, limit time.Duration) (verdict, error) {
	record, state, err := n.made(ctx, keyID, epoch)
	switch {
	case errors.Is(err, errNoKey):
		return verdict{}, nil
	case err != nil || state != keystore.StatePending:
		return verdict{state: state}, err
	}
	sid := record.Spec.SID()
	if n.underWay(sid) {
		return verdict{state: state}, nil
	}
	word, err := n.abandonOf(ctx, sid)
	if err != nil {
		return verdict{}, err
	}
	var silent []protocol.PeerID
	if word == nil { // otherwise it was being dropped when this party stopped
		silent = n.ask(ctx, record, limit)
	}
	return n.decide(context.WithoutCancel(ctx), &record.Spec, silent)
}

// ask sends the question and returns when everybody that can be reached has answered, or
// at the limit. It tells who has not answered.
func (n *Node) ask(ctx context.Context, record protocol.KeyRecord, limit time.Duration) []protocol.PeerID {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	n.resolver.mu.Lock()
	question := &protocol.Endorse{Certificate: n.resolver.gather(n.cfg.Host, record, nil), Spec: &record.Spec}
	n.resolver.mu.Unlock()
	if question.Certificate.Verify(p2p.Verify) == nil { // it only could not be saved
		if _, err := n.complete(ctx, &question.Certificate); err == nil {
			return nil
		}
	}
	others := n.others(&record.Spec)
	i := n.resolver.open(record.Spec.SID(), others)
	var sent sync.WaitGroup
	defer sent.Wait()
	for _, m := range others {
		sent.Go(func() { n.askOne(ctx, i, m.Peer, question) })
	}
	select {
	case <-ctx.Done():
	case <-i.all:
	}
	cancel()
	return n.resolver.close(i, others)
}

// askOne sends the question to one member until it has answered or cannot be reached.
func (n *Node) askOne(ctx context.Context, i *inquiry, member protocol.PeerID, question *protocol.Endorse) {
	for wait := askAgain; n.resolver.awaits(i, member); wait *= 2 {
		if err := n.sendEndorse(ctx, member, question); err != nil {
			log.Debugw("a member of a pending key was not reached; it will be tried again", "peer", member, "error", err)
			n.resolver.unreached(i, member)
			return
		}
		if pause(ctx, wait) != nil {
			return
		}
	}
}

// decide drops the share of an attempt that will never be complete: one member will never
// sign, and each of the others has now said what it knows, which does not have that one's
// signature, or will never sign either. Of those that were silent one may have seen
// the signature, and hold a key with it that is complete.
func (n *Node) decide(ctx context.Context, asked *protocol.Spec, silent []protocol.PeerID) (verdict, error) {
	r := n.resolver
	r.mu.Lock()
	defer r.mu.Unlock()
	record, state, err := n.made(ctx, asked.Key, asked.Epoch)
	switch {
	case errors.Is(err, errNoKey):
		return verdict{}, nil
	case err != nil || record.Spec.SID() != asked.SID():
		return verdict{state: state}, err
	case state == keystore.StateActive:
		r.abandoned(record, record.Certificate)
		delete(r.abandons, shareID(asked.Key, asked.Epoch))
		return verdict{state: state}, nil
	}
	cert := r.known(record)
	word, err := n.abandonOf(ctx, record.Spec.SID())
	if err != nil {
		return verdict{}, err
	}
	if word != nil { // all had answered before it was kept
		return verdict{}, n.drop(ctx, &record.Spec, word)
	}
	r.silent[shareID(asked.Key, asked.Epoch)] = silence{asked.SID(), slices.Clone(silent)}
	words := r.abandoned(record, cert)
	if len(words) == 0 {
		return verdict{state: state, waiting: unsigned(&record.Spec, cert)}, nil
	}
	if silent = without(silent, words); len(silent) > 0 {
		return verdict{state: state, waiting: silent}, nil
	}
	return verdict{}, n.drop(ctx, &record.Spec, words[0])
}

// silence is who has not answered the last inquiry about an attempt.
type silence struct {
	sid     protocol.SID
	members []protocol.PeerID
}

// without removes the members that have said that they never sign.
func without(members []protocol.PeerID, words []*protocol.Abandon) []protocol.PeerID {
	return slices.DeleteFunc(members, func(p protocol.PeerID) bool {
		return slices.ContainsFunc(words, func(a *protocol.Abandon) bool { return a.Party == p })
	})
}

// unsigned lists the members whose signature is not known.
func unsigned(s *protocol.Spec, cert *protocol.Certificate) []protocol.PeerID {
	var peers []protocol.PeerID
	for i, m := range s.Roster {
		if cert == nil || len(cert.Signatures[i]) == 0 {
			peers = append(peers, m.Peer)
		}
	}
	return peers
}

// resolveEarlier decides on a proposal at a key of which this party has a pending
// share of an earlier attempt: the members are asked, at once, what has become of
// that one. A coordinator that brings this about too often hears what is known.
func (n *Node) resolveEarlier(ctx context.Context, s *protocol.Spec) error {
	settle := func() (verdict, error) { return n.settle(ctx, s.Key, s.Epoch, retryLimit) }
	if !n.resolver.prompt.allow(s.Coordinator) {
		settle = func() (verdict, error) { return n.standing(ctx, s.Key, s.Epoch) }
	}
	v, err := settle()
	switch {
	case err != nil:
		return refuse(protocol.CodeStorage, "an earlier attempt at the key: %w", err)
	case v.state == "":
		return nil
	case v.state == keystore.StateActive:
		return &refusal{code: protocol.CodeReplay, err: errHaveKey}
	case len(v.waiting) == 0:
		return &refusal{code: protocol.CodeReplay, err: errEarlier}
	}
	err = fmt.Errorf("%w, or try again once this party has heard from %s", errEarlier, strings.Join(v.waiting, ", "))
	return &refusal{code: protocol.CodeReplay, peers: v.waiting, err: err}
}

// standing is what is known of a share without asking anybody. Once a member has said that
// it never signs, those have to come back that were silent when all were last asked.
func (n *Node) standing(ctx context.Context, keyID string, epoch uint32) (verdict, error) {
	r := n.resolver
	r.mu.Lock()
	defer r.mu.Unlock()
	record, state, err := n.made(ctx, keyID, epoch)
	if errors.Is(err, errNoKey) {
		return verdict{}, nil
	}
	if err != nil || state != keystore.StatePending {
		return verdict{state: state}, err
	}
	cert := r.gather(n.cfg.Host, record, nil)
	waiting := unsigned(&record.Spec, &cert)
	if words := r.abandoned(record, &cert); len(words) > 0 {
		members := slices.Clone(waiting)
		if last, asked := r.silent[shareID(keyID, epoch)]; asked && last.sid == record.Spec.SID() {
			members = slices.Clone(last.members)
		}
		if members = without(members, words); len(members) > 0 { // or it is settled when they are asked next
			waiting = members
		}
	}
	return verdict{state: state, waiting: waiting}, nil
}
