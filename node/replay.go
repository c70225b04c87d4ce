package node

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
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
}

// errReplay reports a request id that was used before.
var errReplay = errors.New("the request id was used before")

// contentOf hashes what a retry must not change: everything but the attempt,
// its deadline, its signers, its coordinator and the approvals themselves.
func contentOf(s *protocol.Spec) ([32]byte, error) {
	c := *s
	c.Attempt, c.Expires, c.Coordinator, c.Authorisation = 0, 0, "", nil
	c.Roster = nil
	data, err := protocol.Marshal(c)
	if err != nil {
		return [32]byte{}, err
	}
	return sha256.Sum256(data), nil
}

// remember records an accepted request durably, or refuses a replay.
func (n *Node) remember(ctx context.Context, s *protocol.Spec, until time.Time) error {
	content, err := contentOf(s)
	if err != nil {
		return err
	}
	n.requests.Lock() // two proposals of one request must not both pass
	defer n.requests.Unlock()
	if err := n.replayed(ctx, s, content); err != nil {
		return err
	}
	payload, err := protocol.Marshal(request{Content: content, Attempt: s.Attempt, Until: until.Unix()})
	if err != nil {
		return err
	}
	header := keystore.Header{Kind: kindRequest, ID: s.Session, Account: s.Account, State: keystore.StateUsed}
	return n.cfg.Store.Put(ctx, keystore.Record{Header: header, Payload: payload})
}

// replayed returns an errReplay when the request id may not pass again.
func (n *Node) replayed(ctx context.Context, s *protocol.Spec, content [32]byte) error {
	switch known, err := n.request(ctx, s.Session); {
	case errors.Is(err, keystore.ErrNotFound):
	case err != nil:
		return err
	case known.Content != content:
		return fmt.Errorf("%w for something else", errReplay)
	case known.Attempt >= s.Attempt:
		return fmt.Errorf("%w, for attempt %d", errReplay, known.Attempt)
	}
	return nil
}

// refusedForEver tells whether a keygen's attempt is never accepted from now on: it
// or a later one was before, or it has expired by all clocks. The caller holds requests.
func (n *Node) refusedForEver(ctx context.Context, s *protocol.Spec, now time.Time) (bool, error) {
	if now.After(s.Deadline().Add(protocol.MaxClockSkew)) {
		return true, nil // requests are forgotten later, see forgetRequests
	}
	known, err := n.request(ctx, s.Session)
	if errors.Is(err, keystore.ErrNotFound) {
		return false, nil
	}
	return err == nil && known.Attempt >= s.Attempt, err
}

func (n *Node) request(ctx context.Context, id string) (request, error) {
	record, err := n.cfg.Store.Get(ctx, kindRequest, id)
	if err != nil {
		return request{}, err
	}
	var r request
	return r, protocol.Unmarshal(record.Payload, &r)
}

// forgetRequests deletes requests that can no longer be replayed, because their
// approvals have expired.
func (n *Node) forgetRequests(ctx context.Context, now time.Time) error {
	headers, err := n.cfg.Store.List(ctx, kindRequest)
	if err != nil {
		return err
	}
	for _, h := range headers {
		r, err := n.request(ctx, h.ID)
		if err != nil || now.Before(time.Unix(r.Until, 0)) {
			continue // a damaged one stays: it still refuses
		}
		if err := n.cfg.Store.Delete(ctx, kindRequest, h.ID); err != nil {
			return err
		}
	}
	return nil
}
