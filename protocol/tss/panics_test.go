package tss_test

import (
	"slices"
	"testing"
)

// The values that end a process of the library v2.0.2 from afar, each with the
// violation that plays it: with the library alone it must panic, and the guard must name
// who sent it (TestViolations, TestECDSAKeygenViolations). None may be lost.
var remotePanics = []struct{ value, suite, violation string }{
	{"an even N, in the Jacobi symbol", "ecdsa keygen", "N is even"},
	{"a length of the DLN proof, in a slice", "ecdsa keygen", "Dlnproof with a negative length"},
	{"its second length", "ecdsa keygen", "Dlnproof with a negative second length"},
	{"a share of 0", "ecdsa keygen", "share of zero"},
	{"a share of q", "ecdsa keygen", "share is the order"},
	{"a vector of coefficients that is too short", "ecdsa keygen", "one coefficient too few"},
	{"a C that has no inverse modulo N²", "ecdsa sign", "C shares a factor with N"},
	{"a C of 0", "ecdsa sign", "C of zero"},
	{"S1 ≡ 0 mod q", "ecdsa sign", "S1 of Bob with check is q"},
	{"S1 ≡ 0 mod q, greater", "ecdsa sign", "S1 of Bob with check is a greater multiple of q"},
	{"T = 0 in round 4", "ecdsa sign", "T of round 4 is zero"},
	{"T = q in round 4", "ecdsa sign", "T of round 4 is q"},
	{"T = 0 in round 6", "ecdsa sign", "T of round 6 is zero"},
	{"T = 0 in the V proof", "ecdsa sign", "T of the V proof is zero"},
	{"U = 0 in the V proof", "ecdsa sign", "U of the V proof is zero"},
	{"Σθ ≡ 0", "ecdsa sign", "theta cancels"},
	{"a decommitment of one element", "eddsa keygen", "no coefficient"},
	{"a vector of coefficients that is too short, EdDSA", "eddsa keygen", "one coefficient too few"},
	{"an R_j off the curve", "eddsa sign", "nonce off the curve"},
}

func TestRemotePanicsArePlayed(t *testing.T) {
	for _, p := range remotePanics {
		var alone outcome
		if p.suite == "ecdsa keygen" {
			for _, v := range ecdsaKeygenViolations {
				if v.name == p.violation {
					alone = v.alone
				}
			}
		} else {
			all := suitesOfViolations[p.suite].violations
			if i := slices.IndexFunc(all, func(v violation) bool { return v.name == p.violation }); i >= 0 {
				alone = all[i].alone
			}
		}
		if alone != panicked && alone != crashed {
			t.Errorf("%s: %s/%s is not played as a panic, but %q", p.value, p.suite, p.violation, alone)
		}
	}
}
