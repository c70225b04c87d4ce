package protocol

import (
	"bytes"
	"regexp"
	"slices"
	"testing"
)

var fingerprintForm = regexp.MustCompile(`^[A-Z2-7]{4}( [A-Z2-7]{4}){5}$`)

func TestFingerprintIsOfWhoAndWhat(t *testing.T) {
	base := Fingerprint(hybridSpec())
	if !fingerprintForm.MatchString(base) {
		t.Errorf("fingerprint %q", base)
	}
	for name, change := range map[string]func(*Spec){
		"attempt":       func(s *Spec) { s.Attempt++ },
		"expiry":        func(s *Spec) { s.Expires++ },
		"authorisation": func(s *Spec) { s.Authorisation = []string{"x"} },
		"coordinator":   func(s *Spec) { s.Coordinator = outsider.id },
	} {
		s := hybridSpec()
		change(s)
		if Fingerprint(s) != base {
			t.Errorf("%s changes the fingerprint", name)
		}
	}
	seen := map[string]string{base: "itself"}
	for name, change := range map[string]func(*Spec){
		"network":   func(s *Spec) { s.Network += "x" },
		"session":   func(s *Spec) { s.Session += "x" },
		"scheme":    func(s *Spec) { s.Scheme = EdDSA },
		"threshold": func(s *Spec) { s.Threshold = 3 },
		"order":     func(s *Spec) { slices.Reverse(s.Roster) },
		"member":    func(s *Spec) { s.Roster[0].Peer = outsider.id },
		"role":      func(s *Spec) { s.Roster[0].Role = External },
		"size":      func(s *Spec) { s.Roster = s.Roster[:2] },
	} {
		s := hybridSpec()
		change(s)
		f := Fingerprint(s)
		if other, ok := seen[f]; ok || !fingerprintForm.MatchString(f) {
			t.Errorf("%s: fingerprint %s, as of %s", name, f, other)
		}
		seen[f] = name
	}
}

func TestJoinStatementIsOfAllItsParts(t *testing.T) {
	code := [32]byte(digestOf("code"))
	base := JoinStatement("testnet", "s", parties[0].id, code)
	for name, other := range map[string][]byte{
		"network": JoinStatement("testnet2", "s", parties[0].id, code),
		"session": JoinStatement("testnet", "s2", parties[0].id, code),
		"peer":    JoinStatement("testnet", "s", parties[1].id, code),
		"code":    JoinStatement("testnet", "s", parties[0].id, [32]byte(digestOf("other"))),
		"border":  JoinStatement("testnets", "", parties[0].id, code),
	} {
		if len(other) != 32 || bytes.Equal(base, other) {
			t.Errorf("another %s: the same statement", name)
		}
	}
}
