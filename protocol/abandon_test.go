package protocol

import "testing"

func TestAbandon(t *testing.T) {
	sid := keygenSpec(2, 3).SID()
	good := SignAbandon(parties[1], sid)
	if !good.Verify(verify) || good.SID != sid || good.Party != parties[1].id {
		t.Fatalf("%+v does not verify", good)
	}
	for name, change := range map[string]func(*Abandon){
		"another attempt":    func(a *Abandon) { s := keygenSpec(2, 3); s.Attempt++; a.SID = s.SID() },
		"another party":      func(a *Abandon) { a.Party = parties[2].id },
		"no party":           func(a *Abandon) { a.Party = "" },
		"another signer":     func(a *Abandon) { a.Signature = parties[2].Sign(a.signed()) },
		"no signature":       func(a *Abandon) { a.Signature = nil },
		"a bit":              func(a *Abandon) { a.Signature[63] ^= 1 },
		"a longer signature": func(a *Abandon) { a.Signature = append(a.Signature, 0) },
	} {
		a := *good
		a.Signature = append([]byte(nil), good.Signature...)
		change(&a)
		if a.Verify(verify) {
			t.Errorf("it verifies with %s", name)
		}
	}
}

// An abandon is no other word of a member: neither a confirmation of the same attempt nor a
// message of its session, nor the other way round.
func TestAbandonIsNothingElse(t *testing.T) {
	spec := keygenSpec(2, 3)
	cert := sampleCertificate(spec)
	a := SignAbandon(parties[1], spec.SID())
	a.Signature = cert.Signatures[1]
	if a.Verify(verify) {
		t.Error("a confirmation passes for an abandon")
	}
	cert.Signatures[1] = SignAbandon(parties[1], spec.SID()).Signature
	if cert.Verify(verify) == nil {
		t.Error("an abandon passes for a confirmation")
	}
	e := Seal(parties[1], Header{SID: spec.SID(), Type: TypeAbort}, nil)
	if a.Signature = e.Signature; a.Verify(verify) {
		t.Error("an abort passes for an abandon")
	}
}
