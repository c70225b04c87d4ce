//go:build long

package tss_test

import (
	"math/big"
	"testing"

	"github.com/bnb-chain/tss-lib/v2/common"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/keygen"
	tsslib "github.com/bnb-chain/tss-lib/v2/tss"

	"github.com/meshmpc/mpcd/protocol/protocoltest"
	"github.com/meshmpc/mpcd/protocol/tss"
)

// A whole keygen of the library alone: it gives a key to a party with a modulus of
// small primes, and to one whose two moduli are the same.
func TestLibraryKeygen(t *testing.T) {
	sets := protocoltest.PreParams(t, 3)
	ids := tsslib.GenerateTestPartyIDs(3)
	smooth := newSmoothModulus(t)
	inputs := make([]keygen.LocalPreParams, 3)
	for i, set := range sets {
		inputs[i] = tss.LibraryPreParams(set)
	}
	inputs[1].PaillierSK = smooth.key()
	inputs[2].PaillierSK = paillierKey(safePrime(inputs[2].P), safePrime(inputs[2].Q))

	out, end := make(chan tsslib.Message, 20), make(chan *keygen.LocalPartySaveData, 3)
	next := 0
	parties := each(ids, tsslib.S256(), 2, func(p *tsslib.Parameters) tsslib.Party {
		next++
		return keygen.NewLocalParty(p, out, end, inputs[next-1])
	})
	forged := smooth.forge(append(keygenSSID(ids), 1)) // the context of party 1
	for _, party := range parties {
		if err := party.Start(); err != nil {
			t.Fatal(err)
		}
	}
	for len(end) < 3 {
		m := (<-out).(tsslib.ParsedMessage)
		if c, ok := m.Content().(*keygen.KGRound2Message2); ok && m.GetFrom().Index == 1 {
			c.ModProof = forged
		}
		for i, party := range parties {
			if i == m.GetFrom().Index || (m.GetTo() != nil && m.GetTo()[0].Index != i) {
				continue
			}
			if _, err := party.Update(m); err != nil {
				t.Fatalf("party %d: %v", i, err)
			}
		}
	}
	for _, data := range gather(t, end, 3) {
		if data.PaillierPKs[1].N.Cmp(smooth.n) != 0 || data.PaillierPKs[2].N.Cmp(data.NTildej[2]) != 0 {
			t.Error("the key has other moduli")
		}
	}
}

// keygenSSID returns the library's session identifier of a keygen.
func keygenSSID(ids tsslib.SortedPartyIDs) []byte {
	params := tsslib.S256().Params()
	list := append([]*big.Int{params.P, params.N, params.Gx, params.Gy}, ids.Keys()...)
	return common.SHA512_256i(append(list, big.NewInt(1), new(big.Int))...).Bytes()
}
