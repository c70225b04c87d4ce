package node

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
)

// remembering gives every party a data folder that outlives its restarts.
func remembering(tb testing.TB) func(*Config) {
	base := tb.TempDir()
	return func(c *Config) { c.DataDir = filepath.Join(base, c.Host.ID()) }
}

// twoFaced plays a session with one face for a and another for b, until every honest
// member has told of its failure.
func (r *rogue) twoFaced(spec *protocol.Spec, a, b p2p.PeerID) map[p2p.PeerID]protocol.Failure {
	r.c.tb.Helper()
	p := r.join(spec)
	p.show(a)
	p.show(b)
	defer p.run()()
	r.c.coord.proposeTo(spec, a, b)
	return map[p2p.PeerID]protocol.Failure{a: r.c.coord.awaitFailure(spec.SID(), a), b: r.c.coord.awaitFailure(spec.SID(), b)}
}

// checkProof wants a failure that proves, from its bytes alone, who has told two
// members two things.
func checkProof(t *testing.T, f protocol.Failure, spec *protocol.Spec, culprit p2p.PeerID) {
	t.Helper()
	if f.Code != protocol.CodeProtocol || f.Reason != protocol.ReasonContradiction || !slices.Equal(f.Culprits, []p2p.PeerID{culprit}) || f.Evidence == nil {
		t.Errorf("got %+v, want %s blamed for a contradiction", f, culprit)
		return
	}
	found, err := f.Evidence.Verify(protocol.VerifyPeer)
	if err != nil || !found.Proven || found.Culprit != culprit || f.Evidence.SID != spec.SID() {
		t.Errorf("the evidence shows %+v, error %v", found, err)
	}
}

func TestAMemberThatTellsTwoThingsInAKeygenIsFound(t *testing.T) {
	c := newCluster(t, p2ptest.Config{Transport: p2ptest.QUIC}, 3, remembering(t))
	r := c.parties[2].turn()
	for i := range QuarantineAfter + 1 {
		spec := c.coord.keygen(protocol.EdDSA, 2, c.peers())
		for _, f := range r.twoFaced(spec, c.peers(0)[0], c.peers(1)[0]) { // one in quarantine for other keys makes new ones
			checkProof(t, f, spec, r.ID())
		}
		for _, p := range c.parties[:2] {
			files, list := p.kept(t)
			if len(files) != i+1 || len(list) != i+1 {
				t.Fatalf("%d files, %d counts after %d sessions", len(files), len(list), i+1)
			}
			last := list[slices.IndexFunc(list, func(c Conduct) bool { return c.Key == spec.Key })]
			file := files[slices.IndexFunc(files, func(f EvidenceFile) bool { return f.Evidence.SID == spec.SID() })]
			if file.Err != nil || !file.Finding.Proven || !strings.HasPrefix(file.Name, spec.Session+"."+spec.SID().Short()+"."+r.ID()) {
				t.Errorf("evidence %+v", file)
			}
			if last.Peer != r.ID() || last.Failures != 1 || last.Proven != 1 || !last.Keygen || last.InQuarantine() || !slices.Equal(last.Evidence, []string{file.Name}) {
				t.Errorf("recorded %+v", last)
			}
			if state := p.stateOf(t, spec); state != "" {
				t.Errorf("a share is here: %s", state)
			}
		}
	}
}

// A key of four members, three of which sign. The last one cheats.
func TestAMemberThatCheatsThriceIsInQuarantine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 4, remembering(t))
		key, cert := c.key(protocol.EdDSA, 3)
		r := c.parties[3].turn(key)
		a, b := c.parties[0], c.parties[1]
		next := 0
		propose := func() *protocol.Spec {
			next++
			return c.coord.sign(key, digest(next), c.peers(0, 1, 3))
		}
		for i := range QuarantineAfter {
			if i == 2 {
				a.restart() // counts outlive it
				c.net.Mesh(c.hosts()...)
				c.awaitAnswer(a.ID())
			}
			spec := propose()
			for _, f := range r.twoFaced(spec, a.ID(), b.ID()) {
				checkProof(t, f, spec, r.ID())
			}
			for _, p := range []*party{a, b} {
				if files, list := p.kept(t); len(files) != i+1 || len(list) != 1 || list[0].Failures != i+1 || list[0].Keygen {
					t.Fatalf("after %d failures: %d files, recorded %+v", i+1, len(files), list)
				}
			}
		}

		refused := func(what string) {
			t.Helper()
			got := c.coord.answer(a.ID(), propose())
			if got.Code != protocol.CodeQuarantined || !slices.Equal(got.Peers, []p2p.PeerID{r.ID()}) || !strings.Contains(got.Detail, r.ID()) {
				t.Errorf("%s: got %+v, want %q", what, got, protocol.CodeQuarantined)
			}
		}
		accepted := func(what string) {
			t.Helper()
			spec := propose()
			if got := c.coord.answer(a.ID(), spec); got.Code != "" {
				t.Errorf("%s: got %+v", what, got)
			}
			c.coord.send(a.ID(), protocol.Frame{Cancel: &protocol.Cancel{SID: spec.SID(), Reason: "enough"}})
			if f := c.coord.awaitFailure(spec.SID(), a.ID()); len(f.Culprits) > 0 {
				t.Errorf("%s: %+v", what, f)
			}
		}
		refused("three others live")
		a.restart()
		c.net.Mesh(c.hosts()...)
		c.awaitAnswer(a.ID())
		refused("after a restart")
		without := c.coord.sign(key, digest(100), c.peers(0, 1, 2))
		checkSignatures(t, without, cert, c.coord.run(without))

		c.net.Sim.Isolate(c.parties[2].Index, true)
		before := time.Now()
		accepted("with it or not at all")
		if took := time.Since(before); took > 2*aliveWithin {
			t.Errorf("it took %v to look for the others", took)
		}
		c.net.Sim.Isolate(c.parties[2].Index, false)
		eventually(t, "the third one is back", func() bool { _, err := a.Ping(t.Context(), c.parties[2].ID()); return err == nil })
		refused("when the third one is back")

		file := a.node.conduct.quarantine.file(key.Key, r.ID())
		if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
		refused("with a damaged file")
		if _, err := a.node.conduct.quarantine.Clear(key.Key, r.ID()); err != nil {
			t.Fatal(err)
		}
		accepted("once an operator has cleared it")
	})
}

// awaitAnswer waits until a party answers after a restart.
func (c *cluster) awaitAnswer(peer p2p.PeerID) {
	c.tb.Helper()
	spec := c.coord.keygen(protocol.EdDSA, 2, nil) // nobody can be a member of this
	eventually(c.tb, "the party answers", func() bool {
		c.coord.send(peer, protocol.Frame{Propose: &protocol.Propose{Spec: *spec}})
		c.coord.mu.Lock()
		defer c.coord.mu.Unlock()
		return c.coord.answers[spec.SID()][peer].Code != ""
	})
}
