package e2e

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"math/big"
	"testing"

	"github.com/btcsuite/btcd/chaincfg/v2"
	"github.com/ethereum/go-ethereum/accounts"
	"github.com/ethereum/go-ethereum/common"

	"github.com/meshmpc/mpcd/cmd/e2e/cluster"
	"github.com/meshmpc/mpcd/cmd/e2e/judge"
	"github.com/meshmpc/mpcd/cmd/e2e/judge/bitcoin"
	"github.com/meshmpc/mpcd/cmd/e2e/judge/evm"
	"github.com/meshmpc/mpcd/cmd/e2e/judge/solana"
)

// TestChains has the verifiers of chains judge what the API signs, and where it
// says that keys receive. Each refuses the same with one bit altered.
func TestChains(t *testing.T) {
	c := shared(t, cluster.QUIC)
	account := ecdsaAccount(t, c)
	t.Run("an Ethereum transfer", func(t *testing.T) { transferEther(t, c, account) })
	t.Run("a personal message", func(t *testing.T) { signPersonal(t, c, account) })
	t.Run("a Bitcoin spend", func(t *testing.T) { spendBitcoin(t, c, account) })
	t.Run("a Solana transfer", func(t *testing.T) { transferLamports(t, c, newAccount(t, c, cluster.EdDSA)) })
}

// transferEther funds the account's address on a fresh chain and sends a part of
// it on, twice: signing the digest, and the transaction with hash keccak256.
func transferEther(t *testing.T, c *cluster.Cluster, account cluster.Account) {
	from, chain := newChain(t, account)
	to := common.HexToAddress("0x1111111111111111111111111111111111111111")
	wei := big.NewInt(1e15)
	for i, hash := range []string{"none", "keccak256"} {
		transfer, err := chain.Transfer(waiting(t), from, to, wei)
		if err != nil {
			t.Fatal(err)
		}
		message, err := transfer.Payload()
		if err != nil {
			t.Fatal(err)
		}
		if hash == "none" {
			message = transfer.Digest()
		}
		signed := signMessage(t, c, account, cluster.SignRequest{Message: hex.EncodeToString(message), Hash: hash})
		if signed.Digest != hex.EncodeToString(transfer.Digest()) {
			t.Fatalf("with hash %s the key signed %s, not the transaction's digest %x", hash, signed.Digest, transfer.Digest())
		}
		sig := unhex(t, signed.Signature.RSV)
		for _, at := range []int{0, 31, 32, 63, 64} {
			refused(t, chain.Send(waiting(t), transfer, flipped(sig, at)))
		}
		refused(t, chain.Send(waiting(t), transfer.Altered(), sig))
		if err := chain.Send(waiting(t), transfer, sig); err != nil {
			t.Fatalf("the chain refuses a transfer signed with hash %s: %v", hash, err)
		}
		want := new(big.Int).Mul(wei, big.NewInt(int64(i)+1))
		if got, err := chain.Balance(waiting(t), to); err != nil || got.Cmp(want) != 0 {
			t.Errorf("the receiver has %v (%v), want %v", got, err, want)
		}
	}
}

// signPersonal signs text as wallets do (EIP-191) and asks the EVM who it was.
func signPersonal(t *testing.T, c *cluster.Cluster, account cluster.Account) {
	address, chain := newChain(t, account)
	const text = "I agree to the terms of 2026 – and to no others"
	signed := signMessage(t, c, account, cluster.SignRequest{Message: text, Encoding: "utf8", Hash: "eip191"})
	digest := accounts.TextHash([]byte(text))
	if signed.Message != hex.EncodeToString([]byte(text)) || signed.Hash != "eip191" || signed.Digest != hex.EncodeToString(digest) {
		t.Errorf("the answer says %+v, and not that %x was signed", signed, digest)
	}
	sig := unhex(t, signed.Signature.Ethereum)
	if got, err := chain.Recover(waiting(t), digest, sig); err != nil || got != address {
		t.Errorf("the EVM says that %s has signed (%v), not %s", got, err, address)
	}
	for _, at := range []int{0, 63, 64} {
		if got, _ := chain.Recover(waiting(t), digest, flipped(sig, at)); got == address {
			t.Errorf("with byte %d altered it is still the account's signature", at)
		}
	}
}

