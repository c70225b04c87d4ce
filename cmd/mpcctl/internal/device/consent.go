package device

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"

	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
)

// consent decides what the device takes part in: the session of its invite, as
// the invite describes it, if the user agrees.
type consent struct {
	invite *rest.InviteInfo
	share  *protocol.KeyRecord // signing
	user   User
	self   protocol.PeerID

	asking sync.Mutex // one question at a time
	mu     sync.Mutex // what follows
	stay   stay
	agreed agreement
}

// agreement is what the user has agreed to, beside what the invite says.
type agreement struct {
	fingerprint string
	approvers   [32]byte
}

// stay is the time in the network during which questions come.
type stay struct {
	ctx   context.Context
	no    *refusal
	names func(context.Context, []protocol.PeerID) map[protocol.PeerID]string // what members are called
}

func (c *consent) begin(s stay) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stay = s
}

// errLeft answers a question that was open when the device left.
var errLeft = errors.New("the device left before the question was answered")

// ask is node.Config.Consent. All attempts of a session are about the same thing
// and, with the same roster, have the same fingerprint: who has agreed to one is
// not asked again.
func (c *consent) ask(ctx context.Context, s *protocol.Spec, fingerprint string) error {
	if s.Session != c.invite.SessionID {
		return errors.New("this device has joined another session")
	}
	c.asking.Lock()
	defer c.asking.Unlock()
	c.mu.Lock()
	here, agreed := c.stay, c.agreed
	c.mu.Unlock()
	if err := c.check(s); err != nil {
		here.no.say(err)
		return err
	}
	asked := agreement{fingerprint, s.Approvers.Hash()}
	if agreed == asked {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(here.ctx, cancel)()
	q := c.question(s, fingerprint, here.names(ctx, s.Peers()))
	c.user.Tell(Event{Type: EventQuestion, Question: &q})
	err := c.user.Ask(ctx, q)
	switch {
	case ctx.Err() != nil:
		return errLeft // or the question was void, and nobody wants to know
	case err != nil:
		c.user.Tell(Event{Type: EventAnswer, Detail: err.Error()})
		here.no.say(err)
		return err
	}
	c.user.Tell(Event{Type: EventAnswer, Detail: "accepted"})
	c.mu.Lock()
	c.agreed = asked
	c.mu.Unlock()
	return nil
}

// check compares a proposal with the invite. The node has checked it against
// its own records, and that it names this device.
func (c *consent) check(s *protocol.Spec) error {
	v := c.invite
	switch {
	case s.Account != v.AccountID || s.Key != v.KeygenSessionID:
		return refuted("it is about another account")
	case string(s.Scheme) != v.Scheme || s.Threshold != v.ThresholdT:
		return refuted("it is about a key of scheme %s with threshold %d", s.Scheme, s.Threshold)
	case (s.Kind == protocol.KindSign) != (v.Kind == rest.KindSign):
		return refuted("it is a %s", s.Kind)
	case s.Kind == protocol.KindKeygen && len(s.Roster) != v.ThresholdN:
		return refuted("it has %d members, and %d were announced", len(s.Roster), v.ThresholdN)
	case s.Kind == protocol.KindKeygen:
		return nil
	}
	_, digest, err := inviteDigest(v)
	if err != nil {
		return err
	}
	if string(s.Payload) != string(digest) {
		return refuted("it would sign %x, and the invite showed %x", s.Payload, digest)
	}
	return nil
}

func (c *consent) question(s *protocol.Spec, fingerprint string, names map[protocol.PeerID]string) Question {
	q := Question{
		Kind: string(s.Kind), SessionID: s.Session, Attempt: s.Attempt, Network: s.Network, UserID: s.Owner, AccountID: s.Account,
		Scheme: string(s.Scheme), Threshold: s.Threshold, Fingerprint: fingerprint, Expires: s.Deadline(),
	}
	for _, m := range s.Roster {
		q.Members = append(q.Members, Member{PeerID: m.Peer, Role: string(m.Role), Name: names[m.Peer], Self: m.Peer == c.self})
	}
	if s.Kind == protocol.KindKeygen {
		q.Approvers = fmt.Sprintf("%d of %d", s.Approvers.M, len(s.Approvers.Keys))
		for _, key := range s.Approvers.Keys {
			q.ApproverKeys = append(q.ApproverKeys, protocol.ApproverID(key))
		}
	}
	if s.Kind == protocol.KindSign {
		q.PublicKey = hex.EncodeToString(c.share.PublicKey)
		q.Message, q.Hash, q.Digest = c.invite.Message, c.invite.Hash, hex.EncodeToString(s.Payload)
	}
	return q
}

// Expect returns an answer to questions that agrees to one fingerprint alone,
// whatever its spacing and case are.
func Expect(fingerprint string) func(Question) error {
	return func(q Question) error {
		if plain(q.Fingerprint) != plain(fingerprint) {
			return fmt.Errorf("%w: this session's is %s", ErrFingerprint, q.Fingerprint)
		}
		return nil
	}
}

// plain is a fingerprint without what people put between its groups.
func plain(fingerprint string) string {
	out := make([]rune, 0, len(fingerprint))
	for _, r := range fingerprint {
		switch {
		case r >= 'a' && r <= 'z':
			out = append(out, r-'a'+'A')
		case r == ' ' || r == '-' || r == '.' || r == ':' || r == '_':
		default:
			out = append(out, r)
		}
	}
	return string(out)
}
