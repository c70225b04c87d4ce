package tss_test

import (
	"errors"
	"math/big"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/tss"
)

// field is a number of a message with the least and the greatest value that the
// guard takes.
type field struct {
	name     string
	at       func(m proto.Message) *[]byte // nil for other messages
	min, max *big.Int

	// less and more are the nearest values that break nothing but the bound, if those
	// beside it do (an even modulus).
	less, more *big.Int
	// fit changes what else must fit the value, in any message of bob.
	fit func(s *scene, m proto.Message, value *big.Int)
}

// beyond returns the values that are forbidden.
func (f *field) beyond() (less, more *big.Int) {
	less, more = below(f.min), new(big.Int).Add(f.max, big.NewInt(1))
	if f.less != nil {
		less = f.less
	}
	if f.more != nil {
		more = f.more
	}
	return less, more
}

// plain makes a field with nothing else to it.
func plain(name string, at func(proto.Message) *[]byte, least, most *big.Int) field {
	return field{name: name, at: at, min: least, max: most}
}

// hashed makes the field of a commitment.
func hashed[M proto.Message](name string, f func(M) *[]byte) field {
	return plain(name, single(f), big.NewInt(1), below(power2(256)))
}

// opening makes the field of the random number of an opening, which the commitment fits.
func opening[C, D proto.Message](name string, commitment func(C) *[]byte, parts func(D) [][]byte) field {
	fit := func(s *scene, content proto.Message, value *big.Int) {
		c, ok := content.(C)
		if !ok {
			return
		}
		var d D
		list := parts(s.bob[string(d.ProtoReflect().Descriptor().Name())].(D))
		list[0] = value.Bytes()
		*commitment(c) = commitTo(list)
	}
	return field{name: name, at: part(parts, 0), min: big.NewInt(1), max: below(power2(256)), fit: fit}
}

func power2(n uint) *big.Int { return new(big.Int).Lsh(big.NewInt(1), n) }

func ecdsaKeygenScene(tb testing.TB) *scene { return &scene{tb: tb, scheme: protocol.ECDSA} }

// part makes fields of one place in the parts of a proof.
func part[M proto.Message](parts func(M) [][]byte, i int) func(proto.Message) *[]byte {
	return func(content proto.Message) *[]byte {
		if m, ok := content.(M); ok {
			return &parts(m)[i]
		}
		return nil
	}
}

// single makes fields of a number that stands alone.
func single[M proto.Message](f func(M) *[]byte) func(proto.Message) *[]byte {
	return func(content proto.Message) *[]byte {
		if m, ok := content.(M); ok {
			return f(m)
		}
		return nil
	}
}

// below returns v - 1.
func below(v *big.Int) *big.Int { return new(big.Int).Sub(v, big.NewInt(1)) }

func product(factors ...*big.Int) *big.Int {
	p := big.NewInt(1)
	for _, f := range factors {
		p.Mul(p, f)
	}
	return p
}

// The guards' bounds are exact: the least and the greatest value pass, their
// neighbours do not. What passes need not prove anything: equations are the
// library's business.
func TestExactBounds(t *testing.T) {
	for _, suite := range []struct {
		scene  func(testing.TB) *scene
		fields func(*scene) []field
	}{
		{signScene(protocol.ECDSA), signFields},
		{ecdsaKeygenScene, keygenFields},
		{ecdsaKeygenScene, moduliFields},
		{signScene(protocol.EdDSA), eddsaSignFields},
		{eddsaKeygenScene, eddsaKeygenFields},
	} {
		s := suite.scene(t)
		all := s.record()
		for _, f := range suite.fields(s) {
			s.recorded = until(t, all, f.at)
			less, more := f.beyond()
			s.wantBound(t, &f, f.min, true)
			s.wantBound(t, &f, f.max, true)
			s.wantBound(t, &f, less, false)
			s.wantBound(t, &f, more, false)
		}
	}
}

// until cuts messages behind the round in which bob sends the field.
func until(tb testing.TB, all []protocol.Message, at func(proto.Message) *[]byte) []protocol.Message {
	tb.Helper()
	i := slices.IndexFunc(all, func(m protocol.Message) bool { return m.From == "bob" && at(decode(tb, m.Body)) != nil })
	if i < 0 {
		tb.Fatal("bob sends no such field")
	}
	next := slices.IndexFunc(all[i:], func(m protocol.Message) bool { return m.Round != all[i].Round })
	if next < 0 {
		return all
	}
	return all[:i+next]
}

// wantBound checks that the guard takes a value, or blames bob for it.
func (s *scene) wantBound(t *testing.T, f *field, value *big.Int, pass bool) {
	t.Helper()
	_, err := s.guarded(&violation{change: func(_ *scene, m proto.Message) {
		if f.fit != nil {
			f.fit(s, m, value)
		}
		if b := f.at(m); b != nil {
			*b = value.Bytes()
		}
	}})
	blamed := errors.Is(err, tss.ErrMessage) && slices.Equal(protocol.Culprits(err), []protocol.PeerID{"bob"})
	if (err == nil) != pass || blamed == pass {
		t.Errorf("%s = %d bits: %v", f.name, value.BitLen(), err)
	}
}
