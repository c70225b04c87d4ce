package keystore

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/dgraph-io/badger/v4"
)

// Single bytes of Badger's own files rot: the store refuses to open and says so, or
// returns what was written; it never panics, ends the process or returns anything else.
func TestBitRot(t *testing.T) {
	dir, ids := filled(t)
	files, err := filepath.Glob(filepath.Join(dir, dbName, "*"))
	noError(t, err)
	random := seeded(t)
	for _, path := range files {
		sound, err := os.ReadFile(path)
		noError(t, err)
		refused, good := 0, 0
		for range min(len(sound), 25) {
			work := filepath.Join(t.TempDir(), "rot")
			noError(t, os.CopyFS(work, os.DirFS(dir)))
			at := random.IntN(min(len(sound), 1<<12)) // beyond, DISCARD is zeros
			noError(t, flipByte(filepath.Join(work, dbName, filepath.Base(path)), at))
			if openRotten(t, work, ids, 0) {
				good++
			} else {
				refused++
			}
			noError(t, os.RemoveAll(work))
		}
		t.Logf("%s: refused %d times, sound %d times", filepath.Base(path), refused, good)
		if filepath.Ext(path) == ".sst" && good > 0 {
			t.Errorf("%s: damage was not found", path)
		}
	}
}

// The write-ahead log of a killed store rots. Badger takes what follows for a torn
// tail and drops it, as doc.go says; what remains is right.
func TestBitRotInTheLog(t *testing.T) {
	live := filepath.Join(t.TempDir(), "live")
	s := openAt(t, live)
	ids := []string{"r0", "r1", "r2"}
	for _, id := range ids {
		put(t, s, aRecord(id))
	}
	random := seeded(t)
	for round := range 20 {
		work := filepath.Join(t.TempDir(), "rot")
		noError(t, os.CopyFS(work, os.DirFS(live))) // as a kill leaves it
		logs, err := filepath.Glob(filepath.Join(work, dbName, "*.mem"))
		noError(t, err)
		data, err := os.ReadFile(logs[0])
		noError(t, err)
		at := round // each byte of the number of a key, with which the header begins
		if used := len(bytes.TrimRight(data, "\x00")); at >= 8 {
			at = random.IntN(used)
		}
		noError(t, flipByte(logs[0], at))
		if opened := openRotten(t, work, ids, len(ids)); opened && at < 8 {
			t.Errorf("damage of byte %d was not found", at)
		}
		noError(t, os.RemoveAll(work))
	}
}

// A process that is killed while it makes a log, at its start or when one is full, leaves
// one that is too short. Nothing is in it, and everything else is there, whatever the folder is called.
func TestAnUnfinishedLogIsNoDamage(t *testing.T) {
	live := filepath.Join(t.TempDir(), "live")
	s := openAt(t, live)
	put(t, s, aRecord("r0"))
	for _, name := range []string{"00002.mem", "000002.vlog"} {
		for _, size := range []int{0, 1, 7, 8, 19, 20, 21} {
			work := filepath.Join(t.TempDir(), `a[1\`)
			noError(t, os.CopyFS(work, os.DirFS(live))) // as a kill leaves it
			noError(t, os.WriteFile(filepath.Join(work, dbName, name), make([]byte, size), fileMode))
			if !openRotten(t, work, []string{"r0"}, 0) {
				t.Errorf("%s of %d bytes: it does not open", name, size)
			}
		}
	}
	fresh := filepath.Join(t.TempDir(), "fresh", dbName)
	noError(t, os.MkdirAll(fresh, dirMode))
	for _, name := range []string{badger.KeyRegistryFileName, badger.ManifestFilename} {
		data, err := os.ReadFile(filepath.Join(live, dbName, name))
		noError(t, err)
		noError(t, os.WriteFile(filepath.Join(fresh, name), data, fileMode))
	}
	noError(t, os.WriteFile(filepath.Join(fresh, "000001.vlog"), nil, fileMode))
	db, err := OpenDB(fresh)
	noError(t, err)
	noError(t, db.Close())
}

// openRotten opens the folder and reads the records, of which some may be lost. It
// reports whether the store opened.
func openRotten(t *testing.T, dir string, ids []string, mayMiss int) bool {
	t.Helper()
	s, err := Open(Config{Dir: dir, Master: testMaster(t, "a7"), Party: testParty})
	if err != nil {
		if !errors.Is(err, ErrIncomplete) {
			t.Fatalf("not called damage: %v", err)
		}
		return false
	}
	defer func() { noError(t, s.Close()) }()
	missing := 0
	for _, id := range ids {
		r, err := s.Get(t.Context(), kindShare, id)
		switch {
		case errors.Is(err, ErrNotFound), errors.Is(err, ErrDamaged):
			missing++
		case err != nil:
			t.Fatal(err)
		case string(r.Payload) != "the secret of "+id:
			t.Fatalf("%s: a wrong payload", id)
		}
	}
	if missing > mayMiss {
		t.Fatalf("%d of %d records are gone without a word", missing, len(ids))
	}
	return true
}
