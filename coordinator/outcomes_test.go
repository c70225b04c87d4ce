package coordinator

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
)

// ceremonies are the ways in which a session fails whatever its parties are, and
// what callers who wait for it are told.
var ceremonies = []struct {
	name   string
	script script // of all parties
	status int
	code   string
}{
	{"refused", script{refuse: protocol.CodeStorage}, http.StatusBadGateway, "party_refused"},
	{"given up", script{fail: &protocol.Failure{Code: protocol.CodeProtocol, Detail: "a bad proof"}}, http.StatusBadGateway, "ceremony_failed"},
	{"wrong", script{wrong: true}, http.StatusBadGateway, "invalid_signature"},
	{"never ends", script{mute: true}, http.StatusGatewayTimeout, "session_timeout"},
	{"dies twice", script{dieInRounds: true}, http.StatusBadGateway, "party_lost"},
	{"out of reach", script{dead: true}, http.StatusServiceUnavailable, "too_few_parties"},
}

// TestFailedCeremonies: each call that waits for a session says how it failed.
func TestFailedCeremonies(t *testing.T) {
	t.Parallel()
	for _, c := range ceremonies {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cl := newCluster(t, "p1", "p2", "p3", "p4")
			a := cl.account(`{"user_id":"u","threshold":{"t":2,"n":4}}`)
			if c.script.mute { // what ends in another way may take as long as it likes, on a busy machine
				cl.cfg.KeygenTimeout, cl.cfg.SignTimeout = time.Second, time.Second
				cl.restart()
				cl.waitParties(4)
			}
			slot := func() string {
				return as[rest.Session](t, cl.post(sessionsPath, `{"kind":"keygen","user_id":"u","open_user_slot":true,"threshold":{"t":2,"n":2}}`), http.StatusCreated).ID
			}
			for _, ask := range []func() call{
				func() call {
					return call{method: "POST", path: signPath(a.ID), body: `{"message":"` + digest + `"}`}
				},
				func() call {
					return call{method: "POST", path: accountsPath, body: `{"user_id":"u","threshold":{"t":2,"n":2}}`}
				},
				func() call {
					return call{method: "POST", path: generatePath, body: `{"session_id":"` + slot() + `"}`}
				},
			} {
				var got answer
				until(t, "it is asked before the pool knows that nobody is there", func() bool { // a machine may be that busy
					cl.net.all(script{})
					cl.waitParties(4)
					call := ask()
					cl.net.all(c.script)
					got = cl.do(call)
					return !c.script.dead || got.status != http.StatusConflict
				})
				p := problem(t, got, c.status, c.code)
				s := cl.session(p.SessionID)
				want := "failed"
				if c.code == "session_timeout" {
					want = "expired"
				}
				if s.Status != want || s.Error == nil || s.Error.Code != c.code {
					t.Errorf("session %+v, error %+v", s, s.Error)
				}
				if c.code != "session_timeout" && c.code != "ceremony_failed" && len(p.Parties) == 0 {
					t.Errorf("nobody is named: %+v", p)
				}
			}
		})
	}
}

func TestDisagreementWhileTheUserWaits(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	open := as[rest.Session](t, cl.post(sessionsPath, `{"kind":"keygen","user_id":"u","open_user_slot":true}`), http.StatusCreated)
	cl.net.party("p2").set(script{otherKey: true})
	problem(t, cl.post(generatePath, `{"session_id":"`+open.ID+`"}`), http.StatusBadGateway, "results_do_not_match")
	problem(t, cl.post(generatePath, `{"session_id":"`+open.ID+`"}`), http.StatusBadGateway, "results_do_not_match") // what has failed stays so
}

// TestWhatIsNotReady: accounts whose keygen still runs, and callers who wait for
// it while it is cancelled.
func TestWhatIsNotReady(t *testing.T) {
	t.Parallel()
	cl := newJoinable(t, "p1", "p2")
	hybrid := cl.account(`{"user_id":"u","user_share":true,"threshold":{"t":2,"n":2}}`)
	problem(t, cl.post(sessionsPath, `{"kind":"sign","account_id":"`+hybrid.ID+`","message":"`+digest+`"}`), http.StatusConflict, "user_share_needed")
	cl.net.all(script{mute: true})
	caller := make(chan answer, 1)
	go func() { caller <- cl.post(accountsPath, `{"user_id":"u","threshold":{"t":2,"n":2}}`) }()
	var running []rest.Session
	until(t, "the keygen runs", func() bool {
		running = as[rest.SessionList](t, cl.get(sessionsPath+"?status=running"), http.StatusOK).Sessions
		return len(running) == 1
	})
	s := running[0]
	problem(t, cl.post(sessionsPath, `{"kind":"sign","account_id":"`+s.AccountID+`","message":"`+digest+`"}`), http.StatusConflict, "account_not_active")
	problem(t, cl.post("/api/v1/shares/"+s.ID+"/ack", ""), http.StatusConflict, "account_not_active")
	as[rest.Session](t, cl.post(cancelPath(s.ID), ""), http.StatusOK)
	problem(t, <-caller, http.StatusConflict, "session_cancelled")
}

