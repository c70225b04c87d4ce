//go:build unix

package tss_test

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"math/big"
	"testing"

	eckeygen "github.com/bnb-chain/tss-lib/v2/ecdsa/keygen"
	edkeygen "github.com/bnb-chain/tss-lib/v2/eddsa/keygen"
	"github.com/decred/dcrd/dcrec/edwards/v2"
	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"

	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/protocoltest"
	"github.com/meshmpc/mpcd/protocol/tss"
)

// In all benchmarks: floor is the library alone (EdDSA: on its own curve), engine
// is this package, stock is this package on the library's Ed25519, unguarded is
// this package without its guards, for what they cost. All parties run
// in this process, and cpu-ms/op is the CPU time of all of them together.

func BenchmarkKeygen(b *testing.B) {
	two := protocol.Threshold{T: 2, N: 3}
	b.Run("ecdsa/2-of-3/floor", func(b *testing.B) {
		sets := protocoltest.PreParams(b, two.N)
		bench(b, func(*cpuMeter, int) { floorECDSAKeygen(b, two.T, sets) })
	})
	b.Run("ecdsa/2-of-3/engine", func(b *testing.B) {
		protocoltest.PreParams(b, two.N)
		bench(b, func(m *cpuMeter, _ int) { benchKeygen(b, m, keygenParties(b, protocol.ECDSA, two), two) })
	})
	for _, th := range []protocol.Threshold{two, {T: 5, N: 9}} {
		b.Run(fmt.Sprintf("eddsa/%v/floor", th), func(b *testing.B) {
			bench(b, func(*cpuMeter, int) { floorEdDSAKeygen(b, th.T, th.N) })
		})
		b.Run(fmt.Sprintf("eddsa/%v/stock", th), func(b *testing.B) {
			bench(b, func(m *cpuMeter, _ int) { benchKeygen(b, m, stockKeygen(b, th), th) })
		})
		b.Run(fmt.Sprintf("eddsa/%v/engine", th), func(b *testing.B) {
			bench(b, func(m *cpuMeter, _ int) { benchKeygen(b, m, keygenParties(b, protocol.EdDSA, th), th) })
		})
	}
}

// bench runs f b.N times and reports the CPU time.
func bench(b *testing.B, f func(meter *cpuMeter, i int)) {
	b.Helper()
	meter := measureCPU(b)
	n := 0
	for b.Loop() {
		f(meter, n)
		n++
	}
	meter.report(n)
}

func benchKeygen(b *testing.B, meter *cpuMeter, parties []protocoltest.Party, th protocol.Threshold) {
	b.Helper()
	results, _, err := protocoltest.Run(parties, protocoltest.Options{})
	if err != nil {
		b.Fatal(err)
	}
	meter.pause(func() { keyOf(b, th, results) })
}

func BenchmarkSign(b *testing.B) {
	two := protocol.Threshold{T: 2, N: 3}
	b.Run("ecdsa/2-of-3/floor", func(b *testing.B) { benchFloorSign(b, two) })
	b.Run("ecdsa/2-of-3/engine", func(b *testing.B) { benchSign(b, newKey(b, protocol.ECDSA, two), false) })
	b.Run("ecdsa/2-of-3/unguarded", func(b *testing.B) { benchSign(b, newKey(b, protocol.ECDSA, two), true) })
	for _, th := range []protocol.Threshold{two, {T: 5, N: 9}} {
		b.Run(fmt.Sprintf("eddsa/%v/floor", th), func(b *testing.B) {
			keys := floorEdDSAKeygen(b, th.T, th.N)
			bench(b, func(m *cpuMeter, i int) {
				d := digest("bench %d", i)
				sig := floorEdDSASign(b, keys[:th.T], d)
				m.pause(func() { verifyFloorEdDSA(b, keys[0], d, sig) })
			})
		})
		b.Run(fmt.Sprintf("eddsa/%v/stock", th), func(b *testing.B) {
			k := newKey(b, protocol.EdDSA, th)
			stock := &key{threshold: th, public: k.public, shares: map[protocol.PeerID]*tss.Share{}}
			for peer, share := range k.shares {
				stock.shares[peer] = tss.OnStockCurve(share)
			}
			benchSign(b, stock, false)
		})
		b.Run(fmt.Sprintf("eddsa/%v/engine", th), func(b *testing.B) { benchSign(b, newKey(b, protocol.EdDSA, th), false) })
		b.Run(fmt.Sprintf("eddsa/%v/unguarded", th), func(b *testing.B) { benchSign(b, newKey(b, protocol.EdDSA, th), true) })
	}
}

// benchSign signs a new digest in a new session each time.
func benchSign(b *testing.B, k *key, unguarded bool) {
	b.Helper()
	signers := protocoltest.Members(k.threshold.N)[:k.threshold.T]
	bench(b, func(m *cpuMeter, i int) {
		d := digest("bench %d", i)
		parties := signParties(b, k, signers, sid("bench %d", i), d)
		if unguarded {
			for _, p := range parties {
				tss.Unguard(p.Machine)
			}
		}
		results, _, err := protocoltest.Run(parties, protocoltest.Options{})
		if err != nil {
			b.Fatal(err)
		}
		m.pause(func() { verify(b, k.public, d, results[signers[0].Peer]) })
	})
}

func verifyFloorECDSA(b *testing.B, k *eckeygen.LocalPartySaveData, digest, sig []byte) {
	b.Helper()
	var x, y secp256k1.FieldVal
	x.SetByteSlice(k.ECDSAPub.X().Bytes())
	y.SetByteSlice(k.ECDSAPub.Y().Bytes())
	var r, s secp256k1.ModNScalar
	r.SetByteSlice(sig[:32])
	s.SetByteSlice(sig[32:])
	if !ecdsa.NewSignature(&r, &s).Verify(digest, secp256k1.NewPublicKey(&x, &y)) {
		b.Fatal("the floor's signature is wrong")
	}
}

func verifyFloorEdDSA(b *testing.B, k *edkeygen.LocalPartySaveData, message, sig []byte) {
	b.Helper()
	public := edwards.NewPublicKey(k.EDDSAPub.X(), k.EDDSAPub.Y()).Serialize()
	if !ed25519.Verify(public, message, sig) {
		b.Fatal("the floor's signature is wrong")
	}
}

// BenchmarkShare measures what a node does around a ceremony.
func BenchmarkShare(b *testing.B) {
	for _, k := range bothKeys(b) {
		share := k.shares["alice"]
		encoded := encode(b, share)
		b.Run("decode/"+string(share.Scheme()), func(b *testing.B) {
			bench(b, func(*cpuMeter, int) {
				if s, err := tss.DecodeShare(encoded); err != nil || !bytes.Equal(s.PublicKey(), k.public) {
					b.Fatal(err)
				}
			})
		})
		b.Run("check/"+string(share.Scheme()), func(b *testing.B) {
			bench(b, func(*cpuMeter, int) {
				if err := share.Check(); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
}

// BenchmarkCurve compares a multiplication on the two Ed25519 curves.
func BenchmarkCurve(b *testing.B) {
	scalar := new(big.Int).SetBytes(digest("scalar"))
	scalar.Rsh(scalar, 4)
	for name, curve := range tss.Curves() {
		x, y := curve.ScalarBaseMult(scalar.Bytes())
		b.Run("scalar-mult/"+name, func(b *testing.B) {
			for b.Loop() {
				curve.ScalarMult(x, y, scalar.Bytes())
			}
		})
		b.Run("scalar-base-mult/"+name, func(b *testing.B) {
			for b.Loop() {
				curve.ScalarBaseMult(scalar.Bytes())
			}
		})
	}
}
