package keystore

import (
	"bytes"
	"testing"
)

// Whatever is on disk, the decoder neither panics nor accepts two encodings of one
// record.
func FuzzDecodeRecord(f *testing.F) {
	var kek [keySize]byte
	for _, r := range []Record{aRecord("a"), poolRecord(1), {Header: Header{Kind: "x", ID: "y", State: "z"}}} {
		raw, err := seal(&r, testParty, scopeOf(1, &r.Header), &kek)
		noError(f, err)
		f.Add(raw)
		f.Add(raw[:len(raw)/2])
		f.Add(append(raw, 0))
	}
	f.Add([]byte(nil))
	f.Add([]byte("MPCR\x01\xff\xff"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := bytes.Clone(raw)
		r, err := decodeRecord(raw)
		if err != nil {
			wantError(t, err, errAuth)
			return
		}
		again := appendHeader(nil, &r.header, r.party, r.kek)
		again = append(append(again, r.dek...), r.payload...)
		if !bytes.Equal(raw, again) {
			t.Fatalf("two encodings:\n%x\n%x", raw, again)
		}
		_, _ = r.open(&kek)
		if !bytes.Equal(raw, before) {
			t.Fatal("opening changed the value")
		}
	})
}
