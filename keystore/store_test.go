package keystore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
)

func TestRoundTrip(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir)
	full := aRecord("id/with space")
	bare := Record{Header: Header{Kind: "request", ID: "x", State: StateUsed, Epoch: 3}}
	big := aRecord("big")
	big.Payload = bytes.Repeat([]byte{0xa5}, MaxPayload)
	big.Account, big.Scheme = strings.Repeat("a", maxText), strings.Repeat("s", maxText)
	big.Threshold, big.Parties, big.Epoch = 65535, 65535, 1<<32-1
	records := []Record{full, bare, big}
	put(t, s, records...)
	for range 2 { // as written, and after closing
		for _, want := range records {
			got, err := s.Get(t.Context(), want.Kind, want.ID)
			noError(t, err)
			if !reflect.DeepEqual(got.Header, want.Header) || !bytes.Equal(got.Payload, want.Payload) {
				t.Fatalf("%s: got %+v", want.ID, got.Header)
			}
		}
		noError(t, s.Close())
		s = openAt(t, dir)
	}
	if raw := rawValue(t, s, kindShare, full.ID); bytes.Contains(raw, full.Payload) {
		t.Fatal("the payload is in clear")
	}
}

func TestEveryWriteHasItsOwnKey(t *testing.T) {
	s := openAt(t, t.TempDir())
	put(t, s, aRecord("a"))
	first := rawValue(t, s, kindShare, "a")
	put(t, s, aRecord("a"))
	second := rawValue(t, s, kindShare, "a")
	end := len(first) - len(aRecord("a").Payload) - sealedDEKSize - minSealed
	if !bytes.Equal(first[:end], second[:end]) {
		t.Fatal("the header changed")
	}
	if bytes.Equal(first[end:end+sealedDEKSize], second[end:end+sealedDEKSize]) || bytes.Equal(first[end+sealedDEKSize:], second[end+sealedDEKSize:]) {
		t.Fatal("a key or nonce was used twice")
	}
}

func TestGetOfNothing(t *testing.T) {
	s := openAt(t, t.TempDir())
	_, err := s.Get(t.Context(), kindShare, "none")
	wantError(t, err, ErrNotFound)
	put(t, s, aRecord("a"))
	_, err = s.Get(t.Context(), "result", "a") // another kind
	wantError(t, err, ErrNotFound)
	noError(t, s.Delete(t.Context(), kindShare, "a"))
	noError(t, s.Delete(t.Context(), kindShare, "a")) // no error
	_, err = s.Get(t.Context(), kindShare, "a")
	wantError(t, err, ErrNotFound)
}

