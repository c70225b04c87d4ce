package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/protocol"
)

// How long a delegate keeps a share for its user.
const (
	userShareLife = 24 * time.Hour // once it is complete
	// A pending share waits for the other members' signatures. Without them nobody
	// can use the key, and after this long, counted from the keygen's deadline, the
	// other members are taken to have lost their shares.
	pendingUserShareLife = 30 * 24 * time.Hour
)

// errNoUserShare reports a share that was never made here, is not complete, or
// is no longer here.
var errNoUserShare = errors.New("this party has no user's share of the key to give out: it never had one, or the user has it, or nobody asked for it within 24 hours")

// userShare is the payload of a usershare record. This party never signs with
// it by itself.
type userShare struct {
	Record    protocol.KeyRecord `cbor:"1,keyasint"`
	Expires   int64              `cbor:"2,keyasint"` // Unix seconds; 0 while it is pending
	Asked     bool               `cbor:"3,keyasint"` // somebody has asked for it, which fixes the recipient
	Recipient []byte             `cbor:"4,keyasint"` // X25519; empty: in plain
}

// userShares keeps the shares that this party, as a delegate, holds for users
// until they have them. Each is alone in its scope of the keystore, so that
// erasing the scope's salt erases the share and nothing else.
type userShares struct {
	store *keystore.Store
	self  protocol.Signer // signs what is given out

	mu  sync.Mutex // held over each change: requests and expiry must not cross
	due map[string]dueShare
}

// dueShare is a share and when it must be gone.
type dueShare struct {
	key     string
	epoch   uint32
	pending bool
	expires time.Time
}

func newUserShares(s *keystore.Store, self protocol.Signer) *userShares {
	return &userShares{store: s, self: self, due: make(map[string]dueShare)}
}

// save writes what a session wants to be saved, for a delegate the share of its
// user, for all others their own, together with what belongs to it.
func (n *Node) save(ctx context.Context, save *protocol.Save, also ...keystore.Record) error {
	if err := n.crashed(save, false); err != nil {
		return err
	}
	if err := n.write(ctx, save, also...); err != nil {
		if !save.Active {
			n.resolver.doubt(save.Key.Spec.SID(), err)
		}
		return err
	}
	if save.Active {
		n.rekeyed(&save.Key.Spec)
	}
	return n.crashed(save, true)
}

func (n *Node) write(ctx context.Context, save *protocol.Save, also ...keystore.Record) error {
	if roleIn(&save.Key.Spec, n.cfg.Host.ID()) == protocol.Delegate {
		return n.shares.save(ctx, save, also...)
	}
	return n.keys.save(ctx, save, also...)
}

// crashed lets a test end this party before or after a save.
func (n *Node) crashed(save *protocol.Save, done bool) error {
	if n.crash == nil {
		return nil
	}
	return n.crash(save, done)
}

// discard deletes the pending share of an attempt that will never be a key.
func (n *Node) discard(ctx context.Context, spec *protocol.Spec) error {
	if roleIn(spec, n.cfg.Host.ID()) == protocol.Delegate {
		return n.shares.discard(ctx, spec)
	}
	return n.keys.discard(ctx, spec)
}

// save writes a user's share, durably.
func (u *userShares) save(ctx context.Context, save *protocol.Save, also ...keystore.Record) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if err := mayWrite(ctx, u.store, &save.Key.Spec); err != nil {
		return err
	}
	share := userShare{Record: save.Key}
	if save.Active {
		share.Expires = time.Now().Add(userShareLife).Unix()
	}
	return u.put(ctx, &share, stateOf(save), also...)
}

// discard deletes the pending share of an attempt, if it is here. Its scope stays
// for a later attempt.
func (u *userShares) discard(ctx context.Context, spec *protocol.Spec) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if may, err := discardable(ctx, u.store, spec); err != nil || !may {
		return err
	}
	if err := u.store.Delete(ctx, kindUserShare, shareID(spec.Key, spec.Epoch)); err != nil {
		return err
	}
	delete(u.due, shareID(spec.Key, spec.Epoch))
	return nil
}

