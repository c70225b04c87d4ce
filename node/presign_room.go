package node

import (
	"maps"

	"github.com/meshmpc/mpcd/protocol"
)

// shares are the presignatures of each coordinator that has any.
type shares map[protocol.PeerID]int

func (s shares) sum() (n int) {
	for _, of := range s {
		n += of
	}
	return n
}

func (s shares) most() (n int) {
	for _, of := range s {
		n = max(n, of)
	}
	return n
}

// less takes one of a coordinator out; true: it has no more.
func (s shares) less(of protocol.PeerID) bool {
	if s[of]--; s[of] > 0 {
		return false
	}
	delete(s, of)
	return true
}

// hasRoom tells whether there may be one more of a coordinator: where there are as many as may be, it must have
// less than an equal share, so that another one has more. That one's make room when the new one is held, see trim,
// and not before: what is asked for need not come about.
func (s shares) hasRoom(of protocol.PeerID, limit int) bool {
	if s.sum() < limit {
		return true
	}
	among := len(s)
	if s[of] == 0 {
		among++
	}
	return s[of] < limit/among
}

// shares returns who has what is held, of all keys and of one.
func (p *presigns) shares(key string) (all, ofKey shares) {
	p.mu.Lock()
	defer p.mu.Unlock()
	all, ofKey = make(shares), make(shares)
	maps.Copy(all, p.all)
	maps.Copy(ofKey, p.ofKey[key])
	return all, ofKey
}

// trim drops what is held beyond the limits, of a key and of all, and returns that for their coordinators to be told: of the
// coordinator that has most, the oldest. What a signing has taken is not held any more, so that none in use goes.
func (p *presigns) trim(key string, limit int) (dropped []*presignature) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.ofKey[key].sum() > MaxPresignaturesPerKey {
		dropped = append(dropped, p.evict(p.ofKey[key], func(x *presignature) bool { return x.spec.Key == key }))
	}
	for len(p.held) > max(limit, 0) {
		dropped = append(dropped, p.evict(p.all, func(*presignature) bool { return true }))
	}
	if len(dropped) > 0 {
		log.Infow("presignatures were dropped", "why", "other coordinators have less than an equal share", "count", len(dropped), "left", len(p.held))
	}
	return dropped
}

// evict drops the oldest of those among which these are the shares, of who has most. The caller holds mu.
func (p *presigns) evict(of shares, among func(*presignature) bool) (oldest *presignature) {
	most := of.most()
	for _, x := range p.held {
		if of[x.spec.Coordinator] == most && among(x) && (oldest == nil || x.number < oldest.number) {
			oldest = x
		}
	}
	p.remove(oldest)
	oldest.machine.Drop()
	return oldest
}
