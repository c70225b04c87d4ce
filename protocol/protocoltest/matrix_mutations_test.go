package protocoltest_test

import (
	"bytes"
	"math/big"
	"slices"

	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/protocoltest"
)

// attacks are the variants of a mutation on a target, with what is to come of them.
func (t *target) attacks(m mutation) []attack {
	var all []attack
	switch {
	case t.typ == protocol.TypeAbort:
		all = t.abortAttacks(m)
	case m == drop:
		all = t.drops()
	case m == duplicate:
		all = duplicates()
	case m == overwrite:
		all = t.overwrites()
	case m == wrongFlag:
		all = t.wrongFlags()
	case m == wrongFrom:
		all = t.forgeries()
	case m == wrongSID:
		all = wrongSessions()
	case m == equivocate:
		all = t.equivocations()
	case m == reorder:
		all = reorders()
	case m == early:
		all = t.early()
	case t.typ == protocol.TypeRound:
		all = t.values(m)
	default:
		all = t.sessionValues(m)
	}
	for i := range all {
		t.revise(m, &all[i])
		if t.in.kind == protocol.KindPresign {
			t.postpone(m, &all[i])
		}
	}
	return all
}

// postpone says what of a presigning shows only in the signing that uses its result up:
// openings of round 4, and a θ that all have heard alike.
func (t *target) postpone(m mutation, a *attack) {
	switch {
	case a.expect == named && (a.opens || t.last && m == overwrite && a.name == "after another" && t.typ == protocol.TypeRound):
		a.expect, a.then, a.opens = later, named, true
	case a.expect == unattributed && a.exception.why == whyTheta:
		a.expect, a.then = completes, unattributed
	}
}

func (t *target) drops() []attack {
	none := func(*mallory, protocoltest.Parcel, *protocol.Envelope) []protocoltest.Parcel { return nil }
	all := []attack{
		{name: "always", expect: deadline, tamper: on(none)},
		{name: "first copy", expect: completes, tamper: on(func(_ *mallory, p protocoltest.Parcel, _ *protocol.Envelope) []protocoltest.Parcel {
			if p.Pulled {
				return []protocoltest.Parcel{p}
			}
			return nil
		})},
	}
	if !t.direct && t.in.members() > 2 {
		all = append(all, attack{name: "for one", expect: deadline, waits: true, tamper: on(toVictim(none))})
	}
	return all
}

// toVictim attacks one receiver only.
func toVictim(f func(*mallory, protocoltest.Parcel, *protocol.Envelope) []protocoltest.Parcel) func(*mallory, protocoltest.Parcel, *protocol.Envelope) []protocoltest.Parcel {
	return func(m *mallory, p protocoltest.Parcel, e *protocol.Envelope) []protocoltest.Parcel {
		if p.To != m.victim() {
			return []protocoltest.Parcel{p}
		}
		return f(m, p, e)
	}
}

func duplicates() []attack {
	return []attack{
		extra("at once", func(_ *mallory, p protocoltest.Parcel, _ *protocol.Envelope) protocoltest.Parcel { return p }),
		extra("late", func(_ *mallory, p protocoltest.Parcel, _ *protocol.Envelope) protocoltest.Parcel {
			p.Late = true
			return p
		}),
		extra("by the other way", func(_ *mallory, p protocoltest.Parcel, _ *protocol.Envelope) protocoltest.Parcel {
			p.Direct = !p.Direct
			return p
		}),
		extra("under another number", func(m *mallory, p protocoltest.Parcel, e *protocol.Envelope) protocoltest.Parcel {
			h := e.Header
			h.Seq += 1000
			return m.seal(p, h, e.Payload)
		}),
	}
}

// overwrites send two different messages for one slot. After the last one of the session
// a receiver is done, and drops the second.
func (t *target) overwrites() []attack {
	expect := named
	if t.last {
		expect = overOrNamed
	}
	first := attack{name: "by another", expect: expect, proven: true, tamper: on(func(m *mallory, p protocoltest.Parcel, e *protocol.Envelope) []protocoltest.Parcel {
		second := p
		second.Late = false
		return []protocoltest.Parcel{p, m.bad(second, e, t.flipped())}
	})}
	other := attack{name: "after another", expect: named, tamper: on(func(m *mallory, p protocoltest.Parcel, e *protocol.Envelope) []protocoltest.Parcel {
		return []protocoltest.Parcel{m.bad(p, e, t.flipped()), p}
	})}
	all := []attack{first, other}
	if !t.last {
		all = append(all, attack{name: "after the next", expect: named, proven: true, tamper: t.afterNext})
	}
	return all
}

