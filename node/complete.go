package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/protocol"
)

// complete adds signatures to those of a pending key; with the last one the key
// is active and its outcome is told. It returns what is known now. The signatures are
// what the member from knows.
func (n *Node) complete(ctx context.Context, from protocol.PeerID, theirs *protocol.Certificate) (*protocol.Certificate, error) {
	ctx = context.WithoutCancel(ctx)
	cert, outcome, err := n.activate(ctx, from, theirs)
	if outcome != nil {
		n.outcomes.offer(ctx, outcome.Record.Body.Spec.Coordinator, *outcome)
	}
	return cert, err
}

// activate is the part of complete that must be alone. Share and outcome are
// written together.
func (n *Node) activate(ctx context.Context, from protocol.PeerID, theirs *protocol.Certificate) (*protocol.Certificate, *protocol.Outcome, error) {
	n.resolver.mu.Lock()
	defer n.resolver.mu.Unlock()
	record, state, err := n.made(ctx, theirs.Body.Key, theirs.Body.Epoch)
	if err != nil || state != keystore.StatePending { // somebody else's endorsement was faster
		return record.Certificate, nil, err
	}
	barred, err := n.release(ctx, record, from, theirs)
	if err != nil {
		return nil, nil, err
	}
	cert := n.resolver.gather(n.cfg.Host, record, theirs.Signatures, barred)
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
// every other one that is known and good, but for that of a member that is barred, if any. The
// caller holds mu.
func (r *resolver) gather(self protocol.Signer, record protocol.KeyRecord, more [][]byte, barred protocol.PeerID) protocol.Certificate {
	id, body := shareID(record.Spec.Key, record.Spec.Epoch), bodyOf(record)
	data := body.Signed()
	cert := r.known(record)
	if cert == nil {
		cert = &protocol.Certificate{Body: body, Signatures: make([][]byte, len(body.Roster))}
	}
	r.heard[id] = cert
	for i, m := range body.Roster {
		switch {
		case m.Peer == self.ID():
			cert.Signatures[i] = self.Sign(data)
		case m.Peer == barred: // what the session has heard of it does not count either
			cert.Signatures[i] = nil
		case len(cert.Signatures[i]) == 0 && i < len(more) && p2p.Verify(m.Peer, data, more[i]):
			cert.Signatures[i] = more[i]
		}
	}
	return protocol.Certificate{Body: body, Signatures: slices.Clone(cert.Signatures)}
}

// known returns the signatures that are known of a pending key's certificate: what
// this process has heard or, after a restart, what was on disk with the share; nil if
// there is nothing. The caller holds mu.
func (r *resolver) known(record protocol.KeyRecord) *protocol.Certificate {
	body := bodyOf(record)
	data := body.Signed()
	for _, cert := range []*protocol.Certificate{r.heard[shareID(record.Spec.Key, record.Spec.Epoch)], record.Certificate} {
		if cert != nil && len(cert.Signatures) == len(body.Roster) && bytes.Equal(cert.Body.Signed(), data) {
			return cert
		}
	}
	return nil
}

func bodyOf(r protocol.KeyRecord) protocol.CertificateBody {
	return protocol.NewCertificateBody(&r.Spec, &protocol.Result{PublicKey: r.PublicKey, PublicHash: r.PublicHash}, r.ChainCode)
}

// learn keeps what a keygen's session has heard of the certificate, for its key may
// still be pending; if not, it is forgotten in the next round. The goroutine that drives
// the session calls it at its end.
func (n *Node) learn(c *ceremony) {
	if c.session == nil || c.spec.Kind != protocol.KindKeygen {
		return
	}
	cert := c.session.Confirmed()
	if cert == nil {
		return
	}
	n.resolver.mu.Lock()
	n.resolver.heard[shareID(c.spec.Key, c.spec.Epoch)] = cert
	err := n.keepHeard(context.Background(), c.spec, cert)
	n.resolver.mu.Unlock()
	if err != nil {
		c.log.Warnw("the signatures of a key that is not complete are not on disk; after a restart the members are asked again", "error", err)
	}
	n.settleSoon(c.spec.Key, c.spec.Epoch)
}

// keepHeard writes the signatures that are known beside a share that is pending: who
// has signed can then not say after a restart of this party that it never will. The
// caller holds resolver.mu.
func (n *Node) keepHeard(ctx context.Context, s *protocol.Spec, cert *protocol.Certificate) error {
	record, state, err := n.made(ctx, s.Key, s.Epoch)
	switch {
	case errors.Is(err, errNoKey):
		return nil
	case err != nil:
		return err
	case state != keystore.StatePending, record.Spec.SID() != s.SID():
		return nil
	}
	record.Certificate = cert
	save := &protocol.Save{Key: record}
	if err := n.crashed(save, false); err != nil {
		return err
	}
	return n.write(ctx, save)
}
