package engine

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

// choose picks the parties of the next attempt and books them: those that are there (see
// reachable), first the ones with the fewest suspicions and doubts, then those that were in the fewest
// failed attempts, then the least loaded, then those that signed last for the account, then at random. When a party has no room for one more, it
// waits. After a restart, and with users' devices, it is patient while the
// network comes up; nobody waits for who has refused.
func (r *runner) choose(ctx context.Context) ([]registry.Party, *registry.Problem) {
	for {
		parties, problem := r.chooseNow(ctx)
		var freed <-chan struct{}
		var again <-chan time.Time
		switch {
		case problem == nil:
			if freed = r.e.book(parties); freed == nil {
				return parties, nil
			}
		case problem.Code != registry.CodeTooFewParties || !time.Now().Before(r.quiet):
			return nil, problem // who has refused is there, and will not change their mind
		default:
			again = time.After(resumeRetry)
		}
		select {
		case <-ctx.Done():
			return nil, problem
		case <-freed:
		case <-again:
		}
	}
}

func (r *runner) chooseNow(ctx context.Context) ([]registry.Party, *registry.Problem) {
	var chosen []registry.Party
	r.together, r.asked = false, false
	if s := r.e.cfg.Registry.Session(r.id); s != nil && r.recall(s) {
		r.plain = max(0, r.plain-1) // the last attempt has taught something after all
	}
	for _, g := range r.groups() {
		picked, problem := r.pick(ctx, g, chosen)
		if problem != nil {
			return nil, problem
		}
		chosen = append(chosen, picked...)
	}
	if r.timedOut && sameParties(chosen, r.previous) || int(r.number)-r.spared > maxAttempts && r.hasFailed(chosen) {
		return nil, r.lastFault // the same parties would only time out, or fail, again
	}
	return r.inOrder(chosen), nil
}

// group is a part of a roster: need of the parties in from, in this role.
type group struct {
	from []registry.Party
	need int
	role protocol.Role // empty: the one that the party has
}

// groups says whom an attempt needs. A party chosen for one group is not chosen
// for another.
func (r *runner) groups() []group {
	if r.req.Kind == protocol.KindSign {
		return r.signerGroups()
	}
	if r.pinned {
		return []group{{from: r.previous, need: len(r.previous)}}
	}
	s := r.e.cfg.Registry.Session(r.id)
	own := r.req.Threshold.N - r.req.Externals
	var live, delegates []registry.Party
	for _, p := range r.e.cfg.Pool.Live() {
		if p.Delegate {
			delegates = append(delegates, partyOf(p))
			continue
		}
		live = append(live, partyOf(p))
	}
	if len(delegates) == 0 {
		delegates = live // a network may have no nodes for this alone
	}
	from := r.req.Parties
	if len(from) == 0 {
		from = live
	}
	var groups []group
	switch {
	case r.req.Custody == registry.CustodyHybrid:
		groups = append(groups, group{from: from, need: own - 1}, group{from: delegates, need: 1, role: protocol.Delegate})
	case own > 0:
		groups = append(groups, group{from: from, need: own})
	}
	if r.req.Externals > 0 && s != nil {
		groups = append(groups, group{from: s.Joined, need: r.req.Externals})
	}
	return groups
}

func (r *runner) signerGroups() (groups []group) {
	a := r.e.cfg.Registry.Account(r.req.Account)
	need := r.req.Threshold.T - r.req.Externals
	allowed := r.req.Parties // as they were when it was asked for
	if len(allowed) == 0 {
		allowed = signingParties(a)
	}
	if delegate, has := a.Delegate(); has && r.req.Delegate {
		need--
		groups = append(groups, group{from: []registry.Party{delegate}, need: 1})
	}
	if r.req.Externals > 0 {
		groups = append(groups, group{from: r.e.cfg.Registry.Session(r.id).Joined, need: r.req.Externals})
	}
	persistent := slices.DeleteFunc(slices.Clone(allowed), func(p registry.Party) bool { return p.Role != "" && p.Role != protocol.Persistent })
	if need > 0 {
		groups = append(groups, group{from: persistent, need: need})
	}
	return groups
}

// pick chooses the best parties of a group that answer.
func (r *runner) pick(ctx context.Context, g group, taken []registry.Party) ([]registry.Party, *registry.Problem) {
	candidates, missing := r.candidates(g, taken)
	if len(candidates) < g.need && r.forgive() {
		candidates, missing = r.candidates(g, taken)
	}
	alive := candidates // if they are too few anyway
	if len(candidates) >= g.need {
		enough := g.need
		if r.isChoiceOf(candidates, taken) {
			enough = max(enough, r.e.expected(candidates)) // to have a choice
		}
		alive = r.reachable(ctx, candidates, enough)
	}
	if len(alive) < g.need {
		for _, p := range candidates {
			if len(candidates) >= g.need && !slices.Contains(alive, p) {
				missing = append(missing, registry.PartyProblem{Party: p, Code: protocol.CodeUnreachable, Detail: "it does not answer"})
			}
		}
		return nil, r.tooFew(g.need, len(alive), missing)
	}
	r.rank(alive)
	picked := r.keepApart(alive, g.need, taken)
	if g.role != "" {
		for i := range picked {
			picked[i].Role = g.role
		}
	}
	return picked, nil
}

