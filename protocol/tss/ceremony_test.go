package tss_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/protocoltest"
	"github.com/meshmpc/mpcd/protocol/tss"
)

// Every 2 ≤ t ≤ n ≤ 10 makes an Ed25519 key, and every t of its n parties sign.
func TestEdDSAEverySubset(t *testing.T) {
	t.Parallel()
	most := 10
	if tss.UnderRace {
		most = 6
	}
	for n := 2; n <= most; n++ {
		for signers := 2; signers <= n; signers++ {
			th := protocol.Threshold{T: signers, N: n}
			t.Run(th.String(), func(t *testing.T) { signEverySubset(t, newKey(t, protocol.EdDSA, th)) })
		}
	}
}

func TestECDSAEverySubset(t *testing.T) {
	for _, th := range []protocol.Threshold{{T: 2, N: 2}, {T: 2, N: 3}, {T: 3, N: 5}} {
		t.Run(th.String(), func(t *testing.T) {
			t.Parallel()
			signEverySubset(t, newKey(t, protocol.ECDSA, th))
		})
	}
}

func signEverySubset(t *testing.T, k *key) {
	t.Helper()
	count := 0
	subsets(protocoltest.Members(k.threshold.N), k.threshold.T, func(signers []protocol.Member) {
		count++
		sign(t, k, signers, sid("subset %d", count), digest("subset %v %d", k.threshold, count))
	})
	t.Logf("%d subsets", count)
}

// Leading zero bytes belong to what is signed.
func TestLeadingZeros(t *testing.T) {
	th := protocol.Threshold{T: 2, N: 3}
	signers := protocoltest.Members(3)[1:]
	digests := [][]byte{
		append(make([]byte, 1), digest("one zero")[1:]...),
		append(make([]byte, 31), 1),
		bytes.Repeat([]byte{0xff}, 32), // above the order: reduced
	}
	for i, d := range digests {
		sign(t, newKey(t, protocol.ECDSA, th), signers, sid("zeros %d", i), d)
	}
	messages := append(digests, []byte{0}, make([]byte, 32), append(make([]byte, 5), "text"...),
		append(make([]byte, 100), bytes.Repeat([]byte("x"), protocol.MaxMessage-100)...))
	for i, m := range messages {
		sign(t, newKey(t, protocol.EdDSA, th), signers, sid("zeros %d", i), m)
	}
}

// Order, duplicates and several sessions on one share change nothing.
func TestAnyOrder(t *testing.T) {
	th := protocol.Threshold{T: 3, N: 4}
	seed := randomSeed(t)
	for i := range uint64(20) {
		options := protocoltest.Options{Seed: seed + i, Reorder: true, Duplicate: i%2 == 0}
		results, _, err := protocoltest.Run(keygenParties(t, protocol.EdDSA, th), options)
		if err != nil {
			t.Fatal(err)
		}
		k := keyOf(t, th, results)
		signers := protocoltest.Members(th.N)[:th.T]
		payload := fmt.Appendf(nil, "message %d", i)
		results, _, err = protocoltest.Run(signParties(t, k, signers, sid("order"), payload), options)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range results {
			verify(t, k.public, payload, r)
		}
	}
}

// A party of another session makes signing fail, though everything else agrees:
// the lifted keys tie the library's proofs to the session.
func TestOtherSessionFails(t *testing.T) {
	for _, scheme := range []protocol.Scheme{protocol.ECDSA, protocol.EdDSA} {
		k := newKey(t, scheme, protocol.Threshold{T: 2, N: 3})
		signers := protocoltest.Members(2)
		payload := digest("other session")
		ours := signParties(t, k, signers, sid("this"), payload)
		theirs := signParties(t, k, signers, sid("other"), payload)
		results, _, err := protocoltest.Run([]protocoltest.Party{ours[0], theirs[1]}, protocoltest.Options{})
		if err == nil || len(results) != 0 {
			t.Fatalf("%s: signed across sessions", scheme)
		}
		if c := protocol.Culprits(err); len(c) != 1 {
			t.Errorf("%s: blames %v: %v", scheme, c, err)
		}
	}
}

// Parties that sign different messages get no signature. The session's id covers
// the message, so that one of them lies: in EdDSA each sees that the other's part
// is of something else.
func TestDifferentPayloads(t *testing.T) {
	for _, scheme := range []protocol.Scheme{protocol.ECDSA, protocol.EdDSA} {
		k := newKey(t, scheme, protocol.Threshold{T: 2, N: 3})
		signers := protocoltest.Members(2)
		a := signParties(t, k, signers, sid("payload"), digest("a"))
		b := signParties(t, k, signers, sid("payload"), digest("b"))
		results, _, err := protocoltest.Run([]protocoltest.Party{a[0], b[1]}, protocoltest.Options{})
		if err == nil || len(results) != 0 {
			t.Fatalf("%s: signed two messages in one session", scheme)
		}
		if c := protocol.Culprits(err); (len(c) != 0) != (scheme == protocol.EdDSA) {
			t.Errorf("%s: blames %v: %v", scheme, c, err)
		}
	}
}
