package node

import (
	"context"
	"errors"
	"fmt"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/protocol"
)

// Errors of RestoreShare. Nothing was written.
var (
	// ErrShareHere: the store has this very share.
	ErrShareHere = errors.New("the share is here already")
	// ErrShareNewer: the store has the key's share of a later epoch, or has erased
	// this one.
	ErrShareNewer = errors.New("the share is older than what is here")
)

// Shares returns the active shares of a store with everything that belongs to
// them. Those that cannot be read or are not sound are left out, and the error
// names them.
func Shares(ctx context.Context, store *keystore.Store) ([]protocol.KeyRecord, error) {
	headers, err := store.List(ctx, kindShare)
	if err != nil {
		return nil, err
	}
	keys := newKeyring(store)
	var (
		records []protocol.KeyRecord
		bad     error
	)
	for _, h := range headers {
		if h.State != keystore.StateActive {
			continue
		}
		k, err := keys.load(ctx, h.Key, h.Epoch)
		if err != nil {
			bad = errors.Join(bad, fmt.Errorf("account %s: %w", h.Account, err))
			continue
		}
		records = append(records, k.record)
	}
	return records, bad
}

// CheckShare reads an encoded protocol.KeyRecord that comes from outside, such as
// a backup, and checks all that can be checked without the other parties: that
// every member has signed the key's certificate, that the record is about that
// very key, that the secret belongs to the party's public share and the public
// shares to the key (tss.Share.Check), and whose share it is. Errors are
// protocol.ErrUserShare.
func CheckShare(data []byte, party protocol.PeerID) (*protocol.KeyRecord, error) {
	record, err := protocol.OpenKeyRecord(data, p2p.Verify)
	if err != nil {
		return nil, err
	}
	k, err := openKey(*record)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", protocol.ErrUserShare, err)
	}
	if owner := k.share.Self(); owner != party {
		return nil, fmt.Errorf("%w: it is the share of %s, not of %s", protocol.ErrUserShare, owner, party)
	}
	if role := roleIn(&record.Spec, party); role == "" || role == protocol.Delegate {
		return nil, fmt.Errorf("%w: it is none that %s keeps", protocol.ErrUserShare, party)
	}
	return record, nil
}

// RestoreShare writes a share that CheckShare has accepted for the store's own
// party. It replaces nothing: see ErrShareHere and ErrShareNewer.
func RestoreShare(ctx context.Context, store *keystore.Store, record *protocol.KeyRecord) error {
	spec := &record.Spec
	headers, err := store.List(ctx, kindShare)
	if err != nil {
		return err
	}
	for _, h := range headers {
		if h.Key != spec.Key || h.State != keystore.StateActive {
			continue
		}
		switch {
		case h.Epoch > spec.Epoch:
			return fmt.Errorf("%w: the key's shares were renewed since (epoch %d, not %d)", ErrShareNewer, h.Epoch, spec.Epoch)
		case h.Epoch == spec.Epoch:
			return ErrShareHere
		}
	}
	gone, err := store.Erased(ctx, spec.Key, spec.Epoch)
	if err != nil {
		return err
	}
	if gone {
		return fmt.Errorf("%w: epoch %d was erased", ErrShareNewer, spec.Epoch)
	}
	return newKeyring(store).save(ctx, &protocol.Save{Key: *record, Active: true})
}
