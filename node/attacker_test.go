package node

import (
	"context"
	"crypto/rand"
	"sync"
	"time"

	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
)

// wiretap keeps every envelope that arrives at any party.
type wiretap struct {
	mu    sync.Mutex
	heard []arrival
}

// arrival is an envelope at a party.
type arrival struct {
	from   p2p.PeerID // whose stream it came over, or who signed it
	to     p2p.PeerID // where it arrived
	header protocol.Header
	gossip bool
	data   []byte
}

func (w *wiretap) at(to p2p.PeerID) func(from p2p.PeerID, data []byte, gossip bool) {
	return func(from p2p.PeerID, data []byte, gossip bool) {
		if !gossip {
			f, err := protocol.DecodeDirectFrame(data)
			if err != nil {
				return
			}
			data = f.Envelope
		}
		o, err := protocol.OpenEnvelope(data, p2p.Verify)
		if err != nil {
			return
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.heard = append(w.heard, arrival{from: from, to: to, header: *o.Header(), gossip: gossip, data: data})
	}
}

// all returns what has arrived so far.
func (w *wiretap) all() []arrival {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.heard[:len(w.heard):len(w.heard)]
}

// attacker is an admitted party whose client is modified. It knows every session
// and is told what others have received, which is more than any attacker has.
type attacker struct {
	*p2ptest.Raw
	c *cluster
}

// attack lets an attacker into a cluster's network.
func (c *cluster) attack() *attacker {
	c.tb.Helper()
	a := &attacker{Raw: c.net.AddRaw(p2p.RoleParty), c: c}
	a.Serve(protocol.ChannelDirect)
	a.Serve(protocol.ChannelDispatch)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, p := range c.parties {
		if err := a.Greet(ctx, p.Node); err != nil {
			c.tb.Fatal(err)
		}
	}
	return a
}

// sealed is an envelope that the attacker has signed.
func (a *attacker) sealed(h protocol.Header, payload []byte) []byte {
	a.c.tb.Helper()
	data, err := protocol.Seal(a.Raw, h, payload).Encode()
	if err != nil {
		a.c.tb.Fatal(err)
	}
	return data
}

func (a *attacker) direct(f protocol.DirectFrame) []byte {
	a.c.tb.Helper()
	data, err := protocol.Marshal(f)
	if err != nil {
		a.c.tb.Fatal(err)
	}
	return data
}

// envelope is the i-th thing that an attacker has to say in a session: junk, its own
// words of every type, large and small, and what members have said to others.
func (a *attacker) envelope(sid protocol.SID, i int) []byte {
	noise := make([]byte, 16)
	rand.Read(noise) //nolint:errcheck // never fails, see crypto/rand
	heard := a.c.tap.all()
	switch {
	case i%8 == 0:
		return append(make([]byte, p2p.MaxMessage-len(noise)), noise...)
	case i%8 == 1:
		return a.sealed(protocol.Header{SID: sid, Type: "noise"}, append(make([]byte, 190<<10), noise...))
	case i%8 < 5 || len(heard) == 0:
		t := []protocol.Type{protocol.TypeReady, protocol.TypeRound, protocol.TypeAbort, protocol.TypeConfirm, protocol.TypeDigest}[i/8%5]
		return a.sealed(protocol.Header{SID: sid, Type: t, Round: i % 4, Name: "", Seq: uint32(i)}, noise)
	default:
		return heard[i%len(heard)].data
	}
}

// pester says on a session's topic and to every party over its stream what an
// attacker has to say, and pulls, as fast as wait allows, until ctx ends.
func (a *attacker) pester(ctx context.Context, topic string, sid protocol.SID, wait func() bool) {
	var all sync.WaitGroup
	for _, p := range a.c.parties {
		to := p.ID()
		all.Go(func() {
			for i := 0; ctx.Err() == nil && wait(); i++ {
				a.Publish(ctx, to, topic, a.envelope(sid, i)) //nolint:errcheck // streams are reset
			}
		})
		all.Go(func() {
			for i := 0; ctx.Err() == nil && wait(); i++ {
				frame := a.direct(protocol.DirectFrame{SID: sid, Envelope: a.envelope(sid, i)})
				switch i % 7 {
				case 0:
					frame = a.direct(protocol.DirectFrame{SID: sid, Pull: &protocol.Pull{}})
				case 1:
					frame = frame[1:]
				}
				a.Send(ctx, to, protocol.ChannelDirect, frame) //nolint:errcheck // streams are reset
			}
		})
	}
	all.Wait()
}

// slowly waits between two messages, by the test's clock.
func slowly(ctx context.Context, pause time.Duration) func() bool {
	return func() bool {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		select {
		case <-timer.C:
			return true
		case <-ctx.Done():
			return false
		}
	}
}

// during runs a session while the attacker pesters it, from before it begins until a
// moment after its end.
func (a *attacker) during(spec *protocol.Spec, wait func(context.Context) func() bool) map[p2p.PeerID]protocol.Outcome {
	a.c.tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var pestering sync.WaitGroup
	defer pestering.Wait()
	defer cancel()
	topic, _ := spec.Topic()
	a.Join(ctx, topic)
	pestering.Go(func() { a.pester(ctx, topic, spec.SID(), wait(ctx)) })
	outcomes := a.c.coord.run(spec)
	after := slowly(ctx, 300*time.Millisecond)
	after()
	return outcomes
}

// noise floods a session of which the attacker is a member with messages that are
// properly signed and mean nothing, and with pulls.
func (a *attacker) noise(ctx context.Context, sid protocol.SID, to []p2p.PeerID, wait func() bool) {
	word := func(i int) []byte {
		size := 100
		if i%4 == 0 {
			size = 190 << 10
		}
		return a.sealed(protocol.Header{SID: sid, Type: "noise", Seq: uint32(i)}, make([]byte, size))
	}
	var all sync.WaitGroup
	for _, peer := range to {
		all.Go(func() {
			for i := 0; ctx.Err() == nil && wait(); i++ {
				a.Publish(ctx, peer, protocol.SessionTopic(sid), word(i)) //nolint:errcheck // the test is over
			}
		})
		all.Go(func() {
			for i := 0; ctx.Err() == nil && wait(); i++ {
				frame := a.direct(protocol.DirectFrame{SID: sid, Envelope: word(i)})
				if i%7 == 0 {
					frame = a.direct(protocol.DirectFrame{SID: sid, Pull: &protocol.Pull{}})
				}
				a.Send(ctx, peer, protocol.ChannelDirect, frame) //nolint:errcheck // the test is over
			}
		})
	}
	all.Wait()
}
