package protocoltest_test

import (
	"math/big"

	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/protocoltest"
)

// rush lets mallory wait for what the others say in the same round, and then speak.
// Of a direct message it waits for the receiver's own.
func (t *target) rush(name string, expect class, c func(m *mallory, own []byte, others map[protocol.PeerID][]byte, to protocol.PeerID) []byte) attack {
	release := func(m *mallory) []protocoltest.Parcel {
		var free []protocoltest.Parcel
		for to, held := range m.held {
			if !m.knows(t, to) {
				continue
			}
			delete(m.held, to)
			m.fired = true
			for _, p := range held {
				var e protocol.Envelope
				if err := protocol.Unmarshal(p.Data, &e); err != nil {
					panic(err) // sessions send envelopes
				}
				free = append(free, m.bad(p, &e, func(_ *mallory, own []byte) []byte { return c(m, own, m.others, to) }))
			}
		}
		return free
	}
	return attack{
		name: name, expect: expect,
		tamper: func(m *mallory, p protocoltest.Parcel, e *protocol.Envelope) []protocoltest.Parcel {
			if !t.is(&e.Header) {
				return []protocoltest.Parcel{p}
			}
			m.hold(p.To, p)
			return release(m)
		},
		overhears: func(m *mallory, e *protocol.Envelope) []protocoltest.Parcel {
			if !t.is(&e.Header) {
				return nil
			}
			if m.others == nil {
				m.others = make(map[protocol.PeerID][]byte)
			}
			m.others[e.Header.From] = e.Payload
			return release(m)
		},
	}
}

// knows tells whether mallory has heard what it waits for before it speaks to a member.
func (m *mallory) knows(t *target, to protocol.PeerID) bool {
	if t.direct {
		return m.others[to] != nil
	}
	return len(m.others) == len(m.honest)
}

// copies send as mallory's own what an honest member has sent: to all, or to mallory.
func (t *target) copies() []attack {
	a := t.rush("another's as its own", named, func(m *mallory, _ []byte, others map[protocol.PeerID][]byte, to protocol.PeerID) []byte {
		if t.direct {
			return others[to]
		}
		return others[m.honest[0]]
	})
	a.opens = t.name == "SignRound3Message"
	for _, commitment := range commitments {
		a.opens = a.opens || t.name == commitment
	}
	return []attack{a}
}

// cancels makes the sum of all θ zero.
func (t *target) cancels() attack {
	return t.rush("sum", named, func(_ *mallory, own []byte, others map[protocol.PeerID][]byte, _ protocol.PeerID) []byte {
		q := orders[t.in.scheme]
		sum := new(big.Int)
		for _, body := range others {
			sum.Add(sum, new(big.Int).SetBytes(bytesOf(body, "theta")))
		}
		sum.Mod(sum.Neg(sum), q)
		return changeField(own, field{name: "theta", index: -1}, 0, func([]byte) []byte { return sum.Bytes() })
	})
}

// shifts adds one to θ, and to what mallory's own machine hears of one other: so it
// computes the same wrong R as all others, and its proofs about R hold.
func (t *target) shifts() attack {
	more := func(m *mallory, body []byte) []byte {
		q := orders[t.in.scheme]
		return changeField(body, field{name: "theta", index: -1}, 0, func(b []byte) []byte {
			sum := new(big.Int).SetBytes(plus(b, big.NewInt(1)))
			return sum.Mod(sum, q).Bytes()
		})
	}
	a := instead("for all", named, more)
	a.hears = func(m *mallory, e *protocol.Envelope) []byte {
		if t.is(&e.Header) && e.Header.From == m.victim() {
			return more(m, e.Payload)
		}
		return e.Payload
	}
	return a
}

// bytesOf reads a field.
func bytesOf(body []byte, name string) []byte {
	var found []byte
	changeField(body, field{name: name, index: -1}, 0, func(b []byte) []byte {
		found = b
		return b
	})
	return found
}
