package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/protocol"
)

// Times and bounds of completing keys.
const (
	resolveEvery = time.Minute
	resolveLimit = 30 * time.Second // for one round over pending keys, and for one endorsement
	endorseSlots = 16               // endorsements looked at a time; more are dropped, they come again
)

// resolver completes keys whose keygen was interrupted between the two saves: a
// member that has its share on disk may always sign the certificate, and when all
// have signed the key is active, whatever became of the session.
type resolver struct {
	slots  chan struct{}
	agenda agenda

	mu    sync.Mutex // held over reading a state and saving the next one, never over sending
	heard map[string]*protocol.Certificate
}

func newResolver() *resolver {
	return &resolver{slots: make(chan struct{}, endorseSlots), heard: make(map[string]*protocol.Certificate)}
}

// resolveLoop asks the members of pending keys for their signatures, at the
// start and now and then.
func (n *Node) resolveLoop(ctx context.Context) error {
	tick := time.NewTicker(resolveEvery)
	defer tick.Stop()
	for {
		n.start("resolve", resolveLimit, n.resolve)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// resolve sends what this party knows of its pending keys to their members.
func (n *Node) resolve(ctx context.Context) error {
	turn, all, err := n.resolver.agenda.round(ctx, n.cfg.Store)
	if err != nil {
		return err
	}
	n.resolver.forget(all)
	var asking errgroup.Group
	asking.SetLimit(resolveAtATime)
	for _, k := range turn {
		asking.Go(func() error {
			n.askMembers(ctx, k)
			return nil
		})
	}
	return asking.Wait()
}

// forget drops what was heard of keys that are no longer pending.
func (r *resolver) forget(pending map[string]bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.heard, func(id string, _ *protocol.Certificate) bool { return !pending[id] })
}

func (n *Node) askMembers(ctx context.Context, k pendingKey) {
	record, state, err := n.made(ctx, k.key, k.epoch)
	if err != nil || state != keystore.StatePending || len(n.keygens(k.key)) > 0 {
		return
	}
	n.resolver.mu.Lock()
	cert := n.resolver.gather(n.cfg.Host, record, nil)
	n.resolver.mu.Unlock()
	var sent sync.WaitGroup
	for _, m := range n.others(&record.Spec) {
		sent.Go(func() { n.sendEndorse(ctx, m.Peer, protocol.Endorse{Certificate: cert}) })
	}
	sent.Wait()
}

func (n *Node) sendEndorse(ctx context.Context, to protocol.PeerID, e protocol.Endorse) {
	ctx, cancel := context.WithTimeout(ctx, sendLimit)
	defer cancel()
	if err := n.sendDirect(ctx, to, protocol.DirectFrame{SID: e.Certificate.Body.SID, Endorse: &e}); err != nil {
		log.Debugw("a member of a pending key was not reached; it will be tried again", "peer", to, "error", err)
	}
}

// keygens returns the sessions under way that make a key. They complete it, or
// put another one in its place.
func (n *Node) keygens(keyID string) []*ceremony {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.keygensLocked(keyID)
}

func (n *Node) keygensLocked(keyID string) []*ceremony {
	var list []*ceremony
	for _, c := range n.sessions {
		if c.spec.Kind == protocol.KindKeygen && c.spec.Key == keyID && !c.ended() {
			list = append(list, c)
		}
	}
	return list
}

// endorsed takes what another member knows of a key.
func (n *Node) endorsed(from protocol.PeerID, e *protocol.Endorse) {
	select {
	case n.resolver.slots <- struct{}{}:
	default:
		return
	}
	key := fmt.Sprintf("%.*s.%d", maxKeyID, e.Certificate.Body.Key, e.Certificate.Body.Epoch)
	started := n.start("endorse "+from+" "+key, resolveLimit, func(ctx context.Context) error {
		defer func() { <-n.resolver.slots }()
		reply, err := n.takeEndorsement(ctx, from, e)
		if reply != nil {
			n.sendEndorse(ctx, from, protocol.Endorse{Certificate: *reply, Reply: true})
		}
		return err
	})
	if !started {
		<-n.resolver.slots
	}
}

// takeEndorsement completes the key if nothing is missing any more, and returns
// what the sender may lack.
func (n *Node) takeEndorsement(ctx context.Context, from protocol.PeerID, e *protocol.Endorse) (*protocol.Certificate, error) {
	theirs := &e.Certificate
	record, state, err := n.made(ctx, theirs.Body.Key, theirs.Body.Epoch)
	if errors.Is(err, errNoKey) || len(n.keygens(theirs.Body.Key)) > 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	body := bodyOf(record)
	if !bytes.Equal(body.Signed(), theirs.Body.Signed()) || len(theirs.Signatures) != len(body.Roster) || roleIn(&record.Spec, from) == "" {
		return nil, nil // of another attempt, or not a member's
	}
	cert := record.Certificate
	if state == keystore.StatePending {
		if cert, err = n.complete(ctx, theirs); err != nil {
			return nil, err
		}
	}
	if e.Reply {
		return nil, nil
	}
	return cert, nil
}

// complete adds signatures to those of a pending key; with the last one the key
// is active and its outcome is told. It returns what is known now.
func (n *Node) complete(ctx context.Context, theirs *protocol.Certificate) (*protocol.Certificate, error) {
	ctx = context.WithoutCancel(ctx)
	cert, outcome, err := n.activate(ctx, theirs)
	if outcome != nil {
		n.outcomes.offer(ctx, outcome.Record.Body.Spec.Coordinator, *outcome)
	}
	return cert, err
}

// activate is the part of complete that must be alone. Share and outcome are
// written together.
func (n *Node) activate(ctx context.Context, theirs *protocol.Certificate) (*protocol.Certificate, *protocol.Outcome, error) {
	n.resolver.mu.Lock()
	defer n.resolver.mu.Unlock()
	record, state, err := n.made(ctx, theirs.Body.Key, theirs.Body.Epoch)
	if err != nil || state != keystore.StatePending { // somebody else's endorsement was faster
		return record.Certificate, nil, err
	}
	cert := n.resolver.gather(n.cfg.Host, record, theirs.Signatures)
	if cert.Verify(p2p.Verify) != nil {
		return &cert, nil, nil
	}
	record.Certificate = &cert
	signed := protocol.SignRecord(n.cfg.Host, protocol.RecordBody{Spec: record.Spec, Certificate: &cert})
	outcome := &protocol.Outcome{SID: cert.Body.SID, Record: signed}
	kept, err := n.outcomes.record(record.Spec.Coordinator, outcome)
	if err != nil {
		return nil, nil, err
	}
	if err := n.save(ctx, &protocol.Save{Active: true, Key: record}, kept); err != nil {
		return nil, nil, fmt.Errorf("completed key %s: %w", record.Spec.Key, err)
	}
	delete(n.resolver.heard, shareID(record.Spec.Key, record.Spec.Epoch))
	log.Infow("a key whose keygen was interrupted is complete", "key", record.Spec.Key, "session", record.Spec.Session)
	return &cert, outcome, nil
}

// gather returns a pending key's certificate with this party's signature and
// every other one that is known and good. The caller holds mu.
func (r *resolver) gather(self protocol.Signer, record protocol.KeyRecord, more [][]byte) protocol.Certificate {
	id, body := shareID(record.Spec.Key, record.Spec.Epoch), bodyOf(record)
	data := body.Signed()
	cert := r.heard[id]
	if cert == nil || !bytes.Equal(cert.Body.Signed(), data) {
		cert = &protocol.Certificate{Body: body, Signatures: make([][]byte, len(body.Roster))}
		r.heard[id] = cert
	}
	for i, m := range body.Roster {
		switch {
		case m.Peer == self.ID():
			cert.Signatures[i] = self.Sign(data)
		case len(cert.Signatures[i]) == 0 && i < len(more) && p2p.Verify(m.Peer, data, more[i]):
			cert.Signatures[i] = more[i]
		}
	}
	return protocol.Certificate{Body: body, Signatures: slices.Clone(cert.Signatures)}
}

func bodyOf(r protocol.KeyRecord) protocol.CertificateBody {
	return protocol.NewCertificateBody(&r.Spec, &protocol.Result{PublicKey: r.PublicKey, PublicHash: r.PublicHash}, r.ChainCode)
}

// made is heldShare of this party's store.
func (n *Node) made(ctx context.Context, keyID string, epoch uint32) (protocol.KeyRecord, keystore.State, error) {
	return heldShare(ctx, n.cfg.Store, keyID, epoch)
}
