package api

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/chain"
)

func (s *server) accountView(a *registry.Account) (rest.Account, error) {
	v := rest.Account{
		ID: a.ID, UserID: a.Owner, Scheme: string(a.Scheme), Status: string(a.Status),
		Custody: custodyOf(a.Custody), Parties: partyNames(a.Parties), SigningParties: partyNames(a.Signing),
		Approval: s.approvalView(a), SealKey: s.sealKey(a), DeviceInfo: a.Device,
		ThresholdT: a.Threshold.T, ThresholdN: a.Threshold.N, KeygenSessionID: a.KeyID,
		PublicKey: hex.EncodeToString(a.PublicKey), Labels: a.Labels, CreatedAt: a.Created,
	}
	if a.Problem != nil {
		v.Error = problemOf(a.Problem)
	}
	if len(a.Certificate) == 0 {
		return v, nil
	}
	var err error
	if v.Addresses, err = addressesView(a); err != nil {
		return v, fmt.Errorf("account %s: %w", a.ID, err)
	}
	v.Certificate, err = certificateView(a.Certificate)
	if err != nil {
		return v, fmt.Errorf("account %s: %w", a.ID, err)
	}
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

func certificateView(encoded []byte) (*rest.Certificate, error) {
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
