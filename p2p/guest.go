package p2p

import (
	"fmt"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
)

// guest tells whether a member is one by a pass: an external party, whose rights
// end where nobody has named it (see doc.go).
func (m Member) guest() bool { return m.Role == RoleExternal }

// guestLimit is what the resource manager allows each guest: enough for its
// sessions and for the circuits that reach it through a relay.
var guestLimit = rcmgr.BaseLimit{
	Streams: 256, StreamsInbound: 256, StreamsOutbound: 256,
	Conns: 8, ConnsInbound: 8, ConnsOutbound: 8,
	FD: 8, Memory: 64 << 20,
}

// restrain applies what holds for a guest from its admission on.
func (h *Host) restrain(p peer.ID) {
	err := h.raw.Network().ResourceManager().ViewPeer(p, func(s network.PeerScope) error {
		scope, ok := s.(rcmgr.ResourceScopeLimiter)
		if !ok {
			return fmt.Errorf("unexpected resource scope %T", s)
		}
		scope.SetLimit(&guestLimit)
		return nil
	})
	if err != nil {
		log.Errorw("a guest has the limits of a member", "peer", p.String(), "error", err)
	}
	// It may have come in as a server of the DHT that was not admitted yet.
	if h.dht != nil {
		h.dht.RoutingTable().RemovePeer(p)
	}
}
