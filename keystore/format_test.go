package keystore

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"reflect"
	"strings"
	"testing"
)

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

// A record made when the format was fixed, opened with keys derived here by the text of
// doc.go and RFC 5869, not by this package.
func TestGoldenRecord(t *testing.T) {
	text, err := os.ReadFile("testdata/record-v1.hex")
	noError(t, err)
	raw, err := hex.DecodeString(strings.ReplaceAll(string(text), "\n", ""))
	noError(t, err)
	id := sha256.Sum256([]byte("mpcd/keystore/kek-id/v1\x00" + "\x00\x00\x00\x01" + "\x00\x05key-1" + "\x00\x00\x00\x07"))
	hmacSHA256 := func(key, data []byte) []byte {
		h := hmac.New(sha256.New, key)
		h.Write(data)
		return h.Sum(nil)
	}
	salt := []byte("0123456789abcdef0123456789abcdef")
	prk := hmacSHA256(salt, bytes.Repeat([]byte{0xa7}, 32))
	info := "mpcd/keystore/kek/v1\x00" + string(id[:16]) + testParty
	kek := hmacSHA256(prk, []byte(info+"\x01"))

	sealed, err := decodeRecord(raw)
	noError(t, err)
	if sealed.kek != kekID(id[:16]) || sealed.party != testParty {
		t.Fatalf("kek id %x, party %s", sealed.kek, sealed.party)
	}
	got, err := sealed.open((*[keySize]byte)(kek))
	noError(t, err)
	if !reflect.DeepEqual(got, aRecord("golden")) {
		t.Fatalf("got %+v", got)
	}
}
