package judge

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

func TestTransactionJudgesTheSender(t *testing.T) {
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	public := hex.EncodeToString(crypto.CompressPubkey(&key.PublicKey))
	tx := Transfer(common.HexToAddress("0x1111111111111111111111111111111111111111"), big.NewInt(1), 0)
	sig, err := crypto.Sign(SigningHash(tx), key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Transaction(tx, public, hex.EncodeToString(sig)); err != nil {
		t.Errorf("a good signature: %v", err)
	}
	if err := ECDSA(public, SigningHash(tx), hex.EncodeToString(sig)); err != nil {
		t.Errorf("a good signature: %v", err)
	}
	sig[64] ^= 1
	if _, err := Transaction(tx, public, hex.EncodeToString(sig)); !errors.Is(err, ErrRejected) {
		t.Errorf("a wrong v must be rejected, got %v", err)
	}
	if err := ECDSA(public, SigningHash(tx), hex.EncodeToString(sig)); !errors.Is(err, ErrRejected) {
		t.Errorf("a wrong v must be rejected, got %v", err)
	}
}

func TestECDSARejectsHighS(t *testing.T) {
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	digest := crypto.Keccak256([]byte("m"))
	sig, err := crypto.Sign(digest, key)
	if err != nil {
		t.Fatal(err)
	}
	s := new(big.Int).Sub(crypto.S256().Params().N, new(big.Int).SetBytes(sig[32:64]))
	s.FillBytes(sig[32:64])
	sig[64] ^= 1 // the mirrored signature is valid but for its high s
	public := hex.EncodeToString(crypto.CompressPubkey(&key.PublicKey))
	if err := ECDSA(public, digest, hex.EncodeToString(sig)); !errors.Is(err, ErrRejected) {
		t.Errorf("a high s must be rejected, got %v", err)
	}
}

func TestEdDSA(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	message := []byte("a message")
	sig := hex.EncodeToString(ed25519.Sign(private, message))
	if err := EdDSA(hex.EncodeToString(public), message, sig); err != nil {
		t.Errorf("a good signature: %v", err)
	}
	if err := EdDSA(hex.EncodeToString(public), []byte("another"), sig); !errors.Is(err, ErrRejected) {
		t.Errorf("a signature of another message must be rejected, got %v", err)
	}
}
