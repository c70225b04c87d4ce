package tss_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

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

// One presignature signs one digest: the first to bind wins, also of many at once, whether the
// others ask for the same digest or another one.
func TestBindOnce(t *testing.T) {
	k, signers := newKey(t, protocol.ECDSA, twoOfThree), protocoltest.Members(2)
	held := presign(t, k, signers, sid("bind once"))
	const callers = 64
	var (
		mu       sync.Mutex
		machines = make([][]protocoltest.Party, callers) // by digest
		wins     = make([]int, len(held))
		group    sync.WaitGroup
	)
	begin := make(chan struct{})
	for i := range callers {
		for j, p := range held {
			group.Go(func() {
				<-begin
				m, err := p.Bind(digest("caller %d", i/2)) // each digest twice
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					wins[j]++
					machines[i/2] = append(machines[i/2], protocoltest.Party{Peer: signers[j].Peer, Machine: m})
				case !errors.Is(err, tss.ErrBound) || m != nil:
					t.Errorf("machine %v, error %v", m, err)
				}
				_, _, _ = p.Round(), p.Waiting(), p.Rounds()
			})
		}
	}
	close(begin)
	group.Wait()
	if !slices.Equal(wins, []int{1, 1}) {
		t.Fatalf("bound %v times", wins)
	}
	for i, parties := range machines {
		if len(parties) == 0 {
			continue
		}
		results, _, err := protocoltest.Run(parties, protocoltest.Options{})
		if len(parties) == 2 && (err != nil || len(results) != 2) {
			t.Errorf("both bound digest %d: %v", i, err)
		}
		if len(parties) == 1 && len(results) != 0 {
			t.Errorf("one signer alone has signed digest %d", i)
		}
	}
	for _, p := range held {
		for _, d := range [][]byte{digest("caller 0"), nil, make([]byte, 32)} {
			if _, err := p.Bind(d); !errors.Is(err, tss.ErrBound) {
				t.Errorf("bound again: %v", err)
			}
		}
	}
}

// A presignature that was dropped, whose presigning failed, or that is not complete, is
// never bound; and one that is bound is not to be had back by dropping it.
func TestBindWhatIsNotHeld(t *testing.T) {
	k, signers := newKey(t, protocol.ECDSA, twoOfThree), protocoltest.Members(2)
	d := digest("what is not held")
	wantNone := func(p *tss.Presign, want error) {
		t.Helper()
		if m, err := p.Bind(d); !errors.Is(err, want) || m != nil {
			t.Errorf("machine %v, error %v, want %v", m, err, want)
		}
	}

	_, fresh := presignParties(t, k, signers, sid("not held"))
	wantNone(fresh[0], tss.ErrNotHeld)
	step, err := fresh[0].Start()
	if err != nil || len(step.Send) != 2 {
		t.Fatalf("%d messages, error %v", len(step.Send), err)
	}
	wantNone(fresh[0], tss.ErrNotHeld)
	fresh[0].Drop()
	wantNone(fresh[0], tss.ErrBound)
	if _, err := fresh[0].Step(protocol.Message{}); !errors.Is(err, tss.ErrDead) {
		t.Errorf("a step after the drop: %v", err)
	}
	if _, err := fresh[0].Start(); !errors.Is(err, tss.ErrDead) {
		t.Errorf("a start after the drop: %v", err)
	}

	dropped := presign(t, k, signers, sid("dropped"))[0]
	dropped.Drop()
	dropped.Drop()
	wantNone(dropped, tss.ErrBound)
	if err := dropped.Hold(protocol.Message{}); !errors.Is(err, tss.ErrDead) || dropped.Waiting() != nil || dropped.Round() != 3 {
		t.Errorf("it can be called after the drop: %v", err)
	}

	for _, round := range []int{1, 2, 3} { // a message that the machine refuses, in each round
		parties, failed := presignParties(t, k, signers, sid("failed in round %d", round))
		_, _, err := protocoltest.Run(parties, protocoltest.Options{Tamper: func(m protocol.Message, to protocol.PeerID) []protocol.Message {
			if m.Round == round && to == signers[0].Peer {
				m.Body = m.Body[:len(m.Body)/2]
			}
			return []protocol.Message{m}
		}})
		if !slices.Equal(protocol.Culprits(err), []protocol.PeerID{signers[1].Peer}) {
			t.Errorf("round %d: it blames %v: %v", round, protocol.Culprits(err), err)
		}
		wantNone(failed[0], tss.ErrNotHeld)
	}

	held := presign(t, k, signers, sid("bound, then dropped"))
	parties := bind(t, held, signers, d)
	held[0].Drop() // does nothing: what is bound belongs to its signing
	results, _, err := protocoltest.Run(parties, protocoltest.Options{})
	if err != nil || len(results) != 2 {
		t.Errorf("what was bound before the drop: %v", err)
	}
	wantNone(held[0], tss.ErrBound)
}

