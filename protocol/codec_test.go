package protocol

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	noError(tb, err)
	return b
}

// Every value has one encoding; anything else that a lenient decoder would read
// as the same value is refused.
func TestUnmarshalTakesOneEncodingOnly(t *testing.T) {
	const canonical = "a2 01 61 61 02 61 62" // {1: "a", 2: "b"}
	for name, data := range map[string]string{
		"nothing":                    "",
		"missing key":                "a1 01 61 61",
		"empty map":                  "a0",
		"array":                      "82 61 61 61 62",
		"null":                       "f6",
		"indefinite map":             "bf 01 61 61 02 61 62 ff",
		"indefinite text":            "a2 01 7f 61 61 ff 02 61 62",
		"long map head":              "b8 02 01 61 61 02 61 62",
		"long key":                   "a2 18 01 61 61 02 61 62",
		"long text head":             "a2 01 78 01 61 02 61 62",
		"eight-byte text head":       "a2 01 7b 00 00 00 00 00 00 00 01 61 02 61 62",
		"unsorted keys":              "a2 02 61 62 01 61 61",
		"duplicate key":              "a3 01 61 61 01 61 61 02 61 62",
		"duplicate key, other value": "a3 01 61 61 02 61 62 02 61 63",
		"unknown key":                "a3 01 61 61 02 61 62 03 61 63",
		"unknown negative key":       "a3 01 61 61 02 61 62 20 61 63",
		"text key":                   "a2 61 31 61 61 02 61 62",
		"field's name as key":        "a2 64 54 79 70 65 61 61 02 61 62",
		"float key":                  "a2 f9 3c 00 61 61 02 61 62",
		"byte string for text":       "a2 01 41 61 02 61 62",
		"number for text":            "a2 01 01 02 61 62",
		"null for text":              "a2 01 f6 02 61 62",
		"undefined for text":         "a2 01 f7 02 61 62",
		"invalid UTF-8":              "a2 01 61 ff 02 61 62",
		"tag around it":              "d9 d9 f7 a2 01 61 61 02 61 62",
		"tag inside":                 "a2 01 c0 61 61 02 61 62",
		"bignum key":                 "a2 c2 41 01 61 61 02 61 62",
		"trailing byte":              "a2 01 61 61 02 61 62 00",
		"twice":                      "a2 01 61 61 02 61 62 a2 01 61 61 02 61 62",
		"truncated":                  "a2 01 61 61 02 61",
		"length beyond the end":      "a2 01 7b 7f ff ff ff ff ff ff ff 02 61 62",
		"map of 2^64-1 pairs":        "bb ff ff ff ff ff ff ff ff",
		"array of 2^63 elements":     "9b 80 00 00 00 00 00 00 00",
		"reserved length":            "bc 01",
		"break alone":                "ff",
		"simple value":               "f8 ff",
	} {
		var h Have
		err := Unmarshal(unhex(t, data), &h)
		if err == nil {
			t.Errorf("%s: accepted as %+v", name, h)
			continue
		}
		wantError(t, err, ErrEncoding, "")
	}
	var h Have
	noError(t, Unmarshal(unhex(t, canonical), &h))
	if h != (Have{Type: "a", Name: "b"}) {
		t.Errorf("canonical form read as %+v", h)
	}
}

func TestUnmarshalNumbers(t *testing.T) {
	type number struct {
		N uint32 `cbor:"1,keyasint"`
	}
	for name, data := range map[string]string{
		"longer than needed": "a1 01 18 17",
		"eight bytes":        "a1 01 1b 00 00 00 00 00 00 00 01",
		"negative":           "a1 01 20",
		"above 32 bits":      "a1 01 1b 00 00 00 01 00 00 00 00",
		"a float":            "a1 01 f9 3c 00",
		"a bignum":           "a1 01 c2 41 01",
		"true":               "a1 01 f5",
		"null":               "a1 01 f6",
		"text":               "a1 01 61 31",
	} {
		var n number
		if err := Unmarshal(unhex(t, data), &n); err == nil {
			t.Errorf("%s: accepted as %d", name, n.N)
		}
	}
}

