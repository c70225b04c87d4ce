package keystore

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"
)

const (
	testParty = "12D3KooWtest"
	kindShare = Kind("share")
	kindPool  = Kind("preparams")
)

func testMaster(t testing.TB, b string) MasterKey {
	t.Helper()
	m, err := ParseMasterKey(strings.Repeat(b, keySize))
	noError(t, err)
	return m
}

func openAt(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(Config{Dir: dir, Master: testMaster(t, "a7"), Party: testParty})
	noError(t, err)
	t.Cleanup(func() { noError(t, s.Close()) })
	return s
}

// aRecord has a different value in every field.
func aRecord(id string) Record {
	return Record{
		Header: Header{
			Kind: kindShare, ID: id, Account: "account ä", Key: "key-1", Scheme: "ecdsa-secp256k1", Epoch: 7,
			Committee: sha256.Sum256([]byte("committee")), Threshold: 2, Parties: 3,
			State: StateActive, Approvers: sha256.Sum256([]byte("approvers")),
		},
		Payload: []byte("the secret of " + id),
	}
}

func poolRecord(i int) Record {
	id := fmt.Sprintf("set-%03d", i)
	return Record{Header: Header{Kind: kindPool, ID: id, State: StateFresh}, Payload: []byte(id)}
}

func put(t testing.TB, s *Store, records ...Record) {
	t.Helper()
	for _, r := range records {
		noError(t, s.Put(t.Context(), r))
	}
}

// rawValue and setRaw reach below the store, as someone with the disk could.
func rawValue(t testing.TB, s *Store, kind Kind, id string) (raw []byte) {
	t.Helper()
	noError(t, s.db.View(func(txn *badger.Txn) error {
		item, err := txn.Get(recordKey(kind, id))
		if err != nil {
			return err
		}
		raw, err = item.ValueCopy(nil)
		return err
	}))
	return raw
}

func setRaw(t testing.TB, s *Store, kind Kind, id string, raw []byte) {
	t.Helper()
	noError(t, s.db.Update(func(txn *badger.Txn) error { return txn.Set(recordKey(kind, id), raw) }))
}

// hashTree maps every path below dir to mode and content.
func hashTree(t testing.TB, dir string) map[string]string {
	t.Helper()
	tree := map[string]string{}
	noError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		content := ""
		if info.Mode().IsRegular() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			sum := sha256.Sum256(data)
			content = hex.EncodeToString(sum[:])
		}
		tree[path] = info.Mode().String() + " " + content
		return nil
	}))
	return tree
}

// seeded returns a source whose seed the test prints.
func seeded(t testing.TB) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func noError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantError(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got error %v, want %v", err, want)
	}
}
