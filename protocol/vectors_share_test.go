package protocol

import (
	"slices"
	"testing"
)

func sampleSealKey(tb testing.TB) SealKey {
	tb.Helper()
	return SealKey{
		Version: SealKeyVersion, Network: "testnet", Peer: parties[0].id, Key: x25519(tb, "seal key").PublicKey().Bytes(), Expires: testNow.Unix() + 3600,
	}
}

func shareVectors(tb testing.TB) []*vector {
	tb.Helper()
	record := &vector{title: "KeyRecord of a user's share: what is sealed"}
	kept := encode(tb, sampleKeptRecord())
	record.add("body", "%x", kept).add("preimage", "the body, which is the record without field 8")
	sig := record.signed(parties[2], record.hashed("mpc/usershare-delivered/v1", kept))
	same(tb, record.title, sampleUserRecord(tb).Delivered, sig)
	data := record.encoded(tb, sampleUserRecord(tb))
	_, err := OpenUserShare(data, verify)
	noError(tb, err)
	record.add("text", "%s", FormatShare(false, data))
	return []*vector{
		record, sealedVector(tb, "the same, sealed for the user", BindingFor(hybridSpec()), data),
		sealedVector(tb, "the same, sealed for the ECDSA signing above", BindingFor(signSpec(2)), data),
		sealKeyVector(tb), joinVector(tb), fingerprintVector(tb),
	}
}

// sealedVector is made without the code under test, which must open it.
func sealedVector(tb testing.TB, title string, bind ShareBinding, plain []byte) *vector {
	tb.Helper()
	user, ephemeral := x25519(tb, "user"), x25519(tb, "ephemeral")
	v := &vector{title: title}
	enc := v.encoded(tb, bind)
	info := slices.Concat([]byte("mpc/usershare/v1\x00"), enc)
	v.add("info", "label mpc/usershare/v1, a zero byte, the CBOR")
	encapsulated, ciphertext := hpkeByHand(tb, ephemeral, user.PublicKey(), info, plain)
	v.add("private", "%x (recipient, X25519)", user.Bytes()).add("recipient", "%x", user.PublicKey().Bytes())
	v.add("private", "%x (HPKE's ephemeral key)", ephemeral.Bytes()).add("enc", "%x", encapsulated)
	sealed := slices.Concat(user.PublicKey().Bytes(), encapsulated, ciphertext)
	opened, err := OpenShare(user, bind, sealed)
	noError(tb, err)
	same(tb, title, opened, plain)
	return v.add("text", "%s", FormatShare(true, sealed))
}

func sealKeyVector(tb testing.TB) *vector {
	tb.Helper()
	v := &vector{title: "SignedSealKey"}
	k := sampleSealKey(tb)
	body := encode(tb, k)
	v.add("body", "%x", body).add("preimage", "the body")
	sig := v.signed(parties[0], v.hashed("mpc/sealkey/v1", body))
	data, err := SignSealKey(parties[0], k)
	noError(tb, err)
	same(tb, v.title, data, v.encoded(tb, SignedSealKey{Body: k, Signature: sig}))
	return v
}

func joinVector(tb testing.TB) *vector {
	tb.Helper()
	v := &vector{title: "join statement of party 2; 4 is the SHA-256 of the code"}
	code := [32]byte(digestOf("code"))
	enc := v.encoded(tb, map[int]any{1: "testnet", 2: keygenSpec(2, 3).Session, 3: parties[2].id, 4: code[:]})
	sum := v.hashed("mpc/join/v1", enc)
	same(tb, v.title, JoinStatement("testnet", keygenSpec(2, 3).Session, parties[2].id, code), sum)
	v.signed(parties[2], sum)
	return v
}

func fingerprintVector(tb testing.TB) *vector {
	tb.Helper()
	v := &vector{title: "fingerprint of a keygen, 2-of-3 with a delegate"}
	s := hybridSpec()
	enc := v.encoded(tb, map[int]any{1: s.Network, 2: s.Session, 3: s.Scheme, 4: s.Threshold, 5: s.Roster})
	v.hashed("mpc/roster/v1", enc)
	return v.add("fingerprint", "%s", Fingerprint(s))
}
