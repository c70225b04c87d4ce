package coordinator

import (
	"net/http"
	"slices"
	"testing"

	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
)

func cancelPath(session string) string { return sessionsPath + "/" + session + "/cancel" }

// cancelled cancels a session and checks what is left of it.
func (cl *cluster) cancelled(id string) rest.Session {
	cl.t.Helper()
	s := as[rest.Session](cl.t, cl.post(cancelPath(id), ""), http.StatusOK)
	if s.Status != "cancelled" || s.FinishedAt == nil || s.Error == nil || s.Error.Code != "session_cancelled" || s.WaitingFor != "" {
		cl.t.Errorf("session %+v, error %+v", s, s.Error)
	}
	events := cl.events(id)
	last := events[len(events)-1]
	if last.Type != "session.cancelled" || last.Actor == nil || last.Actor.Key == "" {
		cl.t.Errorf("the last event is %+v", last)
	}
	return s
}

func TestCancelledSigningStopsItsParties(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	a := cl.account(`{"user_id":"u"}`)
	cl.net.all(script{mute: true})
	caller := make(chan answer, 1)
	go func() { caller <- cl.post(signPath(a.ID), `{"message":"`+digest+`"}`) }()
	running := func() []rest.Session {
		return as[rest.SessionList](t, cl.get(sessionsPath+"?kind=sign&status=running"), http.StatusOK).Sessions
	}
	until(t, "the session runs", func() bool { s := running(); return len(s) == 1 && states(s[0])["running"] == 2 })
	s := cl.cancelled(running()[0].ID)
	p := problem(t, <-caller, http.StatusConflict, "session_cancelled")
	if p.SessionID != s.ID {
		t.Errorf("the caller hears of session %q", p.SessionID)
	}
	for _, member := range s.Parties {
		until(t, member.Name+" is told to stop", func() bool { return cl.net.at(member.PeerID).wasStopped() == 1 })
	}
	as[rest.Session](t, cl.post(cancelPath(s.ID), ""), http.StatusOK) // once more is fine
	cl.net.all(script{})
	as[rest.SignResult](t, cl.post(signPath(a.ID), `{"message":"`+digest+`"}`), http.StatusOK)
}

func TestCancelledKeygenLeavesNoKey(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	cl.net.party("p3").set(script{hold: true}) // the others have delivered
	s := as[rest.Session](t, cl.do(call{method: "POST", path: accountsPath, body: `{"user_id":"u"}`, header: async}), http.StatusAccepted)
	until(t, "two have delivered", func() bool { return states(cl.session(s.ID))["finished"] == 2 })
	cl.cancelled(s.ID)
	a := as[rest.Account](t, cl.get(accountsPath+"/"+s.AccountID), http.StatusOK)
	if a.Status != "failed" || a.PublicKey != "" || a.Error == nil || a.Error.Code != "session_cancelled" {
		t.Errorf("account %+v", a)
	}
	problem(t, cl.post(signPath(a.ID), `{"message":"`+digest+`"}`), http.StatusConflict, "account_not_active")
	cl.net.party("p3").set(script{}) // its outcome comes too late
	until(t, "it is acknowledged", func() bool { return cl.net.party("p3").waiting() == 0 })
	if a := as[rest.Account](t, cl.get(accountsPath+"/"+s.AccountID), http.StatusOK); a.Status != "failed" {
		t.Errorf("account %+v", a)
	}
}

func TestWaitingSessionsAreCancelled(t *testing.T) {
	t.Parallel()
	cl := newJoinable(t, "p1", "p2", "p3")
	ann := newApprover(t)
	fixed := cl.account(`{"user_id":"u","approvers":` + approversOf(1, ann) + `}`)
	sign := as[rest.Session](t, cl.post(signPath(fixed.ID), `{"message":"`+digest+`"}`), http.StatusAccepted)
	slot := as[rest.Session](t, cl.post(sessionsPath, `{"kind":"keygen","user_id":"u","open_user_slot":true}`), http.StatusCreated)
	devices, codes := cl.invite(`{"kind":"co_managed_keygen","user_id":"u","server_parties":1,"external_parties":1}`)
	for _, s := range []rest.Session{sign, slot, devices} {
		cl.cancelled(s.ID)
	}
	problem(t, cl.join(cl.net.device("phone"), devices.ID, codes[0]), http.StatusGone, "invite_spent")
	problem(t, cl.post(generatePath, `{"session_id":"`+slot.ID+`"}`), http.StatusConflict, "session_cancelled")
	problem(t, cl.post(sessionsPath+"/"+sign.ID+"/approvals", encode(rest.Approvals{Approvals: []string{ann.approve(cl, sign.ID)}})), http.StatusConflict, "session_finished")
	if n := cl.net.count(func(f *protocol.Frame) bool {
		return f.Propose != nil && slices.Contains([]string{sign.ID, slot.ID, devices.ID}, f.Propose.Spec.Session)
	}); n != 0 {
		t.Errorf("%d proposals for sessions that never began", n)
	}
}

func TestCancellingWhatHasEnded(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	a := cl.account(`{"user_id":"u"}`)
	p := problem(t, cl.post(cancelPath(a.KeygenSessionID), ""), http.StatusConflict, "session_finished")
	if p.SessionID != a.KeygenSessionID {
		t.Errorf("problem %+v", p)
	}
	problem(t, cl.post(cancelPath("none"), ""), http.StatusNotFound, "session_not_found")
}

// TestCancellingRacesWithTheEnd: whichever wins, the session and what callers
// hear agree.
func TestCancellingRacesWithTheEnd(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	a := cl.account(`{"user_id":"u","scheme":"eddsa-ed25519"}`)
	outcomes := make(map[int]int)
	for range 30 {
		s := as[rest.Session](t, cl.do(call{method: "POST", path: signPath(a.ID), body: `{"message":"00"}`, header: async}), http.StatusAccepted)
		got := cl.post(cancelPath(s.ID), "")
		outcomes[got.status]++
		want := map[int]string{http.StatusOK: "cancelled", http.StatusConflict: "completed"}[got.status]
		if s = cl.session(s.ID); s.Status != want || (s.Signature != nil) != (want == "completed") {
			t.Fatalf("status %d of the call, session %+v", got.status, s)
		}
	}
	t.Logf("outcomes by status: %v", outcomes)
}
