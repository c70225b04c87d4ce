package tss_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/protocoltest"
	"github.com/meshmpc/mpcd/protocol/tss"
)

// presignParties sets up the members of a presigning.
func presignParties(tb testing.TB, k *key, signers []protocol.Member, session protocol.SID) ([]protocoltest.Party, []*tss.Presign) {
	tb.Helper()
	parties, machines := make([]protocoltest.Party, len(signers)), make([]*tss.Presign, len(signers))
	for i, m := range signers {
		p, err := tss.NewPresign(tss.PresignConfig{SID: session, Roster: signers, Self: m.Peer, Share: k.shares[m.Peer]})
		if err != nil {
			tb.Fatal(err)
		}
		parties[i], machines[i] = protocoltest.Party{Peer: m.Peer, Machine: p}, p
	}
	return parties, machines
}

// presign runs a presigning, and returns what each signer holds.
func presign(tb testing.TB, k *key, signers []protocol.Member, session protocol.SID) []*tss.Presign {
	tb.Helper()
	parties, machines := presignParties(tb, k, signers, session)
	results, _, err := protocoltest.Run(parties, protocoltest.Options{})
	if err != nil || len(results) != 0 {
		tb.Fatalf("a presigning ends with %d results: %v", len(results), err)
	}
	return machines
}

// bind gives every signer its digest.
func bind(tb testing.TB, held []*tss.Presign, signers []protocol.Member, digests ...[]byte) []protocoltest.Party {
	tb.Helper()
	parties := make([]protocoltest.Party, len(signers))
	for i, p := range held {
		m, err := p.Bind(digests[i%len(digests)])
		if err != nil {
			tb.Fatal(err)
		}
		parties[i] = protocoltest.Party{Peer: signers[i].Peer, Machine: m}
	}
	return parties
}

// signBound signs with a presignature and verifies what all signers have.
func signBound(tb testing.TB, k *key, held []*tss.Presign, signers []protocol.Member, payload []byte, options protocoltest.Options) []string {
	tb.Helper()
	results, lines, err := protocoltest.Run(bind(tb, held, signers, payload), options)
	if err != nil {
		tb.Fatal(err)
	}
	first := results[signers[0].Peer]
	for _, r := range results {
		if !bytes.Equal(r.Signature, first.Signature) || r.Recovery != first.Recovery {
			tb.Fatal("the signers have different signatures")
		}
	}
	verify(tb, k.public, payload, first)
	return lines
}

var twoOfThree = protocol.Threshold{T: 2, N: 3}

// Every choice of signers presigns and signs, in any order of messages and with messages that
// come twice.
func TestPresignEverySubset(t *testing.T) {
	thresholds := []protocol.Threshold{twoOfThree, {T: 3, N: 5}}
	if longTests {
		thresholds = append(thresholds, protocol.Threshold{T: 5, N: 9})
	}
	seed := randomSeed(t)
	for _, th := range thresholds {
		t.Run(th.String(), func(t *testing.T) {
			t.Parallel()
			k, count := newKey(t, protocol.ECDSA, th), uint64(0)
			subsets(protocoltest.Members(th.N), th.T, func(signers []protocol.Member) {
				if count++; th.T > 2 && count > 1 && !longTests || count > 10 {
					return // who signs makes no difference: see the small ones
				}
				parties, held := presignParties(t, k, signers, sid("presign %v %d", th, count))
				options := protocoltest.Options{Seed: seed + count, Reorder: true, Duplicate: count%2 == 0}
				if _, _, err := protocoltest.Run(parties, options); err != nil {
					t.Fatal(err)
				}
				signBound(t, k, held, signers, digest("presigned %v %d", th, count), options)
			})
		})
	}
}

