package node

import (
	"context"
	"errors"
	"time"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/tss"
)

// maxSessionLife bounds how far in the future a session may expire.
const maxSessionLife = 15 * time.Minute

// proposal is a spec with what only this party was given along with it.
type proposal struct {
	spec      *protocol.Spec
	userShare string // for the delegate of a signing
}

// admission is what an accepted session may use, and how long its request must
// be remembered.
type admission struct {
	key   *key             // signing and presigning
	bound protocol.Machine // of a signing that uses a presignature up
	until time.Time

	request *writing // how it is remembered
}

// admit decides whether this party takes part in a session, by its own
// knowledge alone: what the coordinator says about a key counts for nothing. A
// user's device asks its user last, and checks again after the answer, which may
// have taken minutes.
func (n *Node) admit(ctx context.Context, p proposal) (admission, error) {
	a, err := n.inspect(ctx, p)
	if err != nil {
		return admission{}, err
	}
	if n.cfg.Consent != nil && p.spec.Kind != protocol.KindPresign {
		if err := n.askUser(ctx, p.spec); err != nil {
			return admission{}, err
		}
		if a, err = n.inspect(ctx, p); err != nil {
			return admission{}, err
		}
	}
	if a.request, err = n.accept(ctx, p.spec, a.until); err != nil {
		return admission{}, err
	}
	if len(p.spec.Presign) != 0 {
		if a.bound, err = n.bindPresign(p.spec, a.key); err != nil {
			return admission{}, err
		}
	}
	return a, nil
}

// inspect checks a proposal; it changes nothing, but that a pending share of an
// earlier attempt at a key may be completed or dropped.
func (n *Node) inspect(ctx context.Context, p proposal) (admission, error) {
	s, now := p.spec, time.Now()
	if err := s.Validate(); err != nil {
		return admission{}, &refusal{code: protocol.CodeInvalid, err: err}
	}
	role := roleIn(s, n.cfg.Host.ID())
	switch {
	case s.Network != n.cfg.Network:
		return admission{}, refuse(protocol.CodeInvalid, "the session is for network %q, this party is in %q", s.Network, n.cfg.Network)
	case !now.Before(s.Deadline()):
		return admission{}, refuse(protocol.CodeExpired, "the session expired at %s; compare the clocks if that is not long ago", s.Deadline().UTC().Format(time.RFC3339))
	case s.Deadline().After(now.Add(maxSessionLife)):
		return admission{}, refuse(protocol.CodeInvalid, "the session would live longer than %v; compare the clocks", maxSessionLife)
	case role == "":
		return admission{}, refuse(protocol.CodeNotMember, "this party is not in the roster")
	case !n.takesPartAs(role):
		return admission{}, refuse(protocol.CodeNotMember, "this party is in the roster as %s, which it is not", role)
	}
	switch s.Kind {
	case protocol.KindKeygen:
		return admission{until: s.Deadline().Add(maxSessionLife)}, n.inspectKeygen(ctx, s)
	case protocol.KindPresign:
		return n.inspectPresign(ctx, p, role)
	default:
		return n.inspectSign(ctx, p, role)
	}
}

func roleIn(s *protocol.Spec, peer protocol.PeerID) protocol.Role {
	for _, m := range s.Roster {
		if m.Peer == peer {
			return m.Role
		}
	}
	return ""
}

// takesPartAs tells whether this node is ever a member of a role.
func (n *Node) takesPartAs(role protocol.Role) bool {
	return mayBe(n.cfg.Host.Self().Role, role)
}

// inspectKeygen checks a keygen. An admitted coordinator may start one; it may
// not make the same key twice. An attempt that fails in its rounds leaves no share. One
// that was interrupted later leaves a pending share, whose certificate this party has
// signed: then another attempt may begin only when it is certain that there will never
// be a key of the earlier one.
func (n *Node) inspectKeygen(ctx context.Context, s *protocol.Spec) error {
	gone, err := n.cfg.Store.Erased(ctx, s.Key, s.Epoch)
	if err != nil {
		return refuse(protocol.CodeStorage, "%w", err)
	}
	if gone {
		return refuse(protocol.CodeReplay, "this party held a share of the key and has erased it")
	}
	switch _, state, err := n.made(ctx, s.Key, s.Epoch); {
	case errors.Is(err, errNoKey):
		return nil
	case err != nil:
		return refuse(protocol.CodeStorage, "%w", err)
	case state == keystore.StateActive:
		n.outcomes.again(s.SID()) // a copy: its coordinator was started anew, and may have lost the end
		return &refusal{code: protocol.CodeReplay, err: errHaveKey}
	}
	return n.resolveEarlier(ctx, s)
}

