package protocol

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// approvalFile is testdata/approvals.json: what another implementation of
// approvals must make and what it must see refused.
type approvalFile struct {
	About     []string          `json:"about"`
	Now       int64             `json:"now"` // Unix seconds, the moment of all checks
	Needed    int               `json:"needed"`
	Approvers []approverVector  `json:"approvers"`
	Requests  []requestVector   `json:"requests"`
	Refused   []refusedApproval `json:"refused"`
}

type approverVector struct {
	Algorithm string `json:"alg"`
	Private   string `json:"private"` // hex: the Ed25519 seed, or the P-256 scalar
	SPKI      string `json:"spki"`    // base64: SubjectPublicKeyInfo in DER
	KeyID     string `json:"kid"`
}

type requestVector struct {
	Name      string   `json:"name"`
	Scheme    Scheme   `json:"scheme"`
	Payload   string   `json:"payload"` // hex: what the key signs
	Claims    string   `json:"claims"`  // the JSON that is signed, byte for byte
	Approvals []string `json:"approvals"`
}

// refusedApproval takes the place of the first approval of request 0.
type refusedApproval struct {
	Why   string `json:"why"`
	Token string `json:"token"`
}

var approvalAbout = []string{
	"Approvals as package protocol documents them (go doc github.com/meshmpc/mpcd/protocol), for whoever makes them in another language.",
	"The fields of each request that are not listed are in its claims. ES256 tokens use the nonce of RFC 6979; any nonce is fine.",
	"Each token of refused, put in the place of the first approval of request 0, makes a party refuse the request.",
	"No key of this file may be used.",
}

// approvalSigner signs tokens with the algorithm of its key, deterministically.
type approvalSigner struct {
	alg  string
	key  crypto.Signer
	raw  []byte
	sign func(input []byte) []byte
}

func approvalSigners(tb testing.TB) []approvalSigner {
	tb.Helper()
	p256 := fixedP256(tb)
	raw, err := p256.Bytes()
	noError(tb, err)
	return []approvalSigner{
		{"EdDSA", approverKey, approverKey.Seed(), signEd25519},
		{"ES256", p256, raw, func(input []byte) []byte { return deterministicES256(tb, p256, input) }},
	}
}

func (a approvalSigner) token(claims string) string {
	return token(header(a.alg, ApprovalType, keyID(spki(a.key))), claims, a.sign)
}

func approvalVectorFile(tb testing.TB) approvalFile {
	tb.Helper()
	f := approvalFile{About: approvalAbout, Now: testNow.Unix(), Needed: 2}
	signers := approvalSigners(tb)
	for _, s := range signers {
		f.Approvers = append(f.Approvers, approverVector{s.alg, hex.EncodeToString(s.raw), base64.StdEncoding.EncodeToString(spki(s.key)), keyID(spki(s.key))})
	}
	for name, spec := range orderedPairs("an ECDSA digest", signSpec(2), "an EdDSA message, with a leading zero byte", eddsaRequest()) {
		r := requestVector{Name: name, Scheme: spec.Scheme, Payload: hex.EncodeToString(spec.Payload), Claims: claimsOf(tb, spec)}
		for _, s := range signers {
			r.Approvals = append(r.Approvals, s.token(r.Claims))
		}
		f.Requests = append(f.Requests, r)
	}
	f.Refused = refusedApprovals(tb, signers)
	return f
}

func eddsaRequest() *Spec {
	s := signSpec(2)
	s.Scheme, s.Payload, s.Epoch = EdDSA, []byte("\x00a message"), 3
	return s
}

