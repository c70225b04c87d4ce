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
var update = flag.Bool("update", false, "rewrite the keys in testdata")

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
		if scheme == protocol.ECDSA && !*update {
			return readKey(t, th)
		}
		k := makeKey(t, scheme, th)
		if scheme == protocol.ECDSA {
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

// The ECDSA keys in testdata are of nobody: their shares belong to identities that follow
// from their names. They save keygens.
func keyFolder(th protocol.Threshold) string { return filepath.Join("testdata", "ecdsa-"+th.String()) }

func readKey(t *testing.T, th protocol.Threshold) *key {
	t.Helper()
	k := &key{scheme: protocol.ECDSA, th: th, shares: map[protocol.PeerID][]byte{}}
	for _, id := range protocoltest.Identities(th.N) {
		data, err := os.ReadFile(filepath.Join(keyFolder(th), id.Name+".cbor"))
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
	if err := os.MkdirAll(keyFolder(k.th), 0o750); err != nil {
		t.Fatal(err)
	}
	for _, id := range protocoltest.Identities(k.th.N) {
		if err := os.WriteFile(filepath.Join(keyFolder(k.th), id.Name+".cbor"), k.shares[id.ID()], 0o600); err != nil {
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
	// presigned is the presigning that this signing uses up; held is what one has made.
	presigned *run
	held      map[protocol.PeerID]*tss.Presign
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
	switch {
	case r.ceremony.kind == protocol.KindPresign:
		s.Key, s.HoldUntil = "key", s.Expires+3600
	case r.ceremony.kind == protocol.KindSign:
		s.Key, s.Payload = "key", digest[:]
	}
	if r.presigned != nil {
		sid := r.presigned.spec().SID()
		s.Presign = sid[:]
	}
	return s
}

// presign runs the presigning of a signing honestly, unless it has been run.
func (r *run) presign() {
	r.tb.Helper()
	if !r.ceremony.bound || r.presigned != nil {
		return
	}
	r.presigned = &run{
		tb: r.tb, ceremony: newCeremony(protocol.KindPresign, r.ceremony.scheme, r.ceremony.th), label: r.label + " presigning",
		ids: r.ids, key: r.key, shares: r.shares, seed: r.seed,
	}
	for peer, e := range r.presigned.play(nil).Endings {
		if !e.Held {
			r.tb.Fatalf("%s: phase %v", r.name(peer), e.Err)
		}
	}
	r.shares = r.presigned.shares
}

// play runs the session, honestly without a mallory.
func (r *run) play(m *mallory) *protocoltest.Played {
	r.tb.Helper()
	r.presign()
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
		var set *tss.PreParams
		if pre != nil {
			set = pre[i]
		}
		if r.ceremony.kind == protocol.KindKeygen {
			c := sha256.Sum256([]byte(r.label + id.Name))
			seat.Contribution = c[:]
			if seat.Scripted && m.attack.contribution != nil {
				seat.Contribution, m.fired = m.attack.contribution(seat.Contribution), true
			}
		}
		var err error
		if seat.Machine, err = r.machine(spec, id.ID(), set); err != nil {
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

// machine makes a member's machine.
func (r *run) machine(spec *protocol.Spec, self protocol.PeerID, set *tss.PreParams) (protocol.Machine, error) {
	switch {
	case r.ceremony.kind == protocol.KindKeygen:
		return tss.NewKeygen(tss.KeygenConfig{
			SID: spec.SID(), Scheme: spec.Scheme, Threshold: spec.Threshold, Roster: spec.Roster, Self: self, PreParams: set,
		})
	case r.ceremony.kind == protocol.KindPresign:
		p, err := tss.NewPresign(tss.PresignConfig{SID: spec.SID(), Roster: spec.Roster, Self: self, Share: r.shareOf(self)})
		if r.held == nil {
			r.held = make(map[protocol.PeerID]*tss.Presign)
		}
		r.held[self] = p
		return p, err
	case r.ceremony.bound:
		return r.presigned.held[self].Bind(spec.Payload)
	}
	return tss.NewSign(tss.SignConfig{SID: spec.SID(), Roster: spec.Roster, Self: self, Share: r.shareOf(self), Payload: spec.Payload})
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