// inspectSign checks a signing against the key's own record, and its roster against
// what this party remembers of the members.
func (n *Node) inspectSign(ctx context.Context, p proposal, role protocol.Role) (admission, error) {
	k, err := n.keyFor(ctx, p, role)
	if err != nil {
		return admission{}, err
	}
	if err := matchKey(p.spec, &k.record.Spec); err != nil {
		return admission{}, &refusal{code: protocol.CodeInvalid, err: err}
	}
	until, err := protocol.Authorise(p.spec, k.record.Spec.Approvers, time.Now())
	if err != nil {
		return admission{}, &refusal{code: protocol.CodeUnauthorised, err: err}
	}
	if err := n.checkQuarantine(ctx, p.spec, &k.record.Spec); err != nil {
		return admission{}, err
	}
	if len(p.spec.Presign) != 0 { // before anything is remembered of the request
		if err := n.presigns.check(p.spec, k.record.Spec.SID(), time.Now()); err != nil {
			return admission{}, n.usedUp(ctx, p.spec, err)
		}
	}
	return admission{key: k, until: until}, nil
}

// usedUp says of a signing without its presignature whether it has used that up itself.
func (n *Node) usedUp(ctx context.Context, s *protocol.Spec, missing error) error {
	content, err := contentOf(s)
	if err != nil {
		return missing
	}
	if _, err := n.replayed(ctx, s, content); errors.Is(err, errAccepted) {
		return n.refuseReplay(ctx, s, err)
	}
	return missing
}

// keyFor returns the share that this party signs with: its own, or for a user
// the one that came with the proposal.
func (n *Node) keyFor(ctx context.Context, p proposal, role protocol.Role) (*key, error) {
	if role == protocol.Delegate {
		return n.openUserShare(p)
	}
	k, err := n.keys.load(ctx, p.spec.Key, p.spec.Epoch)
	switch {
	case errors.Is(err, errNoKey):
		return nil, &refusal{code: protocol.CodeUnknownKey, err: err}
	case err != nil:
		return nil, refuse(protocol.CodeStorage, "%w", err)
	}
	return k, nil
}

// matchKey checks that a signing is for the key as this party knows it.
func matchKey(s, key *protocol.Spec) error {
	switch {
	case s.Network != key.Network, s.Key != key.Key, s.Epoch != key.Epoch:
		return errors.New("network, key or epoch are not those of the share")
	case s.Account != key.Account, s.Scheme != key.Scheme, s.Threshold != key.Threshold, s.Owner != key.Owner:
		return errors.New("account, owner, scheme or threshold are not the key's")
	case s.Approvers.Hash() != key.Approvers.Hash():
		return errors.New("the approvers are not the key's")
	}
	next := 0 // signers must be members of the key, in the key's order and roles
	for _, m := range key.Roster {
		if next < len(s.Roster) && s.Roster[next] == m {
			next++
		}
	}
	if next != len(s.Roster) {
		return errors.New("the signers are not members of the key, in the key's order")
	}
	return nil
}

// accept remembers the request, so that it cannot be replayed.
func (n *Node) accept(ctx context.Context, s *protocol.Spec, until time.Time) (*writing, error) {
	w, err := n.remember(ctx, s, until)
	if err != nil {
		return nil, n.refuseReplay(ctx, s, err)
	}
	return w, nil
}

// machine builds the ceremony for a session.
func (c *ceremony) machine(ctx context.Context, a admission) (protocol.Machine, error) {
	n, s := c.node, c.spec
	switch {
	case a.bound != nil:
		return a.bound, nil
	case s.Kind == protocol.KindPresign:
		return c.newPresign(a.key)
	case s.Kind == protocol.KindSign:
		return tss.NewSign(tss.SignConfig{SID: c.sid, Roster: s.Roster, Self: n.cfg.Host.ID(), Share: a.key.share, Payload: s.Payload})
	}
	cfg := tss.KeygenConfig{SID: c.sid, Scheme: s.Scheme, Threshold: s.Threshold, Roster: s.Roster, Self: n.cfg.Host.ID(), Cores: n.cfg.Cores}
	if s.Scheme == protocol.ECDSA {
		set, err := n.pool.take(ctx, c.order)
		if err != nil {
			return nil, err
		}
		cfg.PreParams = set
	}
	return tss.NewKeygen(cfg)
}
