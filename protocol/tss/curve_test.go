package tss

import (
	"crypto/elliptic"
	"math/big"
	"math/rand/v2"
	"testing"

	"filippo.io/edwards25519"
	tsslib "github.com/bnb-chain/tss-lib/v2/tss"
)

// testPoint is a point in affine coordinates.
type testPoint struct {
	name string
	x, y *big.Int
}

// smallOrder returns the eight points whose order divides 8: multiples of L·P for
// a P that has a component of order 8.
func smallOrder(tb testing.TB, c edCurve) []testPoint {
	tb.Helper()
	var generator *edwards25519.Point
	for y := byte(2); generator == nil; y++ { // y is the encoding of some point half of the time
		p, err := new(edwards25519.Point).SetBytes(append([]byte{y}, make([]byte, 31)...))
		if err != nil {
			continue
		}
		q := c.multWide(p, c.params.N)
		twice := new(edwards25519.Point).Add(q, q)
		if four := new(edwards25519.Point).Add(twice, twice); four.Equal(edwards25519.NewIdentityPoint()) == 0 {
			generator = q
		}
	}
	var points []testPoint
	sum := edwards25519.NewIdentityPoint()
	for range 8 {
		x, y := affine(sum)
		points = append(points, testPoint{"small order", x, y})
		sum.Add(sum, generator)
	}
	if sum.Equal(edwards25519.NewIdentityPoint()) != 1 {
		tb.Fatal("the generator does not have order 8")
	}
	return points
}

func randomInt(r *rand.Rand, bits int) *big.Int {
	v := new(big.Int)
	for v.BitLen() < bits {
		v.Lsh(v, 64).Or(v, new(big.Int).SetUint64(r.Uint64()))
	}
	return v.Rsh(v, uint(v.BitLen()-bits))
}

// testPoints returns points with and without a component of small order.
func testPoints(tb testing.TB, c edCurve, r *rand.Rand) []testPoint {
	tb.Helper()
	points := append(smallOrder(tb, c), testPoint{"base", c.params.Gx, c.params.Gy})
	for range 12 {
		x, y := c.ScalarBaseMult(randomInt(r, 252).Bytes())
		points = append(points, testPoint{"random", x, y})
		low := points[r.IntN(8)]
		x, y = c.Add(x, y, low.x, low.y)
		points = append(points, testPoint{"mixed", x, y})
	}
	return points
}

func testScalars(c edCurve, r *rand.Rand) []*big.Int {
	n := c.params.N
	scalars := []*big.Int{new(big.Int), big.NewInt(1), big.NewInt(2), big.NewInt(8),
		new(big.Int).Sub(n, bigOne), n, new(big.Int).Add(n, bigOne), new(big.Int).Lsh(n, 1),
		new(big.Int).Mul(n, big.NewInt(7)), new(big.Int).Lsh(bigOne, 255), randomInt(r, 300), randomInt(r, 600)}
	for range 4 {
		scalars = append(scalars, randomInt(r, 250))
	}
	return scalars
}

func newTestCurve(tb testing.TB) (edCurve, elliptic.Curve, *rand.Rand) {
	tb.Helper()
	ours, ok := newEdCurve().(edCurve)
	if !ok {
		tb.Fatal("not our curve")
	}
	seed := rand.Uint64()
	tb.Logf("seed %d", seed)
	return ours, tsslib.Edwards(), rand.New(rand.NewPCG(seed, 0))
}

func same(ax, ay, bx, by *big.Int) bool {
	return ax != nil && bx != nil && ax.Cmp(bx) == 0 && ay.Cmp(by) == 0
}

// Our curve computes what the library's own does, on all points of the curve.
func TestCurveConformsOnPoints(t *testing.T) {
	ours, stock, r := newTestCurve(t)
	points, scalars := testPoints(t, ours, r), testScalars(ours, r)
	for _, p := range points {
		if !ours.IsOnCurve(p.x, p.y) || !stock.IsOnCurve(p.x, p.y) {
			t.Fatalf("%s point (%v, %v) is not on the curve", p.name, p.x, p.y)
		}
		q := points[r.IntN(len(points))]
		ax, ay := ours.Add(p.x, p.y, q.x, q.y)
		if bx, by := stock.Add(p.x, p.y, q.x, q.y); !same(ax, ay, bx, by) {
			t.Errorf("%s + %s: (%v, %v), the library has (%v, %v)", p.name, q.name, ax, ay, bx, by)
		}
		ax, ay = ours.Double(p.x, p.y)
		if bx, by := stock.Double(p.x, p.y); !same(ax, ay, bx, by) {
			t.Errorf("twice %s: (%v, %v), the library has (%v, %v)", p.name, ax, ay, bx, by)
		}
	}
	for i, k := range scalars {
		for j := range len(points) {
			p := points[j]
			if small := j < 8; !small && j%7 != i%7 { // all of small order, some of the others
				continue
			}
			ax, ay := ours.ScalarMult(p.x, p.y, k.Bytes())
			if bx, by := stock.ScalarMult(p.x, p.y, k.Bytes()); !same(ax, ay, bx, by) {
				t.Errorf("%v · %s: (%v, %v), the library has (%v, %v)", k, p.name, ax, ay, bx, by)
			}
		}
		ax, ay := ours.ScalarBaseMult(k.Bytes())
		if bx, by := stock.ScalarBaseMult(k.Bytes()); !same(ax, ay, bx, by) {
			t.Errorf("%v · base: (%v, %v), the library has (%v, %v)", k, ax, ay, bx, by)
		}
	}
}