// What a presigning and the signing bound to it send is together what a signing sends.
func TestPresignTranscript(t *testing.T) {
	k, signers := newKey(t, protocol.ECDSA, twoOfThree), protocoltest.Members(2)
	parties, held := presignParties(t, k, signers, sid("transcript of a presigning"))
	_, first, err := protocoltest.Run(parties, protocoltest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	second := signBound(t, k, held, signers, digest("transcript"), protocoltest.Options{})
	_, whole, err := protocoltest.Run(signParties(t, k, signers, sid("a whole signing"), digest("transcript")), protocoltest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	both := append(slices.Clone(first), second...)
	slices.Sort(both)
	slices.Sort(whole)
	if !slices.Equal(both, whole) {
		t.Errorf("they send\n%s\nand a signing\n%s", strings.Join(both, "\n"), strings.Join(whole, "\n"))
	}
	if strings.Contains(strings.Join(first, "\n"), "SignRound4") || !strings.HasPrefix(second[0], "4 ") {
		t.Errorf("round 4 leaves in the wrong one:\n%q\n%q", first, second)
	}
	for _, p := range held {
		if p.Round() != 3 || p.Rounds() != 3 || p.Waiting() != nil || !slices.Equal(p.Echoes(), []int{3}) {
			t.Errorf("round %d of %d, waits for %v, echoes %v", p.Round(), p.Rounds(), p.Waiting(), p.Echoes())
		}
	}
}

// Zero bytes in front belong to the digest, and one above the order is reduced.
func TestPresignLeadingZeros(t *testing.T) {
	k, signers := newKey(t, protocol.ECDSA, twoOfThree), protocoltest.Members(3)[1:]
	for i, d := range [][]byte{
		append(make([]byte, 1), digest("one zero")[1:]...),
		append(make([]byte, 31), 1),
		bytes.Repeat([]byte{0xff}, 32),
	} {
		signBound(t, k, presign(t, k, signers, sid("presigned zeros %d", i)), signers, d, protocoltest.Options{})
	}
}

// A message of round 4 is not for the machine of the presigning, before it holds or after, nor for
// the bound one before it has started.
func TestEarlyRoundFour(t *testing.T) {
	k, signers := newKey(t, protocol.ECDSA, twoOfThree), protocoltest.Members(2)
	held := presign(t, k, signers, sid("early"))
	d := digest("early")
	peer, err := held[1].Bind(d)
	if err != nil {
		t.Fatal(err)
	}
	step, err := peer.Start()
	if err != nil || len(step.Send) != 1 || step.Send[0].Round != 4 {
		t.Fatalf("%v, error %v", step.Send, err)
	}
	early := step.Send[0]
	for _, call := range []func() error{
		func() error { _, err := held[0].Step(early); return err },
		func() error { return held[0].Hold(early) },
	} {
		if err := call(); !errors.Is(err, tss.ErrDelivery) {
			t.Errorf("a held presignature takes round 4: %v", err)
		}
	}
	own, err := held[0].Bind(d)
	if err != nil {
		t.Fatal(err)
	}
	if own.Round() != 3 || own.Rounds() != 9 || own.Waiting() != nil || !slices.Equal(own.Echoes(), []int{8}) {
		t.Errorf("round %d of %d, waits for %v, echoes %v", own.Round(), own.Rounds(), own.Waiting(), own.Echoes())
	}
	if s, err := own.Step(early); !errors.Is(err, tss.ErrDelivery) || len(s.Send) != 0 {
		t.Errorf("a bound machine that has not started takes round 4: %v", err)
	}
	if s, err := own.Start(); !errors.Is(err, tss.ErrDead) || len(s.Send) != 0 {
		t.Errorf("it starts after that: %v", err)
	}

	for rounds := range 4 { // a presigning that has come so far
		parties, machines := presignParties(t, k, signers, sid("early, %d", rounds))
		for i := range parties { // what protocoltest would refuse to do to a Holder
			parties[i].Machine = struct{ protocol.Machine }{parties[i].Machine}
		}
		_, _, err := protocoltest.Run(parties, protocoltest.Options{Tamper: func(m protocol.Message, to protocol.PeerID) []protocol.Message {
			if m.Round > rounds {
				return nil
			}
			return []protocol.Message{m}
		}})
		if err == nil {
			t.Fatal("it has ended")
		}
		s, err := machines[0].Step(early)
		if err == nil || len(s.Send) != 0 {
			t.Errorf("after round %d: %d messages, error %v", rounds, len(s.Send), err)
		}
		if m, err := machines[0].Bind(d); err == nil {
			t.Errorf("after round %d: it can be bound to %v", rounds, m)
		}
	}
}

// A message of another presigning, under the same names, does not fit: each is bound to
// its session by the library's proofs.
func TestRoundFourOfAnotherPresignature(t *testing.T) {
	k, signers := newKey(t, protocol.ECDSA, twoOfThree), protocoltest.Members(2)
	d := digest("crossed")
	ours, theirs := presign(t, k, signers, sid("ours")), presign(t, k, signers, sid("theirs"))
	parties := bind(t, []*tss.Presign{ours[0], theirs[1]}, signers, d)
	results, _, err := protocoltest.Run(parties, protocoltest.Options{})
	var failure *protocoltest.Failure
	if !errors.As(err, &failure) || len(results) != 0 {
		t.Fatalf("%d results, %v", len(results), err)
	}
	for i, m := range signers {
		var b *protocol.Blame
		if err := failure.Errors[m.Peer]; !errors.As(err, &b) || b.Round != 4 || !slices.Equal(b.Culprits, []protocol.PeerID{signers[1-i].Peer}) {
			t.Errorf("%s: %v", m.Peer, err)
		}
	}
}

func TestNewPresignRefuses(t *testing.T) {
	k, signers := newKey(t, protocol.ECDSA, twoOfThree), protocoltest.Members(2)
	good := tss.PresignConfig{SID: sid("refuse"), Roster: signers, Self: "alice", Share: k.shares["alice"]}
	for name, change := range map[string]func(*tss.PresignConfig){
		"no share":         func(c *tss.PresignConfig) { c.Share = nil },
		"EdDSA":            func(c *tss.PresignConfig) { c.Share = newKey(t, protocol.EdDSA, twoOfThree).shares["alice"] },
		"another's share":  func(c *tss.PresignConfig) { c.Share = k.shares["bob"] },
		"not a signer":     func(c *tss.PresignConfig) { c.Self = "carol" },
		"too many signers": func(c *tss.PresignConfig) { c.Roster = protocoltest.Members(3) },
		"not of the key": func(c *tss.PresignConfig) {
			c.Roster = []protocol.Member{signers[0], {Peer: "dave", Role: protocol.Persistent}}
		},
		"a signer twice": func(c *tss.PresignConfig) { c.Roster = []protocol.Member{signers[0], signers[0]} },
	} {
		c := good
		change(&c)
		if p, err := tss.NewPresign(c); !errors.Is(err, tss.ErrConfig) || p != nil {
			t.Errorf("%s: %v, error %v", name, p, err)
		}
	}
	if _, err := tss.NewPresign(good); err != nil {
		t.Error(err)
	}
}
