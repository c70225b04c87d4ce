package api

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
)

func TestReadMessage(t *testing.T) {
	const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" // SHA-256 (FIPS 180-4)
	for _, c := range []struct{ text, encoding, hash, payload, message string }{
		{"616263", "", "", "616263", ""},
		{"0x616263", "hex", "none", "616263", ""},
		{"YWJj", "base64", "none", "616263", ""},
		{"abc", "utf8", "", "616263", ""},
		{"", "utf8", "", "", ""},
		{"616263", "", "sha256", abc, "616263"},
		{"YWJj", "base64", "sha256", abc, "616263"},
		{"abc", "utf8", "sha256", abc, "616263"},
		{"abc", "utf8", "keccak256", "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45", "616263"},
		{"Some data", "utf8", "eip191", "1da44b586eb0729ff70a73c326926f6ed5a25f5b056e7f47fbc6e58d86871655", "536f6d652064617461"},
	} {
		m, err := readMessage(c.text, c.encoding, c.hash)
		if err != nil {
			t.Fatal(err)
		}
		s := &registry.Session{NewSession: registry.NewSession{Payload: m.payload, Message: m.message, Hash: m.hash}}
		message, hash, digest := signedView(s)
		wantMessage, wantHash := c.message, c.hash
		if c.message == "" { // without a hash what is given is what is signed
			wantMessage, wantHash = c.payload, "none"
		}
		if digest != c.payload || hex.EncodeToString(m.message) != c.message || message != wantMessage || hash != wantHash {
			t.Errorf("%+v: %+v, shown as %s, %s, %s", c, m, message, hash, digest)
		}
	}
}

func TestReadMessageRefuses(t *testing.T) {
	large := strings.Repeat("m", protocol.MaxMessage+1)
	for _, c := range []struct{ text, encoding, hash, code, location string }{
		{"abc", "", "", codeMalformedMessage, "body.message"},
		{"abc", "hex", "sha256", codeMalformedMessage, "body.message"},
		{"YWJ", "base64", "", codeMalformedMessage, "body.message"},
		{"abc", "morse", "", codeMalformedMessage, "body.message"},
		{"0x", "", "sha256", registry.CodeInvalidPayload, "body.message"},
		{large, "utf8", "eip191", registry.CodeInvalidPayload, "body.message"},
		{"abc", "utf8", "md5", codeInvalid, "body.hash"},
	} {
		m, err := readMessage(c.text, c.encoding, c.hash)
		var p *rest.Problem
		if !errors.As(err, &p) || p.Code != c.code || len(p.Errors) != 1 || p.Errors[0].Location != c.location || m.payload != nil {
			t.Errorf("%.10q, %s, %s: %v, %+v", c.text, c.encoding, c.hash, err, p)
		}
		if strings.Contains(err.Error(), large) {
			t.Error("the problem repeats the message")
		}
	}
	if _, err := readMessage(large[1:], "utf8", "eip191"); err != nil {
		t.Errorf("the largest message: %v", err)
	}
}

// A signature whose r was reduced has no Ethereum form; the other forms stay.
func TestSignatureViewOfReducedR(t *testing.T) {
	one := append(make([]byte, 31), 1)
	for recovery, ethereum := range map[byte]int{0: 27, 1: 28, 2: 0, 3: 0} {
		v := signatureView(protocol.ECDSA, &registry.Signature{Bytes: bytes.Join([][]byte{one, one}, nil), Recovery: recovery})
		if v.V == nil || *v.V != int(recovery) || v.DER != "3006020101020101" || v.DERBase64 != "MAYCAQECAQE=" || v.RSV != v.Compact+"0"+string('0'+recovery) {
			t.Errorf("recovery %d: %+v", recovery, v)
		}
		if ethereum == 0 && (v.VEthereum != nil || v.Ethereum != "") {
			t.Errorf("recovery %d has an Ethereum form: %+v", recovery, v)
		}
		if ethereum != 0 && (v.VEthereum == nil || *v.VEthereum != ethereum || v.Ethereum != v.Compact+hex.EncodeToString([]byte{byte(ethereum)})) {
			t.Errorf("recovery %d: %+v", recovery, v)
		}
	}
}

func FuzzReadMessage(f *testing.F) {
	for _, s := range []string{"", "0x", "0xab", "abc", "zz", "YQ==", "\x00"} {
		for _, encoding := range []string{"", "hex", "base64", "utf8"} {
			f.Add(s, encoding, "")
			f.Add(s, encoding, "eip191")
		}
	}
	f.Fuzz(func(t *testing.T, text, encoding, hash string) {
		m, err := readMessage(text, encoding, hash)
		hashed := m.hash != ""
		switch {
		case err != nil:
		case hashed && (len(m.payload) != protocol.DigestSize || len(m.message) == 0 || len(m.message) > len(text)):
			t.Errorf("%d bytes out of %d, of %d", len(m.payload), len(m.message), len(text))
		case !hashed && len(m.payload) > len(text):
			t.Errorf("%d bytes out of %d", len(m.payload), len(text))
		}
	})
}