// Every point times every scalar, against repeated addition in the group.
func TestCurveMultiplication(t *testing.T) {
	ours, _, r := newTestCurve(t)
	for _, p := range testPoints(t, ours, r) {
		x, y := big.NewInt(0), big.NewInt(1)
		for k := range int64(20) {
			mx, my := ours.ScalarMult(p.x, p.y, big.NewInt(k).Bytes())
			if !same(mx, my, x, y) {
				t.Fatalf("%d · %s is wrong", k, p.name)
			}
			// (8L + k)·P = k·P for every P.
			wide := new(big.Int).Lsh(ours.params.N, 3)
			mx, my = ours.ScalarMult(p.x, p.y, wide.Add(wide, big.NewInt(k)).Bytes())
			if !same(mx, my, x, y) {
				t.Fatalf("(8L+%d) · %s is wrong", k, p.name)
			}
			x, y = ours.Add(x, y, p.x, p.y)
		}
	}
}

// What is no point is refused, also where the library's curve reduces it to one.
func TestCurveRefuses(t *testing.T) {
	ours, stock, r := newTestCurve(t)
	p := ours.params.P
	g := testPoint{"base", ours.params.Gx, ours.params.Gy}
	plus := func(v *big.Int) *big.Int { return new(big.Int).Add(v, p) }
	bad := []testPoint{
		{"nil", nil, nil},
		{"negative", new(big.Int).Neg(g.x), g.y},
		{"off the curve", g.x, new(big.Int).Add(g.y, bigOne)},
		{"zero", new(big.Int), new(big.Int)},
		{"x + p", plus(g.x), g.y},
		{"y + p", g.x, plus(g.y)},
		{"identity with x = p", p, bigOne},
		{"identity with y = 1 + p", new(big.Int), plus(bigOne)},
		{"long", new(big.Int).Lsh(g.x, 300), g.y},
		{"random", randomInt(r, 254), randomInt(r, 254)},
	}
	for _, b := range bad {
		if ours.IsOnCurve(b.x, b.y) {
			t.Errorf("%s is taken for a point", b.name)
		}
		if x, y := ours.Add(b.x, b.y, g.x, g.y); x != nil || y != nil {
			t.Errorf("%s can be added", b.name)
		}
		if x, y := ours.Add(g.x, g.y, b.x, b.y); x != nil || y != nil {
			t.Errorf("%s can be added on the right", b.name)
		}
		if x, y := ours.ScalarMult(b.x, b.y, []byte{3}); x != nil || y != nil {
			t.Errorf("%s can be multiplied", b.name)
		}
	}
	if !stock.IsOnCurve(p, bigOne) {
		t.Log("the library has become stricter: the comment of edCurve can be relaxed")
	}
}

func TestEdPointEncoding(t *testing.T) {
	ours, _, r := newTestCurve(t)
	for range 50 {
		x, y := ours.ScalarBaseMult(randomInt(r, 252).Bytes())
		bx, by, err := decodeEdPoint(encodeEdPoint(x, y))
		if err != nil || !same(x, y, bx, by) {
			t.Fatalf("(%v, %v) comes back as (%v, %v), %v", x, y, bx, by, err)
		}
	}
	identity := append([]byte{1}, make([]byte, 31)...)
	nonCanonical := append([]byte{0xee}, make([]byte, 31)...) // y = p + 1
	for i := 1; i < 31; i++ {
		nonCanonical[i] = 0xff
	}
	nonCanonical[31] = 0x7f
	for _, b := range [][]byte{identity, nonCanonical, nil, make([]byte, 31), make([]byte, 33)} {
		if _, _, err := decodeEdPoint(b); err == nil {
			t.Errorf("%x is taken for a point", b)
		}
	}
}

// The order check tells points of order L from those with a small component.
func TestPrimeOrder(t *testing.T) {
	ours, _, r := newTestCurve(t)
	suite := eddsaSuite(ours)
	for _, p := range testPoints(t, ours, r) {
		lx, ly := ours.ScalarMult(p.x, p.y, ours.params.N.Bytes())
		isIdentity := lx.Sign() == 0 && ly.Cmp(bigOne) == 0
		neutral := p.x.Sign() == 0 && p.y.Cmp(bigOne) == 0
		if suite.primeOrder(p.x, p.y) != (isIdentity && !neutral) {
			t.Errorf("%s point (%v, %v): wrong order", p.name, p.x, p.y)
		}
	}
}
