package access

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// clock is a time that only the test moves.
type clock struct{ now atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.now.Store(time.Now().UnixNano())
	return c
}

func (c *clock) time() time.Time      { return time.Unix(0, c.now.Load()) }
func (c *clock) pass(d time.Duration) { c.now.Add(int64(d)) }
func keysIn(dir string) File          { return File(filepath.Join(dir, "api-keys.json")) }
func secretOf(char string) string     { return strings.Repeat(char, MinSecret) }
func expect(t *testing.T, k *Keys, secret string, want error) Key {
	t.Helper()
	key, err := k.Check(secret)
	if !errors.Is(err, want) {
		t.Errorf("Check: %v, want %v", err, want)
	}
	return key
}

func create(t *testing.T, f File, req NewKey) (Key, string) {
	t.Helper()
	if req.Name == "" {
		req.Name = "n"
	}
	if req.Scopes == nil {
		req.Scopes = []string{Read}
	}
	key, secret, err := f.Create(req)
	if err != nil {
		t.Fatal(err)
	}
	return key, secret
}

func TestCheck(t *testing.T) {
	now, file := newClock(), keysIn(t.TempDir())
	one, secret := create(t, file, NewKey{Name: "one", Scopes: []string{Sign, Read}})
	_, brief := create(t, file, NewKey{Expires: now.time().Add(time.Hour)})
	gone, revoked := create(t, file, NewKey{})
	if _, err := file.Revoke(gone.ID); err != nil {
		t.Fatal(err)
	}
	k, err := OpenKeys(KeysConfig{Secret: secretOf("b"), File: file, Now: now.time})
	if err != nil {
		t.Fatal(err)
	}
	if key := expect(t, k, secretOf("b"), nil); key.ID != Backend || len(key.Scopes) != len(AllScopes()) {
		t.Errorf("backend: %+v", key)
	}
	if key := expect(t, k, secret, nil); key.ID != one.ID || strings.Join(key.Scopes, " ") != "read sign" {
		t.Errorf("one: %+v", key)
	}
	for secret, want := range map[string]error{
		"": ErrMissing, secretOf("c"): ErrUnknown, secret + "0": ErrUnknown, secret[:len(secret)-1]: ErrUnknown,
		strings.ToUpper(secret): ErrUnknown, " " + secret: ErrUnknown, one.ID: ErrUnknown, brief: nil, revoked: ErrRevoked,
	} {
		expect(t, k, secret, want)
	}
	now.pass(time.Hour)
	expect(t, k, brief, ErrExpired)
	expect(t, k, secret, nil)
}

// TestEveryKeyIsCompared holds the structure that makes the time of a comparison
// independent of the secret: no key is left out, whichever it is.
func TestEveryKeyIsCompared(t *testing.T) {
	var r ring
	for _, c := range "abcdefg" {
		r = append(r, Key{ID: string(c), Hash: HashOf(string(c))})
	}
	for i, k := range r {
		if found, compared := r.find(HashOf(k.ID)); found != i || compared != len(r) {
			t.Errorf("key %d: found %d after %d comparisons", i, found, compared)
		}
	}
	if found, compared := r.find(HashOf("z")); found != -1 || compared != len(r) {
		t.Errorf("no key: found %d after %d comparisons", found, compared)
	}
}

func TestTheFileIsFollowed(t *testing.T) {
	now, file := newClock(), keysIn(t.TempDir())
	k, err := OpenKeys(KeysConfig{Secret: secretOf("b"), File: file, Now: now.time})
	if err != nil {
		t.Fatal(err)
	}
	key, secret := create(t, file, NewKey{})
	expect(t, k, secret, ErrUnknown) // no look within the second
	now.pass(lookInterval)
	expect(t, k, secret, nil)

	if _, err := file.Revoke(key.ID); err != nil {
		t.Fatal(err)
	}
	k.Reload() // not even then
	expect(t, k, secret, ErrRevoked)

	_, second := create(t, file, NewKey{})
	now.pass(lookInterval)
	expect(t, k, second, nil)
	for name, spoil := range map[string]func() error{
		"damaged":          func() error { return os.WriteFile(string(file), []byte("{"), fileMode) },
		"writable for all": func() error { return os.Chmod(string(file), 0o622) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		now.pass(lookInterval)
		if _, err := k.Check(second); err != nil {
			t.Errorf("%s: %v, want the keys of before", name, err)
		}
	}
	if err := os.Remove(string(file)); err != nil {
		t.Fatal(err)
	}
	now.pass(lookInterval)
	expect(t, k, second, ErrUnknown)
	expect(t, k, secretOf("b"), nil)
}

func TestNoKeyIsAnError(t *testing.T) {
	file := keysIn(t.TempDir())
	for name, cfg := range map[string]KeysConfig{
		"nothing": {}, "short": {Secret: secretOf("b")[1:]}, "empty file": {File: file},
	} {
		if _, err := OpenKeys(cfg); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.WriteFile(string(file), []byte("{}"), fileMode); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenKeys(KeysConfig{Secret: secretOf("b"), File: file}); !errors.Is(err, ErrFile) {
		t.Errorf("a file of another version: %v", err)
	}
}

func TestAFileIsEnough(t *testing.T) {
	file := keysIn(t.TempDir())
	_, secret := create(t, file, NewKey{})
	k, err := OpenKeys(KeysConfig{File: file})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, k, secret, nil)
}

func TestCallerMay(t *testing.T) {
	for _, c := range []struct {
		scopes []string
		need   string
		may    bool
	}{
		{nil, "", true}, {nil, Read, false}, {[]string{Read}, Read, true}, {[]string{Read}, Sign, false},
		{[]string{Admin}, Sign, true}, {[]string{Read, Accounts, Sign, Sessions, Shares, Webhooks}, Admin, false},
	} {
		if got := (Caller{Scopes: c.scopes}).May(c.need); got != c.may {
			t.Errorf("%v may %q: %v", c.scopes, c.need, got)
		}
	}
	ctx := With(t.Context(), Caller{KeyID: "k"})
	if From(ctx).KeyID != "k" || From(t.Context()).KeyID != "" {
		t.Error("the caller does not travel with the context")
	}
}
