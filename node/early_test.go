package node

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
)

// came is an envelope as it comes over a stream.
func came(from protocol.PeerID, envelope []byte) earlyPacket {
	return earlyPacket{packet: packet{from: from, size: len(envelope)}, envelope: envelope}
}

func TestOnePeerCannotFillTheRoomForEarlyMessages(t *testing.T) {
	e := newEarly()
	kept := 0
	for i := range 2 * earlyPerPeer {
		if e.put(protocol.SID{byte(i), byte(i >> 8)}, came("mallory", []byte{1})) {
			kept++
		}
	}
	if kept != earlyPerPeer {
		t.Errorf("%d messages of one peer are kept, want %d", kept, earlyPerPeer)
	}
	if !e.put(protocol.SID{1}, came("alice", []byte{2})) {
		t.Error("another peer's message was refused")
	}
	if got := e.take(protocol.SID{1}); len(got) != 2 {
		t.Errorf("took %d messages, want 2", len(got))
	}
	repeated := came("alice", []byte{3})
	repeated.via = "mallory"
	for e.put(protocol.SID{2}, repeated) {
	}
	if got := e.perPeer["alice"].packets; got != 0 {
		t.Errorf("%d messages that another has brought take a peer's room", got)
	}
	e.drop(protocol.SID{2})
	if !e.put(protocol.SID{1}, came("mallory", nil)) {
		t.Error("what was taken still occupies room")
	}
	e = newEarly()
	for e.put(protocol.SID{1}, came("mallory", make([]byte, protocol.MaxEnvelope))) {
	}
	if e.bytes > earlyBytesPerPeer || e.bytes < earlyBytesPerPeer-protocol.MaxEnvelope-packetCost {
		t.Errorf("%d bytes of one peer are kept, want almost %d", e.bytes, earlyBytesPerPeer)
	}
}

func TestTheRoomForEarlyMessagesIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEarly()
		big := make([]byte, protocol.MaxEnvelope)
		kept := 0
		for i := range 1000 {
			if e.put(protocol.SID{1}, came(fmt.Sprint("peer ", i), big)) {
				kept += len(big) + packetCost
			}
		}
		if kept > earlyBytes || kept < earlyBytes-len(big)-packetCost {
			t.Errorf("%d bytes are kept, want almost %d", kept, earlyBytes)
		}
		e.expire(time.Now().Add(earlyLife))
		if e.bytes != kept {
			t.Error("messages were forgotten too early")
		}
		e.expire(time.Now().Add(earlyLife + 1))
		if e.bytes != 0 || len(e.perPeer) != 0 || len(e.waiting) != 0 {
			t.Errorf("%d bytes of %d peers in %d sessions are left after their time", e.bytes, len(e.perPeer), len(e.waiting))
		}
	})
}

func TestAMessageThatOvertakesTheProposalIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 2, nil)
		a, b := c.parties[0], c.parties[1]
		spec := c.coord.keygen(protocol.EdDSA, 2, c.peers())
		why, err := protocol.Marshal(protocol.Failure{Code: protocol.CodeBusy, Detail: "too much to do"})
		if err != nil {
			t.Fatal(err)
		}
		abort, err := protocol.Seal(b.Host, protocol.Header{SID: spec.SID(), Type: protocol.TypeAbort, Seq: 1}, why).Encode()
		if err != nil {
			t.Fatal(err)
		}
		if err := b.node.sendDirect(t.Context(), a.ID(), protocol.DirectFrame{SID: spec.SID(), Envelope: abort}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		c.coord.send(a.ID(), protocol.Frame{Propose: &protocol.Propose{Spec: *spec}})
		f := c.coord.awaitFailure(spec.SID(), a.ID())
		if f.GaveUp != b.ID() || !strings.Contains(f.Detail, "too much to do") || time.Until(spec.Deadline()) < 4*time.Minute {
			t.Errorf("got %+v, want what the other member said, at once", f)
		}
	})
}

func TestFramesThatMakeNoSenseDoNoHarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
		to := c.peers(0)[0]
		answer, err := protocol.Marshal(protocol.Frame{Answer: &protocol.Answer{}})
		if err != nil {
			t.Fatal(err)
		}
		nothing, err := protocol.Marshal(protocol.Frame{Propose: &protocol.Propose{}})
		if err != nil {
			t.Fatal(err)
		}
		garbage := make([]byte, maxFrame)
		for _, frame := range [][]byte{nil, {0xff}, []byte("garbage"), garbage, answer, nothing, make([]byte, maxFrame+1)} {
			//nolint:errcheck // some are refused here already, those beyond the limit
			c.coord.host.Send(t.Context(), to, protocol.ChannelDispatch, frame)
			c.parties[1].Send(t.Context(), to, protocol.ChannelDispatch, frame) //nolint:errcheck // not for parties
			c.parties[1].Send(t.Context(), to, protocol.ChannelDirect, frame)   //nolint:errcheck // as above
		}
		// Parties alone may speak to parties: not even a coordinator may.
		c.coord.host.Send(t.Context(), to, protocol.ChannelDirect, []byte("garbage")) //nolint:errcheck // as above
		synctest.Wait()
		key, cert := c.key(protocol.EdDSA, 2)
		spec := c.coord.sign(key, digest(1), c.peers(0, 1))
		checkSignatures(t, spec, cert, c.coord.run(spec))
	})
}
