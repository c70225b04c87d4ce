package coordinator

import (
	"encoding/base64"
	"net/http"
	"reflect"
	"slices"
	"strings"
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

// TestBlame shows blame in each place where the API has it, also after a restart.
func TestBlame(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2")
	a := cl.account(`{"user_id":"u","threshold":{"t":2,"n":2}}`)
	p1, culprit := cl.net.party("p1"), cl.net.party("p2")
	p1.set(script{blame: proves(culprit, func(sid protocol.SID) *protocol.Evidence { return contradicts(culprit, p1.ID(), sid) })})
	culprit.set(script{mute: true})
	p := problem(t, cl.post(signPath(a.ID), `{"message":"`+digest+`"}`), http.StatusBadGateway, "ceremony_failed")
	if len(p.Parties) != 1 || p.Parties[0].PeerID != culprit.ID() || p.Parties[0].Reason != "contradiction" || !strings.Contains(p.Detail, "p2 broke the protocol") {
		t.Errorf("problem %+v", p)
	}
	before := cl.session(p.SessionID)
	if len(before.Blame) != 1 || before.Attempt != 1 || before.Error.Parties[0].Reason != "contradiction" {
		t.Fatalf("session %+v, error %+v", before, before.Error)
	}
	b := before.Blame[0]
	if b.Party.Name != "p2" || b.By.Name != "p1" || b.Reason != "contradiction" || b.Detail != "two different messages" || b.Attempt != 1 || !b.Proven {
		t.Errorf("blame %+v", b)
	}
	checkEvidence(t, b)
	if !slices.ContainsFunc(cl.events(before.ID), func(e rest.Event) bool {
		return e.Type == "party.failed" && len(e.Blame) == 1 && reflect.DeepEqual(e.Blame[0], b) && e.Party.PeerID == p1.ID()
	}) {
		t.Errorf("no event blames anybody: %+v", cl.events(before.ID))
	}
	for _, s := range as[rest.SessionList](t, cl.get(sessionsPath+"?kind=sign"), http.StatusOK).Sessions {
		if len(s.Blame) != 1 || s.Blame[0].Evidence != "" || s.Blame[0].Detail != "" || !s.Blame[0].Proven {
			t.Errorf("a list has %+v", s.Blame)
		}
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
