package chain

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// Encodings of bytes as text.
const (
	Hex    = "hex"    // either case, with or without 0x
	Base64 = "base64" // RFC 4648 §4, with padding
	UTF8   = "utf8"   // the text's own bytes
)

// ErrText reports text that is not of its encoding.
var ErrText = errors.New("cannot be decoded")

// Encodings returns the names of the encodings that Decode knows.
func Encodings() []string { return []string{Hex, Base64, UTF8} }

// Decode returns the bytes that text stands for. Errors are ErrText and never
// repeat the text.
func Decode(encoding, text string) ([]byte, error) {
	switch encoding {
	case Hex:
		return decodeHex(text)
	case Base64:
		// The library passes over line breaks, and unless told over stray bits.
		raw, err := base64.StdEncoding.Strict().DecodeString(text)
		if err != nil || strings.ContainsAny(text, "\r\n") {
			return nil, fmt.Errorf("%w: it is not base64 (RFC 4648 §4, with padding)", ErrText)
		}
		return raw, nil
	case UTF8:
		return []byte(text), nil
	}
	return nil, fmt.Errorf("%w: the encoding %q is unknown: use %s", ErrText, encoding, strings.Join(Encodings(), ", "))
}

func decodeHex(text string) ([]byte, error) {
	digits := strings.TrimPrefix(text, "0x")
	if len(digits)%2 != 0 {
		return nil, fmt.Errorf("%w: %d hexadecimal digits: an even number is needed", ErrText, len(digits))
	}
	raw, err := hex.DecodeString(digits)
	if err != nil {
		return nil, fmt.Errorf("%w: it is not hexadecimal", ErrText)
	}
	return raw, nil
}
