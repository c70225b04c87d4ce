package node

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
)

// checkClaim wants a failure that names who sent what its author cannot take, and
// shows what that was, which proves nothing to others.
func checkClaim(t *testing.T, f protocol.Failure, code protocol.Code, reason protocol.Reason, culprit p2p.PeerID) {
	t.Helper()
	if f.Code != code || f.Reason != reason || !slices.Equal(f.Culprits, []p2p.PeerID{culprit}) || f.Evidence == nil {
		t.Errorf("got %+v, want %s blamed: %q, %q", f, culprit, code, reason)
		return
	}
	if found, err := f.Evidence.Verify(protocol.VerifyPeer); err != nil || found.Proven || found.Culprit != culprit || f.Evidence.Exhibits[0].Payload != nil {
		t.Errorf("the evidence shows %+v, error %v", found, err)
	}
}

// Who has seen a bad message names its sender; who has only heard of it names
// nobody.
func TestABadMessageIsBlamedByWhoHasSeenIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, remembering(t))
		key, _ := c.key(protocol.EdDSA, 3)
		r := c.parties[2].turn(key)
		a, b := c.parties[0], c.parties[1]
		spec := c.coord.sign(key, digest(1), c.peers())
		p := r.join(spec)
		p.show(a.ID(), b.ID())
		p.alter = func(to p2p.PeerID, h *protocol.Header, payload []byte) []byte {
			if to == a.ID() && h.Type == protocol.TypeRound {
				return []byte("rubbish")
			}
			return payload
		}
		p.run()
		c.coord.proposeTo(spec, a.ID(), b.ID())
		checkClaim(t, c.coord.awaitFailure(spec.SID(), a.ID()), protocol.CodeProtocol, protocol.ReasonMessage, r.ID())
		if f := c.coord.awaitFailure(spec.SID(), b.ID()); f.Code != protocol.CodeProtocol || f.Reason != "" || len(f.Culprits) > 0 || f.Evidence != nil || f.GaveUp != a.ID() {
			t.Errorf("who has only heard of it says %+v", f)
		}
		if files, list := a.kept(t); len(files) != 1 || files[0].Finding.Proven || string(files[0].Evidence.Exhibits[0].Payload) != "rubbish" || len(list) != 1 || list[0].Proven != 0 || list[0].Failures != 1 {
			t.Errorf("kept %+v and %+v", files, list)
		}
		if files, list := b.kept(t); len(files)+len(list) > 0 {
			t.Errorf("who has only heard of it keeps %+v and %+v", files, list)
		}
	})
}

// A message whose name nobody would print is blamed as any other; it is shown to
// nobody.
func TestABadMessageThatNobodyWouldShowIsBlamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 2, remembering(t))
		key, _ := c.key(protocol.EdDSA, 2)
		r, a := c.parties[1].turn(key), c.parties[0]
		for i, name := range []string{strings.Repeat("x", 1000), "\x1b[31m", "SignRound1Message\x00"} {
			spec := c.coord.sign(key, digest(i), c.peers())
			p := r.join(spec)
			p.show(a.ID())
			p.alter = func(_ p2p.PeerID, h *protocol.Header, payload []byte) []byte {
				if h.Type == protocol.TypeRound {
					h.Name = name
				}
				return payload
			}
			stop := p.run()
			c.coord.proposeTo(spec, a.ID())
			if f := c.coord.awaitFailure(spec.SID(), a.ID()); !slices.Equal(f.Culprits, []p2p.PeerID{r.ID()}) || f.Reason != protocol.ReasonMessage || f.Evidence != nil {
				t.Errorf("%q: %+v", name, f)
			}
			if files, list := a.kept(t); len(files) > 0 || len(list) != 1 || list[0].Failures != i+1 || list[0].Proven > 0 {
				t.Errorf("%q: kept %+v and %+v", name, files, list)
			}
			stop()
		}
	})
}

