package protocol

// Abandon is a member's signed word that it has not signed the certificate of a
// keygen's attempt, and never will. The key can then never be active anywhere, for
// a certificate takes every member's signature: the others may drop their pending
// shares, and another attempt may follow.
type Abandon struct {
	SID       SID    `cbor:"1,keyasint"` // of the keygen's attempt
	Party     PeerID `cbor:"2,keyasint"`
	Signature []byte `cbor:"3,keyasint"`
}

func (a *Abandon) signed() []byte {
	sum := hash("mpc/abandon/v1", a.SID[:], []byte(a.Party))
	return sum[:]
}

// SignAbandon gives a keygen's attempt up for good. The caller has made sure, on
// its disk, that it holds no share of it and can never accept this sid again.
func SignAbandon(s Signer, sid SID) *Abandon {
	a := &Abandon{SID: sid, Party: s.ID()}
	a.Signature = s.Sign(a.signed())
	return a
}

// Verify reports whether the party that it names has signed it.
func (a *Abandon) Verify(verify Verifier) bool {
	return verify(a.Party, a.signed(), a.Signature)
}
