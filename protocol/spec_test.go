package protocol

import (
	"bytes"
	"crypto/elliptic"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
)

type specCase struct {
	name   string
	change func(*Spec)
	says   string
}

// rules that hold for every kind of session.
var specRules = []specCase{
	{"version 0", func(s *Spec) { s.Version = 0 }, "version 0, this node speaks 1"},
	{"version 2", func(s *Spec) { s.Version = 2 }, "version 2, this node speaks 1"},
	{"no network", func(s *Spec) { s.Network = "" }, "must be named"},
	{"no session", func(s *Spec) { s.Session = "" }, "must be named"},
	{"no account", func(s *Spec) { s.Account = "" }, "must be named"},
	{"no key", func(s *Spec) { s.Key = "" }, "must be named"},
	{"no coordinator", func(s *Spec) { s.Coordinator = "" }, "must be named"},
	{"attempt 0", func(s *Spec) { s.Attempt = 0 }, "attempts count from 1"},
	{"no expiry", func(s *Spec) { s.Expires = 0 }, "when it expires"},
	{"negative expiry", func(s *Spec) { s.Expires = -1 }, "when it expires"},
	{"no scheme", func(s *Spec) { s.Scheme = "" }, "unknown scheme"},
	{"unknown scheme", func(s *Spec) { s.Scheme = "bls" }, "unknown scheme"},
	{"derivation path", func(s *Spec) { s.Path = []uint32{0} }, "derivation paths are not supported"},
	{"no kind", func(s *Spec) { s.Kind = "" }, "unknown kind"},
	{"unknown kind", func(s *Spec) { s.Kind = "export" }, `unknown kind "export"`},
	{"nameless member", func(s *Spec) { s.Roster[1].Peer = "" }, "member 1 of the roster"},
	{"member without role", func(s *Spec) { s.Roster[0].Role = "" }, "member 0 of the roster"},
	{"unknown role", func(s *Spec) { s.Roster[1].Role = "admin" }, "unknown role"},
	{"member twice", func(s *Spec) { s.Roster[1] = s.Roster[0] }, "in the roster twice"},
	{"two delegates", func(s *Spec) { s.Roster[0].Role, s.Roster[2].Role = Delegate, Delegate }, "more than one delegate"},
	{"member twice in two roles", func(s *Spec) { s.Roster[1] = Member{s.Roster[0].Peer, External} }, "in the roster twice"},
}

var keygenRules = []specCase{
	{"threshold 1", func(s *Spec) { s.Threshold = 1 }, "needs at least 2 signers"},
	{"threshold 0", func(s *Spec) { s.Threshold = 0 }, "needs at least 2 signers"},
	{"negative threshold", func(s *Spec) { s.Threshold = -2 }, "needs at least 2 signers"},
	{"threshold above n", func(s *Spec) { s.Threshold = 4 }, "more signers than there are parties"},
	{"nobody", func(s *Spec) { s.Roster = nil }, "more signers than there are parties"},
	{"33 parties", func(s *Spec) { s.Roster = append(roster(32), Member{outsider.id, Persistent}) }, "more than 32 parties"},
	{"payload", func(s *Spec) { s.Payload = []byte{1} }, "has no payload"},
	{"presignature", func(s *Spec) { s.Presign = digestOf("presigning") }, "uses no presignature"},
	{"a time to hold", func(s *Spec) { s.HoldUntil = s.Expires + 1 }, "only what a presigning makes is held"},
	{"another session's key", func(s *Spec) { s.Key = "other" }, "names its own session"},
	{"epoch 1", func(s *Spec) { s.Epoch = 1 }, "epoch 0"},
	{"no approvers", func(s *Spec) { s.Approvers = Approvers{} }, "0 of 0 keys"},
	{"0 approvals", func(s *Spec) { s.Approvers.M = 0 }, "0 of 1 keys"},
	{"more approvals than approvers", func(s *Spec) { s.Approvers.M = 2 }, "2 of 1 keys"},
	{"33 approvers", func(s *Spec) { s.Approvers.Keys = slices.Repeat(s.Approvers.Keys, 33) }, "1 of 33 keys"},
	{"approver twice", func(s *Spec) { s.Approvers.Keys = slices.Repeat(s.Approvers.Keys, 2) }, "approver key 1 is listed twice"},
	{"approver that is no key", func(s *Spec) { s.Approvers.Keys = [][]byte{{1, 2, 3}} }, "approver key 0"},
	{"recipient without a delegate", func(s *Spec) { s.Recipient = digestOf("recipient") }, "no member is a delegate"},
	{"recipient of 31 bytes", func(s *Spec) { s.Roster[2].Role, s.Recipient = Delegate, make([]byte, 31) }, "has 32 bytes, not 31"},
	{"recipient of small order", func(s *Spec) { s.Roster[2].Role, s.Recipient = Delegate, make([]byte, 32) }, "small order"},
	{"approver on P-384", func(s *Spec) { s.Approvers.Keys = [][]byte{rawSPKI(newECDSA(elliptic.P384()))} }, "use Ed25519 or ECDSA P-256"},
}

