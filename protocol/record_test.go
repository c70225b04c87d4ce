package protocol

import (
	"bytes"
	"slices"
	"testing"
)

// sampleCertificate is a 2-of-3 key's, signed by all members.
func sampleCertificate(spec *Spec) *Certificate {
	parts := make([][]byte, len(spec.Roster))
	for i := range parts {
		parts[i] = contribution(i)
	}
	result := &Result{PublicKey: secpKey("sample key").PubKey().SerializeCompressed(), PublicHash: PayloadHash([]byte("public data"))}
	c := &Certificate{Body: NewCertificateBody(spec, result, ChainCode(spec.SID(), parts))}
	signAll(c)
	return c
}

// signAll lets every member of the body's roster sign it as it is.
func signAll(c *Certificate) {
	c.Signatures = nil
	for _, m := range c.Body.Roster {
		c.Signatures = append(c.Signatures, identities[m.Peer].Sign(c.Body.Signed()))
	}
}

func sampleKeygenRecord() *Record {
	spec := keygenSpec(2, 3)
	return SignRecord(parties[1], RecordBody{Spec: *spec, Certificate: sampleCertificate(spec)})
}

func sampleSignRecord() *Record {
	spec := signSpec(2)
	return SignRecord(parties[1], RecordBody{Spec: *spec, Signature: signECDSA(secpKey("sample key"), spec.Payload), Recovery: 1})
}

// bodyChanges alters each field of a certificate's body.
var bodyChanges = map[string]func(*CertificateBody){
	"version":       func(b *CertificateBody) { b.Version++ },
	"network":       func(b *CertificateBody) { b.Network += "x" },
	"account":       func(b *CertificateBody) { b.Account += "x" },
	"key":           func(b *CertificateBody) { b.Key += "x" },
	"epoch":         func(b *CertificateBody) { b.Epoch++ },
	"scheme":        func(b *CertificateBody) { b.Scheme = EdDSA },
	"threshold":     func(b *CertificateBody) { b.Threshold = 3 },
	"roster, order": func(b *CertificateBody) { slices.Reverse(b.Roster) },
	"roster, role":  func(b *CertificateBody) { b.Roster[0].Role = External },
	"public key":    func(b *CertificateBody) { b.PublicKey[7] ^= 1 },
	"chain code":    func(b *CertificateBody) { b.ChainCode[7] ^= 1 },
	"public hash":   func(b *CertificateBody) { b.PublicHash[7] ^= 1 },
	"approvers":     func(b *CertificateBody) { b.Approvers[7] ^= 1 },
	"session id":    func(b *CertificateBody) { b.SID[7] ^= 1 },
}

func TestCertificate(t *testing.T) {
	noError(t, sampleCertificate(keygenSpec(2, 3)).Verify(verify))
	for field, change := range bodyChanges {
		c := sampleCertificate(keygenSpec(2, 3))
		change(&c.Body)
		t.Run(field, func(t *testing.T) { wantError(t, c.Verify(verify), nil, "key certificate") })
	}
	for name, c := range map[string]struct {
		change func(*Certificate)
		says   string
	}{
		"no signatures":         {func(c *Certificate) { c.Signatures = nil }, "one signature a member"},
		"a missing signature":   {func(c *Certificate) { c.Signatures = c.Signatures[:2] }, "one signature a member"},
		"a signature too many":  {func(c *Certificate) { c.Signatures = append(c.Signatures, c.Signatures[0]) }, "one signature a member"},
		"an empty signature":    {func(c *Certificate) { c.Signatures[1] = nil }, parties[1].id},
		"signatures exchanged":  {func(c *Certificate) { slices.Reverse(c.Signatures) }, ErrSignature.Error()},
		"one signed for all":    {func(c *Certificate) { c.Signatures = slices.Repeat(c.Signatures[:1], 3) }, parties[1].id},
		"nobody":                {func(c *Certificate) { c.Body.Roster = nil; signAll(c) }, "threshold"},
		"one member":            {func(c *Certificate) { c.Body.Roster = c.Body.Roster[:1]; signAll(c) }, "threshold"},
		"threshold 1":           {func(c *Certificate) { c.Body.Threshold = 1; signAll(c) }, "threshold"},
		"threshold above n":     {func(c *Certificate) { c.Body.Threshold = 4; signAll(c) }, "threshold"},
		"a member for three":    {func(c *Certificate) { c.Body.Roster = slices.Repeat(c.Body.Roster[:1], 3); signAll(c) }, "twice"},
		"another version":       {func(c *Certificate) { c.Body.Version = 2; signAll(c) }, "version 2"},
		"a member dropped":      {func(c *Certificate) { c.Body.Roster, c.Signatures = c.Body.Roster[:2], c.Signatures[:2] }, ErrSignature.Error()},
		"a stranger for member": {func(c *Certificate) { c.Body.Roster[2].Peer = outsider.id }, ErrSignature.Error()},
	} {
		cert := sampleCertificate(keygenSpec(2, 3))
		c.change(cert)
		t.Run(name, func(t *testing.T) { wantError(t, cert.Verify(verify), nil, c.says) })
	}
}

