package node

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
)

// Of many copies of one request exactly one is accepted, also before it is on disk.
func TestARequestIsReservedBeforeItIsOnDisk(t *testing.T) {
	c := newCluster(t, p2ptest.Config{Transport: p2ptest.QUIC}, 2, nil)
	key, _ := c.key(protocol.EdDSA, 2)
	n := c.parties[0].node
	for i := range 20 {
		spec := c.coord.sign(key, digest(i), c.peers())
		var accepted, refused int
		var mu sync.Mutex
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				w, err := n.remember(t.Context(), spec, time.Now().Add(time.Hour))
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					accepted++
					<-w.done
				case errors.Is(err, errReplay):
					refused++
				default:
					t.Error(err)
				}
			})
		}
		all.Wait()
		if accepted != 1 || refused != 7 {
			t.Fatalf("%d were accepted and %d refused", accepted, refused)
		}
		if r, err := n.request(t.Context(), spec.Session); err != nil || r.Attempt != spec.Attempt || n.requests.underWay(spec.Session) != nil {
			t.Fatalf("on disk is %+v, %v", r, err)
		}
	}
}

// While the disk works a session is accepted, and says nothing to its members.
func TestNothingLeavesBeforeTheRequestIsOnDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{tb: t, net: p2ptest.New(t, p2ptest.Config{Transport: p2ptest.Simulated}), tap: &wiretap{}}
		c.populate(3, nil)
		key, cert := c.key(protocol.EdDSA, 2)
		p := c.parties[0]
		spec := c.coord.sign(key, digest(1), c.peers(0, 1))
		spec.Attempt = 2
		content, err := contentOf(spec)
		if err != nil {
			t.Fatal(err)
		}
		release := make(chan struct{})
		slow := &writing{request: request{Content: content, Attempt: 1, Until: time.Now().Add(time.Hour).Unix()}, done: make(chan struct{})}
		p.node.requests.begin(spec.Session, slow, func() error { <-release; return nil })
		sid := c.coord.propose(spec)
		c.coord.await("the answers", time.Minute, func() bool { return len(c.coord.answers[sid]) == 2 })
		wait := time.NewTimer(5 * time.Second)
		<-wait.C
		for _, a := range c.tap.all() {
			if a.header.SID == sid && a.header.From == p.ID() {
				t.Fatalf("%s %s left before the request was on disk", a.header.Type, a.header.Name)
			}
		}
		close(release)
		checkSignatures(t, spec, cert, c.coord.result(spec))
	})
}

// A request that cannot be recorded ends its session.
func TestARequestThatCannotBeRecordedEndsTheSession(t *testing.T) {
	full := errors.New("no room")
	var r requests
	w := &writing{done: make(chan struct{})}
	r.begin("id", w, func() error { return full })
	c := &ceremony{request: w}
	if err := c.remembered(); codeOf(err) != protocol.CodeStorage || !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
	if r.underWay("id") != nil {
		t.Error("it is known all the same")
	}
}
