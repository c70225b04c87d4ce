package protocol

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// token assembles a compact JWS (RFC 7515) by hand, so that a test can say what
// no library would.
func token(header, claims string, sign func(input []byte) []byte) string {
	input := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	return input + "." + base64.RawURLEncoding.EncodeToString(sign([]byte(input)))
}

func signEd25519(input []byte) []byte { return ed25519.Sign(approverKey, input) }

// signRS is ECDSA in the form of RFC 7518 §3.4, of any curve and digest.
func signRS(tb testing.TB, key *ecdsa.PrivateKey, digest []byte) []byte {
	tb.Helper()
	r, s, err := ecdsa.Sign(rand.Reader, key, digest)
	noError(tb, err)
	size := (key.Curve.Params().BitSize + 7) / 8
	return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
}

func header(alg, typ, kid string) string {
	return fmt.Sprintf(`{"alg":%q,"kid":%q,"typ":%q}`, alg, kid, typ)
}

func claimsOf(tb testing.TB, s *Spec) string {
	tb.Helper()
	b, err := json.Marshal(ApprovalFor(s, testNow, time.Minute))
	noError(tb, err)
	return string(b)
}

// The hand-made form is the real one.
func TestHandMadeApproval(t *testing.T) {
	s := signSpec(2)
	s.Authorisation = []string{token(header("EdDSA", ApprovalType, keyID(spki(approverKey))), claimsOf(t, s), signEd25519)}
	_, err := Authorise(s, approvers, testNow)
	noError(t, err)
	sum := func(input []byte) []byte { d := sha256.Sum256(input); return signRS(t, p256Key, d[:]) }
	s.Authorisation = []string{token(header("ES256", ApprovalType, keyID(spki(p256Key))), claimsOf(t, s), sum)}
	_, err = Authorise(s, Approvers{M: 1, Keys: [][]byte{spki(p256Key)}}, testNow)
	noError(t, err)
}

