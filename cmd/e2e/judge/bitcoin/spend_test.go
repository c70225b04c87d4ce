package bitcoin

import (
	"bytes"
	"errors"
	"testing"

	"github.com/btcsuite/btcd/address/v2"
	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/btcec/v2/ecdsa"

	"github.com/meshmpc/mpcd/cmd/e2e/judge"
)

// TestSpend signs with a key of btcd's own: the engine accepts the signature and
// refuses it with any bit altered, for another amount and by another key.
func TestSpend(t *testing.T) {
	key, err := btcec.NewPrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	public := key.PubKey().SerializeCompressed()
	addr, err := address.NewAddressWitnessPubKeyHash(address.Hash160(public), Mainnet)
	if err != nil {
		t.Fatal(err)
	}
	script, err := Script(addr.EncodeAddress(), Mainnet)
	if err != nil {
		t.Fatal(err)
	}
	spend := NewSpend(script)
	digest, err := spend.Digest()
	if err != nil {
		t.Fatal(err)
	}
	der := ecdsa.Sign(key, digest).Serialize()
	if err := spend.Check(der, public); err != nil {
		t.Fatalf("a good signature: %v", err)
	}
	for bit := range 8 * len(der) {
		altered := bytes.Clone(der)
		altered[bit/8] ^= 1 << (bit % 8)
		if err := spend.Check(altered, public); !errors.Is(err, judge.ErrRejected) {
			t.Errorf("with bit %d altered: %v", bit, err)
		}
	}
	if err := spend.Altered().Check(der, public); !errors.Is(err, judge.ErrRejected) {
		t.Errorf("another amount: %v", err)
	}
	public[0] ^= 1
	if err := spend.Check(der, public); !errors.Is(err, judge.ErrRejected) {
		t.Errorf("another key: %v", err)
	}
}

func TestScriptRefuses(t *testing.T) {
	const g = "qw508d6qejxtdg4y5r3zarvary0c5xw7k" // BIP 173, examples
	for _, bad := range []string{
		"", "bc1" + g + "v8f3t5", "tb1" + g + "xpjzsx",
		"bc1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qccfmv3", // P2WSH
		"1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",                             // P2PKH
	} {
		if _, err := Script(bad, Mainnet); !errors.Is(err, judge.ErrRejected) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := Script("tb1"+g+"xpjzsx", Testnet); err != nil {
		t.Error(err)
	}
}
