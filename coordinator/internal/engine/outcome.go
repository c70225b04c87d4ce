package engine

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

var errRecord = errors.New("the record is not of this session and party")

// record takes a member's result.
func (a *attempt) record(m *member, rec *protocol.Record) *ending {
	m.settle()
	if m.finished || m.rejected { // a copy: the acknowledgement was lost, or is on its way
		a.e.cfg.Registry.Note(a.e.ackWhenDurable(m.Peer, a.sid))
		return nil
	}
	if rec.Body.Party != m.Peer || rec.Body.Spec.SID() != a.sid {
		return a.reject(m, errRecord)
	}
	if a.spec.Kind == protocol.KindSign {
		return a.signature(m, rec)
	}
	if err := a.checkKey(rec); err != nil {
		return a.reject(m, err)
	}
	m.finished = true
	return a.keygenRecord(m, rec)
}

// checkKey verifies that a keygen's record is right.
func (a *attempt) checkKey(rec *protocol.Record) error {
	if err := rec.Verify(a.e.cfg.Verify); err != nil {
		return err
	}
	return checkPublicKey(a.spec.Scheme, rec.Body.Certificate.Body.PublicKey)
}

func checkPublicKey(scheme protocol.Scheme, key []byte) error {
	if scheme == protocol.EdDSA {
		if len(key) != 32 {
			return fmt.Errorf("an Ed25519 public key has 32 bytes, not %d", len(key))
		}
		return nil
	}
	if len(key) != secp256k1.PubKeyBytesLenCompressed {
		return fmt.Errorf("a compressed public key has %d bytes, not %d", secp256k1.PubKeyBytesLenCompressed, len(key))
	}
	if _, err := secp256k1.ParsePubKey(key); err != nil {
		return fmt.Errorf("public key: %w", err)
	}
	return nil
}

// reject puts a wrong result aside. The attempt goes on as long as somebody may
// still deliver a right one; a keygen needs everybody's.
func (a *attempt) reject(m *member, err error) *ending {
	m.rejected = true
	log.Errorw("a party delivered a wrong result", "session", a.session, "sid", a.sid.Short(), "party", m.Peer, "error", err)
	a.e.cfg.Registry.Note(a.e.ackWhenDurable(m.Peer, a.sid), a.event(registry.Event{
		Type: registry.OutcomeRejected, Party: m.Peer, Code: registry.CodeBadSignature, Detail: bounded(err.Error()),
	}))
	var wrong []registry.PartyProblem
	for _, p := range a.parties {
		if a.members[p.Peer].rejected {
			wrong = append(wrong, registry.PartyProblem{Party: p, Code: protocol.CodeProtocol, Detail: "it delivered a wrong result"})
		}
	}
	if a.spec.Kind == protocol.KindSign && len(wrong) < len(a.parties) {
		return nil
	}
	return &ending{
		faults: wrong,
		problem: &registry.Problem{
			Code: registry.CodeBadSignature, Parties: wrong,
			Detail: "the parties delivered results that do not verify; nothing of them is returned",
		},
	}
}

// signature completes a sign session. The record is not kept, and its sender is known:
// what counts is that the signature is right.
func (a *attempt) signature(m *member, rec *protocol.Record) *ending {
	sig, err := a.verified(rec)
	if err != nil {
		return a.reject(m, err)
	}
	m.finished = true
	a.e.warm.note(a.req.Account, a.spec.Peers())
	return a.complete(a.event(registry.Event{Type: registry.SessionCompleted, Party: m.Peer, Signature: sig}))
}

// verified returns the signature of a record if it is right. An ECDSA signature from which
// the public key can be recovered is.
func (a *attempt) verified(rec *protocol.Record) (*registry.Signature, error) {
	key, sig := a.e.cfg.Registry.Account(a.req.Account).PublicKey, rec.Body.Signature
	if a.spec.Scheme == protocol.ECDSA && isLow(sig) {
		if id, ok := recoveryID(key, a.spec.Payload, sig, rec.Body.Recovery); ok {
			return &registry.Signature{Bytes: sig, Recovery: id}, nil
		}
	}
	err := protocol.VerifySignature(a.spec.Scheme, key, a.spec.Payload, sig)
	if err == nil && a.spec.Scheme == protocol.ECDSA {
		err = errors.New("no recovery id leads to the public key")
	}
	return &registry.Signature{Bytes: sig}, err
}

