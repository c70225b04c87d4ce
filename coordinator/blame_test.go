package coordinator

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"testing"

	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/protocol"
)

// accuses blames members on a party's word alone; nobody: all others.
func accuses(by *party, whom ...*party) func(*protocol.Spec) *protocol.Failure {
	return func(s *protocol.Spec) *protocol.Failure {
		f := &protocol.Failure{Code: protocol.CodeProtocol, Reason: protocol.ReasonProof, Detail: "a bad proof"}
		for _, m := range s.Peers() {
			named := slices.ContainsFunc(whom, func(p *party) bool { return p.ID() == m })
			if m != by.ID() && (named || len(whom) == 0) {
				f.Culprits = append(f.Culprits, m)
			}
		}
		if len(f.Culprits) == 0 {
			return nil
		}
		return f
	}
}

// contradicts makes evidence that a party has signed two messages for one slot.
func contradicts(culprit *party, by protocol.PeerID, sid protocol.SID) *protocol.Evidence {
	v := &protocol.Evidence{Version: protocol.EvidenceVersion, Reason: protocol.ReasonContradiction, Culprit: culprit.ID(), By: by, SID: sid}
	for _, payload := range []string{"one", "two"} {
		e := protocol.Seal(culprit, protocol.Header{SID: sid, Type: protocol.TypeRound, Round: 1, Name: "R1", Seq: 2}, []byte(payload))
		v.Exhibits = append(v.Exhibits, protocol.Exhibit{Header: e.Header, Signature: e.Signature, Payload: e.Payload})
	}
	return v
}

// proves blames a member with evidence that a party has made.
func proves(culprit *party, evidence func(sid protocol.SID) *protocol.Evidence) func(*protocol.Spec) *protocol.Failure {
	return func(s *protocol.Spec) *protocol.Failure {
		if !slices.Contains(s.Peers(), culprit.ID()) {
			return nil
		}
		return &protocol.Failure{
			Code: protocol.CodeProtocol, Reason: protocol.ReasonContradiction, Detail: "two different messages",
			Culprits: []protocol.PeerID{culprit.ID()}, Evidence: evidence(s.SID()),
		}
	}
}

// signTimes signs several times, because parties are chosen at random, and
// returns the sessions that took more than one attempt.
func (cl *cluster) signTimes(n int, account string, attempts uint32) (hard []rest.Session) {
	cl.t.Helper()
	for range n {
		res := as[rest.SignResult](cl.t, cl.post(signPath(account), `{"message":"`+digest+`"}`), http.StatusOK)
		checkECDSA(cl.t, res)
		s := cl.session(res.SessionID)
		if s.Attempt > attempts {
			cl.t.Errorf("%d attempts, at most %d are needed: %+v", s.Attempt, attempts, s.Blame)
		}
		if s.Attempt > 1 {
			hard = append(hard, s)
		}
	}
	return hard
}

func takesPart(s rest.Session, p *party) bool {
	return slices.ContainsFunc(s.Parties, func(o rest.SessionParty) bool { return o.PeerID == p.ID() })
}

// TestAccuserOfEverybody: a party's word shuts nobody out, and ends no session.
func TestAccuserOfEverybody(t *testing.T) {
	t.Parallel()
	for n := 3; n <= 5; n++ {
		t.Run(fmt.Sprintf("%d-of-%d", n-1, n), func(t *testing.T) {
			t.Parallel()
			cl := newCluster(t, []string{"p1", "p2", "p3", "p4", "p5"}[:n]...)
			a := cl.account(fmt.Sprintf(`{"user_id":"u","threshold":{"t":%d,"n":%d}}`, n-1, n))
			liar := cl.net.party("p1")
			liar.set(script{blame: accuses(liar)})
			hard := cl.signTimes(12, a.ID, uint32(n))
			if len(hard) == 0 {
				t.Error("the accuser never took part")
			}
			for _, s := range hard {
				if takesPart(s, liar) {
					t.Errorf("the accuser is in attempt %d, which succeeded: %+v", s.Attempt, s.Parties)
				}
				for _, b := range s.Blame {
					if b.By.Name != "p1" || b.Proven || b.Reason != "invalid_proof" || b.Detail != "a bad proof" || b.Evidence != "" || b.SID == "" || b.Attempt == 0 {
						t.Errorf("blame %+v", b)
					}
				}
			}
		})
	}
}

