package tss

import (
	"fmt"
	"math/big"

	"github.com/bnb-chain/tss-lib/v2/crypto"

	"github.com/meshmpc/mpcd/protocol"
)

const shareVersion = 1

// The encoding of a share; see the package comment.
type (
	wireShare struct {
		Version uint8      `cbor:"1,keyasint"`
		Public  wirePublic `cbor:"2,keyasint"`
		Self    int        `cbor:"3,keyasint"`
		Xi      []byte     `cbor:"4,keyasint"`
		P       []byte     `cbor:"5,keyasint,omitempty"`
		Q       []byte     `cbor:"6,keyasint,omitempty"`
	}
	wirePublic struct {
		Scheme    protocol.Scheme `cbor:"1,keyasint"`
		Threshold int             `cbor:"2,keyasint"`
		PublicKey []byte          `cbor:"3,keyasint"`
		Parties   []wireParty     `cbor:"4,keyasint"`
	}
	wireParty struct {
		Peer   protocol.PeerID `cbor:"1,keyasint"`
		Key    []byte          `cbor:"2,keyasint"`
		BigX   []byte          `cbor:"3,keyasint"`
		N      []byte          `cbor:"4,keyasint,omitempty"`
		NTilde []byte          `cbor:"5,keyasint,omitempty"`
		H1     []byte          `cbor:"6,keyasint,omitempty"`
		H2     []byte          `cbor:"7,keyasint,omitempty"`
	}
)

// Encode returns the share as secret bytes, for the keystore only.
func (s *Share) Encode() ([]byte, error) {
	w := wireShare{Version: shareVersion, Public: s.wirePublic(), Self: s.self, Xi: s.xi.Bytes()}
	if s.p != nil {
		w.P, w.Q = s.p.Bytes(), s.q.Bytes()
	}
	return protocol.Marshal(w)
}

func (s *Share) wirePublic() wirePublic {
	w := wirePublic{Scheme: s.Scheme(), Threshold: s.threshold, PublicKey: s.PublicKey()}
	for _, p := range s.parties {
		wp := wireParty{Peer: p.peer, Key: p.key.Bytes(), BigX: s.suite.encodePoint(p.bigX.X(), p.bigX.Y())}
		if p.n != nil {
			wp.N, wp.NTilde, wp.H1, wp.H2 = p.n.Bytes(), p.nTilde.Bytes(), p.h1.Bytes(), p.h2.Bytes()
		}
		w.Parties = append(w.Parties, wp)
	}
	return w
}

// DecodeShare reads an encoded share. It accepts exactly what Encode writes for a
// share whose fields are in range; Check tells whether they belong together.
func DecodeShare(data []byte) (*Share, error) {
	var w wireShare
	if err := protocol.Unmarshal(data, &w); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrShare, err)
	}
	if w.Version != shareVersion {
		return nil, fmt.Errorf("%w: version %d of the format, this node reads %d", ErrShare, w.Version, shareVersion)
	}
	s, err := decodePublic(&w.Public)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrShare, err)
	}
	if err := s.decodeOwn(&w); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrShare, err)
	}
	return s, nil
}

func decodePublic(w *wirePublic) (*Share, error) {
	suite, err := suiteOf(w.Scheme)
	if err != nil {
		return nil, err
	}
	s := &Share{suite: suite, threshold: w.Threshold, parties: make([]party, len(w.Parties))}
	if err := s.Threshold().Validate(); err != nil {
		return nil, err
	}
	if s.public, err = suite.point(w.PublicKey); err != nil {
		return nil, fmt.Errorf("public key: %w", err)
	}
	for i := range w.Parties {
		if s.parties[i], err = suite.decodeParty(&w.Parties[i]); err != nil {
			return nil, fmt.Errorf("party %d: %w", i, err)
		}
		if s.index(s.parties[i].peer) != i {
			return nil, fmt.Errorf("party %d has the peer id of another", i)
		}
	}
	return s, nil
}

func (s *suite) decodeParty(w *wireParty) (party, error) {
	p := party{peer: w.Peer}
	if w.Peer == "" {
		return p, fmt.Errorf("it has no peer id")
	}
	var err error
	if p.key, err = parseScalar(w.Key, s.curve.Params().N); err != nil {
		return p, fmt.Errorf("key: %w", err)
	}
	if p.bigX, err = s.point(w.BigX); err != nil {
		return p, fmt.Errorf("public share: %w", err)
	}
	moduli := [][]byte{w.N, w.NTilde, w.H1, w.H2}
	if s.scheme != protocol.ECDSA {
		for _, b := range moduli {
			if b != nil {
				return p, fmt.Errorf("it has moduli, which are for ECDSA")
			}
		}
		return p, nil
	}
	for i, target := range []**big.Int{&p.n, &p.nTilde, &p.h1, &p.h2} {
		if *target, err = parseInt(moduli[i], modulusBits/8); err != nil {
			return p, fmt.Errorf("modulus field %d: %w", i+1, err)
		}
	}
	return p, p.checkModuli()
}

// checkModuli checks the ranges, which nothing else about a share depends on.
func (p *party) checkModuli() error {
	for _, n := range []*big.Int{p.n, p.nTilde} {
		if n.BitLen() != modulusBits || n.Bit(0) == 0 {
			return fmt.Errorf("a modulus is not an odd number of %d bits", modulusBits)
		}
	}
	if p.h1.Cmp(p.nTilde) >= 0 || p.h2.Cmp(p.nTilde) >= 0 || p.h1.Cmp(p.h2) == 0 {
		return fmt.Errorf("h1 and h2 must differ and lie below Ñ")
	}
	return nil
}

// decodeOwn reads the secret part.
func (s *Share) decodeOwn(w *wireShare) error {
	if w.Self < 0 || w.Self >= len(s.parties) {
		return fmt.Errorf("own index %d of %d parties", w.Self, len(s.parties))
	}
	s.self = w.Self
	var err error
	if s.xi, err = parseScalar(w.Xi, s.suite.curve.Params().N); err != nil {
		return fmt.Errorf("secret: %w", err)
	}
	if s.Scheme() != protocol.ECDSA {
		if w.P != nil || w.Q != nil {
			return fmt.Errorf("it has primes, which are for ECDSA")
		}
		return nil
	}
	if s.p, err = parseInt(w.P, safePrimeBits/8); err != nil {
		return fmt.Errorf("first prime: %w", err)
	}
	if s.q, err = parseInt(w.Q, safePrimeBits/8); err != nil {
		return fmt.Errorf("second prime: %w", err)
	}
	return nil
}

// parseScalar reads a canonical number from 1 to q-1.
func parseScalar(b []byte, q *big.Int) (*big.Int, error) {
	v, err := parseInt(b, (q.BitLen()+7)/8)
	if err == nil && v.Cmp(q) >= 0 {
		err = fmt.Errorf("number is not below the order of the curve")
	}
	return v, err
}

// point reads a point in the scheme's public form.
func (s *suite) point(b []byte) (*crypto.ECPoint, error) {
	x, y, err := s.decodePoint(b)
	if err != nil {
		return nil, err
	}
	return crypto.NewECPoint(s.curve, x, y)
}
