package coordinator

import (
	"net/http"
	"testing"

	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
)

// TestRestartInEachWaitingState stops a coordinator while sessions wait for each
// of the things that a session may wait for, and lets them go on afterwards.
func TestRestartInEachWaitingState(t *testing.T) {
	t.Parallel()
	cl := newJoinable(t, "p1", "p2", "p3")
	ann, ben := newApprover(t), newApprover(t)
	phone, tablet := cl.net.device("phone"), cl.net.device("tablet")
	a := cl.account(`{"user_id":"u","approvers":` + approversOf(2, ann, ben) + `}`)
	approvals := as[rest.Session](t, cl.post(signPath(a.ID), `{"message":"`+digest+`"}`), http.StatusAccepted)
	approve := func(who approver) {
		t.Helper()
		as[rest.Session](t, cl.post(approvePath(approvals.ID), encode(rest.Approvals{Approvals: []string{who.approve(cl, approvals.ID)}})), http.StatusOK)
	}
	approve(ann)
	slot := as[rest.Session](t, cl.post(sessionsPath, `{"kind":"keygen","user_id":"u","open_user_slot":true}`), http.StatusCreated)
	devices, codes := cl.invite(`{"kind":"co_managed_keygen","user_id":"u","server_parties":1,"external_parties":2}`)
	token := map[string]string{"Authorization": "Bearer " + cl.joined(phone, devices.ID, codes[0]).JoinToken}

	cl.restart()
	cl.waitParties(3)
	for id, waiting := range map[string]string{approvals.ID: "approvals", slot.ID: "user", devices.ID: "external_parties"} {
		if s := cl.session(id); s.Status != "created" || s.WaitingFor != waiting {
			t.Errorf("session after the restart: %+v", s)
		}
	}
	as[rest.Session](t, cl.do(call{method: "GET", path: sessionsPath + "/" + devices.ID, header: token, noKey: true}), http.StatusOK)
	cl.joined(phone, devices.ID, codes[0]) // again: its answer may have been lost with the coordinator
	cl.joined(tablet, devices.ID, codes[1])
	approve(ben)
	as[rest.UserShare](t, cl.post(generatePath, `{"session_id":"`+slot.ID+`"}`), http.StatusOK)
	for _, id := range []string{approvals.ID, slot.ID, devices.ID} {
		if s := cl.ended(id); s.Status != "completed" || s.Attempt != 1 {
			t.Errorf("session %+v, error %+v", s, s.Error)
		}
	}

	cl.restart()
	cl.waitParties(3)
	for _, id := range []string{approvals.ID, slot.ID, devices.ID} {
		if s := cl.session(id); s.Status != "completed" {
			t.Errorf("session after the second restart: %+v", s)
		}
	}
	if share := as[rest.UserShare](t, cl.post(generatePath, `{"session_id":"`+slot.ID+`"}`), http.StatusOK); share.Share == "" {
		t.Errorf("share %+v", share)
	}
}

// TestRestartLosesTheUsersShare: a signing with the user's share that a restart
// interrupts before its parties are done asks for the share again, since it is
// written nowhere.
func TestRestartLosesTheUsersShare(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	a, secret := cl.hybrid()
	cl.net.all(script{fail: &protocol.Failure{Code: protocol.CodeTimeout, Detail: "scripted"}, hold: true})
	body := encode(rest.SignBody{Message: digest, UserShare: sealFor(t, a, secret, digest)})
	s := as[rest.Session](t, cl.do(call{method: "POST", path: signPath(a.ID), body: body, header: async}), http.StatusAccepted)
	until(t, "the parties have failed", func() bool {
		n := 0
		for _, p := range cl.net.order {
			n += p.waiting()
		}
		return n == 2
	})
	cl.restart()
	cl.net.all(script{})
	if s = cl.ended(s.ID); s.Status != "failed" || s.Error.Code != "user_share_needed" {
		t.Errorf("session %+v, error %+v", s, s.Error)
	}
	cl.waitParties(3)
	as[rest.SignResult](t, cl.post(signPath(a.ID), body), http.StatusOK)
}
