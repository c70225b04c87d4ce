package node

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
)

// ready are ECDSA keys that were made once in this process, by threshold, and are
// given to every cluster of the same three parties: making one takes ten seconds.
var ready struct {
	sync.Mutex
	keys map[int]readyKey
}

type readyKey struct {
	spec    *protocol.Spec
	cert    *protocol.Certificate
	records []protocol.KeyRecord // by party
}

// seeded is a key that is the same in every cluster.
func seeded(i int) ed25519.PrivateKey {
	seed := sha256.Sum256(fmt.Append(nil, "presigning ", i))
	return ed25519.NewKeyFromSeed(seed[:])
}

// newSigners starts three parties that hold a t-of-3 ECDSA key, with a wiretap.
func newSigners(tb testing.TB, transport p2ptest.Transport, t int, change func(*Config)) (*cluster, *protocol.Spec, *protocol.Certificate) {
	tb.Helper()
	c := &cluster{
		tb: tb, net: p2ptest.New(tb, p2ptest.Config{Transport: transport}), tap: &wiretap{},
		identities: []ed25519.PrivateKey{seeded(0), seeded(1), seeded(2)}, approver: seeded(3),
	}
	c.populate(3, change)
	ready.Lock()
	defer ready.Unlock()
	if k, ok := ready.keys[t]; ok {
		for i, p := range c.parties {
			if err := p.node.save(context.Background(), &protocol.Save{Active: true, Key: k.records[i]}); err != nil {
				tb.Fatal(err)
			}
		}
		spec := *k.spec
		spec.Coordinator = c.coord.host.ID() // of this cluster
		return c, &spec, k.cert
	}
	var k readyKey
	k.spec, k.cert = c.key(protocol.ECDSA, t)
	for _, p := range c.parties {
		record, _, err := p.node.made(context.Background(), k.spec.Key, k.spec.Epoch)
		if err != nil {
			tb.Fatal(err)
		}
		k.records = append(k.records, record)
	}
	if ready.keys == nil {
		ready.keys = make(map[int]readyKey)
	}
	ready.keys[t] = k
	return c, k.spec, k.cert
}

// presigning returns the spec of a presigning by some members of a key.
func (s *scripted) presigning(key *protocol.Spec, peers []p2p.PeerID) *protocol.Spec {
	spec := *key
	spec.Kind, spec.Session, spec.Recipient, spec.Coordinator = protocol.KindPresign, newID(s.tb), nil, s.host.ID()
	spec.Roster = membersOf(key, peers)
	spec.Expires = time.Now().Add(s.life()).Unix()
	spec.HoldUntil = time.Now().Add(s.hold).Unix()
	return &spec
}

// presign makes a presignature that all of some members hold.
func (c *cluster) presign(key *protocol.Spec, indexes ...int) *protocol.Spec {
	c.tb.Helper()
	spec := c.coord.presigning(key, c.peers(indexes...))
	return c.presigned(spec)
}

// presigned runs a presigning, as soon as its members have the time, and returns its spec.
func (c *cluster) presigned(spec *protocol.Spec) *protocol.Spec {
	c.tb.Helper()
	for {
		c.awaitQuiet()
		sid := c.coord.propose(spec)
		var refused bool
		c.coord.await("a presignature", 3*time.Minute, func() bool {
			for _, a := range c.coord.answers[sid] {
				refused = refused || a.Code != ""
				if a.Code != "" && a.Code != protocol.CodeBusy {
					c.tb.Errorf("presigning: %+v", a)
					return true
				}
			}
			return len(c.coord.held[sid]) == len(spec.Roster) || refused && len(c.coord.answers[sid]) == len(spec.Roster)
		})
		if !refused {
			return spec
		}
		c.cancel(spec)
		again := *spec
		again.Session = newID(c.tb)
		spec = &again
	}
}

// awaitQuiet waits until no party has a live session and none presigns.
func (c *cluster) awaitQuiet() {
	c.tb.Helper()
	eventually(c.tb, "quiet", func() bool {
		ours := func(s *protocol.Spec) bool { return s.Coordinator == c.coord.host.ID() }
		return !slices.ContainsFunc(c.parties, func(p *party) bool {
			return p.node.quiet.busy() || len(p.node.presignings(ours)) > 0
		})
	})
}

// forget forgets how a party has answered.
func (s *scripted) forget(sid protocol.SID, by p2p.PeerID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.answers[sid], by)
}

func (c *cluster) cancel(spec *protocol.Spec) {
	for _, m := range spec.Roster {
		c.coord.send(m.Peer, protocol.Frame{Cancel: &protocol.Cancel{SID: spec.SID(), Reason: "the test wants it"}})
	}
}

// use returns the authorised spec of a signing that uses a presignature up.
func (s *scripted) use(presigned *protocol.Spec, payload []byte) *protocol.Spec {
	spec := s.sign(presigned, payload, presigned.Peers())
	sid := presigned.SID()
	spec.Presign, spec.HoldUntil = sid[:], 0
	return spec
}

// again is the next attempt of a signing, with all rounds.
func again(s *protocol.Spec) *protocol.Spec {
	next := *s
	next.Attempt++
	next.Presign, next.Expires = nil, time.Now().Add(150*time.Second).Unix()
	return &next
}

// held is what a party says of itself.
func (p *party) held() int { return p.node.heartbeat(context.Background(), 1).Held }

// awaitHeld waits until some parties hold so many presignatures.
func (c *cluster) awaitHeld(want int, indexes ...int) {
	c.tb.Helper()
	for _, i := range indexes {
		eventually(c.tb, fmt.Sprintf("party %d holds %d presignatures", i, want), func() bool { return c.parties[i].held() == want })
	}
}

// rounds lists the rounds of which messages in a session have arrived anywhere.
func (w *wiretap) rounds(sids ...protocol.SID) []int {
	var rounds []int
	for _, a := range w.all() {
		if a.header.Type == protocol.TypeRound && slices.Contains(sids, a.header.SID) && !slices.Contains(rounds, a.header.Round) {
			rounds = append(rounds, a.header.Round)
		}
	}
	slices.Sort(rounds)
	return rounds
}

// echoes lists the rounds after which digests have arrived.
func (w *wiretap) echoes(sid protocol.SID) []int {
	var rounds []int
	for _, a := range w.all() {
		if a.header.Type == protocol.TypeDigest && a.header.SID == sid && !slices.Contains(rounds, a.header.Round) {
			rounds = append(rounds, a.header.Round)
		}
	}
	return rounds
}

// latest is the last round of which anything has arrived, in any session.
func (w *wiretap) latest() int {
	last := 0
	for _, a := range w.all() {
		if a.header.Type == protocol.TypeRound {
			last = max(last, a.header.Round)
		}
	}
	return last
}

// refusedPresign checks that a party refuses a signing for want of its presignature.
func (c *cluster) refusedPresign(why string, i int, spec *protocol.Spec) {
	c.tb.Helper()
	if a := c.coord.answer(c.parties[i].ID(), spec); a.Code != protocol.CodeNoPresign {
		c.tb.Errorf("%s: party %d answers %+v, want %q", why, i, a, protocol.CodeNoPresign)
	}
}

// signed checks that a signing succeeds at every member.
func (c *cluster) signed(spec *protocol.Spec, cert *protocol.Certificate) {
	c.tb.Helper()
	checkSignatures(c.tb, spec, cert, c.coord.run(spec))
}