// Fixed-size fields take exactly their size; a short one is not padded.
func TestUnmarshalFixedSizes(t *testing.T) {
	for size := range 70 {
		data := append([]byte{0xa1, 0x01, 0x58, byte(size)}, make([]byte, size)...)
		if size < 24 {
			data = append([]byte{0xa1, 0x01, 0x40 + byte(size)}, make([]byte, size)...)
		}
		var a Ack
		if err := Unmarshal(data, &a); (err == nil) != (size == 32) {
			t.Errorf("a session id of %d bytes: error %v", size, err)
		}
	}
	array := append([]byte{0xa1, 0x01, 0x98, 32}, make([]byte, 32)...)
	var a Ack
	wantError(t, Unmarshal(array, &a), ErrEncoding, "")
}

func TestUnmarshalLimits(t *testing.T) {
	p := Pull{Have: make([]Have, maxItems)}
	noError(t, Unmarshal(encode(t, p), new(Pull)))
	p.Have = append(p.Have, Have{})
	wantError(t, Unmarshal(encode(t, p), new(Pull)), ErrEncoding, "")

	for _, levels := range []int{17, 1000, 100_000} {
		deep := append([]byte{0xa1, 0x01}, bytes.Repeat([]byte{0x81}, levels)...)
		wantError(t, Unmarshal(append(deep, 0x00), new(Pull)), ErrEncoding, "")
		maps := append([]byte{0xa1, 0x01}, bytes.Repeat([]byte{0xa1, 0x01}, levels)...)
		wantError(t, Unmarshal(append(maps, 0x00), new(Pull)), ErrEncoding, "")
	}
}

// A claimed length costs nothing before the bytes are there.
func TestUnmarshalAllocatesNothingForClaims(t *testing.T) {
	for _, data := range []string{
		"a1 01 99 10 00",             // an array of 4096
		"a2 01 5a 7f ff ff ff 02 40", // 2 GiB of bytes
		"a1 01 5b 00 ff ff ff ff ff ff ff",
	} {
		claim := unhex(t, data)
		got := testing.AllocsPerRun(10, func() {
			var p Pull
			if Unmarshal(claim, &p) == nil {
				t.Fatal("accepted")
			}
		})
		if got > 50 {
			t.Errorf("%s: %.0f allocations", data, got)
		}
	}
}

// Empty and absent lists survive the wire, so that every party derives the
// session id that the coordinator meant.
func TestEmptyAndAbsentSurviveTheWire(t *testing.T) {
	for name, change := range map[string]func(*Spec){
		"absent": func(s *Spec) { s.Path, s.Payload, s.Authorisation = nil, nil, nil },
		"empty":  func(s *Spec) { s.Path, s.Payload, s.Authorisation = []uint32{}, []byte{}, []string{} },
	} {
		s := keygenSpec(2, 2)
		change(s)
		var got Spec
		if err := Unmarshal(encode(t, s), &got); err != nil {
			t.Errorf("%s: %v", name, err)
		} else if got.SID() != s.SID() {
			t.Errorf("%s: the session id changes on the wire", name)
		}
	}
	hb := Heartbeat{Labels: map[string]string{}}
	noError(t, Unmarshal(encode(t, hb), new(Heartbeat)))
}

func TestHashSeparatesDomains(t *testing.T) {
	seen := make(map[[32]byte]string)
	for _, label := range []string{"mpc/a", "mpc/b", "mpc/a\x00", ""} {
		for _, data := range []string{"", "\x00", "x", "xy"} {
			name := fmt.Sprintf("%q over %q", label, data)
			sum := hash(label, []byte(data))
			if other, ok := seen[sum]; ok && label != "mpc/a\x00" && !strings.Contains(other, `mpc/a\x00`) {
				t.Errorf("%s collides with %s", name, other)
			}
			seen[sum] = name
		}
	}
	if hash("l", []byte("ab"), []byte("c")) != hash("l", []byte("a"), []byte("bc")) {
		t.Error("parts are joined")
	}
}
