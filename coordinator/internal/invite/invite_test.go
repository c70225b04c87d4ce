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
	if s, err := i.Session(token, now); err != nil || s != "session" {
		t.Errorf("session %q, %v", s, err)
	}
	bad := map[string]func() (string, error){
		"expired":        func() (string, error) { return i.Session(token, now.Add(2*time.Minute)) },
		"other network":  func() (string, error) { return issuer(t, "other", secret).Session(token, now) },
		"other secret":   func() (string, error) { return issuer(t, "net", "x"+secret).Session(token, now) },
		"altered":        func() (string, error) { return i.Session(token[:len(token)-2]+"AA", now) },
		"not a token":    func() (string, error) { return i.Session("hello", now) },
		"algorithm none": func() (string, error) { return i.Session("eyJhbGciOiJub25lIn0.eyJzaWQiOiJzIn0.", now) },
	}
	for name, f := range bad {
		if s, err := f(); !errors.Is(err, ErrToken) || s != "" {
			t.Errorf("%s: %q, %v", name, s, err)
		}
	}
}

func TestShortSecret(t *testing.T) {
	if _, err := New("net", secret[:31]); err == nil {
		t.Error("a short secret was taken")
	}
}
