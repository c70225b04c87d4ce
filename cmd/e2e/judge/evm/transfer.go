package evm

import (
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"
)

// Transfer is an unsigned transaction that moves wei (EIP-1559).
type Transfer struct{ fields *types.DynamicFeeTx }

// Digest returns the 32 bytes that the sender signs.
func (t *Transfer) Digest() []byte { return t.signer().Hash(types.NewTx(t.fields)).Bytes() }

// Payload returns the bytes whose Keccak-256 is the digest: the transaction's
// type and the RLP of its fields.
func (t *Transfer) Payload() ([]byte, error) {
	f := t.fields
	list, err := rlp.EncodeToBytes([]any{
		f.ChainID, f.Nonce, f.GasTipCap, f.GasFeeCap, f.Gas, f.To, f.Value, f.Data, types.AccessList{},
	})
	if err != nil {
		return nil, fmt.Errorf("encode the transaction: %w", err)
	}
	return append([]byte{types.DynamicFeeTxType}, list...), nil
}

// Altered returns the transfer with one bit of its amount changed.
func (t *Transfer) Altered() *Transfer {
	fields := *t.fields
	fields.Value = new(big.Int).Xor(fields.Value, big.NewInt(1))
	return &Transfer{&fields}
}

func (t *Transfer) signer() types.Signer { return types.LatestSignerForChainID(t.fields.ChainID) }
