package tss

import (
	"errors"
	"math/big"
	"testing"

	"github.com/bnb-chain/tss-lib/v2/ecdsa/signing"
	tsslib "github.com/bnb-chain/tss-lib/v2/tss"

	"github.com/meshmpc/mpcd/protocol"
)

// With several others nobody can tell who chose θ last, in whatever order it came.
func TestThetaOfThree(t *testing.T) {
	s, err := suiteOf(protocol.ECDSA)
	if err != nil {
		t.Fatal(err)
	}
	theta := func(v int64) *signing.SignRound3Message {
		x := big.NewInt(v)
		return &signing.SignRound3Message{Theta: x.Mod(x, s.curve.Params().N).Bytes()}
	}
	for _, test := range []struct {
		last int64
		zero bool
	}{{-12, true}, {-11, false}} {
		g := &ecdsaSignGuard{suite: s, signers: make([]party, 3), theta: new(big.Int), left: 3}
		g.sent(theta(5))
		if err := g.check(1, theta(7)); err != nil {
			t.Fatal(err)
		}
		var v *verdict
		err := g.check(2, theta(test.last))
		if errors.As(err, &v) != test.zero || (err != nil) != test.zero || (v != nil && len(v.culprits) > 0) {
			t.Errorf("θ of %d: %v", test.last, err)
		}
	}
}

// Every type of every table has a guard, and a type without one does not pass.
func TestGuardsKnowTheirTables(t *testing.T) {
	for _, scheme := range []protocol.Scheme{protocol.ECDSA, protocol.EdDSA} {
		s, err := suiteOf(scheme)
		if err != nil {
			t.Fatal(err)
		}
		sign := &signSetup{share: &Share{suite: s}, signers: make([]party, 2)}
		keygen := newDealings(&keygenSetup{
			config: &KeygenConfig{Threshold: 2},
			suite:  s,
			roster: newRoster([]string{"alice", "bob"}, []*big.Int{bigOne, bigTwo}, "alice"),
		})
		guards := map[*ceremony]guard{s.keygen: eddsaKeygenGuard{keygen}, s.sign: newEdDSASignGuard(sign)}
		if scheme == protocol.ECDSA {
			own := []party{{n: big.NewInt(15), nTilde: big.NewInt(21)}, {n: big.NewInt(33), nTilde: big.NewInt(35)}}
			sign.signers = own
			guards[s.keygen] = &ecdsaKeygenGuard{dealings: keygen, ranges: newRanges(s.curve.Params().N), moduli: own}
			guards[s.sign] = newECDSASignGuard(sign)
		}
		for c, g := range guards {
			for _, row := range c.types {
				content, ok := row.content.ProtoReflect().New().Interface().(tsslib.MessageContent)
				if !ok {
					t.Fatal(row.name)
				}
				if err := g.check(1, content); err == nil || errors.Is(err, errNoGuard) {
					t.Errorf("%s: an empty message gives %v", row.url, err)
				}
			}
			if err := g.check(1, nil); !errors.Is(err, errNoGuard) {
				t.Errorf("an unknown type gives %v", err)
			}
		}
	}
}
