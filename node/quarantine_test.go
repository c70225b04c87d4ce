package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/protocol"
)

var someTime = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func TestFailuresAreCountedPerKeyAndPeer(t *testing.T) {
	d := QuarantineIn(t.TempDir())
	if list, err := d.List(); err != nil || len(list) != 0 {
		t.Fatalf("a folder that is not there: %v, error %v", list, err)
	}
	f := fault{key: "key-1", peer: "alice", reason: protocol.ReasonProof, session: "s", evidence: "e.claimed.cbor"}
	for i := range QuarantineAfter + 1 {
		f.proven = i == 1
		c, err := d.count(f, someTime.Add(time.Duration(i)*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if want := i+1 >= QuarantineAfter; c.Failures != i+1 || c.InQuarantine() != want || c.Since.IsZero() == want {
			t.Errorf("after %d failures: %+v", i+1, c)
		}
	}
	c, err := d.Get("key-1", "alice")
	if err != nil || c.Failures != 4 || c.Proven != 1 || !c.First.Equal(someTime) || !c.Last.Equal(someTime.Add(3*time.Hour)) || !c.Since.Equal(someTime.Add(2*time.Hour)) || len(c.Evidence) != 4 {
		t.Errorf("got %+v, error %v", c, err)
	}
	for _, other := range []fault{{key: "key-2", peer: "alice"}, {key: "key-1", peer: "bob"}} {
		if _, err := d.Get(other.key, other.peer); !errors.Is(err, ErrNoConduct) {
			t.Errorf("%+v: %v", other, err)
		}
	}
	for range 20 {
		if _, err := d.count(f, someTime); err != nil {
			t.Fatal(err)
		}
	}
	if c, _ := d.Get("key-1", "alice"); len(c.Evidence) != maxKeptNames {
		t.Errorf("%d names of files", len(c.Evidence))
	}
}

// Names come from coordinators and peers: no name leaves the folder, and two names
// have two files.
func TestNamesNeverBecomePaths(t *testing.T) {
	base := t.TempDir()
	d := QuarantineIn(base)
	names := []string{"..", "../..", "/etc/passwd", "a/b", "a\x00b", "", ".", ".hidden", "_0123", strings.Repeat("x", 300), "naïve", "A", "a", "a b", "a.json"}
	for _, key := range names {
		for _, peer := range names {
			if _, err := d.count(fault{key: key, peer: peer, session: key}, someTime); err != nil {
				t.Fatalf("%q, %q: %v", key, peer, err)
			}
		}
	}
	list, err := d.List()
	if err != nil || len(list) != len(names)*len(names) {
		t.Errorf("%d of %d pairs, error %v", len(list), len(names)*len(names), err)
	}
	for _, c := range list {
		if c.Damaged != "" || c.Failures != 1 {
			t.Errorf("%+v", c)
		}
	}
	inside := 0
	err = filepath.WalkDir(base, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			inside++
			if depth := strings.Count(strings.TrimPrefix(path, string(d)), "/"); depth != 2 {
				t.Errorf("%s is %d deep", path, depth)
			}
		}
		return err
	})
	if err != nil || inside != len(list) {
		t.Errorf("%d files, error %v", inside, err)
	}
	for _, c := range list {
		if _, err := d.Clear(c.Key, c.Peer); err != nil {
			t.Errorf("%q, %q: %v", c.Key, c.Peer, err)
		}
	}
	if left, err := os.ReadDir(string(d)); err != nil || len(left) != 0 {
		t.Errorf("%d folders are left, error %v", len(left), err)
	}
}

