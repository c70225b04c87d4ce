package engine

import (
	"context"
	"slices"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

// find returns who takes part in the next attempt, and books them: those who hold a
// presignature, if there is one that fits, or whom choose finds.
func (r *runner) find(ctx context.Context) ([]registry.Party, *registry.Problem) {
	if parties := r.findPresigned(); parties != nil {
		return parties, nil
	}
	return r.choose(ctx)
}

// findPresigned takes a presignature for the next attempt and books those who hold it;
// nil if that cannot be. They are not pinged: they have shown themselves lately.
func (r *runner) findPresigned() []registry.Party {
	p := r.presigned()
	if p == nil {
		return nil
	}
	if r.e.book(p.parties) != nil { // they have no room for one more
		r.e.stock.putBack(p)
		return nil
	}
	r.presign, r.asked = p, false
	return p.parties
}

// presigned takes a presignature for the next attempt, nil if there is none that fits.
// A session uses one at most: what made it fail may make others fail.
func (r *runner) presigned() *presignature {
	if r.req.Kind != protocol.KindSign || r.req.Scheme != protocol.ECDSA {
		return nil
	}
	r.e.stock.used(r.req.Account)
	if r.full || r.req.Externals > 0 || r.req.Delegate {
		return nil
	}
	a := r.e.cfg.Registry.Account(r.req.Account)
	allowed := r.req.Parties // as they were when it was asked for
	if len(allowed) == 0 {
		allowed = signingParties(a)
	}
	return r.e.stock.take(a.ID, func(p *presignature) bool {
		for _, x := range p.parties {
			known, _ := r.e.cfg.Pool.Party(x.Peer)
			if !slices.Contains(allowed, x) || r.isExcluded(x.Peer) != nil || !r.e.fresh(x.Peer) || known.Boot != p.boots[x.Peer] {
				return false
			}
		}
		return p.epoch == a.Epoch && !among(r.apart, p.parties) && !r.hasFailed(p.parties)
	})
}

// unname puts a presignature back that was taken and is not named in any spec.
func (r *runner) unname() {
	if r.presign != nil {
		r.e.stock.putBack(r.presign)
		r.presign = nil
	}
}

// spend has those forget a presignature who did not come to use it: it was named.
func (a *attempt) spend() {
	if a.presign != nil {
		a.e.forgetPresignature(a.presign, "the signing has ended")
	}
}

// isPresigned tells whether an attempt uses a presignature.
func (a *attempt) isPresigned() bool { return len(a.spec.Presign) > 0 }

// fallBack prepares a full attempt after one that has used a presignature, which is
// lost. That it was not there any more is nobody's fault.
func (r *runner) fallBack(a *attempt, end *ending) {
	a.spend()
	r.full, r.wary = true, r.wary || end.absent
	r.spared++
	r.number = a.spec.Attempt + 1
	missing := make([]protocol.PeerID, 0, len(end.faults))
	for _, f := range end.faults {
		switch f.Code {
		case protocol.CodeNoPresign:
			missing = append(missing, f.Peer)
		case protocol.CodeUnreachable:
			r.exclude([]registry.PartyProblem{f})
		}
	}
	if len(missing) == 0 {
		r.learn(end.proven, end.pairs)
		r.doubt(a.parties, end)
	}
	r.e.stock.missed(a, missing)
}

// missed takes note that a presignature could not be used. If a party does not have it
// although it should, it is likely to have none of this set.
func (s *stock) missed(a *attempt, without []protocol.PeerID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Missed++
	if len(without) == 0 {
		return
	}
	sh := s.of(a.req.Account) // others may be there that keep what they hold
	sh.set, sh.turn = nil, sh.turn+1
	s.drop(func(p *presignature) string {
		same := p.account == a.req.Account && sameParties(p.parties, a.parties)
		for _, peer := range without {
			known, ok := s.e.cfg.Pool.Party(peer)
			if p.has(peer) && (same || !ok || known.Boot != p.boots[peer]) {
				return "a party of the set does not have its presignatures any more"
			}
		}
		return ""
	})
	s.wakeUp()
}