// A member's signature on something else with the same bytes does not count.
func TestSignaturesBelongToOneFormat(t *testing.T) {
	spec := keygenSpec(2, 3)
	c := sampleCertificate(spec)
	signed := map[string][]byte{
		"certificate": c.Body.Signed(),
		"record":      (&RecordBody{}).signed(),
		"heartbeat":   (&Heartbeat{}).signed(),
		"envelope":    Header{}.signed(),
	}
	seen := make(map[string]string)
	for name, data := range signed {
		if len(data) != 32 {
			t.Errorf("%s signs %d bytes", name, len(data))
		}
		if other, ok := seen[string(data)]; ok {
			t.Errorf("%s and %s sign the same", name, other)
		}
		seen[string(data)] = name
	}
}

func TestRecords(t *testing.T) {
	for _, r := range []*Record{sampleKeygenRecord(), sampleSignRecord()} {
		noError(t, r.Verify(verify))
		var back Record
		noError(t, Unmarshal(encode(t, r), &back))
		noError(t, back.Verify(verify))
	}
	if r := sampleKeygenRecord(); r.Body.Party != parties[1].id || r.Body.Version != RecordVersion {
		t.Errorf("record by %s, version %d", r.Body.Party, r.Body.Version)
	}
}

// Whatever changes after the party has signed is noticed.
func TestRecordBitFlips(t *testing.T) {
	for _, r := range []*Record{sampleKeygenRecord(), sampleSignRecord()} {
		data := encode(t, r)
		for i := range data {
			changed := bytes.Clone(data)
			changed[i] ^= 1
			var back Record
			if Unmarshal(changed, &back) == nil && back.Verify(verify) == nil {
				t.Errorf("byte %d of a %s record can change", i, r.Body.Spec.Kind)
			}
		}
	}
}

type recordCase struct {
	name   string
	change func(*RecordBody)
	says   string
}

