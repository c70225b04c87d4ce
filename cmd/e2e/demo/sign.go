package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/meshmpc/mpcd/cmd/e2e/cluster"
	"github.com/meshmpc/mpcd/cmd/e2e/judge"
)

// receiver is where the demo's transaction sends its money: an address that
// nobody holds the key of.
var receiver = common.HexToAddress("0x000000000000000000000000000000000000dEaD")

// signTransaction makes an ECDSA account and signs an EIP-1559 transaction.
func signTransaction(ctx context.Context, api *cluster.API) error {
	account, err := makeAccount(ctx, api, cluster.ECDSA)
	if err != nil {
		return err
	}
	address, err := judge.Address(account.PublicKey)
	if err != nil {
		return err
	}
	fmt.Printf("  its Ethereum address is %s\n", address)
	tx := judge.Transfer(receiver, big.NewInt(1e16), 0)
	digest := judge.SigningHash(tx)
	start := time.Now()
	signed, err := api.Sign(ctx, account.ID, cluster.SignRequest{Message: hex.EncodeToString(digest)})
	if err != nil {
		return fmt.Errorf("sign the transaction: %w", err)
	}
	took := time.Since(start)
	sent, err := judge.Transaction(tx, account.PublicKey, signed.Signature.RSV)
	if err != nil {
		return fmt.Errorf("go-ethereum: %w", err)
	}
	fmt.Printf("  signed a transfer of 0.01 ETH in %s: digest %x\n", seconds(took), digest)
	fmt.Printf("  go-ethereum recovers this address from the signature; transaction %s\n", sent.Hash())
	return nil
}

// signMessage makes an EdDSA account and signs a text.
func signMessage(ctx context.Context, api *cluster.API) error {
	account, err := makeAccount(ctx, api, cluster.EdDSA)
	if err != nil {
		return err
	}
	const text = "no single machine ever held this key"
	start := time.Now()
	signed, err := api.Sign(ctx, account.ID, cluster.SignRequest{Message: hex.EncodeToString([]byte(text))})
	if err != nil {
		return fmt.Errorf("sign the message: %w", err)
	}
	took := time.Since(start)
	if err := judge.EdDSA(account.PublicKey, []byte(text), signed.Signature.Compact); err != nil {
		return fmt.Errorf("crypto/ed25519: %w", err)
	}
	fmt.Printf("  signed %q in %s\n", text, seconds(took))
	fmt.Printf("  crypto/ed25519 accepts the signature %s…\n", signed.Signature.Compact[:32])
	return nil
}

// makeAccount makes a 2-of-3 key and shows how the parties get on with it.
func makeAccount(ctx context.Context, api *cluster.API, scheme string) (cluster.Account, error) {
	fmt.Printf("\nMaking a 2-of-3 key, %s\n", scheme)
	start := time.Now()
	session, err := makeKey(ctx, api, scheme)
	for range tries - 1 {
		if err != nil || session.Error == nil || session.Error.Code != "party_lost" {
			break
		}
		fmt.Printf("  %s: once more, for on a busy machine a party may be silent for a while\n", session.Error.Detail)
		session, err = makeKey(ctx, api, scheme)
	}
	if err != nil {
		return cluster.Account{}, fmt.Errorf("make account: %w", err)
	}
	if session.Status != "completed" {
		return cluster.Account{}, fmt.Errorf("make account: session %s is %s: %w", session.ID, session.Status, session.Error)
	}
	account, err := api.Account(ctx, session.Account)
	if err != nil {
		return cluster.Account{}, err
	}
	fmt.Printf("  made in %s: public key %s\n", seconds(time.Since(start)), account.PublicKey)
	return account, nil
}

// tries is how often a key is asked for: nobody can take the place of a party that is silent while
// all of them look for safe primes on the cores of one machine.
const tries = 5

// makeKey makes an account and returns its session when that has ended.
func makeKey(ctx context.Context, api *cluster.API, scheme string) (cluster.Session, error) {
	id, err := api.BeginAccount(ctx, cluster.AccountRequest{UserID: "demo", Scheme: scheme})
	if err != nil {
		return cluster.Session{}, err
	}
	show := newProgress()
	defer show.end()
	return api.Wait(ctx, id, show.update)
}
