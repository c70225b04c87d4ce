package evm

import (
	"bytes"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/meshmpc/mpcd/cmd/e2e/judge"
)

// TestChain transfers with a key of go-ethereum's own. The chain refuses every
// altered signature and transaction, and then accepts the right one.
func TestChain(t *testing.T) {
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	from, to := crypto.PubkeyToAddress(key.PublicKey), common.HexToAddress("0x1111111111111111111111111111111111111111")
	c := New(from)
	defer func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}()
	ctx := t.Context()
	wei := big.NewInt(1e15)
	transfer, err := c.Transfer(ctx, from, to, wei)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := transfer.Payload()
	if err != nil || !bytes.Equal(crypto.Keccak256(payload), transfer.Digest()) {
		t.Fatalf("the payload's hash is not the digest (%v)", err)
	}
	sig, err := crypto.Sign(transfer.Digest(), key)
	if err != nil {
		t.Fatal(err)
	}
	for bit := range 8 * len(sig) {
		altered := bytes.Clone(sig)
		altered[bit/8] ^= 1 << (bit % 8)
		if err := c.Send(ctx, transfer, altered); !errors.Is(err, judge.ErrRejected) {
			t.Errorf("with bit %d altered: %v", bit, err)
		}
	}
	if err := c.Send(ctx, transfer.Altered(), sig); !errors.Is(err, judge.ErrRejected) {
		t.Errorf("another amount: %v", err)
	}
	if err := c.Send(ctx, transfer, sig); err != nil {
		t.Fatalf("a good transfer: %v", err)
	}
	if err := c.Send(ctx, transfer, sig); !errors.Is(err, judge.ErrRejected) {
		t.Errorf("the transfer again: %v", err)
	}
	if got, err := c.Balance(ctx, to); err != nil || got.Cmp(wei) != 0 {
		t.Errorf("the receiver has %v (%v), want %v", got, err, wei)
	}
}

func TestRecover(t *testing.T) {
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	want := crypto.PubkeyToAddress(key.PublicKey)
	c := New(want)
	defer func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}()
	digest := crypto.Keccak256([]byte("m"))
	sig, err := crypto.Sign(digest, key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Recover(t.Context(), digest, sig); !errors.Is(err, judge.ErrRejected) {
		t.Errorf("with v = %d: %v", sig[64], err)
	}
	sig[64] += 27
	if got, err := c.Recover(t.Context(), digest, sig); err != nil || got != want {
		t.Errorf("signed by %s (%v), want %s", got, err, want)
	}
	digest[0] ^= 1
	if got, err := c.Recover(t.Context(), digest, sig); got == want {
		t.Errorf("another digest is by %s too (%v)", got, err)
	}
}

func TestParseAddress(t *testing.T) {
	const good = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed" // EIP-55
	if _, err := ParseAddress(good); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", good[2:], strings.ToLower(good), "0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", good + "0"} {
		if _, err := ParseAddress(bad); !errors.Is(err, judge.ErrRejected) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
