package protocol

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func newECDSA(curve elliptic.Curve) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		panic(err) // the system's source of randomness does not fail
	}
	return key
}

// rawSPKI is spki for kinds of keys that cannot approve.
func rawSPKI(key crypto.Signer) []byte {
	b, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		panic(err) // a programmer's error in a test
	}
	return b
}

// p256Key is one approver of the other kind; no two runs use the same.
var p256Key = newECDSA(elliptic.P256())

func approve(tb testing.TB, key crypto.Signer, s *Spec, change func(*Approval)) string {
	tb.Helper()
	a := ApprovalFor(s, testNow, 2*time.Minute)
	if change != nil {
		change(&a)
	}
	token, err := SignApproval(key, a)
	noError(tb, err)
	return token
}

func TestAuthorise(t *testing.T) {
	for _, scheme := range []Scheme{ECDSA, EdDSA} {
		for name, key := range map[string]crypto.Signer{"Ed25519": approverKey, "P-256": p256Key} {
			s := signSpec(2)
			s.Scheme = scheme
			s.Authorisation = []string{approve(t, key, s, nil)}
			until, err := Authorise(s, Approvers{M: 1, Keys: [][]byte{spki(key)}}, testNow)
			if err != nil {
				t.Fatalf("%s, %s: %v", scheme, name, err)
			}
			if want := testNow.Add(2*time.Minute + MaxClockSkew); !until.Equal(want) {
				t.Errorf("%s, %s: to be remembered until %v, want %v", scheme, name, until, want)
			}
		}
	}
}

// Each claim binds: an approval of anything else is refused, and the error names
// the claim.
func TestAuthoriseChecksEachClaim(t *testing.T) {
	for claim, change := range map[string]func(*Approval){
		"aud":    func(a *Approval) { a.Network = "mainnet" },
		"op":     func(a *Approval) { a.Operation = "export" },
		"sub":    func(a *Approval) { a.Account += "x" },
		"key":    func(a *Approval) { a.Key += "x" },
		"epoch":  func(a *Approval) { a.Epoch++ },
		"path":   func(a *Approval) { a.Path = []uint32{44} },
		"digest": func(a *Approval) { a.Digest = strings.Repeat("00", 32) },
		"jti":    func(a *Approval) { a.Request += "x" },
	} {
		s := signSpec(2)
		s.Authorisation = []string{approve(t, approverKey, s, change)}
		_, err := Authorise(s, approvers, testNow)
		wantError(t, err, ErrApproval, "another request ("+claim+")")
	}
}

// The same from the other side: a coordinator that alters the spec after the
// approval was given.
func TestAuthoriseChecksEachFieldOfTheSpec(t *testing.T) {
	for claim, change := range map[string]func(*Spec){
		"aud":    func(s *Spec) { s.Network = "mainnet" },
		"op":     func(s *Spec) { s.Kind = KindKeygen },
		"sub":    func(s *Spec) { s.Account += "x" },
		"key":    func(s *Spec) { s.Key += "x" },
		"epoch":  func(s *Spec) { s.Epoch++ },
		"path":   func(s *Spec) { s.Path = []uint32{1} },
		"digest": func(s *Spec) { s.Payload[31] ^= 1 },
		"jti":    func(s *Spec) { s.Session += "x" },
	} {
		s := signSpec(2)
		s.Authorisation = []string{approve(t, approverKey, s, nil)}
		_, err := Authorise(s, approvers, testNow)
		noError(t, err)
		change(s)
		_, err = Authorise(s, approvers, testNow)
		wantError(t, err, ErrApproval, "another request ("+claim+")")
	}
	s := signSpec(2) // the approval of an ECDSA digest is none of the same bytes as a message
	s.Authorisation = []string{approve(t, approverKey, s, nil)}
	s.Scheme = EdDSA
	_, err := Authorise(s, approvers, testNow)
	wantError(t, err, ErrApproval, "(digest)")
}

// What a retry changes is not bound: attempt, signers, expiry and coordinator.
func TestApprovalHoldsForARetry(t *testing.T) {
	s := signSpec(2)
	s.Authorisation = []string{approve(t, approverKey, s, nil)}
	s.Attempt, s.Expires, s.Coordinator = 2, s.Expires+60, outsider.id
	slices.Reverse(s.Roster)
	_, err := Authorise(s, approvers, testNow)
	noError(t, err)
}

func TestAuthoriseTimes(t *testing.T) {
	const second, skew, life = time.Second, MaxClockSkew, MaxApprovalLife
	for _, c := range []struct {
		name      string
		from, end time.Duration // from now
		says      string        // empty: accepted
	}{
		{"fresh", 0, 2 * time.Minute, ""},
		{"longest life", 0, life, ""},
		{"one second more", 0, life + second, "lives at most 24h"},
		{"a year", 0, 365 * 24 * time.Hour, "lives at most 24h"},
		{"begins within the skew", skew, skew + second, ""},
		{"begins later", skew + second, skew + 2*second, "not valid before"},
		{"ended within the skew", -time.Minute, -skew, ""},
		{"ended earlier", -time.Minute, -skew - second, "expired at"},
		{"no life", 0, 0, "lives at most"},
		{"ends before it begins", 0, -second, "lives at most"},
	} {
		s := signSpec(2)
		s.Authorisation = []string{approve(t, approverKey, s, func(a *Approval) {
			a.NotBefore, a.Expires = testNow.Add(c.from).Unix(), testNow.Add(c.end).Unix()
		})}
		_, err := Authorise(s, approvers, testNow)
		if c.says == "" {
			noError(t, err)
		} else {
			wantError(t, err, ErrApproval, c.says)
		}
	}
}