func TestHostileHeaders(t *testing.T) {
	s := signSpec(2)
	claims, kid := claimsOf(t, s), keyID(spki(approverKey))
	good := header("EdDSA", ApprovalType, kid)
	both := Approvers{M: 1, Keys: [][]byte{spki(approverKey), spki(p256Key)}}
	kid256 := keyID(spki(p256Key))
	nothing := func([]byte) []byte { return nil }
	mac := func(key []byte) func([]byte) []byte {
		return func(input []byte) []byte { h := hmac.New(sha256.New, key); h.Write(input); return h.Sum(nil) }
	}
	es256 := func(input []byte) []byte { d := sha256.Sum256(input); return signRS(t, p256Key, d[:]) }
	es384 := func(input []byte) []byte { d := sha512.Sum384(input); return signRS(t, p256Key, d[:]) }
	thief := newIdentity("thief").key
	for _, c := range []struct {
		name, token, says string
	}{
		{"alg none", token(header("none", ApprovalType, kid), claims, nothing), "malformed approval"},
		{"alg None, signed", token(header("None", ApprovalType, kid), claims, signEd25519), "malformed approval"},
		{"no alg", token(`{"kid":"`+kid+`","typ":"`+ApprovalType+`"}`, claims, signEd25519), "malformed approval"},
		{"HS256 by the public key", token(header("HS256", ApprovalType, kid), claims, mac(spki(approverKey))), "malformed approval"},
		{"HS256 by nothing", token(header("HS256", ApprovalType, kid), claims, mac(nil)), "malformed approval"},
		{"RS256", token(header("RS256", ApprovalType, kid), claims, signEd25519), "malformed approval"},
		{"ES384 by P-256", token(header("ES384", ApprovalType, kid256), claims, es384), "malformed approval"},
		{"ES256 with an Ed25519 key", token(header("ES256", ApprovalType, kid), claims, es256), ErrSignature.Error()},
		{"EdDSA with a P-256 key", token(header("EdDSA", ApprovalType, kid256), claims, signEd25519), ErrSignature.Error()},
		{"EdDSA of a P-256 approver, by P-256", token(header("EdDSA", ApprovalType, kid256), claims, es256), ErrSignature.Error()},
		{"no typ", token(`{"alg":"EdDSA","kid":"`+kid+`"}`, claims, signEd25519), "its type must be"},
		{"typ JWT", token(header("EdDSA", "JWT", kid), claims, signEd25519), "its type must be"},
		{"typ of a credential", token(header("EdDSA", "mpc-member+jwt", kid), claims, signEd25519), "its type must be"},
		{"typ in capitals", token(header("EdDSA", strings.ToUpper(ApprovalType), kid), claims, signEd25519), "its type must be"},
		{"typ as a number", token(`{"alg":"EdDSA","kid":"`+kid+`","typ":1}`, claims, signEd25519), "its type must be"},
		{"no kid", token(`{"alg":"EdDSA","typ":"`+ApprovalType+`"}`, claims, signEd25519), "is no approver"},
		{"unknown kid", token(header("EdDSA", ApprovalType, keyID(spki(thief))), claims, signEd25519), "is no approver"},
		{"kid in capitals", token(header("EdDSA", ApprovalType, strings.ToUpper(kid)), claims, signEd25519), "is no approver"},
		{"kid of another approver", token(header("ES256", ApprovalType, kid256), claims, func(i []byte) []byte { return signEd25519(i) }), ErrSignature.Error()},
		{"signed by a thief", token(good, claims, func(i []byte) []byte { return ed25519.Sign(thief, i) }), ErrSignature.Error()},
		{"the thief's key embedded", token(fmt.Sprintf(`{"alg":"EdDSA","kid":%q,"typ":%q,"jwk":{"kty":"OKP","crv":"Ed25519","x":%q}}`, kid, ApprovalType,
			base64.RawURLEncoding.EncodeToString(thief.Public().(ed25519.PublicKey))), claims, func(i []byte) []byte { return ed25519.Sign(thief, i) }), ErrSignature.Error()},
		{"unknown critical extension", token(`{"alg":"EdDSA","kid":"`+kid+`","typ":"`+ApprovalType+`","crit":["x"],"x":1}`, claims, signEd25519), ErrSignature.Error()},
		{"alg twice", token(`{"alg":"none","alg":"EdDSA","kid":"`+kid+`","typ":"`+ApprovalType+`"}`, claims, signEd25519), "malformed approval"},
		{"empty", "", "malformed approval"},
		{"one part", "abc", "malformed approval"},
		{"four parts", token(good, claims, signEd25519) + ".AAAA", "malformed approval"},
		{"no signature", token(good, claims, nothing), "approval"},
		{"JSON serialisation", `{"payload":"","protected":"","signature":""}`, "malformed approval"},
		{"padded", strings.Replace(token(good, claims, signEd25519), ".", "=.", 1), "malformed approval"},
		{"white space", " " + token(good, claims, signEd25519), "malformed approval"},
	} {
		s.Authorisation = []string{c.token}
		_, err := Authorise(s, both, testNow)
		if err == nil {
			t.Errorf("%s: accepted", c.name)
			continue
		}
		t.Run(c.name, func(t *testing.T) { wantError(t, err, ErrApproval, c.says) })
	}
}

// A P-384 key that got into a record does not approve with ES256, although the
// arithmetic would allow it.
func TestP384IsNoES256(t *testing.T) {
	s := signSpec(2)
	key := newECDSA(elliptic.P384())
	raw := rawSPKI(key)
	for alg, digest := range map[string]crypto.Hash{"ES256": crypto.SHA256, "ES384": crypto.SHA384} {
		sign := func(input []byte) []byte { h := digest.New(); h.Write(input); return signRS(t, key, h.Sum(nil)) }
		s.Authorisation = []string{token(header(alg, ApprovalType, keyID(raw)), claimsOf(t, s), sign)}
		if _, err := Authorise(s, Approvers{M: 1, Keys: [][]byte{raw}}, testNow); err == nil {
			t.Errorf("%s by P-384 is accepted", alg)
		}
	}
	small := newECDSA(elliptic.P224()) // r and s of P-224 fit into ES256
	raw = rawSPKI(small)
	sign := func(input []byte) []byte {
		d := sha256.Sum256(input)
		rs := signRS(t, small, d[:])
		return append(append(make([]byte, 4), rs[:28]...), append(make([]byte, 4), rs[28:]...)...)
	}
	s.Authorisation = []string{token(header("ES256", ApprovalType, keyID(raw)), claimsOf(t, s), sign)}
	_, err := Authorise(s, Approvers{M: 1, Keys: [][]byte{raw}}, testNow)
	wantError(t, err, ErrApproval, "use Ed25519 or ECDSA P-256")
}

