package tss_test

import (
	"bytes"
	"math/big"

	"filippo.io/edwards25519"
	"github.com/bnb-chain/tss-lib/v2/common"
	"github.com/bnb-chain/tss-lib/v2/crypto/commitments"
	"github.com/bnb-chain/tss-lib/v2/eddsa/keygen"
	"github.com/bnb-chain/tss-lib/v2/eddsa/signing"
	"google.golang.org/protobuf/proto"

	"github.com/meshmpc/mpcd/protocol/tss"
)

// add returns b + v, big-endian.
func add(b []byte, v *big.Int) []byte {
	sum := new(big.Int).SetBytes(b)
	return sum.Add(sum, v).Bytes()
}

// commitTo returns the commitment that a decommitment opens.
func commitTo(parts [][]byte) []byte {
	values := common.MultiBytesToBigInts(parts)
	return commitments.NewHashCommitmentWithRandomness(values[0], values[1:]...).C.Bytes()
}

// addTorsion adds a point of order 8 to the point with these coordinates.
func addTorsion(x, y []byte) (_, _ []byte) {
	order8 := []byte{ // RFC 8032 form, from the list of small-order points of RFC 7748's curve
		0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
		0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
	}
	p, err := new(edwards25519.Point).SetBytes(order8)
	if err != nil {
		panic(err)
	}
	tx, ty := tss.Affine(p)
	sx, sy := tss.Curves()["ours"].Add(new(big.Int).SetBytes(x), new(big.Int).SetBytes(y), tx, ty)
	return sx.Bytes(), sy.Bytes()
}

var (
	edOrder = tss.Curves()["ours"].Params().N
	zero    = []byte{0} // not empty, so that it passes the library's check of the form
)

// openOther lets bob commit in round 1 to what f makes of his decommitment.
func openOther(f func(parts [][]byte) [][]byte) func(*scene, proto.Message) {
	return func(s *scene, content proto.Message) {
		switch m := content.(type) {
		case *keygen.KGRound1Message:
			m2 := s.bob["KGRound2Message2"].(*keygen.KGRound2Message2)
			m2.DeCommitment = f(m2.DeCommitment)
			m.Commitment = commitTo(m2.DeCommitment)
		case *signing.SignRound1Message:
			m2 := s.bob["SignRound2Message"].(*signing.SignRound2Message)
			m2.DeCommitment = f(m2.DeCommitment)
			m.Commitment = commitTo(m2.DeCommitment)
		}
	}
}

// Bob holds his commitment until he opens it.
var (
	holdKeygen = []string{"KGRound1Message", "KGRound2Message1"}
	holdSign   = []string{"SignRound1Message"}
)

func offCurve(parts [][]byte) [][]byte { return [][]byte{parts[0], {1}, {2}} }

func torsion(parts [][]byte) [][]byte {
	parts[1], parts[2] = addTorsion(parts[1], parts[2])
	return parts
}

var eddsaKeygenViolations = []violation{
	{name: "commitment too long", alone: named, change: altered(func(_ *scene, m *keygen.KGRound1Message) {
		m.Commitment = bytes.Repeat([]byte{1}, 33)
	})},
	{name: "share of zero", alone: named, change: altered(func(_ *scene, m *keygen.KGRound2Message1) { m.Share = zero })},
	{name: "share above the order", alone: accepted, change: altered(func(_ *scene, m *keygen.KGRound2Message1) {
		m.Share = add(m.Share, edOrder)
	})},
	{name: "share with leading zeros", alone: accepted, change: altered(func(_ *scene, m *keygen.KGRound2Message1) {
		m.Share = append(make([]byte, 1000), m.Share...)
	})},
	{name: "no coefficient", alone: crashed, hold: holdKeygen, change: openOther(func(parts [][]byte) [][]byte { return parts[:1] })},
	{name: "one coefficient too few", alone: crashed, hold: holdKeygen, change: openOther(func(parts [][]byte) [][]byte { return parts[:3] })},
	{name: "half a point more", alone: named, hold: holdKeygen, change: openOther(func(parts [][]byte) [][]byte { return append(parts, parts[1]) })},
	{name: "one coefficient too many", alone: accepted, hold: holdKeygen, change: openOther(func(parts [][]byte) [][]byte {
		return append(parts, parts[1], parts[2])
	})},
	{name: "coefficient off the curve", alone: named, hold: holdKeygen, change: openOther(func(parts [][]byte) [][]byte {
		return append(parts[:3:3], []byte{1}, []byte{2})
	})},
	{name: "coefficient of small order", alone: accepted, hold: holdKeygen, change: openOther(torsion)},
	{name: "coefficient is the identity", alone: named, hold: holdKeygen, change: openOther(func(parts [][]byte) [][]byte {
		return append(parts[:3:3], zero, []byte{1})
	})},
	{name: "decommitment of another", alone: named, change: altered(func(_ *scene, m *keygen.KGRound2Message2) { m.DeCommitment[0] = []byte{1} })},
	{name: "proof without a scalar", alone: named, change: altered(func(_ *scene, m *keygen.KGRound2Message2) { m.ProofT = nil })},
	{name: "proof off the curve", alone: named, change: altered(func(_ *scene, m *keygen.KGRound2Message2) { m.ProofAlphaX = []byte{7} })},
	{name: "scalar of the proof above the order", alone: accepted, change: altered(func(_ *scene, m *keygen.KGRound2Message2) {
		m.ProofT = add(m.ProofT, edOrder)
	})},
}

var eddsaSignViolations = []violation{
	{name: "commitment too long", alone: unattributed, change: altered(func(_ *scene, m *signing.SignRound1Message) {
		m.Commitment = bytes.Repeat([]byte{1}, 33)
	})},
	{name: "nonce off the curve", alone: panicked, hold: holdSign, change: openOther(offCurve)},
	{name: "nonce of small order", alone: accepted, hold: holdSign, change: openOther(torsion)},
	{name: "nonce is the identity", alone: named, hold: holdSign, change: openOther(func(parts [][]byte) [][]byte {
		return [][]byte{parts[0], zero, {1}}
	})},
	{name: "decommitment of another", alone: unattributed, change: altered(func(_ *scene, m *signing.SignRound2Message) {
		m.DeCommitment[0] = []byte{1}
	})},
	{name: "proof off the curve", alone: named, change: altered(func(_ *scene, m *signing.SignRound2Message) { m.ProofAlphaX = []byte{7} })},
	{name: "scalar of the proof is zero", alone: named, change: altered(func(_ *scene, m *signing.SignRound2Message) { m.ProofT = zero })},
	{name: "scalar of the proof above the order", alone: accepted, change: altered(func(_ *scene, m *signing.SignRound2Message) {
		m.ProofT = add(m.ProofT, edOrder)
	})},
	{name: "S above the order", alone: accepted, change: altered(func(_ *scene, m *signing.SignRound3Message) { m.S = add(m.S, edOrder) })},
	{name: "S of 33 bytes", alone: accepted, change: altered(func(_ *scene, m *signing.SignRound3Message) {
		if len(m.S) < 32 { // one in sixteen; the library cuts behind the 32nd byte, so this plays the case before
			m.S = add(m.S, edOrder)
			return
		}
		m.S = append(m.S, 1)
	})},
	{name: "S plus one", alone: unattributed, change: altered(func(_ *scene, m *signing.SignRound3Message) { m.S = add(m.S, big.NewInt(1)) })},
	{name: "S of zero", alone: unattributed, change: altered(func(_ *scene, m *signing.SignRound3Message) { m.S = zero })},
}
