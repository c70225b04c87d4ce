package node

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
)

// scripted is a coordinator that does what a test tells it.
type scripted struct {
	tb       testing.TB
	node     *p2ptest.Node
	host     *p2p.Host
	network  string
	approver ed25519.PrivateKey
	hold     time.Duration // how long presignatures are held

	mu       sync.Mutex
	mute     bool // acknowledges nothing
	answers  map[protocol.SID]map[p2p.PeerID]protocol.Answer
	outcomes map[protocol.SID]map[p2p.PeerID]protocol.Outcome
	progress map[protocol.SID][]protocol.Progress
	held     map[protocol.SID]map[p2p.PeerID]protocol.Held
	replies  map[string]protocol.ShareReply // by request id
	offers   map[p2p.PeerID]int             // outcomes received, copies included
	changed  chan struct{}                  // closed at every frame
	over     bool                           // the test is: nothing is acknowledged any more
	acks     sync.WaitGroup                 // on their way
}

func newScripted(tb testing.TB, host *p2p.Host, network string, approver ed25519.PrivateKey) *scripted {
	s := &scripted{
		tb: tb, host: host, network: network, approver: approver, hold: time.Hour, changed: make(chan struct{}),
		answers:  make(map[protocol.SID]map[p2p.PeerID]protocol.Answer),
		outcomes: make(map[protocol.SID]map[p2p.PeerID]protocol.Outcome),
		progress: make(map[protocol.SID][]protocol.Progress),
		held:     make(map[protocol.SID]map[p2p.PeerID]protocol.Held),
		replies:  make(map[string]protocol.ShareReply),
		offers:   make(map[p2p.PeerID]int),
	}
	err := host.Handle(p2p.Channel{Name: protocol.ChannelDispatch, MaxFrame: maxFrame, Roles: []p2p.Role{p2p.RoleParty, p2p.RoleDelegate, p2p.RoleExternal}, Receive: s.receive})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { // who logs after the end of the test makes it panic
		s.mu.Lock()
		s.over = true
		s.mu.Unlock()
		s.acks.Wait()
	})
	return s
}

func (s *scripted) receive(from p2p.PeerID, data []byte) {
	f, err := protocol.DecodeFrame(data)
	if err != nil {
		s.tb.Errorf("a party sent a frame that cannot be read: %v", err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case f.Answer != nil:
		put(s.answers, f.Answer.SID, from, *f.Answer)
	case f.Held != nil:
		put(s.held, f.Held.SID, from, *f.Held)
	case f.ShareReply != nil:
		s.replies[f.ShareReply.ID] = *f.ShareReply
	case f.Progress != nil:
		s.progress[f.Progress.SID] = append(s.progress[f.Progress.SID], *f.Progress)
	case f.Outcome != nil:
		s.offers[from]++
		put(s.outcomes, f.Outcome.SID, from, *f.Outcome)
		if !s.mute && !s.over && f.Outcome.Record != nil {
			s.acks.Go(func() { s.send(from, protocol.Frame{Ack: &protocol.Ack{SID: f.Outcome.SID}}) })
		}
	}
	close(s.changed)
	s.changed = make(chan struct{})
}

func put[V any](m map[protocol.SID]map[p2p.PeerID]V, sid protocol.SID, from p2p.PeerID, v V) {
	if m[sid] == nil {
		m[sid] = make(map[p2p.PeerID]V)
	}
	m[sid][from] = v
}

func (s *scripted) send(to p2p.PeerID, f protocol.Frame) {
	data, err := protocol.Marshal(f)
	if err != nil {
		s.tb.Errorf("frame: %v", err)
		return
	}
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	err = s.try(to, data)
	for until := time.Now().Add(time.Minute); err != nil && s.patient() && time.Now().Before(until); err = s.try(to, data) {
		<-again.C
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil && !s.over {
		s.tb.Logf("send to %s: %v", to, err)
	}
}

// patient tells whether what could not be sent is sent again: over sockets a busy machine may
// need longer than any one try, and a simulated network loses what a test wants it to lose.
func (s *scripted) patient() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.over && s.node != nil && s.node.Config.Simulated == nil
}

func (s *scripted) try(to p2p.PeerID, data []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return s.host.Send(ctx, to, protocol.ChannelDispatch, data)
}

// await waits until ok holds; it is called with the lock held.
func (s *scripted) await(what string, limit time.Duration, ok func() bool) {
	s.tb.Helper()
	timeout := time.NewTimer(limit)
	defer timeout.Stop()
	for {
		s.mu.Lock()
		done, changed := ok(), s.changed
		s.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-timeout.C:
			s.tb.Fatalf("waited %v for %s", limit, what)
		}
	}
}

