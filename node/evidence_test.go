package node

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/protocol"
)

// identity is a node's key without a node.
type identity struct{ key ed25519.PrivateKey }

func newIdentity(n byte) identity {
	return identity{ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, ed25519.SeedSize))}
}

func (i identity) ID() protocol.PeerID {
	return protocol.PeerIDOf(i.key.Public().(ed25519.PublicKey))
}
func (i identity) Sign(data []byte) []byte { return ed25519.Sign(i.key, data) }

// claim is evidence that proves nothing.
func claim(by protocol.Signer, sid protocol.SID) *protocol.Evidence {
	v := proof(by, sid)
	v.Reason, v.Exhibits = protocol.ReasonProof, v.Exhibits[:1]
	return v
}

func TestEvidenceIsOneFileForEachCulpritOfAnAttempt(t *testing.T) {
	d, by, sid := EvidenceIn(t.TempDir()), newIdentity(1), protocol.SID{1, 2, 3, 4}
	for _, v := range []*protocol.Evidence{proof(by, sid), proof(by, sid), claim(by, sid)} {
		if _, err := d.write("session-1", v, v.Reason == protocol.ReasonContradiction); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.write("../../elsewhere", proof(by, sid), true); err != nil {
		t.Fatal(err)
	}
	files, err := d.List()
	if err != nil || len(files) != 3 {
		t.Fatalf("%d files, error %v", len(files), err)
	}
	for _, f := range files {
		if f.Err != nil || f.Finding.Culprit != by.ID() || f.Finding.Proven != strings.HasSuffix(f.Name, extProven) || !strings.Contains(f.Name, ".01020304."+by.ID()+".") {
			t.Errorf("%s: %+v", f.Name, f)
		}
	}
	info, err := os.Stat(filepath.Join(string(d), files[0].Name))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, error %v", info.Mode(), err)
	}
}

// The folder has room for so many files and bytes: what proves nothing goes first,
// the oldest first, and what is no evidence stays.
func TestEvidenceIsBounded(t *testing.T) {
	d, by := EvidenceIn(t.TempDir()), newIdentity(1)
	older := func(file string, age time.Duration) {
		t.Helper()
		at := time.Now().Add(-age)
		if err := os.Chtimes(file, at, at); err != nil {
			t.Fatal(err)
		}
	}
	touch := func(name string, age time.Duration, size int64) {
		t.Helper()
		file := filepath.Join(string(d), name)
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(file, size); err != nil {
			t.Fatal(err)
		}
		older(file, age)
	}
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		t.Fatal(err)
	}
	touch("oldest.proven.cbor", 100*time.Hour, 10)
	touch("notes.txt", 200*time.Hour, 10)
	touch(keystore.Unfinished+"stale", 2*staleFile, 10)
	touch(keystore.Unfinished+"fresh", 0, 10)
	for i := range maxEvidenceFiles - 2 {
		touch(protocol.SID{byte(i >> 8), byte(i)}.String()+extClaimed, time.Duration(maxEvidenceFiles-i)*time.Minute, 10)
	}
	first, second := protocol.SID{}.String()+extClaimed, protocol.SID{0, 1}.String()+extClaimed
	here := func(want bool, names ...string) {
		t.Helper()
		for _, name := range names {
			if exists := func() bool { _, err := os.Stat(filepath.Join(string(d), name)); return err == nil }(); exists != want {
				t.Errorf("%s is here: %v", name, exists)
			}
		}
	}
	write := func(sid byte) string {
		t.Helper()
		name, err := d.write("s", proof(by, protocol.SID{0xff, sid}), true)
		if err != nil {
			t.Fatal(err)
		}
		return name
	}
	one := write(1)
	here(true, one, first, second, "oldest.proven.cbor", "notes.txt", keystore.Unfinished+"fresh")
	here(false, keystore.Unfinished+"stale")
	two := write(2)
	here(true, one, two, second, "oldest.proven.cbor")
	here(false, first)

	for i := range 9 { // the newest of those that prove nothing
		touch(fmt.Sprint("large", i, extClaimed), 0, maxCulpritBytes)
	}
	three := write(3)
	here(true, one, two, three, "oldest.proven.cbor", "notes.txt", "large8"+extClaimed)
	here(false, second, "large0"+extClaimed, "large1"+extClaimed)
	for _, name := range []string{one, two, three} {
		older(filepath.Join(string(d), name), 2*time.Hour)
	}
	for i := range 8 {
		touch(fmt.Sprint("larger", i, extProven), time.Hour, maxCulpritBytes-100)
	}
	four := write(4)
	here(true, four, "larger0"+extProven, "larger7"+extProven)
	here(false, one, two, three, "oldest.proven.cbor", "large8"+extClaimed)
}

// One culprit has a part of the room: what shows the faults of others stays. No name
// is given of what is not here.
func TestEvidenceOfOneCulpritIsBounded(t *testing.T) {
	d, cheat, other := EvidenceIn(t.TempDir()), newIdentity(1), newIdentity(2)
	keep := func(v *protocol.Evidence) (string, error) {
		return d.write("s", v, v.Reason == protocol.ReasonContradiction)
	}
	here := func(name string) bool {
		_, err := os.Stat(filepath.Join(string(d), name))
		return name != "" && err == nil
	}
	first, err := keep(claim(other, protocol.SID{1}))
	if err != nil {
		t.Fatal(err)
	}
	early, err := keep(claim(cheat, protocol.SID{1}))
	if err != nil || !here(early) {
		t.Fatal(err)
	}
	for i := range maxCulpritFiles {
		name, err := keep(proof(cheat, protocol.SID{2, byte(i)}))
		if err != nil || !here(name) {
			t.Fatalf("%q, error %v", name, err)
		}
	}
	if here(early) || !here(first) {
		t.Errorf("of the cheat's %v, of another one's %v: what proves less is to go, of the same culprit", here(early), here(first))
	}
	if name, err := keep(claim(cheat, protocol.SID{3})); name != "" || !errors.Is(err, errEvidenceRoom) {
		t.Errorf("what has no room is %q, error %v", name, err)
	}
	late, err := keep(proof(cheat, protocol.SID{4}))
	if files, _ := d.files(); err != nil || !here(late) || len(files) != maxCulpritFiles+1 {
		t.Errorf("%q is here: %v; %d files, error %v", late, here(late), len(files), err)
	}
	if got := culpritOf(late); got != cheat.ID() {
		t.Errorf("the culprit of %s is %q", late, got)
	}
}
