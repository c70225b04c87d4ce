package protocol

import (
	"fmt"
	"slices"
)

// delivered returns the bytes that a delegate signs when it gives a user's share
// out: the whole record, with the secret.
func (r KeyRecord) delivered() ([]byte, error) {
	r.Delivered = nil
	enc, err := Marshal(r)
	if err != nil {
		return nil, err
	}
	defer clear(enc)
	sum := hash("mpc/usershare-delivered/v1", enc)
	return sum[:], nil
}

// SignDelivery returns the record as a delegate gives it to its user: with the
// delegate's signature in Delivered. Sealing hides a share from others and says
// nothing about its sender, and the certificate covers the public data alone, so
// that without it whoever carries the share could put other bytes in its place;
// the user would take them for the share, and the delegate would erase the only
// copy.
func SignDelivery(s Signer, r KeyRecord) (KeyRecord, error) {
	sum, err := r.delivered()
	if err != nil {
		return KeyRecord{}, fmt.Errorf("user's share: %w", err)
	}
	r.Delivered = s.Sign(sum)
	return r, nil
}

// verifyDelivery checks that the delegate of the roster has given this very
// record out.
func (r *KeyRecord) verifyDelivery(verify Verifier) error {
	i := slices.IndexFunc(r.Spec.Roster, func(m Member) bool { return m.Role == Delegate })
	if i < 0 {
		return fmt.Errorf("%w: no member of the key is a delegate", ErrEncoding)
	}
	if len(r.Delivered) == 0 {
		return fmt.Errorf("%w: the delegate has not signed it", ErrSignature)
	}
	sum, err := r.delivered()
	if err != nil {
		return err
	}
	if !verify(r.Spec.Roster[i].Peer, sum, r.Delivered) {
		return fmt.Errorf("%w: it is not what the delegate %s has given out", ErrSignature, r.Spec.Roster[i].Peer)
	}
	return nil
}
