package solana

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"testing"

	"github.com/meshmpc/mpcd/cmd/e2e/judge"
)

// TestWireFormat is the transfer that the tests of Solana's web3.js serialize:
// one signature, and the message.
func TestWireFormat(t *testing.T) {
	const wire = "AVuErQHaXv0SG0/PchunfxHKt8wMRfMZzqV0tkC5qO6owYxWU2v871AoWywGoFQr4z+q/7mE8lIufNl/" +
		"kxj+nQ0BAAEDE5j2LG0aRXxRumpLXz29L2n8qTIWIY3ImX5Ba9F9k8r9Q5/Mtmcn8onFxt47xKj+XdXXd3C8j/FcPu7csUrz/" +
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAxJrndgN4IFTxep3s6kO0ROug7bEsbx0xxuDkqEvwUusBAgIAAQwCAAAAMQAAAAAAAAA="
	want, err := base64.StdEncoding.DecodeString(wire)
	if err != nil {
		t.Fatal(err)
	}
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{8}, 32))
	to, err := ParseKey("J3dxNj7nDRRqRRXuEMynDG57DkZK4jYRuv3Garmb1i99")
	if err != nil {
		t.Fatal(err)
	}
	blockhash, err := ParseKey("EETubP5AKHgjPAhzPAFcb8BAY1hMH639CWCFTqi3hq1k")
	if err != nil {
		t.Fatal(err)
	}
	message := Transfer(Key(key.Public().(ed25519.PublicKey)), to, 49, blockhash)
	sig := ed25519.Sign(key, message)
	if got := append(append([]byte{1}, sig...), message...); !bytes.Equal(got, want) {
		t.Fatalf("the transaction is\n%x, want\n%x", got, want)
	}
	if err := Check(message, sig); err != nil {
		t.Error(err)
	}
	checkControls(t, message, sig)
}

// checkControls alters each bit in turn.
func checkControls(t *testing.T, message, sig []byte) {
	t.Helper()
	for bit := range 8 * len(sig) {
		altered := bytes.Clone(sig)
		altered[bit/8] ^= 1 << (bit % 8)
		if err := Check(message, altered); !errors.Is(err, judge.ErrRejected) {
			t.Errorf("with bit %d of the signature altered: %v", bit, err)
		}
	}
	for bit := range 8 * len(message) {
		altered := bytes.Clone(message)
		altered[bit/8] ^= 1 << (bit % 8)
		if err := Check(altered, sig); !errors.Is(err, judge.ErrRejected) {
			t.Errorf("with bit %d of the message altered: %v", bit, err)
		}
	}
	for _, short := range [][]byte{nil, message[:35], {1}} {
		if err := Check(short, sig); !errors.Is(err, judge.ErrRejected) {
			t.Errorf("%d bytes of a message: %v", len(short), err)
		}
	}
}

func TestParseKeyRefuses(t *testing.T) {
	for _, bad := range []string{"", "0", "1111111111111111111111111111111", "J3dxNj7nDRRqRRXuEMynDG57DkZK4jYRuv3Garmb1i9l"} {
		if _, err := ParseKey(bad); !errors.Is(err, judge.ErrRejected) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
