package protocoltest_test

import (
	"bytes"
	"hash/fnv"
	"math/big"
	"math/rand/v2"
	"slices"

	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/protocoltest"
)

// class is how a session ends at the honest members.
type class string

const (
	completes    class = "C" // all have the same result
	deadline     class = "D" // at the deadline, blaming nobody
	named        class = "N" // whoever got the bad message names its author, and the others hear of it
	aborted      class = "A" // the author gave up, and nobody is blamed
	unattributed class = "U" // it fails and nobody can be blamed
	overOrNamed  class = "O" // named by those that were not done yet
	partly       class = "P" // named by some of those that got the bad message; others cannot tell
	later        class = "L" // named, or held by all: then what comes of it shows in the signing that uses it up
)

// attack is one variant of a mutation.
type attack struct {
	name   string
	expect class
	random bool // all messages come in random order
	// exception is the entry of the list that the expectation comes from, if it is not the mutation's.
	exception *revision
	// counted: every receiver drops and counts something.
	counted bool
	// waits: not only for the author, at the deadline.
	waits bool
	// opens: the bad value shows only when a later message opens it.
	opens bool
	// atOnce: it is judged by the message alone, when that arrives.
	atOnce bool
	// held: what is sent early is looked at when its round is over.
	held bool
	// equivocates: what is wrong may show only by what comes later, which mallory marks.
	equivocates bool
	// then is what comes of the signing of what all hold after a presigning.
	then class
	// proven: the blame comes with a proof for anybody.
	proven bool
	// first: where several attacks happen together, that of the highest number goes first.
	first int
	// tamper sees what mallory sends to one member, and answers with what arrives. Nil:
	// everything arrives.
	tamper func(m *mallory, p protocoltest.Parcel, e *protocol.Envelope) []protocoltest.Parcel
	// contribution changes what mallory itself contributes to the chain code.
	contribution func([]byte) []byte
	// hears changes what mallory's own session is told by others.
	hears func(m *mallory, e *protocol.Envelope) []byte
	// overhears sees what others send to mallory, and may add to it.
	overhears func(m *mallory, e *protocol.Envelope) []protocoltest.Parcel
}

// timed: what is wrong shows at once, or by a message that is marked as showing it.
func (a *attack) timed() bool { return !a.opens && !a.held }

// mallory is the malicious member. It knows its own key, and no other.
type mallory struct {
	*protocoltest.Identity
	target *target
	spec   *protocol.Spec
	honest []protocol.PeerID
	attack *attack
	seed   uint64

	fired  bool // the attack has happened
	same   bool // the mutation changed nothing
	held   map[protocol.PeerID][]protocoltest.Parcel
	said   map[protocol.Slot][32]byte // the hashes of what its session believes was sent
	truth  map[protocol.Slot][32]byte // the same of what others sent, before mallory's session heard something else
	silent bool                       // it has given up
	copies map[protocol.PeerID]int
	told   map[protocol.PeerID]map[protocol.Slot][32]byte // hashes of what was sent to each first
	others map[protocol.PeerID][]byte                     // what they have sent of the target's type, to it or to all
	// overheard is the first round's message that an honest member has sent to it.
	overheard *protocol.Envelope
}

// victim is who is told something else than the others.
func (m *mallory) victim() protocol.PeerID { return m.honest[0] }

// Tamper is the script of the network.
func (m *mallory) Tamper(p protocoltest.Parcel) []protocoltest.Parcel {
	var e protocol.Envelope
	if err := protocol.Unmarshal(p.Data, &e); err != nil {
		panic(err) // sessions send envelopes
	}
	switch {
	case p.From != m.ID() && p.To != m.ID():
		p.Shows = m.attack.equivocates && m.betrays(p.To, &e)
		return []protocoltest.Parcel{p}
	case p.From != m.ID():
		var more []protocoltest.Parcel
		if m.attack.overhears != nil {
			more = m.attack.overhears(m, &e)
		}
		return append(more, m.reassured(p, &e))
	}
	m.remember(&e)
	if m.attack.hears != nil && e.Header.Type == protocol.TypeDigest { // it says what others have really sent
		e.Payload = rehash(e.Payload, m.truth)
		p = m.seal(p, e.Header, e.Payload)
	}
	if m.attack.tamper == nil {
		m.fired = true
		return []protocoltest.Parcel{p}
	}
	parcels := m.attack.tamper(m, p, &e)
	if m.attack.equivocates {
		for i := range parcels {
			m.tells(&parcels[i])
		}
	}
	return parcels
}

// remember keeps what mallory's session has sent, before it is tampered with, and what
// it hears otherwise than others do.
func (m *mallory) remember(e *protocol.Envelope) { note(&m.said, e) }

func note(hashes *map[protocol.Slot][32]byte, e *protocol.Envelope) {
	if *hashes == nil {
		*hashes = make(map[protocol.Slot][32]byte)
	}
	(*hashes)[said(e.Header.From, e.Header.Type, e.Header.Name)] = e.Header.Hash
}

func said(from protocol.PeerID, typ protocol.Type, name string) protocol.Slot {
	return protocol.Slot{From: from, Name: string(typ) + " " + name}
}

