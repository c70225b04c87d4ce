package tss

import (
	"errors"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/meshmpc/mpcd/protocol"
)

// wantJudged checks what a machine says to a message of bob: it is admitted, or
// bob's fault. Anything else is a mistake of ours, a panic first of all.
func wantJudged(t *testing.T, s *sample, body []byte) {
	t.Helper()
	_, _, err := s.machine().admit(s.message(body))
	if err == nil {
		return
	}
	if !errors.Is(err, ErrMessage) || !slices.Equal(protocol.Culprits(err), []protocol.PeerID{"bob"}) {
		t.Errorf("%s: %v", s.t.url, err)
	}
}

// FuzzGuard changes the bytes of messages. Every type has a seed, the long ones of an ECDSA
// keygen too; how their numbers are changed one by one is FuzzGuardField's part.
func FuzzGuard(f *testing.F) {
	all := allSamples(f)
	for i, s := range all {
		f.Add(uint8(i), s.body)
	}
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		wantJudged(t, all[int(which)%len(all)], body)
	})
}

// FuzzGuardField replaces one field, or one part of a proof, of a good message, and
// may cut the list that it is in or make it longer.
func FuzzGuardField(f *testing.F) {
	all := allSamples(f)
	q := all[0].machine().runner.guard.(*ecdsaKeygenGuard).ranges.q.Bytes()
	for i, s := range all {
		// A few: until all seeds have been run, the fuzzer does nothing else.
		n := places(s.content)
		for _, place := range slices.Compact([]int{0, n / 2, n - 1}) {
			f.Add(uint8(i), uint16(place), int8(0), []byte{})
			f.Add(uint8(i), uint16(place), int8(1), []byte{0})
			f.Add(uint8(i), uint16(place), int8(-1), []byte{1})
			f.Add(uint8(i), uint16(place), int8(0), q)
			f.Add(uint8(i), uint16(place), int8(0), slices.Repeat([]byte{0xff}, 256))
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, place uint16, longer int8, value []byte) {
		s := all[int(which)%len(all)]
		content := proto.Clone(s.content)
		replace(content, int(place)%places(content), int(longer), value)
		wantJudged(t, s, marshalAny(t, content))
	})
}

// eachField calls f with every field of a message of the library: they are bytes,
// or lists of bytes.
func eachField(m proto.Message, f func(protoreflect.FieldDescriptor, int)) {
	fields := m.ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		d := fields.Get(i)
		n := 1
		if d.IsList() {
			n = m.ProtoReflect().Get(d).List().Len()
		}
		f(d, n)
	}
}

// places counts fields and parts.
func places(m proto.Message) (n int) {
	eachField(m, func(_ protoreflect.FieldDescriptor, size int) { n += size })
	return n
}

// replace sets one place. A list is cut at it if longer is negative, and gets so
// many more of the value if it is positive.
func replace(m proto.Message, place, longer int, value []byte) {
	eachField(m, func(d protoreflect.FieldDescriptor, size int) {
		defer func() { place -= size }()
		if place < 0 || place >= size {
			return
		}
		v := protoreflect.ValueOfBytes(value)
		if !d.IsList() {
			m.ProtoReflect().Set(d, v)
			return
		}
		list := m.ProtoReflect().Mutable(d).List()
		list.Set(place, v)
		if longer < 0 {
			list.Truncate(place)
		}
		for range longer {
			list.Append(v)
		}
	})
}
