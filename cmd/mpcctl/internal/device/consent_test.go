package device

import (
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/coordinator/client"
	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
)

// person is a User that answers as says does, and remembers what was told.
type person struct {
	says func(context.Context, Question) error

	mu    sync.Mutex
	asked []Question
	told  []string
}

func (p *person) Tell(e Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told = append(p.told, e.Type)
}

func (p *person) Ask(ctx context.Context, q Question) error {
	p.mu.Lock()
	p.asked = append(p.asked, q)
	p.mu.Unlock()
	if p.says == nil {
		return nil
	}
	return p.says(ctx, q)
}

func (p *person) count(event string) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.told {
		if e == event {
			n++
		}
	}
	return n
}

// asking is a consent with a person, and why it left.
type asking struct {
	*consent
	person *person
	no     *refusal
}

// left is why the device leaves, nil if it does not.
func (a *asking) left() error { return a.no.why() }

func newAsking(ctx context.Context, invite *rest.InviteInfo, share *protocol.KeyRecord, self protocol.PeerID) *asking {
	a := &asking{person: &person{}, no: newRefusal()}
	a.consent = &consent{invite: invite, share: share, user: a.person, self: self}
	a.begin(stay{ctx, a.no, func(context.Context, []protocol.PeerID) map[protocol.PeerID]string {
		return map[protocol.PeerID]string{self: "mine"}
	}})
	return a
}

// inviteTo is the invite to a spec's session.
func inviteTo(s *protocol.Spec) *rest.InviteInfo {
	v := &rest.InviteInfo{
		SessionID: s.Session, Kind: rest.KindCoManagedKeygen, UserID: s.Owner, AccountID: s.Account, KeygenSessionID: s.Key,
		Scheme: string(s.Scheme), ThresholdT: s.Threshold, ThresholdN: 3, Network: s.Network, Status: "open",
	}
	if s.Kind == protocol.KindSign {
		v.Kind, v.Message, v.Hash, v.Digest = rest.KindSign, hex.EncodeToString(s.Payload), "none", hex.EncodeToString(s.Payload)
	}
	return v
}

func signSpec(key madeKey) *protocol.Spec {
	s := key.records[1].Spec
	s.Kind, s.Session, s.Payload = protocol.KindSign, "signing", []byte("pay bob")
	s.Roster = slices.Clone(s.Roster[:2])
	return &s
}

func TestConsentAsksOnceForARoster(t *testing.T) {
	key := makeKey(t, "session-1", newKey(t), newKey(t), newKey(t))
	spec, self := &key.records[1].Spec, peerOf(key.identities[1])
	a := newAsking(t.Context(), inviteTo(spec), nil, self)
	for range 2 {
		if err := a.ask(t.Context(), spec, protocol.Fingerprint(spec)); err != nil {
			t.Fatal(err)
		}
	}
	if len(a.person.asked) != 1 || a.left() != nil {
		t.Fatalf("asked %d times, left: %v", len(a.person.asked), a.left())
	}
	q := a.person.asked[0]
	if q.Fingerprint != protocol.Fingerprint(spec) || len(q.Members) != 3 || !q.Members[1].Self || q.Members[1].Name != "mine" || q.Members[0].Self || q.Approvers != "1 of 1" {
		t.Errorf("the question is %+v", q)
	}
	other := *spec
	other.Roster = []protocol.Member{spec.Roster[1], spec.Roster[0], spec.Roster[2]}
	if err := a.ask(t.Context(), &other, protocol.Fingerprint(&other)); err != nil || len(a.person.asked) != 2 {
		t.Errorf("another roster: asked %d times, %v", len(a.person.asked), err)
	}
	other.Approvers.M, other.Approvers.Keys = 1, [][]byte{[]byte("another key")}
	if err := a.ask(t.Context(), &other, protocol.Fingerprint(&other)); err != nil || len(a.person.asked) != 3 {
		t.Errorf("other approvers: asked %d times, %v", len(a.person.asked), err)
	}
}

// Whatever the invite did not say is refused without asking, and ends the stay.
func TestConsentRefusesWhatTheInviteDoesNotSay(t *testing.T) {
	key := makeKey(t, "session-1", newKey(t), newKey(t), newKey(t))
	keygen, sign := &key.records[1].Spec, signSpec(key)
	for name, c := range map[string]struct {
		invite *protocol.Spec
		change func(*protocol.Spec)
	}{
		"account":       {keygen, func(s *protocol.Spec) { s.Account = "other" }},
		"key":           {keygen, func(s *protocol.Spec) { s.Key = "other" }},
		"scheme":        {keygen, func(s *protocol.Spec) { s.Scheme = protocol.ECDSA }},
		"threshold":     {keygen, func(s *protocol.Spec) { s.Threshold = 3 }},
		"members":       {keygen, func(s *protocol.Spec) { s.Roster = s.Roster[:2] }},
		"kind":          {keygen, func(s *protocol.Spec) { s.Kind = protocol.KindSign }},
		"payload":       {sign, func(s *protocol.Spec) { s.Payload = []byte("pay eve") }},
		"empty payload": {sign, func(s *protocol.Spec) { s.Payload = nil }},
		"sign's kind":   {sign, func(s *protocol.Spec) { s.Kind = protocol.KindKeygen }},
	} {
		a := newAsking(t.Context(), inviteTo(c.invite), &key.records[1], peerOf(key.identities[1]))
		s := *c.invite
		c.change(&s)
		err := a.ask(t.Context(), &s, protocol.Fingerprint(&s))
		if !errors.Is(err, ErrMismatch) || !errors.Is(a.left(), client.ErrVerification) || len(a.person.asked) != 0 {
			t.Errorf("%s: %v, left: %v, asked %d times", name, err, a.left(), len(a.person.asked))
		}
	}
	a := newAsking(t.Context(), inviteTo(sign), &key.records[1], peerOf(key.identities[1]))
	if err := a.ask(t.Context(), sign, protocol.Fingerprint(sign)); err != nil {
		t.Fatalf("the control: %v", err)
	}
	if q := a.person.asked[0]; q.Digest != hex.EncodeToString(sign.Payload) || q.PublicKey != hex.EncodeToString(key.records[1].PublicKey) {
		t.Errorf("the question is %+v", q)
	}
}