// An echo that no member writes proves its author's fault: who has only heard of it
// names the culprit as well.
func TestAFalseEchoIsProvenToEverybody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, remembering(t))
		key, _ := c.key(protocol.EdDSA, 3)
		r := c.parties[2].turn(key)
		a, b := c.parties[0], c.parties[1]
		spec := c.coord.sign(key, digest(1), c.peers())
		p := r.join(spec)
		p.show(a.ID(), b.ID())
		p.alter = func(to p2p.PeerID, h *protocol.Header, payload []byte) []byte {
			if to == a.ID() && h.Type == protocol.TypeDigest {
				return []byte("nothing was heard")
			}
			return payload
		}
		p.run()
		c.coord.proposeTo(spec, a.ID(), b.ID())
		for _, m := range []*party{a, b} {
			f := c.coord.awaitFailure(spec.SID(), m.ID())
			if f.Reason != protocol.ReasonFalseDigest || !slices.Equal(f.Culprits, []p2p.PeerID{r.ID()}) || f.Evidence == nil {
				t.Errorf("party %s says %+v", m.ID(), f)
				continue
			}
			if found, err := f.Evidence.Verify(protocol.VerifyPeer); err != nil || !found.Proven || found.Culprit != r.ID() || f.Evidence.By != a.ID() {
				t.Errorf("the evidence of %s shows %+v, error %v", m.ID(), found, err)
			}
			if files, list := m.kept(t); len(files) != 1 || !files[0].Finding.Proven || len(list) != 1 || list[0].Proven != 1 {
				t.Errorf("party %s keeps %+v and %+v", m.ID(), files, list)
			}
		}
	})
}

// A confirmation of something else: the members' results do not match, and whose
// fault it is is known.
func TestAWrongConfirmationIsBlamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, remembering(t))
		r := c.parties[2].turn()
		spec := c.coord.keygen(protocol.EdDSA, 2, c.peers())
		p := r.join(spec)
		p.show(c.peers(0, 1)...)
		p.alter = func(_ p2p.PeerID, h *protocol.Header, payload []byte) []byte {
			if h.Type == protocol.TypeConfirm {
				return r.Sign([]byte("another certificate"))
			}
			return payload
		}
		p.run()
		c.coord.proposeTo(spec, c.peers(0, 1)...)
		named := 0
		for _, peer := range c.peers(0, 1) {
			if f := c.coord.awaitFailure(spec.SID(), peer); len(f.Culprits) > 0 {
				named++
				checkClaim(t, f, protocol.CodeDisagreement, protocol.ReasonConfirmation, r.ID())
			} else if f.Code != protocol.CodeProtocol || f.GaveUp == "" { // the other one's word came first
				t.Errorf("party %s says %+v", peer, f)
			}
		}
		if named == 0 {
			t.Error("nobody is named")
		}
	})
}

// What a failure says of whom, without a network.
func TestAFailureNamesOtherMembersOnly(t *testing.T) {
	c := newCluster(t, p2ptest.Config{Transport: p2ptest.QUIC}, 3, remembering(t))
	self, other, outsider := c.peers(0)[0], c.peers(1)[0], c.peers(2)[0]
	spec := c.coord.keygen(protocol.EdDSA, 2, c.peers(0, 1))
	s := newCeremony(c.parties[0].node, spec.SID(), proposal{spec: spec})
	odd := errors.New("numbers do not match")
	large, odder := proof(c.parties[1].Host, spec.SID()), proof(c.parties[1].Host, spec.SID())
	digest := protocol.Seal(c.parties[1].Host, protocol.Header{SID: spec.SID(), Type: protocol.TypeDigest, Round: 1, Name: "1"}, make([]byte, protocol.MaxEnvelope))
	large.Reason, large.Exhibits = protocol.ReasonFalseDigest, []protocol.Exhibit{{Header: digest.Header, Signature: digest.Signature, Payload: digest.Payload}}
	if found, err := large.Verify(protocol.VerifyPeer); err != nil || !found.Proven {
		t.Fatalf("%+v, error %v", found, err)
	}
	odder.Detail, odder.Exhibits[0].Header.Name = "signed by nobody", "another"
	for name, x := range map[string]struct {
		err      error
		code     protocol.Code
		reason   protocol.Reason
		culprits []p2p.PeerID
		evidence bool
	}{
		"a blame":                 {&protocol.Blame{Culprits: []p2p.PeerID{other}, Reason: protocol.ReasonProof, Err: odd}, protocol.CodeProtocol, protocol.ReasonProof, []p2p.PeerID{other}, false},
		"of itself":               {&protocol.Blame{Culprits: []p2p.PeerID{self, outsider, other}, Reason: protocol.ReasonProof, Err: odd}, protocol.CodeProtocol, protocol.ReasonProof, []p2p.PeerID{other}, false},
		"of nobody":               {&protocol.Blame{Reason: protocol.ReasonUnattributed, Err: odd}, protocol.CodeProtocol, protocol.ReasonUnattributed, nil, false},
		"with evidence":           {&protocol.Blame{Culprits: []p2p.PeerID{other}, Reason: protocol.ReasonContradiction, Evidence: proof(c.parties[1].Host, spec.SID()), Err: odd}, protocol.CodeProtocol, protocol.ReasonContradiction, []p2p.PeerID{other}, true},
		"with too much":           {&protocol.Blame{Culprits: []p2p.PeerID{other}, Reason: protocol.ReasonFalseDigest, Evidence: large, Err: odd}, protocol.CodeProtocol, protocol.ReasonFalseDigest, []p2p.PeerID{other}, false},
		"with what shows nothing": {&protocol.Blame{Culprits: []p2p.PeerID{other}, Reason: protocol.ReasonContradiction, Evidence: odder, Err: odd}, protocol.CodeProtocol, protocol.ReasonContradiction, []p2p.PeerID{other}, false},
		"wrapped":                 {fmt.Errorf("while it ran: %w", &protocol.Blame{Culprits: []p2p.PeerID{other}, Reason: protocol.ReasonProof, Err: odd}), protocol.CodeProtocol, protocol.ReasonProof, []p2p.PeerID{other}, false},
		"another's abort":         {&protocol.Aborted{By: other, Failure: protocol.Failure{Code: protocol.CodeStorage, Culprits: []p2p.PeerID{self}, Reason: protocol.ReasonProof}}, protocol.CodeProtocol, "", nil, false},
		"other results":           {fmt.Errorf("%w: by a byte", protocol.ErrDisagreement), protocol.CodeDisagreement, "", nil, false},
		"a result of one":         {&protocol.Blame{Culprits: []p2p.PeerID{other}, Reason: protocol.ReasonConfirmation, Err: protocol.ErrDisagreement}, protocol.CodeDisagreement, protocol.ReasonConfirmation, []p2p.PeerID{other}, false},
		"a fault of its own":      {odd, protocol.CodeInternal, "", nil, false},
	} {
		f := s.failure(x.err)
		gaveUp := ""
		if name == "another's abort" {
			gaveUp = other
		}
		if f.Code != x.code || f.Reason != x.reason || !slices.Equal(f.Culprits, x.culprits) || (f.Evidence != nil) != x.evidence || f.GaveUp != gaveUp {
			t.Errorf("%s: got %+v", name, f)
		}
	}
}

