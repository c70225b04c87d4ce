package node

import (
	"context"

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
// roster says it is.
func (n *Node) connect(ctx context.Context, others []protocol.Member) error {
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

func (n *Node) connectOne(ctx context.Context, m protocol.Member) error {
	if err := n.cfg.Host.Connect(ctx, m.Peer); err != nil {
		return refuse(protocol.CodeUnreachable, "member %s cannot be reached: %w", m.Peer, err)
	}
	if known, ok := n.cfg.Host.Member(m.Peer); !ok || !mayBe(known.Role, m.Role) {
		return refuse(protocol.CodeNotMember, "member %s is not admitted to the network as what the roster says: %s", m.Peer, m.Role)
	}
	return nil
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