// Times at the ends of int64 do not wrap into a valid life.
func TestAuthoriseExtremeTimes(t *testing.T) {
	const most, least = int64(1<<63 - 1), int64(-1 << 63)
	for _, times := range [][2]int64{{least, most}, {least, 0}, {0, most}, {-1, most}, {-(1 << 62), 1 << 62}, {most, least}, {most - 1, most}, {least, least + 1}, {-60, 60}} {
		s := signSpec(2)
		s.Authorisation = []string{approve(t, approverKey, s, func(a *Approval) { a.NotBefore, a.Expires = times[0], times[1] })}
		for _, now := range []time.Time{testNow, time.Unix(0, 0)} {
			if until, err := Authorise(s, approvers, now); !errors.Is(err, ErrApproval) {
				t.Errorf("valid from %d to %d, at %v: until %v, error %v", times[0], times[1], now, until, err)
			}
		}
	}
}

func TestAuthoriseCountsApprovers(t *testing.T) {
	keys := []crypto.Signer{approverKey, p256Key, newIdentity("third approver").key}
	var all Approvers
	for _, k := range keys {
		all.Keys = append(all.Keys, spki(k))
	}
	sign := func(s *Spec, who ...int) {
		s.Authorisation = nil
		for i, w := range who {
			s.Authorisation = append(s.Authorisation, approve(t, keys[w], s, func(a *Approval) { a.Expires += int64(i) }))
		}
	}
	s := signSpec(2)
	for _, c := range []struct {
		m    int
		who  []int
		says string
	}{
		{1, []int{0}, ""}, {1, []int{1}, ""}, {1, []int{0, 1, 2}, ""}, {2, []int{0, 1}, ""}, {2, []int{2, 0}, ""}, {3, []int{0, 1, 2}, ""},
		{1, nil, "0 of 1 approvals"}, {2, []int{0}, "1 of 2 approvals"}, {3, []int{1, 2}, "2 of 3 approvals"},
		{2, []int{0, 0}, "1 of 2 approvals"}, {2, []int{1, 1, 1}, "1 of 2 approvals"}, {3, []int{0, 1, 0}, "2 of 3 approvals"},
		{2, []int{0, 1, 2, 0}, "more approvals than approvers"},
		{0, []int{0}, "names no approvers"}, {-1, []int{0}, "names no approvers"}, {4, []int{0, 1, 2}, "names no approvers"},
	} {
		sign(s, c.who...)
		all.M = c.m
		until, err := Authorise(s, all, testNow)
		if c.says != "" {
			wantError(t, err, ErrApproval, c.says)
			continue
		}
		noError(t, err)
		if want := testNow.Add(2*time.Minute + MaxClockSkew + time.Duration(len(c.who)-1)*time.Second); !until.Equal(want) {
			t.Errorf("%d of %v: until %v, want the last one's end %v", c.m, c.who, until, want)
		}
	}
	sign(s, 0, 1)
	s.Authorisation[1] = s.Authorisation[1][:len(s.Authorisation[1])-4] + "AAAA"
	all.M = 1
	_, err := Authorise(s, all, testNow)
	wantError(t, err, ErrApproval, ErrSignature.Error()) // one that is wrong spoils those that are right
}

// The approvers are the record's, not the spec's.
func TestAuthoriseIgnoresTheSpecsApprovers(t *testing.T) {
	s := signSpec(2)
	thief := newIdentity("thief").key
	s.Approvers = Approvers{M: 1, Keys: [][]byte{spki(thief)}}
	s.Authorisation = []string{approve(t, thief, s, nil)}
	_, err := Authorise(s, approvers, testNow)
	wantError(t, err, ErrApproval, "is no approver of this account")
	_, err = Authorise(s, Approvers{}, testNow)
	wantError(t, err, ErrApproval, "names no approvers")
}

func TestKindsOfApproverKeys(t *testing.T) {
	for name, key := range map[string]crypto.Signer{"P-224": newECDSA(elliptic.P224()), "P-384": newECDSA(elliptic.P384()), "P-521": newECDSA(elliptic.P521())} {
		_, err := ApproverKey(key.Public())
		wantError(t, err, nil, "use Ed25519 or ECDSA P-256")
		_, err = SignApproval(key, Approval{})
		wantError(t, err, nil, "use Ed25519 or ECDSA P-256")
		if err := (Approvers{M: 1, Keys: [][]byte{rawSPKI(key)}}).Validate(); err == nil {
			t.Errorf("%s may approve", name)
		}
	}
	for _, key := range []crypto.Signer{approverKey, p256Key} {
		noError(t, Approvers{M: 1, Keys: [][]byte{spki(key)}}.Validate())
	}
	trailing := append(spki(approverKey), 0)
	if err := (Approvers{M: 1, Keys: [][]byte{trailing}}).Validate(); err == nil {
		t.Error("a key with a trailing byte may approve")
	}
}

func TestApproversHash(t *testing.T) {
	one, two := spki(approverKey), spki(p256Key)
	seen := make(map[[32]byte]string)
	for _, a := range []Approvers{{1, [][]byte{one}}, {1, [][]byte{two}}, {1, [][]byte{one, two}}, {1, [][]byte{two, one}}, {2, [][]byte{one, two}}, {}} {
		name := fmt.Sprintf("%d of %x", a.M, a.Keys)
		if other, ok := seen[a.Hash()]; ok {
			t.Errorf("%s and %s have the same hash", name, other)
		}
		seen[a.Hash()] = name
	}
}
