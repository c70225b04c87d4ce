package p2p

import (
	"slices"
	"strings"
	"time"
)

// Peer is an admitted peer that is connected now.
type Peer struct {
	Member
	Boot     uint64    // its boot id
	Software string    // the version it named
	Addrs    []string  // where it was reached, without /p2p/
	Since    time.Time // when it was admitted
	Heard    time.Time // its last sign of life
}

// Peers lists the admitted peers that are connected now, by peer id. A peer that
// died less than some seconds ago may be among them: see [Host.Ping].
func (h *Host) Peers() []Peer {
	var out []Peer
	for _, st := range h.peers.all() {
		p := Peer{
			Member: st.member, Boot: st.boot, Software: st.software, Since: st.since,
			Heard: time.Unix(0, st.heard.Load()),
		}
		if id, err := parsePeer(st.member.Peer); err == nil {
			for _, c := range h.raw.Network().ConnsToPeer(id) {
				p.Addrs = append(p.Addrs, c.RemoteMultiaddr().String())
			}
		}
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b Peer) int { return strings.Compare(a.Peer, b.Peer) })
	return out
}

// Members lists what the credentials of the admitted, connected peers say.
func (h *Host) Members() []Member {
	peers := h.Peers()
	out := make([]Member, len(peers))
	for i, p := range peers {
		out[i] = p.Member
	}
	return out
}

// Member is what the credential of an admitted, connected peer says.
func (h *Host) Member(id PeerID) (Member, bool) {
	p, err := parsePeer(id)
	if err != nil {
		return Member{}, false
	}
	st, ok := h.peers.get(p)
	return st.member, ok
}
