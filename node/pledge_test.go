package node

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
)

// twoFaced is a keygen of which all but the last member have a pending share and
// have heard each other, and which has ended. The last one has said nothing yet.
type twoFaced struct {
	*cluster
	t    *testing.T
	key  *protocol.Spec
	liar *party
	body protocol.CertificateBody
}

func newTwoFaced(t *testing.T, n, threshold int) *twoFaced {
	c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, n, nil)
	f := &twoFaced{cluster: c, t: t, liar: c.parties[n-1], key: c.coord.keygen(protocol.EdDSA, threshold, c.peers())}
	f.liar.node.crash = func(*protocol.Save, bool) error { return errKilled }
	c.coord.propose(f.key)
	for _, p := range f.honest() {
		eventually(t, "a pending share", func() bool { return p.stateOf(t, f.key) == keystore.StatePending && !p.node.underWay(f.key.SID()) })
	}
	record, _, err := c.parties[0].node.made(t.Context(), f.key.Key, f.key.Epoch)
	if err != nil {
		t.Fatal(err)
	}
	f.body = bodyOf(record)
	f.liar.stop() // what it says, the test says
	return f
}

func (f *twoFaced) honest() []*party { return f.parties[:len(f.parties)-1] }

// says has the liar answer a member that it never signs.
func (f *twoFaced) says(p *party) {
	f.t.Helper()
	e := &protocol.Endorse{Certificate: f.certificate(), Reply: true, Abandon: protocol.SignAbandon(f.liar.Host, f.key.SID())}
	if _, err := p.node.takeEndorsement(f.t.Context(), f.liar.ID(), e); err != nil {
		f.t.Fatal(err)
	}
}

// signs has the liar give a member its signature.
func (f *twoFaced) signs(p *party) {
	f.t.Helper()
	cert := f.certificate()
	cert.Signatures[len(f.parties)-1] = f.liar.Sign(f.body.Signed())
	if _, err := p.node.takeEndorsement(f.t.Context(), f.liar.ID(), &protocol.Endorse{Certificate: cert}); err != nil {
		f.t.Fatal(err)
	}
}

// shows has the liar show a member the certificate with the signatures of all.
func (f *twoFaced) shows(p *party) {
	f.t.Helper()
	cert := f.certificate()
	for i, member := range f.parties {
		cert.Signatures[i] = member.Sign(f.body.Signed())
	}
	if _, err := p.node.takeEndorsement(f.t.Context(), f.liar.ID(), &protocol.Endorse{Certificate: cert}); err != nil {
		f.t.Fatal(err)
	}
}

// A party that fails between keeping the word and deleting its share takes nothing that
// would complete the key meanwhile: the others may have dropped theirs.
func TestAShareThatIsBeingDroppedIsNotCompleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTwoFaced(t, 3, 2)
		a := f.parties[0]
		f.net.Sim.Isolate(f.parties[1].Index, true)
		word := protocol.SignAbandon(f.liar.Host, f.key.SID())
		if err := a.node.keepAbandon(t.Context(), f.key, word, keystore.StateRetired); err != nil {
			t.Fatal(err)
		}
		f.shows(a)
		if a.stateOf(t, f.key) == keystore.StateActive {
			t.Error("a party completes a key whose share it is about to drop")
		}
		e := &protocol.Endorse{Certificate: f.certificate(), Spec: f.key, Abandon: word}
		reply, err := a.node.takeEndorsement(t.Context(), f.parties[1].ID(), e)
		if err != nil || reply == nil || reply.Abandon == nil {
			t.Errorf("a member that asks: %+v, %v", reply, err)
		}
		if _, state, err := a.node.wordOn(t.Context(), f.key.SID()); state != keystore.StateRetired || err != nil {
			t.Errorf("the word is %q, %v: it was decided", state, err)
		}
		eventually(t, "the share is dropped", func() bool { return f.settles(a).state == "" })
	})
}

func (f *twoFaced) certificate() protocol.Certificate {
	return protocol.Certificate{Body: f.body, Signatures: make([][]byte, len(f.parties))}
}