// afterNext sends another message for the slot together with the next one to the same
// receiver: when the answers to the first are known.
func (t *target) afterNext(m *mallory, p protocoltest.Parcel, e *protocol.Envelope) []protocoltest.Parcel {
	switch {
	case p.Pulled:
		return []protocoltest.Parcel{p}
	case t.is(&e.Header):
		m.hold(p.To, m.bad(p, e, t.flipped()))
		return []protocoltest.Parcel{p}
	}
	held := m.held[p.To]
	delete(m.held, p.To)
	m.fired = m.fired || len(held) > 0
	return append(held, p)
}

func (m *mallory) hold(to protocol.PeerID, p protocoltest.Parcel) {
	if m.held == nil {
		m.held = make(map[protocol.PeerID][]protocoltest.Parcel)
	}
	m.held[to] = append(m.held[to], p)
}

// wrongFlags send by the wrong way: a broadcast to one alone, or a message for one to all.
func (t *target) wrongFlags() []attack {
	if t.direct {
		return []attack{
			{name: "for everyone", expect: named, tamper: on(func(m *mallory, p protocoltest.Parcel, e *protocol.Envelope) []protocoltest.Parcel {
				h := e.Header
				h.To = ""
				p = m.seal(p, h, e.Payload)
				p.Direct, p.Bad = false, true
				return []protocoltest.Parcel{p}
			})},
			{name: "over the topic", expect: completes, counted: true, tamper: on(func(_ *mallory, p protocoltest.Parcel, _ *protocol.Envelope) []protocoltest.Parcel {
				p.Direct = p.Pulled
				return []protocoltest.Parcel{p}
			})},
		}
	}
	alone := on(func(m *mallory, p protocoltest.Parcel, e *protocol.Envelope) []protocoltest.Parcel {
		h := e.Header
		h.To = p.To
		p = m.seal(p, h, e.Payload)
		p.Direct, p.Bad = true, true
		return []protocoltest.Parcel{p}
	})
	all := []attack{
		{name: "for one alone", expect: named, tamper: alone},
		{name: "over a stream", expect: completes, tamper: on(func(_ *mallory, p protocoltest.Parcel, _ *protocol.Envelope) []protocoltest.Parcel {
			p.Direct = true
			return []protocoltest.Parcel{p}
		})},
	}
	if t.typ != protocol.TypeRound {
		return all
	}
	all = append(all, t.misplaced()...)
	if t.in.members() > 2 {
		all = append(all, attack{name: "for one alone, properly for the others", expect: named, tamper: toVictim(alone)})
	}
	return all
}

// misplaced send what the ceremony does not have at this place, to all and to one: before
// the digests, where an honest member could be taken for a liar.
func (t *target) misplaced() []attack {
	with := func(name string, besides bool, change func(h *protocol.Header)) attack {
		return attack{name: name, expect: named, tamper: on(func(m *mallory, p protocoltest.Parcel, e *protocol.Envelope) []protocoltest.Parcel {
			if p.Pulled && besides {
				return []protocoltest.Parcel{p}
			}
			h := e.Header
			change(&h)
			wrong := m.seal(p, h, e.Payload)
			wrong.Bad = true
			if besides {
				return []protocoltest.Parcel{wrong, p}
			}
			return []protocoltest.Parcel{wrong}
		})}
	}
	all := []attack{with("with an unknown name besides", true, func(h *protocol.Header) { h.Name = "Invented" })}
	if t.round > 1 { // in a bound signing, also of a round that its presigning had
		all = append(all, with("of the round before", false, func(h *protocol.Header) { h.Round-- }))
	}
	if t.round < t.in.lastRound().round {
		all = append(all, with("of the round after", false, func(h *protocol.Header) { h.Round++ }))
	}
	if t.in.members() > 2 {
		for _, a := range slices.Clone(all) {
			all = append(all, attack{name: a.name + ", to one", expect: named, tamper: toVictim(a.tamper)})
		}
	}
	return all
}

// outsider is in no roster.
var outsider = protocoltest.NewIdentity("outsider")

