package protocoltest_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/protocoltest"
)

// The judge sees what it is there to see: an honest session is doctored.
func TestJudge(t *testing.T) {
	key := keyFor(t, protocol.EdDSA, small)
	c := newCeremony(protocol.KindSign, protocol.EdDSA, small)
	for name, faked := range map[string]struct {
		doctor func(r *run, m *mallory, e *protocoltest.Ending)
		wrong  func(v *verdict) bool
	}{
		"a name that comes too late after a digest has shown who it was": {
			func(_ *run, m *mallory, e *protocoltest.Ending) {
				m.attack = &attack{expect: named, equivocates: true}
				e.Done, e.Err = nil, &protocol.Blame{Culprits: []protocol.PeerID{m.ID()}, Reason: protocol.ReasonContradiction, Err: errors.New("she did it")}
				e.Shown, e.Hops = true, maxHops+1
			},
			func(v *verdict) bool { return v.hops == maxHops+1 && len(v.problems) == 1 },
		},
		"nobody named, where the list of exceptions does not have it": {
			func(_ *run, m *mallory, e *protocoltest.Ending) {
				m.attack = &attack{expect: unattributed}
				e.Bad, e.Done, e.Err = true, nil, &protocol.Blame{Reason: protocol.ReasonUnattributed, Err: errors.New("somebody did it")}
			},
			func(v *verdict) bool { return len(v.problems) == 1 },
		},
		"nobody named, where the list has it": {
			func(_ *run, m *mallory, e *protocoltest.Ending) {
				m.attack = &attack{expect: unattributed, exception: &revision{expect: unattributed}}
				e.Bad, e.Done, e.Err = true, nil, &protocol.Blame{Reason: protocol.ReasonUnattributed, Err: errors.New("somebody did it")}
			},
			func(v *verdict) bool { return len(v.problems) == 0 },
		},
		"nothing": {func(*run, *mallory, *protocoltest.Ending) {}, func(v *verdict) bool { return len(v.problems) == 0 }},
		"a panic": {
			func(_ *run, _ *mallory, e *protocoltest.Ending) {
				e.Done, e.Err = nil, fmt.Errorf("%w: index out of range", protocoltest.ErrPanicked)
			},
			func(v *verdict) bool { return v.panics == 1 },
		},
		"a secret in public": {
			func(r *run, m *mallory, e *protocoltest.Ending) {
				e.Sent[0].Payload = append([]byte("oops"), secrets(t, r.key.shares[m.honest[0]])[0]...)
			},
			func(v *verdict) bool { return v.leaks == 1 },
		},
		"blame of an honest member": {
			func(r *run, m *mallory, e *protocoltest.Ending) {
				e.Done, e.Err = nil, &protocol.Blame{Culprits: m.honest[:1], Reason: protocol.ReasonValue, Err: errors.New("he did it")}
			},
			func(v *verdict) bool { return v.wrong == 1 },
		},
		"blame without a reason": {
			func(_ *run, m *mallory, e *protocoltest.Ending) {
				e.Done, e.Err = nil, &protocol.Blame{Culprits: []protocol.PeerID{m.ID()}, Err: errors.New("he did it")}
			},
			func(v *verdict) bool { return v.wrong == 0 && len(v.problems) > 0 },
		},
		"another share": {
			func(r *run, m *mallory, _ *protocoltest.Ending) { r.shares[m.honest[0]] = r.shares[m.ID()] },
			func(v *verdict) bool { return v.changed == 1 },
		},
		"a part of a signature after a bad message": {
			func(_ *run, _ *mallory, e *protocoltest.Ending) { e.Sent[len(e.Sent)-1].Late = true },
			func(v *verdict) bool { return v.finals == 1 },
		},
		"another signature": {
			func(_ *run, _ *mallory, e *protocoltest.Ending) { e.Done.Signature[5] ^= 1 },
			func(v *verdict) bool { return len(v.problems) > 0 },
		},
		"an end at the deadline": {
			func(_ *run, m *mallory, e *protocoltest.Ending) { e.Done, e.Err = nil, protocoltest.ErrDeadline },
			func(v *verdict) bool { return len(v.problems) > 0 },
		},
	} {
		r := &run{tb: t, ceremony: c, label: name, ids: protocoltest.Identities(2), key: key}
		m := &mallory{Identity: r.ids[1], target: c.targets[0], attack: &attack{expect: completes}, honest: []protocol.PeerID{r.ids[0].ID()}}
		played := r.play(m)
		faked.doctor(r, m, played.Endings[m.honest[0]])
		if v := r.judge(m, played); !faked.wrong(v) {
			t.Errorf("%s: %+v", name, v)
		}
	}
}
