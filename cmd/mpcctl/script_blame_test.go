package main

import (
	"encoding/base64"
	"encoding/json"
	"os"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/meshmpc/mpcd/coordinator/client/clienttest"
	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
)

// blames are a blame that is proven, its answer, and one that is only said to be
// proven.
func blames(ts *testscript.TestScript) []rest.Blame {
	sid := protocol.SID{1, 2, 3}
	culprit, by := clienttest.NewSigner(), clienttest.NewSigner()
	v := protocol.Evidence{Version: protocol.EvidenceVersion, Reason: protocol.ReasonContradiction, Culprit: culprit.ID(), By: by.ID(), SID: sid}
	for _, payload := range []string{"one", "two"} {
		e := protocol.Seal(culprit, protocol.Header{SID: sid, Type: protocol.TypeRound, Round: 1, Name: "R1", Seq: 2}, []byte(payload))
		v.Exhibits = append(v.Exhibits, protocol.Exhibit{Header: e.Header, Signature: e.Signature})
	}
	data, err := protocol.Marshal(v)
	ts.Check(err)
	p1, p2 := rest.PartyName{PeerID: by.ID(), Name: "p1"}, rest.PartyName{PeerID: culprit.ID(), Name: "p2"}
	return []rest.Blame{
		{Party: p2, By: p1, Attempt: 1, SID: sid.String(), Reason: "contradiction", Proven: true, Evidence: base64.StdEncoding.EncodeToString(data)},
		{Party: p1, By: p2, Attempt: 1, SID: sid.String(), Reason: "invalid_proof"},
		{Party: rest.PartyName{PeerID: clienttest.NewSigner().ID(), Name: "p3"}, By: p1, Attempt: 2, SID: sid.String(), Reason: "contradiction", Proven: true},
	}
}

// certificateFiles writes an account's certificate as people have it.
func certificateFiles(ts *testscript.TestScript, _ bool, args []string) {
	var a rest.Account
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &a))
	write := func(name string, data []byte) { ts.Check(os.WriteFile(ts.MkAbs(name), data, 0o600)) }
	writeJSON := func(name string, v any) {
		data, err := json.Marshal(v)
		ts.Check(err)
		write(name, data)
	}
	raw, err := base64.StdEncoding.DecodeString(a.Certificate.Encoded)
	ts.Check(err)
	write("certificate.cbor", raw)
	write("certificate.b64", []byte(a.Certificate.Encoded[:76]+"\n"+a.Certificate.Encoded[76:]+"\n"))
	writeJSON("certificate.txt", a.Certificate.Encoded)
	writeJSON("certificate.json", a.Certificate)
	raw[len(raw)-1] ^= 1
	write("broken.cbor", raw)

	other := *a.Certificate
	other.ThresholdT = 3
	writeJSON("broken.json", other)
	a.Approval.M = 2
	writeJSON("broken-account.json", a)
	writeJSON("mixed.json", struct { // the account, and beside it its certificate
		rest.Account
		Encoded string `json:"encoded"`
	}{a, a.Certificate.Encoded})
	a.Certificate = nil
	writeJSON("without.json", a)
}
