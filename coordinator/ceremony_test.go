package coordinator

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"

	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/protocol"
)

var digest = hex.EncodeToString(func() []byte { d := sha256.Sum256([]byte("a transaction")); return d[:] }())

func TestKeygenAndSignECDSA(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	a := cl.account(`{"user_id":"ann","labels":{"env":"test"}}`)
	if a.Status != "active" || a.UserID != "ann" || a.ThresholdT != 2 || a.ThresholdN != 3 || len(a.Parties) != 3 || a.Labels["env"] != "test" {
		t.Fatalf("account %+v", a)
	}
	checkCertificate(t, a)
	res := as[rest.SignResult](t, cl.post("/api/v1/accounts/"+a.ID+"/sign", `{"message":"0x`+digest+`"}`), http.StatusOK)
	if res.Message != digest || res.PublicKey != a.PublicKey || res.AccountID != a.ID {
		t.Errorf("result %+v", res)
	}
	checkECDSA(t, res)
	s := cl.session(res.SessionID)
	if s.Status != "completed" || s.Signature.Compact != res.Signature.Compact || len(s.Parties) != 2 || s.KeygenSessionID != a.KeygenSessionID || s.FinishedAt == nil {
		t.Errorf("session %+v", s)
	}
}

func checkECDSA(t testing.TB, res rest.SignResult) {
	t.Helper()
	sig := res.Signature
	raw, err := hex.DecodeString(sig.RSV)
	if err != nil || len(raw) != 65 || raw[64] != byte(*sig.V) || sig.R+sig.S != sig.Compact || sig.Compact+sig.RSV[128:] != sig.RSV {
		t.Fatalf("forms do not match: %+v", sig)
	}
	message, _ := hex.DecodeString(res.Message)
	key, _, err := ecdsa.RecoverCompact(append([]byte{31 + raw[64]}, raw[:64]...), message)
	if err != nil || hex.EncodeToString(key.SerializeCompressed()) != res.PublicKey {
		t.Errorf("the recovery id leads to %v, %v", key, err)
	}
	der, _ := hex.DecodeString(sig.DER)
	parsed, err := ecdsa.ParseDERSignature(der)
	if err != nil || !parsed.Verify(message, key) {
		t.Errorf("DER form: %v", err)
	}
	if b, _ := base64.StdEncoding.DecodeString(sig.Base64); !bytes.Equal(b, raw[:64]) {
		t.Errorf("base64 form")
	}
}

func checkCertificate(t *testing.T, a rest.Account) {
	t.Helper()
	encoded, err := base64.StdEncoding.DecodeString(a.Certificate.Encoded)
	if err != nil {
		t.Fatal(err)
	}
	var c protocol.Certificate
	if err := protocol.Unmarshal(encoded, &c); err != nil {
		t.Fatal(err)
	}
	if err := c.Verify(p2p.Verify); err != nil {
		t.Errorf("certificate: %v", err)
	}
	if hex.EncodeToString(c.Body.PublicKey) != a.PublicKey || c.Body.Key != a.KeygenSessionID || c.Body.Account != a.ID {
		t.Errorf("certificate of another key: %+v", c.Body)
	}
}

func TestKeygenAndSignEdDSA(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3", "p4", "p5")
	a := cl.account(`{"user_id":"bob","scheme":"eddsa-ed25519","threshold":{"t":3,"n":5}}`)
	message := []byte("\x00\x00a message with leading zeros")
	for encoding, text := range map[string]string{
		"hex": hex.EncodeToString(message), "base64": base64.StdEncoding.EncodeToString(message), "utf8": string(message),
	} {
		body := fmt.Sprintf(`{"message":%q,"encoding":%q}`, text, encoding)
		if encoding == "utf8" {
			body = `{"message":"\u0000\u0000a message with leading zeros","encoding":"utf8"}`
		}
		res := as[rest.SignResult](t, cl.post("/api/v1/accounts/"+a.ID+"/sign", body), http.StatusOK)
		sig, _ := hex.DecodeString(res.Signature.Compact)
		key, _ := hex.DecodeString(a.PublicKey)
		if !ed25519.Verify(key, message, sig) || res.Signature.DER != "" || res.Signature.V != nil {
			t.Errorf("%s: %+v", encoding, res)
		}
	}
}

