package tss_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/protocoltest"
	"github.com/meshmpc/mpcd/protocol/tss"
)

func bothKeys(t testing.TB) []*key {
	t.Helper()
	th := protocol.Threshold{T: 2, N: 3}
	return []*key{newKey(t, protocol.ECDSA, th), newKey(t, protocol.EdDSA, th)}
}

func encode(tb testing.TB, s *tss.Share) []byte {
	tb.Helper()
	b, err := s.Encode()
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestShareRoundTrip(t *testing.T) {
	for _, k := range bothKeys(t) {
		for peer, share := range k.shares {
			b := encode(t, share)
			again, err := tss.DecodeShare(b)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(encode(t, again), b) || again.PublicHash() != share.PublicHash() {
				t.Errorf("%s share of %s changes by decoding", share.Scheme(), peer)
			}
			if again.Scheme() != share.Scheme() || again.Threshold() != k.threshold || again.Self() != peer ||
				!bytes.Equal(again.PublicKey(), k.public) ||
				!slices.Equal(again.Peers(), []protocol.PeerID{"alice", "bob", "carol"}) {
				t.Errorf("%s share of %s says %v", share.Scheme(), peer, again)
			}
			t.Logf("%s: %d bytes", share.Scheme(), len(b))
		}
	}
}

// Signing leaves the share as it was, and sharing it among sessions is safe.
func TestSigningKeepsTheShare(t *testing.T) {
	for _, k := range bothKeys(t) {
		before := encode(t, k.shares["alice"])
		sign(t, k, protocoltest.Members(2), sid("keeps"), digest("keeps"))
		if !bytes.Equal(encode(t, k.shares["alice"]), before) {
			t.Error("signing changed the share")
		}
	}
}

func TestShareHidesItsSecret(t *testing.T) {
	for _, k := range bothKeys(t) {
		share := k.shares["alice"]
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
			if s := fmt.Sprintf(verb, share); !strings.HasPrefix(s, "tss.Share(") || len(s) > 150 {
				t.Errorf("%s prints %q", verb, s)
			}
		}
	}
}

// The fields by their keys in the CBOR maps.
type fields = map[int]any

// edit decodes a share into maps, changes it and encodes it again.
func edit(t *testing.T, share []byte, f func(share, public fields, parties []any)) []byte {
	t.Helper()
	var s fields
	if err := cbor.Unmarshal(share, &s); err != nil {
		t.Fatal(err)
	}
	public := fields{}
	for k, v := range s[2].(map[any]any) {
		public[int(k.(uint64))] = v
	}
	s[2] = public
	f(s, public, public[4].([]any))
	mode, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		t.Fatal(err)
	}
	b, err := mode.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDecodeShareRefuses(t *testing.T) {
	party := func(parties []any, i int) map[any]any { return parties[i].(map[any]any) }
	tests := []struct {
		name string
		f    func(share, public fields, parties []any)
	}{
		{"another version", func(s, _ fields, _ []any) { s[1] = 2 }},
		{"an unknown field", func(s, _ fields, _ []any) { s[9] = 1 }},
		{"an index outside", func(s, _ fields, _ []any) { s[3] = 3 }},
		{"a negative index", func(s, _ fields, _ []any) { s[3] = -1 }},
		{"no secret", func(s, _ fields, _ []any) { s[4] = []byte{} }},
		{"a secret with a leading zero", func(s, _ fields, _ []any) { s[4] = append([]byte{0}, 1) }},
		{"a secret above the order", func(s, _ fields, _ []any) { s[4] = bytes.Repeat([]byte{0xff}, 32) }},
		{"a long secret", func(s, _ fields, _ []any) { s[4] = bytes.Repeat([]byte{1}, 33) }},
		{"another scheme", func(_, p fields, _ []any) { p[1] = "rsa" }},
		{"a threshold of one", func(_, p fields, _ []any) { p[2] = 1 }},
		{"a threshold above n", func(_, p fields, _ []any) { p[2] = 4 }},
		{"no public key", func(_, p fields, _ []any) { p[3] = []byte{} }},
		{"a public key that is no point", func(_, p fields, _ []any) { p[3] = bytes.Repeat([]byte{0xff}, len(p[3].([]byte))) }},
		{"no parties", func(_, p fields, _ []any) { p[4] = []any{} }},
		{"a peer twice", func(_, _ fields, ps []any) { party(ps, 1)[uint64(1)] = "alice" }},
		{"a peer without a name", func(_, _ fields, ps []any) { party(ps, 1)[uint64(1)] = "" }},
		{"a key of zero", func(_, _ fields, ps []any) { party(ps, 1)[uint64(2)] = []byte{0} }},
		{"a short point", func(_, _ fields, ps []any) { party(ps, 1)[uint64(3)] = []byte{2, 1} }},
		{"a small modulus", func(_, _ fields, ps []any) { party(ps, 1)[uint64(4)] = []byte{3} }},
		{"an even modulus", func(_, _ fields, ps []any) {
			party(ps, 1)[uint64(5)] = append([]byte{0x80}, make([]byte, 255)...)
		}},
	}
	for _, k := range bothKeys(t) {
		b := encode(t, k.shares["alice"])
		if _, err := tss.DecodeShare(edit(t, b, func(_, _ fields, _ []any) {})); err != nil {
			t.Fatalf("the unchanged share: %v", err)
		}
		for _, test := range tests {
			if _, err := tss.DecodeShare(edit(t, b, test.f)); !errors.Is(err, tss.ErrShare) {
				t.Errorf("%s: %s gives %v", k.shares["alice"].Scheme(), test.name, err)
			}
		}
		for _, raw := range [][]byte{nil, b[:len(b)-1], append(slices.Clone(b), 0)} {
			if _, err := tss.DecodeShare(raw); !errors.Is(err, tss.ErrShare) {
				t.Errorf("%d of %d bytes give %v", len(raw), len(b), err)
			}
		}
	}
}