// Somebody else's session is nothing to ask about, and no reason to leave.
func TestConsentIsForOneSession(t *testing.T) {
	key := makeKey(t, "session-1", newKey(t), newKey(t), newKey(t))
	spec := key.records[1].Spec
	a := newAsking(t.Context(), inviteTo(&spec), nil, peerOf(key.identities[1]))
	other := spec
	other.Session = "another"
	if err := a.ask(t.Context(), &other, protocol.Fingerprint(&other)); err == nil || a.left() != nil || len(a.person.asked) != 0 {
		t.Errorf("another session: %v, left: %v, asked %d times", err, a.left(), len(a.person.asked))
	}
}

func TestConsentDeclines(t *testing.T) {
	key := makeKey(t, "session-1", newKey(t), newKey(t), newKey(t))
	spec := &key.records[1].Spec
	a := newAsking(t.Context(), inviteTo(spec), nil, peerOf(key.identities[1]))
	a.person.says = func(context.Context, Question) error { return ErrDeclined }
	if err := a.ask(t.Context(), spec, protocol.Fingerprint(spec)); !errors.Is(err, ErrDeclined) || !errors.Is(a.left(), ErrDeclined) {
		t.Errorf("no: %v, left: %v", err, a.left())
	}
	a = newAsking(t.Context(), inviteTo(spec), nil, peerOf(key.identities[1]))
	a.person.says = func(_ context.Context, q Question) error { return Expect("AAAA AAAA")(q) }
	if err := a.ask(t.Context(), spec, protocol.Fingerprint(spec)); !errors.Is(err, ErrFingerprint) || !errors.Is(a.left(), client.ErrVerification) {
		t.Errorf("another fingerprint: %v, left: %v", err, a.left())
	}
}

// A question that is void, because its attempt ended or the device leaves, is no
// answer.
func TestVoidQuestions(t *testing.T) {
	key := makeKey(t, "session-1", newKey(t), newKey(t), newKey(t))
	spec := &key.records[1].Spec
	for _, which := range []string{"attempt", "stay"} {
		synctest.Test(t, func(t *testing.T) {
			here, leave := context.WithCancel(t.Context())
			defer leave()
			attempt, end := context.WithCancel(t.Context())
			defer end()
			a := newAsking(here, inviteTo(spec), nil, peerOf(key.identities[1]))
			a.person.says = func(ctx context.Context, _ Question) error {
				<-ctx.Done()
				return ctx.Err()
			}
			answered := make(chan error, 1)
			go func() { answered <- a.ask(attempt, spec, protocol.Fingerprint(spec)) }()
			synctest.Wait()
			if which == "stay" {
				leave()
			}
			end()
			if err := <-answered; err == nil || a.left() != nil || a.agreed.fingerprint != "" {
				t.Errorf("the %s ended: %v, left: %v, agreed to %q", which, err, a.left(), a.agreed.fingerprint)
			}
		})
	}
}

func TestExpect(t *testing.T) {
	q := Question{Fingerprint: "MZXW 6YTB OI4T AAAA BBBB CCCC"}
	for text, want := range map[string]bool{
		"MZXW 6YTB OI4T AAAA BBBB CCCC": true, "mzxw-6ytb-oi4t-aaaa-bbbb-cccc": true, "MZXW6YTBOI4TAAAABBBBCCCC": true,
		"MZXW 6YTB OI4T AAAA BBBB CCCD": false, "MZXW": false, "": false,
	} {
		if err := Expect(text)(q); (err == nil) != want {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Who has said no stays until that was heard, or for a while.
func TestANoIsHeard(t *testing.T) {
	for name, c := range map[string]struct {
		after func(*refusal)
		took  time.Duration
	}{
		"heard": {func(r *refusal) {
			r.hear(&rest.Event{Type: "party.refused", Party: &rest.PartyName{PeerID: "me"}}, "me")
		}, 0},
		"another's": {func(r *refusal) {
			r.hear(&rest.Event{Type: "party.refused", Party: &rest.PartyName{PeerID: "x"}}, "me")
		}, declineGrace},
		"never heard": {func(*refusal) {}, declineGrace},
	} {
		synctest.Test(t, func(t *testing.T) {
			r, began := newRefusal(), time.Now()
			r.say(ErrDeclined)
			r.say(errors.New("a later one"))
			c.after(r)
			if err := r.leave(t.Context()); !errors.Is(err, ErrDeclined) || time.Since(began) != c.took {
				t.Errorf("%s: %v after %v", name, err, time.Since(began))
			}
		})
	}
}
