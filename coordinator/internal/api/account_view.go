package api

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/chain"
)

func (s *server) accountView(a *registry.Account) (rest.Account, error) {
	v := rest.Account{
		ID: a.ID, UserID: a.Owner, Scheme: string(a.Scheme), Status: string(a.Status),
		Custody: custodyOf(a.Custody), Parties: partyNames(a.Parties), SigningParties: partyNames(a.Signing),
		Presign: s.presigning(a), Approval: s.approvalView(a), SealKey: s.sealKey(a), DeviceInfo: a.Device,
		ThresholdT: a.Threshold.T, ThresholdN: a.Threshold.N, KeygenSessionID: a.KeyID,
		PublicKey: hex.EncodeToString(a.PublicKey), Labels: a.Labels, CreatedAt: a.Created,
	}
	if a.Problem != nil {
		v.Error = problemOf(a.Problem)
	}
	if len(a.Certificate) == 0 {
		return v, nil
	}
	key, err := s.keyView(a)
	if err != nil {
		return v, fmt.Errorf("account %s: %w", a.ID, err)
	}
	v.Addresses, v.Certificate = key.addresses, key.certificate
	return v, nil
}

// keyView is what an account shows of its key. It never changes, and lists would
// spend most of their time on making it.
type keyView struct {
	epoch       uint32
	addresses   *rest.Addresses
	certificate *rest.Certificate
}

// knownKeys bounds the views that are kept; each takes about 3 KB.
const knownKeys = 8192

func newKeyViews() *lru.Cache[string, keyView] {
	cache, err := lru.New[string, keyView](knownKeys)
	if err != nil {
		panic(err) // a size that is not positive
	}
	return cache
}

func (s *server) keyView(a *registry.Account) (keyView, error) {
	if known, ok := s.keys.Get(a.ID); ok && known.epoch == a.Epoch {
		return known, nil
	}
	v := keyView{epoch: a.Epoch}
	var err error
	if v.addresses, err = addressesView(a); err != nil {
		return v, err
	}
	if v.certificate, err = CertificateView(a.Certificate); err != nil {
		return v, err
	}
	s.keys.Add(a.ID, v)
	return v, nil
}

func addressesView(a *registry.Account) (*rest.Addresses, error) {
	addresses, err := chain.AddressesOf(a.Scheme, a.PublicKey)
	if err != nil {
		return nil, err
	}
	v := rest.Addresses(addresses)
	return &v, nil
}

// CertificateView shows a key certificate (canonical CBOR). Package client has the same
// for its own, DescribeCertificate, and compares.
func CertificateView(encoded []byte) (*rest.Certificate, error) {
	var c protocol.Certificate
	if err := protocol.Unmarshal(encoded, &c); err != nil {
		return nil, fmt.Errorf("key certificate: %w", err)
	}
	b := c.Body
	v := &rest.Certificate{
		Version: b.Version, Network: b.Network, Account: b.Account, Key: b.Key, Epoch: b.Epoch, Scheme: string(b.Scheme),
		ThresholdT: b.Threshold, ThresholdN: len(b.Roster), PublicKey: hex.EncodeToString(b.PublicKey),
		ChainCode: hex.EncodeToString(b.ChainCode[:]), PublicHash: hex.EncodeToString(b.PublicHash[:]),
		Approvers: hex.EncodeToString(b.Approvers[:]), SID: b.SID.String(), Encoded: base64.StdEncoding.EncodeToString(encoded),
	}
	for i, m := range b.Roster {
		v.Roster = append(v.Roster, rest.CertificateSign{
			PeerID: m.Peer, Role: string(m.Role), Signature: base64.StdEncoding.EncodeToString(c.Signatures[i]),
		})
	}
	return v, nil
}
