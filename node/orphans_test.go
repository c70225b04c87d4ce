package node

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
)

// moment is a point in a keygen at which a party is killed, as by kill -9.
type moment struct {
	name   string
	active bool          // of the second save, not the first
	done   bool          // after the save, not before
	after  time.Duration // the others are held up for so long, and the party is killed in the middle: its messages are out
	kept   bool          // its share was on disk: the key is completed
}

var moments = []moment{
	{name: "before pending"},
	{name: "after pending, before the confirmation is sent", done: true, kept: true},
	{name: "after the confirmation was sent", done: true, after: time.Second, kept: true},
	{name: "before active", active: true, kept: true},
	{name: "after active", active: true, done: true, kept: true},
}

var errKilled = errors.New("killed")

// killAt kills a party at a moment of its next keygen. The channel tells when that has happened.
func (c *cluster) killAt(victim int, m moment) <-chan struct{} {
	p, killed := c.parties[victim], make(chan struct{})
	gone := false
	p.node.crash = func(save *protocol.Save, done bool) error {
		switch {
		case gone:
			return errKilled
		case save.Active != m.active || done != m.done:
			return nil
		case m.after > 0:
			time.AfterFunc(m.after/2, func() { p.Kill(); close(killed) })
			return nil
		}
		gone = true
		p.Kill()
		close(killed)
		return errKilled
	}
	for i, other := range c.parties {
		if i != victim && m.after > 0 {
			other.node.crash = func(save *protocol.Save, done bool) error {
				if !save.Active && !done {
					<-time.After(m.after)
				}
				return nil
			}
		}
	}
	return killed
}

// await waits for a channel.
func await(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(time.Minute):
		t.Fatalf("waited in vain: %s", what)
	}
}

// giveUp tells everyone that the coordinator has given an attempt up, and waits
// until those that live have ended it.
func (c *cluster) giveUp(spec *protocol.Spec, living ...int) {
	c.tb.Helper()
	for _, i := range living {
		p := c.parties[i]
		c.coord.send(p.ID(), protocol.Frame{Cancel: &protocol.Cancel{SID: spec.SID(), Reason: "a party was lost"}})
		eventually(c.tb, "the attempt has ended", func() bool { return !p.node.underWay(spec.SID()) })
	}
}

// retry is the next attempt at a key with the same members.
func retry(spec *protocol.Spec) *protocol.Spec {
	next := clone(spec)
	next.Attempt++
	next.Expires = time.Now().Add(5 * time.Minute).Unix()
	return next
}

// attemptOf is the attempt of which a party has a share, and the share's state.
func (p *party) attemptOf(t *testing.T, key *protocol.Spec) (uint32, keystore.State) {
	t.Helper()
	record, state, err := p.node.made(t.Context(), key.Key, key.Epoch)
	if err != nil && !errors.Is(err, errNoKey) {
		t.Fatal(err)
	}
	return record.Spec.Attempt, state
}

// allActive checks that everybody has an active share of one attempt, under one certificate.
func (c *cluster) allActive(t *testing.T, key *protocol.Spec) {
	t.Helper()
	var first []byte
	for i, p := range c.parties {
		record, state, err := p.node.made(t.Context(), key.Key, key.Epoch)
		if err != nil || state != keystore.StateActive {
			t.Fatalf("party %d: %q, %v", i, state, err)
		}
		cert, err := protocol.Marshal(record.Certificate)
		if err != nil {
			t.Fatal(err)
		}
		if record.Spec.SID() != key.SID() || first != nil && !bytes.Equal(first, cert) {
			t.Errorf("party %d has attempt %d, not %d, or another certificate", i, record.Spec.Attempt, key.Attempt)
		}
		first = cert
	}
}

// eachKill runs a test for each moment and each kind of victim, a party's own share
// and a user's, after the victim is dead and the coordinator has given up.
func eachKill(t *testing.T, test func(t *testing.T, c *cluster, key *protocol.Spec, victim int, m moment)) {
	for _, m := range moments {
		for victim, what := range map[int]string{0: "a persistent member", 2: "the delegate"} {
			t.Run(fmt.Sprintf("%s/%s", m.name, what), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
					key := c.coord.keygen(protocol.EdDSA, 2, c.peers())
					key.Roster[2].Role = protocol.Delegate
					killed := c.killAt(victim, m)
					c.coord.propose(key)
					await(t, m.name, killed)
					living := []int{0, 1, 2}
					living = append(living[:victim:victim], living[victim+1:]...)
					for _, i := range living {
						eventually(t, "the others have a share", func() bool { return c.parties[i].stateOf(t, key) != "" })
					}
					c.parties[victim].stop()
					c.giveUp(key, living...)
					test(t, c, key, victim, m)
				})
			})
		}
	}
}

// A member is killed between the phases of a keygen. While it is away another attempt
// is refused by who has a share; when it is back, the next one either succeeds or finds
// the key complete.
func TestAKilledMemberEndsInACleanRetry(t *testing.T) {
	eachKill(t, func(t *testing.T, c *cluster, key *protocol.Spec, victim int, m moment) {
		second := retry(key)
		for i, p := range c.parties {
			if i == victim {
				continue
			}
			if a := c.coord.answer(p.ID(), second); a.Code != protocol.CodeReplay {
				t.Errorf("party %d, which has a share, while party %d is dead: %+v", i, victim, a)
			}
		}
		c.parties[victim].revive()
		c.net.Mesh(c.hosts()...)
		third := retry(second)
		c.coord.propose(third)
		if m.kept {
			for i := range c.parties {
				c.awaitActive(t, key, i)
			}
			c.allActive(t, key)
			return
		}
		certificate(t, c.coord.result(third))
		c.allActive(t, third)
	})
}

// Nobody tries again: when the killed member is back, the key is complete everywhere,
// or nobody has a share of it.
func TestAKilledMemberLeavesNoOrphan(t *testing.T) {
	eachKill(t, func(t *testing.T, c *cluster, key *protocol.Spec, victim int, m moment) {
		c.parties[victim].revive()
		c.net.Mesh(c.hosts()...)
		if m.kept {
			for i := range c.parties {
				c.awaitActive(t, key, i)
			}
			c.allActive(t, key)
			return
		}
		for i, p := range c.parties {
			eventually(t, fmt.Sprintf("party %d has no share", i), func() bool { return p.stateOf(t, key) == "" })
		}
		for i, p := range c.parties { // for good, whoever asks and whatever is forgotten
			p.restart()
			if state := p.stateOf(t, key); state != "" {
				t.Errorf("party %d: %q", i, state)
			}
		}
		c.net.Mesh(c.hosts()...)
		next := retry(key)
		certificate(t, c.coord.run(next))
		c.allActive(t, next)
	})
}
