package access

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestFile(t *testing.T) {
	file := keysIn(t.TempDir())
	if keys, err := file.List(); err != nil || len(keys) != 0 {
		t.Errorf("no file: %v, %v", keys, err)
	}
	expires := time.Now().Add(time.Hour)
	made, secret := create(t, file, NewKey{Name: " a name ", Scopes: []string{Webhooks, Read, Read}, Expires: expires})
	if !strings.HasPrefix(secret, SecretPrefix) || len(secret) != len(SecretPrefix)+52 || len(made.ID) != len(idPrefix)+8 {
		t.Errorf("id %q, secret of %d characters", made.ID, len(secret))
	}
	keys, err := file.List()
	if err != nil || len(keys) != 1 {
		t.Fatalf("%v, %v", keys, err)
	}
	k := keys[0]
	if k.ID != made.ID || k.Name != "a name" || strings.Join(k.Scopes, " ") != "read webhooks" || k.Hash != HashOf(secret) ||
		!k.Created.Equal(made.Created) || !k.Expires.Equal(made.Expires) || !k.Revoked.IsZero() {
		t.Errorf("read %+v, made %+v", k, made)
	}
	if data, err := os.ReadFile(string(file)); err != nil || strings.Contains(string(data), secret[5:]) {
		t.Errorf("the file has the secret: %v", err)
	}
	if info, err := os.Stat(string(file)); err != nil || info.Mode().Perm() != fileMode {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if _, err := file.Revoke("k_none"); !errors.Is(err, ErrNoKey) {
		t.Errorf("revoke nobody: %v", err)
	}
}

func TestNewKeyErrors(t *testing.T) {
	file := keysIn(t.TempDir())
	for _, c := range []struct {
		req  NewKey
		want error
	}{
		{NewKey{Scopes: []string{Read}}, ErrName},
		{NewKey{Name: "two\nlines", Scopes: []string{Read}}, ErrName},
		{NewKey{Name: strings.Repeat("n", 65), Scopes: []string{Read}}, ErrName},
		{NewKey{Name: "n"}, ErrScope},
		{NewKey{Name: "n", Scopes: []string{"root"}}, ErrScope},
	} {
		if _, _, err := file.Create(c.req); !errors.Is(err, c.want) {
			t.Errorf("%+v: %v", c.req, err)
		}
	}
	if _, err := os.Stat(string(file)); err == nil {
		t.Error("a refused key left a file")
	}
	if _, _, err := keysIn(filepath.Join(t.TempDir(), "nowhere")).Create(NewKey{Name: "n", Scopes: []string{Read}}); err == nil {
		t.Error("a key in no folder")
	}
}

// TestConcurrentChanges checks that no change gets lost between reading and
// writing. Each open of the lock's file is a lock holder of its own, in one process as in
// several.
func TestConcurrentChanges(t *testing.T) {
	file := keysIn(t.TempDir())
	const n = 20
	first, _ := create(t, file, NewKey{})
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if _, _, err := file.Create(NewKey{Name: "n", Scopes: []string{Read}}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Go(func() {
		if _, err := file.Revoke(first.ID); err != nil {
			t.Error(err)
		}
	})
	wg.Wait()
	keys, err := file.List()
	if err != nil || len(keys) != n+1 || keys[0].Revoked.IsZero() {
		t.Errorf("%d keys, %v", len(keys), err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(string(file)), ".api-keys-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("files left: %v, %v", left, err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	hash := `"hash":"` + strings.Repeat("1", 64) + `"`
	for name, text := range map[string]string{
		"another version":  `{"version":2,"keys":[]}`,
		"no version":       `{"keys":[]}`,
		"unknown field":    `{"version":1,"keys":[{"id":"a","scopes":["read"],` + hash + `,"Revokd":"x"}]}`,
		"unknown scope":    `{"version":1,"keys":[{"id":"a","scopes":["all"],` + hash + `}]}`,
		"no scope":         `{"version":1,"keys":[{"id":"a",` + hash + `}]}`,
		"no id":            `{"version":1,"keys":[{"scopes":["read"],` + hash + `}]}`,
		"short hash":       `{"version":1,"keys":[{"id":"a","scopes":["read"],"hash":"11"}]}`,
		"hash that is not": `{"version":1,"keys":[{"id":"a","scopes":["read"],"hash":"` + strings.Repeat("z", 64) + `"}]}`,
		"one secret twice": `{"version":1,"keys":[{"id":"a","scopes":["read"],` + hash + `},{"id":"b","scopes":["read"],` + hash + `}]}`,
	} {
		if _, err := decode([]byte(text)); err == nil {
			t.Errorf("%s is read", name)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"version":1,"keys":[{"id":"a","scopes":["read"],"hash":"` + strings.Repeat("1", 64) + `"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := decode(data)
		if err != nil {
			return
		}
		for _, k := range keys {
			if k.ID == "" || len(k.Scopes) == 0 {
				t.Errorf("a key without id or scope: %+v", k)
			}
		}
	})
}