func (f *twoFaced) settles(p *party) verdict {
	f.t.Helper()
	v, err := p.node.settle(f.t.Context(), f.key.Key, f.key.Epoch, retryLimit)
	if err != nil {
		f.t.Fatal(err)
	}
	return v
}

func (f *twoFaced) want(p *party, state keystore.State, when string) {
	f.t.Helper()
	if got := p.stateOf(f.t, f.key); got != state {
		f.t.Errorf("party %d has %q, want %q: %s", p.Index, got, state, when)
	}
}

// A member tells one party that it never signs and, when that one has dropped its share,
// signs for another: that one has pledged not to take the signature, before and after a
// restart, and drops its own share in the end.
func TestAShareIsDroppedOnlyWhenNobodyCompletesTheKey(t *testing.T) {
	for _, restart := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			text := logged(t)
			f := newTwoFaced(t, 3, 2)
			a, b := f.parties[0], f.parties[1]
			f.says(a)
			f.settles(a)
			f.want(a, "", "the others will never have a key")
			f.net.Sim.Isolate(a.Index, true)
			if restart {
				b.restart()
			}
			pending := b.stateOf(t, f.key) == keystore.StatePending // or it has heard from a just before
			f.signs(b)
			f.shows(b)
			if b.stateOf(t, f.key) == keystore.StateActive {
				t.Error("a party completes a key of which another one has dropped its share")
			}
			if text := text(); pending && !strings.Contains(text, f.liar.ID()) {
				t.Errorf("the liar is not named: %s", text)
			}
			f.net.Sim.Isolate(a.Index, false)
			f.net.Mesh(a.Node, b.Node)
			eventually(t, "the other one hears that the share was dropped", func() bool { return f.settles(b).state == "" })
			f.shows(b)
			f.want(b, "", "there is nothing to complete")
		})
	}
}

// A member signs for one party before another one, to which it has said that it never does,
// asks that one to pledge: nobody drops a share, and both complete the key.
func TestWhoKnowsASignatureDoesNotPledge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTwoFaced(t, 3, 2)
		a, b := f.parties[0], f.parties[1]
		f.net.Sim.Isolate(a.Index, true)
		f.says(a)
		f.shows(b)
		f.want(b, keystore.StateActive, "it has all signatures")
		f.want(a, keystore.StatePending, "it is alone")
		f.net.Sim.Isolate(a.Index, false)
		f.net.Mesh(a.Node, b.Node)
		f.settles(a)
		f.want(a, keystore.StateActive, "the other one has the certificate")
	})
}

// A party that has pledged completes the key when as many others have as cannot
// all lie, and not before: one that lies as well would be enough to have it use a share of which
// another party has none any more.
func TestAPledgeEndsWhenOthersHaveCompletedTheKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTwoFaced(t, 5, 3)
		a, b, c, d := f.parties[0], f.parties[1], f.parties[2], f.parties[3]
		for _, p := range []*party{c, d} {
			f.net.Sim.Isolate(p.Index, true)
			f.shows(p)
			f.want(p, keystore.StateActive, "nobody has told it anything else")
		}
		f.says(a)
		if v := f.settles(a); v.state != keystore.StatePending || len(v.waiting) != 2 {
			t.Errorf("%+v, want that it waits for parties 2 and 3", v)
		}
		if word, state, err := b.node.wordOn(t.Context(), f.key.SID()); err != nil || state != keystore.StatePending || word.Party != f.liar.ID() {
			t.Fatalf("b has pledged: %+v, %q, %v", word, state, err)
		}
		f.shows(b)
		f.want(b, keystore.StatePending, "the liar is nobody's witness")
		f.net.Sim.Isolate(c.Index, false)
		f.net.Mesh(b.Node, c.Node)
		f.settles(b)
		f.want(b, keystore.StatePending, "the one that has it may lie as well")
		f.net.Sim.Isolate(d.Index, false)
		f.net.Mesh(a.Node, b.Node, c.Node, d.Node)
		f.awaitActive(t, f.key, 0, 1, 2, 3)
		if word, _, err := b.node.wordOn(t.Context(), f.key.SID()); word != nil || err != nil {
			t.Errorf("the pledge is still on disk: %+v, %v", word, err)
		}
	})
}
