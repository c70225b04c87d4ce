package coordinator

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"testing"

	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
)

const (
	accountsPath = "/api/v1/accounts"
	sessionsPath = "/api/v1/sessions"
	generatePath = "/api/v1/shares/generate"
)

func signPath(account string) string { return accountsPath + "/" + account + "/sign" }

// delegateOf returns the party that computes for an account's user.
func (cl *cluster) delegateOf(a rest.Account) *party {
	cl.t.Helper()
	for _, p := range a.Parties {
		if p.Role == "delegate" {
			return cl.net.at(p.PeerID)
		}
	}
	cl.t.Fatalf("the account %s has no delegate: %+v", a.ID, a.Parties)
	return nil
}

// hybrid makes an account with a user's share in plain, and returns it with the
// share's secret.
func (cl *cluster) hybrid() (rest.Account, []byte) {
	cl.t.Helper()
	a := cl.account(`{"user_id":"u","user_share":true}`)
	return a, opened(cl.t, a.UserShare, nil, a)
}

func TestUserShareIsGivenOutUntilItIsAcknowledged(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	user := newX25519(t)
	recipient := base64.StdEncoding.EncodeToString(user.PublicKey().Bytes())
	a := cl.account(`{"user_id":"u","user_share":true,"recipient_key":"` + recipient + `"}`)
	if a.Custody != "hybrid" || a.SealKey == nil || a.UserShare.RecipientKey != recipient || a.UserShare.Party.PeerID != cl.delegateOf(a).ID() {
		t.Fatalf("account %+v", a)
	}
	secret := opened(t, a.UserShare, user, a)
	if !bytes.Equal(secret, cl.delegateOf(a).share(a.KeygenSessionID)) {
		t.Error("it is another share")
	}
	again := `{"session_id":"` + a.KeygenSessionID + `","recipient_key":"` + recipient + `"}`
	for _, body := range []string{again, `{"session_id":"` + a.KeygenSessionID + `"}`} { // the keygen named the recipient
		share := as[rest.UserShare](t, cl.post(generatePath, body), http.StatusOK)
		if !bytes.Equal(opened(t, &share, user, a), secret) || share.ID != a.UserShare.ID {
			t.Errorf("a repeated call gives %+v", share)
		}
	}
	if shown := as[rest.Account](t, cl.get(accountsPath+"/"+a.ID), http.StatusOK); shown.UserShare != nil {
		t.Error("the account shows the share")
	}
	other := `{"session_id":"` + a.KeygenSessionID + `","recipient_key":"` + base64.StdEncoding.EncodeToString(newX25519(t).PublicKey().Bytes()) + `"}`
	problem(t, cl.post(generatePath, other), http.StatusUnprocessableEntity, "bad_user_share")
	for range 2 { // a repeated acknowledgement is fine
		if ack := as[rest.ShareAck](t, cl.post("/api/v1/shares/"+a.UserShare.ID+"/ack", ""), http.StatusOK); !ack.Erased {
			t.Errorf("ack %+v", ack)
		}
	}
	problem(t, cl.post(generatePath, again), http.StatusGone, "no_user_share")
}

func TestPlainShareIsForTheFirstWhoAsks(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	a, secret := cl.hybrid()
	share := as[rest.UserShare](t, cl.post(generatePath, `{"session_id":"`+a.KeygenSessionID+`"}`), http.StatusOK)
	if !bytes.Equal(opened(t, &share, nil, a), secret) || share.Sealed || share.RecipientKey != "" {
		t.Errorf("a repeated call gives %+v", share)
	}
	later := `{"session_id":"` + a.KeygenSessionID + `","recipient_key":"` + base64.StdEncoding.EncodeToString(newX25519(t).PublicKey().Bytes()) + `"}`
	problem(t, cl.post(generatePath, later), http.StatusUnprocessableEntity, "bad_user_share")
}

