package node

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/keystore"
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
	if err := c.remembered(t.Context()); codeOf(err) != protocol.CodeStorage || !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
	if r.underWay("id") != nil {
		t.Error("it is known all the same")
	}
}

// To look at one request does not hold up another, whatever the disk does meanwhile.
func TestRequestsDoNotWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{tb: t, net: p2ptest.New(t, p2ptest.Config{Transport: p2ptest.Simulated}), tap: &wiretap{}}
		c.populate(2, nil)
		n := c.parties[0].node
		slow, other := c.coord.keygen(protocol.EdDSA, 2, c.peers()), c.coord.keygen(protocol.EdDSA, 2, c.peers())
		release := n.requests.hold(slow.Session)
		var waits, passed atomic.Bool
		var all sync.WaitGroup
		for spec, done := range map[*protocol.Spec]*atomic.Bool{slow: &waits, other: &passed} {
			all.Go(func() {
				if _, err := n.remember(t.Context(), spec, spec.Deadline()); err != nil {
					t.Error(err)
				}
				done.Store(true)
			})
		}
		limit := time.NewTimer(time.Second)
		<-limit.C
		if waits.Load() || !passed.Load() {
			t.Errorf("the held request has passed: %v, the other one: %v", waits.Load(), passed.Load())
		}
		release()
		all.Wait()
		if len(n.requests.held) != 0 {
			t.Errorf("%d locks are left", len(n.requests.held))
		}
	})
}

// A later attempt, whose approvals expire earlier, does not shorten what is remembered.
func TestALaterAttemptIsRememberedAsLongAsAnEarlierOne(t *testing.T) {
	c := newCluster(t, p2ptest.Config{Transport: p2ptest.QUIC}, 2, nil)
	n := c.parties[0].node
	spec := c.coord.keygen(protocol.EdDSA, 2, c.peers())
	long := time.Now().Add(24 * time.Hour)
	for i, until := range []time.Time{long, time.Now().Add(time.Minute)} {
		spec.Attempt = uint32(i + 1)
		if _, err := n.remember(t.Context(), spec, until); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.forgetRequests(t.Context(), long.Add(-time.Minute)); err != nil {
		t.Fatal(err)
	}
	spec.Attempt = 1
	if _, err := n.remember(t.Context(), spec, long); !errors.Is(err, errReplay) {
		t.Errorf("the first attempt passes twice: %v", err)
	}
}

// What was never remembered never leaves, to somebody who pulls late neither.
func TestASessionThatCannotBeRecordedSaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{tb: t, net: p2ptest.New(t, p2ptest.Config{Transport: p2ptest.Simulated}), tap: &wiretap{}}
		c.populate(3, nil)
		key, _ := c.key(protocol.EdDSA, 2)
		p := c.parties[0]
		spec := c.coord.sign(key, digest(1), c.peers(0, 1))
		spec.Attempt = 2
		content, err := contentOf(spec)
		if err != nil {
			t.Fatal(err)
		}
		release := make(chan struct{})
		slow := &writing{request: request{Content: content, Attempt: 1}, done: make(chan struct{})}
		p.node.requests.begin(spec.Session, slow, func() error { <-release; return p.node.cfg.Store.Close() })
		sid := c.coord.propose(spec)
		c.coord.await("the answers", time.Minute, func() bool { return len(c.coord.answers[sid]) == 2 })
		wait := time.NewTimer(5 * time.Second) // the session has made its first messages
		<-wait.C
		close(release)
		if f := c.coord.awaitFailure(sid, p.ID()); f.Code != protocol.CodeStorage {
			t.Errorf("%+v", f)
		}
		if err := c.parties[1].node.sendDirect(t.Context(), p.ID(), protocol.DirectFrame{SID: sid, Pull: &protocol.Pull{}}); err != nil {
			t.Fatal(err)
		}
		wait.Reset(5 * time.Second)
		<-wait.C
		for _, a := range c.tap.all() {
			if a.header.SID == sid && a.header.From == p.ID() {
				t.Errorf("%s %s left, and nothing of the request is on disk", a.header.Type, a.header.Name)
			}
		}
	})
}

// A session ends at its deadline, whatever the disk does.
func TestASessionDoesNotWaitForTheDiskForEver(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errCancelled)
	c := &ceremony{request: &writing{done: make(chan struct{})}}
	if err := c.remembered(ctx); !errors.Is(err, errCancelled) {
		t.Errorf("got %v", err)
	}
}

// A result that is not told, because the request is not on disk, settles nothing.
func TestAResultThatIsNotToldIsNotSettled(t *testing.T) {
	c := newCluster(t, p2ptest.Config{Transport: p2ptest.QUIC}, 2, nil)
	n := c.parties[0].node
	spec := c.coord.keygen(protocol.EdDSA, 2, c.peers())
	w := &writing{done: make(chan struct{}), err: errors.New("no room")}
	close(w.done)
	s := newCeremony(n, spec.SID(), proposal{spec: spec})
	s.request, s.settled = w, func() {}
	out := protocol.Output{Done: &protocol.RecordBody{Spec: *spec}}
	if _, err := s.perform(t.Context(), out, nil); codeOf(err) != protocol.CodeStorage || s.told {
		t.Errorf("told %v, %v", s.told, err)
	}
}

// What earlier versions have written of requests, without the attempt's id, is read: it
// refuses what it has always refused, and is forgotten in its time.
func TestRequestsOfEarlierVersionsAreRead(t *testing.T) {
	type earlier struct {
		Content [32]byte `cbor:"1,keyasint"`
		Attempt uint32   `cbor:"2,keyasint"`
		Until   int64    `cbor:"3,keyasint"`
		Kept    bool     `cbor:"4,keyasint,omitempty"`
	}
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 2, nil)
		key, _ := c.key(protocol.EdDSA, 2)
		p := c.parties[0]
		spec := c.coord.sign(key, digest(1), c.peers())
		content, err := contentOf(spec)
		if err != nil {
			t.Fatal(err)
		}
		payload, err := protocol.Marshal(earlier{Content: content, Attempt: spec.Attempt, Until: spec.Deadline().Unix()})
		if err != nil {
			t.Fatal(err)
		}
		p.put(t, keystore.Record{
			Header: keystore.Header{Kind: kindRequest, ID: spec.Session, Account: spec.Account, State: keystore.StateUsed}, Payload: payload,
		})
		if code := c.copyOf(spec, 0); code != protocol.CodeReplay {
			t.Errorf("the same attempt: %q", code)
		}
		if err := p.node.forgetRequests(t.Context(), spec.Deadline().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := p.store.Get(t.Context(), kindRequest, spec.Session); !errors.Is(err, keystore.ErrNotFound) {
			t.Errorf("it is not forgotten: %v", err)
		}
	})
}
