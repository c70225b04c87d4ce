// Package chain turns keys, messages and signatures into what verifiers on
// chains expect: addresses of a key, the digest of a message, and the written
// forms of a signature. It is pure: no time, disk or network.
//
// # Addresses
//
//	field            scheme            form
//	Ethereum         ecdsa-secp256k1   0x and 40 digits: the last 20 bytes of Keccak-256 of the
//	                                   uncompressed key without its first byte, cased as EIP-55 says
//	Bitcoin          ecdsa-secp256k1   P2WPKH on mainnet: witness version 0 and HASH160 of the
//	                                   compressed key (BIP 141), in bech32 with "bc" (BIP 173)
//	BitcoinTestnet   ecdsa-secp256k1   the same with "tb": testnets and signet
//	Solana           eddsa-ed25519     the 32 bytes of the key in base58
//
// # Hashes
//
//	name        digest
//	none        the message itself
//	sha256      SHA-256 (FIPS 180-4), 32 bytes
//	keccak256   Keccak-256 with the padding of before FIPS 202, as Ethereum uses it, 32 bytes
//	eip191      keccak256 of 0x19 "Ethereum Signed Message:" 0x0a, the message's length in
//	            decimal, and the message (EIP-191 version 0x45, personal_sign), 32 bytes
//
// An ECDSA key signs 32 bytes, so with none the message must be a digest.
// Ed25519 hashes by itself (RFC 8032), so none is what its verifiers expect;
// with another hash the 32 bytes of the digest are the message.
//
// # Signature forms
//
// All are of one ECDSA signature r, s with 1 ≤ r < q, 1 ≤ s ≤ q/2 (BIP 62,
// EIP-2), numbers big-endian in 32 bytes:
//
//	form       bytes    content
//	compact    64       r ‖ s
//	DER        8 to 71  SEQUENCE of INTEGER r and s (X9.62, BIP 66), without a sighash byte
//	RSV        65       r ‖ s ‖ v, v the recovery id 0 to 3 (SEC 1 §4.1.6)
//	Ethereum   65       r ‖ s ‖ v, v = 27 or 28 (yellow paper, appendix F)
//
// Bit 0 of the recovery id is the parity of the nonce point's y. Bit 1 says that
// its x is r + q and not r, which happens by chance once in about 2^127
// signatures and has no Ethereum form. Parsers accept exactly what is written here:
// each signature has one encoding in each form, and another is ErrForm.
package chain
