package coordinator

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
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
