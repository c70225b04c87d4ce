package tss

import (
	"fmt"
	"math/big"

	"github.com/bnb-chain/tss-lib/v2/crypto"
	tsslib "github.com/bnb-chain/tss-lib/v2/tss"

	"github.com/meshmpc/mpcd/protocol"
)

// keygenSetup is what a suite's newKeygen works with.
type keygenSetup struct {
	config *KeygenConfig
	suite  *suite
	roster *roster
	params *tsslib.Parameters
	out    chan<- tsslib.Message
}

// NewKeygen returns a member of a keygen. Its Result holds the encoded share,
// which has passed Share.Check.
//
// ECDSA: GG18 (eprint 2019/114) with the proofs of CGGMP (eprint 2021/060) that
// the moduli are well formed, three rounds. EdDSA: Feldman's secret sharing with
// Schnorr proofs, two rounds. ErrConfig and ErrPreParams report a setup that
// cannot work.
func NewKeygen(c KeygenConfig) (protocol.Machine, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s, err := suiteOf(c.Scheme)
	if err != nil {
		return nil, err
	}
	return s.keygenMachine(c)
}

func (s *suite) keygenMachine(c KeygenConfig) (protocol.Machine, error) {
	keys, err := partyKeys(c.SID, c.Roster, s.curve.Params().N)
	if err != nil {
		return nil, err
	}
	m := newMachine(s.keygen, newRoster(peersOf(c.Roster), keys, c.Self))
	params := s.parameters(m.roster, c.Threshold)
	if c.Cores > 0 {
		params.SetConcurrency(c.Cores)
	}
	m.runner, err = s.newKeygen(&keygenSetup{
		config: &c,
		suite:  s,
		roster: m.roster,
		params: params,
		out:    m.out,
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

func peersOf(members []protocol.Member) []protocol.PeerID {
	peers := make([]protocol.PeerID, len(members))
	for i, m := range members {
		peers[i] = m.Peer
	}
	return peers
}

// savedKey is what the library's save data of both schemes have in common; the
// slices are in the library's order.
type savedKey struct {
	xi     *big.Int
	ks     []*big.Int
	bigX   []*crypto.ECPoint
	public *crypto.ECPoint
}

// share makes a share of the save data; the caller adds the fields of ECDSA.
func (k *keygenSetup) share(saved savedKey) *Share {
	s := &Share{
		suite:     k.suite,
		threshold: k.config.Threshold,
		public:    saved.public,
		xi:        saved.xi,
	}
	for i, m := range k.config.Roster {
		j := k.roster.by[m.Peer].Index
		s.parties = append(s.parties, party{peer: m.Peer, key: saved.ks[j], bigX: saved.bigX[j]})
		if m.Peer == k.config.Self {
			s.self = i
		}
	}
	return s
}

// keygenResult checks a new share and encodes it.
func keygenResult(s *Share) (*protocol.Result, error) {
	if err := s.Check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrResult, err)
	}
	encoded, err := s.Encode()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrResult, err)
	}
	return &protocol.Result{PublicKey: s.PublicKey(), Share: encoded, PublicHash: s.PublicHash()}, nil
}