// TestProvenCulpritIsLeftOut: whoever brings the evidence, and in one attempt.
func TestProvenCulpritIsLeftOut(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	a := cl.account(`{"user_id":"u"}`)
	culprit := cl.net.party("p3")
	for _, p := range cl.net.order[:2] {
		p.set(script{blame: proves(culprit, func(sid protocol.SID) *protocol.Evidence { return contradicts(culprit, p.ID(), sid) })})
	}
	culprit.set(script{blame: accuses(culprit)}) // a diversion
	hard := cl.signTimes(12, a.ID, 2)
	if len(hard) == 0 {
		t.Fatal("the culprit never took part")
	}
	for _, s := range hard {
		if takesPart(s, culprit) {
			t.Errorf("the culprit signs: %+v", s.Parties)
		}
		i := slices.IndexFunc(s.Blame, func(b rest.Blame) bool { return b.Proven })
		if i < 0 {
			t.Fatalf("nothing is proven: %+v", s.Blame)
		}
		b := s.Blame[i]
		if b.Party.Name != "p3" || b.Reason != "contradiction" || b.By.Name == "p3" {
			t.Errorf("blame %+v", b)
		}
		checkEvidence(t, b)
		if !slices.ContainsFunc(cl.events(s.ID), func(e rest.Event) bool {
			return e.Type == "party.failed" && len(e.Blame) == 1 && e.Blame[0].Evidence == b.Evidence && e.Blame[0].Proven && e.Party.PeerID == b.By.PeerID
		}) {
			t.Error("no event has the evidence")
		}
	}
	list := as[rest.SessionList](t, cl.get(sessionsPath+"?kind=sign"), http.StatusOK)
	for _, s := range list.Sessions {
		for _, b := range s.Blame {
			if b.Evidence != "" || b.Detail != "" {
				t.Errorf("a list has evidence: %+v", b)
			}
		}
	}
}

func checkEvidence(t *testing.T, b rest.Blame) {
	t.Helper()
	data, err := base64.StdEncoding.DecodeString(b.Evidence)
	if err != nil {
		t.Fatal(err)
	}
	var v protocol.Evidence
	if err := protocol.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	if f, err := v.Verify(p2p.Verify); err != nil || !f.Proven || f.Culprit != b.Party.PeerID || v.SID.String() != b.SID || len(v.Exhibits[0].Payload) > 0 {
		t.Errorf("evidence shows %+v, %v", f, err)
	}
}

// TestForgedEvidence: what a party makes up of another is its word and no more.
func TestForgedEvidence(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	a := cl.account(`{"user_id":"u"}`)
	liar, victims, stranger := cl.net.party("p1"), cl.net.order[1:], newIdentity(t)
	other := func(s *protocol.Spec) *party {
		i := slices.IndexFunc(victims, func(p *party) bool { return slices.Contains(s.Peers(), p.ID()) })
		return victims[i]
	}
	for name, forge := range map[string]func(victim *party, sid protocol.SID) *protocol.Evidence{
		"a signature of its own": func(victim *party, sid protocol.SID) *protocol.Evidence {
			v := contradicts(liar, liar.ID(), sid)
			v.Culprit = victim.ID()
			for i := range v.Exhibits {
				v.Exhibits[i].Header.From = victim.ID()
			}
			return v
		},
		"of another attempt": func(victim *party, sid protocol.SID) *protocol.Evidence {
			sid[0] ^= 1
			return contradicts(victim, liar.ID(), sid)
		},
		"no contradiction": func(victim *party, sid protocol.SID) *protocol.Evidence {
			v := contradicts(victim, liar.ID(), sid)
			v.Exhibits[1] = v.Exhibits[0]
			return v
		},
		"one message": func(victim *party, sid protocol.SID) *protocol.Evidence {
			v := contradicts(victim, liar.ID(), sid)
			v.Reason, v.Exhibits = "made_up", v.Exhibits[:1]
			return v
		},
		"against a stranger": func(_ *party, sid protocol.SID) *protocol.Evidence {
			return contradicts(&party{identity: stranger}, liar.ID(), sid)
		},
		"against itself": func(_ *party, sid protocol.SID) *protocol.Evidence { return contradicts(liar, liar.ID(), sid) },
	} {
		t.Run(name, func(t *testing.T) {
			liar.set(script{blame: func(s *protocol.Spec) *protocol.Failure {
				victim := other(s)
				f := proves(victim, func(sid protocol.SID) *protocol.Evidence { return forge(victim, sid) })(s)
				f.Reason = "made_up"
				return f
			}})
			hard := cl.signTimes(6, a.ID, 3)
			for _, s := range hard {
				for _, b := range s.Blame {
					if b.Proven || b.By.Name != "p1" || b.Reason != "unknown_reason" {
						t.Errorf("blame %+v", b)
					}
				}
			}
		})
	}
}

// TestTwoAccusersOfOne: who is named by several is left out before they are.
func TestTwoAccusersOfOne(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3", "p4", "p5")
	a := cl.account(`{"user_id":"u","threshold":{"t":4,"n":5}}`)
	culprit := cl.net.party("p3")
	for _, p := range cl.net.order {
		if p != culprit {
			p.set(script{blame: accuses(p, culprit)})
		}
	}
	for _, s := range cl.signTimes(8, a.ID, 2) {
		if takesPart(s, culprit) || len(s.Blame) != 3 {
			t.Errorf("parties %+v, blame %+v", s.Parties, s.Blame)
		}
	}
}

// TestQuarantine: a party that refuses because of another is kept apart from it.
func TestQuarantine(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	a := cl.account(`{"user_id":"u"}`)
	p1, p2 := cl.net.party("p1"), cl.net.party("p2")
	p1.set(script{avoid: []protocol.PeerID{p2.ID()}})
	for _, s := range cl.signTimes(10, a.ID, 2) {
		if b := s.Blame; len(b) != 1 || b[0].Reason != "quarantined" || b[0].Party.Name != "p2" || b[0].By.Name != "p1" {
			t.Errorf("blame %+v", b)
		}
	}
	p1.set(script{avoid: []protocol.PeerID{p2.ID(), cl.net.party("p3").ID()}})
	cl.signTimes(10, a.ID, 3)
}