// Records that their party did sign, and that lie.
func TestRecordsThatLie(t *testing.T) {
	other := keygenSpec(2, 3)
	other.Attempt = 2
	keygen := []recordCase{
		{"no certificate", func(b *RecordBody) { b.Certificate = nil }, "carries a certificate"},
		{"certificate and signature", func(b *RecordBody) { b.Signature = make([]byte, 64) }, "carries a certificate"},
		{"certificate and recovery id", func(b *RecordBody) { b.Recovery = 1 }, "carries a certificate"},
		{"certificate of another attempt", func(b *RecordBody) { b.Certificate = sampleCertificate(other) }, "different sessions"},
		{"spec of another attempt", func(b *RecordBody) { b.Spec = *other }, "different sessions"},
		{"other approvers", func(b *RecordBody) { b.Spec.Approvers.Keys = [][]byte{spki(p256Key)} }, "different sessions"},
		{"a signature is missing", func(b *RecordBody) { b.Certificate.Signatures[2] = nil }, ErrSignature.Error()},
		{"a signature of a stranger", func(b *RecordBody) { b.Certificate.Signatures[0] = outsider.Sign(b.Certificate.Body.Signed()) }, ErrSignature.Error()},
		{"another public key", func(b *RecordBody) { b.Certificate.Body.PublicKey[3] ^= 1 }, ErrSignature.Error()},
		{"another chain code", func(b *RecordBody) { b.Certificate.Body.ChainCode[3] ^= 1 }, ErrSignature.Error()},
		{"a spec that breaks a rule", func(b *RecordBody) { b.Spec.Threshold = 1 }, ErrSpec.Error()},
	}
	for field, change := range bodyChanges {
		if field != "public key" && field != "chain code" && field != "public hash" {
			keygen = append(keygen, recordCase{"certificate with another " + field, func(b *RecordBody) { change(&b.Certificate.Body); signAll(b.Certificate) }, "different sessions"})
		}
	}
	sign := []recordCase{
		{"no signature", func(b *RecordBody) { b.Signature = nil }, "carries a signature"},
		{"short signature", func(b *RecordBody) { b.Signature = b.Signature[1:] }, "carries a signature"},
		{"recovery id 4", func(b *RecordBody) { b.Recovery = 4 }, "carries a signature"},
		{"certificate", func(b *RecordBody) { b.Certificate = sampleCertificate(keygenSpec(2, 3)) }, "carries a signature"},
		{"a kind that does not exist", func(b *RecordBody) { b.Spec.Kind = "export" }, "unknown kind"},
		{"a spec of another version", func(b *RecordBody) { b.Spec.Version = 2 }, "version 2"},
	}
	for _, c := range append(keygen, sign...) {
		r := sampleKeygenRecord()
		if slices.ContainsFunc(sign, func(s recordCase) bool { return s.name == c.name }) {
			r = sampleSignRecord()
		}
		c.change(&r.Body)
		lie := SignRecord(parties[1], r.Body)
		t.Run(c.name, func(t *testing.T) { wantError(t, lie.Verify(verify), nil, c.says) })
	}
}

func TestRecordOfAWrongParty(t *testing.T) {
	body := sampleSignRecord().Body
	wantError(t, SignRecord(outsider, body).Verify(verify), ErrEncoding, "not in the session's roster")
	wantError(t, SignRecord(parties[2], body).Verify(verify), ErrEncoding, "not in the session's roster") // of the key, not of the signing
	r := SignRecord(parties[1], body)
	r.Body.Party = parties[0].id
	wantError(t, r.Verify(verify), ErrSignature, parties[0].id)
	r = SignRecord(parties[1], body)
	r.Body.Version = 2
	wantError(t, r.Verify(verify), ErrEncoding, "version 2")
}

func TestCommitteeHash(t *testing.T) {
	base := CommitteeHash(2, roster(3))
	reversed, external := roster(3), roster(3)
	slices.Reverse(reversed)
	external[0].Role = External
	for name, other := range map[string][32]byte{
		"threshold": CommitteeHash(3, roster(3)), "size": CommitteeHash(2, roster(2)), "order": CommitteeHash(2, reversed), "role": CommitteeHash(2, external),
	} {
		if other == base {
			t.Errorf("the committee hash does not depend on the %s", name)
		}
	}
	if CommitteeHash(2, roster(3)) != base {
		t.Error("the committee hash varies")
	}
}

func TestChainCodeDependsOnEverything(t *testing.T) {
	parts := [][]byte{contribution(0), contribution(1)}
	base := ChainCode(SID{1}, parts)
	for name, other := range map[string][32]byte{
		"session":      ChainCode(SID{2}, parts),
		"order":        ChainCode(SID{1}, [][]byte{parts[1], parts[0]}),
		"contribution": ChainCode(SID{1}, [][]byte{parts[0], contribution(2)}),
	} {
		if other == base {
			t.Errorf("the chain code does not depend on the %s", name)
		}
	}
}
