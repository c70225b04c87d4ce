package node

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/protocol"
)

// A request is what a party remembers of an accepted proposal: until its
// approvals have expired, the same request id passes only for the same content
// and a higher attempt.
type request struct {
	Content [32]byte `cbor:"1,keyasint"` // see contentOf
	Attempt uint32   `cbor:"2,keyasint"` // highest accepted
	Until   int64    `cbor:"3,keyasint"` // Unix seconds; may be forgotten then
	// Kept: never forgotten, for this party has said that it will never sign the
	// certificate of an attempt that this request refuses.
	Kept bool `cbor:"4,keyasint,omitempty"`
	// SID is that of the highest attempt; zero: it was accepted by an earlier version.
	SID protocol.SID `cbor:"5,keyasint,omitzero"`
}

// A horizon is the latest deadline of the keygens that this party has said it will
// never take part in because they had expired. No keygen up to it is accepted,
// whatever the clock says later.
type horizon struct {
	Expires int64 `cbor:"1,keyasint"` // Unix seconds
}

const (
	horizonID   = "keygen"
	horizonStep = time.Hour // so that a member cannot make this party write for every question
)

var (
	// errReplay reports a request id that was used before.
	errReplay = errors.New("the request id was used before")
	// errAccepted reports that this very proposal was accepted before.
	errAccepted = fmt.Errorf("%w, by this very proposal", errReplay)
	// errHorizon reports a keygen whose time was over by this party's clock before.
	errHorizon = errors.New("this party has told other members that the time of such a keygen is over, so its clock was ahead: compare the clocks, and try again with a later deadline")
)

// contentOf hashes what a retry must not change: everything but the attempt,
// its deadlines, its signers and what they have presigned, its coordinator and the
// approvals themselves.
func contentOf(s *protocol.Spec) ([32]byte, error) {
	c := *s
	c.Attempt, c.Expires, c.Coordinator, c.Authorisation = 0, 0, "", nil
	c.Roster, c.Presign, c.HoldUntil = nil, nil, 0
	data, err := protocol.Marshal(c)
	if err != nil {
		return [32]byte{}, err
	}
	return sha256.Sum256(data), nil
}

// remember records an accepted request, or refuses a replay. From now on the same
// proposal is refused; nothing of the session may leave this party before that is
// durable, see writing. Other requests are looked at and written meanwhile, for to read
// may wait for what the disk is just writing.
func (n *Node) remember(ctx context.Context, s *protocol.Spec, until time.Time) (*writing, error) {
	content, err := contentOf(s)
	if err != nil {
		return nil, err
	}
	defer n.requests.hold(s.Session)() // two proposals of one request must not both pass
	known, err := n.replayed(ctx, s, content)
	if err != nil {
		return nil, err
	}
	// As long as any attempt could pass: the approvals of an earlier one may be good for
	// longer, and an approval may expire before the session that it was given for.
	last := max(known.Until, until.Unix(), s.Deadline().Add(protocol.MaxClockSkew).Unix())
	w := &writing{
		request: request{Content: content, Attempt: s.Attempt, Until: last, Kept: known.Kept, SID: s.SID()}, done: make(chan struct{}),
	}
	n.requests.begin(s.Session, w, func() error { return n.keepRequest(context.WithoutCancel(ctx), s, w.request) })
	if s.Kind == protocol.KindKeygen {
		<-w.done // the answer is part of it: who has accepted may be asked what became of the key
		return w, w.err
	}
	return w, nil
}

// keepRequest writes what is remembered under a spec's request id.
func (n *Node) keepRequest(ctx context.Context, s *protocol.Spec, r request) error {
	payload, err := protocol.Marshal(r)
	if err != nil {
		return err
	}
	header := keystore.Header{Kind: kindRequest, ID: s.Session, Account: s.Account, State: keystore.StateUsed}
	return n.cfg.Store.Put(ctx, keystore.Record{Header: header, Payload: payload})
}

// replayed returns an errReplay when the request id may not pass again, and
// otherwise what is known of it.
func (n *Node) replayed(ctx context.Context, s *protocol.Spec, content [32]byte) (request, error) {
	if s.Kind == protocol.KindKeygen {
		switch h, err := n.horizon(ctx); {
		case err != nil:
			return request{}, err
		case s.Expires <= h.Expires:
			return request{}, errHorizon
		}
	}
	switch known, err := n.request(ctx, s.Session); {
	case errors.Is(err, keystore.ErrNotFound):
		return request{}, nil
	case err != nil:
		return request{}, err
	case known.Content != content:
		return request{}, fmt.Errorf("%w for something else", errReplay)
	case known.Attempt == s.Attempt && known.SID == s.SID():
		return request{}, errAccepted
	case known.Attempt >= s.Attempt:
		return request{}, fmt.Errorf("%w, for attempt %d", errReplay, known.Attempt)
	default:
		return known, nil
	}
}