// propose sends a spec to its roster.
func (s *scripted) propose(spec *protocol.Spec) protocol.SID { return s.proposeWith(spec, "") }

// proposeWith is propose with the user's share for the delegate.
func (s *scripted) proposeWith(spec *protocol.Spec, userShare string) protocol.SID {
	for _, m := range spec.Roster {
		p := protocol.Propose{Spec: *spec}
		if m.Role == protocol.Delegate {
			p.UserShare = userShare
		}
		s.send(m.Peer, protocol.Frame{Propose: &p})
	}
	return spec.SID()
}

// run proposes a session and returns its outcomes.
func (s *scripted) run(spec *protocol.Spec) map[p2p.PeerID]protocol.Outcome {
	s.tb.Helper()
	s.propose(spec)
	return s.result(spec)
}

// result waits until every member has told its outcome.
func (s *scripted) result(spec *protocol.Spec) map[p2p.PeerID]protocol.Outcome {
	s.tb.Helper()
	sid := spec.SID()
	s.await("the outcomes of "+string(spec.Kind), 6*time.Minute, func() bool { return len(s.outcomes[sid]) == len(spec.Roster) })
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.outcomes[sid])
}

// mutely says whether outcomes stay unacknowledged from now on.
func (s *scripted) mutely(mute bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mute = mute
}

// offered counts the outcomes a party has sent, copies included.
func (s *scripted) offered(by p2p.PeerID) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.offers[by]
}

// awaitRounds waits until the rounds of a session have begun somewhere.
func (s *scripted) awaitRounds(sid protocol.SID) {
	s.tb.Helper()
	s.await("the rounds", time.Minute, func() bool {
		return slices.ContainsFunc(s.progress[sid], func(p protocol.Progress) bool { return p.Phase == protocol.PhaseRounds })
	})
}

// awaitFailure waits until a party reports that its attempt failed.
func (s *scripted) awaitFailure(sid protocol.SID, by p2p.PeerID) protocol.Failure {
	s.tb.Helper()
	s.await("a failure of "+by, 5*time.Minute, func() bool { return s.outcomes[sid][by].Failure != nil })
	s.mu.Lock()
	defer s.mu.Unlock()
	return *s.outcomes[sid][by].Failure
}

// answersTo tells how many parties have accepted a session so far.
func (s *scripted) answersTo(sid protocol.SID) (accepted int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.answers[sid] {
		if a.Code == "" {
			accepted++
		}
	}
	return accepted
}

// answer proposes a session to one party and returns its answer.
func (s *scripted) answer(to p2p.PeerID, spec *protocol.Spec) protocol.Answer {
	s.tb.Helper()
	return s.answerWith(to, protocol.Propose{Spec: *spec})
}

func (s *scripted) answerWith(to p2p.PeerID, p protocol.Propose) protocol.Answer {
	s.tb.Helper()
	sid := p.Spec.SID()
	s.forget(sid, to) // or what it said the last time would be taken for the answer
	s.send(to, protocol.Frame{Propose: &p})
	s.await("an answer", 3*time.Minute, func() bool { _, ok := s.answers[sid][to]; return ok })
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.answers[sid][to]
}

func (s *scripted) approvers() protocol.Approvers {
	spki, err := protocol.ApproverKey(s.approver.Public())
	if err != nil {
		s.tb.Fatal(err)
	}
	return protocol.Approvers{M: 1, Keys: [][]byte{spki}}
}

