package invite

import (
	"errors"
	"strings"
	"testing"
	"time"
)

const secret = "0123456789abcdef0123456789abcdef"

func issuer(t *testing.T, network, secret string) *Issuer {
	t.Helper()
	i, err := New(network, secret)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func TestCodesAreDerivedAgain(t *testing.T) {
	a, b := issuer(t, "net", secret), issuer(t, "net", secret)
	id, err := NewID()
	if err != nil {
		t.Fatal(err)
	}
	code := a.Code(id)
	if code != b.Code(id) || !strings.HasPrefix(code, codePrefix) || len(code) != len(codePrefix)+43 {
		t.Errorf("code %q", code)
	}
	for name, other := range map[string]string{
		"id": a.Code(id + "x"), "network": issuer(t, "other", secret).Code(id), "secret": issuer(t, "net", "x"+secret).Code(id),
	} {
		if other == code {
			t.Errorf("another %s leads to the same code", name)
		}
	}
}

func TestTokens(t *testing.T) {
	i := issuer(t, "net", secret)
	now := time.Unix(1_800_000_000, 0)
	token, err := i.Token("session", "peer", now.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if s, peer, err := i.Read(token, now); err != nil || s != "session" || peer != "peer" {
		t.Errorf("session %q, peer %q, %v", s, peer, err)
	}
	bad := map[string]func() (string, string, error){
		"expired":        func() (string, string, error) { return i.Read(token, now.Add(2*time.Minute)) },
		"other network":  func() (string, string, error) { return issuer(t, "other", secret).Read(token, now) },
		"other secret":   func() (string, string, error) { return issuer(t, "net", "x"+secret).Read(token, now) },
		"altered":        func() (string, string, error) { return i.Read(token[:len(token)-2]+"AA", now) },
		"not a token":    func() (string, string, error) { return i.Read("hello", now) },
		"algorithm none": func() (string, string, error) { return i.Read("eyJhbGciOiJub25lIn0.eyJzaWQiOiJzIn0.", now) },
	}
	for name, f := range bad {
		if s, peer, err := f(); !errors.Is(err, ErrToken) || s != "" || peer != "" {
			t.Errorf("%s: %q, %q, %v", name, s, peer, err)
		}
	}
}

func TestShortSecret(t *testing.T) {
	if _, err := New("net", secret[:31]); err == nil {
		t.Error("a short secret was taken")
	}
}