func (u *userShares) put(ctx context.Context, share *userShare, state keystore.State, also ...keystore.Record) error {
	payload, err := protocol.Marshal(share)
	if err != nil {
		return err
	}
	defer clear(payload)
	record := keystore.Record{Header: shareHeader(kindUserShare, &share.Record.Spec, state), Payload: payload}
	if err := u.store.PutAll(ctx, append(also, record)...); err != nil {
		return err
	}
	u.watch(share, state)
	return nil
}

// watch notes when a share must be gone.
func (u *userShares) watch(share *userShare, state keystore.State) {
	spec := &share.Record.Spec
	d := dueShare{key: spec.Key, epoch: spec.Epoch, expires: time.Unix(share.Expires, 0)}
	if state != keystore.StateActive {
		d.pending, d.expires = true, spec.Deadline().Add(pendingUserShareLife)
	}
	u.due[shareID(spec.Key, spec.Epoch)] = d
}

// open finds the shares that were left by an earlier run, and erases what has
// expired meanwhile.
func (u *userShares) open(ctx context.Context) error {
	headers, err := u.store.List(ctx, kindUserShare)
	if err != nil {
		return err
	}
	u.mu.Lock()
	for _, h := range headers {
		share, state, err := u.read(ctx, h.Key, h.Epoch)
		if err != nil {
			log.Errorw("a user's share cannot be read; it will not be given out", "key", h.Key, "error", err)
			continue
		}
		u.watch(share, state)
	}
	u.mu.Unlock()
	u.expire(ctx, time.Now())
	return nil
}

// load returns a complete share.
func (u *userShares) load(ctx context.Context, keyID string, epoch uint32) (*userShare, error) {
	share, state, err := u.read(ctx, keyID, epoch)
	if err == nil && state != keystore.StateActive {
		return nil, errNoUserShare
	}
	return share, err
}

// read returns a share in any state.
func (u *userShares) read(ctx context.Context, keyID string, epoch uint32) (*userShare, keystore.State, error) {
	r, err := u.store.Get(ctx, kindUserShare, shareID(keyID, epoch))
	switch {
	case errors.Is(err, keystore.ErrNotFound), errors.Is(err, keystore.ErrErased):
		return nil, "", errNoUserShare
	case err != nil:
		return nil, "", err
	}
	defer clear(r.Payload)
	var share userShare
	if err := protocol.Unmarshal(r.Payload, &share); err != nil {
		return nil, "", fmt.Errorf("user's share of key %s: %w", keyID, err)
	}
	if r.Header != shareHeader(kindUserShare, &share.Record.Spec, r.State) {
		return nil, "", fmt.Errorf("user's share of key %s: header and content are of different keys", keyID)
	}
	return &share, r.State, nil
}

// give returns the text form of a share for the coordinator that its session
// names, and until when it can be fetched again.
func (u *userShares) give(ctx context.Context, from protocol.PeerID, q *protocol.ShareRequest) (text string, expires int64, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	share, err := u.load(ctx, q.Key, q.Epoch)
	if err != nil {
		return "", 0, shareError(err)
	}
	if err := askedBy(share, from); err != nil {
		return "", 0, err
	}
	if !time.Now().Before(time.Unix(share.Expires, 0)) {
		return "", 0, errors.Join(shareError(errNoUserShare), u.erase(ctx, q.Key, q.Epoch))
	}
	if err := u.fix(ctx, share, q.Recipient); err != nil {
		return "", 0, err
	}
	text, err = u.seal(share, q.Recipient)
	return text, share.Expires, err
}

// askedBy refuses everybody but the coordinator that the share's session names.
func askedBy(share *userShare, from protocol.PeerID) error {
	if share.Record.Spec.Coordinator != from {
		return refuse(protocol.CodeUnauthorised, "another coordinator made the key, and only that one may ask for the user's share")
	}
	return nil
}