func TestInvalidInput(t *testing.T) {
	s := openAt(t, t.TempDir())
	for name, change := range map[string]func(*Record){
		"no kind":        func(r *Record) { r.Kind = "" },
		"kind":           func(r *Record) { r.Kind = "Share" },
		"kind inside":    func(r *Record) { r.Kind = "a/b" },
		"long kind":      func(r *Record) { r.Kind = "abcdefghijklmnopq" },
		"no state":       func(r *Record) { r.State = "" },
		"state":          func(r *Record) { r.State = "a1b" },
		"no id":          func(r *Record) { r.ID = "" },
		"NUL in id":      func(r *Record) { r.ID = "a\x00b" },
		"long id":        func(r *Record) { r.ID = strings.Repeat("x", maxText+1) },
		"not UTF-8":      func(r *Record) { r.Account = "\xff" },
		"newline in key": func(r *Record) { r.Key = "a\nb" },
		"long scheme":    func(r *Record) { r.Scheme = strings.Repeat("x", maxText+1) },
		"threshold":      func(r *Record) { r.Threshold = -1 },
		"parties":        func(r *Record) { r.Parties = 65536 },
		"payload":        func(r *Record) { r.Payload = make([]byte, MaxPayload+1) },
	} {
		r := aRecord("a")
		change(&r)
		if err := s.Put(t.Context(), r); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := s.Get(t.Context(), "Share", "a")
	wantError(t, err, ErrInvalid)
	_, err = s.List(t.Context(), "")
	wantError(t, err, ErrInvalid)
	_, err = s.Count(t.Context(), kindShare, "Active")
	wantError(t, err, ErrInvalid)
	_, err = s.Take(t.Context(), kindPool, StateFresh, StateFresh)
	wantError(t, err, ErrInvalid)
	wantError(t, s.EraseEpoch(t.Context(), "", 0), ErrInvalid)
	_, err = s.Erased(t.Context(), "", 0)
	wantError(t, err, ErrInvalid)
}

func TestUpdate(t *testing.T) {
	s := openAt(t, t.TempDir())
	put(t, s, aRecord("a"))
	noError(t, s.Update(t.Context(), kindShare, "a", func(r *Record) error {
		r.State, r.Payload = StateRetired, []byte("new")
		return nil
	}))
	got, err := s.Get(t.Context(), kindShare, "a")
	noError(t, err)
	if got.State != StateRetired || string(got.Payload) != "new" {
		t.Fatalf("got %+v", got)
	}
	stop := errors.New("stop")
	wantError(t, s.Update(t.Context(), kindShare, "a", func(r *Record) error { r.Payload = nil; return stop }), stop)
	wantError(t, s.Update(t.Context(), kindShare, "a", func(r *Record) error { r.ID = "b"; return nil }), ErrInvalid)
	wantError(t, s.Update(t.Context(), kindShare, "b", func(*Record) error { return nil }), ErrNotFound)
	if again, err := s.Get(t.Context(), kindShare, "a"); err != nil || string(again.Payload) != "new" {
		t.Fatalf("a failed update changed the record: %v", err)
	}
}

func TestConcurrentUpdatesLoseNothing(t *testing.T) {
	s := openAt(t, t.TempDir())
	r := aRecord("a")
	r.Threshold = 0
	put(t, s, r)
	const n = 24
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			err := s.Update(t.Context(), kindShare, "a", func(r *Record) error { r.Threshold++; return nil })
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got, err := s.Get(t.Context(), kindShare, "a")
	noError(t, err)
	if got.Threshold != n {
		t.Fatalf("%d of %d updates survived", got.Threshold, n)
	}
}

func TestListAndCount(t *testing.T) {
	s := openAt(t, t.TempDir())
	for i := range 5 {
		r := poolRecord(4 - i)
		if i < 2 {
			r.State = StateUsed
		}
		put(t, s, r)
	}
	put(t, s, aRecord("a"))
	list, err := s.List(t.Context(), kindPool)
	noError(t, err)
	for i, h := range list {
		if h.ID != fmt.Sprintf("set-%03d", i) {
			t.Fatalf("not in order: %v", list)
		}
	}
	for state, want := range map[State]int{StateFresh: 3, StateUsed: 2, StateActive: 0} {
		if n, err := s.Count(t.Context(), kindPool, state); err != nil || n != want || len(list) != 5 {
			t.Fatalf("%s: %d of %d, %v", state, n, len(list), err)
		}
	}
}

func TestClosedAndCancelled(t *testing.T) {
	s := openAt(t, t.TempDir())
	put(t, s, aRecord("a"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	calls := func(ctx context.Context) (errs []error) {
		_, err := s.Get(ctx, kindShare, "a")
		errs = append(errs, err, s.Put(ctx, aRecord("b")), s.Delete(ctx, kindShare, "a"), s.EraseEpoch(ctx, "key-1", 7))
		_, err = s.Take(ctx, kindPool, StateFresh, StateUsed)
		errs = append(errs, err, s.Update(ctx, kindShare, "a", func(*Record) error { return nil }))
		_, err = s.List(ctx, kindShare)
		errs = append(errs, err)
		_, err = s.Count(ctx, kindShare, StateActive)
		errs = append(errs, err)
		_, err = s.Quarantined(ctx)
		return append(errs, err)
	}
	for _, err := range calls(ctx) {
		wantError(t, err, context.Canceled)
	}
	if _, err := s.Get(t.Context(), kindShare, "a"); err != nil {
		t.Fatal(err)
	}
	noError(t, s.Close())
	for _, err := range calls(t.Context()) {
		wantError(t, err, ErrClosed)
	}
}