var signRules = []specCase{
	{"threshold 1", func(s *Spec) { s.Threshold, s.Roster = 1, s.Roster[:1] }, "exactly t members"},
	{"threshold 0", func(s *Spec) { s.Threshold, s.Roster = 0, nil }, "exactly t members"},
	{"too few signers", func(s *Spec) { s.Roster = s.Roster[:2] }, "exactly t members"},
	{"too many signers", func(s *Spec) { s.Roster = roster(4) }, "exactly t members"},
	{"33 signers", func(s *Spec) {
		s.Roster = append(roster(32), Member{outsider.id, Persistent})
		s.Threshold = 33
	}, "exactly t members"},
	{"no digest", func(s *Spec) { s.Payload = nil }, "32 bytes, not 0"},
	{"31 bytes", func(s *Spec) { s.Payload = s.Payload[1:] }, "32 bytes, not 31"},
	{"33 bytes", func(s *Spec) { s.Payload = append(s.Payload, 0) }, "32 bytes, not 33"},
	{"no message", func(s *Spec) { s.Scheme, s.Payload = EdDSA, nil }, "1 to 32768 bytes"},
	{"recipient", func(s *Spec) { s.Roster[2].Role, s.Recipient = Delegate, digestOf("recipient") }, "has no recipient"},
	{"message too long", func(s *Spec) { s.Scheme, s.Payload = EdDSA, make([]byte, MaxMessage+1) }, "1 to 32768 bytes"},
}

var presignRules = []specCase{
	{"threshold 1", func(s *Spec) { s.Threshold, s.Roster = 1, s.Roster[:1] }, "exactly t members"},
	{"too few signers", func(s *Spec) { s.Roster = s.Roster[:2] }, "exactly t members"},
	{"EdDSA", func(s *Spec) { s.Scheme = EdDSA }, "only ECDSA keys presign"},
	{"payload", func(s *Spec) { s.Payload = digestOf("a message") }, "no payload and no approvals"},
	{"approvals", func(s *Spec) { s.Authorisation = []string{"token"} }, "no payload and no approvals"},
	{"presignature", func(s *Spec) { s.Presign = digestOf("another") }, "no payload and no approvals"},
	{"delegate", func(s *Spec) { s.Roster[1].Role = Delegate }, "keep their shares"},
	{"external party", func(s *Spec) { s.Roster[2].Role = External }, "keep their shares"},
	{"recipient", func(s *Spec) { s.Recipient = digestOf("recipient") }, "has no recipient"},
	{"held until nothing", func(s *Spec) { s.HoldUntil = 0 }, "until when"},
	{"held before the epoch", func(s *Spec) { s.HoldUntil = -1 }, "until when"},
	{"held until it expires", func(s *Spec) { s.HoldUntil = s.Expires }, "until when"},
	{"held for more than a day", func(s *Spec) { s.HoldUntil = s.Expires + 86401 }, "at most 24h"},
	{"held for ever", func(s *Spec) { s.HoldUntil = math.MaxInt64 }, "at most 24h"},
}

// rules of signings that name a presignature, which have all others too.
var boundRules = []specCase{
	{"name of 31 bytes", func(s *Spec) { s.Presign = s.Presign[:31] }, "named by 32 bytes"},
	{"name of 33 bytes", func(s *Spec) { s.Presign = append(s.Presign, 0) }, "named by 32 bytes"},
	{"EdDSA", func(s *Spec) { s.Scheme = EdDSA }, "for an ECDSA key"},
	{"delegate", func(s *Spec) { s.Roster[1].Role = Delegate }, "keep their shares"},
	{"external party", func(s *Spec) { s.Roster[2].Role = External }, "keep their shares"},
	{"a time to hold", func(s *Spec) { s.HoldUntil = s.Expires + 1 }, "only what a presigning makes is held"},
}

func TestSpecRules(t *testing.T) {
	keygen := func() *Spec { s := keygenSpec(2, 3); s.Approvers.Keys = slices.Clone(s.Approvers.Keys); return s }
	sign, presign, bound := func() *Spec { return signSpec(3) }, func() *Spec { return presignSpec(3) }, func() *Spec { return boundSpec(3) }
	for _, group := range []struct {
		fresh func() *Spec
		rules []specCase
	}{{keygen, specRules}, {sign, specRules}, {keygen, keygenRules}, {sign, signRules}, {presign, specRules}, {presign, presignRules}, {bound, signRules}, {bound, boundRules}} {
		noError(t, group.fresh().Validate())
		for _, c := range group.rules {
			s := group.fresh()
			c.change(s)
			err := s.Validate()
			if !errors.Is(err, ErrSpec) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s, %s: error %v does not say %q", s.Kind, c.name, err, c.says)
			}
		}
	}
}

