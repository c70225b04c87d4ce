package chain

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"github.com/meshmpc/mpcd/protocol"
)

// The generator of secp256k1 (SEC 2), which is the public key of the secret 1.
const generator = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"

func TestEthereumAddresses(t *testing.T) {
	for secret, want := range map[string]string{ // secrets of public examples
		"0000000000000000000000000000000000000000000000000000000000000001": "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf",
		// the first account of Hardhat's and Anvil's development chains
		"ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80": "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
		// the documentation of web3.js, eth.accounts.sign
		"4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318": "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23",
	} {
		key := secp256k1.PrivKeyFromBytes(unhex(t, secret)).PubKey()
		got, err := AddressesOf(protocol.ECDSA, key.SerializeCompressed())
		noError(t, err)
		equal(t, "the Ethereum address", got.Ethereum, want)
		equal(t, "the Solana address", got.Solana, "")
	}
}

// The test cases of EIP-55.
func TestChecksum(t *testing.T) {
	for _, want := range []string{
		"0x52908400098527886E0F7030069857D2E4169EE7",
		"0x8617E340B3D01FA5F11F306F4090FD50E238070D",
		"0xde709f2102306220921060314715629080e2fb77",
		"0x27b1fdb04752bbc536007a920d24acb045561c26",
		"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
		"0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
		"0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
		"0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
	} {
		equal(t, "the checksummed address", checksummed(unhex(t, strings.ToLower(want[2:]))), want)
	}
}

func TestBitcoinAddresses(t *testing.T) {
	for key, want := range map[string]Addresses{
		// BIP 173, examples
		generator: {
			Bitcoin: "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", BitcoinTestnet: "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx",
		},
		// BIP 84, test vectors: first and second receiving address, first change address
		"0330d54fd0dd420a6e5f8d3624f5f3482cae350f79d5f0753bf5beef9c2d91af3c": {Bitcoin: "bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu"},
		"03e775fd51f0dfb8cd865d9ff1cca2a158cf651fe997fdc9fee9c1d3b5e995ea77": {Bitcoin: "bc1qnjg0jd8228aq7egyzacy8cys3knf9xvrerkf9g"},
		"03025324888e429ab8e3dbaf1f7802648b9cd01e9b418485c5fa4c1b9b5700e1a6": {Bitcoin: "bc1q8c6fshw2dlwun7ekn9qwf37cu2rn755upcp6el"},
	} {
		got, err := AddressesOf(protocol.ECDSA, unhex(t, key))
		noError(t, err)
		equal(t, "the Bitcoin address", got.Bitcoin, want.Bitcoin)
		if want.BitcoinTestnet != "" {
			equal(t, "the testnet address", got.BitcoinTestnet, want.BitcoinTestnet)
		}
	}
}

func TestSolanaAddresses(t *testing.T) {
	for key, want := range map[string]string{
		// the key pair that Solana's documentation restores from bytes
		"0fb9ba52b1f09445f1e3a7508d59f0797923acf744fbe2da303fb06da859ee87": "24PNhTaNtomHhoy3fTRaMhAFCRj4uHqhZEEoWrKDbR5p",
		// the system and token programs: base58 keeps leading zeros
		"0000000000000000000000000000000000000000000000000000000000000000": "11111111111111111111111111111111",
		"06ddf6e1d765a193d9cbe146ceeb79ac1cb485ed5f5b37913a8cf5857eff00a9": "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA",
	} {
		got, err := AddressesOf(protocol.EdDSA, unhex(t, key))
		noError(t, err)
		equal(t, "the addresses", got, Addresses{Solana: want})
	}
}

func TestNoAddress(t *testing.T) {
	g := unhex(t, generator)
	uncompressed := secp256k1.PrivKeyFromBytes([]byte{1}).PubKey().SerializeUncompressed()
	offCurve := append([]byte{2}, make([]byte, 31)...)
	for _, c := range []struct {
		name   string
		scheme protocol.Scheme
		key    []byte
		want   error
	}{
		{"no key", protocol.ECDSA, nil, ErrKey},
		{"an uncompressed key", protocol.ECDSA, uncompressed, ErrKey},
		{"a key without its first byte", protocol.ECDSA, g[1:], ErrKey},
		{"a key of an unknown form", protocol.ECDSA, append([]byte{5}, g[1:]...), ErrKey},
		{"an x above the field", protocol.ECDSA, append([]byte{2}, bytes.Repeat([]byte{0xff}, 32)...), ErrKey},
		{"an x without a point", protocol.ECDSA, append([]byte{2}, append(make([]byte, 31), 5)...), ErrKey},
		{"no EdDSA key", protocol.EdDSA, nil, ErrKey},
		{"a key of the other scheme", protocol.EdDSA, g, ErrKey},
		{"a y without a point", protocol.EdDSA, offCurve, ErrKey},
		{"an unknown scheme", "bls", g, protocol.ErrScheme},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := AddressesOf(c.scheme, c.key)
			wantError(t, err, c.want)
			equal(t, "the addresses", got, Addresses{})
		})
	}
}

// FuzzAddresses looks for bytes that crash it; every point has all addresses of
// its scheme.
func FuzzAddresses(f *testing.F) {
	f.Add(unhex(f, generator))
	f.Add(make([]byte, 32))
	f.Fuzz(func(t *testing.T, key []byte) {
		for _, scheme := range []protocol.Scheme{protocol.ECDSA, protocol.EdDSA} {
			a, err := AddressesOf(scheme, key)
			complete := len(a.Ethereum) == 42 && len(a.Bitcoin) == 42 && len(a.BitcoinTestnet) == 42 && a.Solana == ""
			if scheme == protocol.EdDSA {
				complete = len(a.Solana) >= 32 && a.Ethereum+a.Bitcoin+a.BitcoinTestnet == ""
			}
			if complete != (err == nil) {
				t.Errorf("%s: %+v, %v for %s", scheme, a, err, hex.EncodeToString(key))
			}
		}
	})
}

// BenchmarkAddresses is what listing accounts pays for each of them.
func BenchmarkAddresses(b *testing.B) {
	for scheme, key := range map[protocol.Scheme][]byte{protocol.ECDSA: unhex(b, generator), protocol.EdDSA: make([]byte, 32)} {
		b.Run("scheme="+string(scheme), func(b *testing.B) {
			for b.Loop() {
				if _, err := AddressesOf(scheme, key); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
