package node

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/protocol"
)

// retryLimit bounds the question that a proposal of another attempt brings about.
const retryLimit = 2 * time.Second

// inquiry is a question to the other members of a pending key. Their answers change
// what the resolver knows; the inquiry only tells when all have come.
type inquiry struct {
	sid     protocol.SID
	waiting map[protocol.PeerID]bool // guarded by resolver.mu
	all     chan struct{}            // closed when nobody is waited for any more
}

func (r *resolver) open(sid protocol.SID, members []protocol.Member) *inquiry {
	i := &inquiry{sid: sid, waiting: make(map[protocol.PeerID]bool, len(members)), all: make(chan struct{})}
	for _, m := range members {
		i.waiting[m.Peer] = true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inquiries[i] = struct{}{}
	return i
}

func (r *resolver) close(i *inquiry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.inquiries, i)
}

// answered notes that a member has answered, or cannot be reached.
func (r *resolver) answered(sid protocol.SID, by protocol.PeerID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.inquiries {
		if i.sid != sid || !i.waiting[by] {
			continue
		}
		if delete(i.waiting, by); len(i.waiting) == 0 {
			close(i.all)
		}
	}
}

// verdict is what has become of a pending share.
type verdict struct {
	state   keystore.State    // empty: there is no share any more
	waiting []protocol.PeerID // pending: whose signature is not known
}

// settle asks the other members of a pending key what they know of it, waits for
// the answers within the limit, and then drops the share if one of them will never
// sign. Completing the key comes first: every answer that does is taken.
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
	if word == nil { // otherwise it was being dropped when this party stopped
		n.ask(ctx, record, limit)
	}
	return n.decide(context.WithoutCancel(ctx), &record.Spec)
}

// ask sends the question and returns when everybody has answered, or at the limit.
func (n *Node) ask(ctx context.Context, record protocol.KeyRecord, limit time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	n.resolver.mu.Lock()
	question := &protocol.Endorse{Certificate: n.resolver.gather(n.cfg.Host, record, nil), Spec: &record.Spec}
	n.resolver.mu.Unlock()
	if question.Certificate.Verify(p2p.Verify) == nil { // it only could not be saved
		if _, err := n.complete(ctx, &question.Certificate); err == nil {
			return
		}
	}
	sid, others := record.Spec.SID(), n.others(&record.Spec)
	i := n.resolver.open(sid, others)
	defer n.resolver.close(i)
	var sent sync.WaitGroup
	defer sent.Wait()
	for _, m := range others {
		sent.Go(func() {
			if err := n.sendEndorse(ctx, m.Peer, question); err != nil {
				log.Debugw("a member of a pending key was not reached; it will be tried again", "peer", m.Peer, "error", err)
				n.resolver.answered(sid, m.Peer)
			}
		})
	}
	select {
	case <-ctx.Done():
	case <-i.all:
	}
	cancel()
}

// decide drops the share of an attempt that will never be complete.
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
	cert := r.known(record)
	word, err := n.abandonOf(ctx, record.Spec.SID())
	if err != nil {
		return verdict{}, err
	}
	if word == nil {
		word = r.abandoned(record, cert)
	}
	if word != nil {
		return verdict{}, n.drop(ctx, &record.Spec, word)
	}
	return verdict{state: state, waiting: unsigned(&record.Spec, cert)}, nil
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
	cert := r.gather(n.cfg.Host, record, nil)
	return verdict{state: state, waiting: unsigned(&record.Spec, &cert)}, nil
}
