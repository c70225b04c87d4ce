package protocoltest_test

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/protocoltest"
	"github.com/meshmpc/mpcd/protocol/tss"
)

// update makes the key in testdata anew.
var update = flag.Bool("update", false, "rewrite the key in testdata")

// key is a finished key.
type key struct {
	scheme protocol.Scheme
	th     protocol.Threshold
	public []byte
	shares map[protocol.PeerID][]byte // encoded
}

// keys are made once in a process, by an honest keygen.
var keys sync.Map // ceremony -> func() *key

func keyFor(t *testing.T, scheme protocol.Scheme, th protocol.Threshold) *key {
	t.Helper()
	once, _ := keys.LoadOrStore(fmt.Sprint(scheme, th), sync.OnceValue(func() *key {
		if scheme == protocol.ECDSA && th == small && !*update {
			return readKey(t)
		}
		k := makeKey(t, scheme, th)
		if scheme == protocol.ECDSA && th == small {
			k.write(t)
		}
		return k
	}))
	return once.(func() *key)()
}

func makeKey(t *testing.T, scheme protocol.Scheme, th protocol.Threshold) *key {
	t.Helper()
	c := newCeremony(protocol.KindKeygen, scheme, th)
	r := &run{tb: t, ceremony: c, label: "key", ids: protocoltest.Identities(th.N)}
	played := r.play(nil)
	k := &key{scheme: scheme, th: th, shares: map[protocol.PeerID][]byte{}}
	for peer, ending := range played.Endings {
		if ending.Active == nil {
			t.Fatalf("no key: %v", ending.Err)
		}
		k.public, k.shares[peer] = ending.Active.PublicKey, ending.Active.Share
	}
	return k
}

// The ECDSA key in testdata is of nobody: its shares belong to identities that follow
// from their names. It saves a keygen.
const keyFolder = "testdata/ecdsa-2-of-3"

func readKey(t *testing.T) *key {
	t.Helper()
	k := &key{scheme: protocol.ECDSA, th: small, shares: map[protocol.PeerID][]byte{}}
	for _, id := range protocoltest.Identities(small.N) {
		data, err := os.ReadFile(filepath.Join(keyFolder, id.Name+".cbor"))
		if err != nil {
			t.Fatal(err)
		}
		k.shares[id.ID()] = data
		k.public = k.share(t, id.ID()).PublicKey()
	}
	return k
}

func (k *key) write(t *testing.T) {
	t.Helper()
	for _, id := range protocoltest.Identities(small.N) {
		if err := os.WriteFile(filepath.Join(keyFolder, id.Name+".cbor"), k.shares[id.ID()], 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// share decodes a member's share: a copy of its own for every use.
func (k *key) share(tb testing.TB, peer protocol.PeerID) *tss.Share {
	tb.Helper()
	s, err := tss.DecodeShare(k.shares[peer])
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// secrets are the numbers that only its owner may know: x_i and, of ECDSA, the primes of
// its modulus.
func secrets(tb testing.TB, share []byte) [][]byte {
	tb.Helper()
	var fields map[uint64]any
	if err := protocol.Unmarshal(share, &fields); err != nil {
		tb.Fatal(err)
	}
	var found [][]byte
	for _, number := range []uint64{4, 5, 6} {
		if b, ok := fields[number].([]byte); ok {
			found = append(found, b)
		}
	}
	if len(found) == 0 {
		tb.Fatal("the share has no secret where its format has them")
	}
	return found
}

// run is one session.
type run struct {
	tb       testing.TB
	ceremony *ceremony
	label    string // of the run, unlike all others
	ids      []*protocoltest.Identity
	key      *key // signing
	shares   map[protocol.PeerID]*tss.Share
	random   bool
	seed     uint64
}

var digest = sha256.Sum256([]byte("pay mallory nothing"))

// spec describes the session.
func (r *run) spec() *protocol.Spec {
	approver, err := protocol.ApproverKey(protocoltest.NewIdentity("approver").Public())
	if err != nil {
		r.tb.Fatal(err)
	}
	s := &protocol.Spec{
		Version: protocol.SpecVersion, Network: "matrix", Kind: r.ceremony.kind, Session: r.label, Attempt: 1, Account: "account", Key: r.label,
		Scheme: r.ceremony.scheme, Threshold: r.ceremony.th.T, Expires: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC).Unix(),
		Approvers: protocol.Approvers{M: 1, Keys: [][]byte{approver}}, Coordinator: protocoltest.NewIdentity("coordinator").ID(), Owner: "owner",
	}
	for _, id := range r.ids {
		s.Roster = append(s.Roster, protocol.Member{Peer: id.ID(), Role: protocol.Persistent})
	}
	if r.ceremony.kind == protocol.KindSign {
		s.Key, s.Payload = "key", digest[:]
	}
	return s
}

// play runs the session, honestly without a mallory.
func (r *run) play(m *mallory) *protocoltest.Played {
	r.tb.Helper()
	spec := r.spec()
	script := protocoltest.Script{Spec: spec, Seed: r.seed, Reorder: r.random}
	if m != nil {
		m.spec, script.Tamper = spec, m.Tamper
	}
	var pre []*tss.PreParams
	if r.ceremony.costly() {
		pre = protocoltest.PreParams(r.tb, len(r.ids))
	}
	for i, id := range r.ids {
		seat := protocoltest.Seat{Signer: id, Scripted: m != nil && id == m.Identity}
		var err error
		if r.ceremony.kind == protocol.KindKeygen {
			c := sha256.Sum256([]byte(r.label + id.Name))
			seat.Contribution = c[:]
			if seat.Scripted && m.attack.contribution != nil {
				seat.Contribution, m.fired = m.attack.contribution(seat.Contribution), true
			}
			config := tss.KeygenConfig{SID: spec.SID(), Scheme: spec.Scheme, Threshold: spec.Threshold, Roster: spec.Roster, Self: id.ID()}
			if pre != nil {
				config.PreParams = pre[i]
			}
			seat.Machine, err = tss.NewKeygen(config)
		} else {
			seat.Machine, err = tss.NewSign(tss.SignConfig{SID: spec.SID(), Roster: spec.Roster, Self: id.ID(), Share: r.shareOf(id.ID()), Payload: spec.Payload})
		}
		if err != nil {
			r.tb.Fatal(err)
		}
		script.Seats = append(script.Seats, seat)
	}
	played, err := protocoltest.Play(script)
	if err != nil {
		r.tb.Fatal(err)
	}
	return played
}

// shareOf gives a member the share that it keeps over the runs.
func (r *run) shareOf(peer protocol.PeerID) *tss.Share {
	if r.shares == nil {
		r.shares = make(map[protocol.PeerID]*tss.Share)
	}
	if r.shares[peer] == nil {
		r.shares[peer] = r.key.share(r.tb, peer)
	}
	return r.shares[peer]
}
