package tss_test

import (
	"bytes"
	"math/big"

	"github.com/bnb-chain/tss-lib/v2/ecdsa/signing"
	tsslib "github.com/bnb-chain/tss-lib/v2/tss"
	"google.golang.org/protobuf/proto"

	"github.com/meshmpc/mpcd/protocol/tss"
)

var secpOrder = tsslib.S256().Params().N

// manyOrders returns a multiple of the order of alice's h2 modulo Ñ, of about so
// many bytes: as an exponent it changes nothing, so a proof that has it added stays
// valid. (Bob does not know the order, but can make a proof with numbers that big.)
func (s *scene) manyOrders(size int) *big.Int {
	order, _, _ := s.moduli("alice")
	return order.Lsh(order, uint(8*size-order.BitLen())) // #nosec G115 -- small
}

// modulus returns a party's N.
func (s *scene) modulus(peer string) *big.Int {
	n, _, _, _ := tss.Moduli(s.key.shares["alice"], peer)
	return n
}

// Numbers of the proofs of rounds 1 and 2, by their place.
const (
	aliceZ, aliceU, aliceW, aliceS, aliceS1, aliceS2 = 0, 1, 2, 3, 4, 5
	bobZ, bobV, bobS, bobS1, bobS2, bobT1, bobT2     = 0, 3, 5, 6, 7, 8, 9
	bobUX                                            = 10
)

// alice1 changes a number of the proof of round 1, bob2 and check2 one of the two
// proofs of round 2.
func alice1(part int, f func(*scene, []byte) []byte) func(*scene, proto.Message) {
	return altered(func(s *scene, m *signing.SignRound1Message1) { m.RangeProofAlice[part] = f(s, m.RangeProofAlice[part]) })
}

func bob2(part int, f func(*scene, []byte) []byte) func(*scene, proto.Message) {
	return altered(func(s *scene, m *signing.SignRound2Message) { m.ProofBob[part] = f(s, m.ProofBob[part]) })
}

func check2(part int, f func(*scene, []byte) []byte) func(*scene, proto.Message) {
	return altered(func(s *scene, m *signing.SignRound2Message) { m.ProofBobWc[part] = f(s, m.ProofBobWc[part]) })
}

func value(b []byte) func(*scene, []byte) []byte {
	return func(*scene, []byte) []byte { return b }
}

func plusOrders(size int) func(*scene, []byte) []byte {
	return func(s *scene, b []byte) []byte { return add(b, s.manyOrders(size)) }
}

func cubed(v *big.Int, more int64) []byte {
	c := new(big.Int).Exp(v, big.NewInt(3), nil)
	return c.Add(c, big.NewInt(more)).Bytes()
}

// aliceFactor is a prime of alice's Ñ. Bob does not know it.
func aliceFactor(s *scene, _ []byte) []byte {
	return safePrime(pre(s.tb, 0).P).Bytes()
}

// safePrime returns 2q + 1.
func safePrime(q *big.Int) *big.Int {
	return new(big.Int).Add(product(q, big.NewInt(2)), big.NewInt(1))
}