// TestQuarantineOfAll: nobody is left to sign with.
func TestQuarantineOfAll(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2")
	a := cl.account(`{"user_id":"u","threshold":{"t":2,"n":2}}`)
	p2 := cl.net.party("p2")
	cl.net.party("p1").set(script{avoid: []protocol.PeerID{p2.ID()}})
	p := problem(t, cl.post(signPath(a.ID), `{"message":"`+digest+`"}`), http.StatusBadGateway, "party_refused")
	if len(p.Parties) != 2 || p.Parties[0].Code != "quarantined" || p.Parties[1].Reason != "quarantined" || p.Parties[1].PeerID != p2.ID() {
		t.Errorf("problem %+v", p)
	}
}

// TestCrashedPartyIsNotToBlame: its process was started again.
func TestCrashedPartyIsNotToBlame(t *testing.T) {
	t.Parallel()
	crash := &protocol.Failure{Code: protocol.CodeCrashed, Detail: "its process ended unexpectedly"}
	cl := newCluster(t, "p1", "p2")
	a := cl.account(`{"user_id":"u","threshold":{"t":2,"n":2}}`)
	first := make(map[string]protocol.SID)
	p2 := cl.net.party("p2")
	p2.set(script{blame: func(s *protocol.Spec) *protocol.Failure {
		p2.mu.Lock()
		defer p2.mu.Unlock()
		if first[s.Session] == (protocol.SID{}) {
			first[s.Session] = s.SID()
		}
		if first[s.Session] == s.SID() {
			return crash
		}
		return nil
	}})
	if hard := cl.signTimes(1, a.ID, 2); len(hard) != 1 || len(hard[0].Blame) != 0 {
		t.Errorf("sessions %+v", hard)
	}
	p2.set(script{fail: crash})
	p := problem(t, cl.post(signPath(a.ID), `{"message":"`+digest+`"}`), http.StatusBadGateway, "ceremony_failed")
	if len(p.Parties) != 1 || p.Parties[0].PeerID != p2.ID() || p.Parties[0].Code != "party_crashed" {
		t.Errorf("problem %+v", p)
	}
}

// TestBlameOutlivesARestart: in the log, in the state, and in what a session has
// learned that was in its first attempt.
func TestBlameOutlivesARestart(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2")
	a := cl.account(`{"user_id":"u","threshold":{"t":2,"n":2}}`)
	p1, culprit := cl.net.party("p1"), cl.net.party("p2")
	p1.set(script{blame: proves(culprit, func(sid protocol.SID) *protocol.Evidence { return contradicts(culprit, p1.ID(), sid) })})
	p := problem(t, cl.post(signPath(a.ID), `{"message":"`+digest+`"}`), http.StatusBadGateway, "ceremony_failed")
	before := cl.session(p.SessionID)
	if len(before.Blame) != 1 || before.Attempt != 1 || len(p.Parties) != 1 || p.Parties[0].Reason != "contradiction" {
		t.Fatalf("session %+v, problem %+v", before, p)
	}
	live := cl.c.registry
	cl.restart()
	if !reflect.DeepEqual(live.Snapshot(), cl.c.registry.Snapshot()) {
		t.Errorf("live:\n%+v\nreplayed:\n%+v", live.Snapshot(), cl.c.registry.Snapshot())
	}
	if after := cl.session(p.SessionID); !reflect.DeepEqual(after.Blame, before.Blame) || !reflect.DeepEqual(after.Error, before.Error) {
		t.Errorf("before %+v, after %+v", before.Blame, after.Blame)
	}
}

// TestLargeEvidence: what is too large for the log proves all the same.
func TestLargeEvidence(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	a := cl.account(`{"user_id":"u"}`)
	culprit := cl.net.party("p3")
	for _, p := range cl.net.order[:2] {
		p.set(script{blame: proves(culprit, func(sid protocol.SID) *protocol.Evidence {
			e := protocol.Seal(culprit, protocol.Header{SID: sid, Type: protocol.TypeDigest, Round: 3, Name: "3", Seq: 9}, make([]byte, 100<<10))
			return &protocol.Evidence{
				Version: protocol.EvidenceVersion, Reason: protocol.ReasonFalseDigest, Culprit: culprit.ID(), By: p.ID(), SID: sid,
				Exhibits: []protocol.Exhibit{{Header: e.Header, Signature: e.Signature, Payload: e.Payload}},
			}
		})})
	}
	hard := cl.signTimes(8, a.ID, 2)
	for _, s := range hard {
		if len(s.Blame) != 1 || !s.Blame[0].Proven || s.Blame[0].Evidence != "" || takesPart(s, culprit) {
			t.Errorf("parties %+v, blame %+v", s.Parties, s.Blame)
		}
	}
	if len(hard) == 0 {
		t.Error("the culprit never took part")
	}
}
