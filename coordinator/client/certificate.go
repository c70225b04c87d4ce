package client

import (
	"encoding/base64"
	"encoding/hex"
	"reflect"

	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
)

// VerifyCertificateView checks a key certificate as the API shows it: its encoded
// form as VerifyCertificate does, and that everything beside that says the same.
// Errors are ErrVerification.
func VerifyCertificateView(c *rest.Certificate) (*Key, error) {
	encoded, err := base64.StdEncoding.DecodeString(c.Encoded)
	if err != nil {
		return nil, refuted("key certificate: %w", err)
	}
	k, err := VerifyCertificate(encoded)
	if err != nil {
		return nil, err
	}
	is, err := DescribeCertificate(encoded)
	if err != nil {
		return nil, err
	}
	says, shown := reflect.ValueOf(*c), reflect.ValueOf(*is)
	for i := range says.NumField() {
		if !reflect.DeepEqual(says.Field(i).Interface(), shown.Field(i).Interface()) {
			name := says.Type().Field(i).Tag.Get("json")
			return nil, refuted("the key certificate's %s is shown as %v, and its encoded form has %v", name, says.Field(i).Interface(), shown.Field(i).Interface())
		}
	}
	return k, nil
}

// DescribeCertificate returns a key certificate (canonical CBOR) as the API shows
// it. Nothing of it is verified. Errors are ErrVerification.
func DescribeCertificate(encoded []byte) (*rest.Certificate, error) {
	var c protocol.Certificate
	if err := protocol.Unmarshal(encoded, &c); err != nil {
		return nil, refuted("key certificate: %w", err)
	}
	if len(c.Signatures) != len(c.Body.Roster) {
		return nil, refuted("key certificate: it has %d signatures for %d members", len(c.Signatures), len(c.Body.Roster))
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
