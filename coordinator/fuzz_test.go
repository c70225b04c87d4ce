package coordinator

import (
	"bytes"
	"net/http"
	"sync"
	"testing"

	"github.com/meshmpc/mpcd/coordinator/rest"
)

// target is a route that takes a body, with bodies that it takes.
type target struct {
	call
	ignoresBody bool
	seeds       []string
}

type targets []target

// accounts is how many accounts making the targets takes.
func (targets) accounts() int { return 5 }

func (cl *cluster) accounts() []rest.Account {
	cl.t.Helper()
	return as[rest.AccountList](cl.t, cl.get(accountsPath+"?limit=200"), http.StatusOK).Accounts
}

// fuzzTargets makes everything that the routes with bodies are about.
func fuzzTargets(cl *cluster) targets {
	cl.t.Helper()
	ann := newApprover(cl.t)
	plain, fixed := cl.account(`{"user_id":"u"}`), cl.account(`{"user_id":"u","scheme":"eddsa-ed25519","approvers":`+approversOf(1, ann)+`}`)
	hybrid, secret := cl.hybrid()
	waiting := as[rest.Session](cl.t, cl.post(signPath(fixed.ID), `{"message":"`+digest+`"}`), http.StatusAccepted)
	co, codes := cl.invite(`{"kind":"co_managed_keygen","user_id":"u","server_parties":1,"external_parties":2}`)
	open := as[rest.Session](cl.t, cl.post(sessionsPath, `{"kind":"keygen","user_id":"u","open_user_slot":true}`), http.StatusCreated)
	phone := cl.net.device("phone")
	post := func(path string, seeds ...string) target {
		return target{call: call{method: "POST", path: path}, seeds: seeds}
	}
	put := post(signersPath(plain.ID), `{"parties":["p1","p2"]}`)
	put.method = "PUT"
	return targets{
		post(accountsPath, `{"user_id":"u"}`, `{"user_id":"u","scheme":"eddsa-ed25519","threshold":{"t":2,"n":2},"parties":["p1","p2"],"labels":{"a":"b"},"user_share":false,"recipient_key":"","device_info":{"x":[1,{}]}}`, `{"user_id":"u","approvers":`+approversOf(1, ann)+`}`),
		post(signPath(plain.ID), `{"message":"`+digest+`"}`, `{"message":"YWJj","encoding":"base64","hash":"sha256"}`, `{"message":"abc","encoding":"utf8","hash":"eip191","derivation_path":"","request_id":"0198c2a6-11f4-7e02-b1c7-90d3a2f4e815","approvals":["a.b.c"]}`),
		post(signPath(hybrid.ID), encode(rest.SignBody{Message: digest, UserShare: sealFor(cl.t, hybrid, secret, digest)})),
		put,
		post(sessionsPath, `{"kind":"co_managed_keygen","user_id":"u","server_parties":1,"external_parties":1,"expires_in":10}`, `{"kind":"keygen","user_id":"u","open_user_slot":true}`, `{"kind":"sign","account_id":"`+plain.ID+`","message":"`+digest+`"}`),
		post(approvePath(waiting.ID), `{"approvals":["`+ann.approve(cl, waiting.ID)+`"]}`),
		{call: call{method: "POST", path: sessionsPath + "/" + co.ID + "/invites"}, ignoresBody: true, seeds: []string{`{}`, `{"replace":"x"}`}},
		post(joinPath(codes[0]), joinBody(phone, co.ID, codes[0])),
		post(generatePath, `{"session_id":"`+hybrid.KeygenSessionID+`"}`, `{"session_id":"`+open.ID+`","recipient_key":""}`),
		post("/api/v1/webhooks", `{"url":"https://example.org/hook","events":["session.*"]}`, `{"url":"http://127.0.0.1:1/"}`),
	}
}

// FuzzRequests sends bodies to every route that takes one, through the whole
// handler: no answer may be a fault of the coordinator, and each must be one that
// the OpenAPI document lists.
func FuzzRequests(f *testing.F) {
	cl := newJoinable(f, "p1", "p2", "p3")
	all := fuzzTargets(cl)
	for i, c := range all {
		for _, seed := range c.seeds {
			f.Add(byte(i), []byte(seed))
		}
		f.Add(byte(i), []byte(`{}`))
	}
	for _, body := range nastyBodies {
		if len(body) < 1000 {
			f.Add(byte(0), []byte(body))
		}
	}
	var mu sync.Mutex
	f.Fuzz(func(t *testing.T, which byte, body []byte) {
		mu.Lock() // the cluster reports to one test at a time
		defer mu.Unlock()
		c := all[int(which)%len(all)].call
		c.body = string(body)
		got := cl.serve(c)
		if got.status >= http.StatusInternalServerError || got.status < http.StatusOK {
			t.Errorf("%s %s: %d %s", c.method, c.path, got.status, got.body)
		}
		k, err := theContract()
		if err == nil {
			err = k.check(c, got)
		}
		if err != nil {
			t.Errorf("%s %s: %v\n%s", c.method, c.path, err, got.body)
		}
		if got.status >= http.StatusBadRequest && bytes.Contains(got.body, []byte("internal_error")) {
			t.Errorf("%s %s: %s", c.method, c.path, got.body)
		}
	})
}

// serve makes a call without a connection, and does not wait for sessions.
func (cl *cluster) serve(c call) answer {
	c.header = async
	return cl.handle(c)
}
