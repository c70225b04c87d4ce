package engine

import (
	"maps"
	"slices"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

// doubts is what failed attempts suggest of a session's parties although nobody
// is accused. It excludes nobody and keeps no two apart for good: it tells whom to
// leave out first if there are others. After a restart it begins anew.
type doubts struct {
	quits  map[protocol.PeerID]int // how often it gave up for no reason that it told
	waits  []pair                  // one of them said that it waits for the other
	failed [][]registry.Party      // rosters of attempts that failed
}

// doubt takes what a failed attempt suggests, and reports whether it has shown
// somebody new to leave out first.
func (d *doubts) doubt(roster []registry.Party, end *ending) (news bool) {
	if !end.crashed { // they may try again
		d.failed = append(d.failed, roster)
	}
	if d.quits == nil {
		d.quits = make(map[protocol.PeerID]int)
	}
	for peer, n := range end.quits {
		news = news || d.quits[peer] == 0
		d.quits[peer] += n
	}
	for _, p := range end.waits {
		if !slices.Contains(d.waits, p) {
			d.waits = append(d.waits, p)
		}
	}
	return news
}

// hasFailed reports whether these parties have failed together before.
func (d *doubts) hasFailed(parties []registry.Party) bool {
	return slices.ContainsFunc(d.failed, func(roster []registry.Party) bool { return sameParties(roster, parties) })
}

// failures counts the failed attempts that a party was in.
func (d *doubts) failures(peer protocol.PeerID) (n int) {
	for _, roster := range d.failed {
		if slices.ContainsFunc(roster, func(p registry.Party) bool { return p.Peer == peer }) {
			n++
		}
	}
	return n
}

// levels returns how often candidates have given up, each number once, the
// lowest first.
func (d *doubts) levels(candidates []registry.Party) []int {
	set := make(map[int]bool)
	for _, p := range candidates {
		set[d.quits[p.Peer]] = true
	}
	return slices.Sorted(maps.Keys(set))
}

// upTo returns the candidates that have given up so often at most.
func (d *doubts) upTo(candidates []registry.Party, level int) []registry.Party {
	return slices.DeleteFunc(slices.Clone(candidates), func(p registry.Party) bool { return d.quits[p.Peer] > level })
}