// keygen returns the spec of a new key.
func (s *scripted) keygen(scheme protocol.Scheme, t int, peers []p2p.PeerID) *protocol.Spec {
	id := newID(s.tb)
	return &protocol.Spec{
		Version: protocol.SpecVersion, Network: s.network, Kind: protocol.KindKeygen, Session: id, Attempt: 1,
		Account: newID(s.tb), Key: id, Scheme: scheme, Threshold: t, Roster: members(peers),
		Expires: time.Now().Add(5 * time.Minute).Unix(), Approvers: s.approvers(), Coordinator: s.host.ID(), Owner: "user-1",
	}
}

// sign returns the authorised spec of a signing with some members of a key.
func (s *scripted) sign(key *protocol.Spec, payload []byte, peers []p2p.PeerID) *protocol.Spec {
	spec := *key
	spec.Kind, spec.Session, spec.Payload, spec.Recipient = protocol.KindSign, newID(s.tb), payload, nil
	spec.Roster = membersOf(key, peers)
	spec.Expires = time.Now().Add(s.life()).Unix()
	s.authorise(&spec)
	return &spec
}

// life is how long a signing or presigning may take. Over sockets the machine's own time passes,
// and a busy one takes ten times as long, with the race detector ten times that.
func (s *scripted) life() time.Duration {
	if s.node == nil || s.node.Config.Simulated != nil {
		return time.Minute
	}
	return 150 * time.Second
}

func (s *scripted) authorise(spec *protocol.Spec) {
	token, err := protocol.SignApproval(s.approver, protocol.ApprovalFor(spec, time.Now(), 2*time.Minute))
	if err != nil {
		s.tb.Fatal(err)
	}
	spec.Authorisation = []string{token}
}

// membersOf are members of a key in their roles, in the order of peers.
func membersOf(key *protocol.Spec, peers []p2p.PeerID) []protocol.Member {
	roster := members(peers)
	for i, m := range roster {
		if role := roleIn(key, m.Peer); role != "" {
			roster[i].Role = role
		}
	}
	return roster
}

func members(peers []p2p.PeerID) []protocol.Member {
	roster := make([]protocol.Member, len(peers))
	for i, p := range peers {
		roster[i] = protocol.Member{Peer: p, Role: protocol.Persistent}
	}
	return roster
}

func newID(tb testing.TB) string {
	id, err := uuid.NewV7()
	if err != nil {
		tb.Fatal(err)
	}
	return id.String()
}

// certificate returns the certificate that all outcomes carry, byte for byte.
func certificate(tb testing.TB, outcomes map[p2p.PeerID]protocol.Outcome) *protocol.Certificate {
	tb.Helper()
	var first []byte
	var cert *protocol.Certificate
	for peer, o := range outcomes {
		if o.Record == nil {
			tb.Fatalf("party %s failed: %+v", peer, o.Failure)
		}
		if err := o.Record.Verify(p2p.Verify); err != nil {
			tb.Fatalf("party %s: %v", peer, err)
		}
		cert = o.Record.Body.Certificate
		data, err := protocol.Marshal(cert)
		if err != nil {
			tb.Fatal(err)
		}
		if first == nil {
			first = data
		}
		if string(first) != string(data) {
			tb.Fatal("two members have different certificates")
		}
	}
	return cert
}

// checkSignatures verifies every outcome of a signing.
func checkSignatures(tb testing.TB, spec *protocol.Spec, cert *protocol.Certificate, outcomes map[p2p.PeerID]protocol.Outcome) {
	tb.Helper()
	for peer, o := range outcomes {
		if o.Record == nil {
			tb.Fatalf("party %s failed: %+v", peer, o.Failure)
		}
		if err := protocol.VerifySignature(spec.Scheme, cert.Body.PublicKey, spec.Payload, o.Record.Body.Signature); err != nil {
			tb.Fatalf("party %s: %v", peer, err)
		}
	}
}

// digest returns a distinct digest with a leading zero byte.
func digest(i int) []byte { return []byte(fmt.Sprintf("\x00digest %024d", i))[:32] }

// reported returns the progress reports of a session.
func (s *scripted) reported(sid protocol.SID) []protocol.Progress {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.progress[sid])
}
