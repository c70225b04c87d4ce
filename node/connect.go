package node

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/protocol"
)

// others returns the members of a roster without this party.
func (n *Node) others(s *protocol.Spec) []protocol.Member {
	var others []protocol.Member
	for _, m := range s.Roster {
		if m.Peer != n.cfg.Host.ID() {
			others = append(others, m)
		}
	}
	return others
}

// connect reaches every other member and checks that it is admitted as what the
// roster says it is. Between sessions of the same members nobody needs to be reached.
func (n *Node) connect(ctx context.Context, others []protocol.Member) error {
	others = slices.DeleteFunc(slices.Clone(others), n.met)
	errs := make(chan error, len(others))
	for _, m := range others {
		go func() { errs <- n.connectOne(ctx, m) }()
	}
	var first error
	for range others {
		if err := <-errs; err != nil && first == nil {
			first = err
		}
	}
	return first
}

// met tells whether a member is connected, as what the roster says it is.
func (n *Node) met(m protocol.Member) bool {
	known, ok := n.cfg.Host.Member(m.Peer)
	return ok && mayBe(known.Role, m.Role)
}

// Times of meeting a user's device.
const (
	meetTime  = 30 * time.Second
	meetRetry = 100 * time.Millisecond
)

func (n *Node) connectOne(ctx context.Context, m protocol.Member) error {
	err := n.cfg.Host.Connect(ctx, m.Peer)
	if err != nil && (m.Role == protocol.External || n.cfg.Role == protocol.External) {
		err = n.meet(ctx, m.Peer)
	}
	if err != nil {
		return refuse(protocol.CodeUnreachable, "member %s cannot be reached: %w", m.Peer, err)
	}
	if !n.met(m) {
		return refuse(protocol.CodeNotMember, "member %s is not admitted to the network as what the roster says: %s", m.Peer, m.Role)
	}
	return nil
}

// meet waits for a connection between a user's device and another member. Often
// only one of the two can dial the other, and its own proposal may have come
// later, or its slot on a relay is not there yet.
func (n *Node) meet(ctx context.Context, peer protocol.PeerID) error {
	ctx, cancel := context.WithTimeout(ctx, meetTime)
	defer cancel()
	again := time.NewTicker(meetRetry)
	defer again.Stop()
	var failed error // the last try that was not cut short
	for {
		err := n.cfg.Host.Connect(ctx, peer)
		if err == nil || !errors.Is(err, p2p.ErrUnreachable) {
			return err
		}
		if ctx.Err() == nil {
			failed = err
		}
		select {
		case <-ctx.Done():
			return cmp.Or(failed, err)
		case <-again.C:
		}
	}
}

// mayBe tells whether a node with a role in the network may be a member of a role
// in a session. Parties also take part for users.
func mayBe(admitted p2p.Role, member protocol.Role) bool {
	role := rolesOf[admitted]
	return role == member || role == protocol.Persistent && member == protocol.Delegate
}

// guest tells whether a peer is a user's device.
func (n *Node) guest(peer protocol.PeerID) bool {
	m, ok := n.cfg.Host.Member(peer)
	return !ok || m.Role == p2p.RoleExternal
}