// candidates returns who of a group may take part, and who may not and why.
func (r *runner) candidates(g group, taken []registry.Party) (candidates []registry.Party, missing []registry.PartyProblem) {
	for _, p := range g.from {
		if slices.ContainsFunc(taken, func(t registry.Party) bool { return t.Peer == p.Peer }) {
			continue
		}
		if r.hadAnotherRole(p, g.role) {
			missing = append(missing, registry.PartyProblem{Party: p, Code: protocol.CodeReplay, Detail: "it had another role in the last attempt"})
			continue
		}
		if x := r.isExcluded(p.Peer); x != nil {
			missing = append(missing, *x)
			continue
		}
		if known, ok := r.e.cfg.Pool.Party(p.Peer); ok && known.Live && known.Draining {
			missing = append(missing, registry.PartyProblem{Party: p, Code: protocol.CodeDraining, Detail: "it is shutting down"})
			continue
		}
		candidates = append(candidates, p)
	}
	return candidates, missing
}

// hadAnotherRole reports whether a party was in the last attempt at a key as
// something else: what it may have on disk of that is no share of the other kind.
func (r *runner) hadAnotherRole(p registry.Party, role protocol.Role) bool {
	if r.req.Kind != protocol.KindKeygen {
		return false
	}
	if role != "" {
		p.Role = role
	}
	return slices.ContainsFunc(r.previous, func(old registry.Party) bool { return old.Peer == p.Peer && old.Member() != p.Member() })
}

// tooFew names who is missing. When nobody is out of reach, the reason is how
// the last attempt ended.
func (r *runner) tooFew(need, alive int, missing []registry.PartyProblem) *registry.Problem {
	away := func(p registry.PartyProblem) bool {
		return p.Code == protocol.CodeUnreachable || p.Code == protocol.CodeDraining
	}
	if r.lastFault != nil && !slices.ContainsFunc(missing, away) {
		return r.lastFault
	}
	names := make([]string, len(missing))
	for i, p := range missing {
		names[i] = fmt.Sprintf("%s (%s): %s", p.Name, p.Peer, p.Detail)
	}
	slices.Sort(names)
	who := "no other party is in the pool"
	if len(names) > 0 {
		who = strings.Join(names, "; ")
	}
	detail := fmt.Sprintf("%d parties are needed and %d can take part. Missing: %s", need, alive, who)
	if r.req.Kind == protocol.KindSign && r.req.Custody == registry.CustodyHybrid && !r.req.Delegate {
		detail += ". With the user's share (user_share) the delegate can sign in place of one of them"
	}
	return &registry.Problem{Code: registry.CodeTooFewParties, Parties: missing, Detail: detail}
}

// rank sorts parties, best first.
func (r *runner) rank(parties []registry.Party) {
	rand.Shuffle(len(parties), func(i, j int) { parties[i], parties[j] = parties[j], parties[i] })
	warm := r.e.warm.last(r.req.Account)
	ranks := make(map[protocol.PeerID][]int, len(parties))
	for _, p := range parties {
		ranks[p.Peer] = r.rankOf(p, warm)
	}
	slices.SortStableFunc(parties, func(a, b registry.Party) int { return slices.Compare(ranks[a.Peer], ranks[b.Peer]) })
}

// loadStep is by how many sessions a party must have less to do than others to be preferred
// to those that signed last for the account, whose topic and streams are open.
const loadStep = 4

// rankOf returns what parties are compared by; lower is better.
func (r *runner) rankOf(p registry.Party, warm []protocol.PeerID) []int {
	sessions, stock, cold := 0, 0, 1
	if known, ok := r.e.cfg.Pool.Party(p.Peer); ok {
		sessions = known.Sessions
		if r.req.Kind == protocol.KindKeygen && r.req.Scheme == protocol.ECDSA {
			stock = known.Stock
		}
	}
	if slices.Contains(warm, p.Peer) {
		cold = 0
	}
	load := r.e.loadOf(p.Peer)
	return []int{
		degree(r.apart, p.Peer), r.quits[p.Peer], r.failures(p.Peer), degree(r.waits, p.Peer), r.crowded[p.Peer],
		max(load, sessions) / loadStep, cold, load, sessions, -stock,
	}
}

// inOrder gives a roster its order: signers as in the key's roster, new members
// by name.
func (r *runner) inOrder(parties []registry.Party) []registry.Party {
	ordered := slices.Clone(parties)
	if r.req.Kind == protocol.KindSign {
		roster := r.e.cfg.Registry.Account(r.req.Account).Parties
		slices.SortFunc(ordered, func(a, b registry.Party) int {
			return cmp.Compare(slices.Index(roster, a), slices.Index(roster, b))
		})
		return ordered
	}
	slices.SortFunc(ordered, func(a, b registry.Party) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Peer, b.Peer))
	})
	return ordered
}

func sameParties(a, b []registry.Party) bool {
	if len(a) != len(b) {
		return false
	}
	for _, p := range a {
		if !slices.Contains(b, p) {
			return false
		}
	}
	return true
}
