package api

import (
	"encoding/base64"
	"encoding/hex"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
)

func signResult(s *registry.Session, a *registry.Account) rest.SignResult {
	return rest.SignResult{
		SessionID: s.ID, AccountID: a.ID, Scheme: string(a.Scheme), PublicKey: hex.EncodeToString(a.PublicKey),
		Message: hex.EncodeToString(s.Payload), Signature: signatureView(a.Scheme, s.Signature),
	}
}

func signatureView(scheme protocol.Scheme, sig *registry.Signature) rest.Signature {
	v := rest.Signature{Compact: hex.EncodeToString(sig.Bytes), Base64: base64.StdEncoding.EncodeToString(sig.Bytes)}
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
