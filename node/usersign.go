package node

import (
	"errors"

	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/protocol"
)

// openUserShare returns the user's share that came with a proposal to sign. It
// lives as long as the session and is written nowhere. Nothing about it is taken
// on trust: it carries this party's own signature from when it was given out, and
// the key certificate vouches for the spec with its approvers.
func (n *Node) openUserShare(p proposal) (*key, error) {
	data, err := n.unsealUserShare(p)
	if err != nil {
		return nil, err
	}
	defer clear(data)
	record, err := protocol.OpenUserShare(data, p2p.Verify)
	if err != nil {
		return nil, &refusal{code: protocol.CodeUserShare, err: err}
	}
	if roleIn(&record.Spec, n.cfg.Host.ID()) != protocol.Delegate {
		return nil, refuse(protocol.CodeUserShare, "this party is not the delegate of the key that the user's share is of")
	}
	k, err := openKey(*record)
	if err != nil {
		return nil, refuse(protocol.CodeUserShare, "%w: %w", protocol.ErrUserShare, err)
	}
	if self := k.share.Self(); self != n.cfg.Host.ID() { // the certificate is the same for all members
		return nil, refuse(protocol.CodeUserShare, "%w: it is of %s, another member of the key", protocol.ErrUserShare, self)
	}
	return k, nil
}

// unsealUserShare returns the encoded record.
func (n *Node) unsealUserShare(p proposal) ([]byte, error) {
	if p.userShare == "" {
		return nil, refuse(protocol.CodeUserShare, "the user's share is missing: the proposal to the delegate must carry it")
	}
	sealed, data, err := protocol.ParseShare(p.userShare)
	if err != nil {
		return nil, &refusal{code: protocol.CodeUserShare, err: err}
	}
	if !sealed {
		if !n.cfg.PlainUserShares {
			return nil, refuse(protocol.CodePlainShare, "this network wants user shares sealed to the delegate's seal key; the client's library does it")
		}
		return data, nil
	}
	plain, err := protocol.OpenShare(n.seal.private, protocol.BindingFor(p.spec), data)
	switch {
	case errors.Is(err, protocol.ErrSealedToOther):
		return nil, refuse(protocol.CodeSealKey, "the user's share is sealed to a key that this party does not have, or no longer since it was restarted: seal it to the current one")
	case err != nil:
		return nil, &refusal{code: protocol.CodeUserShare, err: err}
	}
	return plain, nil
}