// forgeries come in the name of somebody else; the true message follows. A forgery must
// not end the session: anyone could frame a member.
func (t *target) forgeries() []attack {
	as := func(name string, from func(*mallory, protocoltest.Parcel) protocol.PeerID) attack {
		a := extra(name, func(m *mallory, p protocoltest.Parcel, e *protocol.Envelope) protocoltest.Parcel {
			h := e.Header
			h.From = from(m, p)
			return m.seal(p, h, t.flipped()(m, slices.Clone(e.Payload)))
		})
		a.counted = true
		return a
	}
	all := []attack{
		as("of the receiver", func(_ *mallory, p protocoltest.Parcel) protocol.PeerID { return p.To }),
		as("of nobody", func(*mallory, protocoltest.Parcel) protocol.PeerID { return outsider.ID() }),
	}
	if t.in.members() > 2 {
		all = append(all, as("of another", func(m *mallory, p protocoltest.Parcel) protocol.PeerID {
			i := slices.IndexFunc(m.honest, func(h protocol.PeerID) bool { return h != p.To })
			return m.honest[i]
		}))
	}
	own := extra("by an outsider", func(_ *mallory, p protocoltest.Parcel, e *protocol.Envelope) protocoltest.Parcel {
		data, err := protocol.Marshal(protocol.Seal(outsider, e.Header, e.Payload))
		if err != nil {
			panic(err)
		}
		p.Data = data
		return p
	})
	own.counted = true
	all = append(all, own)
	if t.typ == protocol.TypeRound {
		all = append(all, t.copies()...)
	}
	return all
}

func wrongSessions() []attack {
	in := func(name string, sid func(*mallory) protocol.SID) attack {
		a := extra(name, func(m *mallory, p protocoltest.Parcel, e *protocol.Envelope) protocoltest.Parcel {
			h := e.Header
			h.SID = sid(m)
			return m.seal(p, h, e.Payload)
		})
		a.counted = true
		return a
	}
	return []attack{
		in("next attempt", func(m *mallory) protocol.SID {
			next := *m.spec
			next.Attempt++
			return next.SID()
		}),
		in("none", func(*mallory) protocol.SID { return protocol.SID{} }),
	}
}

// equivocations tell one member something else than the others. Only broadcasts with
// several receivers get here.
func (t *target) equivocations() []attack {
	// What is plausible until the digests come is found by them, which proves it.
	plausible := t.typ == protocol.TypeReady || t.name == "KGRound1Message" ||
		t.in.scheme == protocol.ECDSA && (t.name == "SignRound1Message2" || t.name == "SignRound3Message")
	return []attack{{name: "to one", expect: named, proven: plausible, equivocates: true, tamper: on(toVictim(func(m *mallory, p protocoltest.Parcel, e *protocol.Envelope) []protocoltest.Parcel {
		return []protocoltest.Parcel{m.bad(p, e, t.flipped())}
	}))}}
}

func reorders() []attack {
	return []attack{
		{name: "late", expect: completes, tamper: on(func(_ *mallory, p protocoltest.Parcel, _ *protocol.Envelope) []protocoltest.Parcel {
			p.Late = true
			return []protocoltest.Parcel{p}
		})},
		{name: "after the next", expect: completes, tamper: func(m *mallory, p protocoltest.Parcel, e *protocol.Envelope) []protocoltest.Parcel {
			if p.Pulled {
				return []protocoltest.Parcel{p}
			}
			if m.target.is(&e.Header) {
				m.fired = true
				m.hold(p.To, p)
				return nil
			}
			held := m.held[p.To]
			delete(m.held, p.To)
			return append([]protocoltest.Parcel{p}, held...)
		}},
		{name: "at random", expect: completes, random: true},
	}
}

