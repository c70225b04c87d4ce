package tss_test

import (
	"crypto/elliptic"
	"math/big"
	"testing"

	"github.com/bnb-chain/tss-lib/v2/common"
	eckeygen "github.com/bnb-chain/tss-lib/v2/ecdsa/keygen"
	ecsigning "github.com/bnb-chain/tss-lib/v2/ecdsa/signing"
	edkeygen "github.com/bnb-chain/tss-lib/v2/eddsa/keygen"
	edsigning "github.com/bnb-chain/tss-lib/v2/eddsa/signing"
	tsslib "github.com/bnb-chain/tss-lib/v2/tss"

	"github.com/meshmpc/mpcd/protocol/tss"
)

// The floor: the library alone, all parties in this process, messages in their
// wire form, nothing else. It is what the benchmarks compare the engine with.

// runFloor runs parties until nobody sends any more.
func runFloor(tb testing.TB, parties []tsslib.Party, out <-chan tsslib.Message) {
	tb.Helper()
	for _, p := range parties {
		if err := p.Start(); err != nil {
			tb.Fatal(err)
		}
	}
	for {
		select {
		case msg := <-out:
			body, routing, err := msg.WireBytes()
			if err != nil {
				tb.Fatal(err)
			}
			for i, p := range parties {
				if i == routing.From.Index || (routing.To != nil && routing.To[0].Index != i) {
					continue
				}
				if _, err := p.UpdateFromBytes(body, routing.From, routing.IsBroadcast); err != nil {
					tb.Fatal(err)
				}
			}
		default:
			return
		}
	}
}

// each makes the party of every id.
func each(ids tsslib.SortedPartyIDs, curve elliptic.Curve, t int, f func(*tsslib.Parameters) tsslib.Party) []tsslib.Party {
	parties := make([]tsslib.Party, len(ids))
	for i, id := range ids {
		parties[i] = f(tsslib.NewParameters(curve, tsslib.NewPeerContext(ids), id, len(ids), t-1))
	}
	return parties
}

// gather takes a result of every party; the channel holds them all.
func gather[T any](tb testing.TB, end <-chan T, n int) []T {
	tb.Helper()
	results := make([]T, n)
	for i := range results {
		select {
		case results[i] = <-end:
		default:
			tb.Fatal("a party has no result")
		}
	}
	return results
}

func floorECDSAKeygen(tb testing.TB, t int, sets []*tss.PreParams) []*eckeygen.LocalPartySaveData {
	tb.Helper()
	n := len(sets)
	out, end := make(chan tsslib.Message, n*n+n), make(chan *eckeygen.LocalPartySaveData, n)
	i := 0
	parties := each(tsslib.GenerateTestPartyIDs(n), tsslib.S256(), t, func(p *tsslib.Parameters) tsslib.Party {
		i++
		return eckeygen.NewLocalParty(p, out, end, tss.LibraryPreParams(sets[i-1]))
	})
	runFloor(tb, parties, out)
	return gather(tb, end, n)
}

func floorEdDSAKeygen(tb testing.TB, t, n int) []*edkeygen.LocalPartySaveData {
	tb.Helper()
	out, end := make(chan tsslib.Message, n*n+n), make(chan *edkeygen.LocalPartySaveData, n)
	parties := each(tsslib.GenerateTestPartyIDs(n), tsslib.Edwards(), t, func(p *tsslib.Parameters) tsslib.Party {
		return edkeygen.NewLocalParty(p, out, end)
	})
	runFloor(tb, parties, out)
	return gather(tb, end, n)
}

// idsOf makes the ids that belong to the keys of t parties.
func idsOf(keys []*big.Int) tsslib.SortedPartyIDs {
	ids := make(tsslib.UnSortedPartyIDs, len(keys))
	for i, k := range keys {
		ids[i] = tsslib.NewPartyID(k.String(), "", k)
	}
	return tsslib.SortPartyIDs(ids)
}

func floorECDSASign(tb testing.TB, keys []*eckeygen.LocalPartySaveData, digest []byte) []byte {
	tb.Helper()
	n := len(keys)
	byID := map[string]*eckeygen.LocalPartySaveData{}
	var ids []*big.Int
	for _, k := range keys {
		byID[k.ShareID.String()] = k
		ids = append(ids, k.ShareID)
	}
	out, end := make(chan tsslib.Message, n*n+n), make(chan *common.SignatureData, n)
	message := new(big.Int).SetBytes(digest)
	parties := each(idsOf(ids), tsslib.S256(), n, func(p *tsslib.Parameters) tsslib.Party {
		return ecsigning.NewLocalParty(message, p, *byID[p.PartyID().Id], out, end, len(digest))
	})
	runFloor(tb, parties, out)
	return gather(tb, end, n)[0].Signature
}

func floorEdDSASign(tb testing.TB, keys []*edkeygen.LocalPartySaveData, message []byte) []byte {
	tb.Helper()
	n := len(keys)
	byID := map[string]*edkeygen.LocalPartySaveData{}
	var ids []*big.Int
	for _, k := range keys {
		byID[k.ShareID.String()] = k
		ids = append(ids, k.ShareID)
	}
	out, end := make(chan tsslib.Message, n*n+n), make(chan *common.SignatureData, n)
	m := new(big.Int).SetBytes(message)
	parties := each(idsOf(ids), tsslib.Edwards(), n, func(p *tsslib.Parameters) tsslib.Party {
		return edsigning.NewLocalParty(m, p, *byID[p.PartyID().Id], out, end, len(message))
	})
	runFloor(tb, parties, out)
	return gather(tb, end, n)[0].Signature
}
