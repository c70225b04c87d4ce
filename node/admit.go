package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/tss"
)

// maxSessionLife bounds how far in the future a session may expire.
const maxSessionLife = 15 * time.Minute

// refusal is an error with the code that the coordinator is told.
type refusal struct {
	code protocol.Code
	err  error
}

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

func refuse(code protocol.Code, format string, args ...any) error {
	return &refusal{code: code, err: fmt.Errorf(format, args...)}
}

// codeOf returns the code of a refusal; anything else is this party's fault.
func codeOf(err error) protocol.Code {
	var r *refusal
	if errors.As(err, &r) {
		return r.code
	}
	return protocol.CodeInternal
}

// admit decides whether this party takes part in a session, by its own
// knowledge alone: what the coordinator says about a key counts for nothing.
func (n *Node) admit(ctx context.Context, s *protocol.Spec) (*key, error) {
	now := time.Now()
	if err := s.Validate(); err != nil {
		return nil, &refusal{code: protocol.CodeInvalid, err: err}
	}
	switch {
	case s.Network != n.cfg.Network:
		return nil, refuse(protocol.CodeInvalid, "the session is for network %q, this party is in %q", s.Network, n.cfg.Network)
	case !now.Before(s.Deadline()):
		return nil, refuse(protocol.CodeExpired, "the session expired at %s; compare the clocks if that is not long ago", s.Deadline().UTC().Format(time.RFC3339))
	case s.Deadline().After(now.Add(maxSessionLife)):
		return nil, refuse(protocol.CodeInvalid, "the session would live longer than %v; compare the clocks", maxSessionLife)
	case roleIn(s, n.cfg.Host.ID()) != protocol.Persistent:
		return nil, refuse(protocol.CodeNotMember, "this party is not in the roster as a persistent member")
	}
	if s.Kind == protocol.KindKeygen {
		return nil, n.admitKeygen(ctx, s)
	}
	return n.admitSign(ctx, s, now)
}

func roleIn(s *protocol.Spec, peer protocol.PeerID) protocol.Role {
	for _, m := range s.Roster {
		if m.Peer == peer {
			return m.Role
		}
	}
	return ""
}

// admitKeygen checks a keygen. An admitted coordinator may start one; it may
// not make the same key twice.
func (n *Node) admitKeygen(ctx context.Context, s *protocol.Spec) error {
	if s.Approvers.M < 1 || s.Approvers.M > len(s.Approvers.Keys) {
		return refuse(protocol.CodeInvalid, "the key would have no approvers that can be satisfied")
	}
	switch _, err := n.keys.load(ctx, s.Key, s.Epoch); {
	case err == nil:
		return refuse(protocol.CodeReplay, "this party already holds a share of the key")
	case !errors.Is(err, errNoKey):
		return refuse(protocol.CodeStorage, "%w", err)
	}
	return n.accept(ctx, s, s.Deadline().Add(maxSessionLife))
}

// admitSign checks a signing against the key's own record.
func (n *Node) admitSign(ctx context.Context, s *protocol.Spec, now time.Time) (*key, error) {
	k, err := n.keys.load(ctx, s.Key, s.Epoch)
	if errors.Is(err, errNoKey) {
		return nil, &refusal{code: protocol.CodeUnknownKey, err: err}
	}
	if err != nil {
		return nil, refuse(protocol.CodeStorage, "%w", err)
	}
	if err := matchKey(s, &k.record.Spec); err != nil {
		return nil, &refusal{code: protocol.CodeInvalid, err: err}
	}
	until, err := protocol.Authorise(s, k.record.Spec.Approvers, now)
	if err != nil {
		return nil, &refusal{code: protocol.CodeUnauthorised, err: err}
	}
	return k, n.accept(ctx, s, until)
}

// matchKey checks that a signing is for the key as this party knows it.
func matchKey(s, key *protocol.Spec) error {
	switch {
	case s.Account != key.Account, s.Scheme != key.Scheme, s.Threshold != key.Threshold, s.Owner != key.Owner:
		return errors.New("account, owner, scheme or threshold are not the key's")
	case s.Approvers.Hash() != key.Approvers.Hash():
		return errors.New("the approvers are not the key's")
	}
	next := 0 // signers must be members of the key, in the key's order
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
func (n *Node) accept(ctx context.Context, s *protocol.Spec, until time.Time) error {
	err := n.remember(ctx, s, until)
	switch {
	case errors.Is(err, errReplay):
		return &refusal{code: protocol.CodeReplay, err: err}
	case err != nil:
		return refuse(protocol.CodeStorage, "the request could not be recorded: %w", err)
	}
	return nil
}

// connect reaches every other member and checks that it is admitted as a party.
func (n *Node) connect(ctx context.Context, others []protocol.PeerID) error {
	errs := make(chan error, len(others))
	for _, peer := range others {
		go func() { errs <- n.connectOne(ctx, peer) }()
	}
	var first error
	for range others {
		if err := <-errs; err != nil && first == nil {
			first = err
		}
	}
	return first
}

func (n *Node) connectOne(ctx context.Context, peer protocol.PeerID) error {
	if err := n.cfg.Host.Connect(ctx, peer); err != nil {
		return refuse(protocol.CodeUnreachable, "member %s cannot be reached: %w", peer, err)
	}
	if m, ok := n.cfg.Host.Member(peer); !ok || m.Role != p2p.RoleParty {
		return refuse(protocol.CodeNotMember, "member %s is not admitted to the network as a party", peer)
	}
	return nil
}

// machine builds the ceremony for a session.
func (n *Node) machine(ctx context.Context, s *protocol.Spec, k *key) (protocol.Machine, error) {
	if s.Kind == protocol.KindSign {
		return tss.NewSign(tss.SignConfig{SID: s.SID(), Roster: s.Roster, Self: n.cfg.Host.ID(), Share: k.share, Payload: s.Payload})
	}
	cfg := tss.KeygenConfig{SID: s.SID(), Scheme: s.Scheme, Threshold: s.Threshold, Roster: s.Roster, Self: n.cfg.Host.ID()}
	if s.Scheme == protocol.ECDSA {
		set, err := n.pool.take(ctx)
		if err != nil {
			return nil, err
		}
		cfg.PreParams = set
	}
	return tss.NewKeygen(cfg)
}
