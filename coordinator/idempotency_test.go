package coordinator

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"testing"

	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
)

// once makes a call with an Idempotency-Key.
func (cl *cluster) once(key, path, body string) answer {
	cl.t.Helper()
	return cl.do(call{method: "POST", path: path, body: body, header: map[string]string{"Idempotency-Key": key}})
}

// repeatable is a POST, and what of its answer must be the same when it is
// repeated.
type repeatable struct {
	path, body, other string // other: a body that differs
	same              func(answer) string
}

func field[T any](t *testing.T, status int, pick func(T) string) func(answer) string {
	return func(a answer) string { return pick(as[T](t, a, status)) }
}

// repeatables prepares one call for each route that makes or changes something.
func repeatables(t *testing.T, cl *cluster) map[string]repeatable {
	t.Helper()
	ann := newApprover(t)
	a := cl.account(`{"user_id":"u"}`)
	fixed := cl.account(`{"user_id":"u","approvers":` + approversOf(2, ann, newApprover(t)) + `}`)
	waiting := as[rest.Session](t, cl.post(signPath(fixed.ID), `{"message":"`+digest+`"}`), http.StatusAccepted)
	toCancel := as[rest.Session](t, cl.post(signPath(fixed.ID), `{"message":"`+digest+`"}`), http.StatusAccepted)
	slot := as[rest.Session](t, cl.post(sessionsPath, `{"kind":"keygen","user_id":"u","open_user_slot":true}`), http.StatusCreated)
	co, codes := cl.invite(`{"kind":"co_managed_keygen","user_id":"u","server_parties":1,"external_parties":2}`)
	hybrid, _ := cl.hybrid()
	phone := cl.net.device("phone")
	recipient := base64.StdEncoding.EncodeToString(newX25519(t).PublicKey().Bytes())
	return map[string]repeatable{
		"account": {accountsPath, `{"user_id":"u","labels":{"a":"b"}}`, `{"user_id":"v"}`,
			field(t, 201, func(a rest.Account) string { return a.ID + a.PublicKey })},
		"hybrid account": {accountsPath, `{"user_id":"u","user_share":true}`, `{"user_id":"u"}`,
			field(t, 201, func(a rest.Account) string { return a.ID + a.UserShare.Share })},
		"sign": {signPath(a.ID), `{"message":"` + digest + `"}`, `{"message":"00` + digest[2:] + `"}`,
			field(t, 200, func(r rest.SignResult) string { return r.SessionID + r.Signature.DER })},
		"sign that waits": {signPath(fixed.ID), `{"message":"` + digest + `"}`, `{"message":"00` + digest[2:] + `"}`,
			field(t, 202, func(s rest.Session) string { return s.ID })},
		"session": {sessionsPath, `{"kind":"co_managed_keygen","user_id":"u","server_parties":1,"external_parties":2}`, `{"kind":"keygen","user_id":"u"}`,
			field(t, 201, func(s rest.Session) string { return s.ID + s.Invites[0].Code + s.Invites[1].Code })},
		"cancel":  {cancelPath(toCancel.ID), ``, ``, field(t, 200, func(s rest.Session) string { return s.ID + s.Status })},
		"approve": {approvePath(waiting.ID), encode(rest.Approvals{Approvals: []string{ann.approve(cl, waiting.ID)}}), `{"approvals":["x"]}`, field(t, 200, func(s rest.Session) string { return fmt.Sprint(s.ID, s.Approved) })},
		"generate share": {generatePath, `{"session_id":"` + slot.ID + `"}`, `{"session_id":"` + slot.ID + `","recipient_key":"` + recipient + `"}`,
			field(t, 200, func(u rest.UserShare) string { return u.ID + u.Share })},
		"ack share": {"/api/v1/shares/" + hybrid.KeygenSessionID + "/ack", ``, ``, field(t, 200, func(a rest.ShareAck) string { return fmt.Sprint(a) })},
		"invite": {sessionsPath + "/" + co.ID + "/invites", `{}`, `{"replace":"x"}`,
			field(t, 201, func(l rest.InviteList) string { return l.Invites[0].ID + l.Invites[0].Code })},
		"join": {joinPath(codes[1]), joinBody(phone, co.ID, codes[1]), `{"peer_id":"x","proof":"AAAA"}`,
			field(t, 200, func(j rest.Joined) string { return j.SessionID + j.Pass })},
	}
}

func TestRepeatedRequestsHaveTheSameResult(t *testing.T) {
	t.Parallel()
	cl := newJoinable(t, "p1", "p2", "p3")
	all := repeatables(t, cl)
	first := make(map[string]string)
	for name, r := range all {
		first[name] = r.same(cl.once(name, r.path, r.body))
	}
	accounts := len(as[rest.AccountList](t, cl.get(accountsPath+"?limit=200"), http.StatusOK).Accounts)
	check := func(when string) {
		for name, r := range all {
			if again := r.same(cl.once(name, r.path, r.body)); again != first[name] {
				t.Errorf("%s %s: %s, first %s", name, when, again, first[name])
			}
			if r.other != "" {
				problem(t, cl.once(name, r.path, r.other), http.StatusUnprocessableEntity, "idempotency_key_reused")
			} else {
				problem(t, cl.once("account", r.path, r.body), http.StatusUnprocessableEntity, "idempotency_key_reused")
			}
		}
		problem(t, cl.once("sign", accountsPath, all["sign"].body+" "), http.StatusUnprocessableEntity, "invalid_request") // schema first
		problem(t, cl.once("sign", accountsPath, `{"user_id":"u"}`), http.StatusUnprocessableEntity, "idempotency_key_reused")
	}
	check("at once")
	cl.restart()
	cl.waitParties(3)
	check("after a restart")
	if n := len(as[rest.AccountList](t, cl.get(accountsPath+"?limit=200"), http.StatusOK).Accounts); n != accounts {
		t.Errorf("%d accounts, after %d", n, accounts)
	}
}

