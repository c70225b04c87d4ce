package engine

import (
	"context"
	"slices"
	"time"

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
	if r.req.Externals > 0 || r.req.Delegate {
		return nil
	}
	r.e.stock.used(r.req.Account)
	if r.full || !r.mayFallBack() {
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

// mayFallBack reports whether an attempt that uses a presignature leaves the time for a full one, should it
// hang. Approvals must be good when that is proposed; then the session needs the time that it takes.
func (r *runner) mayFallBack() bool {
	timeout := r.e.attemptTimeout(&r.req)
	then := time.Now().Add(min(timeout, presignedTimeout) + fullBegins)
	if until, limited := r.approvedUntil(); limited && until.Before(then) {
		return false
	}
	return !r.req.Expires.Before(then.Add(timeout))
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
	r.full, r.number = true, a.spec.Attempt+1
	r.e.stock.missed(a, end)
	if end.again { // one was gone before it began, or has no room: it is given the same time as in a full attempt
		r.spare(end)
		return
	}
	r.pause = 0
	r.spared++
	for _, f := range end.faults {
		if f.Code == protocol.CodeUnreachable {
			r.exclude([]registry.PartyProblem{f})
		}
	}
	if len(without(end)) == 0 {
		r.learn(end.proven, end.pairs)
		r.doubt(a.parties, end)
	}
}

// without returns who did not have the presignature of an attempt.
func without(end *ending) (peers []protocol.PeerID) {
	for _, f := range end.faults {
		if f.Code == protocol.CodeNoPresign {
			peers = append(peers, f.Peer)
		}
	}
	return peers
}

// missed takes note that a presignature could not be used. If a party does not have it
// although it should, it is likely to have none of this set; and a set that has failed once would
// cost every signing of the account an attempt. So others presign, if there are any.
func (s *stock) missed(a *attempt, end *ending) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Missed++
	now := time.Now()
	missing := without(end)
	lost := slices.DeleteFunc(slices.Clone(missing), func(peer protocol.PeerID) bool { return s.hasTold(peer, a.presign) })
	switch {
	case len(lost) > 0:
		s.lost(a, lost, now)
	case end.again:
		s.crowded(a, end, now)
	case len(missing) > 0, isOurs(end.problem):
		return // nobody is at fault
	default:
		s.spoiled(a, end, now)
	}
	s.wakeUp()
}

// crowded counts what an account has lost because a party was busy or away when it was to be used. That is nobody's
// fault, and passes; but one that says so again and again, though it presigns, costs its account every
// presignature. Then others presign. The caller holds s.mu.
func (s *stock) crowded(a *attempt, end *ending, now time.Time) {
	sh := s.of(a.req.Account)
	for _, x := range end.problem.Parties {
		l := sh.losses[x.Peer]
		if l.n > 0 && now.Sub(l.last) < lossesApart {
			continue
		}
		if now.Sub(l.last) > lossesLast {
			l.n = 0
		}
		if sh.losses == nil {
			sh.losses = make(map[protocol.PeerID]losses)
		}
		l = losses{l.n + 1, now}
		sh.losses[x.Peer] = l
		if account := s.e.cfg.Registry.Account(a.req.Account); l.n < enoughLosses || account == nil || len(presigners(account)) <= account.Threshold.T {
			continue // it may pass, or there are no others
		}
		log.Infow("a party presigns for an account and has no room for its signings: others presign", "party", x.Peer, "account", a.req.Account)
		s.turnAway(sh, x.Peer)
		s.drop(func(p *presignature) string {
			if p.account != a.req.Account || !p.has(x.Peer) {
				return ""
			}
			return "a party of the set has no room for signings"
		})
	}
}

// served takes note that a signing with a presignature was done: its parties had room.
func (s *stock) served(a *attempt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sh := s.shelves[a.req.Account]; sh != nil {
		for _, x := range a.parties {
			delete(sh.losses, x.Peer)
		}
	}
}

// isOurs tells whether a problem is the coordinator's own.
func isOurs(p *registry.Problem) bool {
	return p != nil && (p.Code == registry.CodeStorage || p.Code == registry.CodeInternal)
}

// lost drops what else is lost if parties do not have a presignature. Who has forgotten one and
// was not restarted is not asked for some time: others would make more for nothing. The caller
// holds s.mu.
func (s *stock) lost(a *attempt, by []protocol.PeerID, now time.Time) {
	for _, peer := range by {
		if known, ok := s.e.cfg.Pool.Party(peer); ok && a.presign != nil && known.Boot == a.presign.boots[peer] {
			log.Warnw("a party does not have a presignature that it said it holds", "party", peer, "account", a.req.Account, "sid", a.presign.sid.Short())
			s.distrust(pauseOfParty(peer), now)
		}
	}
	s.turnAway(s.of(a.req.Account), by...)
	s.drop(func(p *presignature) string {
		same := p.account == a.req.Account && sameParties(p.parties, a.parties)
		for _, peer := range by {
			known, ok := s.e.cfg.Pool.Party(peer)
			if p.has(peer) && (same || !ok || known.Boot != p.boots[peer]) {
				return "a party of the set does not have its presignatures any more"
			}
		}
		return ""
	})
}

// spoiled drops what a set has made with which a signing has failed. The caller holds s.mu.
func (s *stock) spoiled(a *attempt, end *ending, now time.Time) {
	s.turnAway(s.of(a.req.Account), a.spec.Peers()...)
	for _, f := range end.proven {
		s.distrust(pauseOfParty(f.Peer), now)
	}
	if account := s.e.cfg.Registry.Account(a.req.Account); account != nil && len(presigners(account)) <= account.Threshold.T {
		s.distrust(pauseOfAccount(account.ID), now) // there are no others
	}
	s.drop(func(p *presignature) string {
		if p.account != a.req.Account || !sameParties(p.parties, a.parties) {
			return ""
		}
		return "a signing of the same parties has failed"
	})
}
