package coordinator

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
)

// blamed makes all parties but one prove that this one broke the protocol.
func (cl *cluster) blamed(culprit *party) {
	for _, p := range cl.net.order {
		p.set(script{blame: proves(culprit, func(sid protocol.SID) *protocol.Evidence { return contradicts(culprit, p.ID(), sid) })})
	}
	culprit.set(script{blame: accuses(culprit)})
}

// TestCulpritOfAKeygenIsReplaced if the coordinator chose it.
func TestCulpritOfAKeygenIsReplaced(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3", "p4")
	culprit := cl.net.party("p2")
	cl.blamed(culprit)
	hard := 0
	for range 12 {
		a := cl.account(`{"user_id":"u"}`)
		checkCertificate(t, a)
		if slices.Contains(partyNames(a.Parties), "p2") {
			t.Errorf("the culprit holds a share: %v", partyNames(a.Parties))
		}
		if s := cl.session(a.KeygenSessionID); s.Attempt > 1 {
			hard++
			if s.Attempt != 2 || len(s.Blame) == 0 {
				t.Errorf("session %+v", s)
			}
		}
	}
	if hard == 0 {
		t.Error("the culprit was never chosen")
	}
}

// TestNamedCulpritOfAKeygen is not replaced, and the answer says what it did.
func TestNamedCulpritOfAKeygen(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3", "p4")
	culprit := cl.net.party("p2")
	cl.blamed(culprit)
	p := problem(t, cl.post(accountsPath, `{"user_id":"u","parties":["p1","p2","p3"]}`), http.StatusBadGateway, "ceremony_failed")
	if len(p.Parties) != 1 || p.Parties[0].PeerID != culprit.ID() || p.Parties[0].Reason != "contradiction" || !strings.Contains(p.Parties[0].Detail, "signed two messages") {
		t.Errorf("problem %+v", p)
	}
	if s := cl.session(p.SessionID); s.Status != "failed" || s.Attempt != 1 || len(s.Error.Parties) != 1 || s.Error.Parties[0].Reason != "contradiction" {
		t.Errorf("session %+v, error %+v", s, s.Error)
	}
}

// TestAccuserInAKeygen: with enough others, neither side of an accusation takes
// part in the next attempt.
func TestAccuserInAKeygen(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3", "p4", "p5")
	liar := cl.net.party("p5")
	liar.set(script{blame: accuses(liar)})
	for range 6 {
		a := cl.account(`{"user_id":"u"}`)
		if s := cl.session(a.KeygenSessionID); s.Attempt > 2 || slices.Contains(partyNames(a.Parties), "p5") {
			t.Errorf("session %+v", s)
		}
	}
}

// TestMemberLostWhileSharesAreSaved: the others hold shares already, so the
// keygen waits for it and tries with the same parties.
func TestMemberLostWhileSharesAreSaved(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3", "p4")
	var lost *party
	for _, p := range cl.net.order {
		p.set(script{saves: true, mute: true})
	}
	s := as[rest.Session](t, cl.do(call{method: "POST", path: accountsPath, body: `{"user_id":"u"}`, header: async}), http.StatusAccepted)
	until(t, "shares are saved", func() bool { return strings.Contains(phases(cl.session(s.ID)), "confirm") })
	first := cl.session(s.ID).Parties
	lost = cl.net.at(first[0].PeerID)
	lost.set(script{dead: true})
	until(t, "it is missed", func() bool { return slices.Contains(eventTypes(cl.events(s.ID)), "party.lost") })
	for _, p := range cl.net.order {
		p.set(script{})
	}
	end := cl.ended(s.ID)
	if end.Status != "completed" || end.Attempt != 2 {
		t.Fatalf("session %+v, error %+v", end, end.Error)
	}
	for i, p := range end.Parties {
		if p.PeerID != first[i].PeerID {
			t.Errorf("%s takes part in place of %s", p.Name, first[i].Name)
		}
	}
}

// TestMemberLostAndBackWithItsShare: the members complete the first attempt
// among themselves, and its records are taken.
func TestMemberLostAndBackWithItsShare(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	for _, p := range cl.net.order {
		p.set(script{saves: true, hold: true})
	}
	s := as[rest.Session](t, cl.do(call{method: "POST", path: accountsPath, body: `{"user_id":"u"}`, header: async}), http.StatusAccepted)
	until(t, "shares are saved", func() bool { return strings.Contains(phases(cl.session(s.ID)), "confirm") })
	lost := cl.net.party("p2")
	lost.set(script{dead: true})
	until(t, "it is missed", func() bool { return slices.Contains(eventTypes(cl.events(s.ID)), "party.lost") })
	for _, p := range cl.net.order {
		p.set(script{})
	}
	end := cl.ended(s.ID)
	if end.Status != "completed" || end.Attempt != 1 {
		t.Fatalf("session %+v, error %+v", end, end.Error)
	}
}

// TestMemberLostForGoodWhileSharesAreSaved: no other party is asked to take its
// place, for the others could not accept that.
func TestMemberLostForGoodWhileSharesAreSaved(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3", "p4")
	for _, p := range cl.net.order {
		p.set(script{saves: true, mute: true})
	}
	s := as[rest.Session](t, cl.do(call{method: "POST", path: accountsPath, body: `{"user_id":"u"}`, header: async}), http.StatusAccepted)
	until(t, "shares are saved", func() bool { return strings.Contains(phases(cl.session(s.ID)), "confirm") })
	lost := cl.session(s.ID).Parties[0]
	cl.net.at(lost.PeerID).set(script{dead: true})
	end := cl.ended(s.ID)
	if end.Status != "failed" || end.Attempt != 1 || end.Error.Code != "too_few_parties" || !strings.Contains(end.Error.Detail, lost.Name) {
		t.Errorf("session %+v, error %+v", end, end.Error)
	}
}

func phases(s rest.Session) (all string) {
	for _, p := range s.Parties {
		all += " " + p.Phase
	}
	return all
}