// newChain starts a chain on which the account's address is rich.
func newChain(t *testing.T, account cluster.Account) (common.Address, *evm.Chain) {
	t.Helper()
	address, err := evm.ParseAddress(account.Addresses.Ethereum)
	if err != nil {
		t.Fatal(err)
	}
	chain := evm.New(address)
	t.Cleanup(func() {
		if err := chain.Close(); err != nil {
			t.Error(err)
		}
	})
	return address, chain
}

// spendBitcoin spends what was paid to the account's address.
func spendBitcoin(t *testing.T, c *cluster.Cluster, account cluster.Account) {
	var scripts [][]byte
	for network, address := range map[*chaincfg.Params]string{
		bitcoin.Mainnet: account.Addresses.Bitcoin, bitcoin.Testnet: account.Addresses.BitcoinTestnet,
	} {
		script, err := bitcoin.Script(address, network)
		if err != nil {
			t.Fatal(err)
		}
		scripts = append(scripts, script)
	}
	if !bytes.Equal(scripts[0], scripts[1]) {
		t.Errorf("the addresses of the two networks are of different keys: %+v", account.Addresses)
	}
	spend := bitcoin.NewSpend(scripts[0])
	digest, err := spend.Digest()
	if err != nil {
		t.Fatal(err)
	}
	signed := signMessage(t, c, account, cluster.SignRequest{Message: hex.EncodeToString(digest)})
	der, key := unhex(t, signed.Signature.DER), unhex(t, account.PublicKey)
	if err := spend.Check(der, key); err != nil {
		t.Fatalf("the script engine refuses the spend: %v", err)
	}
	for at := range der {
		refused(t, spend.Check(flipped(der, at), key))
	}
	refused(t, spend.Altered().Check(der, key))
	refused(t, spend.Check(der, flipped(key, 0)))
}

// transferLamports signs the message of a transaction that moves lamports.
func transferLamports(t *testing.T, c *cluster.Cluster, account cluster.Account) {
	from, err := solana.ParseKey(account.Addresses.Solana)
	if err != nil {
		t.Fatal(err)
	}
	if hex.EncodeToString(from[:]) != account.PublicKey {
		t.Errorf("the address %s is of another key than %s", account.Addresses.Solana, account.PublicKey)
	}
	var blockhash [32]byte
	_, _ = rand.Read(blockhash[:]) // never fails, see its documentation
	message := solana.Transfer(from, solana.Key{31: 7}, 1_000_000, blockhash)
	signed := signMessage(t, c, account, cluster.SignRequest{Message: base64.StdEncoding.EncodeToString(message), Encoding: "base64"})
	sig := unhex(t, signed.Signature.Compact)
	if err := solana.Check(message, sig); err != nil {
		t.Fatalf("a validator refuses the transfer: %v", err)
	}
	if signed.Signature.Base64 != base64.StdEncoding.EncodeToString(sig) {
		t.Errorf("the base64 form %s is of another signature", signed.Signature.Base64)
	}
	for at := range sig {
		refused(t, solana.Check(message, flipped(sig, at)))
	}
	for at := range message {
		refused(t, solana.Check(flipped(message, at), sig))
	}
}

// signMessage signs; who it is for judges the signature.
func signMessage(t *testing.T, c *cluster.Cluster, account cluster.Account, req cluster.SignRequest) cluster.Signed {
	t.Helper()
	signed, err := c.API.Sign(waiting(t), account.ID, req)
	if err != nil {
		t.Fatalf("sign: %v", err)
	}
	return signed
}

func refused(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, judge.ErrRejected) {
		t.Errorf("an altered one is not refused: %v", err)
	}
}

// flipped returns a copy with the lowest bit of one byte altered.
func flipped(data []byte, at int) []byte {
	altered := bytes.Clone(data)
	altered[at] ^= 1
	return altered
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	raw, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
