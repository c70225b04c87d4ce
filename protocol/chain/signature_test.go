package chain

import (
	"bytes"
	"encoding/hex"
	"slices"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"

	"github.com/meshmpc/mpcd/protocol"
)

// The signature of the native P2WPKH example of BIP 143: the second input's.
const (
	bip143Key    = "025476c2e83188368da1ff3e292e7acafcdb3566bb0ad253f62fc70f07aeee6357"
	bip143Digest = "c37af31116d1b27caf68aae9e3ac82f1477929014d5b917657d0eb49478cb670"
	bip143R      = "3609e17b84f6a7d30c80bfa610b5b4542f32a8a0d5447a12fb1366d7f01cc44a"
	bip143S      = "573a954c4518331561406f90300e8f3358f51928d43c212a8caed02de67eebee"
	bip143DER    = "30440220" + bip143R + "0220" + bip143S
)

// What the documentation of web3.js signs with personal_sign: "Some data".
const (
	web3Secret    = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"
	web3Signature = "b91467e570a6466aa9e9876cbcd013baba02900b8979d43fe208a4a4f339f5fd6007e74cd82e037b800186422fc2da167c747ef045e5d18a5f5d4300f8e1a0291c"
)

// order is q of secp256k1 (SEC 2).
const order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"

func TestBIP143(t *testing.T) {
	rs, err := ParseDER(unhex(t, bip143DER))
	noError(t, err)
	equal(t, "r and s", hex.EncodeToString(rs), bip143R+bip143S)
	noError(t, protocol.VerifySignature(protocol.ECDSA, unhex(t, bip143Key), unhex(t, bip143Digest), rs))
	sig, err := New(rs, 0)
	noError(t, err)
	equal(t, "the DER form", hex.EncodeToString(sig.DER()), bip143DER)
}

func TestWeb3(t *testing.T) {
	sig, err := ParseEthereum(unhex(t, web3Signature))
	noError(t, err)
	digest, err := Hash(EIP191, []byte("Some data"))
	noError(t, err)
	key, err := sig.Recover(digest)
	noError(t, err)
	equal(t, "the key", hex.EncodeToString(key), hex.EncodeToString(secp256k1.PrivKeyFromBytes(unhex(t, web3Secret)).PubKey().SerializeCompressed()))
	equal(t, "the recovery id", sig.Recovery(), 1)
	again, ok := sig.Ethereum()
	equal(t, "that it has an Ethereum form", ok, true)
	equal(t, "the Ethereum form", hex.EncodeToString(again), web3Signature)
}

// Every form leads back to the same signature, whatever the lengths of r and s.
func TestForms(t *testing.T) {
	key := secp256k1.PrivKeyFromBytes(unhex(t, web3Secret))
	for i := range 600 { // r and s are short in 1 of 256 and 128
		digest := keccak256([]byte{byte(i), byte(i >> 8)})
		compact := ecdsa.SignCompact(key, digest, true)
		sig, err := New(compact[1:], compact[0]-31)
		noError(t, err)
		checkForms(t, sig)
		public, err := sig.Recover(digest)
		noError(t, err)
		equal(t, "the recovered key", string(public), string(key.PubKey().SerializeCompressed()))
	}
}

func checkForms(t *testing.T, sig Signature) {
	t.Helper()
	equal(t, "r and s", string(slices.Concat(sig.R(), sig.S())), string(sig.Compact()))
	rs, err := ParseDER(sig.DER())
	noError(t, err)
	equal(t, "the DER form's r and s", string(rs), string(sig.Compact()))
	rsv, err := ParseRSV(sig.RSV())
	noError(t, err)
	equal(t, "the signature of the RSV form", rsv, sig)
	raw, ok := sig.Ethereum()
	equal(t, "that it has an Ethereum form", ok, sig.Recovery() < 2)
	if !ok {
		return
	}
	ethereum, err := ParseEthereum(raw)
	noError(t, err)
	equal(t, "the signature of the Ethereum form", ethereum, sig)
}

// Recovery ids 2 and 3 say that r was reduced; Ethereum cannot tell.
func TestReducedR(t *testing.T) {
	for _, recovery := range []byte{2, 3} {
		// r = 1 + q is the x of a point, and s = 1 will do.
		rs := slices.Concat(unhex(t, "00000000000000000000000000000000"), unhex(t, "00000000000000000000000000000001"),
			unhex(t, "00000000000000000000000000000000"), unhex(t, "00000000000000000000000000000001"))
		digest := keccak256([]byte("m"))
		for sig, tries := (Signature{}), 0; ; tries++ {
			if tries == 100 {
				t.Fatal("no r near q is the x of a point")
			}
			var err error
			sig, err = New(rs, recovery)
			noError(t, err)
			checkForms(t, sig)
			if key, err := sig.Recover(digest); err == nil {
				noError(t, protocol.VerifySignature(protocol.ECDSA, key, digest, sig.Compact()))
				break
			}
			rs[31]++
		}
	}
}

