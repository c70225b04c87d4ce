package protocol

import (
	"bytes"
	"crypto/ecdh"
	"crypto/elliptic"
	"errors"
	"slices"
	"strings"
	"testing"
)

// hybridSpec is of a key whose last member is a delegate.
func hybridSpec() *Spec {
	s := keygenSpec(2, 3)
	s.Roster[2].Role = Delegate
	return s
}

// sampleKeptRecord is what the delegate of the key keeps.
func sampleKeptRecord() KeyRecord { return keptRecord(hybridSpec()) }

func keptRecord(spec *Spec) KeyRecord {
	cert := sampleCertificate(spec)
	return KeyRecord{
		Version: KeyRecordVersion, Spec: *spec, Share: []byte("the user's share"), PublicKey: cert.Body.PublicKey,
		ChainCode: cert.Body.ChainCode, PublicHash: cert.Body.PublicHash, Certificate: cert,
	}
}

// sampleUserRecord is what it gives out.
func sampleUserRecord(tb testing.TB) KeyRecord {
	tb.Helper()
	r, err := SignDelivery(parties[2], sampleKeptRecord())
	noError(tb, err)
	return r
}

func TestBindingFor(t *testing.T) {
	deliver, sign := BindingFor(hybridSpec()), BindingFor(signSpec(2))
	want := ShareBinding{Network: "testnet", Account: hybridSpec().Account, Key: hybridSpec().Key, Purpose: "deliver"}
	if deliver != want {
		t.Errorf("keygen: %+v", deliver)
	}
	want.Purpose, want.Digest = "sign", ApprovalFor(signSpec(2), testNow, 0).Digest
	if sign != want {
		t.Errorf("signing: %+v", sign)
	}
}

func TestSealedSharesOpenUnderTheirBindingOnly(t *testing.T) {
	user, other := x25519(t, "user"), x25519(t, "other user")
	bind := BindingFor(signSpec(2))
	sealed, err := SealShare(user.PublicKey().Bytes(), bind, []byte("share"))
	noError(t, err)
	plain, err := OpenShare(user, bind, sealed)
	if err != nil || string(plain) != "share" {
		t.Fatalf("opened %q, %v", plain, err)
	}
	for name, change := range map[string]func(*ShareBinding){
		"network": func(b *ShareBinding) { b.Network += "x" },
		"account": func(b *ShareBinding) { b.Account += "x" },
		"key":     func(b *ShareBinding) { b.Key += "x" },
		"epoch":   func(b *ShareBinding) { b.Epoch++ },
		"purpose": func(b *ShareBinding) { b.Purpose, b.Digest = PurposeDeliver, "" },
		"digest":  func(b *ShareBinding) { b.Digest = strings.Repeat("0", 64) },
	} {
		changed := bind
		change(&changed)
		if _, err := OpenShare(user, changed, sealed); !errors.Is(err, ErrUserShare) || errors.Is(err, ErrSealedToOther) {
			t.Errorf("another %s: error %v", name, err)
		}
	}
	_, err = OpenShare(other, bind, sealed)
	wantError(t, err, ErrSealedToOther, "another key")
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		if _, err := OpenShare(user, bind, changed); !errors.Is(err, ErrUserShare) {
			t.Errorf("byte %d changed: error %v", i, err)
		}
	}
	for _, cut := range []int{0, 31, 32, 63, 64, len(sealed) - 1} {
		if _, err := OpenShare(user, bind, sealed[:cut]); !errors.Is(err, ErrUserShare) {
			t.Errorf("%d bytes: error %v", cut, err)
		}
	}
	again, err := SealShare(user.PublicKey().Bytes(), bind, []byte("share"))
	noError(t, err)
	if bytes.Equal(again, sealed) {
		t.Error("two seals are the same")
	}
}

// What another implementation of RFC 9180 seals opens.
func TestOpenShareReadsRFC9180(t *testing.T) {
	user, bind := x25519(t, "user"), BindingFor(hybridSpec())
	info, err := bind.info()
	noError(t, err)
	enc, ciphertext := hpkeByHand(t, x25519(t, "ephemeral"), user.PublicKey(), info, []byte("share"))
	plain, err := OpenShare(user, bind, slices.Concat(user.PublicKey().Bytes(), enc, ciphertext))
	if err != nil || string(plain) != "share" {
		t.Errorf("opened %q, %v", plain, err)
	}
}

