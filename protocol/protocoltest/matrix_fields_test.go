package protocoltest_test

import (
	"crypto/sha512"
	"encoding/binary"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/meshmpc/mpcd/protocol"
)

// sort says what a field means.
type sort int

const (
	number sort = iota // anything else: a commitment, a modulus, a number of a proof
	scalar
	coordinate
)

// field is a field of a round's message, or an element of a list in it.
type field struct {
	name  string
	index int // -1: not a list; anyElement: one that the seed chooses
	sort  sort
}

const anyElement = -2

func (f field) String() string {
	switch f.index {
	case -1:
		return f.name
	case anyElement:
		return f.name + "[any]"
	}
	return fmt.Sprintf("%s[%d]", f.name, f.index)
}

// parts are the lengths of the lists of which every element is mutated; in the others
// it is one, chosen by the seed. What proofs contain is in the order of GG18,
// appendix A: S1 and T1 are exponents of points and ciphertexts.
var parts = map[string]int{"range_proof_alice": 6, "proof_bob": 10, "proof_bob_wc": 12}

// sortOf goes by the names in the library's protobuf files.
func sortOf(name string, index int) sort {
	switch {
	case strings.HasSuffix(name, "_x"), strings.HasSuffix(name, "_y"), name == "proof_bob_wc" && index >= 10, name == "de_commitment" && index > 0:
		return coordinate
	case slices.Contains([]string{"share", "theta", "s", "proof_t", "v_proof_t", "v_proof_u"}, name),
		name == "range_proof_alice" && index == 4, strings.HasPrefix(name, "proof_bob") && (index == 6 || index == 8):
		return scalar
	}
	return number
}

// opened is the number of parts of a decommitment: a random number, and points.
func (t *target) opened() int {
	switch {
	case t.in.kind == protocol.KindKeygen:
		return 1 + 2*t.in.th.T
	case t.name == "SignRound6Message", t.name == "SignRound8Message":
		return 5
	}
	return 3
}

// messageName is the full protobuf name of a round's message.
func (t *target) messageName() protoreflect.FullName {
	ceremony := map[protocol.Kind]string{protocol.KindKeygen: "keygen", protocol.KindSign: "signing", protocol.KindPresign: "signing"}[t.in.kind]
	return protoreflect.FullName(fmt.Sprintf("binance.tsslib.%.5s.%s.%s", t.in.scheme, ceremony, t.name))
}

// fields lists what can be mutated in a round's message; the types are registered
// by the library, which the machines link.
func (t *target) fields() []field {
	if t.typ != protocol.TypeRound {
		return nil
	}
	typ, err := protoregistry.GlobalTypes.FindMessageByName(t.messageName())
	if err != nil {
		panic(fmt.Sprintf("%s: %v", t.messageName(), err)) // a mistake in the table of messages
	}
	var all []field
	descriptors := typ.Descriptor().Fields()
	for i := range descriptors.Len() {
		d := descriptors.Get(i)
		name := string(d.Name())
		count := parts[name]
		if name == "de_commitment" {
			count = t.opened()
		}
		switch {
		case !d.IsList():
			all = append(all, field{name, -1, sortOf(name, -1)})
		case count == 0:
			all = append(all, field{name, anyElement, number})
		case t.in.costly():
			all = append(all, field{name, 0, sortOf(name, 0)}, field{name, 1, sortOf(name, 1)})
		default:
			for j := range count {
				all = append(all, field{name, j, sortOf(name, j)})
			}
		}
	}
	return all
}

// costly tells whether a run takes seconds.
func (c *ceremony) costly() bool {
	return c.scheme == protocol.ECDSA && c.kind == protocol.KindKeygen
}

func (t *target) fieldsOf(s sort) []field {
	return slices.DeleteFunc(t.fields(), func(f field) bool { return f.sort != s })
}

// commits tells whether a field is a commitment, which binds its sender to values that
// only show later.
func (f field) commits() bool { return f.name == "commitment" }

// changeField returns a body with a field changed.
func changeField(body []byte, f field, seed uint64, change func([]byte) []byte) []byte {
	return changeMessage(body, func(m protoreflect.Message) {
		d := m.Descriptor().Fields().ByName(protoreflect.Name(f.name))
		if !d.IsList() {
			m.Set(d, protoreflect.ValueOfBytes(change(slices.Clone(m.Get(d).Bytes()))))
			return
		}
		list := m.Mutable(d).List()
		i := f.index
		if i == anyElement {
			i = int(seed % uint64(list.Len())) // #nosec G115 -- small
		}
		list.Set(i, protoreflect.ValueOfBytes(change(slices.Clone(list.Get(i).Bytes()))))
	})
}

// changeList makes a list longer or shorter by one.
func changeList(body []byte, name string, by int) []byte {
	return changeMessage(body, func(m protoreflect.Message) {
		list := m.Mutable(m.Descriptor().Fields().ByName(protoreflect.Name(name))).List()
		if by > 0 {
			list.Append(protoreflect.ValueOfBytes(slices.Clone(list.Get(list.Len() - 1).Bytes())))
			return
		}
		list.Truncate(list.Len() - 1)
	})
}

// setList replaces a list.
func setList(body []byte, name string, values [][]byte) []byte {
	return changeMessage(body, func(m protoreflect.Message) {
		list := m.Mutable(m.Descriptor().Fields().ByName(protoreflect.Name(name))).List()
		list.Truncate(0)
		for _, v := range values {
			list.Append(protoreflect.ValueOfBytes(v))
		}
	})
}

// changeMessage decodes a body, which an honest machine has made, and encodes it again.
func changeMessage(body []byte, change func(protoreflect.Message)) []byte {
	var wire anypb.Any
	if err := proto.Unmarshal(body, &wire); err != nil {
		panic(err)
	}
	content, err := wire.UnmarshalNew()
	if err != nil {
		panic(err)
	}
	change(content.ProtoReflect())
	if wire.Value, err = (proto.MarshalOptions{Deterministic: true}).Marshal(content); err != nil {
		panic(err)
	}
	out, err := (proto.MarshalOptions{Deterministic: true}).Marshal(&wire)
	if err != nil {
		panic(err)
	}
	return out
}

// orders are the orders of the groups.
var orders = map[protocol.Scheme]*big.Int{
	protocol.ECDSA: parse("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"), // SEC 2 §2.4.1
	protocol.EdDSA: parse("1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed"), // RFC 8032 §5.1
}

func parse(hex string) *big.Int {
	v, _ := new(big.Int).SetString(hex, 16)
	return v
}

// commitTo is the library's commitment to the parts of a decommitment: SHA-512/256 of
// their number and of each with a delimiter and its length.
func commitTo(parts [][]byte) []byte {
	data := binary.LittleEndian.AppendUint64(nil, uint64(len(parts)))
	for _, p := range parts {
		data = append(append(data, p...), '$')
		data = binary.LittleEndian.AppendUint64(data, uint64(len(p)))
	}
	sum := sha512.Sum512_256(data)
	return new(big.Int).SetBytes(sum[:]).Bytes()
}
