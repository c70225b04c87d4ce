package node

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
)

// abort ends a session that the rogue has joined with an abort of its own making,
// and returns what the honest member tells the coordinator.
func (r *rogue) abort(spec *protocol.Spec, honest p2p.PeerID, f protocol.Failure) protocol.Failure {
	tb := r.c.tb
	tb.Helper()
	p := r.join(spec)
	defer p.run()()
	r.c.coord.proposeTo(spec, honest)
	r.c.coord.await("the honest member", sendLimit, func() bool { return len(r.c.coord.progress[spec.SID()]) > 0 })
	payload, err := protocol.Marshal(f)
	if err != nil {
		tb.Fatal(err)
	}
	e, err := protocol.Seal(r.Host, protocol.Header{SID: spec.SID(), Type: protocol.TypeAbort, Seq: 9}, payload).Encode()
	if err != nil {
		tb.Fatal(err)
	}
	p.send(tb.Context(), honest, e)
	return r.c.coord.awaitFailure(spec.SID(), honest)
}

// proof is evidence of two messages that somebody has signed for one slot.
func proof(by protocol.Signer, sid protocol.SID) *protocol.Evidence {
	v := &protocol.Evidence{Version: protocol.EvidenceVersion, Reason: protocol.ReasonContradiction, Culprit: by.ID(), By: by.ID(), SID: sid}
	for _, payload := range []string{"one", "another"} {
		e := protocol.Seal(by, protocol.Header{SID: sid, Type: protocol.TypeRound, Round: 1, Name: "SignRound1Message", Seq: 2}, []byte(payload))
		v.Exhibits = append(v.Exhibits, protocol.Exhibit{Header: e.Header, Signature: e.Signature})
	}
	return v
}

// Whatever a member says of others in an abort: only what is proven by itself,
// about a member and this very session, names anybody.
func TestAnAbortFramesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 4, remembering(t))
		key, _ := c.key(protocol.EdDSA, 3)
		victim, outsider := c.parties[1], c.parties[2]
		r := c.parties[3].turn(key)
		a := c.parties[0]
		forged := func(sid protocol.SID, by protocol.Signer) *protocol.Evidence { // the victim's name under the rogue's words
			v := proof(by, sid)
			v.Culprit = victim.ID()
			for i := range v.Exhibits {
				v.Exhibits[i].Header.From = victim.ID()
			}
			return v
		}
		for i, attack := range []struct {
			name     string
			evidence func(sid protocol.SID) *protocol.Evidence
			proven   p2p.PeerID
		}{
			{"nothing but words", func(protocol.SID) *protocol.Evidence { return nil }, ""},
			{"signatures of its own", func(sid protocol.SID) *protocol.Evidence { return forged(sid, r.Host) }, ""},
			{"the receiver's own fault", func(sid protocol.SID) *protocol.Evidence { return proof(a.Host, sid) }, ""},
			{"of another session", func(protocol.SID) *protocol.Evidence { return proof(victim.Host, key.SID()) }, ""},
			{"of somebody who is no member", func(sid protocol.SID) *protocol.Evidence { return proof(outsider.Host, sid) }, ""},
			{"genuine, and no proof", func(sid protocol.SID) *protocol.Evidence {
				v := proof(victim.Host, sid)
				v.Reason, v.Exhibits = protocol.ReasonProof, v.Exhibits[:1]
				return v
			}, ""},
			{"twice the same", func(sid protocol.SID) *protocol.Evidence {
				v := proof(victim.Host, sid)
				v.Exhibits[1] = v.Exhibits[0]
				return v
			}, ""},
			{"genuine", func(sid protocol.SID) *protocol.Evidence { return proof(victim.Host, sid) }, victim.ID()},
		} {
			spec := c.coord.sign(key, digest(i), c.peers(0, 1, 3))
			f := r.abort(spec, a.ID(), protocol.Failure{
				Code: protocol.CodeProtocol, Detail: "it was the other one", Reason: protocol.ReasonContradiction,
				Culprits: []p2p.PeerID{victim.ID(), a.ID()}, Evidence: attack.evidence(spec.SID()),
			})
			files, list := a.kept(t)
			switch {
			case f.Code != protocol.CodeProtocol:
				t.Errorf("%s: the failure's code is %q", attack.name, f.Code)
			case attack.proven != "":
				checkProof(t, f, spec, attack.proven)
				if f.GaveUp != "" {
					t.Errorf("%s: %s is said to have given up, and it had a proof", attack.name, f.GaveUp)
				}
				if len(files) != 1 || len(list) != 1 || list[0].Peer != attack.proven || list[0].Proven != 1 || files[0].Evidence.By != r.ID() {
					t.Errorf("%s: kept %+v and %+v", attack.name, files, list)
				}
			case len(f.Culprits) > 0 || f.Evidence != nil || f.Reason != "" || f.GaveUp != r.ID() || len(files) > 0 || len(list) > 0:
				t.Errorf("%s: told %+v, kept %+v and %+v", attack.name, f, files, list)
			}
		}
	})
}

// A member's own code is not the code of those who hear it: it would accuse them.
func TestAnAbortsCodeIsNobodyElses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 4, remembering(t))
		key, _ := c.key(protocol.EdDSA, 3)
		r := c.parties[3].turn(key)
		for i, code := range []protocol.Code{
			protocol.CodeStorage, protocol.CodeInternal, protocol.CodeCrashed, protocol.CodeDraining, protocol.CodeDisagreement, protocol.CodeCancelled, protocol.CodeTimeout,
		} {
			spec := c.coord.sign(key, digest(i), c.peers(0, 1, 3))
			f := r.abort(spec, c.peers(0)[0], protocol.Failure{Code: code, Detail: "so it says"})
			if f.Code != protocol.CodeProtocol || f.Reason != "" || len(f.Culprits) > 0 || f.GaveUp != r.ID() {
				t.Errorf("%s: who has heard it says %+v", code, f)
			}
			if !strings.Contains(f.Detail, string(code)) || !strings.Contains(f.Detail, "so it says") || !strings.Contains(f.Detail, r.ID()) {
				t.Errorf("%s: the detail is %q", code, f.Detail)
			}
		}
	})
}

// A disk that takes nothing changes nothing else: the culprit is named, and the
// node goes on.
func TestConductThatCannotBeKeptChangesNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blocked := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(blocked, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		for name, dir := range map[string]string{"a folder that cannot be made": filepath.Join(blocked, "x"), "no folder": ""} {
			c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 4, func(cfg *Config) { cfg.DataDir = dir })
			key, cert := c.key(protocol.EdDSA, 3)
			r := c.parties[3].turn(key)
			for i := range QuarantineAfter + 1 {
				spec := c.coord.sign(key, digest(i), c.peers(0, 1, 3))
				for _, f := range r.twoFaced(spec, c.peers(0)[0], c.peers(1)[0]) {
					checkProof(t, f, spec, r.ID())
				}
			}
			spec := c.coord.sign(key, digest(9), c.peers(0, 1, 2))
			checkSignatures(t, spec, cert, c.coord.run(spec))
			t.Log(name)
		}
	})
}
