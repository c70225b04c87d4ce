package keystore

import (
	"bytes"
	"errors"
	"testing"

	"github.com/dgraph-io/badger/v4"
)

// reheader puts another header before the seals of a stored value.
func reheader(t *testing.T, raw []byte, change func(*sealedRecord)) []byte {
	t.Helper()
	r, err := decodeRecord(raw)
	noError(t, err)
	change(r)
	out := appendHeader(nil, &r.header, r.party, r.kek)
	return append(append(out, r.dek...), r.payload...)
}

func TestEachHeaderFieldIsAuthenticated(t *testing.T) {
	changes := map[string]func(*sealedRecord){
		"nothing":   nil,
		"kind":      func(r *sealedRecord) { r.header.Kind = "result" },
		"id":        func(r *sealedRecord) { r.header.ID = "b" },
		"account":   func(r *sealedRecord) { r.header.Account = "account o" },
		"key":       func(r *sealedRecord) { r.header.Key = "key-2" },
		"scheme":    func(r *sealedRecord) { r.header.Scheme = "eddsa" },
		"epoch":     func(r *sealedRecord) { r.header.Epoch++ },
		"committee": func(r *sealedRecord) { r.header.Committee[31] ^= 1 },
		"threshold": func(r *sealedRecord) { r.header.Threshold = 1 },
		"parties":   func(r *sealedRecord) { r.header.Parties = 4 },
		"state":     func(r *sealedRecord) { r.header.State = StateFresh },
		"approvers": func(r *sealedRecord) { r.header.Approvers[0] ^= 1 },
		"party":     func(r *sealedRecord) { r.party = "12D3KooWother" },
		"kek id":    func(r *sealedRecord) { r.kek[0] ^= 1 },
		"boundary":  func(r *sealedRecord) { r.header.Account, r.header.Key = "account äk", "ey-1" },
		"scope that is not": func(r *sealedRecord) {
			r.header.Epoch, r.kek = 8, newKEKID(1, "key-1", 8)
		},
		"scope of another": func(r *sealedRecord) {
			r.header.Key, r.kek = "key-2", newKEKID(1, "key-2", 7)
		},
		"scope of the node": func(r *sealedRecord) { r.header.Key, r.kek = "", newKEKID(1, "", 0) },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			s := openAt(t, t.TempDir())
			other, node := aRecord("other"), aRecord("node")
			other.Key, node.Key = "key-2", ""
			put(t, s, aRecord("a"), other, node)
			raw := rawValue(t, s, kindShare, "a")
			if change == nil {
				setRaw(t, s, kindShare, "a", reheader(t, raw, func(*sealedRecord) {}))
				_, err := s.Get(t.Context(), kindShare, "a")
				noError(t, err)
				return
			}
			altered := reheader(t, raw, change)
			if bytes.Equal(raw, altered) {
				t.Fatal("nothing was altered")
			}
			setRaw(t, s, kindShare, "a", altered)
			_, err := s.Get(t.Context(), kindShare, "a")
			wantError(t, err, ErrDamaged)
			for _, id := range []string{"other", "node"} {
				_, err := s.Get(t.Context(), kindShare, id)
				noError(t, err)
			}
		})
	}
}

func TestSwappedRecords(t *testing.T) {
	s := openAt(t, t.TempDir())
	put(t, s, aRecord("a"), aRecord("b"))
	setRaw(t, s, kindShare, "a", rawValue(t, s, kindShare, "b"))
	_, err := s.Get(t.Context(), kindShare, "a")
	wantError(t, err, ErrDamaged)
	_, err = s.Get(t.Context(), kindShare, "b")
	noError(t, err)
}

// Every byte of a stored value in turn, and every length it could be cut to.
func TestEveryByteOfARecordCounts(t *testing.T) {
	s := openAt(t, t.TempDir())
	put(t, s, aRecord("a"))
	raw := rawValue(t, s, kindShare, "a")
	reject := func(what string, at int, value []byte) {
		t.Helper()
		err := s.db.View(func(txn *badger.Txn) error {
			_, err := s.authenticate(txn, kindShare, "a", value)
			return err
		})
		if !errors.Is(err, errAuth) {
			t.Fatalf("%s at %d: %v", what, at, err)
		}
	}
	for i := range raw {
		for _, bit := range []byte{1, 0x80} {
			flipped := bytes.Clone(raw)
			flipped[i] ^= bit
			reject("flipped", i, flipped)
		}
		reject("cut", i, raw[:i])
	}
	reject("longer", len(raw), append(bytes.Clone(raw), 0))
}

func TestQuarantine(t *testing.T) {
	s := openAt(t, t.TempDir())
	end := len(aRecord("a").Payload) + minSealed
	// One byte in each region: prefix, kek id, header, sealed DEK, nonce, payload, tag.
	for i, back := range []int{-0, -4, -5, -7, -30, -95, -200, end + 50, end + 40, end + 3, end - 2, tagSize + 2, 1} {
		put(t, s, aRecord("a"))
		raw := rawValue(t, s, kindShare, "a")
		at := -back
		if back > 0 {
			at = len(raw) - back
		}
		raw[at] ^= 0x10
		setRaw(t, s, kindShare, "a", raw)
		for range 2 { // found, and afterwards
			_, err := s.Get(t.Context(), kindShare, "a")
			wantError(t, err, ErrDamaged)
		}
		wantError(t, s.Update(t.Context(), kindShare, "a", func(*Record) error { return nil }), ErrDamaged)
		list, err := s.Quarantined(t.Context())
		noError(t, err)
		if len(list) != i+1 {
			t.Fatalf("byte %d: %d in quarantine, want %d", at, len(list), i+1)
		}
		last := list[i]
		if last.Kind != kindShare || last.ID != "a" || last.At.IsZero() || last.Reason == "" {
			t.Fatalf("byte %d: %+v", at, last)
		}
		if headers, err := s.List(t.Context(), kindShare); err != nil || len(headers) != 0 {
			t.Fatalf("byte %d: still listed, %v", at, err)
		}
		if kept := quarantinedValue(t, s, last); !bytes.HasSuffix(kept, raw) {
			t.Fatalf("byte %d: the value was not kept", at)
		}
	}
	noError(t, s.Delete(t.Context(), kindShare, "a"))
	if list, err := s.Quarantined(t.Context()); err != nil || len(list) != 13 {
		t.Fatalf("deleting reached the quarantine: %v", err)
	}
	put(t, s, aRecord("a"))
	_, err := s.Get(t.Context(), kindShare, "a") // made anew
	noError(t, err)
}

// A write that comes between a failed read and the quarantine must survive.
func TestQuarantineSparesTheReplaced(t *testing.T) {
	s := openAt(t, t.TempDir())
	put(t, s, aRecord("a"))
	noError(t, s.quarantine(kindShare, "a", []byte("what was read before"), "test"))
	_, err := s.Get(t.Context(), kindShare, "a")
	noError(t, err)
}

func quarantinedValue(t *testing.T, s *Store, q Quarantined) (value []byte) {
	t.Helper()
	noError(t, s.db.View(func(txn *badger.Txn) error {
		item, err := txn.Get(quarantineKey(q.Kind, q.ID, q.At))
		if err != nil {
			return err
		}
		value, err = item.ValueCopy(nil)
		return err
	}))
	return value
}
