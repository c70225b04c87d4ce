package keystore

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// filled is the folder of a closed store with records of three scopes.
func filled(t *testing.T) (dir string, ids []string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "data")
	s := openAt(t, dir)
	for i := range 6 {
		r := aRecord(fmt.Sprint("r", i))
		r.Epoch = uint32(i % 2)
		if i%3 == 0 {
			r.Key = ""
		}
		put(t, s, r)
		ids = append(ids, r.ID)
	}
	noError(t, s.Close())
	return dir, ids
}

func TestWrongKeyOrPartyChangesNothing(t *testing.T) {
	dir, ids := filled(t)
	for _, removed := range []string{"", lockName} { // a cold copy may be without the lock file
		if removed != "" {
			noError(t, os.Remove(filepath.Join(dir, removed)))
		}
		noError(t, os.Chmod(dir, 0o755)) // not even this is put right
		before := hashTree(t, dir)
		_, err := Open(Config{Dir: dir, Master: testMaster(t, "b8"), Party: testParty})
		wantError(t, err, ErrWrongMasterKey)
		if strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "b8b8") {
			t.Fatalf("not one clear sentence: %v", err)
		}
		_, err = Open(Config{Dir: dir, Master: testMaster(t, "a7"), Party: "12D3KooWother"})
		wantError(t, err, ErrWrongParty)
		if after := hashTree(t, dir); !maps.Equal(before, after) {
			t.Fatalf("changed\nfrom %v\nto   %v", before, after)
		}
	}
	s := openAt(t, dir)
	for _, id := range ids {
		_, err := s.Get(t.Context(), kindShare, id)
		noError(t, err)
	}
}

func TestColdCopy(t *testing.T) {
	dir, ids := filled(t)
	cold := filepath.Join(t.TempDir(), "copy")
	noError(t, os.CopyFS(cold, os.DirFS(dir)))
	noError(t, os.RemoveAll(dir))
	_, err := Open(Config{Dir: cold, Master: testMaster(t, "b8"), Party: testParty})
	wantError(t, err, ErrWrongMasterKey)
	s := openAt(t, cold)
	for _, id := range ids {
		r, err := s.Get(t.Context(), kindShare, id)
		noError(t, err)
		if string(r.Payload) != "the secret of "+id {
			t.Fatalf("%s: %q", id, r.Payload)
		}
	}
	put(t, s, aRecord("new"))
}

func TestIncompleteFolders(t *testing.T) {
	check := func(d string) string { return filepath.Join(d, checkFile) }
	for name, harm := range map[string]func(dir string) error{
		"no check":      func(d string) error { return os.Remove(check(d)) },
		"torn check":    func(d string) error { return os.Truncate(check(d), 40) },
		"empty check":   func(d string) error { return os.Truncate(check(d), 0) },
		"altered check": func(d string) error { return flipByte(check(d), 12) },
		"no salts":      func(d string) error { return os.RemoveAll(filepath.Join(d, saltsName)) },
		"no database":   func(d string) error { return os.RemoveAll(filepath.Join(d, dbName)) },
		"no manifest":   func(d string) error { return os.Remove(filepath.Join(d, dbName, "MANIFEST")) },
	} {
		t.Run(name, func(t *testing.T) {
			dir, _ := filled(t)
			noError(t, harm(dir))
			_, err := Open(Config{Dir: dir, Master: testMaster(t, "a7"), Party: testParty})
			wantError(t, err, ErrIncomplete)
			if !strings.Contains(err.Error(), "restore it from a cold copy") {
				t.Fatalf("the error must say what to do: %v", err)
			}
			l, err := LockDir(dir) // the folder is free again
			noError(t, err)
			noError(t, l.Release())
		})
	}
}

// A crash while a new store is made leaves nothing that the next start minds.
func TestInterruptedCreation(t *testing.T) {
	for _, names := range [][]string{{}, {saltsName}, {saltsName, dbName}} {
		dir := t.TempDir()
		for _, name := range names {
			noError(t, os.Mkdir(filepath.Join(dir, name), dirMode))
		}
		put(t, openAt(t, dir), aRecord("a"))
	}
	dir := t.TempDir() // with the check, before Badger has begun
	noError(t, os.Mkdir(filepath.Join(dir, saltsName), dirMode))
	noError(t, os.Mkdir(filepath.Join(dir, dbName), dirMode))
	_, err := writeCheck(filepath.Join(dir, checkFile), testMaster(t, "a7"), testParty)
	noError(t, err)
	put(t, openAt(t, dir), aRecord("a"))
}

func TestPermissions(t *testing.T) {
	dir, _ := filled(t)
	closedToOthers(t, dir)
	salts, err := filepath.Glob(filepath.Join(dir, saltsName, "*"))
	noError(t, err)
	for _, path := range append(salts, dir, filepath.Join(dir, saltsName), filepath.Join(dir, dbName), filepath.Join(dir, checkFile)) {
		noError(t, os.Chmod(path, 0o777))
	}
	s := openAt(t, dir)
	closedToOthers(t, dir)
	noError(t, s.Close())
}

func closedToOthers(t *testing.T, dir string) {
	t.Helper()
	for path := range hashTree(t, dir) {
		info, err := os.Stat(path)
		noError(t, err)
		inDB := strings.HasPrefix(path, filepath.Join(dir, dbName)+string(filepath.Separator))
		if info.Mode().Perm()&0o077 != 0 && !inDB { // Badger's files: in a folder of 0700
			t.Errorf("%s is %s", path, info.Mode())
		}
	}
}

func TestConfig(t *testing.T) {
	good := Config{Dir: t.TempDir(), Master: testMaster(t, "a7"), Party: testParty}
	for name, change := range map[string]func(*Config){
		"dir":    func(c *Config) { c.Dir = "" },
		"master": func(c *Config) { c.Master = MasterKey{} },
		"party":  func(c *Config) { c.Party = "" },
		"gc":     func(c *Config) { c.GCEvery = -1 },
	} {
		cfg := good
		change(&cfg)
		if _, err := Open(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		} else {
			wantError(t, err, ErrInvalid)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	noError(t, os.WriteFile(file, nil, fileMode))
	good.Dir = filepath.Join(file, "below")
	if _, err := Open(good); err == nil {
		t.Error("opened a folder below a file")
	}
}

func TestDiskFull(t *testing.T) {
	dir, ids := filled(t)
	s, err := Open(Config{Dir: dir, Master: testMaster(t, "a7"), Party: testParty, MinFree: 1 << 62})
	noError(t, err)
	defer func() { noError(t, s.Close()) }()
	wantError(t, s.Put(t.Context(), aRecord("x")), ErrDiskFull)
	_, err = s.Take(t.Context(), kindPool, StateFresh, StateUsed)
	wantError(t, err, ErrDiskFull)
	wantError(t, s.Update(t.Context(), kindShare, ids[0], func(*Record) error { return nil }), ErrDiskFull)
	_, err = s.Get(t.Context(), kindShare, ids[0]) // reading goes on
	noError(t, err)
	noError(t, s.Delete(t.Context(), kindShare, ids[0])) // and making room
}

func flipByte(path string, at int) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	data[at] ^= 0x40
	return os.WriteFile(path, data, fileMode)
}
