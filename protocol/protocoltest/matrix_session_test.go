package protocoltest_test

import (
	"bytes"
	"slices"
	"strings"

	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/protocoltest"
)

// sessionValues change what a session's own message says: a contribution to the
// chain code, a digest, or a signature on the certificate.
func (t *target) sessionValues(m mutation) []attack {
	if t.typ == protocol.TypeDigest {
		return t.digestValues(m)
	}
	var all []attack
	whole := func(name string, c func(m *mallory, b []byte) []byte) { all = append(all, instead(name, named, c)) }
	switch m {
	case truncate:
		whole("half", func(_ *mallory, b []byte) []byte { return b[:len(b)/2] })
		whole("by a byte", func(_ *mallory, b []byte) []byte { return b[:len(b)-1] })
		whole("to nothing", func(*mallory, []byte) []byte { return nil })
		all = append(all, broken("envelope", func(data []byte) []byte { return data[:len(data)/2] }))
	case oversize:
		whole("by a byte", func(_ *mallory, b []byte) []byte { return append(b, 1) })
		whole("by 170 KiB", func(_ *mallory, b []byte) []byte { return append(b, make([]byte, 170<<10)...) })
		all = append(all, broken("envelope", func(data []byte) []byte { return append(data, make([]byte, protocol.MaxEnvelope)...) }))
	case zeroed:
		if t.typ == protocol.TypeReady {
			return []attack{contributes("all", func(b []byte) []byte { return make([]byte, len(b)) })}
		}
		whole("all", func(_ *mallory, b []byte) []byte { return make([]byte, len(b)) })
	case bitFlip:
		if t.typ == protocol.TypeConfirm {
			whole("payload", flip)
		} else {
			all = append(all, contributes("payload", func(b []byte) []byte { b[0] ^= 1; return b }))
		}
		all = append(all, broken("envelope", func(data []byte) []byte { data[len(data)/2] ^= 1; return data }))
	}
	return all
}

// contributes changes what is contributed to the chain code: every value is one, and an
// honest one among them makes the code unpredictable.
func contributes(name string, c func([]byte) []byte) attack {
	return attack{name: name, expect: completes, contribution: c}
}

// digestValues change an echo.
func (t *target) digestValues(m mutation) []attack {
	var all []attack
	whole := func(name string, c func(b []byte) []byte) {
		all = append(all, instead(name, named, func(_ *mallory, b []byte) []byte { return c(b) }))
	}
	heard := func(name string, c func(m *mallory, d *protocol.Digest, i int)) {
		all = append(all, instead(name, named, changeDigest(c)))
	}
	switch m {
	case truncate:
		whole("half", func(b []byte) []byte { return b[:len(b)/2] })
		whole("to nothing", func([]byte) []byte { return nil })
		heard("by an entry", func(_ *mallory, d *protocol.Digest, i int) { d.Heard = slices.Delete(d.Heard, i, i+1) })
		all = append(all, broken("envelope", func(data []byte) []byte { return data[:len(data)/2] }))
	case oversize:
		whole("by a byte", func(b []byte) []byte { return append(b, 0) })
		heard("by a copy of an entry", func(_ *mallory, d *protocol.Digest, i int) { d.Heard = slices.Insert(d.Heard, i, d.Heard[i]) })
		heard("by an unheard name", func(_ *mallory, d *protocol.Digest, i int) {
			more := d.Heard[i]
			more.Name += "x"
			d.Heard = slices.Insert(d.Heard, i+1, more)
		})
		heard("by 1000 entries", func(_ *mallory, d *protocol.Digest, i int) {
			for range 1000 {
				d.Heard = append(d.Heard, d.Heard[i])
			}
		})
		all = append(all, broken("envelope", func(data []byte) []byte { return append(data, make([]byte, protocol.MaxEnvelope)...) }))
	case zeroed:
		whole("all", func(b []byte) []byte { return make([]byte, len(b)) })
		heard("no entries", func(_ *mallory, d *protocol.Digest, _ int) { d.Heard = nil })
		heard("hash", func(_ *mallory, d *protocol.Digest, i int) { d.Heard[i].Hash = [32]byte{} })
	case bitFlip:
		heard("hash", func(m *mallory, d *protocol.Digest, i int) { d.Heard[i].Hash[m.rng().IntN(32)] ^= 4 })
		heard("sender", func(_ *mallory, d *protocol.Digest, i int) { d.Heard[i].From = strings.ToLower(d.Heard[i].From) })
		heard("name", func(_ *mallory, d *protocol.Digest, i int) { d.Heard[i].Name += "1" })
		heard("order", func(_ *mallory, d *protocol.Digest, _ int) { slices.Reverse(d.Heard) })
		heard("number", func(_ *mallory, d *protocol.Digest, i int) { d.Heard[i].Seq ^= 1 })
		heard("signature", func(_ *mallory, d *protocol.Digest, i int) {
			d.Heard[i].Signature = bytes.Clone(d.Heard[i].Signature)
			d.Heard[i].Signature[0] ^= 1
		})
		all = append(all, broken("envelope", func(data []byte) []byte { data[len(data)/2] ^= 1; return data }))
	}
	return all
}