func TestNamedParties(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3", "p4")
	a := cl.account(`{"user_id":"u","threshold":{"t":2,"n":2},"parties":["p4","` + cl.net.party("p2").ID() + `"]}`)
	if names := partyNames(a.Parties); !slices.Equal(names, []string{"p2", "p4"}) {
		t.Errorf("parties %v", names)
	}
}

func partyNames(parties []rest.PartyName) (names []string) {
	for _, p := range parties {
		names = append(names, p.Name)
	}
	return names
}

// signing makes an account on three good parties, then applies scripts and signs.
func signing(t *testing.T, scripts map[string]script) (*cluster, answer) {
	t.Helper()
	cl := newCluster(t, "p1", "p2", "p3")
	a := cl.account(`{"user_id":"u"}`)
	for name, s := range scripts {
		cl.net.party(name).set(s)
	}
	return cl, cl.post("/api/v1/accounts/"+a.ID+"/sign", `{"message":"`+digest+`"}`)
}

func TestWrongSignatureIsNotReturned(t *testing.T) {
	t.Parallel()
	cl, a := signing(t, map[string]script{"p1": {wrong: true}, "p2": {}, "p3": {dead: true}})
	res := as[rest.SignResult](t, a, http.StatusOK) // p2's is right
	checkECDSA(t, res)
	p1 := cl.net.party("p1")
	until(t, "the wrong outcome is acknowledged", func() bool { return p1.waiting() == 0 })
}

func TestOnlyWrongSignatures(t *testing.T) {
	t.Parallel()
	cl, a := signing(t, map[string]script{"p1": {wrong: true}, "p2": {wrong: true}, "p3": {wrong: true}})
	p := problem(t, a, http.StatusBadGateway, "invalid_signature")
	s := cl.session(p.SessionID)
	if s.Status != "failed" || s.Signature != nil || s.Error.Code != "invalid_signature" {
		t.Errorf("session %+v", s)
	}
}

func TestRefusalLeadsToAnotherSubset(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	for range 50 { // p2 is chosen in two of three cases, for an account that has not signed yet
		cl.net.party("p2").set(script{})
		a := cl.account(`{"user_id":"u"}`)
		cl.net.party("p2").set(script{refuse: protocol.CodeStorage})
		res := as[rest.SignResult](t, cl.post("/api/v1/accounts/"+a.ID+"/sign", `{"message":"`+digest+`"}`), http.StatusOK)
		s := cl.session(res.SessionID)
		for _, p := range s.Parties {
			if p.Name == "p2" {
				t.Fatalf("p2 refuses, and is in attempt %d that succeeded", s.Attempt)
			}
		}
		if s.Attempt == 2 {
			return
		}
	}
	t.Error("p2 was never asked")
}

func TestRefusalByAllIsToldAsSuch(t *testing.T) {
	t.Parallel()
	refusal := script{refuse: protocol.CodeUnknownKey}
	cl, a := signing(t, map[string]script{"p1": refusal, "p2": refusal, "p3": refusal})
	p := problem(t, a, http.StatusBadGateway, "party_refused")
	if len(p.Parties) == 0 || p.Parties[0].Code != "unknown_key" {
		t.Errorf("parties %+v", p.Parties)
	}
	types := eventTypes(cl.events(p.SessionID))
	for _, want := range []string{"session.created", "attempt.started", "party.refused", "attempt.failed", "session.failed"} {
		if !slices.Contains(types, want) {
			t.Errorf("no event %s in %v", want, types)
		}
	}
}

func eventTypes(events []rest.Event) (types []string) {
	for _, e := range events {
		types = append(types, e.Type)
	}
	return types
}

func TestDeathInRoundsLeadsToSecondAttempt(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	a := cl.account(`{"user_id":"u"}`)
	cl.net.party("p3").set(script{dead: true})
	cl.net.party("p2").set(script{dieInRounds: true})
	res := cl.do(call{method: "POST", path: "/api/v1/accounts/" + a.ID + "/sign", body: `{"message":"` + digest + `"}`, header: map[string]string{"Prefer": "respond-async"}})
	s := as[rest.Session](t, res, http.StatusAccepted)
	until(t, "p2 has died", cl.net.party("p2").isDead)
	cl.net.party("p3").set(script{})
	until(t, "the session is over", func() bool { return cl.session(s.ID).FinishedAt != nil })
	s = cl.session(s.ID)
	if s.Status != "completed" || s.Attempt < 2 || s.Attempt > 3 { // p3 may have been asked first, having shown itself just before
		t.Fatalf("session %+v", s)
	}
	if types := eventTypes(cl.events(s.ID)); !slices.Contains(types, "party.lost") || !slices.Contains(types, "attempt.failed") {
		t.Errorf("events %v", types)
	}
}

