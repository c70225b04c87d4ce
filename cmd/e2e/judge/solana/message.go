// Package solana builds Solana's legacy transaction messages and judges their
// signatures by crypto/ed25519.
//
//	part            bytes       content
//	header          3           required signatures; of them read-only; read-only accounts that do not sign
//	accounts        1 + 32 n    number, keys: the payer first, programs last
//	blockhash       32          of a recent block
//	instructions    1           number
//	  program       1           index among the accounts
//	  accounts      1 + m       number, indexes
//	  data          1 + d       number, bytes
//
// Numbers of things are compact-u16, one byte below 128.
package solana

import (
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/btcsuite/btcd/address/v2/base58"

	"github.com/meshmpc/mpcd/cmd/e2e/judge"
)

// Key is a public key, which is an account's address.
type Key [ed25519.PublicKeySize]byte

// system is the system program, which moves lamports: all zeros.
var system Key

// transfer is the index of the system program's instruction.
const transfer = 2

// ParseKey reads an address in base58.
func ParseKey(text string) (Key, error) {
	raw := base58.Decode(text)
	if len(raw) != len(Key{}) || base58.Encode(raw) != text {
		return Key{}, fmt.Errorf("%w: %q is not a Solana address", judge.ErrRejected, text)
	}
	return Key(raw), nil
}

// Transfer returns the message of a transaction that moves lamports: what its
// payer signs.
func Transfer(from, to Key, lamports uint64, blockhash [32]byte) []byte {
	data := binary.LittleEndian.AppendUint32(nil, transfer)
	data = binary.LittleEndian.AppendUint64(data, lamports)
	return slices.Concat(
		[]byte{1, 0, 1}, // the payer signs and is written to; the program is only read
		[]byte{3}, from[:], to[:], system[:],
		blockhash[:],
		[]byte{1}, []byte{2}, []byte{2, 0, 1}, []byte{byte(len(data))}, data,
	)
}

// Check verifies a transaction's only signature as a validator does: under the
// first account that its message names.
func Check(message, signature []byte) error {
	const payer = 4 // after the header and the number of accounts
	if len(message) < payer+len(Key{}) || message[0] != 1 {
		return fmt.Errorf("%w: not a message with one signer", judge.ErrRejected)
	}
	if len(signature) != ed25519.SignatureSize || !ed25519.Verify(message[payer:payer+len(Key{})], message, signature) {
		return judge.ErrRejected
	}
	return nil
}
