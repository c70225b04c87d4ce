package node

import (
	"context"
	"errors"
	"fmt"
	"maps"
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
	word   *protocol.Abandon        // that the members are shown, if any
	silent map[protocol.PeerID]bool // who has not answered; true: nor can be reached. Guarded by resolver.mu
	all    chan struct{}            // closed when nobody is waited for any more
}

func (r *resolver) open(sid protocol.SID, word *protocol.Abandon, members []protocol.PeerID) *inquiry {
	i := &inquiry{sid: sid, word: word, silent: make(map[protocol.PeerID]bool, len(members)), all: make(chan struct{})}
	for _, m := range members {
		i.silent[m] = false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inquiries[i] = struct{}{}
	return i
}

// close ends an inquiry, and tells who of the members has not answered.
func (r *resolver) close(i *inquiry) (silent []protocol.PeerID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.inquiries, i)
	return slices.Collect(maps.Keys(i.silent))
}

// answered notes that a member has answered, after what it says was taken in.
func (r *resolver) answered(by protocol.PeerID, e *protocol.Endorse) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.inquiries {
		if i.isAnswer(e) {
			delete(i.silent, by)
			i.look()
		}
	}
}

// isAnswer reports whether a reply may be one to this question and not to one before: who
// is shown a word gives one back, or knows a signature of the one that has given it.
func (i *inquiry) isAnswer(e *protocol.Endorse) bool {
	cert := &e.Certificate
	if cert.Body.SID != i.sid {
		return false
	}
	return i.word == nil || e.Abandon != nil || !slices.Contains(unsigned(cert), i.word.Party)
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
	never   bool              // pending: a member will never sign
}

// settle asks the other members of a pending key what they know of it, waits for
// the answers within the limit, and then drops the share if one of them will never
// sign and no other will ever complete its own; those that are here may be asked a second
// time for that. Completing the key comes first: every answer that does is taken.
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
	if word != nil { // it was being dropped when this party stopped
		return n.decide(context.WithoutCancel(ctx), &record.Spec)
	}
	var members []protocol.PeerID
	for _, m := range n.others(&record.Spec) {
		members = append(members, m.Peer)
	}
	for {
		shown, silent := n.ask(ctx, record, members, limit)
		v, err := n.decide(context.WithoutCancel(ctx), &record.Spec)
		if err != nil || v.state != keystore.StatePending || shown || !v.never {
			return v, err
		}
		// A word was heard. Those that are here are asked to pledge.
		members = slices.DeleteFunc(slices.Clone(v.waiting), func(p protocol.PeerID) bool { return slices.Contains(silent, p) })
		if len(members) == 0 {
			return v, nil
		}
	}
}

// ask sends the question, with a word that this party has heard, if any, and returns when
// everybody that can be reached has answered, or at the limit. It tells whether there is nothing
// more to ask, for a word was shown, and who has not answered.
func (n *Node) ask(ctx context.Context, record protocol.KeyRecord, members []protocol.PeerID, limit time.Duration) (shown bool, silent []protocol.PeerID) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	question, err := n.question(ctx, record)
	if err == nil && question.Certificate.Verify(p2p.Verify) == nil { // it only could not be saved
		_, err = n.complete(ctx, n.cfg.Host.ID(), &question.Certificate)
		if err == nil || errors.Is(err, errNoKey) {
			return true, nil
		}
	}
	if err != nil { // to show a certificate that this party does not keep could end others' pledges
		log.Warnw("the members of a pending key are not asked, for this party could not keep what they say", "key", record.Spec.Key, "error", err)
		return true, members
	}
	i := n.resolver.open(record.Spec.SID(), question.Abandon, members)
	var sent sync.WaitGroup
	defer sent.Wait()
	for _, m := range members {
		sent.Go(func() { n.askOne(ctx, i, m, question) })
	}
	select {
	case <-ctx.Done():
	case <-i.all:
	}
	cancel()
	return question.Abandon != nil, n.resolver.close(i)
}

// question is what the members are asked: what this party knows.
func (n *Node) question(ctx context.Context, record protocol.KeyRecord) (*protocol.Endorse, error) {
	r := n.resolver
	r.mu.Lock()
	defer r.mu.Unlock()
	barred, err := n.barred(ctx, &record.Spec)
	if err != nil {
		return nil, err
	}
	cert := r.gather(n.cfg.Host, record, nil, barred)
	e := &protocol.Endorse{Certificate: cert, Spec: &record.Spec}
	if words := r.abandoned(record, &cert); len(words) > 0 {
		e.Abandon = words[0]
	}
	return e, nil
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
// sign, and each of the others has said that it will not either or, whatever is sent to it,
// never take that one's signature. Of those that have not said so one may have seen
// the signature, and hold a key with it that is complete.
func (n *Node) decide(ctx context.Context, asked *protocol.Spec) (verdict, error) {
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
	word, err := n.abandonOf(ctx, record.Spec.SID())
	if err != nil {
		return verdict{}, err
	}
	if word != nil { // all had answered before it was kept
		return verdict{}, n.drop(ctx, &record.Spec, word)
	}
	cert := r.known(record)
	v := n.stand(record, cert)
	if v.never && len(v.waiting) == 0 {
		return verdict{}, n.drop(ctx, &record.Spec, r.abandoned(record, cert)[0])
	}
	return v, nil
}

// stand is what is known of a pending share. The caller holds resolver.mu.
func (n *Node) stand(record protocol.KeyRecord, cert *protocol.Certificate) verdict {
	r, s := n.resolver, &record.Spec
	words := r.abandoned(record, cert)
	if len(words) == 0 {
		if cert == nil {
			cert = &protocol.Certificate{Body: bodyOf(record)}
		}
		return verdict{state: keystore.StatePending, waiting: unsigned(cert)}
	}
	v := verdict{state: keystore.StatePending, never: true}
	for _, m := range n.others(s) {
		never := r.without[shareID(s.Key, s.Epoch)][m.Peer] == s.SID() ||
			slices.ContainsFunc(words, func(a *protocol.Abandon) bool { return a.Party == m.Peer })
		if !never {
			v.waiting = append(v.waiting, m.Peer)
		}
	}
	return v
}

// unsigned lists the members whose signature a certificate does not have.
func unsigned(cert *protocol.Certificate) []protocol.PeerID {
	var peers []protocol.PeerID
	for i, m := range cert.Body.Roster {
		if i >= len(cert.Signatures) || len(cert.Signatures[i]) == 0 {
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

// standing is what is known of a share without asking anybody.
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
	barred, err := n.barred(ctx, &record.Spec)
	if err != nil {
		return verdict{}, err
	}
	cert := r.gather(n.cfg.Host, record, nil, barred)
	return n.stand(record, &cert), nil
}
