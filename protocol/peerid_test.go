package protocol

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"strings"
	"testing"
)

func TestPeerIDRoundTrip(t *testing.T) {
	for _, p := range parties {
		key, err := PeerKey(p.id)
		if err != nil || !bytes.Equal(key, p.key.Public().(ed25519.PublicKey)) {
			t.Fatalf("key in %s: %x, %v", p.id, key, err)
		}
		if got := PeerIDOf(key); got != p.id {
			t.Fatalf("peer id %s, want %s", got, p.id)
		}
	}
	if got := PeerIDOf(make([]byte, 31)); got != "" {
		t.Errorf("31 bytes are the key of %q", got)
	}
}

func TestPeerKeyRefuses(t *testing.T) {
	good := parties[0].id
	for name, id := range map[string]PeerID{
		"nothing":               "",
		"a character less":      good[:len(good)-1],
		"a character more":      good + "1",
		"a leading one":         "1" + good,
		"no base58":             strings.Replace(good, "D", "0", 1),
		"white space":           good + "\n",
		"a kilobyte":            strings.Repeat("1", 1024),
		"the hash of an RSA id": "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N",
		"a CID":                 "bafzaajaiaejcbzdibmxyzdjbbehgvizh6g5tikvy47mshdy6gwbruvgwvd24seje",
	} {
		t.Run(name, func(t *testing.T) {
			if key, err := PeerKey(id); !errors.Is(err, ErrPeerID) {
				t.Errorf("%q has the key %x, %v", id, key, err)
			}
			if VerifyPeer(id, nil, nil) {
				t.Error("a signature of nobody verified")
			}
		})
	}
}

func TestVerifyPeer(t *testing.T) {
	p, data := parties[0], []byte("data")
	sig := p.Sign(data)
	switch {
	case !VerifyPeer(p.id, data, sig):
		t.Error("a good signature was refused")
	case VerifyPeer(parties[1].id, data, sig), VerifyPeer(p.id, data[1:], sig), VerifyPeer(p.id, data, sig[1:]), VerifyPeer(p.id, data, nil):
		t.Error("a bad signature was accepted")
	}
}
