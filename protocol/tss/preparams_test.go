package tss_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/protocoltest"
	"github.com/meshmpc/mpcd/protocol/tss"
)

func TestPreParamsRoundTrip(t *testing.T) {
	set := protocoltest.PreParams(t, 1)[0]
	b, err := set.Encode()
	if err != nil {
		t.Fatal(err)
	}
	again, err := tss.DecodePreParams(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Validate(); err != nil {
		t.Fatal(err)
	}
	if c, err := again.Encode(); err != nil || !bytes.Equal(b, c) {
		t.Errorf("it changes by decoding: %v", err)
	}
	if s := fmt.Sprintf("%+v %#v %x", set, set, set); s != strings.Repeat("tss.PreParams(secret) ", 2)+"tss.PreParams(secret)" {
		t.Errorf("it prints %q", s)
	}
	t.Logf("%d bytes", len(b))
}

func TestPreParamsServeOneKey(t *testing.T) {
	config := tss.KeygenConfig{
		Scheme: protocol.ECDSA, Threshold: 2, Roster: protocoltest.Members(2), Self: "alice",
		PreParams: protocoltest.PreParams(t, 1)[0],
	}
	if _, err := tss.NewKeygen(config); err != nil {
		t.Fatal(err)
	}
	if _, err := tss.NewKeygen(config); !errors.Is(err, tss.ErrPreParams) {
		t.Errorf("a second use gives %v", err)
	}
}

// The first group breaks the form, which Decode sees; the second only the numbers.
func TestPreParamsRefused(t *testing.T) {
	b, err := protocoltest.PreParams(t, 1)[0].Encode()
	if err != nil {
		t.Fatal(err)
	}
	plus := func(n int64) func([]byte) []byte {
		return func(b []byte) []byte {
			v := new(big.Int).SetBytes(b)
			return v.Add(v, big.NewInt(n)).Bytes()
		}
	}
	set := func(v ...byte) func([]byte) []byte { return func([]byte) []byte { return v } }
	tests := []struct {
		name  string
		field int
		f     func([]byte) []byte
		form  bool
	}{
		{"no prime", 2, set(), true},
		{"leading zero", 3, func(b []byte) []byte { return append([]byte{0}, b[1:]...) }, true},
		{"even prime", 2, plus(1), true},
		{"short prime", 4, func(b []byte) []byte { return b[1:] }, true},
		{"long prime", 5, func(b []byte) []byte { return append(slices.Clone(b), 1) }, true},
		{"h1 of zero", 6, set(0), true},
		{"h1 above the modulus", 6, func(b []byte) []byte { return bytes.Repeat([]byte{0xff}, 256) }, true},
		{"long alpha", 7, func(b []byte) []byte { return bytes.Repeat([]byte{1}, 257) }, true},
		{"composite", 3, plus(2), false},
		{"composite of the second modulus", 4, plus(2), false},
		{"h1 of one", 6, set(1), false},
		{"h1 no square", 6, plus(1), false}, // three times out of four; then the powers differ
		{"alpha of one", 7, set(1), false},
	}
	for _, test := range tests {
		raw := map[int]any{}
		if err := cbor.Unmarshal(b, &raw); err != nil {
			t.Fatal(err)
		}
		raw[test.field] = test.f(raw[test.field].([]byte))
		changed, err := protocol.Marshal(raw)
		if err != nil {
			t.Fatal(err)
		}
		s, err := tss.DecodePreParams(changed)
		if err == nil {
			if test.form {
				t.Errorf("%s: decoded", test.name)
			}
			if test.name == "h1 no square" {
				continue // another square is a sound h1
			}
			err = s.Validate()
		}
		if !errors.Is(err, tss.ErrPreParams) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	for _, raw := range [][]byte{nil, b[:len(b)-1], append(slices.Clone(b), 0)} {
		if _, err := tss.DecodePreParams(raw); !errors.Is(err, tss.ErrPreParams) {
			t.Errorf("%d of %d bytes give %v", len(raw), len(b), err)
		}
	}
}

func TestGeneratePreParamsStops(t *testing.T) {
	if _, err := tss.GeneratePreParams(context.Background(), 0); !errors.Is(err, tss.ErrPreParams) {
		t.Errorf("no workers give %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := tss.GeneratePreParams(ctx, 2); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled context gives %v", err)
	}
	// Too short for a set, also for a lucky one: four primes take about 200 ms of CPU each.
	ctx, cancel = context.WithTimeout(context.Background(), 5*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := tss.GeneratePreParams(ctx, 2); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a deadline gives %v", err)
	}
	// A step takes 15 ms at most, and a hundred times that under the race detector on a busy machine.
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("it stopped after %v", took)
	}
}
