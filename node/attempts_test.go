package node

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
)

// A coordinator lets one member complete a key, gives the other two up in phase
// confirm, and tries the key again while the first is away: the two keep their shares
// of the key that may be in use. When the first is back, the next try completes it.
func TestAPendingShareOutlivesALaterAttempt(t *testing.T) {
	for name, role := range map[string]protocol.Role{"a party's": protocol.Persistent, "a user's": protocol.Delegate} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 4, nil)
				first := c.coord.keygen(protocol.EdDSA, 2, c.peers(0, 1, 2))
				first.Roster[2].Role = role
				cert := certificate(t, c.coord.run(first))
				for _, p := range c.parties[1:3] {
					p.interrupt(t, first)
				}
				c.parties[0].kill()
				second := *first
				second.Attempt, second.Roster = 2, members(c.peers(1, 2, 3))
				second.Roster[1].Role = role
				for _, roster := range [][]protocol.Member{second.Roster, slices.Clone(first.Roster)} {
					second.Attempt, second.Roster = second.Attempt+1, roster
					for i, p := range c.parties[1:3] {
						a := c.coord.answer(p.ID(), &second)
						if a.Code != protocol.CodeReplay || !strings.Contains(a.Detail, "make a new account") || !slices.Equal(a.Peers, c.peers(0)) {
							t.Errorf("party %d, attempt %d: %+v", i+1, second.Attempt, a)
						}
					}
				}
				c.parties[0].revive()
				c.net.Mesh(c.hosts()...)
				second.Attempt, second.Roster = second.Attempt+1, members(c.peers(1, 2, 3))
				second.Roster[1].Role = role
				for i, p := range c.parties[1:3] {
					if a := c.coord.answer(p.ID(), &second); a.Code != protocol.CodeReplay || !strings.Contains(a.Detail, errHaveKey.Error()) {
						t.Errorf("party %d, all back: %+v", i+1, a)
					}
				}
				for _, i := range []int{1, 2} {
					if state := c.parties[i].stateOf(t, first); state != keystore.StateActive {
						t.Errorf("party %d: %q", i, state)
					}
				}
				if role == protocol.Delegate {
					c.signWith(first, cert, digest(1), c.coord.share(c.peers(2)[0], first, nil))
					return
				}
				spec := c.coord.sign(first, digest(1), c.peers(1, 2))
				checkSignatures(t, spec, cert, c.coord.run(spec))
			})
		})
	}
}

// Whatever the order of a ceremony's saves and a resolver's: only the attempt that
// a pending share is of may complete it.
func TestAnotherAttemptNeverReplacesAShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
		own, _ := c.key(protocol.EdDSA, 2)
		user, _ := c.hybrid(protocol.EdDSA, nil)
		p := c.parties[2]
		for _, key := range []*protocol.Spec{own, user} {
			record, _, err := p.node.made(t.Context(), key.Key, key.Epoch)
			if err != nil {
				t.Fatal(err)
			}
			p.interrupt(t, key)
			later, asAnother := record, record
			later.Spec.Attempt = 2
			asAnother.Spec.Attempt, asAnother.Spec.Roster = 2, slices.Clone(key.Roster)
			asAnother.Spec.Roster[2].Role = map[bool]protocol.Role{true: protocol.Delegate, false: protocol.Persistent}[key == own]
			for name, other := range map[string]protocol.KeyRecord{"later": later, "in another role": asAnother} {
				for _, active := range []bool{false, true} {
					if err := p.node.save(t.Context(), &protocol.Save{Active: active, Key: other}); !errors.Is(err, errEarlier) {
						t.Errorf("attempt %s, active %v: %v", name, active, err)
					}
				}
			}
			for _, active := range []bool{false, true} {
				if err := p.node.save(t.Context(), &protocol.Save{Active: active, Key: record}); err != nil {
					t.Errorf("the same attempt, active %v: %v", active, err)
				}
			}
		}
	})
}

// A user's share that is never completed does not stay on the delegate for ever.
func TestAUsersPendingShareIsErasedAfterAMonth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
		d := c.parties[2]
		key, _ := c.hybrid(protocol.EdDSA, nil)
		if err := c.parties[0].store.Delete(t.Context(), kindShare, shareID(key.Key, key.Epoch)); err != nil {
			t.Fatal(err)
		}
		for _, p := range c.parties[1:] {
			p.interrupt(t, key)
		}
		d.restart()
		c.net.Mesh(c.hosts()...)
		eventually(t, "the delegate looks after the share", func() bool {
			d.node.shares.mu.Lock()
			defer d.node.shares.mu.Unlock()
			return d.node.shares.due[shareID(key.Key, key.Epoch)].pending
		})
		for _, c := range []struct {
			at   time.Time
			want keystore.State
		}{
			{key.Deadline().Add(pendingUserShareLife - time.Minute), keystore.StatePending}, {key.Deadline().Add(pendingUserShareLife), ""},
		} {
			d.node.shares.expire(t.Context(), c.at)
			if state := d.stateOf(t, key); state != c.want {
				t.Errorf("at %v: %q, want %q", c.at, state, c.want)
			}
		}
		again := *key
		again.Attempt = 2
		if a := c.coord.answer(d.ID(), &again); a.Code != protocol.CodeReplay || !strings.Contains(a.Detail, "has erased it") {
			t.Errorf("the key is made again: %+v", a)
		}
	})
}