// To verify evidence may take many signatures: one failure is judged once, whoever
// asks for it.
func TestAFailureIsJudgedOnce(t *testing.T) {
	c := newCluster(t, p2ptest.Config{Transport: p2ptest.QUIC}, 2, remembering(t))
	spec, other := c.coord.keygen(protocol.EdDSA, 2, c.peers()), c.parties[1].Host
	s := newCeremony(c.parties[0].node, spec.SID(), proposal{spec: spec})
	blame := func() error {
		return &protocol.Blame{Culprits: []p2p.PeerID{other.ID()}, Reason: protocol.ReasonContradiction, Evidence: proof(other, spec.SID()), Err: errors.New("two messages")}
	}
	err := blame()
	first := s.blamed(err)
	if first == nil || first.Evidence == nil || s.blamed(fmt.Errorf("while it ran: %w", err)) != first || s.judge(err).finding.Culprit != other.ID() {
		t.Errorf("the same blame is judged again: %+v", first)
	}
	s.tellFailure(err)
	files, list := c.parties[0].kept(t)
	if len(files) != 1 || !files[0].Finding.Proven || len(list) != 1 || list[0].Proven != 1 || s.blamed(err) != first {
		t.Errorf("kept %+v and %+v", files, list)
	}
	if s.blamed(blame()) == first || s.blamed(errors.New("no blame")) != nil {
		t.Error("another error is judged as the first one")
	}
}

// A delegate that lives is of no use without the user: it counts in the roster only.
func TestADelegateOutsideOfTheRosterDoesNotReplaceAnybody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, remembering(t))
		key, _ := c.hybrid(protocol.EdDSA, nil)
		n := c.parties[0].node
		quarantine := func(i int) {
			t.Helper()
			for range QuarantineAfter {
				if _, err := n.conduct.quarantine.count(fault{key: key.Key, peer: c.peers(i)[0], session: "s"}, someTime); err != nil {
					t.Fatal(err)
				}
			}
		}
		quarantine(1)
		if err := n.checkQuarantine(t.Context(), c.coord.sign(key, digest(1), c.peers(0, 1)), key); err != nil {
			t.Errorf("nobody else can sign, and it is refused: %v", err)
		}
		if err := n.checkQuarantine(t.Context(), c.coord.sign(key, digest(2), c.peers(0, 2)), key); err != nil {
			t.Errorf("without the one in quarantine: %v", err)
		}
		if _, err := n.conduct.quarantine.Clear(key.Key, c.peers(1)[0]); err != nil {
			t.Fatal(err)
		}
		quarantine(2)
		err := n.checkQuarantine(t.Context(), c.coord.sign(key, digest(3), c.peers(0, 2)), key)
		if codeOf(err) != protocol.CodeQuarantined || !slices.Equal(peersOf(err), c.peers(2)) {
			t.Errorf("the other one lives: %v", err)
		}
	})
}