// values change what a round's message says.
func (t *target) values(m mutation) []attack {
	var all []attack
	whole := func(name string, c func([]byte) []byte) {
		all = append(all, instead(name, named, func(_ *mallory, b []byte) []byte { return c(b) }))
	}
	each := func(name string, fields []field, c func(m *mallory, b []byte) []byte) {
		for _, f := range fields {
			a := instead(f.String()+" "+name, named, func(m *mallory, body []byte) []byte {
				return changeField(body, f, m.seed, func(b []byte) []byte { return c(m, b) })
			})
			a.opens = f.commits() || f.name == "paillier_n" || f.name == "theta"
			all = append(all, a)
		}
	}
	set := func(v []byte) func(*mallory, []byte) []byte { return func(*mallory, []byte) []byte { return v } }
	q := orders[t.in.scheme]
	switch m {
	case truncate:
		whole("half", func(b []byte) []byte { return b[:len(b)/2] })
		whole("by a byte", func(b []byte) []byte { return b[:len(b)-1] })
		whole("to nothing", func([]byte) []byte { return nil })
		each("by a byte", t.fields(), func(_ *mallory, b []byte) []byte { return b[:max(len(b), 1)-1] })
		all = append(all, t.lists("shorter", -1)...)
		all = append(all, broken("envelope", func(data []byte) []byte { return data[:len(data)/2] }))
	case oversize:
		// More than any message may have, and less than an envelope: that would be nobody's.
		whole("to 170 KiB", func(b []byte) []byte { return append(b, make([]byte, 170<<10-len(b))...) })
		whole("by a field", func(b []byte) []byte { return append(b, 0xfa, 0x07, 1, 'x') }) // field 127, length 1
		each("with a leading zero", t.fields(), func(_ *mallory, b []byte) []byte { return append([]byte{0}, b...) })
		each("by 1 KiB", t.fields(), func(_ *mallory, b []byte) []byte { return append(b, make([]byte, 1<<10)...) })
		all = append(all, t.lists("longer", 1)...)
		all = append(all, broken("envelope", func(data []byte) []byte { return append(data, make([]byte, protocol.MaxEnvelope)...) }))
	case zeroed:
		whole("all", func(b []byte) []byte { return make([]byte, len(b)) })
		each("empty", t.fields(), set(nil))
		each("zero", t.fields(), set([]byte{0}))
		each("zeros", t.fields(), func(_ *mallory, b []byte) []byte { return make([]byte, len(b)) })
		if t.name == "SignRound3Message" && t.in.scheme == protocol.ECDSA {
			all = append(all, t.cancels())
		}
	case multiple:
		each("q", t.fieldsOf(scalar), set(q.Bytes()))
		each("2q", t.fieldsOf(scalar), set(new(big.Int).Lsh(q, 1).Bytes()))
		each("more by q", t.fieldsOf(scalar), func(_ *mallory, b []byte) []byte { return plus(b, q) })
	case offCurve:
		each("5", t.fieldsOf(coordinate), set([]byte{5}))
		each("2^256-1", t.fieldsOf(coordinate), set(bytes.Repeat([]byte{0xff}, 32)))
		all = append(all, t.committed()...)
	case bitFlip:
		each("", t.fields(), flipValue)
		if t.name == "SignRound3Message" && t.in.scheme == protocol.ECDSA {
			all = append(all, t.shifts())
		}
		whole("type", func(b []byte) []byte { b[20] ^= 1; return b })
		all = append(all, broken("envelope", func(data []byte) []byte { data[len(data)/2] ^= 1; return data }))
	}
	return all
}

// lists makes each list of a message longer or shorter by an element.
func (t *target) lists(name string, by int) []attack {
	var all []attack
	seen := map[string]bool{}
	for _, f := range t.fields() {
		if f.index == -1 || seen[f.name] {
			continue
		}
		seen[f.name] = true
		all = append(all, instead(f.name+" "+name, named, func(_ *mallory, body []byte) []byte { return changeList(body, f.name, by) }))
	}
	return all
}

// commitments are the messages that commit to what others open.
var commitments = map[string]string{
	"KGRound2Message2": "KGRound1Message", "SignRound2Message": "SignRound1Message",
	"SignRound4Message": "SignRound1Message2", "SignRound6Message": "SignRound5Message", "SignRound8Message": "SignRound7Message",
}

// committed opens a commitment to points off the curve: only the opening is bad.
func (t *target) committed() []attack {
	commitment := commitments[t.name]
	if commitment == "" || t.fields()[0].name != "de_commitment" || t.in.bound && t.round == 4 { // which was committed to in the presigning
		return nil
	}
	values := func(m *mallory) [][]byte {
		random := make([]byte, 32)
		rng := m.rng()
		for i := range random {
			random[i] = byte(rng.IntN(255) + 1)
		}
		list := [][]byte{random}
		for i := 1; i < t.opened(); i++ {
			list = append(list, []byte{byte(i)})
		}
		return list
	}
	open := instead("committed to", named, func(m *mallory, body []byte) []byte { return setList(body, "de_commitment", values(m)) })
	commit := &target{in: t.in, typ: t.typ, name: commitment}
	return []attack{{name: open.name, expect: named, tamper: func(m *mallory, p protocoltest.Parcel, e *protocol.Envelope) []protocoltest.Parcel {
		if !commit.is(&e.Header) {
			return open.tamper(m, p, e)
		}
		p = m.seal(p, e.Header, changeField(e.Payload, field{name: "commitment", index: -1}, 0, func([]byte) []byte { return commitTo(values(m)) }))
		return []protocoltest.Parcel{p}
	}}}
}
