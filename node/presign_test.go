package node

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
)

// Every subset of the members presigns, and signs with what it holds in rounds 4 to 9
// alone. Three of them compare what they have heard before they hold anything.
func TestAPresignatureMakesASignature(t *testing.T) {
	for need, subsets := range map[int][][]int{2: {{0, 1}, {0, 2}, {1, 2}}, 3: {{0, 1, 2}}} {
		c, key, cert := newSigners(t, p2ptest.QUIC, need, nil)
		for i, members := range subsets {
			t.Run(fmt.Sprintf("%d-of-3 %v", need, members), func(t *testing.T) {
				presigned := c.presign(key, members...)
				c.awaitHeld(1, members...)
				c.coord.mu.Lock()
				held := c.coord.held[presigned.SID()][c.parties[members[0]].ID()]
				c.coord.mu.Unlock()
				if held.Until != presigned.HoldUntil {
					t.Errorf("it is held until %d, want %d", held.Until, presigned.HoldUntil)
				}
				spec := c.coord.use(presigned, digest(i))
				c.signed(spec, cert)
				if got := c.tap.rounds(presigned.SID()); !slices.Equal(got, []int{1, 2, 3}) {
					t.Errorf("rounds %v in the presigning", got)
				}
				if got := c.tap.rounds(spec.SID()); !slices.Equal(got, []int{4, 5, 6, 7, 8, 9}) {
					t.Errorf("rounds %v in the signing", got)
				}
				if need == 3 && (!slices.Equal(c.tap.echoes(presigned.SID()), []int{3}) || !slices.Equal(c.tap.echoes(spec.SID()), []int{8})) {
					t.Errorf("digests after rounds %v and %v", c.tap.echoes(presigned.SID()), c.tap.echoes(spec.SID()))
				}
				c.awaitHeld(0, members...)
			})
		}
	}
}

// While a session is live that somebody waits for, a presigning begins no step, and
// goes on afterwards.
func TestAPresigningYieldsToLiveSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, key, cert := newSigners(t, p2ptest.Simulated, 2, nil)
		spec := c.coord.presigning(key, c.peers(0, 1))
		sid := spec.SID()
		if a := c.coord.answer(c.parties[1].ID(), spec); a.Code != "" { // it waits for the first round of the other
			t.Fatalf("%+v", a)
		}
		end := c.parties[1].node.quiet.begin()
		busy := c.coord.presigning(key, c.peers(1, 2))
		if a := c.coord.answer(c.parties[1].ID(), busy); a.Code != protocol.CodeBusy {
			t.Errorf("a presigning begins beside a live session: %+v", a)
		}
		if a := c.coord.answer(c.parties[0].ID(), spec); a.Code != "" {
			t.Fatalf("%+v", a)
		}
		time.Sleep(10 * time.Second)
		c.signed(c.coord.sign(key, digest(1), c.peers(1, 2)), cert)
		if rounds := c.tap.rounds(sid); slices.Contains(c.stepsOf(1, sid), 2) { // the first one was under way
			t.Errorf("the party with a live session went on: rounds %v", rounds)
		}
		end()
		c.coord.await("the presignature", time.Minute, func() bool { return len(c.coord.held[sid]) == 2 })
		c.signed(c.coord.use(spec, digest(2)), cert)
	})
}

// A presigning's step waits for a processor that nobody else needs, and when it gets one
// while a session is live, for that one's end.
func TestAPresigningTakesAProcessor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, key, cert := newSigners(t, p2ptest.Simulated, 2, nil)
		c.awaitQuiet()
		n := c.parties[1].node
		for range n.cores.all {
			if err := n.cores.enter(t.Context(), signings, 0); err != nil {
				t.Fatal(err)
			}
		}
		spec := c.coord.presigning(key, c.peers(0, 1))
		sid := c.coord.propose(spec)
		nothing := func(why string) {
			t.Helper()
			time.Sleep(10 * time.Second)
			if rounds := c.stepsOf(1, sid); len(rounds) > 0 {
				t.Errorf("%s, and its messages of rounds %v are there", why, rounds)
			}
		}
		nothing("no processor was free")
		end := n.quiet.begin()
		for range n.cores.all {
			n.cores.leave(signings)
		}
		nothing("a session was live")
		if free := n.cores.unused(); free != n.cores.all {
			t.Errorf("it keeps a processor: %d are free", free)
		}
		end()
		c.coord.await("the presignature", time.Minute, func() bool { return len(c.coord.held[sid]) == 2 })
		c.signed(c.coord.use(spec, digest(1)), cert)
	})
}

