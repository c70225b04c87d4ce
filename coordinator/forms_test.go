package coordinator

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/chain"
)

// TestAddresses looks at what a new account is called on chains, in the answer
// that made it, alone and in the list.
func TestAddresses(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	for _, scheme := range []protocol.Scheme{protocol.ECDSA, protocol.EdDSA} {
		made := cl.account(fmt.Sprintf(`{"user_id":%q,"scheme":%q}`, scheme, scheme))
		key, err := hex.DecodeString(made.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		want, err := chain.AddressesOf(scheme, key)
		if err != nil {
			t.Fatal(err)
		}
		shown := as[rest.Account](t, cl.get("/api/v1/accounts/"+made.ID), http.StatusOK)
		listed := as[rest.AccountList](t, cl.get("/api/v1/accounts?limit=1"), http.StatusOK).Accounts[0]
		for _, a := range []rest.Account{made, shown, listed} {
			if a.Addresses == nil || *a.Addresses != rest.Addresses(want) {
				t.Errorf("%s has the addresses %+v, want %+v", a.ID, a.Addresses, want)
			}
		}
	}
}

// TestHashes signs one message under every hash, by both schemes. The answer and
// the session name what was given, what was applied to it and what was signed.
func TestHashes(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	message := []byte("thirty-two bytes of some message")
	for _, scheme := range []protocol.Scheme{protocol.ECDSA, protocol.EdDSA} {
		a := cl.account(fmt.Sprintf(`{"user_id":"u","scheme":%q}`, scheme))
		for _, hash := range chain.Hashes() {
			body := fmt.Sprintf(`{"message":%q,"encoding":"utf8","hash":%q}`, message, hash)
			res := as[rest.SignResult](t, cl.post("/api/v1/accounts/"+a.ID+"/sign", body), http.StatusOK)
			digest, err := chain.Hash(hash, message)
			if err != nil {
				t.Fatal(err)
			}
			if res.Message != hex.EncodeToString(message) || res.Hash != hash || res.Digest != hex.EncodeToString(digest) {
				t.Errorf("%s, %s: the answer says %+v", scheme, hash, res)
			}
			key, _ := hex.DecodeString(a.PublicKey)
			compact, _ := hex.DecodeString(res.Signature.Compact)
			if err := protocol.VerifySignature(scheme, key, digest, compact); err != nil {
				t.Errorf("%s, %s: %v", scheme, hash, err)
			}
			s := cl.session(res.SessionID)
			if s.Message != res.Message || s.Hash != res.Hash || s.Digest != res.Digest || s.Signature.Compact != res.Signature.Compact {
				t.Errorf("%s, %s: the session says %+v", scheme, hash, s)
			}
		}
		if s := cl.session(a.KeygenSessionID); s.Message+s.Hash+s.Digest != "" {
			t.Errorf("the keygen names a message: %+v", s)
		}
	}
}

// TestBadMessages sends messages that cannot be decoded, hashed or signed.
func TestBadMessages(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	sign := "/api/v1/accounts/" + cl.account(`{"user_id":"u"}`).ID + "/sign"
	signEdDSA := "/api/v1/accounts/" + cl.account(`{"user_id":"u","scheme":"eddsa-ed25519"}`).ID + "/sign"
	post := func(path, body string) call { return call{method: "POST", path: path, body: body} }
	for _, c := range []struct {
		name   string
		call   call
		status int
		code   string
	}{
		{"odd hex", post(sign, `{"message":"abc"}`), 422, "malformed_message"},
		{"no hex", post(sign, `{"message":"zz"}`), 422, "malformed_message"},
		{"bad base64", post(sign, `{"message":"a","encoding":"base64"}`), 422, "malformed_message"},
		{"short digest", post(sign, `{"message":"abcd"}`), 422, "invalid_payload"},
		{"long digest", post(sign, `{"message":"`+digest+`00"}`), 422, "invalid_payload"},
		{"only 0x", post(sign, `{"message":"0x"}`), 422, "invalid_payload"},
		{"EdDSA message too long", post(signEdDSA, `{"message":"`+strings.Repeat("u", 33<<10)+`","encoding":"utf8"}`), 422, "invalid_payload"},
		{"no message", post(sign, `{}`), 422, "invalid_request"},
		{"unknown encoding", post(sign, `{"message":"`+digest+`","encoding":"morse"}`), 422, "invalid_request"},
		{"unknown hash", post(sign, `{"message":"`+digest+`","hash":"md5"}`), 422, "invalid_request"},
		{"nothing to hash", post(sign, `{"message":"0x","hash":"sha256"}`), 422, "invalid_payload"},
		{"too much to hash", post(sign, `{"message":"`+strings.Repeat("u", 33<<10)+`","encoding":"utf8","hash":"keccak256"}`), 422, "invalid_payload"},
		{"bad hex to hash", post(sign, `{"message":"zz","hash":"eip191"}`), 422, "malformed_message"},
		{"derivation path", post(sign, `{"message":"`+digest+`","derivation_path":"m/0"}`), 422, "derivation_not_supported"},
		{"unknown field in sign", post(sign, `{"message":"`+digest+`","x":1}`), 422, "invalid_request"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := problem(t, cl.do(c.call), c.status, c.code)
			if strings.Contains(p.Detail, strings.Repeat("u", 100)) {
				t.Error("the problem repeats the message")
			}
		})
	}
	if p := problem(t, cl.post(sign, `{"message":"abcd"}`), 422, "invalid_payload"); !strings.Contains(p.Detail, "name a hash") {
		t.Errorf("the problem of a short digest says nothing of hashes: %s", p.Detail)
	}
}

