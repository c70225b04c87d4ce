package clienttest

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"

	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/chain"
)

// party is a member of keys: it signs certificates and statements.
type party struct {
	name string
	id   protocol.PeerID
	key  ed25519.PrivateKey
	seal *ecdh.PrivateKey // a delegate's
}

func newParty(name string) *party {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err) // cannot happen: rand.Reader never fails
	}
	seal, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		panic(err) // as above
	}
	return &party{name, protocol.PeerIDOf(pub), key, seal}
}

// NewSigner returns a node's identity.
func NewSigner() protocol.Signer { return newParty("") }

// ID and Sign make it a protocol.Signer.
func (p *party) ID() protocol.PeerID     { return p.id }
func (p *party) Sign(data []byte) []byte { return ed25519.Sign(p.key, data) }

// secret is a key in one piece, which a network would never have.
type secret struct {
	scheme protocol.Scheme
	ecdsa  *secp256k1.PrivateKey
	eddsa  ed25519.PrivateKey
}

func newSecret(scheme protocol.Scheme) (*secret, error) {
	s := &secret{scheme: scheme}
	var err error
	if scheme == protocol.EdDSA {
		_, s.eddsa, err = ed25519.GenerateKey(rand.Reader)
		return s, err
	}
	s.ecdsa, err = secp256k1.GeneratePrivateKey()
	return s, err
}

func (s *secret) public() []byte {
	if s.scheme == protocol.EdDSA {
		return s.eddsa.Public().(ed25519.PublicKey)
	}
	return s.ecdsa.PubKey().SerializeCompressed()
}

// sign returns a signature in all of its forms.
func (s *secret) sign(digest []byte) (rest.Signature, error) {
	if s.scheme == protocol.EdDSA {
		sig := ed25519.Sign(s.eddsa, digest)
		return rest.Signature{Compact: hex.EncodeToString(sig), Base64: base64.StdEncoding.EncodeToString(sig)}, nil
	}
	compact := ecdsa.SignCompact(s.ecdsa, digest, true) // 27 + 4 + recovery id, r, s
	sig, err := chain.New(compact[1:], (compact[0]-27)&3)
	if err != nil {
		return rest.Signature{}, fmt.Errorf("sign: %w", err)
	}
	v := int(sig.Recovery())
	out := rest.Signature{
		R: hex.EncodeToString(sig.R()), S: hex.EncodeToString(sig.S()), V: &v, DER: hex.EncodeToString(sig.DER()),
		RSV: hex.EncodeToString(sig.RSV()), Compact: hex.EncodeToString(sig.Compact()), Base64: base64.StdEncoding.EncodeToString(sig.Compact()),
	}
	if _, ok := sig.Ethereum(); ok {
		ethereum := v + 27
		out.VEthereum = &ethereum
	}
	return out, nil
}

// certify makes a key's record with a certificate that all members have signed.
func certify(spec *protocol.Spec, members []*party, public []byte) *protocol.KeyRecord {
	r := &protocol.KeyRecord{
		Version: protocol.KeyRecordVersion, Spec: *spec, Share: []byte("a share"), PublicKey: public,
		PublicHash: sha256.Sum256(public), ChainCode: sha256.Sum256([]byte(spec.Session)),
	}
	body := protocol.NewCertificateBody(spec, &protocol.Result{PublicKey: r.PublicKey, PublicHash: r.PublicHash}, r.ChainCode)
	r.Certificate = &protocol.Certificate{Body: body}
	for _, m := range members {
		r.Certificate.Signatures = append(r.Certificate.Signatures, m.Sign(body.Signed()))
	}
	return r
}

// sealKey is the delegate's statement of the key that shares are sealed to.
func (p *party) sealKey() (*rest.SealKey, error) {
	key := p.seal.PublicKey().Bytes()
	statement, err := protocol.SignSealKey(p, protocol.SealKey{Network: Network, Key: key, Expires: time.Now().Add(time.Hour).Unix()})
	if err != nil {
		return nil, err
	}
	return &rest.SealKey{PeerID: p.id, Key: base64.StdEncoding.EncodeToString(key), Statement: base64.StdEncoding.EncodeToString(statement)}, nil
}