// reassured changes digests on their way to mallory, so that its session finds there
// what it has said and goes on: it believes every signature.
func (m *mallory) reassured(p protocoltest.Parcel, e *protocol.Envelope) protocoltest.Parcel {
	switch {
	case e.Header.Type == protocol.TypeDigest:
		e.Payload = rehash(e.Payload, m.said)
	case m.attack.hears != nil:
		note(&m.truth, e)
		e.Payload = m.attack.hears(m, e)
	default:
		return p
	}
	e.Header.Hash = protocol.PayloadHash(e.Payload)
	m.remember(e)
	var err error
	if p.Data, err = e.Encode(); err != nil {
		panic(err)
	}
	return p
}

// rehash puts other hashes into a digest.
func rehash(payload []byte, hashes map[protocol.Slot][32]byte) []byte {
	var d protocol.Digest
	if err := protocol.Unmarshal(payload, &d); err != nil {
		panic(err) // sessions send digests
	}
	for i := range d.Heard {
		h := &d.Heard[i]
		if hash, known := hashes[said(h.From, h.Type, h.Name)]; known {
			h.Hash = hash
		}
	}
	changed, err := protocol.Marshal(&d)
	if err != nil {
		panic(err)
	}
	return changed
}

// seal signs a message with mallory's key, whatever the header says.
func (m *mallory) seal(p protocoltest.Parcel, h protocol.Header, payload []byte) protocoltest.Parcel {
	from := h.From
	e := protocol.Seal(m, h, payload)
	if from != m.ID() {
		e.Header.From = from // the signature is over another header, by another key
	}
	data, err := protocol.Marshal(e)
	if err != nil {
		panic(err)
	}
	p.Data = data
	return p
}

// rng is the same for every copy of a message.
func (m *mallory) rng() *rand.Rand {
	return rand.New(rand.NewPCG(m.seed, 1)) // #nosec G404 -- a test that repeats
}

// on makes an attack on the target alone.
func on(f func(m *mallory, p protocoltest.Parcel, e *protocol.Envelope) []protocoltest.Parcel) func(*mallory, protocoltest.Parcel, *protocol.Envelope) []protocoltest.Parcel {
	return func(m *mallory, p protocoltest.Parcel, e *protocol.Envelope) []protocoltest.Parcel {
		if !m.target.is(&e.Header) {
			return []protocoltest.Parcel{p}
		}
		m.fired = true
		return f(m, p, e)
	}
}

// payload is a function that changes one.
type change func(m *mallory, payload []byte) []byte

// instead sends something else in place of every copy.
func instead(name string, expect class, c change) attack {
	return attack{name: name, expect: expect, tamper: on(func(m *mallory, p protocoltest.Parcel, e *protocol.Envelope) []protocoltest.Parcel {
		return []protocoltest.Parcel{m.bad(p, e, c)}
	})}
}

// bad is a parcel with another payload.
func (m *mallory) bad(p protocoltest.Parcel, e *protocol.Envelope, c change) protocoltest.Parcel {
	payload := c(m, slices.Clone(e.Payload))
	if bytes.Equal(payload, e.Payload) {
		m.same = true
	}
	p = m.seal(p, e.Header, payload)
	p.Bad = m.attack.expect != completes
	return p
}

// broken sends damaged bytes in place of the first copy: they are no envelope, and the
// member pulls another copy.
func broken(name string, damage func(data []byte) []byte) attack {
	return attack{name: name, expect: completes, counted: true, first: 1, tamper: on(func(_ *mallory, p protocoltest.Parcel, _ *protocol.Envelope) []protocoltest.Parcel {
		if !p.Pulled {
			p.Data = damage(bytes.Clone(p.Data))
		}
		return []protocoltest.Parcel{p}
	})}
}

// extra sends something else besides, before or after the message.
func extra(name string, make func(m *mallory, p protocoltest.Parcel, e *protocol.Envelope) protocoltest.Parcel) attack {
	return attack{name: name, expect: completes, tamper: on(func(m *mallory, p protocoltest.Parcel, e *protocol.Envelope) []protocoltest.Parcel {
		if p.Pulled {
			return []protocoltest.Parcel{p}
		}
		return []protocoltest.Parcel{make(m, p, e), p}
	})}
}

// flip flips a bit, of an empty value the first one.
func flip(m *mallory, b []byte) []byte {
	if len(b) == 0 {
		return []byte{1}
	}
	i := m.rng().IntN(8 * len(b))
	b[i/8] ^= 1 << (i % 8)
	return b
}

// flipped changes a bit of a message in a way that is still a message of its type.
func (t *target) flipped() change {
	switch t.typ {
	case protocol.TypeRound:
	case protocol.TypeDigest:
		return changeDigest(func(_ *mallory, d *protocol.Digest, i int) { d.Heard[i].Hash[0] ^= 1 })
	default:
		return flip
	}
	f := t.fields()[0]
	return func(m *mallory, payload []byte) []byte {
		return changeField(payload, f, m.seed, func(b []byte) []byte { return flipValue(m, b) })
	}
}

// flipValue flips a bit of a number so that it keeps its length: what is too long is
// another mutation.
func flipValue(m *mallory, b []byte) []byte {
	if len(b) < 2 {
		return flip(m, b)
	}
	return append(b[:1:1], flip(m, b[1:])...)
}

// plus adds to a number.
func plus(b []byte, v *big.Int) []byte { return new(big.Int).Add(new(big.Int).SetBytes(b), v).Bytes() }

// seedOf derives the seed of one run.
func seedOf(base uint64, label string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(label))
	return base ^ h.Sum64()
}
