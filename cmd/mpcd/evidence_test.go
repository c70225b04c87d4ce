package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/meshmpc/mpcd/node"
	"github.com/meshmpc/mpcd/protocol"
)

// signer is a node's identity.
type signer struct{ key ed25519.PrivateKey }

func newSigner(n byte) signer {
	return signer{ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, ed25519.SeedSize))}
}

func (s signer) ID() protocol.PeerID     { return protocol.PeerIDOf(s.key.Public().(ed25519.PublicKey)) }
func (s signer) Sign(data []byte) []byte { return ed25519.Sign(s.key, data) }

// cheat and witness are the members that the scripts' evidence is about: CHEAT and
// WITNESS.
var cheat, witness = newSigner(1), newSigner(2)

// exhibit is a message of the cheat's.
func exhibit(t protocol.Type, name string, payload []byte, show bool) protocol.Exhibit {
	e := protocol.Seal(cheat, protocol.Header{SID: protocol.SID{7}, Type: t, Round: 1, Name: name, Seq: 1}, payload)
	x := protocol.Exhibit{Header: e.Header, Signature: e.Signature}
	if show {
		x.Payload = payload
	}
	return x
}

// sampleEvidence is evidence of each kind.
func sampleEvidence(kind string) *protocol.Evidence {
	v := &protocol.Evidence{Version: protocol.EvidenceVersion, Culprit: cheat.ID(), By: witness.ID(), Detail: "seen by me", SID: protocol.SID{7}}
	one, other := exhibit(protocol.TypeRound, "KGRound1Message", []byte("one"), true), exhibit(protocol.TypeRound, "KGRound1Message", []byte("another"), true)
	switch kind {
	case "contradiction":
		v.Reason, v.Exhibits = protocol.ReasonContradiction, []protocol.Exhibit{one, other}
	case "digest":
		v.Reason, v.Exhibits = protocol.ReasonFalseDigest, []protocol.Exhibit{exhibit(protocol.TypeDigest, "1", []byte("no digest"), true)}
	case "claim":
		v.Reason, v.Exhibits = protocol.ReasonProof, []protocol.Exhibit{one}
		v.Detail = "a bad proof \x1b[31m"
	case "forged": // one message is its own
		v.Reason, v.Exhibits = protocol.ReasonContradiction, []protocol.Exhibit{one, other}
		v.Exhibits[1].Signature = witness.Sign([]byte("something"))
	case "framed": // somebody else's name on it
		v.Reason, v.Exhibits, v.Culprit = protocol.ReasonContradiction, []protocol.Exhibit{one, other}, witness.ID()
	case "same":
		v.Reason, v.Exhibits = protocol.ReasonContradiction, []protocol.Exhibit{one, one}
	case "empty":
		v.Reason = protocol.ReasonContradiction
	}
	return v
}

// makeEvidence is the script command evidence KIND FORM FILE; FORM is cbor, base64,
// wrapped, url or json.
func makeEvidence(ts *testscript.TestScript, _ bool, args []string) {
	raw, err := protocol.Marshal(sampleEvidence(args[0]))
	ts.Check(err)
	text := base64.StdEncoding.EncodeToString(raw)
	forms := map[string][]byte{
		"cbor": raw, "base64": []byte(text + "\n"), "url": []byte(base64.RawURLEncoding.EncodeToString(raw)),
		"wrapped": []byte(text[:76] + "\n" + text[76:]), "cut": raw[:len(raw)/2],
	}
	forms["json"], err = json.Marshal(raw)
	ts.Check(err)
	ts.Check(os.MkdirAll(filepath.Dir(ts.MkAbs(args[2])), 0o700))
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), forms[args[1]], 0o600))
}

// makeConduct is the script command conduct DATA KEY PEER FAILURES.
func makeConduct(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[3])
	ts.Check(err)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	c := node.Conduct{
		Version: 1, Key: args[1], Peer: args[2], Failures: n, Proven: 1, First: at, Last: at.Add(time.Hour),
		Reason: protocol.ReasonContradiction, Session: "session-1", Evidence: []string{"one.proven.cbor"},
	}
	if n >= node.QuarantineAfter {
		c.Since = at.Add(time.Minute)
	}
	data, err := json.Marshal(c)
	ts.Check(err)
	dir := filepath.Join(string(node.QuarantineIn(ts.MkAbs(args[0]))), args[1])
	ts.Check(os.MkdirAll(dir, 0o700))
	ts.Check(os.WriteFile(filepath.Join(dir, args[2]+".json"), data, 0o600))
}

// exits is the script command exits CODE command args….
func exits(ts *testscript.TestScript, _ bool, args []string) {
	code := 0
	var exit *exec.ExitError
	switch err := ts.Exec(args[1], args[2:]...); {
	case errors.As(err, &exit):
		code = exit.ExitCode()
	default:
		ts.Check(err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// Whatever a file holds, it is read or refused, and what is printed is fit for a
// terminal.
func FuzzDecodeEvidence(f *testing.F) {
	for _, kind := range []string{"contradiction", "digest", "claim", "forged"} {
		raw, err := protocol.Marshal(sampleEvidence(kind))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
		f.Add([]byte(`"` + base64.StdEncoding.EncodeToString(raw) + `"`))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := decodeEvidence(data)
		if err != nil {
			return
		}
		found, err := v.Verify(protocol.VerifyPeer)
		if err == nil && found.Proven && v.Reason != protocol.ReasonContradiction && v.Reason != protocol.ReasonFalseDigest {
			t.Errorf("%q is proven", v.Reason)
		}
		s := showFinding(v, found)
		for _, text := range []string{s.Why, s.By, s.Detail, s.Reason} {
			if strings.ContainsAny(text, "\x1b\r\n\x00") {
				t.Errorf("%q is printed", text)
			}
		}
	})
}
