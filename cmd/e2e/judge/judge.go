// Package judge verifies signatures with code that is not ours: go-ethereum's
// public key recovery and the standard library's Ed25519.
package judge

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
)

// ErrRejected reports a signature that a judge does not accept.
var ErrRejected = errors.New("signature rejected")

// Chain is the chain id of the transactions that Transfer makes: Ethereum's
// test network Sepolia.
var Chain = big.NewInt(11155111)

// Transfer makes an unsigned EIP-1559 transaction that sends wei to an address.
func Transfer(to common.Address, wei *big.Int, nonce uint64) *types.Transaction {
	return types.NewTx(&types.DynamicFeeTx{
		ChainID: Chain, Nonce: nonce, To: &to, Value: wei, Gas: 21_000,
		GasTipCap: big.NewInt(1e9), GasFeeCap: big.NewInt(30e9),
	})
}

// SigningHash returns the digest that a transaction's sender signs (EIP-1559).
func SigningHash(tx *types.Transaction) []byte {
	return types.LatestSignerForChainID(Chain).Hash(tx).Bytes()
}

// Address returns the Ethereum address of a compressed secp256k1 key in hex.
func Address(publicKey string) (common.Address, error) {
	raw, err := hex.DecodeString(publicKey)
	if err != nil {
		return common.Address{}, fmt.Errorf("public key: %w", err)
	}
	key, err := crypto.DecompressPubkey(raw)
	if err != nil {
		return common.Address{}, fmt.Errorf("public key: %w", err)
	}
	return crypto.PubkeyToAddress(*key), nil
}

// Transaction puts a 65-byte signature r‖s‖v on a transaction and checks that
// go-ethereum recovers the key's address as its sender.
func Transaction(tx *types.Transaction, publicKey, rsv string) (*types.Transaction, error) {
	want, err := Address(publicKey)
	if err != nil {
		return nil, err
	}
	sig, err := hex.DecodeString(rsv)
	if err != nil {
		return nil, fmt.Errorf("signature: %w", err)
	}
	signer := types.LatestSignerForChainID(Chain)
	signed, err := tx.WithSignature(signer, sig)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRejected, err)
	}
	from, err := types.Sender(signer, signed)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRejected, err)
	}
	if from != want {
		return nil, fmt.Errorf("%w: the sender is %s, not %s", ErrRejected, from, want)
	}
	return signed, nil
}

// ECDSA checks a 65-byte signature r‖s‖v over a digest by recovering the key
// from it, and that s is in the lower half of the order (BIP 62, EIP-2).
func ECDSA(publicKey string, digest []byte, rsv string) error {
	sig, err := hex.DecodeString(rsv)
	if err != nil || len(sig) != crypto.SignatureLength {
		return fmt.Errorf("%w: %q is not 65 bytes in hex", ErrRejected, rsv)
	}
	r, s := new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:64])
	if !crypto.ValidateSignatureValues(sig[64], r, s, true) {
		return fmt.Errorf("%w: r, s or v out of range, or s not low", ErrRejected)
	}
	key, err := crypto.SigToPub(digest, sig)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRejected, err)
	}
	if got := hex.EncodeToString(crypto.CompressPubkey(key)); got != publicKey {
		return fmt.Errorf("%w: it recovers to key %s, not %s", ErrRejected, got, publicKey)
	}
	return nil
}

// EdDSA checks a 64-byte Ed25519 signature (RFC 8032) over a message.
func EdDSA(publicKey string, message []byte, signature string) error {
	key, err := hex.DecodeString(publicKey)
	if err != nil || len(key) != ed25519.PublicKeySize {
		return fmt.Errorf("%w: %q is not an Ed25519 key in hex", ErrRejected, publicKey)
	}
	sig, err := hex.DecodeString(signature)
	if err != nil || len(sig) != ed25519.SignatureSize {
		return fmt.Errorf("%w: %q is not 64 bytes in hex", ErrRejected, signature)
	}
	if !ed25519.Verify(key, message, sig) {
		return ErrRejected
	}
	return nil
}