// fix checks for whom the share is. The keygen's spec says so or, if it does
// not, the first request, durably: whoever asks after it must be the same.
func (u *userShares) fix(ctx context.Context, share *userShare, recipient []byte) error {
	if len(recipient) > 0 {
		if err := protocol.CheckRecipient(recipient); err != nil {
			return &refusal{code: protocol.CodeInvalid, err: err}
		}
	}
	want := share.Record.Spec.Recipient
	if len(want) == 0 && !share.Asked {
		share.Asked, share.Recipient = true, recipient
		if err := u.put(ctx, share, keystore.StateActive); err != nil {
			return refuse(protocol.CodeStorage, "the recipient could not be recorded: %w", err)
		}
		return nil
	}
	if len(want) == 0 {
		want = share.Recipient
	}
	switch {
	case bytes.Equal(want, recipient):
		return nil
	case len(recipient) == 0:
		return refuse(protocol.CodeUnauthorised, "the user's share is given out sealed to the recipient that was named before, never in plain")
	}
	return refuse(protocol.CodeUnauthorised, "the user's share is for another recipient, who was named before")
}

// seal returns the text form for a recipient, in plain if there is none. This
// party signs the record, so that the user knows the share for the delegate's before
// telling it to erase its copy.
func (u *userShares) seal(share *userShare, recipient []byte) (string, error) {
	record, err := protocol.SignDelivery(u.self, share.Record)
	if err != nil {
		return "", err
	}
	data, err := protocol.Marshal(record)
	if err != nil {
		return "", err
	}
	defer clear(data)
	if len(recipient) == 0 {
		return protocol.FormatShare(false, data), nil
	}
	sealed, err := protocol.SealShare(recipient, protocol.BindingFor(&share.Record.Spec), data)
	if err != nil {
		return "", err
	}
	return protocol.FormatShare(true, sealed), nil
}

// finish erases a share because its user has it. What is erased already is fine.
func (u *userShares) finish(ctx context.Context, from protocol.PeerID, q *protocol.ShareRequest) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	share, err := u.load(ctx, q.Key, q.Epoch)
	if errors.Is(err, errNoUserShare) {
		if gone, err := u.store.Erased(ctx, q.Key, q.Epoch); err != nil || gone {
			return shareError(err)
		}
	}
	if err != nil {
		return shareError(err)
	}
	if err := askedBy(share, from); err != nil {
		return err
	}
	return shareError(u.erase(ctx, q.Key, q.Epoch))
}

// erase destroys the salt of the share's scope, and with it every copy of the
// share on this disk. A share of this party's own must not be in that scope; that
// it is not is ensured when a keygen is admitted, and checked here once more.
func (u *userShares) erase(ctx context.Context, keyID string, epoch uint32) error {
	if _, err := u.store.Get(ctx, kindShare, shareID(keyID, epoch)); !errors.Is(err, keystore.ErrNotFound) {
		return fmt.Errorf("the user's share of key %s is not erased: this party has a share of its own under the same key", keyID)
	}
	if err := u.store.EraseEpoch(ctx, keyID, epoch); err != nil {
		return err
	}
	delete(u.due, shareID(keyID, epoch))
	log.Infow("a user's share was erased", "key", keyID)
	return nil
}

// expire erases what has been kept for long enough.
func (u *userShares) expire(ctx context.Context, now time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, d := range u.due {
		if now.Before(d.expires) {
			continue
		}
		if d.pending {
			log.Warnw("a user's share has been incomplete for too long and is erased: the other members never signed the key's certificate", "key", d.key)
		}
		if err := u.erase(ctx, d.key, d.epoch); err != nil {
			log.Errorw("an expired user's share could not be erased; will try again", "key", d.key, "error", err)
		}
	}
}

// shareError gives an error of the store or of load its code.
func shareError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errNoUserShare):
		return &refusal{code: protocol.CodeNoShare, err: err}
	}
	return refuse(protocol.CodeStorage, "%w", err)
}
