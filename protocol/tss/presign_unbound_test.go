package tss_test

import (
	"errors"
	"math/big"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/protocoltest"
	"github.com/meshmpc/mpcd/protocol/tss"
)

// What stands in place of a message is random, in [1, q), and never the same.
func TestPlaceholder(t *testing.T) {
	k, signers := newKey(t, protocol.ECDSA, twoOfThree), protocoltest.Members(2)
	order := secp256k1.S256().N
	seen := map[string]bool{}
	ones := make([]int, order.BitLen())
	const runs = 64
	for range runs {
		_, machines := presignParties(t, k, signers, sid("one session")) // the same each time
		for _, p := range machines {
			v := tss.Placeholder(p)
			if v.Sign() <= 0 || v.Cmp(order) >= 0 || seen[v.String()] {
				t.Fatalf("the placeholder is %v, or was seen before", v)
			}
			seen[v.String()] = true
			for i := range ones {
				ones[i] += int(v.Bit(i))
			}
		}
	}
	for i, n := range ones { // 128 fair bits: 10 deviations of √128/2
		if n < 64-57 || n > 64+57 {
			t.Errorf("bit %d is set in %d of %d", i, n, 2*runs)
		}
	}
	for q := int64(2); q < 6; q++ { // every number below, and never 0
		found := map[int64]bool{}
		for range 500 {
			v, err := tss.RandomScalar(big.NewInt(q))
			if err != nil || v.Sign() <= 0 || v.Int64() >= q {
				t.Fatalf("%v below %d, error %v", v, q, err)
			}
			found[v.Int64()] = true
		}
		if len(found) != int(q)-1 {
			t.Errorf("of the numbers below %d only %v", q, found)
		}
	}
}

// A signer that would go on without a message, whatever the reason, signs nothing: its number is not
// what others have, and if it were, the result would be refused. It is never zero, the
// message that anybody could make the digest of.
func TestUnboundSignsNothing(t *testing.T) {
	k, signers := newKey(t, protocol.ECDSA, twoOfThree), protocoltest.Members(2)
	d := digest("unbound")
	common := new(big.Int).SetBytes(d)
	unbound := func(held []*tss.Presign, peers ...int) []protocoltest.Party {
		parties := make([]protocoltest.Party, len(held))
		for i, p := range held {
			if tss.Placeholder(p).Sign() == 0 {
				t.Fatal("the placeholder is zero")
			}
			parties[i] = protocoltest.Party{Peer: signers[i].Peer}
			if slices.Contains(peers, i) {
				parties[i].Machine = tss.Unbound(p)
				continue
			}
			m, err := p.Bind(d)
			if err != nil {
				t.Fatal(err)
			}
			parties[i].Machine = m
		}
		return parties
	}
	for name, c := range map[string]struct {
		peers []int
		same  *big.Int // the placeholder of the unbound, if not their own
		round int      // in which it ends at the unbound
		want  error
	}{
		"one":                                   {[]int{0}, nil, 8, tss.ErrAborted},
		"both":                                  {[]int{0, 1}, nil, 8, tss.ErrAborted},
		"both, if their numbers were one":       {[]int{0, 1}, big.NewInt(7), 9, tss.ErrResult},
		"one, if its number were the other's":   {[]int{0}, common, 9, tss.ErrResult},
		"both, if their number were the digest": {[]int{0, 1}, common, 9, tss.ErrResult},
	} {
		held := presign(t, k, signers, sid("unbound: %s", name))
		for _, i := range c.peers {
			if c.same != nil {
				tss.SetPlaceholder(held[i], c.same)
			}
		}
		results, lines, err := protocoltest.Run(unbound(held, c.peers...), protocoltest.Options{})
		var failure *protocoltest.Failure
		if !errors.As(err, &failure) {
			t.Fatalf("%s: %v", name, err)
		}
		for _, i := range c.peers {
			var b *protocol.Blame
			peer := signers[i].Peer
			if err := failure.Errors[peer]; results[peer] != nil || !errors.Is(err, c.want) || !errors.As(err, &b) || b.Round != c.round || len(b.Culprits) != 0 {
				t.Errorf("%s: %v", name, err)
			}
		}
		leaves := slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, "9 ") })
		if leaves != (c.same != nil) {
			t.Errorf("%s: a part of a signature leaves: %v", name, leaves)
		}
	}
}

// heldBar is what a presignature of two signers may keep in memory.
const heldBar = 90 << 10

// What a held presignature keeps in memory, with a share of its own.
func TestPresignMemory(t *testing.T) {
	k, signers := newKey(t, protocol.ECDSA, twoOfThree), protocoltest.Members(2)
	if each := heldMemory(t, k, signers, 3); each > heldBar {
		t.Errorf("%d bytes for a held presignature, at most %d are allowed", each, heldBar)
	} else {
		t.Logf("%d bytes", each)
	}
}

// heldMemory is the live heap for each presignature that one signer holds.
func heldMemory(tb testing.TB, k *key, signers []protocol.Member, sessions int) int64 {
	tb.Helper()
	encoded := make(map[protocol.PeerID][]byte)
	for peer, share := range k.shares {
		encoded[peer] = encode(tb, share)
	}
	live := func() int64 {
		runtime.GC()
		runtime.GC() // also what finalizers and pools have held
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc) // #nosec G115 -- far from the limit
	}
	var held []*tss.Presign
	hold := func(i int) {
		own := &key{threshold: k.threshold, public: k.public, shares: map[protocol.PeerID]*tss.Share{}}
		for peer, b := range encoded {
			share, err := tss.DecodeShare(b)
			if err != nil {
				tb.Fatal(err)
			}
			own.shares[peer] = share
		}
		held = append(held, presign(tb, own, signers, sid("memory %d", i))...)
	}
	hold(0) // what is made at first use
	before, n := live(), len(held)
	for i := range sessions {
		hold(i + 1)
	}
	each := (live() - before) / int64(len(held)-n)
	runtime.KeepAlive(held)
	return each
}
