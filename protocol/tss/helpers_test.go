package tss_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"

	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/leaktest"
	"github.com/meshmpc/mpcd/protocol/protocoltest"
	"github.com/meshmpc/mpcd/protocol/tss"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// sid returns the session id of a named session.
func sid(name string, args ...any) protocol.SID {
	return protocol.SID(sha256.Sum256(fmt.Appendf(nil, name, args...)))
}

// randomSeed draws a seed and logs it.
func randomSeed(tb testing.TB) uint64 {
	tb.Helper()
	seed := rand.Uint64()
	tb.Logf("seed %d", seed)
	return seed
}

// keygenParties sets up all members of a keygen.
func keygenParties(tb testing.TB, scheme protocol.Scheme, th protocol.Threshold) []protocoltest.Party {
	tb.Helper()
	parties := make([]protocoltest.Party, th.N)
	for i, m := range protocoltest.Members(th.N) {
		parties[i] = protocoltest.Party{Peer: m.Peer, Machine: keygenMachine(tb, scheme, th, i)}
	}
	return parties
}

// keygenMachine sets up one member of a keygen.
func keygenMachine(tb testing.TB, scheme protocol.Scheme, th protocol.Threshold, i int) protocol.Machine {
	tb.Helper()
	members := protocoltest.Members(th.N)
	config := tss.KeygenConfig{
		SID:       sid("keygen %s %v", scheme, th),
		Scheme:    scheme,
		Threshold: th.T,
		Roster:    members,
		Self:      members[i].Peer,
	}
	if scheme == protocol.ECDSA {
		config.PreParams = protocoltest.PreParams(tb, th.N)[i]
	}
	machine, err := tss.NewKeygen(config)
	if err != nil {
		tb.Fatal(err)
	}
	return machine
}

// key is a finished key: the shares by peer, and what its keygen sent.
type key struct {
	threshold  protocol.Threshold
	public     []byte
	shares     map[protocol.PeerID]*tss.Share
	transcript []string
	messages   []protocol.Message // what alice sent and got, by round
}

// keyOf checks that all results are of one sound key.
func keyOf(tb testing.TB, th protocol.Threshold, results map[protocol.PeerID]*protocol.Result) *key {
	tb.Helper()
	k := &key{threshold: th, shares: map[protocol.PeerID]*tss.Share{}}
	var hash [32]byte
	for peer, r := range results {
		share, err := tss.DecodeShare(r.Share)
		if err != nil {
			tb.Fatal(err)
		}
		if err := share.Check(); err != nil {
			tb.Fatal(err)
		}
		if k.public == nil {
			k.public, hash = r.PublicKey, r.PublicHash
		}
		if string(k.public) != string(r.PublicKey) || hash != r.PublicHash || share.PublicHash() != hash || share.Self() != peer {
			tb.Fatalf("%s has another key", peer)
		}
		k.shares[peer] = share
	}
	if len(k.shares) != th.N {
		tb.Fatalf("%d shares of %v", len(k.shares), th)
	}
	return k
}

var keys sync.Map // "scheme t-of-n" -> func() *key

// newKey returns a key, made once in a process.
func newKey(tb testing.TB, scheme protocol.Scheme, th protocol.Threshold) *key {
	tb.Helper()
	once, _ := keys.LoadOrStore(fmt.Sprint(scheme, th), sync.OnceValue(func() *key {
		results, lines, messages := record(tb, keygenParties(tb, scheme, th))
		k := keyOf(tb, th, results)
		k.transcript, k.messages = lines, messages
		return k
	}))
	return once.(func() *key)()
}

// signParties sets up the signers of a payload.
func signParties(tb testing.TB, k *key, signers []protocol.Member, session protocol.SID, payload []byte) []protocoltest.Party {
	tb.Helper()
	parties := make([]protocoltest.Party, len(signers))
	for i, m := range signers {
		machine, err := tss.NewSign(tss.SignConfig{
			SID:     session,
			Roster:  signers,
			Self:    m.Peer,
			Share:   k.shares[m.Peer],
			Payload: payload,
		})
		if err != nil {
			tb.Fatal(err)
		}
		parties[i] = protocoltest.Party{Peer: m.Peer, Machine: machine}
	}
	return parties
}

// sign runs a signing, checks that everyone has the same result and verifies it
// with code that is not ours.
func sign(tb testing.TB, k *key, signers []protocol.Member, session protocol.SID, payload []byte) *protocol.Result {
	tb.Helper()
	results, _, err := protocoltest.Run(signParties(tb, k, signers, session, payload), protocoltest.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	first := results[signers[0].Peer]
	for _, r := range results {
		if string(r.Signature) != string(first.Signature) || r.Recovery != first.Recovery {
			tb.Fatal("the signers have different signatures")
		}
	}
	verify(tb, k.public, payload, first)
	return first
}

func verify(tb testing.TB, public, payload []byte, r *protocol.Result) {
	tb.Helper()
	if len(public) == ed25519.PublicKeySize {
		if !ed25519.Verify(public, payload, r.Signature) {
			tb.Fatal("crypto/ed25519 refuses the signature")
		}
		return
	}
	pub, _, err := ecdsa.RecoverCompact(append([]byte{27 + r.Recovery}, r.Signature...), payload)
	if err != nil {
		tb.Fatal(err)
	}
	var s secp256k1.ModNScalar
	s.SetByteSlice(r.Signature[32:])
	if string(pub.SerializeCompressed()) != string(public) || s.IsOverHalfOrder() {
		tb.Fatal("the signature is of another key or has a high s")
	}
}

// subsets calls f with every choice of t members, in roster order.
func subsets(members []protocol.Member, t int, f func([]protocol.Member)) {
	var choose func(from int, chosen []protocol.Member)
	choose = func(from int, chosen []protocol.Member) {
		if len(chosen) == t {
			f(append([]protocol.Member(nil), chosen...))
			return
		}
		for i := from; i <= len(members)-(t-len(chosen)); i++ {
			choose(i+1, append(chosen, members[i]))
		}
	}
	choose(0, nil)
}

// digest returns a distinct digest.
func digest(name string, args ...any) []byte {
	d := sid(name, args...)
	return d[:]
}
