package keystore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
)

// reopened closes s and opens its folder again: the keys are out of the cache.
func reopened(t *testing.T, s *Store) *Store {
	t.Helper()
	noError(t, s.Close())
	return openAt(t, s.cfg.Dir)
}

func TestSaltFileLost(t *testing.T) {
	id, other := newKEKID(1, "key-1", 7), newKEKID(1, "key-2", 7)
	for name, harm := range map[string]func(path, otherPath string) error{
		"missing": func(p, _ string) error { return os.Remove(p) },
		"empty":   func(p, _ string) error { return os.Truncate(p, 0) },
		"torn":    func(p, _ string) error { return os.Truncate(p, 100) },
		"altered": func(p, _ string) error { return flipByte(p, 30) },
		"swapped": func(p, o string) error { return os.Rename(o, p) },
		"forged": func(p, _ string) error {
			d := saltDir{macKey: []byte("guess")}
			return os.WriteFile(p, guarded(append(d.head(id), make([]byte, keySize)...), d.macKey), fileMode)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := openAt(t, t.TempDir())
			r, o := aRecord("a"), aRecord("o")
			o.Key = "key-2"
			put(t, s, r, o)
			path := s.keys.salts.path(id, saltExt)
			good, err := os.ReadFile(path)
			noError(t, err)
			s = reopened(t, s)
			noError(t, harm(path, s.keys.salts.path(other, saltExt)))

			_, err = s.Get(t.Context(), kindShare, "a")
			wantError(t, err, ErrSalt)
			// A new salt would bury what a restored one could still read.
			wantError(t, s.Put(t.Context(), aRecord("b")), ErrSalt)
			if list, err := s.Quarantined(t.Context()); err != nil || len(list) != 0 {
				t.Fatalf("an innocent record is in quarantine: %v, %v", list, err)
			}
			noError(t, os.WriteFile(path, good, fileMode))
			_, err = s.Get(t.Context(), kindShare, "a")
			noError(t, err)
		})
	}
}

func TestEraseEpoch(t *testing.T) {
	s := openAt(t, t.TempDir())
	old, next, node := aRecord("old"), aRecord("next"), aRecord("node")
	next.Epoch, node.Key = 8, ""
	put(t, s, old, next, node)
	raw := rawValue(t, s, kindShare, "old")
	salt, err := os.ReadFile(s.keys.salts.path(newKEKID(1, "key-1", 7), saltExt))
	noError(t, err)

	wantErased := func(epoch uint32, want bool) {
		t.Helper()
		if erased, err := s.Erased(t.Context(), "key-1", epoch); err != nil || erased != want {
			t.Errorf("epoch %d: erased %v, %v", epoch, erased, err)
		}
	}
	wantErased(7, false)
	noError(t, s.EraseEpoch(t.Context(), "key-1", 7))
	for range 2 { // at once, and after opening again
		wantErased(7, true)
		wantErased(8, false)
		wantErased(99, false)
		_, err := s.Get(t.Context(), kindShare, "old")
		wantError(t, err, ErrNotFound)
		wantError(t, s.Put(t.Context(), old), ErrErased)
		for _, id := range []string{"next", "node"} {
			_, err := s.Get(t.Context(), kindShare, id)
			noError(t, err)
		}
		// The old ciphertext, as it may still be on disk.
		setRaw(t, s, kindShare, "old", raw)
		_, err = s.Get(t.Context(), kindShare, "old")
		wantError(t, err, ErrErased)
		noError(t, s.Delete(t.Context(), kindShare, "old"))
		noError(t, s.EraseEpoch(t.Context(), "key-1", 7))
		s = reopened(t, s)
	}
	wantError(t, s.EraseEpoch(t.Context(), "key-1", 99), ErrNotFound)
	for path := range hashTree(t, s.cfg.Dir) {
		if data, err := os.ReadFile(path); err == nil && bytes.Contains(data, salt[26:58]) {
			t.Fatalf("the salt is still in %s", path)
		}
	}
}

// EraseEpoch killed after each of its steps: the next Open finishes it.
func TestInterruptedErasure(t *testing.T) {
	id := newKEKID(1, "key-1", 7)
	for name, crash := range map[string]func(s *Store) error{
		"marked":  func(s *Store) error { return ReplaceFile(s.keys.salts.path(id, erasingExt), nil) },
		"no salt": func(s *Store) error { _, err := s.keys.erase(id); return err },
		"no records": func(s *Store) error {
			_, err := s.keys.erase(id)
			return errors.Join(err, s.deleteScope(context.Background(), id))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := openAt(t, t.TempDir())
			put(t, s, aRecord("a"), aRecord("b"))
			noError(t, crash(s))
			s = reopened(t, s)
			if list, err := s.List(t.Context(), kindShare); err != nil || len(list) != 0 {
				t.Fatalf("records are left: %v, %v", list, err)
			}
			if ids, err := s.keys.salts.list(erasedExt); err != nil || len(ids) != 1 || ids[0] != id {
				t.Fatalf("erased %x, %v", ids, err)
			}
			for _, ext := range []string{saltExt, erasingExt} {
				if ids, err := s.keys.salts.list(ext); err != nil || len(ids) != 0 {
					t.Fatalf("%s is left: %x, %v", ext, ids, err)
				}
			}
			wantError(t, s.Put(t.Context(), aRecord("a")), ErrErased)
		})
	}
}

func TestManyScopes(t *testing.T) {
	s := openAt(t, t.TempDir())
	const n = maxKEKs + 20 // more than the cache holds
	for i := range n {
		r := aRecord(fmt.Sprint(i))
		r.Epoch = uint32(i)
		put(t, s, r)
	}
	for i := range n {
		_, err := s.Get(t.Context(), kindShare, fmt.Sprint(i))
		noError(t, err)
	}
	if s.keys.keks.Len() != maxKEKs {
		t.Fatalf("%d keys in memory", s.keys.keks.Len())
	}
}
