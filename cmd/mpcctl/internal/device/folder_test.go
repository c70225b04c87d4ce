package device

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/meshmpc/mpcd/keystore"
)

func TestAFolderIsOneDevice(t *testing.T) {
	cfg := testFolder(t)
	f, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	peer := f.Peer()
	if _, err := Open(cfg); !errors.Is(err, keystore.ErrInUse) {
		t.Errorf("opened twice: %v", err)
	}
	closeFolder(t, f)
	if f, err = OpenExisting(cfg); err != nil {
		t.Fatal(err)
	}
	defer closeFolder(t, f)
	if f.Peer() != peer {
		t.Errorf("the device was %s and is %s", peer, f.Peer())
	}
	info, err := os.Stat(filepath.Join(cfg.Dir, masterFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%s: %v, %v", masterFile, info.Mode(), err)
	}
}

func TestOpenExistingMakesNothing(t *testing.T) {
	cfg := testFolder(t)
	if _, err := OpenExisting(cfg); !errors.Is(err, ErrNoFolder) {
		t.Errorf("no folder: %v", err)
	}
	if _, err := os.Stat(cfg.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder was made: %v", err)
	}
}

func TestWrongPassphrases(t *testing.T) {
	cfg := testFolder(t)
	short := cfg
	short.Passphrase = passphrase("short")
	if _, err := Open(short); err == nil || !strings.Contains(err.Error(), "too short") {
		t.Errorf("a short passphrase: %v", err)
	}
	f, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	closeFolder(t, f)
	for _, text := range []string{"another one", "", testPassphrase + " "} {
		wrong := cfg
		wrong.Passphrase = passphrase(text)
		if _, err := Open(wrong); !errors.Is(err, ErrPassphrase) {
			t.Errorf("passphrase %q: %v", text, err)
		}
	}
	if f, err = Open(cfg); err != nil {
		t.Fatalf("the right passphrase after wrong ones: %v", err)
	}
	closeFolder(t, f)
}

// A damaged master.age is an error with a name, and never a new device.
func TestADamagedMasterFile(t *testing.T) {
	cfg := testFolder(t)
	f, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	closeFolder(t, f)
	file := filepath.Join(cfg.Dir, masterFile)
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range damages(good) {
		if err := os.WriteFile(file, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := Open(cfg)
		if err == nil {
			closeFolder(t, f)
		}
		if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrForeign) && !errors.Is(err, ErrPassphrase) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(cfg); err == nil || !strings.Contains(err.Error(), "is missing") {
		t.Errorf("without %s: %v", masterFile, err)
	}
}

// damages are a file cut off and altered in many places.
func damages(good []byte) map[string][]byte {
	bad := map[string][]byte{"text": []byte("hello"), "longer": append(append([]byte{}, good...), 'x')}
	for i := 0; i < len(good); i += 1 + len(good)/40 {
		bad["cut at "+string(rune('A'+i%26))+strings.Repeat("+", i/26)] = good[:i]
		flipped := append([]byte{}, good...)
		flipped[i] ^= 1
		bad["altered at "+string(rune('A'+i%26))+strings.Repeat("+", i/26)] = flipped
	}
	return bad
}
