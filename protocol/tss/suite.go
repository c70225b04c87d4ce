package tss

import (
	"crypto/elliptic"
	"fmt"
	"math/big"
	"sync"

	tsslib "github.com/bnb-chain/tss-lib/v2/tss"
	logging "github.com/ipfs/go-log/v2"

	"github.com/meshmpc/mpcd/protocol"
)

// suite is what the engine and the share know of a scheme: its curve, the form
// of its public keys, its ceremonies and how the library runs them.
type suite struct {
	scheme protocol.Scheme
	curve  elliptic.Curve

	// encodePoint gives the public form of a point; decodePoint accepts only
	// that form, of a point other than the identity.
	encodePoint func(x, y *big.Int) []byte
	decodePoint func(b []byte) (x, y *big.Int, err error)
	// primeOrder tells whether a point is free of a small-order component.
	primeOrder func(x, y *big.Int) bool

	keygen, sign *ceremony
	newKeygen    func(*keygenSetup) (runner, error)
	newSign      func(*signSetup) (runner, error)
}

// runner is a party of the library with what watches over it and takes its
// result.
type runner struct {
	party tsslib.Party
	guard guard
	// outcome returns nil, nil while there is no result.
	outcome func() (*protocol.Result, error)
}

// suites is made at first use rather than in an init function: it registers our
// Ed25519 in the library's global table of curves and sets the library's log to
// errors, for it logs every message of every round. An operator's later
// SetLogLevel of "tss-lib" or "*" stands.
var suites = sync.OnceValue(func() map[protocol.Scheme]*suite {
	_ = logging.SetLogLevel("tss-lib", "error") // fails only if the library renames its logger
	ed := newEdCurve()
	tsslib.RegisterCurve(tsslib.Ed25519, ed)
	return map[protocol.Scheme]*suite{
		protocol.ECDSA: ecdsaSuite(tsslib.S256()),
		protocol.EdDSA: eddsaSuite(ed),
	}
})

func suiteOf(scheme protocol.Scheme) (*suite, error) {
	s := suites()[scheme]
	if s == nil {
		return nil, fmt.Errorf("%w, not %q", protocol.ErrScheme, scheme)
	}
	return s, nil
}

// parameters is the one place that turns t signers into the library's threshold,
// the degree t - 1 of the polynomial.
func (s *suite) parameters(r *roster, signers int) *tsslib.Parameters {
	return tsslib.NewParameters(s.curve, tsslib.NewPeerContext(r.ids), r.ids[r.self], len(r.ids), signers-1)
}

// collect polls the channel on which a party of the library leaves its result.
func collect[T any](end <-chan T, convert func(T) (*protocol.Result, error)) func() (*protocol.Result, error) {
	return func() (*protocol.Result, error) {
		select {
		case v := <-end:
			return convert(v)
		default:
			return nil, nil
		}
	}
}