func TestSealShareRefusesWrongInput(t *testing.T) {
	good := BindingFor(hybridSpec())
	for name, key := range map[string][]byte{"none": nil, "31 bytes": make([]byte, 31), "33 bytes": make([]byte, 33), "zero": make([]byte, 32), "one": append([]byte{1}, make([]byte, 31)...)} {
		if _, err := SealShare(key, good, []byte("share")); err == nil || !strings.Contains(err.Error(), "recipient key") {
			t.Errorf("recipient %s: error %v", name, err)
		}
	}
	user := x25519(t, "user")
	for name, bind := range map[string]ShareBinding{
		"no purpose": {}, "unknown purpose": {Purpose: "export"}, "signing nothing": {Purpose: PurposeSign}, "delivery with a digest": {Purpose: PurposeDeliver, Digest: "00"},
	} {
		_, err := SealShare(user.PublicKey().Bytes(), bind, []byte("share"))
		t.Run(name, func(t *testing.T) { wantError(t, err, ErrUserShare, "bound to") })
		if _, err := OpenShare(user, bind, append(user.PublicKey().Bytes(), make([]byte, 64)...)); !errors.Is(err, ErrUserShare) {
			t.Errorf("%s: opening says %v", name, err)
		}
	}
	p256, err := ecdh.P256().NewPrivateKey(digestOf("P-256"))
	noError(t, err)
	_, err = OpenShare(p256, good, make([]byte, 100))
	wantError(t, err, ErrUserShare, "none of X25519")
}

func TestShareText(t *testing.T) {
	for _, sealed := range []bool{true, false} {
		for _, data := range [][]byte{{0}, {0xfb, 0xff}, bytes.Repeat([]byte{7}, 1000), make([]byte, MaxUserShare)} {
			gotSealed, got, err := ParseShare(FormatShare(sealed, data))
			if err != nil || gotSealed != sealed || !bytes.Equal(got, data) {
				t.Errorf("%d bytes, sealed %v: got %d bytes, %v, %v", len(data), sealed, len(got), gotSealed, err)
			}
		}
	}
	for name, c := range map[string]struct{ text, says string }{
		"nothing":        {"", "begins with"},
		"another format": {"mpcshare-sealed-2.AAAA", "begins with"},
		"capitals":       {"MPCSHARE-SEALED-1.AAAA", "begins with"},
		"no data":        {"mpcshare-sealed-1.", "damaged"},
		"padding":        {"mpcshare-plain-1.AA==", "damaged"},
		"spare bits":     {"mpcshare-plain-1.AB", "damaged"},
		"line end":       {"mpcshare-plain-1.AAAA\n", "damaged"},
		"line inside":    {"mpcshare-plain-1.AA\r\nAA", "damaged"},
		"space before":   {" mpcshare-plain-1.AAAA", "begins with"},
		"plain alphabet": {"mpcshare-plain-1.+/+/", "damaged"},
		"too long":       {FormatShare(true, make([]byte, MaxUserShare+1)), "more than"},
	} {
		_, _, err := ParseShare(c.text)
		t.Run(name, func(t *testing.T) { wantError(t, err, ErrUserShare, c.says) })
	}
}

