package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/meshmpc/mpcd/protocol"
)

// aliveWithin is how long the other members have to show that they live, while a
// proposal waits.
const aliveWithin = time.Second

// checkQuarantine refuses a signing with a member that this party has in quarantine
// for the key, if the key can be used without it: enough others live. A quarantine
// never makes a key unusable.
func (n *Node) checkQuarantine(ctx context.Context, s, key *protocol.Spec) error {
	bad := n.inQuarantine(key)
	var here []protocol.PeerID
	for _, m := range s.Roster {
		if slices.Contains(bad, m.Peer) {
			here = append(here, m.Peer)
		}
	}
	if len(here) == 0 {
		return nil
	}
	others := slices.DeleteFunc(n.others(key), func(m protocol.Member) bool {
		// A delegate can sign when the user has sent its share, which the roster shows.
		return slices.Contains(bad, m.Peer) || m.Role == protocol.Delegate && roleIn(s, m.Peer) == ""
	})
	if need := key.Threshold - 1; !n.alive(ctx, others, need) {
		log.Warnw("signs with a member in quarantine: without it too few members of the key are alive",
			"members", here, "key", key.Key, "session", s.Session, "sid", s.SID().Short(), "needed", key.Threshold)
		return nil
	}
	return &refusal{
		code: protocol.CodeQuarantined, peers: here,
		err: fmt.Errorf("in quarantine at this party, for breaking the protocol with this key %d times or more: %s; choose other signers, or have its operator clear that",
			QuarantineAfter, strings.Join(here, ", ")),
	}
}

// inQuarantine lists the members of a key that this party has in quarantine.
func (n *Node) inQuarantine(key *protocol.Spec) []protocol.PeerID {
	var bad []protocol.PeerID
	for _, m := range n.others(key) {
		c, err := n.conduct.quarantine.Get(key.Key, m.Peer)
		if errors.Is(err, ErrNoConduct) || !c.InQuarantine() {
			continue
		}
		if c.Damaged != "" {
			log.Warnw("a quarantine file is damaged; its peer is in quarantine until mpcd quarantine clear", "peer", m.Peer, "key", key.Key, "error", c.Damaged)
		}
		bad = append(bad, m.Peer)
	}
	return bad
}

// alive tells whether so many of these members answer a ping now.
func (n *Node) alive(ctx context.Context, members []protocol.Member, need int) bool {
	if need > len(members) {
		return false
	}
	ctx, stop := context.WithTimeout(ctx, aliveWithin)
	defer stop()
	answers := make(chan bool, len(members))
	for _, m := range members {
		go func() {
			_, err := n.cfg.Host.Ping(ctx, m.Peer)
			answers <- err == nil
		}()
	}
	living := 0
	for range members { // all of them: none outlives this call
		if <-answers {
			if living++; living >= need {
				stop()
			}
		}
	}
	return living >= need
}
