package api

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/chain"
)

// sampleSpec is what the sampled request asks the parties to sign.
func sampleSpec() *protocol.Spec {
	return &protocol.Spec{
		Network: "example", Kind: protocol.KindSign, Session: sampleSignSession, Account: sampleAccount, Key: sampleKeygen, Scheme: protocol.ECDSA,
		Payload: must(hex.DecodeString(sampleDigest())),
	}
}

// TestSampleKeyAndSignatureAreReal: whoever tries a verifier on the examples
// must not be sent astray.
func TestSampleKeyAndSignatureAreReal(t *testing.T) {
	a := certifiedAccount()
	key, err := hex.DecodeString(a.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	addresses, err := chain.AddressesOf(protocol.ECDSA, key)
	if err != nil || a.Addresses == nil || a.Addresses.Ethereum != addresses.Ethereum || a.Addresses.Bitcoin == "" {
		t.Errorf("addresses %+v, %v", a.Addresses, err)
	}
	result := sampleSignResult()
	compact := must(hex.DecodeString(result.Signature.Compact))
	if err := protocol.VerifySignature(protocol.ECDSA, key, must(hex.DecodeString(result.Digest)), compact); err != nil {
		t.Error(err)
	}
	forms, err := chain.ParseRSV(must(hex.DecodeString(result.Signature.RSV)))
	if err != nil {
		t.Fatal(err)
	}
	if recovered, err := forms.Recover(must(hex.DecodeString(result.Digest))); err != nil || hex.EncodeToString(recovered) != samplePublicKey {
		t.Errorf("the recovery id leads to %x, %v", recovered, err)
	}
	if a.Certificate == nil || a.Certificate.PublicKey != samplePublicKey || a.Certificate.Key != sampleKeygen || a.Certificate.SID != sampleSID {
		t.Fatalf("certificate %+v", a.Certificate)
	}
	var c protocol.Certificate
	if err := protocol.Unmarshal(sampleEncodedCertificate(), &c); err != nil {
		t.Fatal(err)
	}
	if err := c.Verify(p2p.Verify); err != nil {
		t.Error(err)
	}
}

func TestSampleApprovalsAndProofsAreReal(t *testing.T) {
	spki := must(base64.StdEncoding.DecodeString(sampleApproverKey))
	spec := sampleSpec()
	spec.Authorisation = []string{sampleApproval}
	if _, err := protocol.Authorise(spec, protocol.Approvers{M: 1, Keys: [][]byte{spki}}, sampleTime(300)); err != nil {
		t.Error(err)
	}
	if protocol.ApproverID(spki) != sampleApproverID || protocol.ApproverID(must(base64.StdEncoding.DecodeString(sampleOtherKey))) != sampleOtherApproverID {
		t.Error("the ids of the approvers are others")
	}
	statement := protocol.JoinStatement("example", sampleCoManaged, samplePeers[3], sha256.Sum256([]byte(sampleInviteCode)))
	if !p2p.Verify(samplePeers[3], statement, must(base64.StdEncoding.DecodeString(sampleProof))) {
		t.Error("the join's proof is wrong")
	}
	seal, err := protocol.OpenSealKey(must(base64.StdEncoding.DecodeString(sampleStatement)), p2p.Verify)
	if err != nil || seal.Peer != samplePeers[2] || base64.StdEncoding.EncodeToString(seal.Key) != sampleSealKey || !sampleTime(0).Before(time.Unix(seal.Expires, 0)) {
		t.Errorf("seal key %+v, %v", seal, err)
	}
	for text, recipient := range map[string]string{sampleShare: sampleRecipient, sampleSignShare: sampleSealKey} {
		sealed, data, err := protocol.ParseShare(text)
		if err != nil || !sealed || base64.StdEncoding.EncodeToString(data[:protocol.RecipientSize]) != recipient {
			t.Errorf("%.30s: %v", text, err)
		}
	}
}

// TestEverySampleIsUsed: an example or a description of an operation that there
// is no more is a leftover.
func TestEverySampleIsUsed(t *testing.T) {
	s := &server{mux: http.NewServeMux(), table: make(map[string]route)}
	doc := s.describe().OpenAPI()
	operations := make(map[string]bool)
	tagged := make(map[string]bool)
	for _, tag := range tags() {
		tagged[tag.Name] = true
	}
	for _, rt := range s.table {
		operations[rt.id] = true
		if !tagged[rt.tag] {
			t.Errorf("%s has the tag %q, which is not described", rt.id, rt.tag)
		}
	}
	for name := range bodySamples {
		if id, _, _ := strings.Cut(name, " "); !operations[id] {
			t.Errorf("an example for %s", name)
		}
	}
	for id := range descriptions {
		if !operations[id] {
			t.Errorf("a description of %s", id)
		}
	}
	for name := range samples() {
		if doc.Components.Schemas.Map()[name] == nil {
			t.Errorf("an example of %s", name)
		}
	}
}
