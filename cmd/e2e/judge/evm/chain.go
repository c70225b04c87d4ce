// Package evm judges transfers by a chain that runs in this process:
// go-ethereum's transaction pool, state transition and EVM.
package evm

import (
	"context"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient/simulated"
	"github.com/ethereum/go-ethereum/params"

	"github.com/meshmpc/mpcd/cmd/e2e/judge"
)

// Chain is a chain in memory. It makes a block when it is sent a transaction.
type Chain struct{ backend *simulated.Backend }

// ecrecover is the contract that recovers the signer of a digest, at an address
// of its own (yellow paper, appendix E).
var ecrecover = common.BytesToAddress([]byte{1})

// New starts a chain on which an account owns 1 ether. Close it.
func New(rich common.Address) *Chain {
	return &Chain{simulated.NewBackend(types.GenesisAlloc{rich: {Balance: big.NewInt(params.Ether)}})}
}

// Close ends the chain.
func (c *Chain) Close() error { return c.backend.Close() }

// ParseAddress reads an address whose capitals must be its checksum (EIP-55).
func ParseAddress(text string) (common.Address, error) {
	mixed, err := common.NewMixedcaseAddressFromString(text)
	if err != nil {
		return common.Address{}, fmt.Errorf("%w: %w", judge.ErrRejected, err)
	}
	if !mixed.ValidChecksum() || mixed.Original() != text {
		return common.Address{}, fmt.Errorf("%w: the capitals of %s are not its checksum", judge.ErrRejected, text)
	}
	return mixed.Address(), nil
}

// Balance returns what an account owns, in wei.
func (c *Chain) Balance(ctx context.Context, of common.Address) (*big.Int, error) {
	return c.backend.Client().BalanceAt(ctx, of, nil)
}

// Transfer makes the next transaction of an account, unsigned.
func (c *Chain) Transfer(ctx context.Context, from, to common.Address, wei *big.Int) (*Transfer, error) {
	client := c.backend.Client()
	chain, err := client.ChainID(ctx)
	if err != nil {
		return nil, err
	}
	nonce, err := client.PendingNonceAt(ctx, from)
	if err != nil {
		return nil, err
	}
	return &Transfer{fields: &types.DynamicFeeTx{
		ChainID: chain, Nonce: nonce, To: &to, Value: wei, Gas: params.TxGas,
		GasTipCap: big.NewInt(params.GWei), GasFeeCap: big.NewInt(30 * params.GWei),
	}}, nil
}

// Send puts a signature r ‖ s ‖ v, v = 0 or 1, on a transfer and has it done.
func (c *Chain) Send(ctx context.Context, t *Transfer, signature []byte) error {
	signed, err := types.NewTx(t.fields).WithSignature(t.signer(), signature)
	if err != nil {
		return fmt.Errorf("%w: %w", judge.ErrRejected, err)
	}
	client := c.backend.Client()
	if err := client.SendTransaction(ctx, signed); err != nil {
		return fmt.Errorf("%w: %w", judge.ErrRejected, err)
	}
	c.backend.Commit()
	receipt, err := client.TransactionReceipt(ctx, signed.Hash())
	if err != nil {
		return fmt.Errorf("no block has the transaction: %w", err)
	}
	if receipt.Status != types.ReceiptStatusSuccessful {
		return errors.New("the transaction failed")
	}
	return nil
}

// Recover asks the EVM who signed a digest: r ‖ s ‖ v with v = 27 or 28.
func (c *Chain) Recover(ctx context.Context, digest, signature []byte) (common.Address, error) {
	if len(signature) != 65 {
		return common.Address{}, fmt.Errorf("%w: the signature has %d bytes, not 65", judge.ErrRejected, len(signature))
	}
	input := append(common.LeftPadBytes(digest, 32), common.LeftPadBytes(signature[64:], 32)...)
	output, err := c.backend.Client().CallContract(ctx, ethereum.CallMsg{To: &ecrecover, Data: append(input, signature[:64]...)}, nil)
	if err != nil {
		return common.Address{}, err
	}
	if len(output) != 32 { // the contract answers nothing
		return common.Address{}, judge.ErrRejected
	}
	return common.BytesToAddress(output), nil
}