func TestRefusedForms(t *testing.T) {
	r, s, q := unhex(t, bip143R), unhex(t, bip143S), unhex(t, order)
	zero, one := make([]byte, 32), append(make([]byte, 31), 1)
	var n secp256k1.ModNScalar
	n.SetByteSlice(s)
	high := n.Negate().Bytes()
	for _, c := range []struct {
		name string
		rs   []byte
		v    byte
	}{
		{"nothing", nil, 0},
		{"63 bytes", slices.Concat(r, s[1:]), 0},
		{"65 bytes", slices.Concat(r, s, []byte{0}), 0},
		{"r = 0", slices.Concat(zero, s), 0},
		{"s = 0", slices.Concat(r, zero), 0},
		{"r = q", slices.Concat(q, s), 0},
		{"s = q", slices.Concat(r, q), 0},
		{"high s", slices.Concat(r, high[:]), 0},
		{"v = 4", slices.Concat(one, one), 4},
		{"v = 27", slices.Concat(r, s), 27},
		{"v = 255", slices.Concat(r, s), 255},
	} {
		_, err := New(c.rs, c.v)
		wantError(t, err, ErrForm)
		_, err = ParseRSV(append(bytes.Clone(c.rs), c.v))
		wantError(t, err, ErrForm)
		_, err = ParseEthereum(append(bytes.Clone(c.rs), c.v+ethereumBase))
		wantError(t, err, ErrForm)
	}
	for _, v := range []byte{0, 1, 26, 29, 30, 31, 37} {
		_, err := ParseEthereum(slices.Concat(r, s, []byte{v}))
		wantError(t, err, ErrForm)
	}
}

func TestRefusedDER(t *testing.T) {
	good := unhex(t, bip143DER)
	var n secp256k1.ModNScalar
	n.SetByteSlice(unhex(t, bip143S))
	high := n.Negate().Bytes()
	for name, der := range map[string][]byte{
		"nothing":            nil,
		"cut":                good[:len(good)-1],
		"a sighash byte":     append(bytes.Clone(good), 1),
		"no sequence":        append([]byte{0x31}, good[1:]...),
		"another length":     append([]byte{0x30, 0x45}, good[2:]...),
		"a long-form length": append([]byte{0x30, 0x81, 0x44}, good[2:]...),
		"padding":            append(unhex(t, "3045022100"+bip143R+"0220"), good[38:]...),
		"r = 0":              unhex(t, "3006020100020101"),
		"a negative r":       unhex(t, "3006020180020101"),
		"r = q":              unhex(t, "3026022100"+order+"020101"),
		"high s":             slices.Concat(unhex(t, "30450220"+bip143R+"022100"), high[:]),
	} {
		if _, err := ParseDER(der); err == nil {
			t.Errorf("%s: accepted", name)
		} else {
			wantError(t, err, ErrForm)
		}
	}
}

func TestRecoverRefuses(t *testing.T) {
	sig, err := ParseEthereum(unhex(t, web3Signature))
	noError(t, err)
	for _, digest := range [][]byte{nil, make([]byte, 31), make([]byte, 33)} {
		_, err := sig.Recover(digest)
		wantError(t, err, protocol.ErrSignature)
	}
	_, err = Signature{}.Recover(make([]byte, 32)) // not made by New
	wantError(t, err, protocol.ErrSignature)
}

// FuzzParseSignature looks for bytes that crash a parser or have two encodings.
func FuzzParseSignature(f *testing.F) {
	f.Add(unhex(f, bip143DER))
	f.Add(unhex(f, web3Signature))
	f.Add(unhex(f, bip143R+bip143S+"00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if rs, err := ParseDER(data); err == nil {
			sig, err := New(rs, 0)
			noError(t, err)
			equal(t, "the DER form", string(sig.DER()), string(data))
		}
		if sig, err := ParseRSV(data); err == nil {
			checkForms(t, sig)
			equal(t, "the RSV form", string(sig.RSV()), string(data))
		}
		if sig, err := ParseEthereum(data); err == nil {
			checkForms(t, sig)
			raw, _ := sig.Ethereum()
			equal(t, "the Ethereum form", string(raw), string(data))
		}
	})
}

// FuzzDecode looks for text that crashes the decoder or is repeated in an error.
func FuzzDecode(f *testing.F) {
	f.Add("0x00ff")
	f.Add("AAH/")
	f.Fuzz(func(t *testing.T, text string) {
		if raw, err := Decode(Hex, text); err == nil {
			again, err := Decode(Hex, hex.EncodeToString(raw))
			noError(t, err)
			equal(t, "the bytes", string(again), string(raw))
		}
		if raw, err := Decode(Base64, text); err == nil {
			equal(t, "the length of the text", len(text), (len(raw)+2)/3*4)
		}
	})
}