func TestOpenUserSlotIsCompletedByTheCallForTheShare(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	a := cl.post(sessionsPath, `{"kind":"keygen","user_id":"u","open_user_slot":true}`)
	s := as[rest.Session](t, a, http.StatusCreated)
	if s.Status != "created" || s.WaitingFor != "user" || s.Custody != "hybrid" || a.header.Get("Location") != sessionsPath+"/"+s.ID {
		t.Fatalf("session %+v", s)
	}
	problem(t, cl.post(signPath(s.AccountID), `{"message":"`+digest+`"}`), http.StatusConflict, "account_not_active")
	user := newX25519(t)
	body := `{"session_id":"` + s.ID + `","recipient_key":"` + base64.StdEncoding.EncodeToString(user.PublicKey().Bytes()) + `"}`
	answers := make(chan answer, 3)
	for range cap(answers) { // at the same time: one of them completes the session
		go func() { answers <- cl.post(generatePath, body) }()
	}
	var first []byte
	for range cap(answers) {
		share := as[rest.UserShare](t, <-answers, http.StatusOK)
		account := as[rest.Account](t, cl.get(accountsPath+"/"+s.AccountID), http.StatusOK)
		if account.Status != "active" || account.Custody != "hybrid" {
			t.Fatalf("account %+v", account)
		}
		secret := opened(t, &share, user, account)
		if first != nil && !bytes.Equal(first, secret) {
			t.Error("two calls got two shares")
		}
		first = secret
	}
	n := cl.net.count(func(f *protocol.Frame) bool { return f.Propose != nil && f.Propose.Spec.Attempt > 1 })
	if n != 0 || cl.session(s.ID).Status != "completed" {
		t.Errorf("%d more attempts, session %+v", n, cl.session(s.ID))
	}
}

func TestSigningWithTheUsersShare(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	a, secret := cl.hybrid()
	body := encode(rest.SignBody{Message: digest, UserShare: sealFor(t, a, secret, digest)})
	res := as[rest.SignResult](t, cl.post(signPath(a.ID), body), http.StatusOK)
	checkECDSA(t, res)
	roles := make(map[string]int)
	for _, p := range cl.session(res.SessionID).Parties {
		roles[p.Role]++
	}
	if roles["delegate"] != 1 || roles["persistent"] != 1 {
		t.Errorf("the signers are %v", roles)
	}
	as[rest.SignResult](t, cl.post(signPath(a.ID), `{"message":"`+digest+`"}`), http.StatusOK) // the two parties are enough
}

func TestUserShareProblems(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	a, secret := cl.hybrid()
	server := cl.account(`{"user_id":"u"}`)
	share := sealFor(t, a, secret, digest)
	other := "00" + digest[2:]
	sign := func(account, message, share string) answer {
		return cl.post(signPath(account), encode(rest.SignBody{Message: message, UserShare: share}))
	}
	p := problem(t, sign(a.ID, other, share), http.StatusBadGateway, "party_refused") // sealed for another digest
	if len(p.Parties) != 1 || p.Parties[0].Code != string(protocol.CodeUserShare) {
		t.Errorf("parties %+v", p.Parties)
	}
	p = problem(t, sign(a.ID, digest, protocol.FormatShare(false, secret)), http.StatusBadGateway, "party_refused")
	if len(p.Parties) != 1 || p.Parties[0].Code != string(protocol.CodePlainShare) {
		t.Errorf("parties %+v", p.Parties)
	}
	problem(t, sign(server.ID, digest, share), http.StatusUnprocessableEntity, "bad_user_share")
	problem(t, cl.post(generatePath, `{"session_id":"`+server.KeygenSessionID+`"}`), http.StatusGone, "no_user_share")
	problem(t, cl.post("/api/v1/shares/"+server.KeygenSessionID+"/ack", ""), http.StatusGone, "no_user_share")
	problem(t, cl.post(generatePath, `{"session_id":"none"}`), http.StatusNotFound, "session_not_found")
	problem(t, cl.post("/api/v1/shares/none/ack", ""), http.StatusNotFound, "session_not_found")
	for _, key := range []string{"AAAA", "not base64!", base64.StdEncoding.EncodeToString(make([]byte, 32))} {
		problem(t, cl.post(generatePath, `{"session_id":"`+a.KeygenSessionID+`","recipient_key":"`+key+`"}`), http.StatusUnprocessableEntity, "bad_user_share")
		problem(t, cl.post(accountsPath, `{"user_id":"u","user_share":true,"recipient_key":"`+key+`"}`), http.StatusUnprocessableEntity, "bad_user_share")
	}
	good := base64.StdEncoding.EncodeToString(newX25519(t).PublicKey().Bytes())
	problem(t, cl.post(accountsPath, `{"user_id":"u","recipient_key":"`+good+`"}`), http.StatusUnprocessableEntity, "bad_user_share")
}

