package protocol

import (
	"errors"
	"fmt"
	"math"
	"testing"
)

// misshapen are headers of known types in forms that no member writes.
func misshapen() map[string]func(*Header) {
	self := parties[0]
	forms := map[string]func(*Header){
		"digest of no echo":       func(h *Header) { h.Type, h.Round, h.Name = TypeDigest, 2, "2" },
		"digest without a name":   func(h *Header) { h.Type, h.Round, h.Name = TypeDigest, 1, "" },
		"digest of another name":  func(h *Header) { h.Type, h.Round, h.Name = TypeDigest, 1, "2" },
		"digest with an address":  func(h *Header) { h.Type, h.Round, h.Name, h.To = TypeDigest, 1, "1", self.id },
		"message without a round": func(h *Header) { h.Type, h.Round, h.Name = TypeRound, 0, "Nonce" },
	}
	for _, round := range []int{-1, toyRounds + 1, math.MaxInt64, math.MinInt64} {
		forms[fmt.Sprintf("round %d", round)] = func(h *Header) { h.Type, h.Round, h.Name = TypeRound, round, "Nonce" }
	}
	for _, typ := range []Type{TypeReady, TypeConfirm, TypeAbort} {
		forms[string(typ)+" with a round"] = func(h *Header) { h.Type, h.Round = typ, 1 }
		forms[string(typ)+" with a name"] = func(h *Header) { h.Type, h.Name = typ, "Nonce" }
		forms[string(typ)+" with an address"] = func(h *Header) { h.Type, h.To = typ, self.id }
	}
	return forms
}

// A member that signs a form which no member writes is blamed at once, rather than
// waited for until the deadline.
func TestFormThatNoMemberWrites(t *testing.T) {
	for name, form := range misshapen() {
		net := newNetwork(t, keygenSpec(2, 3))
		h := Header{SID: net.spec.SID(), Seq: 9}
		form(&h)
		first := net.players[0]
		net.deliver(packet{to: 0, data: wire(t, Seal(parties[1], h, []byte("payload"))), direct: h.To != ""})
		wantBlame(t, first.err, parties[1])
		var b *Blame
		if !errors.As(first.err, &b) || b.Reason != ReasonMessage || b.Evidence == nil {
			t.Fatalf("%s: %v", name, first.err)
		}
		if f, err := b.Evidence.Verify(verify); err != nil || f.Culprit != parties[1].id {
			t.Errorf("%s: the evidence shows %+v, error %v", name, f, err)
		}
	}
}