// Fields that are in range but do not belong together pass Decode, not Check.
func TestCheckRefuses(t *testing.T) {
	field := func(parties []any, i int) map[any]any { return parties[i].(map[any]any) }
	tests := []struct {
		name string
		f    func(share, public fields, parties []any)
		only protocol.Scheme
	}{
		{"another secret", func(s, _ fields, _ []any) { s[4] = []byte{7} }, ""},
		{"the index of another party", func(s, _ fields, _ []any) { s[3] = 1 }, ""},
		{"another public key", func(_, p fields, ps []any) { p[3] = field(ps, 0)[uint64(3)] }, ""},
		{"another key of a party", func(_, _ fields, ps []any) { field(ps, 2)[uint64(2)] = []byte{7} }, ""},
		{"two equal keys", func(_, _ fields, ps []any) { field(ps, 2)[uint64(2)] = field(ps, 1)[uint64(2)] }, ""},
		{"public shares swapped", func(_, _ fields, ps []any) {
			field(ps, 1)[uint64(3)], field(ps, 2)[uint64(3)] = field(ps, 2)[uint64(3)], field(ps, 1)[uint64(3)]
		}, ""},
		{"primes of another modulus", func(s, _ fields, _ []any) { s[5] = s[6] }, protocol.ECDSA},
		{"a public share of order two", func(_, _ fields, ps []any) { // y = -1, x = 0
			b := bytes.Repeat([]byte{0xff}, 32)
			b[0], b[31] = 0xec, 0x7f
			field(ps, 2)[uint64(3)] = b
		}, protocol.EdDSA},
	}
	for _, k := range bothKeys(t) {
		scheme := k.shares["alice"].Scheme()
		for _, test := range tests {
			if test.only != "" && test.only != scheme {
				continue
			}
			s, err := tss.DecodeShare(edit(t, encode(t, k.shares["alice"]), test.f))
			if err != nil {
				t.Errorf("%s: %s: decoding: %v", scheme, test.name, err)
				continue
			}
			if err := s.Check(); !errors.Is(err, tss.ErrShare) {
				t.Errorf("%s: %s: Check gives %v", scheme, test.name, err)
			}
		}
	}
}
