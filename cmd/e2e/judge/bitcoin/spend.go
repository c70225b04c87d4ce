// Package bitcoin judges spends of P2WPKH outputs by btcd's script engine.
package bitcoin

import (
	"bytes"
	"fmt"

	"github.com/btcsuite/btcd/address/v2"
	"github.com/btcsuite/btcd/chaincfg/v2"
	"github.com/btcsuite/btcd/txscript/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"github.com/meshmpc/mpcd/cmd/e2e/judge"
)

// Networks whose addresses Script reads.
var (
	Mainnet = &chaincfg.MainNetParams
	Testnet = &chaincfg.TestNet3Params
)

const (
	owned = 100_000 // satoshis of the output that is spent
	fee   = 1_000
)

// Script returns what locks an output to a P2WPKH address of a network.
func Script(text string, network *chaincfg.Params) ([]byte, error) {
	addr, err := address.DecodeAddress(text, network)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", judge.ErrRejected, text, err)
	}
	if _, ok := addr.(*address.AddressWitnessPubKeyHash); !ok || !addr.IsForNet(network) {
		return nil, fmt.Errorf("%w: %s is not a P2WPKH address of %s", judge.ErrRejected, text, network.Name)
	}
	return txscript.PayToAddrScript(addr)
}

// Spend is an unsigned transaction with one input, an output of 100,000
// satoshis that a script locks. It pays everything but the fee to where it came
// from.
type Spend struct {
	tx     *wire.MsgTx
	script []byte
}

// NewSpend spends the first output of a made-up transaction.
func NewSpend(script []byte) *Spend {
	funding := wire.NewMsgTx(wire.TxVersion)
	funding.AddTxIn(wire.NewTxIn(&wire.OutPoint{Index: 3}, nil, nil))
	funding.AddTxOut(wire.NewTxOut(owned, script))
	hash := funding.TxHash()
	tx := wire.NewMsgTx(2)
	tx.AddTxIn(wire.NewTxIn(wire.NewOutPoint(&hash, 0), nil, nil))
	tx.AddTxOut(wire.NewTxOut(owned-fee, script))
	return &Spend{tx: tx, script: script}
}

// Digest returns the 32 bytes that the owner signs (BIP 143, SIGHASH_ALL).
func (s *Spend) Digest() ([]byte, error) {
	return txscript.CalcWitnessSigHash(s.script, s.hashes(), txscript.SigHashAll, s.tx, 0, owned)
}

func (s *Spend) hashes() *txscript.TxSigHashes {
	return txscript.NewTxSigHashes(s.tx, txscript.NewCannedPrevOutputFetcher(s.script, owned))
}

// Altered returns the spend with one bit of its amount changed.
func (s *Spend) Altered() *Spend {
	tx := s.tx.Copy()
	tx.TxOut[0].Value ^= 1
	return &Spend{tx: tx, script: s.script}
}

// Check runs the script with a signature in DER and a compressed public key,
// under the rules by which nodes relay transactions.
func (s *Spend) Check(der, publicKey []byte) error {
	tx := s.tx.Copy()
	tx.TxIn[0].Witness = wire.TxWitness{append(bytes.Clone(der), byte(txscript.SigHashAll)), publicKey}
	previous := txscript.NewCannedPrevOutputFetcher(s.script, owned)
	engine, err := txscript.NewEngine(s.script, tx, 0, txscript.StandardVerifyFlags, nil, txscript.NewTxSigHashes(tx, previous), owned, previous)
	if err != nil {
		return fmt.Errorf("%w: %w", judge.ErrRejected, err)
	}
	if err := engine.Execute(); err != nil {
		return fmt.Errorf("%w: %w", judge.ErrRejected, err)
	}
	return nil
}
