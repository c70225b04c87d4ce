package protocol

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// ErrEncoding reports bytes that are not the canonical encoding of what they
// should be.
var ErrEncoding = errors.New("not a canonical encoding")

// maxItems bounds arrays and maps of anything decoded from the wire.
const maxItems = 4096

var (
	encMode = must(encOptions().EncMode())
	decMode = must(cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		MaxArrayElements:  maxItems,
		MaxMapPairs:       maxItems,
		MaxNestedLevels:   16,
		UTF8:              cbor.UTF8RejectInvalid,
	}.DecMode())
)

// encOptions is the core deterministic encoding, with one form for lists that
// hold nothing: a nil slice and an empty one mean the same, and two encodings of
// it would give one spec two ids.
func encOptions() cbor.EncOptions {
	o := cbor.CoreDetEncOptions()
	o.NilContainers = cbor.NilContainerAsEmpty
	return o
}

// must is for package-level constants of the codec, which only a programmer's
// error can make invalid.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Marshal returns the deterministic CBOR encoding of v, a type of this package.
// The error is a programmer's: the types of this package always encode.
func Marshal(v any) ([]byte, error) { return encMode.Marshal(v) }

// Unmarshal decodes data into v and refuses unknown fields, duplicate keys,
// trailing bytes and any encoding that Marshal would not have written.
func Unmarshal(data []byte, v any) error {
	if err := decMode.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%w: %w", ErrEncoding, err)
	}
	again, err := encMode.Marshal(v)
	if err != nil || string(again) != string(data) {
		return fmt.Errorf("%w: the same value has a shorter or sorted form", ErrEncoding)
	}
	return nil
}

// hash returns SHA-256(label ‖ 0 ‖ parts…). The label separates the domains; a
// caller with several parts of varying size encodes them first.
func hash(label string, parts ...[]byte) [32]byte {
	h := sha256.New()
	h.Write([]byte(label))
	h.Write([]byte{0})
	for _, p := range parts {
		h.Write(p)
	}
	return [32]byte(h.Sum(nil))
}