// What an operator has not cleared does not end by an accident.
func TestADamagedFileIsAQuarantine(t *testing.T) {
	d := QuarantineIn(t.TempDir())
	good := `{"version":1,"key":"key","peer":"alice","failures":1,"first":"2026-01-02T03:04:05Z","last":"2026-01-02T03:04:05Z"}`
	for name, content := range map[string]string{
		"empty": "", "cut": good[:20], "another version": strings.Replace(good, `"version":1`, `"version":2`, 1),
		"another peer's": strings.Replace(good, "alice", "bob", 1), "another key's": strings.Replace(good, `"key":"key"`, `"key":"yek"`, 1),
		"no failures": strings.Replace(good, `"failures":1`, `"failures":0`, 1), "no time": strings.Replace(good, "2026", "soon", 1),
		"huge": good + strings.Repeat(" ", maxConduct), "zeros": string(make([]byte, 100)), "null": "null",
	} {
		if err := writeFile(d.file("key", "alice"), []byte(content)); err != nil {
			t.Fatal(err)
		}
		c, err := d.Get("key", "alice")
		if err != nil || !c.InQuarantine() || c.Damaged == "" || c.Key != "key" || c.Peer != "alice" {
			t.Errorf("%s: %+v, error %v", name, c, err)
		}
		if list, err := d.List(); err != nil || len(list) != 1 || list[0].Damaged == "" {
			t.Errorf("%s: listed %+v, error %v", name, list, err)
		}
	}
	if c, err := d.count(fault{key: "key", peer: "alice"}, someTime); err != nil || !c.InQuarantine() || c.Damaged != "" {
		t.Errorf("counted again: %+v, error %v", c, err)
	}
	if err := os.Remove(d.file("key", "alice")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(d.file("key", "alice"), 0o700); err != nil {
		t.Fatal(err)
	}
	if c, err := d.Get("key", "alice"); err != nil || !c.InQuarantine() {
		t.Errorf("a folder in its place: %+v, error %v", c, err)
	}
	if err := writeFile(d.file("key", "bob"), []byte(good)); err != nil {
		t.Fatal(err)
	}
	if c, err := d.Clear("key", "bob"); err != nil || c.Damaged == "" {
		t.Errorf("cleared %+v, error %v", c, err)
	}
	if _, err := d.Clear("key", "bob"); !errors.Is(err, ErrNoConduct) {
		t.Errorf("cleared again: %v", err)
	}
}

func TestTheOldestFailedKeygensMakeRoom(t *testing.T) {
	const most = 40
	d := QuarantineIn(t.TempDir())
	write := func(i int, c Conduct) {
		t.Helper()
		c.Version, c.Key, c.Peer, c.Last = conductVersion, fmt.Sprintf("key-%d", i), "alice", someTime.Add(time.Duration(i)*time.Second)
		data := fmt.Sprintf(`{"version":1,"key":%q,"peer":"alice","failures":%d,"keygen_only":%v,"first":"2026-01-02T03:04:05Z","last":%q}`, c.Key, c.Failures, c.Keygen, c.Last.Format(time.RFC3339))
		dir := filepath.Dir(d.file(c.Key, c.Peer))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(d.file(c.Key, c.Peer), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(0, Conduct{Failures: QuarantineAfter})
	write(1, Conduct{Failures: 1})
	for i := 2; i < most; i++ {
		if err := d.makeRoom(most); err != nil {
			t.Fatal(err)
		}
		write(i, Conduct{Failures: 9, Keygen: true})
	}
	if list, err := d.List(); err != nil || len(list) != most {
		t.Fatalf("%d pairs, error %v", len(list), err)
	}
	if err := d.makeRoom(most); err != nil {
		t.Fatal(err)
	}
	if list, err := d.List(); err != nil || len(list) != most*3/4 {
		t.Fatalf("%d pairs, error %v", len(list), err)
	}
	for key, here := range map[string]bool{"key-0": true, "key-1": true, "key-2": false, "key-11": false, "key-12": true, "key-39": true} {
		if _, err := d.Get(key, "alice"); (err == nil) != here {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// Two sessions and an operator at the same time: no count is lost, and nothing is
// half written.
func TestCountingAndClearingAtTheSameTime(t *testing.T) {
	d := QuarantineIn(t.TempDir())
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 25 {
				if _, err := d.count(fault{key: "key", peer: "alice"}, someTime); err != nil {
					t.Error(err)
				}
				if _, err := d.count(fault{key: "other", peer: "bob"}, someTime); err != nil {
					t.Error(err)
				}
			}
		})
	}
	cleared := 0
	all.Go(func() {
		for range 50 {
			c, err := d.Clear("other", "bob")
			if err != nil && !errors.Is(err, ErrNoConduct) || c.Damaged != "" {
				t.Errorf("%+v: %v", c, err)
			}
			cleared += c.Failures
		}
	})
	all.Wait()
	if c, err := d.Get("key", "alice"); err != nil || c.Failures != 100 {
		t.Errorf("%+v, error %v", c, err)
	}
	if c, err := d.Get("other", "bob"); cleared+c.Failures != 100 || err != nil && !errors.Is(err, ErrNoConduct) {
		t.Errorf("%d cleared and %+v, error %v", cleared, c, err)
	}
}

// What a killed process was writing goes with the next failure, and with the last peer.
func TestUnfinishedFilesAreRemoved(t *testing.T) {
	d := QuarantineIn(filepath.Join(t.TempDir(), "data [1]"))
	f := fault{key: "key-1", peer: "alice", reason: protocol.ReasonProof, session: "s"}
	dir := filepath.Dir(d.file(f.key, f.peer))
	kill := func() {
		if err := os.WriteFile(filepath.Join(dir, keystore.Unfinished+"123"), []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	count := func() {
		if _, err := d.count(f, someTime); err != nil {
			t.Fatal(err)
		}
	}
	count()
	kill()
	count()
	if list, err := os.ReadDir(dir); err != nil || len(list) != 1 {
		t.Errorf("%v, %v", list, err)
	}
	kill()
	if c, err := d.Clear(f.key, f.peer); err != nil || c.Failures != 2 {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the key's folder is still there: %v", err)
	}
}
