package tss

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/meshmpc/mpcd/protocol"
)

// wantRefused checks that bob is blamed for a message that has this body.
func wantRefused(t *testing.T, s *sample, body []byte, what string) {
	t.Helper()
	_, _, err := s.machine().admit(s.message(body))
	if !errors.Is(err, ErrMessage) || !slices.Equal(protocol.Culprits(err), []protocol.PeerID{"bob"}) {
		t.Errorf("%s with %s: %v", s.t.url, what, err)
	}
}

// Every list of every type has the parts that it must have, not one more and not
// one less, and nothing is left out or empty.
func TestEveryFieldCounts(t *testing.T) {
	lists := 0
	for _, s := range allSamples(t) {
		fields := s.content.ProtoReflect().Descriptor().Fields()
		for i := range fields.Len() {
			d := fields.Get(i)
			change := func(what string, f func(protoreflect.Message)) {
				content := proto.Clone(s.content)
				f(content.ProtoReflect())
				wantRefused(t, s, marshalAny(t, content), fmt.Sprintf("%s in %s", what, d.Name()))
			}
			change("nothing", func(m protoreflect.Message) { m.Clear(d) })
			if !d.IsList() {
				change("33 bytes too many", func(m protoreflect.Message) {
					m.Set(d, protoreflect.ValueOfBytes(append(make([]byte, 33), m.Get(d).Bytes()...)))
				})
				continue
			}
			lists++
			n := s.content.ProtoReflect().Get(d).List().Len()
			change("a part too few", func(m protoreflect.Message) { m.Mutable(d).List().Truncate(n - 1) })
			change("a part too many", func(m protoreflect.Message) { l := m.Mutable(d).List(); l.Append(l.Get(n - 1)) })
			change("one part", func(m protoreflect.Message) { m.Mutable(d).List().Truncate(1) })
			for _, place := range []int{0, n / 2, n - 1} {
				change("an empty part", func(m protoreflect.Message) { m.Mutable(d).List().Set(place, protoreflect.ValueOfBytes(nil)) })
				change("a leading zero", func(m protoreflect.Message) {
					l := m.Mutable(d).List()
					l.Set(place, protoreflect.ValueOfBytes(append([]byte{0}, l.Get(place).Bytes()...)))
				})
			}
		}
	}
	if lists != 14 {
		t.Errorf("%d lists, want 14: the table has changed", lists)
	}
}

// The caps of sizes are those of the table, whatever is inside: an honest message
// is well below, and one byte more is refused before anything of it is read.
func TestSizeCaps(t *testing.T) {
	caps := map[string]int{"KGRound1Message": 160 << 10, "KGRound2Message2": 64 << 10}
	for _, s := range allSamples(t) {
		scheme, kind := s.split()
		want := 16 << 10
		switch {
		case kind == "signing":
			want = 8 << 10
		case scheme == "ecdsa" && caps[s.t.name] != 0:
			want = caps[s.t.name]
		}
		if s.t.limit != want || len(s.body) > want-want/16 {
			t.Errorf("%s: at most %d bytes, want %d; a good one has %d", s.t.url, s.t.limit, want, len(s.body))
		}
		_, _, err := s.machine().admit(s.message(make([]byte, want+1)))
		if err == nil || !errors.Is(err, ErrMessage) || !slices.Equal(protocol.Culprits(err), []protocol.PeerID{"bob"}) {
			t.Errorf("%s of %d bytes: %v", s.t.url, want+1, err)
		}
	}
}

// The rounds before which all members compare what they have heard are those that
// the security of the ceremonies rests on, and they have broadcasts only, which
// the gate of the session relies on.
func TestEchoes(t *testing.T) {
	for scheme, want := range map[protocol.Scheme][2][]int{
		protocol.ECDSA: {{1}, {3, 8}},
		protocol.EdDSA: {{1}, {2}},
	} {
		s, err := suiteOf(scheme)
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range []*ceremony{s.keygen, s.sign} {
			if !slices.Equal(c.echoes, want[i]) {
				t.Errorf("%s: echoes after %v, want %v", scheme, c.echoes, want[i])
			}
			for _, round := range c.echoes {
				if types := c.inRound(round); len(types) != 1 || types[0].direct {
					t.Errorf("%s: round %d is not one broadcast", scheme, round)
				}
			}
		}
	}
}
