package coordinator

import (
	"bytes"
	"net/http"
	"reflect"
	"testing"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
)

var async = map[string]string{"Prefer": "respond-async"}

func TestRestartKeepsEverything(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	a := cl.account(`{"user_id":"u"}`)
	res := as[rest.SignResult](t, cl.post("/api/v1/accounts/"+a.ID+"/sign", `{"message":"`+digest+`"}`), http.StatusOK)
	until(t, "the second outcome has come", func() bool { return states(cl.session(res.SessionID))["finished"] == 2 }) // late ones are events too
	paths := []string{
		"/api/v1/accounts", "/api/v1/accounts/" + a.ID, "/api/v1/sessions", "/api/v1/sessions/" + res.SessionID,
		"/api/v1/sessions/" + res.SessionID + "/events", "/api/v1/sessions/" + a.KeygenSessionID + "/events",
	}
	before := make(map[string][]byte)
	for _, path := range paths {
		before[path] = cl.get(path).body
	}
	cl.restart()
	for _, path := range paths {
		if after := cl.get(path).body; !bytes.Equal(before[path], after) {
			t.Errorf("%s changed:\n%s\n%s", path, before[path], after)
		}
	}
	cl.waitParties(3)
	checkECDSA(t, as[rest.SignResult](t, cl.post("/api/v1/accounts/"+a.ID+"/sign", `{"message":"`+digest+`"}`), http.StatusOK))
}

func TestRestartFinishesSigningFromRedeliveredOutcomes(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	a := cl.account(`{"user_id":"u"}`)
	cl.net.all(script{hold: true})
	s := as[rest.Session](t, cl.do(call{method: "POST", path: "/api/v1/accounts/" + a.ID + "/sign", body: `{"message":"` + digest + `"}`, header: async}), http.StatusAccepted)
	until(t, "the parties are done", func() bool {
		waiting := 0
		for _, p := range cl.net.order {
			waiting += p.waiting()
		}
		return waiting == 2
	})
	cl.restart()
	cl.net.all(script{})
	until(t, "the session is over", func() bool { return cl.session(s.ID).FinishedAt != nil })
	done := cl.session(s.ID)
	if done.Status != "completed" || done.Attempt != 1 || done.Signature == nil {
		t.Errorf("session %+v", done)
	}
	for _, p := range cl.net.order {
		until(t, "all outcomes are acknowledged", func() bool { return p.waiting() == 0 })
	}
}

func TestRestartWithHalfTheKeygenOutcomes(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3", "p4")
	cl.net.party("p3").set(script{hold: true})
	cl.net.party("p4").set(script{hold: true})
	s := as[rest.Session](t, cl.do(call{method: "POST", path: "/api/v1/accounts", body: `{"user_id":"u","threshold":{"t":2,"n":4}}`, header: async}), http.StatusAccepted)
	until(t, "two outcomes are in", func() bool {
		return cl.net.party("p1").waiting() == 0 && cl.net.party("p2").waiting() == 0 && cl.net.party("p3").waiting()+cl.net.party("p4").waiting() == 2 &&
			states(cl.session(s.ID))["finished"] == 2
	})
	cl.restart()
	if got := cl.session(s.ID); got.Status != "running" || states(got)["finished"] != 2 {
		t.Fatalf("session after the restart: %+v", got)
	}
	problem(t, cl.post("/api/v1/accounts/"+s.AccountID+"/sign", `{"message":"`+digest+`"}`), http.StatusConflict, "account_not_active")
	cl.net.party("p3").set(script{})
	cl.net.party("p4").set(script{})
	until(t, "the session is over", func() bool { return cl.session(s.ID).FinishedAt != nil })
	a := as[rest.Account](t, cl.get("/api/v1/accounts/"+s.AccountID), http.StatusOK)
	if a.Status != "active" {
		t.Fatalf("account %+v", a)
	}
	checkCertificate(t, a)
}

func states(s rest.Session) map[string]int {
	out := make(map[string]int)
	for _, p := range s.Parties {
		out[p.State]++
	}
	return out
}

func TestOutcomesOfUnknownSessionsAreKeptAndAcknowledged(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	cl.account(`{"user_id":"u"}`)
	cl.net.unplug()
	cl.stop()
	cl.cfg.Dir = t.TempDir() // the registry is lost
	cl.net.all(script{})
	cl.start()
	p1 := cl.net.party("p1")
	spec := protocol.Spec{
		Version: protocol.SpecVersion, Network: testNetwork, Kind: protocol.KindSign, Session: "lost", Attempt: 1, Account: "a", Key: "k",
		Scheme: protocol.EdDSA, Threshold: 2, Payload: []byte("m"), Expires: 1, Coordinator: cl.net.ID(),
		Roster: []protocol.Member{{Peer: p1.ID(), Role: protocol.Persistent}, {Peer: cl.net.party("p2").ID(), Role: protocol.Persistent}},
	}
	cl.net.spawn(func() { p1.finish(&spec) })
	var events []registry.Event
	until(t, "the outcome is kept", func() bool {
		var err error
		if events, err = cl.c.registry.Events("orphan/"+spec.SID().String(), 0, 10); err != nil {
			t.Fatal(err)
		}
		return len(events) > 0
	})
	until(t, "it is acknowledged", func() bool { return p1.waiting() == 0 })
	if len(events) != 1 || events[0].Outcome == nil {
		t.Errorf("events %+v", events)
	}
}

// TestReplayEqualsLive compares the state that a coordinator built while it ran
// with the one that a replay of its log gives.
func TestReplayEqualsLive(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	a := cl.account(`{"user_id":"u","labels":{"k":"v"}}`)
	as[rest.SignResult](t, cl.post("/api/v1/accounts/"+a.ID+"/sign", `{"message":"`+digest+`"}`), http.StatusOK)
	cl.net.party("p1").set(script{refuse: protocol.CodeStorage})
	cl.net.party("p2").set(script{refuse: protocol.CodeStorage})
	problem(t, cl.post("/api/v1/accounts/"+a.ID+"/sign", `{"message":"`+digest+`"}`), http.StatusBadGateway, "party_refused")
	for _, p := range cl.net.order {
		until(t, "all outcomes are acknowledged", func() bool { return p.waiting() == 0 })
	}
	live := cl.c.registry
	cl.net.unplug()
	cl.stop()
	cl.start()
	if !reflect.DeepEqual(live.Snapshot(), cl.c.registry.Snapshot()) {
		t.Errorf("live:\n%+v\nreplayed:\n%+v", live.Snapshot(), cl.c.registry.Snapshot())
	}
}
