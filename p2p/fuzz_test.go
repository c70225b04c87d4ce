package p2p

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"io"
	"testing"
	"time"
)

// fixedKeys are the same in every run, so that a corpus stays valid.
func fixedKeys() (authority, node ed25519.PrivateKey) {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize)), ed25519.NewKeyFromSeed(bytes.Repeat([]byte{2}, ed25519.SeedSize))
}

func fixedCredential(t testing.TB) (token string, authority ed25519.PublicKey, id PeerID) {
	t.Helper()
	key, node := fixedKeys()
	id = PeerOf(node.Public().(ed25519.PublicKey))
	token, err := IssueCredential(key, "main", Member{Peer: id, Role: RoleParty, IssuedAt: time.Unix(1, 0), Expires: time.Unix(1<<33, 0)})
	if err != nil {
		t.Fatal(err)
	}
	return token, key.Public().(ed25519.PublicKey), id
}

// FuzzCredential: no token but the issued one is accepted, none panics, and each
// refusal has a reason.
func FuzzCredential(f *testing.F) {
	token, authority, id := fixedCredential(f)
	f.Add(token)
	f.Add(token[:len(token)-1])
	f.Add("")
	f.Add("e30.e30.e30")
	f.Add(`{"payload":"e30","protected":"e30","signature":"e30"}`)
	f.Fuzz(func(t *testing.T, in string) {
		m, err := VerifyCredential(authority, "main", in, time.Unix(1000, 0))
		if err == nil {
			if m.Peer != id || m.Role != RoleParty {
				t.Fatalf("accepted %q as %+v", in, m)
			}
			return
		}
		for _, reason := range refusalCodes {
			if errors.Is(err, reason) {
				return
			}
		}
		t.Fatalf("refused without a reason: %v", err)
	})
}

// fixedPass is the same in every run.
func fixedPass(t testing.TB) (token string, authority ed25519.PublicKey, guest PeerID) {
	t.Helper()
	key, node := fixedKeys()
	coordinator := PeerOf(node.Public().(ed25519.PublicKey))
	guest = PeerOf(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{3}, ed25519.SeedSize)).Public().(ed25519.PublicKey))
	cred, err := IssueCredential(key, "main", Member{Peer: coordinator, Role: RoleCoordinator, IssuedAt: time.Unix(1, 0), Expires: time.Unix(1<<33, 0)})
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(passClaims{Audience: "main", Issuer: coordinator, Subject: guest, Issued: 500, Expires: 5000, Credential: cred})
	if err != nil {
		t.Fatal(err)
	}
	if token, err = signToken(node, passType, payload); err != nil {
		t.Fatal(err)
	}
	return token, key.Public().(ed25519.PublicKey), guest
}

// FuzzPass: no pass but the issued one is accepted, none panics, and each
// refusal has a reason, which the other side understands.
func FuzzPass(f *testing.F) {
	token, authority, guest := fixedPass(f)
	f.Add(token)
	f.Add(token[:len(token)-1])
	credential, _, _ := fixedCredential(f)
	f.Add(credential)
	f.Add("")
	f.Add("eyJhbGciOiJFZERTQSIsInR5cCI6Im1wYy1wYXNzK2p3dCJ9.e30.e30")
	f.Fuzz(func(t *testing.T, in string) {
		m, err := VerifyPass(authority, "main", in, time.Unix(1000, 0))
		if err == nil {
			if m.Peer != guest || m.Role != RoleExternal || m.Expires != time.Unix(5000, 0).UTC() {
				t.Fatalf("accepted %q as %+v", in, m)
			}
		} else if refusalCodes[refusalCode(err)] == nil || !errors.Is(err, refusalCodes[refusalCode(err)]) {
			t.Fatalf("refused without a reason: %v", err)
		}
		if m, err := verifyToken(authority, "main", in, time.Unix(1000, 0)); err == nil && m.Peer != guest && m.Role != RoleParty {
			t.Fatalf("accepted %q as %+v", in, m)
		}
	})
}

// FuzzHello: a hello decodes to what encodes to the same again, or is refused.
func FuzzHello(f *testing.F) {
	token, authority, id := fixedCredential(f)
	pass, _, _ := fixedPass(f)
	for _, h := range []hello{{}, {Credential: token, Boot: 7, Software: "1.0"}, {Credential: pass, Boot: 7}, {Refusal: "expired"}, {Refusal: "guests"}} {
		data, err := h.encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte{0xa1, 0x01, 0x60})
	f.Add([]byte{0xbf, 0xff})
	f.Fuzz(func(t *testing.T, in []byte) {
		h, err := decodeHello(in)
		if err != nil {
			if !errors.Is(err, ErrCredentialMalformed) {
				t.Fatalf("refused without a reason: %v", err)
			}
			return
		}
		data, err := h.encode()
		if err != nil {
			t.Fatal(err)
		}
		if again, err := decodeHello(data); err != nil || again != h {
			t.Fatalf("%+v became %+v (%v)", h, again, err)
		}
		if m, err := h.judge(authority, "main", id, time.Unix(1000, 0)); err == nil && m.Peer != id {
			t.Fatalf("admitted %+v", m)
		}
		_ = h.refusal()
	})
}

// FuzzFrame: a stream gives back the frames that were written to it, never more
// than the limit, and ends in an error or at its end.
func FuzzFrame(f *testing.F) {
	f.Add(appendFrame(appendFrame(nil, []byte("one")), nil))
	f.Add([]byte{0x80})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f})
	f.Add([]byte{0x80, 0x00})
	f.Fuzz(func(t *testing.T, in []byte) {
		const limit = 64
		r := bufio.NewReader(bytes.NewReader(in))
		var again []byte
		for {
			frame, err := readFrame(r, limit, nil)
			if err == io.EOF { //nolint:errorlint // the bare value is the promise
				if !bytes.Equal(again, in) {
					t.Fatalf("%x was read as %x", in, again)
				}
				return
			}
			if err != nil {
				return
			}
			if len(frame) > limit {
				t.Fatalf("a frame of %d bytes", len(frame))
			}
			again = appendFrame(again, frame)
		}
	})
}
