package protocol

import (
	"errors"
	"testing"
)

func TestThreshold(t *testing.T) {
	for n := -1; n <= MaxParties+2; n++ {
		for k := -1; k <= MaxParties+2; k++ {
			th := Threshold{T: k, N: n}
			err := th.Validate()
			if ok := 2 <= k && k <= n && n <= 32; ok != (err == nil) || (err != nil && !errors.Is(err, ErrThreshold)) {
				t.Errorf("%v: error %v", th, err)
			}
			if err == nil {
				if back, err := ParseThreshold(th.String()); err != nil || back != th {
					t.Errorf("%v reads back as %v, %v", th, back, err)
				}
			}
		}
	}
}

func TestParseThreshold(t *testing.T) {
	if got, err := ParseThreshold("2-of-3"); err != nil || got != (Threshold{2, 3}) {
		t.Errorf("2-of-3 is %v, %v", got, err)
	}
	for _, s := range []string{
		"", "2", "2of3", "2-of-", "-of-3", "2-OF-3", "2-of-3 ", " 2-of-3", "2-of-3\n", "+2-of-3", "-2-of-3", "2-of-0x3", "2.0-of-3",
		"٢-of-٣", "2–of–3", "1000-of-1000", "99999999999999999999-of-3", "1-of-3", "0-of-0", "4-of-3", "2-of-33", "2-of-3-of-4",
	} {
		_, err := ParseThreshold(s)
		if !errors.Is(err, ErrThreshold) {
			t.Errorf("%q: error %v", s, err)
		}
	}
}

func TestParseScheme(t *testing.T) {
	for in, want := range map[string]Scheme{"": ECDSA, "ecdsa-secp256k1": ECDSA, "eddsa-ed25519": EdDSA} {
		if got, err := ParseScheme(in); err != nil || got != want {
			t.Errorf("%q is %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"ecdsa", "ed25519", "ECDSA-secp256k1", "eddsa-ed25519 ", "ecdsa-p256"} {
		_, err := ParseScheme(in)
		wantError(t, err, ErrScheme, "not \""+in+"\"")
	}
}
