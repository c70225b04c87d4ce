package tss_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/bnb-chain/tss-lib/v2/ecdsa/signing"
	tsslib "github.com/bnb-chain/tss-lib/v2/tss"

	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/protocoltest"
	"github.com/meshmpc/mpcd/protocol/tss"
)

// overwriter plays bob against a library party of alice, who signs another digest
// than he does. That U = T at the end of round 8 is the last check that they agree;
// he makes it hold by changing his commitment of round 7 when he has seen hers
// opened.
type overwriter struct {
	parties    map[protocol.PeerID]tsslib.Party
	out        map[protocol.PeerID]<-chan tsslib.Message
	ids        map[protocol.PeerID]*tsslib.PartyID
	honest     bool // bob does not overwrite
	failure    *tsslib.Error
	lastOfHers bool // alice sent her partial signature
}

// deliver moves what both have sent until nobody sends any more.
func (o *overwriter) deliver() {
	for moved := true; moved && o.failure == nil; {
		moved = false
		for _, from := range []protocol.PeerID{"alice", "bob"} {
			select {
			case m := <-o.out[from]:
				moved = true
				o.pass(from, m.(tsslib.ParsedMessage))
			default:
			}
		}
	}
}

func (o *overwriter) pass(from protocol.PeerID, m tsslib.ParsedMessage) {
	content := m.Content()
	switch c := content.(type) {
	case *signing.SignRound8Message:
		if from == "bob" && !o.honest {
			return // he waits for hers
		}
		if from == "alice" && !o.honest {
			o.overwrite(c)
		}
	case *signing.SignRound9Message:
		o.lastOfHers = o.lastOfHers || from == "alice"
	}
	to := map[protocol.PeerID]protocol.PeerID{"alice": "bob", "bob": "alice"}[from]
	o.update(to, from, m.IsBroadcast(), content)
}

// overwrite sends alice another round 7 and 8 with U and T the other way round than
// hers, so that the sums are equal.
func (o *overwriter) overwrite(hers *signing.SignRound8Message) {
	d := hers.GetDeCommitment()
	mirrored := [][]byte{{1}, d[3], d[4], d[1], d[2]}
	o.update("alice", "bob", true, &signing.SignRound7Message{Commitment: commitTo(mirrored)})
	o.update("alice", "bob", true, &signing.SignRound8Message{DeCommitment: mirrored})
}

func (o *overwriter) update(to, from protocol.PeerID, broadcast bool, content tsslib.MessageContent) {
	routing := tsslib.MessageRouting{From: o.ids[from], IsBroadcast: broadcast}
	m := tsslib.NewMessage(routing, content, tsslib.NewMessageWrapper(routing, content))
	if _, err := o.parties[to].Update(m); err != nil && to == "alice" {
		o.failure = err
	}
}

// The library alone lets alice's partial signature out, though nobody agrees with
// her on what is signed.
func TestOverwriteAlone(t *testing.T) {
	k := newKey(t, protocol.ECDSA, protocol.Threshold{T: 2, N: 3})
	for _, honest := range []bool{true, false} {
		o := &overwriter{
			honest:  honest,
			parties: map[protocol.PeerID]tsslib.Party{},
			out:     map[protocol.PeerID]<-chan tsslib.Message{},
			ids:     map[protocol.PeerID]*tsslib.PartyID{},
		}
		signers := protocoltest.Members(2)
		for i, m := range signers {
			machine := signParties(t, k, signers, sid("overwrite"), digest("of %s", m.Peer))[i].Machine
			party, out, ids := tss.Library(machine)
			o.parties[m.Peer], o.out[m.Peer], o.ids[m.Peer] = party, out, ids[0]
			for _, id := range ids {
				o.ids[id.Id] = id
			}
			if err := party.Start(); err != nil {
				t.Fatal(err)
			}
		}
		o.deliver()
		if o.lastOfHers == honest || (o.failure != nil) != honest {
			t.Errorf("bob overwrites %v: alice sends S %v, error %v", !honest, o.lastOfHers, o.failure)
		}
	}
}

// A machine takes the first message of a slot. Another one that differs is its
// sender's fault, also when its round has passed; the same one again is the
// caller's.
func TestFirstWriteWins(t *testing.T) {
	s := signScene(protocol.ECDSA)(t)
	all := s.record()
	for _, name := range []string{"SignRound1Message2", "SignRound7Message", "SignRound8Message"} {
		i := slices.IndexFunc(all, func(m protocol.Message) bool { return m.From == "bob" && m.Name == name })
		again := all[i]
		other := again
		switch content := decode(t, again.Body).(type) {
		case *signing.SignRound1Message2:
			content.Commitment = plusOne(content.Commitment)
			other.Body = encodeAny(t, content)
		case *signing.SignRound7Message:
			content.Commitment = plusOne(content.Commitment)
			other.Body = encodeAny(t, content)
		case *signing.SignRound8Message:
			content.DeCommitment[0] = plusOne(content.DeCommitment[0])
			other.Body = encodeAny(t, content)
		}
		for _, until := range []int{i, len(all) - 2} { // at once, and in the last round
			for _, test := range []struct {
				second   protocol.Message
				err      error
				culprits []protocol.PeerID
			}{{again, tss.ErrDelivery, nil}, {other, tss.ErrMessage, []protocol.PeerID{"bob"}}} {
				messages := append(slices.Clone(all[:until+1]), test.second)
				_, err := replay(t, s.machine(), messages, func(*protocol.Message) {})
				if !errors.Is(err, test.err) || !slices.Equal(protocol.Culprits(err), test.culprits) {
					t.Errorf("a second %s after %s: %v", name, all[until].Name, err)
				}
				var b *protocol.Blame
				if errors.As(err, &b) && b.Round != again.Round {
					t.Errorf("blame for round %d, not %d", b.Round, again.Round)
				}
			}
		}
	}
}