func TestKeysOfDifferentCallersDoNotMeet(t *testing.T) {
	t.Parallel()
	change, file := withKeyFile(t)
	cl := newClusterWith(t, change, "p1", "p2", "p3")
	_, secret, err := file.Create(NewKey{Name: "other", Scopes: KeyScopes()})
	if err != nil {
		t.Fatal(err)
	}
	cl.c.Reload()
	mine := as[rest.Account](t, cl.once("k", accountsPath, `{"user_id":"u"}`), http.StatusCreated)
	theirs := as[rest.Account](t, cl.do(call{method: "POST", path: accountsPath, body: `{"user_id":"v"}`, noKey: true, header: map[string]string{
		"Idempotency-Key": "k", "X-API-Key": secret,
	}}), http.StatusCreated)
	if mine.ID == theirs.ID {
		t.Error("one caller got the other's account")
	}
}

// TestConcurrentIdenticalRequests sends one request 64 times at once: there is
// one ceremony, and all get its answer.
func TestConcurrentIdenticalRequests(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	a := cl.account(`{"user_id":"u"}`)
	for _, r := range []struct {
		path, body string
		status     int
	}{
		{accountsPath, `{"user_id":"many"}`, http.StatusCreated},
		{signPath(a.ID), `{"message":"` + digest + `"}`, http.StatusOK},
	} {
		const calls = 64
		answers := make(chan answer, calls)
		for range calls {
			go func() { answers <- cl.once("one", r.path+"", r.body+"") }()
		}
		if r.status == http.StatusOK {
			for range calls { // the key was used for the account
				problem(t, <-answers, http.StatusUnprocessableEntity, "idempotency_key_reused")
			}
			for range calls {
				go func() { answers <- cl.once("two", r.path, r.body) }()
			}
		}
		var first answer
		for i := range calls {
			got := <-answers
			if i == 0 {
				first = got
			}
			if got.status != r.status || !bytes.Equal(got.body, first.body) {
				t.Fatalf("status %d: %s, first %s", got.status, got.body, first.body)
			}
		}
	}
	if n := len(as[rest.AccountList](t, cl.get(accountsPath+"?user_id=many"), http.StatusOK).Accounts); n != 1 {
		t.Errorf("%d accounts", n)
	}
	if n := len(as[rest.SessionList](t, cl.get(sessionsPath+"?kind=sign"), http.StatusOK).Sessions); n != 1 {
		t.Errorf("%d sign sessions", n)
	}
}

// TestRepeatedWhileTheFirstRuns: over a restart, too.
func TestRepeatedWhileTheFirstRuns(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	a := cl.account(`{"user_id":"u"}`)
	cl.net.all(script{hold: true})
	body := `{"message":"` + digest + `"}`
	first := make(chan answer, 1)
	go func() { first <- cl.once("k", signPath(a.ID), body) }()
	until(t, "the parties are done", func() bool {
		n := 0
		for _, p := range cl.net.order {
			n += p.waiting()
		}
		return n == 2
	})
	problem(t, cl.once("k", signPath(a.ID), `{"message":"00`+digest[2:]+`"}`), http.StatusUnprocessableEntity, "idempotency_key_reused")
	cl.restart()
	p := problem(t, <-first, http.StatusServiceUnavailable, "shutting_down")
	again := make(chan answer, 1)
	go func() { again <- cl.once("k", signPath(a.ID), body) }()
	cl.net.all(script{})
	if res := as[rest.SignResult](t, <-again, http.StatusOK); res.SessionID != p.SessionID {
		t.Errorf("session %s, first %s", res.SessionID, p.SessionID)
	}
	if n := cl.net.count(func(f *protocol.Frame) bool {
		return f.Propose != nil && f.Propose.Spec.Kind == protocol.KindSign && f.Propose.Spec.Attempt > 1
	}); n != 0 {
		t.Errorf("%d proposals of another attempt", n)
	}
}

// TestFailedValidationLeavesTheKeyUnused: a request that fails before anything
// is recorded can be mended and sent under the same key. One whose session has
// failed has that result.
func TestFailedValidationLeavesTheKeyUnused(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	for body, code := range map[string]string{
		`{"user_id":`: "malformed_json", `{}`: "invalid_request", `{"user_id":"u","threshold":{"t":9,"n":3}}`: "invalid_threshold",
		`{"user_id":"u","threshold":{"t":2,"n":9}}`: "pool_too_small", `{"user_id":"u","parties":["p9","p1","p2"]}`: "unknown_party",
	} {
		if got := cl.once("k", accountsPath, body); !bytes.Contains(got.body, []byte(code)) {
			t.Errorf("%s: %s", body, got.body)
		}
	}
	a := as[rest.Account](t, cl.once("k", accountsPath, `{"user_id":"u"}`), http.StatusCreated)
	cl.net.all(script{refuse: protocol.CodeStorage})
	body := `{"message":"` + digest + `"}`
	first := problem(t, cl.once("s", signPath(a.ID), body), http.StatusBadGateway, "party_refused")
	cl.net.all(script{})
	if again := problem(t, cl.once("s", signPath(a.ID), body), http.StatusBadGateway, "party_refused"); again.SessionID != first.SessionID {
		t.Errorf("another session: %+v", again)
	}
	as[rest.SignResult](t, cl.once("t", signPath(a.ID), body), http.StatusOK)
	problem(t, cl.once(string(bytes.Repeat([]byte("k"), 256)), accountsPath, `{"user_id":"u"}`), http.StatusUnprocessableEntity, "invalid_request")
}
