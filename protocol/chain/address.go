package chain

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"filippo.io/edwards25519"
	"github.com/decred/dcrd/bech32"
	"github.com/decred/dcrd/crypto/ripemd160"
	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/mr-tron/base58"

	"github.com/meshmpc/mpcd/protocol"
)

// Addresses are where a key receives; those of the other scheme are empty.
type Addresses struct {
	Ethereum       string // EIP-55
	Bitcoin        string // P2WPKH, mainnet
	BitcoinTestnet string // P2WPKH, testnet and signet
	Solana         string // base58
}

// ErrKey reports bytes that are no public key of the scheme.
var ErrKey = errors.New("not a public key")

// AddressesOf returns the addresses of a public key: 33 bytes SEC 1 compressed
// (ECDSA) or 32 bytes RFC 8032 (EdDSA). Anything else, and bytes that are no
// point of the curve, is ErrKey: what is sent to such an address is lost.
func AddressesOf(scheme protocol.Scheme, publicKey []byte) (Addresses, error) {
	switch scheme {
	case protocol.ECDSA:
		return secp256k1Addresses(publicKey)
	case protocol.EdDSA:
		return ed25519Addresses(publicKey)
	}
	return Addresses{}, fmt.Errorf("%w, not %q", protocol.ErrScheme, scheme)
}

func secp256k1Addresses(publicKey []byte) (Addresses, error) {
	if len(publicKey) != secp256k1.PubKeyBytesLenCompressed { // the library also reads longer forms
		return Addresses{}, fmt.Errorf("%w: it has %d bytes, not %d", ErrKey, len(publicKey), secp256k1.PubKeyBytesLenCompressed)
	}
	key, err := secp256k1.ParsePubKey(publicKey)
	if err != nil {
		return Addresses{}, fmt.Errorf("%w: %w", ErrKey, err)
	}
	mainnet, err := p2wpkh("bc", publicKey)
	if err != nil {
		return Addresses{}, err
	}
	testnet, err := p2wpkh("tb", publicKey)
	if err != nil {
		return Addresses{}, err
	}
	account := keccak256(key.SerializeUncompressed()[1:])[12:]
	return Addresses{Ethereum: checksummed(account), Bitcoin: mainnet, BitcoinTestnet: testnet}, nil
}

// checksummed writes an Ethereum account in hex whose capitals are a checksum
// (EIP-55): a letter is a capital if the digit at its place in the hash of the
// lower-case text is 8 or more.
func checksummed(account []byte) string {
	text := []byte(hex.EncodeToString(account))
	sum := hex.EncodeToString(keccak256(text))
	for i, c := range text {
		if c >= 'a' && sum[i] >= '8' { // as characters '8' < '9' < 'a' < 'f'
			text[i] = c - 'a' + 'A'
		}
	}
	return "0x" + string(text)
}

// p2wpkh writes the segregated-witness address of a compressed key for the
// network with a human-readable part.
func p2wpkh(network string, publicKey []byte) (string, error) {
	first := sha256.Sum256(publicKey)
	second := ripemd160.New()
	_, _ = second.Write(first[:]) // a hash takes everything
	program, err := bech32.ConvertBits(second.Sum(nil), 8, 5, true)
	if err != nil {
		return "", fmt.Errorf("bech32 address: %w", err)
	}
	const witnessVersion = 0
	address, err := bech32.Encode(network, append([]byte{witnessVersion}, program...))
	if err != nil {
		return "", fmt.Errorf("bech32 address: %w", err)
	}
	return address, nil
}

func ed25519Addresses(publicKey []byte) (Addresses, error) {
	if len(publicKey) != ed25519.PublicKeySize {
		return Addresses{}, fmt.Errorf("%w: it has %d bytes, not %d", ErrKey, len(publicKey), ed25519.PublicKeySize)
	}
	if _, err := new(edwards25519.Point).SetBytes(publicKey); err != nil {
		return Addresses{}, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return Addresses{Solana: base58.Encode(publicKey)}, nil
}
