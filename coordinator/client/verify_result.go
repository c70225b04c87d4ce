package client

import (
	"encoding/base64"
	"encoding/hex"

	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/chain"
)

// VerifyResult checks that r is a signature by this key of exactly this message
// under exactly this hash ("" is none), in every form that r has it in. Errors
// are ErrVerification.
func (k *Key) VerifyResult(r *rest.SignResult, message []byte, hash string) error {
	digest, err := Digest(hash, message)
	if err != nil {
		return err
	}
	if hash == "" {
		hash = chain.None
	}
	switch {
	case r.AccountID != k.Account:
		return refuted("the answer is about account %q, not %q", r.AccountID, k.Account)
	case r.Scheme != string(k.Scheme):
		return refuted("the answer's scheme is %q, the key's %q", r.Scheme, k.Scheme)
	case !equalHex(r.PublicKey, k.PublicKey):
		return refuted("the answer names the public key %s, and the account's is %x", r.PublicKey, k.PublicKey)
	case !equalHex(r.Message, message):
		return refuted("the answer is about another message")
	case r.Hash != hash:
		return refuted("hash %q was applied, and %q asked for", r.Hash, hash)
	case !equalHex(r.Digest, digest):
		return refuted("the digest %s was signed, and the message's is %x", r.Digest, digest)
	}
	return k.verifyForms(&r.Signature, digest)
}

// verifyForms checks the signature and that all its forms are of it.
func (k *Key) verifyForms(s *rest.Signature, digest []byte) error {
	sig, err := hex.DecodeString(s.Compact)
	if err != nil || !equalHex(s.Compact, sig) {
		return refuted("the signature is not hexadecimal")
	}
	if err := protocol.VerifySignature(k.Scheme, k.PublicKey, digest, sig); err != nil {
		return refuted("%w", err)
	}
	if s.Base64 != base64.StdEncoding.EncodeToString(sig) {
		return refuted("the signature in base64 is another one")
	}
	if k.Scheme == protocol.EdDSA {
		if s.R != "" || s.S != "" || s.V != nil || s.VEthereum != nil || s.DER != "" || s.RSV != "" {
			return refuted("the answer has forms that an EdDSA signature does not have")
		}
		return nil
	}
	return k.verifyECDSAForms(s, digest, sig)
}

func (k *Key) verifyECDSAForms(s *rest.Signature, digest, sig []byte) error {
	if s.V == nil || *s.V < 0 || *s.V > 3 {
		return refuted("the signature has no recovery id")
	}
	full, err := chain.New(sig, byte(*s.V))
	if err != nil {
		return refuted("%w", err)
	}
	if recovered, err := full.Recover(digest); err != nil || string(recovered) != string(k.PublicKey) {
		return refuted("the recovery id %d is not the signature's", *s.V)
	}
	ethereum, ok := full.Ethereum()
	if ok != (s.VEthereum != nil) || ok && *s.VEthereum != int(ethereum[len(ethereum)-1]) {
		return refuted("v_ethereum is not the signature's")
	}
	if !equalHex(s.R, full.R()) || !equalHex(s.S, full.S()) || !equalHex(s.RSV, full.RSV()) || !equalHex(s.DER, full.DER()) {
		return refuted("r, s, rsv or DER is of another signature")
	}
	return nil
}
