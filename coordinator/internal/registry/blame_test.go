package registry

import (
	"fmt"
	"slices"
	"testing"

	"github.com/meshmpc/mpcd/protocol"
)

// TestBlamesAreBounded: who blames often fills the list, but not for proofs.
func TestBlamesAreBounded(t *testing.T) {
	s := &Session{}
	for n := range 3 * maxBlamed {
		blames := []Blame{{Party: "victim", Reason: protocol.ReasonProof}, {Party: "victim", Reason: protocol.ReasonProof}}
		s.foldBlames(&Event{Party: "liar", SID: fmt.Sprint(n), Blames: blames})
		s.foldBlames(&Event{Party: "liar", SID: fmt.Sprint(n), Blames: blames}) // once more
	}
	if len(s.Blames) != maxBlamed || s.Blames[maxBlamed-1].SID != fmt.Sprint(maxBlamed-1) {
		t.Fatalf("%d blames", len(s.Blames))
	}
	s.foldBlames(&Event{Party: "witness", SID: "0", Blames: []Blame{{Party: "liar", Reason: protocol.ReasonContradiction, Proven: true}}})
	s.foldBlames(&Event{Party: "liar", SID: "1", Seq: 9, Blames: []Blame{{Party: "victim", Reason: protocol.ReasonContradiction, Proven: true}}})
	if len(s.Blames) != maxBlamed || !s.Blames[0].Proven || s.Blames[0].By != "witness" || !s.Blames[1].Proven || s.Blames[1].Seq != 9 || s.Blames[2].Proven {
		t.Errorf("blames %+v", s.Blames[:3])
	}
}

// TestFinishedStaysFinished: what a member says after its record changes nothing.
func TestFinishedStaysFinished(t *testing.T) {
	s := &Session{SID: "s", Members: []Member{{Party: Party{Peer: "p"}}}}
	s.foldMember(&Event{Type: PartyFinished, SID: "s", Party: "p"})
	s.foldMember(&Event{Type: OutcomeLate, SID: "s", Party: "p", Code: "protocol_failure"})
	s.foldMember(&Event{Type: PartyFailed, SID: "s", Party: "p", Code: "timeout"})
	if m := s.Members[0]; m.State != StateFinished {
		t.Errorf("member %+v", m)
	}
}

// TestASignatureFinishesItsMembers, but for those that failed.
func TestASignatureFinishesItsMembers(t *testing.T) {
	for kind, want := range map[protocol.Kind][]string{
		protocol.KindSign:   {StateFinished, StateFailed},
		protocol.KindKeygen: {StateInvited, StateFailed},
	} {
		s := &Session{NewSession: NewSession{Kind: kind}, SID: "s", Members: []Member{{Party: Party{Peer: "p"}, State: StateInvited}, {Party: Party{Peer: "q"}}}}
		s.fold(&Event{Type: OutcomeRejected, SID: "s", Party: "q", Code: CodeBadSignature})
		s.fold(&Event{Type: SessionCompleted, SID: "s", Party: "p"})
		if got := []string{s.Members[0].State, s.Members[1].State}; !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", kind, got, want)
		}
	}
}
