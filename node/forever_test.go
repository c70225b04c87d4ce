package node

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
)

// asked is what a member asks about an attempt that nobody has finished.
func asked(spec *protocol.Spec) *protocol.Endorse {
	body := protocol.NewCertificateBody(spec, &protocol.Result{}, [32]byte{})
	return question(&protocol.Certificate{Body: body, Signatures: make([][]byte, len(spec.Roster))}, spec)
}

// A coordinator has a later attempt refused before an earlier one, which lives longer
// than the party remembers the later one. Who has said that it never signs the earlier
// one refuses it all the same, when everything that may be is forgotten.
func TestWhatWasGivenUpIsRefusedWhenItsRequestWouldBeForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
		p, member := c.parties[0], c.peers(1)[0]
		second := c.coord.keygen(protocol.EdDSA, 2, c.peers())
		second.Attempt, second.Expires = 2, time.Now().Add(time.Minute).Unix()
		first, third := clone(second), clone(second)
		first.Attempt, first.Expires = 1, time.Now().Add(40*time.Minute).Unix()
		third.Attempt = 3
		if a := c.coord.answer(p.ID(), second); a.Code != "" { // to the victim alone
			t.Fatalf("%+v", a)
		}
		eventually(t, "it has ended", func() bool { return !p.node.underWay(second.SID()) })
		other := clone(first)
		other.Owner = "somebody else"
		if p.never(t, member, asked(other)) {
			t.Error("it gives its word about another request of the same id")
		}
		if !p.never(t, member, asked(first)) {
			t.Fatal("it does not give its word")
		}
		third.Expires = time.Now().Add(time.Minute).Unix()
		if a := c.coord.answer(p.ID(), third); a.Code != "" { // an accepted retry keeps the mark
			t.Fatalf("%+v", a)
		}
		for _, p := range c.parties { // nobody has anything to do, and that takes its time
			p.stop()
			p.Stop()
		}
		<-time.After(27 * time.Minute)
		for _, p := range c.parties {
			p.Restart(true)
			p.start()
		}
		if err := p.node.forgetRequests(t.Context(), time.Now().Add(24*time.Hour)); err != nil {
			t.Fatal(err)
		}
		p.restart()
		c.net.Mesh(c.hosts()...)
		if a := c.coord.answer(p.ID(), first); a.Code != protocol.CodeReplay {
			t.Errorf("what it has given up for ever is answered with %+v", a)
		}
	})
}

// A party whose clock is ahead takes an attempt for expired and says that it never
// signs it. Then the clock is set right: the attempt is refused, and later ones are not.
func TestWhatWasGivenUpByAClockThatWasAheadIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
		p := c.parties[0]
		spec := c.coord.keygen(protocol.EdDSA, 2, c.peers())
		ahead := spec.Deadline().Add(protocol.MaxClockSkew + time.Minute)
		refused := func(s *protocol.Spec, now time.Time) bool {
			defer p.node.requests.hold(s.Session)()
			refused, err := p.node.refuseForEver(t.Context(), s, now)
			if err != nil {
				t.Fatal(err)
			}
			return refused
		}
		if refused(spec, spec.Deadline()) || !refused(spec, ahead) {
			t.Fatal("it gives its word too early, or not at all")
		}
		p.restart()
		c.net.Mesh(c.hosts()...)
		if a := c.coord.answer(p.ID(), spec); a.Code != protocol.CodeExpired {
			t.Errorf("what it has given up for ever is answered with %+v", a)
		}
		if h, err := p.node.horizon(t.Context()); err != nil || h.Expires > ahead.Add(-protocol.MaxClockSkew).Unix() {
			t.Errorf("it refuses keygens that have not expired by any clock: %+v, %v", h, err)
		}
		next := retry(spec)
		next.Expires = spec.Expires + 61
		certificate(t, c.coord.run(next))
	})
}

// A member that asks about expired attempts of its own invention does not make the
// party write for each.
func TestQuestionsAboutInventedAttemptsLeaveOneRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
		p := c.parties[0]
		for i := range 50 {
			spec := c.coord.keygen(protocol.EdDSA, 2, c.peers())
			spec.Expires = time.Now().Add(-2*time.Hour).Unix() + int64(i)
			if !p.never(t, c.peers(1)[0], asked(spec)) {
				t.Fatal("it does not give its word")
			}
		}
		h, err := p.node.horizon(t.Context())
		if want := time.Now().Add(-time.Hour).Unix(); err != nil || h.Expires != want {
			t.Errorf("%+v, %v, want one step, %d", h, err, want)
		}
		for _, kind := range []keystore.Kind{kindRequest, kindAbandon} {
			if list, err := p.store.List(t.Context(), kind); err != nil || len(list) > 0 {
				t.Errorf("%s: %v, %v", kind, list, err)
			}
		}
	})
}