// TestSignatureForms reads every form of a signature back.
func TestSignatureForms(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	a := cl.account(`{"user_id":"u"}`)
	for i := range 4 { // both values of v, most likely
		body := fmt.Sprintf(`{"message":"message %d","encoding":"utf8","hash":"eip191"}`, i)
		res := as[rest.SignResult](t, cl.post("/api/v1/accounts/"+a.ID+"/sign", body), http.StatusOK)
		checkForms(t, res)
	}
	ed := cl.account(`{"user_id":"u","scheme":"eddsa-ed25519"}`)
	res := as[rest.SignResult](t, cl.post("/api/v1/accounts/"+ed.ID+"/sign", `{"message":"m","encoding":"utf8"}`), http.StatusOK)
	key, _ := hex.DecodeString(ed.PublicKey)
	compact, _ := base64.StdEncoding.DecodeString(res.Signature.Base64)
	if !ed25519.Verify(key, []byte("m"), compact) {
		t.Errorf("the base64 form does not verify: %+v", res.Signature)
	}
	if want := (rest.Signature{Compact: hex.EncodeToString(compact), Base64: res.Signature.Base64}); res.Signature != want {
		t.Errorf("EdDSA has other forms: %+v", res.Signature)
	}
}

func checkForms(t *testing.T, res rest.SignResult) {
	t.Helper()
	read := func(encoding, text string) []byte {
		raw, err := chain.Decode(encoding, text)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	got := res.Signature
	rsv, err := chain.ParseRSV(read(chain.Hex, got.RSV))
	if err != nil {
		t.Fatal(err)
	}
	ethereum, err := chain.ParseEthereum(read(chain.Hex, got.Ethereum))
	if err != nil || ethereum != rsv || *got.VEthereum != 27+*got.V {
		t.Errorf("the Ethereum form: %v of %+v", err, got)
	}
	for _, der := range [][]byte{read(chain.Hex, got.DER), read(chain.Base64, got.DERBase64)} {
		if rs, err := chain.ParseDER(der); err != nil || string(rs) != string(rsv.Compact()) {
			t.Errorf("the DER form: %v of %+v", err, got)
		}
	}
	if got.R+got.S != got.Compact || got.Compact != hex.EncodeToString(rsv.Compact()) ||
		string(read(chain.Base64, got.Base64)) != string(rsv.Compact()) || string(read(chain.Base64, got.RSVBase64)) != string(rsv.RSV()) {
		t.Errorf("the forms differ: %+v", got)
	}
	key, err := rsv.Recover(read(chain.Hex, res.Digest))
	if err != nil || hex.EncodeToString(key) != res.PublicKey {
		t.Errorf("the recovery id leads to %x, %v", key, err)
	}
}
