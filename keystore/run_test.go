package keystore

import (
	"bytes"
	"context"
	"testing"
	"time"
)

func TestRun(t *testing.T) {
	s, err := Open(Config{Dir: t.TempDir(), Master: testMaster(t, "a7"), Party: testParty, GCEvery: time.Millisecond})
	noError(t, err)
	put(t, s, aRecord("a"))
	noError(t, s.collect(t.Context()))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	cancel()
	noError(t, <-done)

	go func() { done <- s.Run(t.Context()) }()
	noError(t, s.Close()) // while it collects
	wantError(t, <-done, ErrClosed)
}

// The documented layout, byte by byte: changing it would orphan every share on disk.
func TestRecordFormatIsFinal(t *testing.T) {
	h := Header{
		Kind: "share", ID: "i", Account: "ac", Key: "key", Scheme: "schm", Epoch: 0x01020304,
		Threshold: 0x0203, Parties: 0x0405, State: "active",
	}
	h.Committee[0], h.Approvers[31] = 0xcc, 0xaa
	got := appendHeader(nil, &h, "party", kekID{0: 0x11, 15: 0x22})
	var want bytes.Buffer
	want.WriteString("MPCR\x01\x00\x80")
	want.WriteString("\x11" + string(make([]byte, 14)) + "\x22")
	want.WriteString("\x01\x02\x03\x04")
	want.WriteString("\xcc" + string(make([]byte, 31)))
	want.WriteString(string(make([]byte, 31)) + "\xaa")
	want.WriteString("\x02\x03\x04\x05")
	want.WriteString("\x00\x05share\x00\x01i\x00\x02ac\x00\x03key\x00\x04schm\x00\x05party\x00\x06active")
	if !bytes.Equal(got, want.Bytes()) {
		t.Fatalf("got  %x\nwant %x", got, want.Bytes())
	}
	if id := newKEKID(1, "key", 2); id != newKEKID(1, "key", 2) || id == newKEKID(2, "key", 2) || id == newKEKID(1, "key", 3) {
		t.Fatal("kek ids do not tell scopes apart")
	}
}
