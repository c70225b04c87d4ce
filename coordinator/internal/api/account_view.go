package api

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

// Account is an account as the API shows it.
type Account struct {
	ID              string            `json:"id"`
	UserID          string            `json:"user_id"`
	Scheme          string            `json:"scheme"`
	Status          string            `json:"status" enum:"creating,active,failed"`
	ThresholdT      int               `json:"threshold_t" doc:"Parties needed to sign."`
	ThresholdN      int               `json:"threshold_n" doc:"Parties that hold a share."`
	PublicKey       string            `json:"public_key,omitempty" doc:"Hex: 33 bytes SEC 1 compressed (ecdsa-secp256k1), or 32 bytes RFC 8032 (eddsa-ed25519). None before the account is active."`
	KeygenSessionID string            `json:"keygen_session_id"`
	Parties         []PartyName       `json:"parties,omitempty" doc:"The holders of the shares, in the order of the key's roster."`
	Certificate     *Certificate      `json:"certificate,omitempty"`
	Labels          map[string]string `json:"labels,omitempty"`
	CreatedAt       time.Time         `json:"created_at"`
	Error           *Problem          `json:"error,omitempty" doc:"Why the account has no key."`
}

// PartyName names a party.
type PartyName struct {
	PeerID string `json:"peer_id"`
	Name   string `json:"name"`
}

// Certificate is a key certificate: what every member of the key has signed
// with its node key. Encoded is what the signatures can be checked with.
type Certificate struct {
	Version    uint8             `json:"version"`
	Network    string            `json:"network"`
	Account    string            `json:"account"`
	Key        string            `json:"key" doc:"The keygen session."`
	Epoch      uint32            `json:"epoch"`
	Scheme     string            `json:"scheme"`
	ThresholdT int               `json:"threshold_t"`
	ThresholdN int               `json:"threshold_n"`
	Roster     []CertificateSign `json:"roster"`
	PublicKey  string            `json:"public_key" doc:"Hex."`
	ChainCode  string            `json:"chain_code" doc:"Hex, 32 bytes (BIP 32)."`
	PublicHash string            `json:"public_hash" doc:"Hex: SHA-256 over the key's public data."`
	Approvers  string            `json:"approvers" doc:"Hex: SHA-256 over the key's approvers."`
	SID        string            `json:"sid" doc:"Hex: the attempt that made the key."`
	Encoded    string            `json:"encoded" doc:"Base64: the certificate in canonical CBOR."`
}

// CertificateSign is a member and its signature.
type CertificateSign struct {
	PeerID    string `json:"peer_id"`
	Role      string `json:"role"`
	Signature string `json:"signature" doc:"Base64: Ed25519 by the peer id's key."`
}

func (s *server) accountView(a *registry.Account) (Account, error) {
	v := Account{
		ID: a.ID, UserID: a.Owner, Scheme: string(a.Scheme), Status: string(a.Status),
		ThresholdT: a.Threshold.T, ThresholdN: a.Threshold.N, KeygenSessionID: a.KeyID,
		PublicKey: hex.EncodeToString(a.PublicKey), Labels: a.Labels, CreatedAt: a.Created,
	}
	for _, p := range a.Parties {
		v.Parties = append(v.Parties, PartyName{PeerID: p.Peer, Name: p.Name})
	}
	if a.Problem != nil {
		v.Error = problemOf(a.Problem)
	}
	if len(a.Certificate) == 0 {
		return v, nil
	}
	var err error
	v.Certificate, err = certificateView(a.Certificate)
	if err != nil {
		return v, fmt.Errorf("account %s: %w", a.ID, err)
	}
	return v, nil
}

func certificateView(encoded []byte) (*Certificate, error) {
	var c protocol.Certificate
	if err := protocol.Unmarshal(encoded, &c); err != nil {
		return nil, fmt.Errorf("key certificate: %w", err)
	}
	b := c.Body
	v := &Certificate{
		Version: b.Version, Network: b.Network, Account: b.Account, Key: b.Key, Epoch: b.Epoch, Scheme: string(b.Scheme),
		ThresholdT: b.Threshold, ThresholdN: len(b.Roster), PublicKey: hex.EncodeToString(b.PublicKey),
		ChainCode: hex.EncodeToString(b.ChainCode[:]), PublicHash: hex.EncodeToString(b.PublicHash[:]),
		Approvers: hex.EncodeToString(b.Approvers[:]), SID: b.SID.String(), Encoded: base64.StdEncoding.EncodeToString(encoded),
	}
	for i, m := range b.Roster {
		v.Roster = append(v.Roster, CertificateSign{
			PeerID: m.Peer, Role: string(m.Role), Signature: base64.StdEncoding.EncodeToString(c.Signatures[i]),
		})
	}
	return v, nil
}