func TestSpecAllows(t *testing.T) {
	for name, s := range map[string]*Spec{
		"2-of-2":                    keygenSpec(2, 2),
		"32-of-32":                  keygenSpec(32, 32),
		"32 signers":                signSpec(32),
		"empty path":                func() *Spec { s := signSpec(2); s.Path = []uint32{}; return s }(),
		"digest of leading zeros":   func() *Spec { s := signSpec(2); s.Payload = make([]byte, 32); return s }(),
		"message of one zero":       func() *Spec { s := signSpec(2); s.Scheme, s.Payload = EdDSA, []byte{0}; return s }(),
		"longest message":           func() *Spec { s := signSpec(2); s.Scheme, s.Payload = EdDSA, make([]byte, MaxMessage); return s }(),
		"coordinator as a member":   func() *Spec { s := signSpec(2); s.Coordinator = s.Roster[0].Peer; return s }(),
		"later epoch":               func() *Spec { s := signSpec(2); s.Epoch = 7; return s }(),
		"delegate and external":     func() *Spec { s := signSpec(2); s.Roster[0].Role, s.Roster[1].Role = Delegate, External; return s }(),
		"keygen with a delegate":    hybridSpec(),
		"keygen with a recipient":   func() *Spec { s := hybridSpec(); s.Recipient = digestOf("recipient"); return s }(),
		"presign of 32":             presignSpec(32),
		"held for a day":            func() *Spec { s := presignSpec(2); s.HoldUntil = s.Expires + 86400; return s }(),
		"held for a second":         func() *Spec { s := presignSpec(2); s.HoldUntil = s.Expires + 1; return s }(),
		"sign with a presignature":  boundSpec(2),
		"sign, approvers unchecked": func() *Spec { s := signSpec(2); s.Approvers = Approvers{}; return s }(),
	} {
		if err := s.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Every field is part of the session id.
func TestSIDCoversEveryField(t *testing.T) {
	base := signSpec(3)
	seen := map[SID]string{base.SID(): "the spec itself"}
	for name, change := range map[string]func(*Spec){
		"version":          func(s *Spec) { s.Version++ },
		"network":          func(s *Spec) { s.Network += "x" },
		"kind":             func(s *Spec) { s.Kind = KindKeygen },
		"session":          func(s *Spec) { s.Session += "x" },
		"attempt":          func(s *Spec) { s.Attempt++ },
		"account":          func(s *Spec) { s.Account += "x" },
		"key":              func(s *Spec) { s.Key += "x" },
		"epoch":            func(s *Spec) { s.Epoch++ },
		"scheme":           func(s *Spec) { s.Scheme = EdDSA },
		"threshold":        func(s *Spec) { s.Threshold++ },
		"roster's order":   func(s *Spec) { slices.Reverse(s.Roster) },
		"roster's members": func(s *Spec) { s.Roster[1].Peer = outsider.id },
		"roster's roles":   func(s *Spec) { s.Roster[1].Role = External },
		"roster's size":    func(s *Spec) { s.Roster = s.Roster[:2] },
		"payload":          func(s *Spec) { s.Payload = bytes.Repeat([]byte{1}, 32) },
		"path":             func(s *Spec) { s.Path = []uint32{1} },
		"expires":          func(s *Spec) { s.Expires++ },
		"approvers' m":     func(s *Spec) { s.Approvers.M++ },
		"approvers' keys":  func(s *Spec) { s.Approvers.Keys = nil },
		"authorisation":    func(s *Spec) { s.Authorisation = []string{"x"} },
		"coordinator":      func(s *Spec) { s.Coordinator = outsider.id },
		"owner":            func(s *Spec) { s.Owner += "x" },
		"recipient":        func(s *Spec) { s.Recipient = []byte{1} },
		"presign":          func(s *Spec) { s.Presign = []byte{1} },
		"hold until":       func(s *Spec) { s.HoldUntil = 1 },
	} {
		s := signSpec(3)
		change(s)
		sid := s.SID()
		if other, ok := seen[sid]; ok {
			t.Errorf("a change of %s gives the session id of %s", name, other)
		}
		seen[sid] = name
	}
	if sid := base.SID(); sid != signSpec(3).SID() || len(sid.String()) != 64 || !strings.HasPrefix(sid.String(), sid.Short()) || len(sid.Short()) != 8 {
		t.Errorf("session id %s, short %s", sid, sid.Short())
	}
}

func TestSpecAccessors(t *testing.T) {
	s := signSpec(3)
	if got := s.Peers(); len(got) != 3 || got[2] != parties[2].id {
		t.Errorf("peers %v", got)
	}
	if s.Deadline().Unix() != s.Expires {
		t.Errorf("deadline %v", s.Deadline())
	}
	if got := SessionTopic(s.SID()); got != "s/"+s.SID().String() {
		t.Errorf("topic %s", got)
	}
}
