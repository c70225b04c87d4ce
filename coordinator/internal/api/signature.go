package api

import (
	"encoding/base64"
	"encoding/hex"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

// SignResult is the answer of POST /api/v1/accounts/{id}/sign. Hex is lower
// case, without 0x.
type SignResult struct {
	SessionID string    `json:"session_id"`
	AccountID string    `json:"account_id"`
	Scheme    string    `json:"scheme"`
	PublicKey string    `json:"public_key" doc:"Hex: the key that verifies the signature."`
	Message   string    `json:"message" doc:"Hex: the bytes that were signed."`
	Signature Signature `json:"signature"`
}

// Signature is a signature in the forms that verifiers expect.
type Signature struct {
	R       string `json:"r,omitempty" doc:"ECDSA. Hex, 32 bytes."`
	S       string `json:"s,omitempty" doc:"ECDSA. Hex, 32 bytes, at most q/2 (BIP 62)."`
	V       *int   `json:"v,omitempty" minimum:"0" maximum:"3" doc:"ECDSA. The recovery id, 0 to 3."`
	DER     string `json:"der,omitempty" doc:"ECDSA. Hex: ASN.1 DER (X9.62)."`
	RSV     string `json:"rsv,omitempty" doc:"ECDSA. Hex, 65 bytes: r, s and the recovery id."`
	Compact string `json:"compact" doc:"Hex, 64 bytes: r and s, or R and S (RFC 8032)."`
	Base64  string `json:"base64" doc:"The 64 bytes in base64."`
}

func signResult(s *registry.Session, a *registry.Account) SignResult {
	return SignResult{
		SessionID: s.ID, AccountID: a.ID, Scheme: string(a.Scheme), PublicKey: hex.EncodeToString(a.PublicKey),
		Message: hex.EncodeToString(s.Payload), Signature: signatureView(a.Scheme, s.Signature),
	}
}

func signatureView(scheme protocol.Scheme, sig *registry.Signature) Signature {
	v := Signature{Compact: hex.EncodeToString(sig.Bytes), Base64: base64.StdEncoding.EncodeToString(sig.Bytes)}
	if scheme != protocol.ECDSA || len(sig.Bytes) != protocol.SignatureSize {
		return v
	}
	recovery := int(sig.Recovery)
	v.V = &recovery
	v.R, v.S = v.Compact[:64], v.Compact[64:]
	v.RSV = v.Compact + hex.EncodeToString([]byte{sig.Recovery})
	var r, s secp256k1.ModNScalar
	r.SetByteSlice(sig.Bytes[:32]) // verified before it was stored: both are below q
	s.SetByteSlice(sig.Bytes[32:])
	v.DER = hex.EncodeToString(ecdsa.NewSignature(&r, &s).Serialize())
	return v
}
