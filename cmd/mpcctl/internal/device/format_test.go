package device

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write testdata anew")

// TestFormats opens files that version 1 has written: backups are kept for years.
func TestFormats(t *testing.T) {
	file := filepath.Join("testdata", "backup-v1.age")
	if *update {
		writeGolden(t, file)
	}
	b, err := readBackup(file, backupPassphrase)
	if err != nil {
		t.Fatal(err)
	}
	if b.Version != 1 || len(b.records) != 1 || b.records[0].Spec.Account != "account-golden" || b.records[0].Spec.Owner != "alice" {
		t.Errorf("the backup is %+v", b.Shares)
	}
	cfg := testFolder(t)
	shares, err := importInto(t, file, cfg)
	if err != nil || len(shares) != 1 || shares[0].Status != "restored" {
		t.Errorf("import: %+v, %v", shares, err)
	}
	master := filepath.Join("testdata", "master-v1.age")
	sealed, err := readFile(master)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := unseal(sealed, testPassphrase)
	if err != nil {
		t.Fatal(err)
	}
	s, err := decodeSecrets(plain)
	if err != nil || s.PeerID != b.PeerID {
		t.Errorf("%s is of %+v: %v", master, s, err)
	}
}

// writeGolden makes a device with a share and keeps its files.
func writeGolden(t *testing.T, file string) {
	t.Helper()
	for _, old := range []string{file, filepath.Join("testdata", "master-v1.age")} {
		if err := os.Remove(old); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	f := holder(t, makeKey(t, "golden", newKey(t), newKey(t), newKey(t)))
	defer closeFolder(t, f)
	if _, err := f.Export(t.Context(), ExportConfig{File: file, Passphrase: backupPassphrase, Work: testWork}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(f.Dir(), masterFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join("testdata", "master-v1.age"), data, 0o600); err != nil {
		t.Fatal(err)
	}
}
