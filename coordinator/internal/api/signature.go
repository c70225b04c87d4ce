package api

import (
	"encoding/base64"
	"encoding/hex"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/chain"
)

func signResult(s *registry.Session, a *registry.Account) rest.SignResult {
	v := rest.SignResult{
		SessionID: s.ID, AccountID: a.ID, Scheme: string(a.Scheme), PublicKey: hex.EncodeToString(a.PublicKey),
		Signature: signatureView(a.Scheme, s.Signature),
	}
	v.Message, v.Hash, v.Digest = signedView(s)
	return v
}

// signatureView writes a signature that was verified before it was stored.
func signatureView(scheme protocol.Scheme, sig *registry.Signature) rest.Signature {
	v := rest.Signature{Compact: hex.EncodeToString(sig.Bytes), Base64: base64.StdEncoding.EncodeToString(sig.Bytes)}
	if scheme != protocol.ECDSA {
		return v
	}
	forms, err := chain.New(sig.Bytes, sig.Recovery)
	if err != nil {
		log.Errorw("a stored signature is malformed", "error", err)
		return v
	}
	v.R, v.S, v.V = hex.EncodeToString(forms.R()), hex.EncodeToString(forms.S()), new(int(forms.Recovery()))
	der, rsv := forms.DER(), forms.RSV()
	v.DER, v.DERBase64 = hex.EncodeToString(der), base64.StdEncoding.EncodeToString(der)
	v.RSV, v.RSVBase64 = hex.EncodeToString(rsv), base64.StdEncoding.EncodeToString(rsv)
	if ethereum, ok := forms.Ethereum(); ok {
		v.Ethereum, v.VEthereum = hex.EncodeToString(ethereum), new(int(ethereum[64]))
	}
	return v
}
