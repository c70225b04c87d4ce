package tss_test

import (
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
