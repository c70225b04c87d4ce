package device

import (
	"context"
	"encoding/hex"
	"fmt"

	"github.com/meshmpc/mpcd/coordinator/client"
	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/chain"
)

// result checks how a session has ended.
func (j *joiner) result(ctx context.Context, session *rest.Session) (*Result, error) {
	if session.Status != "completed" {
		return nil, &SessionError{session}
	}
	if j.invite.Kind == rest.KindSign {
		return j.signature(session)
	}
	share, err := j.folder.share(ctx, j.invite.KeygenSessionID)
	switch {
	case err != nil:
		return nil, err
	case share == nil:
		return nil, refuted("the coordinator says that it is completed, and this device has no share of its key")
	}
	return j.keyResult(share)
}

// keyResult describes the key of a share.
func (j *joiner) keyResult(share *protocol.KeyRecord) (*Result, error) {
	r := &Result{
		ShareInfo: InfoOf(share), Kind: string(protocol.KindKeygen), SessionID: j.invite.SessionID, UserID: share.Spec.Owner,
		Fingerprint: protocol.Fingerprint(&share.Spec),
	}
	var err error
	if r.Addresses, err = AddressesOf(share); err != nil {
		return nil, err
	}
	j.User.Tell(Event{Type: EventResult, Result: r})
	return r, nil
}

// signature verifies what was signed, under the key that this device knows.
func (j *joiner) signature(session *rest.Session) (*Result, error) {
	if session.Signature == nil {
		return nil, refuted("it is completed and has no signature")
	}
	message, _, err := inviteDigest(j.invite)
	if err != nil {
		return nil, err
	}
	info, v := InfoOf(j.share), j.invite
	certificate, err := protocol.Marshal(j.share.Certificate)
	if err != nil {
		return nil, fmt.Errorf("key certificate: %w", err)
	}
	key, err := client.VerifyCertificate(certificate)
	if err != nil {
		return nil, err
	}
	if err := key.VerifyResult(&rest.SignResult{
		AccountID: info.AccountID, Scheme: info.Scheme, PublicKey: hex.EncodeToString(j.share.PublicKey),
		Message: v.Message, Hash: v.Hash, Digest: v.Digest, Signature: *session.Signature,
	}, message, v.Hash); err != nil {
		return nil, err
	}
	r := &Result{
		ShareInfo: info, Kind: string(protocol.KindSign), SessionID: v.SessionID, UserID: j.share.Spec.Owner,
		Message: v.Message, Hash: v.Hash, Digest: v.Digest, Signature: session.Signature,
	}
	if r.Addresses, err = AddressesOf(j.share); err != nil {
		return nil, err
	}
	j.User.Tell(Event{Type: EventResult, Result: r})
	return r, nil
}

// AddressesOf returns the addresses of a share's key.
func AddressesOf(share *protocol.KeyRecord) (*rest.Addresses, error) {
	a, err := chain.AddressesOf(share.Spec.Scheme, share.PublicKey)
	if err != nil {
		return nil, err
	}
	return &rest.Addresses{Ethereum: a.Ethereum, Bitcoin: a.Bitcoin, BitcoinTestnet: a.BitcoinTestnet, Solana: a.Solana}, nil
}
