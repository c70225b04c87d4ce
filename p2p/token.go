package p2p

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// signToken makes a compact JWS (RFC 7515) of the type given, signed with EdDSA
// (RFC 8037).
func signToken(key ed25519.PrivateKey, typ jose.ContentType, payload []byte) (string, error) {
	options := (&jose.SignerOptions{}).WithType(typ)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: key}, options)
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

// tokenType is the type that a compact JWS claims to have, "" when there is
// none. It only tells which check to make.
func tokenType(token string) string {
	head, _, _ := strings.Cut(token, ".")
	if len(head) > maxHeader {
		return ""
	}
	raw, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil {
		return ""
	}
	var header struct {
		Type string `json:"typ"`
	}
	if json.Unmarshal(raw, &header) != nil {
		return ""
	}
	return header.Type
}

// maxHeader is the size of a token's encoded header in bytes, at most.
const maxHeader = 512