// refuseReplay gives an error of remember or replayed its code. A signing that was accepted
// before has ended, or it would be known (enlist). If it has an outcome, that is told;
// if not, it was lost with an earlier process, or told as a failure and forgotten, and the
// coordinator waits for nothing any more.
func (n *Node) refuseReplay(ctx context.Context, s *protocol.Spec, err error) error {
	switch {
	case errors.Is(err, errAccepted) && s.Kind == protocol.KindSign:
		switch kept, failed := n.keepsOutcome(ctx, s.SID()); {
		case failed != nil:
			return refuse(protocol.CodeStorage, "what is recorded of outcomes: %w", failed)
		case !kept:
			return &refusal{code: protocol.CodeCrashed, err: errNoResult}
		}
		return &refusal{code: protocol.CodeReplay, err: err}
	case errors.Is(err, errReplay):
		return &refusal{code: protocol.CodeReplay, err: err}
	case errors.Is(err, errHorizon):
		return &refusal{code: protocol.CodeExpired, err: err}
	}
	return refuse(protocol.CodeStorage, "what is recorded of requests: %w", err)
}

// errNoResult reports an attempt of which there is nothing to tell any more.
var errNoResult = errors.New("this party accepted the attempt before, it has ended, and no result of it is kept: try again")

// keepsOutcome tells whether an ended session has an outcome to tell, and has it told at
// once. One in memory leaves it only when it is acknowledged, and one on disk may not have
// been read yet; so it is looked for in this order.
func (n *Node) keepsOutcome(ctx context.Context, sid protocol.SID) (bool, error) {
	if n.outcomes.again(sid) {
		return true, nil
	}
	_, err := n.cfg.Store.Get(ctx, kindOutcome, sid.String())
	if errors.Is(err, keystore.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// refuseForEver tells whether a keygen's attempt is never accepted from now on: it
// or a later one was before, or it has expired by all clocks. That it is true is made
// durable, so that it stays true when requests are forgotten and when a clock that
// was ahead is set back. The caller holds the request.
func (n *Node) refuseForEver(ctx context.Context, s *protocol.Spec, now time.Time) (bool, error) {
	content, err := contentOf(s)
	if err != nil {
		return false, err
	}
	known, err := n.request(ctx, s.Session)
	switch {
	case err == nil && known.Content == content && known.Attempt >= s.Attempt:
		if known.Kept {
			return true, nil
		}
		known.Kept = true
		return true, n.keepRequest(ctx, s, known)
	case err != nil && !errors.Is(err, keystore.ErrNotFound):
		return false, err
	}
	past := now.Add(-protocol.MaxClockSkew)
	if !s.Deadline().Before(past) {
		return false, nil
	}
	n.requests.moving.Lock() // it never moves back
	defer n.requests.moving.Unlock()
	h, err := n.horizon(ctx)
	if err != nil || s.Expires <= h.Expires {
		return err == nil, err
	}
	return true, n.moveHorizon(ctx, min(past.Unix(), s.Deadline().Add(horizonStep).Unix()))
}

func (n *Node) horizon(ctx context.Context) (horizon, error) {
	record, err := n.cfg.Store.Get(ctx, kindHorizon, horizonID)
	switch {
	case errors.Is(err, keystore.ErrNotFound):
		return horizon{}, nil
	case err != nil:
		return horizon{}, err
	}
	var h horizon
	return h, protocol.Unmarshal(record.Payload, &h)
}

func (n *Node) moveHorizon(ctx context.Context, expires int64) error {
	payload, err := protocol.Marshal(horizon{Expires: expires})
	if err != nil {
		return err
	}
	header := keystore.Header{Kind: kindHorizon, ID: horizonID, State: keystore.StateUsed}
	return n.cfg.Store.Put(ctx, keystore.Record{Header: header, Payload: payload})
}

// request returns what is known of a request.
func (n *Node) request(ctx context.Context, id string) (request, error) {
	if w := n.requests.underWay(id); w != nil {
		return w.request, nil
	}
	record, err := n.cfg.Store.Get(ctx, kindRequest, id)
	if err != nil {
		return request{}, err
	}
	var r request
	return r, protocol.Unmarshal(record.Payload, &r)
}

// purgeAtOnce bounds the requests that are held at a time while they are looked at.
const purgeAtOnce = 64

// forgetRequests deletes requests that can no longer be replayed, because their
// approvals have expired.
func (n *Node) forgetRequests(ctx context.Context, now time.Time) error {
	headers, err := n.cfg.Store.List(ctx, kindRequest)
	if err != nil {
		return err
	}
	for batch := range slices.Chunk(headers, purgeAtOnce) {
		if err := n.forgetExpired(ctx, batch, now); err != nil {
			return err
		}
	}
	return nil
}

func (n *Node) forgetExpired(ctx context.Context, batch []keystore.Header, now time.Time) error {
	var expired []string
	for _, h := range batch {
		release, ok := n.requests.tryHold(h.ID)
		if !ok {
			continue // it is being accepted or kept
		}
		defer release() // after the deletion
		if n.requests.underWay(h.ID) != nil {
			continue
		}
		r, err := n.request(ctx, h.ID)
		if err != nil || r.Kept || now.Before(time.Unix(r.Until, 0)) {
			continue // a damaged one stays: it still refuses
		}
		expired = append(expired, h.ID)
	}
	return n.cfg.Store.DeleteAll(ctx, kindRequest, expired...)
}
