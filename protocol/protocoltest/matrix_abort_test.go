package protocoltest_test

import (
	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/protocoltest"
)

// deliver says what becomes of an abort for one receiver; copies counts those before.
type deliver func(m *mallory, p protocoltest.Parcel, copies int) []protocoltest.Parcel

func abortOnce(_ *mallory, p protocoltest.Parcel, _ int) []protocoltest.Parcel {
	return []protocoltest.Parcel{p}
}

// givesUp sends an abort in place of what mallory says from the second round on.
func givesUp(name string, expect class, change func([]byte) []byte, send deliver) attack {
	return attack{name: name, expect: expect, tamper: func(m *mallory, p protocoltest.Parcel, e *protocol.Envelope) []protocoltest.Parcel {
		if !m.silent && !m.secondRound(e) {
			return []protocoltest.Parcel{p}
		}
		m.silent, m.fired = true, true
		copies := m.copies[p.To]
		if copies > 0 && !p.Pulled {
			return nil
		}
		if m.copies == nil {
			m.copies = make(map[protocol.PeerID]int)
		}
		m.copies[p.To]++
		payload := failure(protocol.Failure{Code: protocol.CodeCancelled, Detail: "mallory has had enough"})
		p.Direct = p.Pulled
		return send(m, m.abort(p, change(payload), ""), copies)
	}}
}

func (m *mallory) secondRound(e *protocol.Envelope) bool {
	return e.Header.Type == protocol.TypeRound && e.Header.Round == m.target.in.targets[0].round+1
}

func failure(f protocol.Failure) []byte {
	b, err := protocol.Marshal(f)
	if err != nil {
		panic(err)
	}
	return b
}

// abort is a parcel with an abort of mallory.
func (m *mallory) abort(p protocoltest.Parcel, payload []byte, to protocol.PeerID) protocoltest.Parcel {
	h := protocol.Header{SID: m.spec.SID(), From: m.ID(), Type: protocol.TypeAbort, Seq: 1000, To: to}
	return m.seal(p, h, payload)
}

// abortForgeries go on with the session. Only an abort of mallory's own, for this
// attempt, ends it; and it may say what it likes of others.
func (t *target) abortForgeries(m mutation) []attack {
	besides := func(name string, change func(m *mallory, p protocoltest.Parcel, h *protocol.Header)) attack {
		a := attack{name: name, expect: completes, counted: true}
		a.tamper = func(m *mallory, p protocoltest.Parcel, e *protocol.Envelope) []protocoltest.Parcel {
			if !m.secondRound(e) || p.Pulled {
				return []protocoltest.Parcel{p}
			}
			m.fired = true
			h := protocol.Header{SID: m.spec.SID(), From: m.ID(), Type: protocol.TypeAbort, Seq: 1000}
			change(m, p, &h)
			forged := p
			forged.Direct = false
			return []protocoltest.Parcel{m.seal(forged, h, failure(protocol.Failure{Code: protocol.CodeCancelled})), p}
		}
		return a
	}
	if m == wrongSID {
		return []attack{
			besides("next attempt", func(m *mallory, _ protocoltest.Parcel, h *protocol.Header) {
				next := *m.spec
				next.Attempt++
				h.SID = next.SID()
			}),
			besides("none", func(_ *mallory, _ protocoltest.Parcel, h *protocol.Header) { h.SID = protocol.SID{} }),
		}
	}
	all := []attack{
		besides("of the receiver", func(_ *mallory, p protocoltest.Parcel, h *protocol.Header) { h.From = p.To }),
		besides("of nobody", func(_ *mallory, _ protocoltest.Parcel, h *protocol.Header) { h.From = outsider.ID() }),
	}
	if t.in.members() > 2 {
		all = append(all, besides("of another", func(m *mallory, p protocoltest.Parcel, h *protocol.Header) {
			h.From = m.honest[0]
			if p.To == h.From {
				h.From = m.honest[1]
			}
		}))
	}
	frame := func(name string, evidence func(m *mallory, e *protocol.Envelope) *protocol.Evidence) attack {
		a := attack{name: name, expect: aborted, overhears: func(m *mallory, e *protocol.Envelope) []protocoltest.Parcel {
			if m.overheard == nil && e.Header.Type == protocol.TypeRound {
				m.overheard = e
			}
			return nil
		}}
		a.tamper = func(m *mallory, p protocoltest.Parcel, e *protocol.Envelope) []protocoltest.Parcel {
			if !m.silent && !m.secondRound(e) {
				return []protocoltest.Parcel{p}
			}
			m.silent, m.fired = true, true
			return []protocoltest.Parcel{m.abort(p, failure(protocol.Failure{
				Code: protocol.CodeProtocol, Detail: "it was somebody else", Culprits: m.honest,
				Reason: protocol.ReasonContradiction, Evidence: evidence(m, m.overheard),
			}), "")}
		}
		return a
	}
	return append(all,
		frame("frames an honest member", func(*mallory, *protocol.Envelope) *protocol.Evidence { return nil }),
		frame("with one message twice", func(m *mallory, e *protocol.Envelope) *protocol.Evidence {
			x := protocol.Exhibit{Header: e.Header, Signature: e.Signature}
			return m.framing(e, x, x)
		}),
		frame("with a forged message", func(m *mallory, e *protocol.Envelope) *protocol.Evidence {
			x := protocol.Exhibit{Header: e.Header, Signature: e.Signature}
			forged := x
			forged.Header.Hash[0] ^= 1
			forged.Signature = protocol.Seal(m, forged.Header, nil).Signature
			return m.framing(e, x, forged)
		}),
	)
}

// framing is evidence against the author of an envelope.
func (m *mallory) framing(e *protocol.Envelope, x ...protocol.Exhibit) *protocol.Evidence {
	return &protocol.Evidence{
		Version: protocol.EvidenceVersion, Reason: protocol.ReasonContradiction, Culprit: e.Header.From, By: m.ID(),
		Detail: "two messages", SID: m.spec.SID(), Exhibits: x,
	}
}