// changeDigest changes one entry, chosen by the seed.
func changeDigest(c func(m *mallory, d *protocol.Digest, i int)) change {
	return func(m *mallory, payload []byte) []byte {
		var d protocol.Digest
		if err := protocol.Unmarshal(payload, &d); err != nil {
			panic(err) // sessions send digests
		}
		c(m, &d, m.rng().IntN(len(d.Heard)))
		b, err := protocol.Marshal(&d)
		if err != nil {
			panic(err)
		}
		return b
	}
}

// abortAttacks give up in the second round, with a message that is mutated, and say no
// more; or they say so in a way that must not count, and go on.
func (t *target) abortAttacks(m mutation) []attack {
	same := func(b []byte) []byte { return b }
	gives := func(name string, expect class, change func([]byte) []byte) attack {
		return givesUp(name, expect, change, abortOnce)
	}
	switch m {
	case drop:
		return []attack{
			givesUp("always", deadline, same, func(*mallory, protocoltest.Parcel, int) []protocoltest.Parcel { return nil }),
			givesUp("first copy", aborted, same, func(_ *mallory, p protocoltest.Parcel, copies int) []protocoltest.Parcel {
				if copies == 0 {
					return nil
				}
				return []protocoltest.Parcel{p}
			}),
		}
	case duplicate:
		return []attack{givesUp("at once", aborted, same, func(_ *mallory, p protocoltest.Parcel, _ int) []protocoltest.Parcel {
			return []protocoltest.Parcel{p, p}
		})}
	case overwrite:
		return []attack{givesUp("by another", aborted, same, func(m *mallory, p protocoltest.Parcel, _ int) []protocoltest.Parcel {
			return []protocoltest.Parcel{p, m.abort(p, []byte("another"), "")}
		})}
	case wrongFlag:
		return []attack{givesUp("for one alone", named, same, func(m *mallory, p protocoltest.Parcel, _ int) []protocoltest.Parcel {
			p.Direct, p.Bad = true, true // no member addresses an abort
			return []protocoltest.Parcel{m.abort(p, nil, p.To)}
		})}
	case truncate:
		return []attack{
			gives("half", aborted, func(b []byte) []byte { return b[:len(b)/2] }),
			gives("to nothing", aborted, func([]byte) []byte { return nil }),
		}
	case oversize:
		return []attack{
			gives("by a byte", aborted, func(b []byte) []byte { return append(b, 0) }),
			gives("reason of 100 KiB", aborted, func([]byte) []byte {
				return failure(protocol.Failure{Code: protocol.CodeProtocol, Detail: strings.Repeat("long ", 20<<10)})
			}),
		}
	case zeroed:
		return []attack{gives("all", aborted, func(b []byte) []byte { return make([]byte, len(b)) })}
	case bitFlip:
		return []attack{gives("payload", aborted, func(b []byte) []byte { b[len(b)/2] ^= 1; return b })}
	case wrongFrom, wrongSID:
		return t.abortForgeries(m)
	case equivocate:
		return []attack{
			givesUp("to one", deadline, same, func(m *mallory, p protocoltest.Parcel, _ int) []protocoltest.Parcel {
				if p.To != m.victim() {
					return nil
				}
				return []protocoltest.Parcel{p}
			}),
			givesUp("two reasons", aborted, same, func(m *mallory, p protocoltest.Parcel, _ int) []protocoltest.Parcel {
				if p.To == m.victim() {
					p = m.abort(p, []byte("another"), "")
				}
				return []protocoltest.Parcel{p}
			}),
		}
	case reorder:
		return []attack{givesUp("late", aborted, same, func(_ *mallory, p protocoltest.Parcel, _ int) []protocoltest.Parcel {
			p.Late = true
			return []protocoltest.Parcel{p}
		})}
	}
	return nil
}