func TestUserShareIsNeededWhenTooFewPartiesHoldTheirOwn(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2")
	a := cl.account(`{"user_id":"u","user_share":true,"threshold":{"t":2,"n":2}}`)
	problem(t, cl.post(signPath(a.ID), `{"message":"`+digest+`"}`), http.StatusConflict, "user_share_needed")
	secret := opened(t, a.UserShare, nil, a)
	as[rest.SignResult](t, cl.post(signPath(a.ID), encode(rest.SignBody{Message: digest, UserShare: sealFor(t, a, secret, digest)})), http.StatusOK)
}

func TestDelegateThatIsAwayOrRefuses(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	a, _ := cl.hybrid()
	body := `{"session_id":"` + a.KeygenSessionID + `"}`
	ack := "/api/v1/shares/" + a.KeygenSessionID + "/ack"
	delegate := cl.delegateOf(a)
	for code, want := range map[protocol.Code]struct {
		status int
		code   string
	}{
		protocol.CodeNoShare: {http.StatusGone, "no_user_share"}, protocol.CodePlainShare: {http.StatusUnprocessableEntity, "bad_user_share"},
		protocol.CodeBusy: {http.StatusBadGateway, "party_refused"}, protocol.CodeStorage: {http.StatusBadGateway, "party_refused"},
	} {
		delegate.set(script{shareCode: code})
		problem(t, cl.post(generatePath, body), want.status, want.code)
		if want.code != "bad_user_share" { // nothing is wrong with a share that is to be erased
			problem(t, cl.post(ack, ""), want.status, want.code)
		}
	}
	delegate.set(script{shareMute: true})
	acked := make(chan answer, 1)
	go func() { acked <- cl.post(ack, "") }()
	p := problem(t, cl.post(generatePath, body), http.StatusServiceUnavailable, "too_few_parties")
	problem(t, <-acked, http.StatusServiceUnavailable, "too_few_parties")
	if len(p.Parties) != 1 || p.Parties[0].PeerID != delegate.ID() {
		t.Errorf("parties %+v", p.Parties)
	}
	delegate.set(script{dead: true})
	until(t, "the seal key is gone", func() bool {
		return as[rest.Account](t, cl.get(accountsPath+"/"+a.ID), http.StatusOK).SealKey == nil
	})
	delegate.set(script{})
	as[rest.UserShare](t, cl.post(generatePath, body), http.StatusOK)
}

// TestNewAccountWithoutItsShare: the account is made although its delegate does
// not give the share out now.
func TestNewAccountWithoutItsShare(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "delegate1")
	cl.net.party("delegate1").set(script{shareCode: protocol.CodeBusy})
	a := cl.account(`{"user_id":"u","user_share":true}`)
	if a.Status != "active" || a.UserShare != nil || cl.delegateOf(a).name != "delegate1" {
		t.Errorf("account %+v", a)
	}
	cl.net.party("delegate1").set(script{})
	share := as[rest.UserShare](t, cl.post(generatePath, `{"session_id":"`+a.KeygenSessionID+`"}`), http.StatusOK)
	opened(t, &share, nil, a)
}

func TestDelegatesHoldNoSharesOfTheirOwn(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "delegate1", "delegate2")
	problem(t, cl.post(accountsPath, `{"user_id":"u"}`), http.StatusConflict, "pool_too_small")
	a := cl.account(`{"user_id":"u","user_share":true,"parties":["p2","p1"]}`)
	if names := partyNames(a.Parties); len(names) != 3 || !cl.delegateOf(a).delegate {
		t.Errorf("parties %v", names)
	}
}
