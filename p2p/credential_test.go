package p2p_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/meshmpc/mpcd/p2p"
)

func newKey(t testing.TB) (ed25519.PublicKey, ed25519.PrivateKey) {
	t.Helper()
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return pub, key
}

// signed is a token with any payload and type.
func signed(t testing.TB, key ed25519.PrivateKey, typ, payload string) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: key}, (&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestCredentialSaysWhatWasIssued(t *testing.T) {
	authority, key := newKey(t)
	peer, _ := newKey(t)
	now := time.Now()
	want := p2p.Member{Peer: p2p.PeerOf(peer), Role: p2p.RoleParty, Name: "vault-1", Labels: map[string]string{"zone": "b"}}
	token, err := p2p.IssueCredential(key, "main", want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := p2p.VerifyCredential(authority, "main", token, now)
	if err != nil {
		t.Fatal(err)
	}
	if got.Peer != want.Peer || got.Role != want.Role || got.Name != want.Name || got.Labels["zone"] != "b" {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if life := got.Expires.Sub(got.IssuedAt); life != p2p.DefaultLife {
		t.Errorf("it lives %v, want %v", life, p2p.DefaultLife)
	}
	if _, err := p2p.VerifyCredential(authority, "main", token, got.Expires.Add(-time.Second)); err != nil {
		t.Errorf("a second before its end: %v", err)
	}
}

func TestCredentialFailures(t *testing.T) {
	authority, key := newKey(t)
	_, other := newKey(t)
	pub, _ := newKey(t)
	peer := p2p.PeerOf(pub)
	now := time.Now()
	good := p2p.Member{Peer: peer, Role: p2p.RoleParty, IssuedAt: now.Add(-time.Hour), Expires: now.Add(time.Hour)}
	issue := func(k ed25519.PrivateKey, network string) string {
		token, err := p2p.IssueCredential(k, network, good)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	token := issue(key, "main")
	parts := strings.Split(token, ".")
	payload := `{"net":"main","sub":"` + peer + `","role":"party","iat":1,"exp":99999999999}`
	altered := parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + "." + parts[2]
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"mpc-credential+jwt"}`))
	const typ = "mpc-credential+jwt"
	for name, c := range map[string]struct {
		token string
		now   time.Time
		want  error
	}{
		"none":               {"", now, p2p.ErrCredentialMissing},
		"noise":              {"hello", now, p2p.ErrCredentialMalformed},
		"long":               {strings.Repeat("a", 5000), now, p2p.ErrCredentialMalformed},
		"truncated":          {token[:len(token)/2], now, p2p.ErrCredentialMalformed},
		"expired":            {token, now.Add(2 * time.Hour), p2p.ErrCredentialExpired},
		"on the second":      {token, good.Expires.Truncate(time.Second), p2p.ErrCredentialExpired},
		"other network":      {issue(key, "other"), now, p2p.ErrCredentialWrongNetwork},
		"other authority":    {issue(other, "main"), now, p2p.ErrCredentialBadSignature},
		"both other":         {issue(other, "other"), now, p2p.ErrCredentialWrongNetwork},
		"altered":            {altered, now, p2p.ErrCredentialBadSignature},
		"unsigned":           {none + "." + parts[1] + ".", now, p2p.ErrCredentialMalformed},
		"another type":       {signed(t, key, "JWT", payload), now, p2p.ErrCredentialMalformed},
		"not JSON":           {signed(t, key, typ, "role=party"), now, p2p.ErrCredentialMalformed},
		"unknown role":       {signed(t, key, typ, strings.Replace(payload, `"party"`, `"king"`, 1)), now, p2p.ErrCredentialMalformed},
		"not a peer id":      {signed(t, key, typ, strings.Replace(payload, peer, "Qm", 1)), now, p2p.ErrCredentialMalformed},
		"ends before it was": {signed(t, key, typ, strings.Replace(payload, `"exp":99999999999`, `"exp":1`, 1)), now, p2p.ErrCredentialMalformed},
	} {
		if _, err := p2p.VerifyCredential(authority, "main", c.token, c.now); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestIssueRefuses(t *testing.T) {
	_, key := newKey(t)
	pub, _ := newKey(t)
	good := p2p.Member{Peer: p2p.PeerOf(pub), Role: p2p.RoleParty}
	for name, change := range map[string]func(m *p2p.Member){
		"peer":     func(m *p2p.Member) { m.Peer = "nobody" },
		"role":     func(m *p2p.Member) { m.Role = "" },
		"name":     func(m *p2p.Member) { m.Name = strings.Repeat("x", 200) },
		"label":    func(m *p2p.Member) { m.Labels = map[string]string{"": "x"} },
		"lifetime": func(m *p2p.Member) { m.IssuedAt, m.Expires = time.Now(), time.Now().Add(-time.Hour) },
	} {
		m := good
		change(&m)
		if _, err := p2p.IssueCredential(key, "main", m); !errors.Is(err, p2p.ErrConfig) {
			t.Errorf("%s: %v, want ErrConfig", name, err)
		}
	}
	if _, err := p2p.IssueCredential(key, "Main net", good); !errors.Is(err, p2p.ErrConfig) {
		t.Errorf("network: %v, want ErrConfig", err)
	}
	if _, err := p2p.IssueCredential(nil, "main", good); !errors.Is(err, p2p.ErrConfig) {
		t.Errorf("authority: %v, want ErrConfig", err)
	}
}

func TestVerifyUsesTheKeyInsideThePeerID(t *testing.T) {
	pub, key := newKey(t)
	other, _ := newKey(t)
	data := []byte("round 1")
	sig := ed25519.Sign(key, data)
	switch {
	case !p2p.Verify(p2p.PeerOf(pub), data, sig):
		t.Error("a good signature was refused")
	case p2p.Verify(p2p.PeerOf(other), data, sig), p2p.Verify(p2p.PeerOf(pub), data[1:], sig),
		p2p.Verify(p2p.PeerOf(pub), data, sig[1:]), p2p.Verify("", data, sig), p2p.Verify("12D3", data, sig):
		t.Error("a bad signature was accepted")
	}
	if got, err := p2p.KeyOf(p2p.PeerOf(pub)); err != nil || !pub.Equal(got) {
		t.Errorf("the key in the id: %v, %v", got, err)
	}
}

func TestAddresses(t *testing.T) {
	pub, _ := newKey(t)
	id := p2p.PeerOf(pub)
	for _, good := range []string{"/ip4/0.0.0.0/udp/4001/quic-v1", "/ip4/127.0.0.1/tcp/0", "/ip6/::1/tcp/1", "/dns4/boot.example/tcp/4001"} {
		if err := p2p.ParseAddr(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
		if err := p2p.ParseBootstrap(good + "/p2p/" + id); err != nil {
			t.Errorf("%s: %v", good, err)
		}
		if err := p2p.ParseBootstrap(good); !errors.Is(err, p2p.ErrAddr) {
			t.Errorf("%s without a peer id: %v", good, err)
		}
	}
	for _, bad := range []string{"", "4001", "localhost:4001", "/ip4/1.2.3/tcp/1", "/ip4/1.2.3.4", "/ip4/1.2.3.4/udp/1", "/ip4/1.2.3.4/tcp/1/ws", "/ip4/1.2.3.4/tcp/70000"} {
		if err := p2p.ParseAddr(bad); !errors.Is(err, p2p.ErrAddr) {
			t.Errorf("%q: %v, want ErrAddr", bad, err)
		}
	}
	for _, bad := range []string{"/ip4/1.2.3.4/tcp/1/p2p/", "/ip4/1.2.3.4/tcp/1/p2p/x", "/p2p/" + id} {
		if err := p2p.ParseBootstrap(bad); !errors.Is(err, p2p.ErrAddr) {
			t.Errorf("%q: %v, want ErrAddr", bad, err)
		}
	}
}
