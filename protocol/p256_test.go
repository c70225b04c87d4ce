package protocol

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/asn1"
	"math/big"
	"testing"
)

// fixedP256 is a P-256 key that is the same in every run.
func fixedP256(tb testing.TB) *ecdsa.PrivateKey {
	tb.Helper()
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), digestOf("P-256 approver"))
	noError(tb, err)
	return key
}

// deterministicES256 signs with the nonce of RFC 6979, which crypto/ecdsa uses
// when it is given no source of randomness.
func deterministicES256(tb testing.TB, key *ecdsa.PrivateKey, input []byte) []byte {
	tb.Helper()
	sum := sha256.Sum256(input)
	der, err := key.Sign(nil, sum[:], crypto.SHA256)
	noError(tb, err)
	var sig struct{ R, S *big.Int }
	_, err = asn1.Unmarshal(der, &sig)
	noError(tb, err)
	return append(sig.R.FillBytes(make([]byte, 32)), sig.S.FillBytes(make([]byte, 32))...)
}
