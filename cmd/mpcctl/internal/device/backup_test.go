package device

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/meshmpc/mpcd/node"
	"github.com/meshmpc/mpcd/protocol"
)

const backupPassphrase = "staple in the attic"

// exported writes a backup of a device that holds one share.
func exported(t *testing.T) (key madeKey, file string) {
	t.Helper()
	key = makeKey(t, "session-1", newKey(t), newKey(t), newKey(t))
	f := holder(t, key)
	defer closeFolder(t, f)
	file = filepath.Join(t.TempDir(), "backup.age")
	shares, err := f.Export(t.Context(), ExportConfig{File: file, Passphrase: backupPassphrase, Work: testWork})
	if err != nil || len(shares) != 1 || shares[0] != InfoOf(&key.records[1]) {
		t.Fatalf("export: %+v, %v", shares, err)
	}
	if _, err := f.Export(t.Context(), ExportConfig{File: file, Passphrase: backupPassphrase, Work: testWork}); !errors.Is(err, ErrExists) {
		t.Errorf("export onto a file that exists: %v", err)
	}
	return key, file
}

func importInto(t *testing.T, file string, folder FolderConfig) ([]Imported, error) {
	t.Helper()
	return Import(t.Context(), ImportConfig{File: file, Passphrase: backupPassphrase, Folder: folder})
}

func TestABackupRestoresTheDevice(t *testing.T) {
	key, file := exported(t)
	cfg := testFolder(t)
	for _, status := range []string{"restored", "present"} {
		shares, err := importInto(t, file, cfg)
		if err != nil || len(shares) != 1 || shares[0].Status != status {
			t.Fatalf("import: %+v, %v; want it %s", shares, err, status)
		}
	}
	f, err := OpenExisting(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer closeFolder(t, f)
	records, err := f.Shares(t.Context())
	if err != nil || len(records) != 1 || f.Peer() != peerOf(key.identities[1]) {
		t.Fatalf("the device is %s with %d shares: %v", f.Peer(), len(records), err)
	}
	want, err := protocol.Marshal(key.records[1])
	if err != nil {
		t.Fatal(err)
	}
	got, err := protocol.Marshal(records[0])
	if err != nil || string(got) != string(want) {
		t.Errorf("another share came back (%v)", err)
	}
}

// A second backup brings what the first lacks, and the device's own passphrase
// stays.
func TestABackupIsAddedToTheSameDevice(t *testing.T) {
	key, file := exported(t)
	more := makeKey(t, "session-2", newKey(t), key.identities[1], newKey(t))
	f := openWith(t, testFolder(t), key.identities[1])
	if err := node.RestoreShare(t.Context(), f.store, &more.records[1]); err != nil {
		t.Fatal(err)
	}
	dir := f.Dir()
	closeFolder(t, f)
	shares, err := importInto(t, file, FolderConfig{Dir: dir, Passphrase: passphrase(testPassphrase)})
	if err != nil || len(shares) != 1 || shares[0].Status != "restored" {
		t.Fatalf("import: %+v, %v", shares, err)
	}
	if f, err = OpenExisting(FolderConfig{Dir: dir, Passphrase: passphrase(testPassphrase)}); err != nil {
		t.Fatal(err)
	}
	defer closeFolder(t, f)
	if records, err := f.Shares(t.Context()); err != nil || len(records) != 2 {
		t.Errorf("%d shares, %v; want 2", len(records), err)
	}
}

func TestABackupOfAnotherDeviceIsRefused(t *testing.T) {
	_, file := exported(t)
	other := openWith(t, testFolder(t), newKey(t))
	dir := other.Dir()
	closeFolder(t, other)
	_, err := importInto(t, file, FolderConfig{Dir: dir, Passphrase: passphrase(testPassphrase)})
	if !errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), "not overwritten") {
		t.Errorf("import into another device's folder: %v", err)
	}
}