// TestStoppingRefusesWhatIsNew: calls that would start something, while what
// runs still may end.
func TestStoppingRefusesWhatIsNew(t *testing.T) {
	t.Parallel()
	cl := newClusterWith(t, func(c *Config) { c.DrainTimeout = 20 * time.Second }, "p1", "p2", "p3")
	a := cl.account(`{"user_id":"u"}`)
	open := as[rest.Session](t, cl.post(sessionsPath, `{"kind":"keygen","user_id":"u","open_user_slot":true}`), http.StatusCreated)
	cl.net.all(script{hold: true})
	running := as[rest.Session](t, cl.do(call{method: "POST", path: signPath(a.ID), body: `{"message":"` + digest + `"}`, header: async}), http.StatusAccepted)
	until(t, "the session runs", func() bool { return cl.session(running.ID).Status == "running" })
	stopped := make(chan struct{})
	go func() { cl.stop(); close(stopped) }()
	until(t, "the coordinator drains", cl.c.engine.IsDraining)
	problem(t, cl.post(sessionsPath, `{"kind":"keygen","user_id":"u"}`), http.StatusServiceUnavailable, "shutting_down")
	problem(t, cl.post(signPath(a.ID), `{"message":"`+digest+`"}`), http.StatusServiceUnavailable, "shutting_down")
	waits := make(chan answer, 1)
	go func() { waits <- cl.post(generatePath, `{"session_id":"`+open.ID+`"}`) }()
	p := problem(t, <-waits, http.StatusServiceUnavailable, "shutting_down")
	problem(t, cl.post(cancelPath(open.ID), ""), http.StatusServiceUnavailable, "shutting_down") // it begins with the next start
	cl.net.all(script{})
	<-stopped
	cl.start()
	cl.waitParties(3)
	if s := cl.ended(p.SessionID); s.Status != "completed" { // it goes on after the start
		t.Errorf("session %+v, error %+v", s, s.Error)
	}
	as[rest.UserShare](t, cl.post(generatePath, `{"session_id":"`+open.ID+`"}`), http.StatusOK)
	if s := cl.ended(running.ID); s.Status != "completed" || !slices.ContainsFunc(s.Parties, func(p rest.SessionParty) bool { return p.State == "finished" }) {
		t.Errorf("session %+v, error %+v", s, s.Error)
	}
}

// TestRepeatedRequestForWhatIsGone: the webhook was deleted since.
func TestRepeatedRequestForWhatIsGone(t *testing.T) {
	t.Parallel()
	cl := newCluster(t)
	body := `{"url":"https://example.com/hook"}`
	hook := as[rest.Webhook](t, cl.once("k", "/api/v1/webhooks", body), http.StatusCreated)
	if a := cl.do(call{method: "DELETE", path: "/api/v1/webhooks/" + hook.ID}); a.status != http.StatusNoContent {
		t.Fatalf("%d %s", a.status, a.body)
	}
	problem(t, cl.once("k", "/api/v1/webhooks", body), http.StatusNotFound, "webhook_not_found")
}

// TestDiskThatFailsWhileASessionRuns: its callers are told, though its end
// cannot be recorded.
func TestDiskThatFailsWhileASessionRuns(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	a := cl.account(`{"user_id":"u"}`)
	cl.net.all(script{hold: true})
	key := map[string]string{"Idempotency-Key": "k"}
	sign := call{method: "POST", path: signPath(a.ID), body: `{"message":"` + digest + `"}`, header: key}
	callers := make(chan answer, 2)
	for range cap(callers) {
		go func() { callers <- cl.do(sign) }()
	}
	until(t, "the parties are done", func() bool {
		n := 0
		for _, p := range cl.net.order {
			n += p.waiting()
		}
		list, _ := cl.c.registry.Sessions(registry.SessionFilter{Kind: protocol.KindSign}, registry.Page{Limit: 1})
		return n == 2 && len(list) == 1
	})
	if err := cl.c.db.Close(); err != nil {
		t.Fatal(err)
	}
	cl.net.all(script{})
	for range cap(callers) {
		if p := problem(t, <-callers, http.StatusInternalServerError, "storage_failure"); p.SessionID == "" {
			t.Errorf("problem %+v", p)
		}
	}
	problem(t, cl.do(sign), http.StatusInternalServerError, "storage_failure") // later callers, too
	cl.stop()
	cl.start() // the disk works again
	cl.waitParties(3)
	checkECDSA(t, as[rest.SignResult](t, cl.do(sign), http.StatusOK)) // the parties have kept their outcomes
}