// A signing that fails after the presignature was bound takes it with it.
func TestAbortDestroysAPresignature(t *testing.T) {
	k, signers := newKey(t, protocol.ECDSA, twoOfThree), protocoltest.Members(2)
	d := digest("abort")
	for round := 4; round <= 9; round++ {
		if !longTests && round%2 == 1 {
			continue
		}
		held := presign(t, k, signers, sid("abort in %d", round))
		results, lines, err := protocoltest.Run(bind(t, held, signers, d), protocoltest.Options{Tamper: func(m protocol.Message, to protocol.PeerID) []protocol.Message {
			if m.Round == round && to == signers[0].Peer {
				m.Body = append(slices.Clone(m.Body), 1)
			}
			return []protocol.Message{m}
		}})
		var failure *protocoltest.Failure
		if !errors.As(err, &failure) || results[signers[0].Peer] != nil || !slices.Equal(protocol.Culprits(failure.Errors[signers[0].Peer]), []protocol.PeerID{signers[1].Peer}) {
			t.Errorf("round %d: %v", round, err)
		}
		own := fmt.Sprintf("%d SignRound%dMessage %s->*", round+1, round+1, signers[0].Peer)
		if slices.Contains(lines, own) {
			t.Errorf("round %d: it goes on", round)
		}
		for _, p := range held {
			if _, err := p.Bind(d); !errors.Is(err, tss.ErrBound) {
				t.Errorf("round %d: bound again: %v", round, err)
			}
		}
	}
}

// A digest that nobody can sign is refused, and the presignature is as it was.
func TestBindUnusableDigest(t *testing.T) {
	k, signers := newKey(t, protocol.ECDSA, twoOfThree), protocoltest.Members(2)
	held := presign(t, k, signers, sid("unusable digests"))
	order := secp256k1.S256().N
	for name, c := range map[string]struct {
		digest []byte
		want   error
	}{
		"zero":         {make([]byte, 32), tss.ErrDigest},
		"the order":    {order.Bytes(), tss.ErrDigest},
		"nothing":      {nil, tss.ErrConfig},
		"31 bytes":     {make([]byte, 31), tss.ErrConfig},
		"33 bytes":     {make([]byte, 33), tss.ErrConfig},
		"a number q+q": {new(big.Int).Lsh(order, 1).Bytes(), tss.ErrConfig},
	} {
		for _, p := range held {
			if m, err := p.Bind(c.digest); !errors.Is(err, c.want) || m != nil {
				t.Errorf("%s: machine %v, error %v", name, m, err)
			}
		}
	}
	signBound(t, k, held, signers, digest("a usable one"), protocoltest.Options{})
}

// What is bound does not change with the caller's bytes.
func TestBoundDigestIsACopy(t *testing.T) {
	k, signers := newKey(t, protocol.ECDSA, twoOfThree), protocoltest.Members(2)
	held := presign(t, k, signers, sid("a copy"))
	d := digest("a copy")
	mine := slices.Clone(d)
	parties := bind(t, held, signers, mine)
	clear(mine)
	results, _, err := protocoltest.Run(parties, protocoltest.Options{Tamper: func(m protocol.Message, _ protocol.PeerID) []protocol.Message {
		copy(mine, digest("another one in round %d", m.Round))
		return []protocol.Message{m}
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		verify(t, k.public, d, r)
	}
}

// Signers that bind different digests get no signature: what they commit to in round 7 does
// not fit, and no part of a signature leaves. (Sessions of theirs do not even hear each other's
// round 4: their ids differ.)
func TestMismatchedDigests(t *testing.T) {
	for _, th := range []protocol.Threshold{twoOfThree, {T: 3, N: 5}} {
		k, signers := newKey(t, protocol.ECDSA, th), protocoltest.Members(th.N)[:th.T]
		held := presign(t, k, signers, sid("mismatch %v", th))
		results, lines, err := protocoltest.Run(bind(t, held, signers, digest("one"), digest("two")), protocoltest.Options{})
		var failure *protocoltest.Failure
		if !errors.As(err, &failure) || len(failure.Errors) != th.T || len(results) != 0 {
			t.Fatalf("%d results, %v", len(results), err)
		}
		for peer, err := range failure.Errors {
			var b *protocol.Blame
			if !errors.As(err, &b) || b.Round != 8 || b.Reason != protocol.ReasonUnattributed {
				t.Errorf("%s: %v", peer, err)
			}
		}
		for _, line := range lines {
			if strings.HasPrefix(line, "9 ") {
				t.Errorf("a part of a signature leaves: %s", line)
			}
		}
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