var ecdsaSignViolations = []violation{
	// Round 1.
	{name: "C shares a factor with N", alone: crashed, change: altered(func(s *scene, m *signing.SignRound1Message1) {
		m.C = s.modulus("bob").Bytes()
	})},
	{name: "C of zero", alone: crashed, change: altered(func(_ *scene, m *signing.SignRound1Message1) { m.C = zero })},
	{name: "C with leading zeros", alone: accepted, change: altered(func(_ *scene, m *signing.SignRound1Message1) {
		m.C = append(make([]byte, 2000), m.C...)
	})},
	{name: "S2 of Alice of 5 kB", alone: accepted, change: alice1(aliceS2, plusOrders(5000))},
	{name: "S2 of Alice one byte too long", alone: accepted, change: alice1(aliceS2, plusOrders(32*3+256+1))},
	{name: "S1 of Alice above q^3", alone: named, change: alice1(aliceS1, value(cubed(secpOrder, 1)))},
	{name: "S1 of Alice below q", alone: named, change: alice1(aliceS1, value([]byte{5}))},
	{name: "S1 and S2 of Alice are equal", alone: named, change: altered(func(_ *scene, m *signing.SignRound1Message1) {
		m.RangeProofAlice[aliceS2] = m.RangeProofAlice[aliceS1]
	})},
	{name: "S of Alice is one", alone: named, change: alice1(aliceS, value([]byte{1}))},
	{name: "Z of Alice is one", alone: named, change: alice1(aliceZ, value([]byte{1}))},
	{name: "S of Alice shares a factor with N", alone: named, change: alice1(aliceS, func(s *scene, _ []byte) []byte {
		return pre(s.tb, 1).PaillierSK.P.Bytes()
	})},
	{name: "Z of Alice shares a factor with Ñ", alone: named, change: alice1(aliceZ, aliceFactor)},
	{name: "W of Alice shares a factor with Ñ", alone: named, change: alice1(aliceW, aliceFactor)},
	{name: "U of Alice shares a factor with N", alone: named, change: alice1(aliceU, func(s *scene, _ []byte) []byte {
		return s.modulus("bob").Bytes()
	})},
	{name: "W of Alice of zero", alone: named, change: alice1(aliceW, value(zero))},
	{name: "commitment of round 1 too long", alone: named, change: altered(func(_ *scene, m *signing.SignRound1Message2) {
		m.Commitment = bytes.Repeat([]byte{1}, 33)
	})},
	// Round 2.
	{name: "C1 shares a factor with N", alone: named, change: altered(func(s *scene, m *signing.SignRound2Message) {
		m.C1 = s.modulus("alice").Bytes()
	})},
	{name: "C2 of zero", alone: named, change: altered(func(_ *scene, m *signing.SignRound2Message) { m.C2 = zero })},
	{name: "S2 of Bob of 1 kB", alone: accepted, change: bob2(bobS2, plusOrders(1000))},
	{name: "T2 of Bob of 1 kB", alone: accepted, change: bob2(bobT2, plusOrders(1000))},
	{name: "S2 of Bob with check of 1 kB", alone: accepted, change: check2(bobS2, plusOrders(1000))},
	{name: "T2 of Bob with check of 1 kB", alone: accepted, change: check2(bobT2, plusOrders(1000))},
	{name: "S1 of Bob with check is q", alone: crashed, change: check2(bobS1, value(secpOrder.Bytes()))},
	{name: "S1 of Bob with check is a greater multiple of q", alone: crashed, change: check2(bobS1, value(product(secpOrder, big.NewInt(2)).Bytes()))},
	{name: "Z of Bob shares a factor with Ñ", alone: named, change: bob2(bobZ, aliceFactor)},
	{name: "W of Bob with check shares a factor with Ñ", alone: named, change: check2(bobV+1, aliceFactor)},
	{name: "S1 of Bob above q^3", alone: named, change: bob2(bobS1, value(cubed(secpOrder, 1)))},
	{name: "T1 of Bob below q", alone: named, change: bob2(bobT1, value([]byte{5}))},
	{name: "Z of Bob of zero", alone: named, change: bob2(bobZ, value(zero))},
	{name: "V of Bob shares a factor with N", alone: named, change: bob2(bobV, func(s *scene, _ []byte) []byte {
		return s.modulus("alice").Bytes()
	})},
	{name: "S of Bob of zero", alone: named, change: bob2(bobS, value(zero))},
	{name: "U of Bob off the curve", alone: named, change: check2(bobUX, value([]byte{5}))},
	// Round 3.
	{name: "theta of zero", alone: named, change: altered(func(_ *scene, m *signing.SignRound3Message) { m.Theta = zero })},
	{name: "theta above the order", alone: accepted, change: altered(func(_ *scene, m *signing.SignRound3Message) {
		m.Theta = add(m.Theta, secpOrder)
	})},
	{name: "theta cancels", alone: panicked, hold: []string{"SignRound3Message"}, change: altered(func(s *scene, m *signing.SignRound3Message) {
		own := new(big.Int).SetBytes(s.alice["SignRound3Message"].(*signing.SignRound3Message).Theta)
		m.Theta = own.Sub(secpOrder, own).Bytes()
	})},
	// Rounds 4 to 9.
	{name: "gamma off the curve", alone: named, change: func(_ *scene, content proto.Message) {
		parts := [][]byte{{1}, {2}, {3}}
		switch m := content.(type) {
		case *signing.SignRound1Message2:
			m.Commitment = commitTo(parts)
		case *signing.SignRound4Message:
			m.DeCommitment = parts
		}
	}},
	{name: "gamma of another", alone: named, change: altered(func(_ *scene, m *signing.SignRound4Message) { m.DeCommitment[0] = []byte{1} })},
	{name: "T of round 4 is zero", alone: panicked, change: altered(func(_ *scene, m *signing.SignRound4Message) { m.ProofT = zero })},
	{name: "T of round 4 is q", alone: panicked, change: altered(func(_ *scene, m *signing.SignRound4Message) { m.ProofT = secpOrder.Bytes() })},
	{name: "T of round 4 above the order", alone: accepted, change: altered(func(_ *scene, m *signing.SignRound4Message) {
		m.ProofT = add(m.ProofT, secpOrder)
	})},
	{name: "alpha of round 4 off the curve", alone: named, change: altered(func(_ *scene, m *signing.SignRound4Message) { m.ProofAlphaX = []byte{5} })},
	{name: "commitment of round 5 too long", alone: named, change: altered(func(_ *scene, m *signing.SignRound5Message) {
		m.Commitment = bytes.Repeat([]byte{1}, 33)
	})},
	{name: "decommitment of round 6 of another", alone: named, change: altered(func(_ *scene, m *signing.SignRound6Message) { m.DeCommitment[0] = []byte{1} })},
	{name: "V off the curve", alone: named, change: func(_ *scene, content proto.Message) {
		parts := [][]byte{{1}, {2}, {3}, {4}, {5}}
		switch m := content.(type) {
		case *signing.SignRound5Message:
			m.Commitment = commitTo(parts)
		case *signing.SignRound6Message:
			m.DeCommitment = parts
		}
	}},
	{name: "alpha of round 6 off the curve", alone: named, change: altered(func(_ *scene, m *signing.SignRound6Message) { m.ProofAlphaX = []byte{5} })},
	{name: "T of round 6 is zero", alone: panicked, change: altered(func(_ *scene, m *signing.SignRound6Message) { m.ProofT = zero })},
	{name: "T of the V proof is zero", alone: panicked, change: altered(func(_ *scene, m *signing.SignRound6Message) { m.VProofT = zero })},
	{name: "U of the V proof is zero", alone: panicked, change: altered(func(_ *scene, m *signing.SignRound6Message) { m.VProofU = zero })},
	{name: "alpha of the V proof off the curve", alone: named, change: altered(func(_ *scene, m *signing.SignRound6Message) { m.VProofAlphaY = []byte{5} })},
	{name: "commitment of round 7 too long", alone: named, change: altered(func(_ *scene, m *signing.SignRound7Message) {
		m.Commitment = bytes.Repeat([]byte{1}, 33)
	})},
	{name: "U and T off the curve", alone: unattributed, change: func(_ *scene, content proto.Message) {
		parts := [][]byte{{1}, {2}, {3}, {4}, {5}}
		switch m := content.(type) {
		case *signing.SignRound7Message:
			m.Commitment = commitTo(parts)
		case *signing.SignRound8Message:
			m.DeCommitment = parts
		}
	}},
	{name: "decommitment of round 8 of another", alone: named, change: altered(func(_ *scene, m *signing.SignRound8Message) { m.DeCommitment[0] = []byte{1} })},
	{name: "S of zero", alone: unattributed, change: altered(func(_ *scene, m *signing.SignRound9Message) { m.S = zero })},
	{name: "S above the order", alone: accepted, change: altered(func(_ *scene, m *signing.SignRound9Message) { m.S = add(m.S, secpOrder) })},
}
