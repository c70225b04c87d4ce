package protocoltest_test

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/protocoltest"
)

// flooding is how many names are invented at once: more than nine rounds have messages.
const flooding = 18

// early sends what a later round would not take, just before the first message of the
// ceremony: whoever gets it names mallory then. In the round that it is for, the last
// message may have left. It differs in one thing from what the ceremony has.
func (t *target) early() []attack {
	if t.typ == protocol.TypeDigest {
		return t.earlyDigests()
	}
	only := func(name string, spoil func(w *protocol.Message, receiver protocol.PeerID)) attack {
		return t.ahead(name, func(w protocol.Message, receiver protocol.PeerID) []protocol.Message {
			w.Body = t.blank()
			spoil(&w, receiver)
			return []protocol.Message{w}
		})
	}
	all := []attack{
		only("under an invented name", func(w *protocol.Message, _ protocol.PeerID) { w.Name = "Invented" }),
		only("by the other way", func(w *protocol.Message, receiver protocol.PeerID) {
			if w.To != "" {
				receiver = ""
			}
			w.To = receiver
		}),
		only("of 170 KiB", func(w *protocol.Message, _ protocol.PeerID) { w.Body = make([]byte, 170<<10) }),
		only("garbage", func(w *protocol.Message, _ protocol.PeerID) { w.Body = []byte("x") }),
		only("without a field", func(w *protocol.Message, _ protocol.PeerID) { w.Body = t.incomplete() }),
	}
	if other := t.otherRound(); other != 0 {
		all = append(all, only("under another round", func(w *protocol.Message, _ protocol.PeerID) { w.Round = other }))
	}
	if t == t.in.lastRound() {
		all = append(all, t.ahead(fmt.Sprintf("%d invented names", flooding), func(w protocol.Message, _ protocol.PeerID) []protocol.Message {
			flood := make([]protocol.Message, flooding)
			for i := range flood {
				flood[i] = w
				flood[i].Name, flood[i].Body = fmt.Sprint("Invented ", i), []byte("x")
			}
			return flood
		}))
	}
	if t.in.members() > 2 {
		for _, a := range slices.Clone(all) {
			a.name, a.tamper = a.name+", to one", toVictim(a.tamper)
			all = append(all, a)
		}
	}
	return all
}

// ahead puts messages for the target's place, as spoiled by wrong, before the first message
// of the ceremony to each member.
func (t *target) ahead(name string, wrong func(w protocol.Message, receiver protocol.PeerID) []protocol.Message) attack {
	return attack{name: name, expect: named, atOnce: true, tamper: func(m *mallory, p protocoltest.Parcel, e *protocol.Envelope) []protocoltest.Parcel {
		if p.Pulled || !t.in.targets[0].is(&e.Header) {
			return []protocoltest.Parcel{p}
		}
		m.fired = true
		w := protocol.Message{Round: t.round, Name: t.name}
		if t.direct {
			w.To = p.To
		}
		var parcels []protocoltest.Parcel
		seq := e.Header.Seq + 1000
		for _, w := range wrong(w, p.To) {
			seq++
			h := protocol.Header{SID: e.Header.SID, From: m.ID(), Type: t.typ, Round: w.Round, Name: w.Name, To: w.To, Seq: seq}
			bad := m.seal(p, h, w.Body)
			bad.Bad, bad.Direct = true, w.To != ""
			parcels = append(parcels, bad)
		}
		return append(parcels, p)
	}}
}

// earlyDigests come in place of those that mallory's session sends in their time. They are
// compared when their round is over, before anything leaves that depends on it.
func (t *target) earlyDigests() []attack {
	instead := func(name string, payload []byte) attack {
		a := t.ahead(name, func(w protocol.Message, _ protocol.PeerID) []protocol.Message {
			w.Round, w.Body = roundOf(t.name), payload
			return []protocol.Message{w}
		})
		ahead := a.tamper
		a.held, a.atOnce = true, false
		a.tamper = func(m *mallory, p protocoltest.Parcel, e *protocol.Envelope) []protocoltest.Parcel {
			if t.is(&e.Header) {
				return nil
			}
			return ahead(m, p, e)
		}
		return a
	}
	empty, err := protocol.Marshal(protocol.Digest{})
	if err != nil {
		panic(err)
	}
	return []attack{instead("garbage", []byte("x")), instead("of nothing", empty)}
}

// otherRound is a round after the first that is not the target's, 0 if there is none.
func (t *target) otherRound() int {
	first, last := t.in.targets[0].round, t.in.lastRound().round
	switch {
	case t.round < last:
		return last
	case last-1 > first:
		return last - 1
	}
	return 0
}

// sizes are the lengths of the lists of which parts has none.
var sizes = map[string]int{"dlnproof_1": 258, "dlnproof_2": 258, "modProof": 163, "facProof": 11, "paillier_proof": 13}

// blank is a message in the form of the target: every field is there, in as many parts as
// it has, and means nothing.
func (t *target) blank() []byte {
	typ, err := protoregistry.GlobalTypes.FindMessageByName(t.messageName())
	if err != nil {
		panic(fmt.Sprintf("%s: %v", t.messageName(), err)) // a mistake in the table of messages
	}
	m, one := typ.New(), protoreflect.ValueOfBytes([]byte{1})
	fields := typ.Descriptor().Fields()
	for i := range fields.Len() {
		d := fields.Get(i)
		if !d.IsList() {
			m.Set(d, one)
			continue
		}
		count := max(parts[string(d.Name())], sizes[string(d.Name())])
		if d.Name() == "de_commitment" {
			count = t.opened()
		}
		list := m.Mutable(d).List()
		for range count {
			list.Append(one)
		}
	}
	wire, err := anypb.New(m.Interface())
	if err != nil {
		panic(err)
	}
	body, err := proto.Marshal(wire)
	if err != nil {
		panic(err)
	}
	return body
}

// incomplete is blank without its first field.
func (t *target) incomplete() []byte {
	return changeMessage(t.blank(), func(m protoreflect.Message) { m.Clear(m.Descriptor().Fields().Get(0)) })
}
