package protocol

import (
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"
)

// identity is a node's key, the same in every run: its seed is the SHA-256 of
// its name.
type identity struct {
	name string
	id   PeerID
	key  ed25519.PrivateKey
}

func (i *identity) ID() PeerID              { return i.id }
func (i *identity) Sign(data []byte) []byte { return ed25519.Sign(i.key, data) }

// identities are the nodes that the tests know, by peer id.
var identities = make(map[PeerID]*identity)

func newIdentity(name string) *identity {
	seed := sha256.Sum256([]byte(name))
	key := ed25519.NewKeyFromSeed(seed[:])
	i := &identity{name: name, key: key, id: peerID(key.Public().(ed25519.PublicKey))}
	identities[i.id] = i
	return i
}

// peerID is the libp2p text form of an Ed25519 peer: base58 of an identity
// multihash over the protobuf of the key (libp2p's peer id specification).
func peerID(pub ed25519.PublicKey) PeerID {
	const alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	raw := append([]byte{0x00, 0x24, 0x08, 0x01, 0x12, 0x20}, pub...)
	n, rest := new(big.Int).SetBytes(raw), new(big.Int)
	var digits []byte
	for n.Sign() > 0 {
		n.DivMod(n, big.NewInt(int64(len(alphabet))), rest)
		digits = append(digits, alphabet[rest.Int64()])
	}
	slices.Reverse(digits)
	return "1" + string(digits) // the one leading zero byte
}

// verify is a Verifier for the tests' identities.
func verify(peer PeerID, data, sig []byte) bool {
	i, ok := identities[peer]
	return ok && ed25519.Verify(i.key.Public().(ed25519.PublicKey), data, sig)
}

// The nodes of the tests. Outsider is in no roster.
var (
	parties = func() []*identity {
		list := make([]*identity, MaxParties)
		for i := range list {
			list[i] = newIdentity(fmt.Sprintf("party %d", i))
		}
		return list
	}()
	outsider    = newIdentity("outsider")
	coordinator = newIdentity("coordinator")
)

// approver and its public form, an Ed25519 approver of every test key.
var (
	approverKey = newIdentity("approver").key
	approvers   = Approvers{M: 1, Keys: [][]byte{spki(approverKey)}}
)

func spki(key crypto.Signer) []byte {
	b, err := ApproverKey(key.Public())
	if err != nil {
		panic(err) // a programmer's error in a test
	}
	return b
}

func roster(n int) []Member {
	members := make([]Member, n)
	for i := range members {
		members[i] = Member{Peer: parties[i].id, Role: Persistent}
	}
	return members
}

// The moment of the tests.
var testNow = time.Unix(1_800_000_000, 0)

func keygenSpec(t, n int) *Spec {
	return &Spec{
		Version: SpecVersion, Network: "testnet", Kind: KindKeygen, Session: "0198c0de-0000-7000-8000-000000000001", Attempt: 1,
		Account: "0198c0de-0000-7000-8000-00000000000a", Key: "0198c0de-0000-7000-8000-000000000001", Scheme: ECDSA, Threshold: t,
		Roster: roster(n), Expires: testNow.Unix() + 120, Approvers: approvers, Coordinator: coordinator.id, Owner: "user-1",
	}
}

func signSpec(t int) *Spec {
	s := keygenSpec(t, t)
	s.Kind, s.Session, s.Payload = KindSign, "0198c0de-0000-7000-8000-000000000002", digestOf("a message")
	return s
}

func presignSpec(t int) *Spec {
	s := keygenSpec(t, t)
	s.Kind, s.Session, s.HoldUntil = KindPresign, "0198c0de-0000-7000-8000-000000000003", testNow.Unix()+3600
	return s
}

// boundSpec is a signing that uses up what presignSpec makes.
func boundSpec(t int) *Spec {
	s := signSpec(t)
	sid := presignSpec(t).SID()
	s.Presign = sid[:]
	return s
}

// presignOf is the presigning that a spec of boundSpec names.
func presignOf(s *Spec) *Spec { return presignSpec(s.Threshold) }

func digestOf(s string) []byte {
	sum := sha256.Sum256([]byte(s))
	return sum[:]
}

func contribution(i int) []byte { return digestOf(fmt.Sprintf("contribution %d", i)) }

// wantError checks that err is of kind and says what.
func wantError(tb testing.TB, err, kind error, says string) {
	tb.Helper()
	switch {
	case err == nil:
		tb.Fatalf("no error; want one that says %q", says)
	case kind != nil && !errors.Is(err, kind):
		tb.Fatalf("error %q is not %q", err, kind)
	case !strings.Contains(err.Error(), says):
		tb.Fatalf("error %q does not say %q", err, says)
	}
}

func noError(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// encode is Marshal for values that the test made.
func encode(tb testing.TB, v any) []byte {
	tb.Helper()
	b, err := Marshal(v)
	noError(tb, err)
	return b
}