// isLow reports whether a signature r ‖ s has s ≤ q/2 (BIP 62).
func isLow(sig []byte) bool {
	var s secp256k1.ModNScalar
	return len(sig) == protocol.SignatureSize && !s.SetByteSlice(sig[protocol.SignatureSize/2:]) && !s.IsOverHalfOrder()
}

// recoveryID finds the recovery id (0 to 3) of a signature r ‖ s: which of the
// points with this r is the one that was used (SEC 1 §4.1.6). The guess is tried first.
func recoveryID(publicKey, digest, sig []byte, guess byte) (byte, bool) {
	compact := make([]byte, 1+len(sig))
	copy(compact[1:], sig)
	for i := range byte(4) {
		id := (guess + i) & 3
		compact[0] = 27 + 4 + id // the library's form: 27, and 4 for a compressed key
		if key, _, err := ecdsa.RecoverCompact(compact, digest); err == nil && bytes.Equal(key.SerializeCompressed(), publicKey) {
			return id, true
		}
	}
	return 0, false
}

// keygenRecord takes one member's key certificate, and completes the session
// with the last one.
func (a *attempt) keygenRecord(m *member, rec *protocol.Record) *ending {
	m.digest = rec.Body.Certificate.Body.Signed()
	encoded, err := protocol.Marshal(rec)
	if err != nil {
		return a.reject(m, err)
	}
	finished := a.event(registry.Event{Type: registry.PartyFinished, Party: m.Peer, Outcome: &registry.Outcome{Record: encoded, Digest: m.digest}})
	missing := 0
	for _, other := range a.members {
		switch {
		case !other.finished:
			missing++
		case !bytes.Equal(other.digest, m.digest):
			return a.disagree(m, finished)
		}
	}
	if missing > 0 {
		a.e.cfg.Registry.Note(a.e.ackWhenDurable(m.Peer, a.sid), finished)
		return nil
	}
	cert, err := protocol.Marshal(rec.Body.Certificate)
	if err != nil {
		return a.reject(m, err)
	}
	return a.complete(finished,
		a.event(registry.Event{Type: registry.SessionCompleted}),
		registry.Event{
			Stream: registry.AccountStream(a.req.Account), Type: registry.AccountActivated, SID: a.sid.String(),
			Key: &registry.Key{PublicKey: rec.Body.Certificate.Body.PublicKey, Certificate: cert, Parties: a.parties},
		},
	)
}

func (a *attempt) disagree(m *member, finished registry.Event) *ending {
	a.e.cfg.Registry.Note(a.e.ackWhenDurable(m.Peer, a.sid), finished)
	return &ending{problem: &registry.Problem{
		Code: registry.CodeDisagreement, Detail: "the members hold different certificates for one key; the key is not used",
	}}
}

// append makes events durable that mean nothing without the attempt's beginning.
func (a *attempt) append(events ...registry.Event) error {
	if a.begun == nil {
		return a.e.cfg.Registry.Append(events...)
	}
	return a.begun.Append(events...)
}

// complete makes the end of the session durable, then acknowledges the outcome
// that brought it (the first event's party).
func (a *attempt) complete(events ...registry.Event) *ending {
	if err := a.append(events...); err != nil {
		log.Errorw("the result of a session could not be recorded", "session", a.session, "error", err)
		return &ending{problem: &registry.Problem{
			Code: registry.CodeStorage, Detail: "the coordinator could not record the result: its disk may be full",
		}}
	}
	a.e.ack(events[0].Party, a.sid)
	log.Infow("session completed", "session", a.session, "sid", a.sid.Short(), "kind", a.spec.Kind, "account", a.req.Account, "attempt", a.spec.Attempt)
	return &ending{done: true}
}