func TestTooFewParties(t *testing.T) {
	t.Parallel()
	cl, a := signing(t, map[string]script{"p2": {dead: true}, "p3": {dead: true}})
	p := problem(t, a, http.StatusServiceUnavailable, "too_few_parties")
	var named []string
	for _, party := range p.Parties {
		named = append(named, party.Name, party.PeerID)
	}
	for _, name := range []string{"p2", "p3"} {
		if !slices.Contains(named, name) || !slices.Contains(named, cl.net.party(name).ID()) || !bytes.Contains([]byte(p.Detail), []byte(name)) {
			t.Errorf("%s is not named: %+v", name, p)
		}
	}
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

func TestKeygenFailure(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	culprit := cl.net.party("p2").ID()
	cl.net.party("p1").set(script{fail: &protocol.Failure{Code: protocol.CodeProtocol, Detail: "a bad proof", Culprits: []string{culprit}}})
	p := problem(t, cl.post("/api/v1/accounts", `{"user_id":"u"}`), http.StatusBadGateway, "ceremony_failed")
	if len(p.Parties) != 1 || p.Parties[0].PeerID != culprit {
		t.Errorf("parties %+v", p.Parties)
	}
	list := as[rest.AccountList](t, cl.get("/api/v1/accounts?user_id=u"), http.StatusOK)
	if len(list.Accounts) != 1 || list.Accounts[0].Status != "failed" || list.Accounts[0].PublicKey != "" || list.Accounts[0].Error.Code != "ceremony_failed" {
		t.Errorf("accounts %+v", list.Accounts)
	}
	problem(t, cl.post("/api/v1/accounts/"+list.Accounts[0].ID+"/sign", `{"message":"`+digest+`"}`), http.StatusConflict, "account_not_active")
}

func TestKeygenDisagreement(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	cl.net.party("p3").set(script{otherKey: true})
	problem(t, cl.post("/api/v1/accounts", `{"user_id":"u"}`), http.StatusBadGateway, "results_do_not_match")
}

func TestDeadline(t *testing.T) {
	t.Parallel()
	cl := newClusterWith(t, func(c *Config) { c.SignTimeout = time.Second }, "p1", "p2")
	a := cl.account(`{"user_id":"u","threshold":{"t":2,"n":2}}`)
	cl.net.party("p1").set(script{mute: true})
	cl.net.party("p2").set(script{mute: true})
	p := problem(t, cl.post("/api/v1/accounts/"+a.ID+"/sign", `{"message":"`+digest+`"}`), http.StatusGatewayTimeout, "session_timeout")
	if s := cl.session(p.SessionID); s.Status != "expired" {
		t.Errorf("status %s", s.Status)
	}
	if n := cl.net.count(func(f *protocol.Frame) bool { return f.Cancel != nil }); n == 0 {
		t.Error("nobody was told to stop")
	}
}

func TestDrainingPartyIsNotChosen(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	a := cl.account(`{"user_id":"u"}`)
	p := cl.net.party("p1")
	p.mu.Lock()
	p.draining = true
	p.mu.Unlock()
	cl.waitParties(2)
	for range 3 {
		res := as[rest.SignResult](t, cl.post("/api/v1/accounts/"+a.ID+"/sign", `{"message":"`+digest+`"}`), http.StatusOK)
		for _, party := range cl.session(res.SessionID).Parties {
			if party.Name == "p1" {
				t.Error("a draining party was chosen")
			}
		}
	}
}

func TestManySigningsAtOnce(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	a := cl.account(`{"user_id":"u","scheme":"eddsa-ed25519"}`)
	const calls = 40
	results := make(chan answer, calls)
	for i := range calls {
		go func() {
			results <- cl.post("/api/v1/accounts/"+a.ID+"/sign", fmt.Sprintf(`{"message":"%04x"}`, i))
		}()
	}
	seen := make(map[string]bool)
	for range calls {
		seen[as[rest.SignResult](t, <-results, http.StatusOK).Message] = true
	}
	if len(seen) != calls {
		t.Errorf("%d different messages were signed", len(seen))
	}
	for _, p := range cl.net.order {
		until(t, "all outcomes are acknowledged", func() bool { return p.waiting() == 0 })
	}
}
