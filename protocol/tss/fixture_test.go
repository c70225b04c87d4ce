package tss_test

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/protocoltest"
	"github.com/meshmpc/mpcd/protocol/tss"
)

// The fixtures in testdata are shares of keys that nobody uses, with what is
// public about them. They are never rewritten: a change that cannot read them
// cannot read the shares of running networks.
var fixtures = []struct {
	file, hash, public string
}{
	{"share-ecdsa-secp256k1.cbor", "406f741668845b05359895a78c80b48202ab7d0fbedae4440c9a2151f77701ff", "0263104997e2c6769b00f2a746337b761de59c9333286692b1177520a05ea83fab"},
	{"share-eddsa-ed25519.cbor", "bb872d73da82aa11284b8feb981dae2637ce388b50695f7c4eebd408a2e5c5b1", "388f6d3db0c9e82505e87ce3a6c39071be275a1057cd9d764bef8c08c194e794"},
}

func readFixture(tb testing.TB, file string) []byte {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestFormatIsStable(t *testing.T) {
	for _, f := range fixtures {
		b := readFixture(t, f.file)
		share, err := tss.DecodeShare(b)
		if err != nil {
			t.Fatalf("%s: %v", f.file, err)
		}
		if err := share.Check(); err != nil {
			t.Errorf("%s: %v", f.file, err)
		}
		hash := share.PublicHash()
		if !bytes.Equal(encode(t, share), b) ||
			hex.EncodeToString(hash[:]) != f.hash || hex.EncodeToString(share.PublicKey()) != f.public {
			t.Errorf("%s: hash %x, public key %x", f.file, hash, share.PublicKey())
		}
		if share.Threshold() != (protocol.Threshold{T: 2, N: 3}) || share.Self() != "alice" {
			t.Errorf("%s: %v of %s", f.file, share, share.Self())
		}
	}
	set, err := tss.DecodePreParams(readFixture(t, "preparams.cbor"))
	if err != nil {
		t.Fatal(err)
	}
	if err := set.Validate(); err != nil {
		t.Error(err)
	}
}

// A fixture still starts a signing.
func TestFixtureStartsSigning(t *testing.T) {
	for _, f := range fixtures {
		share, err := tss.DecodeShare(readFixture(t, f.file))
		if err != nil {
			t.Fatal(err)
		}
		machine, err := tss.NewSign(tss.SignConfig{
			SID:     sid("fixture"),
			Roster:  protocoltest.Members(2),
			Self:    "alice",
			Share:   share,
			Payload: digest("fixture"),
		})
		if err != nil {
			t.Fatal(err)
		}
		if step, err := machine.Start(); err != nil || len(step.Send) == 0 {
			t.Errorf("%s: %v", f.file, err)
		}
	}
}

func FuzzDecodeShare(f *testing.F) {
	for _, fixture := range fixtures {
		f.Add(readFixture(f, fixture.file))
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		share, err := tss.DecodeShare(data)
		if err != nil {
			return
		}
		if !bytes.Equal(encode(t, share), data) {
			t.Error("two encodings of one share")
		}
		_ = share.Check()
	})
}

func FuzzDecodePreParams(f *testing.F) {
	f.Add(readFixture(f, "preparams.cbor"))
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := tss.DecodePreParams(data)
		if err != nil {
			return
		}
		if again, err := set.Encode(); err != nil || !bytes.Equal(again, data) {
			t.Errorf("two encodings of one set: %v", err)
		}
	})
}
