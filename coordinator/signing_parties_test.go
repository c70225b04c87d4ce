package coordinator

import (
	"net/http"
	"slices"
	"testing"

	"github.com/meshmpc/mpcd/coordinator/rest"
)

func signersPath(account string) string { return accountsPath + "/" + account + "/signing-parties" }

func (cl *cluster) fix(account, body string) answer {
	cl.t.Helper()
	return cl.do(call{method: "PUT", path: signersPath(account), body: body})
}

// signedBy signs and returns the names of who did.
func (cl *cluster) signedBy(account string) (names []string) {
	cl.t.Helper()
	res := as[rest.SignResult](cl.t, cl.post(signPath(account), `{"message":"`+digest+`"}`), http.StatusOK)
	for _, p := range cl.session(res.SessionID).Parties {
		names = append(names, p.Name)
	}
	return names
}

func TestSigningPartiesAreUsedByLaterSessions(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3", "p4")
	a := cl.account(`{"user_id":"u","threshold":{"t":2,"n":4}}`)
	free := as[rest.SigningPartyList](t, cl.get(signersPath(a.ID)), http.StatusOK)
	if free.Fixed || len(free.Parties) != 4 {
		t.Errorf("parties %+v", free)
	}
	fixed := as[rest.SigningPartyList](t, cl.fix(a.ID, `{"parties":["p4","`+cl.net.party("p2").ID()+`"]}`), http.StatusOK)
	if !fixed.Fixed || !slices.Equal(partyNames(fixed.Parties), []string{"p2", "p4"}) { // as in the roster
		t.Errorf("parties %+v", fixed)
	}
	for range 5 {
		if names := cl.signedBy(a.ID); !slices.Equal(names, []string{"p2", "p4"}) {
			t.Fatalf("signed by %v", names)
		}
	}
	cl.restart()
	cl.waitParties(4)
	if shown := as[rest.Account](t, cl.get(accountsPath+"/"+a.ID), http.StatusOK); !slices.Equal(partyNames(shown.SigningParties), []string{"p2", "p4"}) {
		t.Errorf("account %+v", shown.SigningParties)
	}
	cl.net.party("p2").set(script{dead: true})
	problem(t, cl.post(signPath(a.ID), `{"message":"`+digest+`"}`), http.StatusServiceUnavailable, "too_few_parties") // no other steps in
	cleared := as[rest.SigningPartyList](t, cl.do(call{method: "DELETE", path: signersPath(a.ID)}), http.StatusOK)
	if cleared.Fixed || len(cleared.Parties) != 4 {
		t.Errorf("parties %+v", cleared)
	}
	if names := cl.signedBy(a.ID); slices.Contains(names, "p2") {
		t.Errorf("signed by %v", names)
	}
}

func TestBadSigningParties(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3", "p4")
	a := cl.account(`{"user_id":"u","threshold":{"t":3,"n":3},"parties":["p1","p2","p3"]}`)
	for _, body := range []string{
		`{"parties":["p1","p2"]}`,           // fewer than t
		`{"parties":["p1","p2","p2"]}`,      // twice
		`{"parties":["p1","p2","p4"]}`,      // no member
		`{"parties":["p1","p2","nothing"]}`, // nobody
	} {
		problem(t, cl.fix(a.ID, body), http.StatusUnprocessableEntity, "invalid_parties")
	}
	for body, status := range map[string]int{
		`{"parties":[]}`: 422, `{"parties":["p1"]}`: 422, `{}`: 422, `{"parties":"p1"}`: 422, `{"parties":["p1","p2","p3"],"x":1}`: 422, `{"parties":`: 400, ``: 400,
	} {
		if got := cl.fix(a.ID, body); got.status != status {
			t.Errorf("%s: %d %s", body, got.status, got.body)
		}
	}
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		problem(t, cl.do(call{method: method, path: signersPath("nobody"), body: map[string]string{"PUT": `{"parties":["p1","p2"]}`}[method]}), http.StatusNotFound, "account_not_found")
	}
	cl.net.all(script{mute: true})
	s := as[rest.Session](t, cl.do(call{method: "POST", path: accountsPath, body: `{"user_id":"u"}`, header: async}), http.StatusAccepted)
	problem(t, cl.fix(s.AccountID, `{"parties":["p1","p2"]}`), http.StatusConflict, "account_not_active")
	problem(t, cl.do(call{method: "DELETE", path: signersPath(s.AccountID)}), http.StatusConflict, "account_not_active")
}

// TestSigningPartiesConflicts: fixed parties and what a request brings have to
// go together.
func TestSigningPartiesConflicts(t *testing.T) {
	t.Parallel()
	cl := newJoinable(t, "p1", "p2", "p3")
	a, secret := cl.hybrid()
	delegate := cl.delegateOf(a)
	var own []string
	for _, p := range a.Parties {
		if p.Role == "persistent" {
			own = append(own, p.Name)
		}
	}
	withShare := encode(rest.SignBody{Message: digest, UserShare: sealFor(t, a, secret, digest)})
	as[rest.SigningPartyList](t, cl.fix(a.ID, encode(rest.SigningParties{Parties: own})), http.StatusOK)
	problem(t, cl.post(signPath(a.ID), withShare), http.StatusConflict, "signing_parties_conflict")
	as[rest.SigningPartyList](t, cl.fix(a.ID, encode(rest.SigningParties{Parties: []string{own[0], delegate.name}})), http.StatusOK)
	problem(t, cl.post(signPath(a.ID), `{"message":"`+digest+`"}`), http.StatusConflict, "user_share_needed")
	res := as[rest.SignResult](t, cl.post(signPath(a.ID), withShare), http.StatusOK)
	if names := cl.session(res.SessionID).Parties; len(names) != 2 || !slices.ContainsFunc(names, func(p rest.SessionParty) bool { return p.Name == own[0] }) {
		t.Errorf("signed by %+v", names)
	}

	phone := cl.net.device("phone")
	co := cl.coManaged(phone)
	as[rest.SigningPartyList](t, cl.fix(co.ID, `{"parties":["`+phone.ID()+`","`+co.Parties[0].PeerID+`"]}`), http.StatusOK)
	if phone.ID() == co.Parties[0].PeerID {
		t.Fatalf("the device is first in %+v", co.Parties)
	}
	problem(t, cl.post(signPath(co.ID), `{"message":"`+digest+`"}`), http.StatusConflict, "external_parties_needed")
	problem(t, cl.post(sessionsPath, `{"kind":"sign","account_id":"`+co.ID+`","message":"`+digest+`","external_parties":2}`), http.StatusConflict, "signing_parties_conflict")
	s, codes := cl.invite(`{"kind":"sign","account_id":"` + co.ID + `","message":"` + digest + `"}`)
	cl.joined(phone, s.ID, codes[0])
	if s = cl.ended(s.ID); s.Status != "completed" {
		t.Errorf("session %+v", s)
	}
}
