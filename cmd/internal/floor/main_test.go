package main

import (
	"testing"

	"github.com/meshmpc/mpcd/protocol"
)

// TestFloor makes an EdDSA key and signs with it in each of the ways.
func TestFloor(t *testing.T) {
	f := newFloor()
	for _, o := range []order{
		{Op: "keygen", Scheme: protocol.EdDSA, Count: 2},
		{Op: "sign", Scheme: protocol.EdDSA, Count: 3},
	} {
		a, err := f.obey(o)
		if err != nil || len(a.Took) != o.Count {
			t.Errorf("%s: %+v, %v", o.Op, a, err)
		}
	}
	if a, err := f.obey(order{Op: "rate", Scheme: protocol.EdDSA, Seconds: 0.1}); err != nil || a.Rate <= 0 {
		t.Errorf("rate: %+v, %v", a, err)
	}
	if _, err := f.obey(order{Op: "dance"}); err == nil {
		t.Error("an unknown op was obeyed")
	}
}