func TestDamagedBackupsWriteNothing(t *testing.T) {
	_, file := exported(t)
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	cfg := testFolder(t)
	for name, bad := range damages(good) {
		if err := os.WriteFile(file, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := importInto(t, file, cfg)
		if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrForeign) && !errors.Is(err, ErrPassphrase) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := os.Stat(cfg.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a damaged backup made the folder: %v", err)
	}
	if err := os.WriteFile(file, good, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Import(t.Context(), ImportConfig{File: file, Passphrase: "not this one", Folder: cfg})
	if !errors.Is(err, ErrPassphrase) {
		t.Errorf("wrong passphrase: %v", err)
	}
	if _, err := importInto(t, filepath.Join(t.TempDir(), "nothing"), cfg); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// What a backup holds is checked even though it opens: its maker may be broken.
func TestForgedBackups(t *testing.T) {
	key := makeKey(t, "session-1", newKey(t), newKey(t), newKey(t))
	f := holder(t, key)
	plain, _, err := f.backup(key.records[1:2])
	closeFolder(t, f)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openBackup(plain); err != nil {
		t.Fatalf("the control: %v", err)
	}
	reencode := func(change func(*protocol.KeyRecord)) func(*backup) {
		return func(b *backup) {
			r := key.records[1]
			change(&r)
			if b.Shares[0].Record, err = protocol.Marshal(r); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, c := range map[string]struct {
		change func(*backup)
		want   error
	}{
		"another format":       {func(b *backup) { b.Format = "something" }, ErrForeign},
		"a later version":      {func(b *backup) { b.Version = 9 }, ErrNewer},
		"another identity":     {func(b *backup) { b.Identity = newKey(t).Seed() }, ErrDamaged},
		"a short identity":     {func(b *backup) { b.Identity = b.Identity[:31] }, ErrDamaged},
		"another device":       {func(b *backup) { k := newKey(t); b.Identity, b.PeerID = k.Seed(), peerOf(k) }, ErrDamaged},
		"another list":         {func(b *backup) { b.Shares[0].PublicKey = "00" }, ErrDamaged},
		"another's share":      {reencode(func(r *protocol.KeyRecord) { *r = key.records[2] }), ErrDamaged},
		"the secret of other":  {reencode(func(r *protocol.KeyRecord) { r.Share = key.records[2].Share }), ErrDamaged},
		"no certificate":       {reencode(func(r *protocol.KeyRecord) { r.Certificate = nil }), ErrDamaged},
		"another public key":   {reencode(func(r *protocol.KeyRecord) { r.PublicKey = append([]byte{}, key.records[1].PublicKey[1:]...) }), ErrDamaged},
		"another roster":       {reencode(func(r *protocol.KeyRecord) { r.Spec.Roster = r.Spec.Roster[:2] }), ErrDamaged},
		"an unsigned member":   {reencode(unsigned), ErrDamaged},
		"a record that is cut": {func(b *backup) { b.Shares[0].Record = b.Shares[0].Record[:100] }, ErrDamaged},
		"no record":            {func(b *backup) { b.Shares[0].Record = nil }, ErrDamaged},
	} {
		var b backup
		if err := json.Unmarshal(plain, &b); err != nil {
			t.Fatal(err)
		}
		c.change(&b)
		forged, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := openBackup(forged); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// unsigned spoils one member's signature of the certificate.
func unsigned(r *protocol.KeyRecord) {
	c := *r.Certificate
	c.Signatures = append([][]byte{}, c.Signatures...)
	c.Signatures[2] = make([]byte, 64)
	r.Certificate = &c
}

func TestExportWithoutShares(t *testing.T) {
	f := openWith(t, testFolder(t), newKey(t))
	defer closeFolder(t, f)
	file := filepath.Join(t.TempDir(), "backup.age")
	if _, err := f.Export(t.Context(), ExportConfig{File: file, Passphrase: backupPassphrase, Work: testWork}); err == nil {
		t.Error("a backup of nothing was made")
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file was made: %v", err)
	}
}

func FuzzOpenBackup(f *testing.F) {
	key := makeKey(f, "session-1", newKey(f), newKey(f), newKey(f))
	d := holder(f, key)
	plain, _, err := d.backup(key.records[1:2])
	closeFolder(f, d)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(plain)
	f.Add([]byte(`{"format":"mpcctl-backup","version":1,"shares":[{}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := openBackup(data)
		switch {
		case err == nil && len(b.records) != len(b.Shares):
			t.Error("accepted with shares that were not read")
		case err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrForeign) && !errors.Is(err, ErrNewer):
			t.Errorf("an error without a name: %v", err)
		}
	})
}