func refusedApprovals(tb testing.TB, signers []approvalSigner) []refusedApproval {
	tb.Helper()
	ed, es := signers[0], signers[1]
	claims, kid := claimsOf(tb, signSpec(2)), keyID(spki(ed.key))
	good := ed.token(claims)
	replaced := func(old, with string) string {
		if !strings.Contains(claims, old) {
			tb.Fatalf("claims %s have no %s", claims, old)
		}
		return ed.token(strings.Replace(claims, old, with, 1))
	}
	headed := func(h string) string { return token(h, claims, ed.sign) }
	dot := strings.LastIndexByte(good, '.')
	list := []refusedApproval{
		{"alg none", token(header("none", ApprovalType, kid), claims, func([]byte) []byte { return nil })},
		{"alg of the other kind of key", headed(header("ES256", ApprovalType, kid))},
		{"typ JWT", headed(header("EdDSA", "JWT", kid))},
		{"no typ", headed(`{"alg":"EdDSA","kid":"` + kid + `"}`)},
		{"no kid", headed(`{"alg":"EdDSA","typ":"` + ApprovalType + `"}`)},
		{"kid of the other approver", headed(header("EdDSA", ApprovalType, keyID(spki(es.key))))},
		{"no signature", good[:dot+1]},
		{"signed by nobody", good[:dot+1] + strings.Repeat("A", len(good)-dot-1)},
		{"the other approver's, a second time", es.token(claims)},
		{"base64 with padding", good + "=="},
		{"another request", replaced(`"jti":"0198c0de-0000-7000-8000-000000000002"`, `"jti":"0198c0de-0000-7000-8000-000000000003"`)},
		{"another digest", replaced(`"digest":"f5`, `"digest":"f6`)},
		{"digest in capitals", replaced(`"digest":"f5`, `"digest":"F5`)},
		{"another network", replaced(`"aud":"testnet"`, `"aud":"mainnet"`)},
		{"aud as a list", replaced(`"aud":"testnet"`, `"aud":["testnet"]`)},
		{"another operation", replaced(`"op":"sign"`, `"op":"keygen"`)},
		{"another epoch", replaced(`"epoch":0`, `"epoch":1`)},
		{"another path", replaced(`"path":[]`, `"path":[0]`)},
		{"path null", replaced(`"path":[]`, `"path":null`)},
		{"no path", replaced(`"path":[],`, ``)},
		{"a claim twice", replaced(`"epoch":0`, `"epoch":1,"epoch":0`)},
		{"a claim in capitals", replaced(`"epoch":0`, `"Epoch":0`)},
		{"an unknown claim", replaced(`"epoch":0`, `"epoch":0,"iss":"me"`)},
		{"times as text", replaced(`"exp":1800000060`, `"exp":"1800000060"`)},
		{"longer than 24 hours", replaced(`"exp":1800000060`, `"exp":1800086401`)},
		{"expired by 31 seconds", replaced(`"nbf":1800000000,"exp":1800000060`, `"nbf":1799999000,"exp":1799999969`)},
		{"valid in 31 seconds", replaced(`"nbf":1800000000,"exp":1800000060`, `"nbf":1800000031,"exp":1800000060`)},
	}
	return list
}

// The file is what this package makes, and it judges each token as the file says.
func TestApprovalVectors(t *testing.T) {
	var want bytes.Buffer
	enc := json.NewEncoder(&want)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	noError(t, enc.Encode(approvalVectorFile(t)))
	path := filepath.Join("testdata", "approvals.json")
	if *update {
		noError(t, os.WriteFile(path, want.Bytes(), 0o644))
	}
	data, err := os.ReadFile(path)
	noError(t, err)
	if !bytes.Equal(data, want.Bytes()) {
		t.Fatalf("%s is not what the package makes: the format is final, and clients in other languages depend on it", path)
	}
	var f approvalFile
	noError(t, json.Unmarshal(data, &f))
	judgeApprovals(t, f)
}

func judgeApprovals(t *testing.T, f approvalFile) {
	t.Helper()
	who := Approvers{M: f.Needed}
	for _, a := range f.Approvers {
		key, err := base64.StdEncoding.DecodeString(a.SPKI)
		noError(t, err)
		who.Keys = append(who.Keys, key)
	}
	noError(t, who.Validate())
	for i, spec := range []*Spec{signSpec(2), eddsaRequest()} {
		payload, err := hex.DecodeString(f.Requests[i].Payload)
		noError(t, err)
		spec.Scheme, spec.Payload, spec.Authorisation = f.Requests[i].Scheme, payload, f.Requests[i].Approvals
		_, err = Authorise(spec, who, testNow)
		noError(t, err)
	}
	for _, r := range f.Refused {
		spec := signSpec(2)
		spec.Authorisation = []string{r.Token, f.Requests[0].Approvals[1]}
		if _, err := Authorise(spec, who, testNow); !errors.Is(err, ErrApproval) {
			t.Errorf("%s: error %v", r.Why, err)
		}
	}
}