// A party that always has a few short sessions, so that it is never quiet for a tenth of a
// second, makes presignatures all the same, between two sessions.
func TestAPresigningGoesOnBetweenShortSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, key, cert := newSigners(t, p2ptest.Simulated, 2, nil)
		spec := c.coord.presigning(key, c.peers(0, 1))
		sid := spec.SID()
		if a := c.coord.answer(c.parties[1].ID(), spec); a.Code != "" {
			t.Fatalf("%+v", a)
		}
		stop, stopped := context.WithCancel(t.Context())
		var sessions sync.WaitGroup
		sessions.Go(func() {
			for stop.Err() == nil {
				end := c.parties[1].node.quiet.begin()
				time.Sleep(10 * time.Millisecond)
				end()
				time.Sleep(40 * time.Millisecond)
			}
		})
		if a := c.coord.answer(c.parties[0].ID(), spec); a.Code != "" {
			t.Fatalf("%+v", a)
		}
		start := time.Now()
		c.coord.await("the presignature", 30*time.Second, func() bool { return len(c.coord.held[sid]) == 2 })
		if took := time.Since(start); took < presignPatience {
			t.Errorf("the presigning did not wait for a quiet moment: it took %v", took)
		}
		stopped()
		sessions.Wait()
		c.signed(c.coord.use(spec, digest(1)), cert)
	})
}

// stepsOf lists the rounds of which messages of a party have arrived in a session.
func (c *cluster) stepsOf(party int, sid protocol.SID) []int {
	var rounds []int
	for _, a := range c.tap.all() {
		if h := a.header; h.SID == sid && h.From == c.parties[party].ID() && h.Type == protocol.TypeRound && !slices.Contains(rounds, h.Round) {
			rounds = append(rounds, h.Round)
		}
	}
	return rounds
}

// A presigning ends with its deadline, however long live sessions have kept it waiting.
func TestAPresigningEndsAtItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, key, _ := newSigners(t, p2ptest.Simulated, 2, nil)
		spec := c.coord.presigning(key, c.peers(0, 1))
		if a := c.coord.answer(c.parties[1].ID(), spec); a.Code != "" {
			t.Fatalf("%+v", a)
		}
		defer c.parties[1].node.quiet.begin()()
		if a := c.coord.answer(c.parties[0].ID(), spec); a.Code != "" {
			t.Fatalf("%+v", a)
		}
		for _, i := range []int{0, 1} {
			if f := c.coord.awaitFailure(spec.SID(), c.parties[i].ID()); len(f.Culprits) != 0 {
				t.Errorf("party %d blames %v: %+v", i, f.Culprits, f)
			}
		}
		c.awaitHeld(0, 0, 1)
	})
}

// A presignature of which the coordinator cannot be told is not kept.
func TestAPresignatureThatNobodyKnowsIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, key, _ := newSigners(t, p2ptest.Simulated, 2, nil)
		spec := c.coord.presigning(key, c.peers(0, 1))
		if a := c.coord.answer(c.parties[1].ID(), spec); a.Code != "" {
			t.Fatalf("%+v", a)
		}
		c.coord.node.Stop()
		c.parties[0].node.receiveDispatch(spec.Coordinator, frame(t, protocol.Frame{Propose: &protocol.Propose{Spec: *spec}}))
		c.awaitHeld(1, 0, 1)
		c.awaitHeld(0, 0, 1)
	})
}

func frame(t *testing.T, f protocol.Frame) []byte {
	t.Helper()
	data, err := protocol.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// The supervisor hears nothing of presignings: nobody has to be told of one that a
// crash ended.
func TestPresigningsAreNotWatched(t *testing.T) {
	w := new(watch)
	c, key, cert := newSigners(t, p2ptest.QUIC, 2, func(cfg *Config) { cfg.Watch = w })
	_, before := w.now()
	presigned := c.presign(key, 0, 1)
	if running, begun := w.now(); begun != before || len(running) != 0 {
		t.Errorf("the watch heard of a presigning: %v", running)
	}
	c.signed(c.coord.use(presigned, digest(1)), cert)
	if _, begun := w.now(); begun != before+2 {
		t.Errorf("the watch heard of %d sessions, want the signing at two parties", begun-before)
	}
}