func TestUserSharesStandAlone(t *testing.T) {
	record := sampleUserRecord(t)
	got, err := OpenUserShare(encode(t, record), verify)
	noError(t, err)
	if !bytes.Equal(encode(t, got), encode(t, record)) {
		t.Errorf("%+v came back as %+v", record, got)
	}
	for name, change := range map[string]func(*KeyRecord){
		"version":             func(r *KeyRecord) { r.Version++ },
		"no certificate":      func(r *KeyRecord) { r.Certificate = nil },
		"a missing signature": func(r *KeyRecord) { r.Certificate.Signatures[1] = nil },
		"signatures swapped":  func(r *KeyRecord) { slices.Reverse(r.Certificate.Signatures) },
		"public key":          func(r *KeyRecord) { r.PublicKey = bytes.Clone(r.PublicKey); r.PublicKey[5] ^= 1 },
		"public hash":         func(r *KeyRecord) { r.PublicHash[0] ^= 1 },
		"chain code":          func(r *KeyRecord) { r.ChainCode[0] ^= 1 },
		"approvers":           func(r *KeyRecord) { r.Spec.Approvers.Keys = [][]byte{rawSPKI(newECDSA(elliptic.P256()))} },
		"account":             func(r *KeyRecord) { r.Spec.Account += "x" },
		"owner":               func(r *KeyRecord) { r.Spec.Owner += "x" },
		"threshold":           func(r *KeyRecord) { r.Spec.Threshold = 3 },
		"roster":              func(r *KeyRecord) { r.Spec.Roster[0].Peer = outsider.id },
		"roles":               func(r *KeyRecord) { r.Spec.Roster[2].Role = Persistent },
		"an invalid spec":     func(r *KeyRecord) { r.Spec.Attempt = 0 },
		"a signing's spec":    func(r *KeyRecord) { r.Spec = *signSpec(2) },
		"another certificate": func(r *KeyRecord) { r.Certificate = sampleCertificate(keygenSpec(2, 3)) },
	} {
		r := sampleKeptRecord()
		change(&r)
		r, err := SignDelivery(parties[2], r) // even if the delegate says so
		noError(t, err)
		if _, err := OpenUserShare(encode(t, r), verify); !errors.Is(err, ErrUserShare) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	_, err = OpenUserShare([]byte("nothing"), verify)
	wantError(t, err, ErrUserShare, "")
}

// Nobody can put another secret, or anything else, in the place of what the
// delegate has given out.
func TestUserSharesAreTheirDelegates(t *testing.T) {
	kept, noDelegate := sampleKeptRecord(), keptRecord(keygenSpec(2, 3))
	by := func(who *identity, r KeyRecord) KeyRecord {
		r, err := SignDelivery(who, r)
		noError(t, err)
		return r
	}
	changed := func(change func(*KeyRecord)) KeyRecord {
		r := sampleUserRecord(t)
		change(&r)
		return r
	}
	for name, c := range map[string]struct {
		record KeyRecord
		says   string
	}{
		"nobody's":                  {kept, "has not signed"},
		"another member's":          {by(parties[0], kept), "has given out"},
		"a stranger's":              {by(outsider, kept), "has given out"},
		"another secret":            {changed(func(r *KeyRecord) { r.Share = []byte("random bytes") }), "has given out"},
		"no secret":                 {changed(func(r *KeyRecord) { r.Share = nil }), "has given out"},
		"one bit":                   {changed(func(r *KeyRecord) { r.Delivered[9] ^= 1 }), "has given out"},
		"signed as something else":  {changed(func(r *KeyRecord) { r.Delivered = parties[2].Sign(r.Certificate.Body.Signed()) }), "has given out"},
		"of a key with no delegate": {by(parties[2], noDelegate), "no member of the key is a delegate"},
	} {
		_, err := OpenUserShare(encode(t, c.record), verify)
		t.Run(name, func(t *testing.T) { wantError(t, err, ErrUserShare, c.says) })
		if _, err := OpenKeyRecord(encode(t, c.record), verify); err != nil { // its public part is fine
			t.Errorf("%s, as a record: %v", name, err)
		}
	}
	again := by(parties[2], sampleUserRecord(t)) // a signature is not part of what is signed
	if !bytes.Equal(again.Delivered, sampleUserRecord(t).Delivered) {
		t.Error("what was delivered once cannot be delivered again")
	}
}

func TestSealKey(t *testing.T) {
	key := x25519(t, "seal key").PublicKey().Bytes()
	k := SealKey{Version: 9, Network: "testnet", Peer: outsider.id, Key: key, Expires: testNow.Unix()}
	data, err := SignSealKey(parties[2], k)
	noError(t, err)
	got, err := OpenSealKey(data, verify)
	noError(t, err)
	if got.Version != SealKeyVersion || got.Peer != parties[2].id || got.Network != "testnet" || !bytes.Equal(got.Key, key) || got.Expires != testNow.Unix() {
		t.Errorf("%+v came back as %+v", k, got)
	}
	for i := range data {
		changed := bytes.Clone(data)
		changed[i] ^= 1
		if _, err := OpenSealKey(changed, verify); !errors.Is(err, ErrSignature) && !errors.Is(err, ErrEncoding) {
			t.Errorf("byte %d changed: error %v", i, err)
		}
	}
	for name, change := range map[string]func(*SealKey){
		"version 2":      func(k *SealKey) { k.Version = 2 },
		"recipient key:": func(k *SealKey) { k.Key = make([]byte, 32) },
		"has 32 bytes":   func(k *SealKey) { k.Key = k.Key[:31] },
	} {
		wrong := *got
		change(&wrong)
		_, err := OpenSealKey(encode(t, SignedSealKey{Body: wrong, Signature: parties[2].Sign(wrong.signed())}), verify)
		t.Run(name, func(t *testing.T) { wantError(t, err, nil, name) })
	}
	if _, err := SignSealKey(parties[0], SealKey{Key: make([]byte, 32)}); err == nil {
		t.Error("a seal key of small order is signed")
	}
}