// Claims are read in one way only, whatever JSON reader an implementation has.
func TestHostileClaims(t *testing.T) {
	s := signSpec(2)
	claims := claimsOf(t, s)
	replace := func(old, fresh string) string {
		if !strings.Contains(claims, old) {
			t.Fatalf("claims %s have no %s", claims, old)
		}
		return strings.Replace(claims, old, fresh, 1)
	}
	cases := map[string]struct{ claims, says string }{
		"extra claim":                  {replace(`{`, `{"amount":1,`), "unknown claim"},
		"claim twice":                  {replace(`{`, `{"sub":"other",`), "duplicate"},
		"claim in capitals":            {replace(`"aud"`, `"AUD"`), `"aud" is missing`},
		"capitals beside":              {replace(`{`, `{"Aud":"testnet",`), "unknown claim"},
		"trailing value":               {claims + `{}`, "malformed"},
		"trailing letter":              {claims + `x`, "malformed"},
		"path null":                    {replace(`"path":[]`, `"path":null`), `"path" is missing`},
		"path negative":                {replace(`"path":[]`, `"path":[-1]`), "malformed"},
		"path above 32 bits":           {replace(`"path":[]`, `"path":[4294967296]`), "malformed"},
		"epoch null":                   {replace(`"epoch":0`, `"epoch":null`), `"epoch" is missing`},
		"epoch as text":                {replace(`"epoch":0`, `"epoch":"0"`), "malformed"},
		"epoch as a fraction":          {replace(`"epoch":0`, `"epoch":0.5`), "malformed"},
		"list of networks":             {replace(`"aud":"testnet"`, `"aud":["testnet"]`), "malformed"},
		"digest in capitals":           {replace(approvalDigest(s), strings.ToUpper(approvalDigest(s))), "(digest)"},
		"digest with 0x":               {replace(approvalDigest(s), "0x"+approvalDigest(s)), "(digest)"},
		"expiry as a fraction":         {replace(`"exp":`, `"exp":0.`), "malformed"},
		"expiry beyond 64 bits":        {replace(`"exp":`, `"exp":99999999999999999999`), "malformed"},
		"a list":                       {"[" + claims + "]", "malformed"},
		"text":                         {`"claims"`, "malformed"},
		"null":                         {`null`, "is missing"},
		"nothing":                      {``, "malformed"},
		"nested deeper than any stack": {replace(`"path":[]`, `"path":`+strings.Repeat("[", 100_000)+strings.Repeat("]", 100_000)), "malformed"},
	}
	for _, name := range claimNames {
		cases["no "+name] = struct{ claims, says string }{without(t, claims, name), `"` + name + `" is missing`}
	}
	for name, c := range cases {
		s.Authorisation = []string{token(header("EdDSA", ApprovalType, keyID(spki(approverKey))), c.claims, signEd25519)}
		_, err := Authorise(s, approvers, testNow)
		if err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		t.Run(name, func(t *testing.T) { wantError(t, err, ErrApproval, c.says) })
	}
}

func without(tb testing.TB, claims, name string) string {
	tb.Helper()
	var fields map[string]json.RawMessage
	noError(tb, json.Unmarshal([]byte(claims), &fields))
	delete(fields, name)
	b, err := json.Marshal(fields)
	noError(tb, err)
	return string(b)
}

// Each byte of a token matters.
func TestApprovalBitFlips(t *testing.T) {
	s := signSpec(2)
	good := approve(t, approverKey, s, nil)
	for i := range good {
		for _, c := range []byte{'A', 'Q', '.', '~'} {
			if good[i] == c {
				continue
			}
			s.Authorisation = []string{good[:i] + string(c) + good[i+1:]}
			if _, err := Authorise(s, approvers, testNow); err == nil {
				t.Errorf("byte %d changed from %q to %q: accepted", i, good[i], c)
			}
		}
	}
}
