package client_test

import (
	"encoding/base64"
	"testing"

	"github.com/meshmpc/mpcd/coordinator/client"
	"github.com/meshmpc/mpcd/coordinator/client/clienttest"
	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
)

// proof is a blame with evidence that proves it.
func proof(t *testing.T) (rest.Blame, *protocol.Evidence) {
	t.Helper()
	culprit, sid := clienttest.NewSigner(), protocol.SID{1, 2, 3}
	v := &protocol.Evidence{
		Version: protocol.EvidenceVersion, Reason: protocol.ReasonContradiction, Culprit: culprit.ID(), By: clienttest.NewSigner().ID(), SID: sid,
	}
	for _, payload := range []string{"one", "two"} {
		e := protocol.Seal(culprit, protocol.Header{SID: sid, Type: protocol.TypeRound, Round: 1, Name: "R1", Seq: 2}, []byte(payload))
		v.Exhibits = append(v.Exhibits, protocol.Exhibit{Header: e.Header, Signature: e.Signature})
	}
	return rest.Blame{
		Party: rest.PartyName{PeerID: v.Culprit}, By: rest.PartyName{PeerID: v.By}, SID: sid.String(), Reason: string(v.Reason), Proven: true,
		Evidence: encodeEvidence(t, v),
	}, v
}

func encodeEvidence(t *testing.T, v *protocol.Evidence) string {
	t.Helper()
	data, err := protocol.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(data)
}

func TestVerifyEvidence(t *testing.T) {
	_, v := proof(t)
	data, err := protocol.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if f, err := client.VerifyEvidence(data); err != nil || !f.Proven || f.Culprit != v.Culprit || f.Why == "" {
		t.Errorf("finding %+v, %v", f, err)
	}
	_, err = client.VerifyEvidence(data[1:])
	wantError(t, err, client.ErrVerification, "evidence")
	for i := range data {
		data[i] ^= 1
		if f, err := client.VerifyEvidence(data); err == nil && f.Proven && f.Culprit != v.Culprit {
			t.Errorf("byte %d changed: %+v", i, f)
		}
		data[i] ^= 1
	}
}

// TestVerifyBlame: a coordinator cannot say more than the evidence does.
func TestVerifyBlame(t *testing.T) {
	good, v := proof(t)
	if f, err := client.VerifyBlame(&good); err != nil || !f.Proven {
		t.Fatalf("finding %+v, %v", f, err)
	}
	other := clienttest.NewSigner().ID()
	word := *v
	word.Reason, word.Exhibits = protocol.ReasonProof, word.Exhibits[:1]
	for name, tt := range map[string]struct {
		change func(*rest.Blame)
		says   string
	}{
		"another party":      {func(b *rest.Blame) { b.Party.PeerID = other }, "the evidence is about"},
		"another attempt":    {func(b *rest.Blame) { b.SID = protocol.SID{}.String() }, "the attempt"},
		"another reason":     {func(b *rest.Blame) { b.Reason = "false_digest" }, `the evidence shows "contradiction"`},
		"no evidence":        {func(b *rest.Blame) { b.Evidence = "" }, "there is no evidence here"},
		"no base64":          {func(b *rest.Blame) { b.Evidence = "!" }, "evidence"},
		"no CBOR":            {func(b *rest.Blame) { b.Evidence = "AAAA" }, "evidence"},
		"evidence, no proof": {func(b *rest.Blame) { b.Evidence, b.Reason = encodeEvidence(t, &word), "invalid_proof" }, "rests on the word"},
	} {
		t.Run(name, func(t *testing.T) {
			b := good
			tt.change(&b)
			_, err := client.VerifyBlame(&b)
			wantError(t, err, client.ErrVerification, tt.says)
		})
	}
	unproven := rest.Blame{Party: rest.PartyName{PeerID: other}, By: good.By, Reason: "invalid_proof"}
	if f, err := client.VerifyBlame(&unproven); err != nil || f.Proven || f.Why == "" {
		t.Errorf("a party's word: %+v, %v", f, err)
	}
	unproven.Evidence, unproven.SID, unproven.Party.PeerID = encodeEvidence(t, &word), good.SID, v.Culprit
	if f, err := client.VerifyBlame(&unproven); err != nil || f.Proven {
		t.Errorf("a party's word with evidence: %+v, %v", f, err)
	}
}
