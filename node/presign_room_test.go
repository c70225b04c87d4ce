package node

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
)

// presigned makes a presignature of parties 0 and 1 for another coordinator.
func (s *scripted) presigned(c *cluster, key *protocol.Spec) *protocol.Spec {
	s.tb.Helper()
	time.Sleep(time.Second) // its pace is another bound
	c.awaitQuiet()
	spec := s.presigning(key, c.peers(0, 1))
	sid := s.propose(spec)
	s.await("a presignature", time.Minute, func() bool { return len(s.held[sid]) == len(spec.Roster) })
	return spec
}

// A coordinator that holds all there is at a party makes room for another one up to an equal share, beginning
// with its oldest, and is told what is gone.
func TestCoordinatorsShareTheRoomForPresignatures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, key, cert := newSigners(t, p2ptest.Simulated, 2, func(cfg *Config) { cfg.MaxPresignatures = 8 })
		p, other := c.parties[0], c.second()
		first := c.presign(key, 0, 1)
		all := []*presignature{nil} // the first is a real one
		for i := range 7 {
			all = append(all, fakeOf(c.coord.host.ID(), i+1, fmt.Sprint("key ", i%2)))
			p.node.presigns.put(all[i+1])
		}
		refused := func(why string, s *scripted) {
			t.Helper()
			time.Sleep(time.Second)
			if a := s.answer(p.ID(), s.presigning(key, c.peers(0, 1))); a.Code != protocol.CodeBusy {
				t.Errorf("%s: %+v", why, a)
			}
		}
		refused("one more than all", c.coord)
		told := func(sid protocol.SID) {
			t.Helper()
			c.coord.await("word of what is gone", time.Minute, func() bool {
				held, told := c.coord.held[sid][p.ID()]
				return told && held.Until == 0
			})
		}
		var last *protocol.Spec
		for i := range 4 {
			last = other.presigned(c, key)
			if i == 0 {
				told(first.SID())
			} else {
				told(all[i].sid)
			}
			if got := p.held(); got != 8 {
				t.Errorf("%d are held after %d of the other one", got, i+1)
			}
		}
		refused("more than an equal share", other)
		refused("an equal share, and the other one has no more", c.coord)
		for i, x := range all[1:] {
			if dropped := x.machine.(*fakeBinder).dropped; (dropped == 1) != (i < 3) {
				t.Errorf("number %d was dropped %d times", i+1, dropped)
			}
		}
		if a := c.coord.answer(p.ID(), c.coord.use(first, digest(1))); a.Code != protocol.CodeNoPresign {
			t.Errorf("what was dropped can be used: %+v", a)
		}
		p.node.presigns.drop("test", func(x *presignature) bool { return x.spec.Coordinator == c.coord.host.ID() })
		use := other.use(last, digest(2))
		checkSignatures(t, use, cert, other.run(use))
	})
}

// Of one key, too, a coordinator that has more than an equal share makes room; what a signing has taken stays as it is.
func TestCoordinatorsShareTheRoomOfAKey(t *testing.T) {
	p, now := newPresigns(func() {}), time.Now()
	var all []*presignature
	for i := range MaxPresignaturesPerKey {
		all = append(all, fakeOf("greedy", i, "key"))
		p.put(all[i])
	}
	p.put(fakeOf("greedy", 500, "other key"))
	if _, ofKey := p.shares("key"); ofKey.hasRoom("greedy", MaxPresignaturesPerKey) || !ofKey.hasRoom("other", MaxPresignaturesPerKey) {
		t.Error("who has all may have one more, or another one none")
	}
	if _, err := p.take(signingOf(all[0]), all[0].made, now); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		p.put(fakeOf("other", 1000+i, "key"))
		dropped := p.trim("key", DefaultMaxPresignatures)
		want := all[i : i+1] // the oldest that is left
		if i == 0 {
			want = nil // one was taken
		}
		if !slices.Equal(dropped, want) {
			t.Errorf("%d were dropped for number %d of the other one, want %d", len(dropped), i+1, len(want))
		}
	}
	for i, want := range []int{0, 1, 1, 0} {
		if got := all[i].machine.(*fakeBinder).dropped; got != want {
			t.Errorf("number %d was dropped %d times, want %d", i, got, want)
		}
	}
	if held, ofKey := p.count(), p.ofKey["key"].sum(); held != MaxPresignaturesPerKey+1 || ofKey != MaxPresignaturesPerKey {
		t.Errorf("%d are held, %d of the key", held, ofKey)
	}
}

// Equal shares leave nobody with more than is there, and nobody takes turns with another one.
func TestEqualShares(t *testing.T) {
	for _, c := range []struct {
		have  shares
		limit int
		want  bool // room for one more of a
	}{
		{shares{}, 4, true},
		{shares{}, 0, false},
		{shares{}, -1, false},
		{shares{"a": 3}, 4, true},
		{shares{"a": 4}, 4, false},
		{shares{"b": 4}, 4, true},
		{shares{"a": 1, "b": 3}, 4, true},
		{shares{"a": 2, "b": 2}, 4, false},
		{shares{"a": 1, "b": 2, "c": 1}, 4, false},
		{shares{"a": 2, "b": 2, "c": 1}, 5, false},
		{shares{"b": 1}, 1, false},
	} {
		if got := c.have.hasRoom("a", c.limit); got != c.want {
			t.Errorf("%v of %d: %v", c.have, c.limit, got)
		}
	}
}
