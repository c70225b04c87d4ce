package tss_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/protocoltest"
	"github.com/meshmpc/mpcd/protocol/tss"
)

// keygenOf sets up the members of an EdDSA or ECDSA keygen of some session.
func keygenOf(t *testing.T, scheme protocol.Scheme, session protocol.SID) []protocoltest.Party {
	t.Helper()
	members := protocoltest.Members(2)
	parties := make([]protocoltest.Party, len(members))
	for i, m := range members {
		config := tss.KeygenConfig{SID: session, Scheme: scheme, Threshold: 2, Roster: members, Self: m.Peer}
		if scheme == protocol.ECDSA {
			config.PreParams = protocoltest.PreParams(t, 3)[i]
		}
		machine, err := tss.NewKeygen(config)
		if err != nil {
			t.Fatal(err)
		}
		parties[i] = protocoltest.Party{Peer: m.Peer, Machine: machine}
	}
	return parties
}

// sessions are the ceremonies of two members, of some session each. An ECDSA keygen
// takes seconds, so that only the long tests have it.
func sessions(t *testing.T) map[string]func(protocol.SID) []protocoltest.Party {
	t.Helper()
	all := map[string]func(protocol.SID) []protocoltest.Party{}
	for _, scheme := range []protocol.Scheme{protocol.ECDSA, protocol.EdDSA} {
		if scheme == protocol.EdDSA || longTests {
			all["keygen "+string(scheme)] = func(session protocol.SID) []protocoltest.Party { return keygenOf(t, scheme, session) }
		}
		k := newKey(t, scheme, protocol.Threshold{T: 2, N: 3})
		all["sign "+string(scheme)] = func(session protocol.SID) []protocoltest.Party {
			return signParties(t, k, protocoltest.Members(2), session, digest("one payload"))
		}
	}
	return all
}

// A member of another keygen gets nowhere: the places of the shares are those of
// one session. TestOtherSessionFails shows the same of signing.
func TestMemberOfAnotherKeygen(t *testing.T) {
	ours, theirs := keygenOf(t, protocol.EdDSA, sid("this session")), keygenOf(t, protocol.EdDSA, sid("another session"))
	results, _, err := protocoltest.Run([]protocoltest.Party{ours[0], theirs[1]}, protocoltest.Options{})
	if err == nil || len(results) != 0 {
		t.Error("a key is made across sessions")
	}
}

// What a member has sent in one session, sent again in another one of the same
// key, members and payload, ends that one. It is blamed on the sender, or on
// nobody, but never makes a result; without the envelope's session id to keep them
// out, that is.
func TestReplayIntoAnotherSession(t *testing.T) {
	for name, start := range sessions(t) {
		old := map[string]protocol.Message{}
		_, _, err := protocoltest.Run(start(sid("earlier")), protocoltest.Options{Tamper: func(m protocol.Message, _ protocol.PeerID) []protocol.Message {
			if m.From == "bob" {
				old[m.Name] = m
			}
			return []protocol.Message{m}
		}})
		if err != nil {
			t.Fatal(err)
		}
		results, _, err := protocoltest.Run(start(sid("later")), protocoltest.Options{Tamper: func(m protocol.Message, _ protocol.PeerID) []protocol.Message {
			if m.From == "bob" {
				return []protocol.Message{old[m.Name]}
			}
			return []protocol.Message{m}
		}})
		var failure *protocoltest.Failure
		if !errors.As(err, &failure) || results["alice"] != nil {
			t.Fatalf("%s: alice has a result from replayed messages: %v", name, err)
		}
		if c := protocol.Culprits(failure.Errors["alice"]); !slices.Equal(c, []protocol.PeerID{"bob"}) {
			t.Errorf("%s: alice blames %v: %v", name, c, failure.Errors["alice"])
		}
		t.Logf("%s: %v", name, failure.Errors["alice"])
	}
}
