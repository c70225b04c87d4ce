package engine

import (
	"slices"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/pool"
	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

// sweep drops what can no longer be used, or is more than the account keeps. The caller holds s.mu.
func (s *stock) sweep(parties []pool.Party, now time.Time) {
	left, known := make(map[string]int), make(map[protocol.PeerID]pool.Party)
	for _, p := range parties {
		known[p.Peer] = p
	}
	s.drop(func(p *presignature) string {
		a := s.e.cfg.Registry.Account(p.account)
		if reason := spoilt(p, a, known, now); reason != "" {
			return reason
		}
		if left[p.account]++; left[p.account] > s.target(a, now) {
			return "the account keeps fewer"
		}
		return ""
	})
	for _, m := range s.making {
		if reason := spoilt(m.presignature, s.e.cfg.Registry.Account(m.account), known, now); reason != "" {
			m.end(&presignFailure{code: protocol.CodeCancelled, detail: reason})
		}
	}
	for id, sh := range s.shelves {
		if len(sh.ready) == 0 && sh.making == 0 && now.Sub(sh.used) > presignInUse && !s.e.asks(id) {
			s.assign(sh, nil)
			delete(s.shelves, id)
		}
	}
	for of, p := range s.pauses {
		if now.Sub(p.until) > p.most {
			delete(s.pauses, of) // it was not needed for long: begin anew
		}
	}
	for sid, u := range s.taken {
		if now.Sub(u.at) > takenFor {
			delete(s.taken, sid)
		}
	}
}

// target is how many presignatures an account keeps now: the default is for accounts in
// use. The caller holds s.mu.
func (s *stock) target(a *registry.Account, now time.Time) int {
	if sh := s.shelves[a.ID]; a.Presign == nil && (sh == nil || now.Sub(sh.used) > presignInUse) {
		return 0
	}
	return s.e.presignOf(a).Target
}

// makeRoom drops what the account keeps that has signed least lately of those that keep some
// by default with this party, which has no room for more, as it seems. One that keeps none yet goes
// first. The caller holds s.mu.
func (s *stock) makeRoom(peer protocol.PeerID, than *shelf) {
	oldest, account, held := than.used, "", 0
	for id, sh := range s.shelves {
		n := 0
		for _, p := range sh.ready {
			if p.has(peer) {
				n++
			}
		}
		held += n
		if n > 0 && sh.used.Before(oldest) && !s.e.asks(id) {
			oldest, account = sh.used, id
		}
	}
	if len(than.ready) > 0 || account == "" || held < fullParty && !s.seemsFull(peer) {
		return
	}
	s.drop(func(p *presignature) string {
		if p.account != account {
			return ""
		}
		return "others need the room more"
	})
}

// seemsFull reports whether a party that is busy may be so because of the presignatures that it holds: how many it
// takes is its own affair, see --max-presignatures. It is busy for a moment, too, when it presigns for
// somebody else, and as long as a session runs; so it has to say it four times, each time after twice the pause,
// and to be in no session. The caller holds s.mu.
func (s *stock) seemsFull(peer protocol.PeerID) bool {
	p := s.pauses[pauseOfParty(peer)]
	known, ok := s.e.cfg.Pool.Party(peer)
	return p != nil && p.next > fullAfter && ok && known.Sessions == 0 && known.Held > 0
}

// asks reports whether an account asks for presignatures itself.
func (e *Engine) asks(account string) bool {
	a := e.cfg.Registry.Account(account)
	return a != nil && a.Presign != nil && a.Presign.Target > 0
}

// isAway reports whether a party has sent no heartbeat for so long that it is not waited for.
func isAway(p pool.Party, now time.Time) bool { return now.Sub(p.Seen) > pool.Lifetime+presignAway }

// spoilt says why a presignature cannot be used any more; empty: it can.
func spoilt(p *presignature, a *registry.Account, parties map[protocol.PeerID]pool.Party, now time.Time) string {
	switch {
	case !p.until.IsZero() && !now.Before(p.until):
		return "it is too old"
	case a == nil || a.Epoch != p.epoch:
		return "the key has new shares"
	}
	may := presigners(a)
	for _, x := range p.parties {
		known, ok := parties[x.Peer]
		switch {
		case !ok || isAway(known, now):
			return "party " + x.Name + " is away"
		case known.Boot != p.boots[x.Peer]:
			return "party " + x.Name + " was restarted"
		case !slices.Contains(may, x):
			return "party " + x.Name + " does not sign for the account any more"
		}
	}
	return ""
}
