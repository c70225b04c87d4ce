package coordinator

import (
	"crypto/ecdh"
	"slices"
	"sync"
	"time"

	"github.com/meshmpc/mpcd/protocol"
)

// script says how a party misbehaves; the zero value is a good party.
type script struct {
	dead        bool                               // nothing comes back
	silent      bool                               // no heartbeats, all else works
	refuse      protocol.Code                      // every proposal
	refuses     func(*protocol.Spec) protocol.Code // the same for some of them; empty: it does not. Nil: none
	fail        *protocol.Failure
	blame       func(*protocol.Spec) *protocol.Failure // gives up; the other members do so, too, and blame nobody. Nil: it does not
	quits       func(*protocol.Spec) *protocol.Failure // gives up, and the other members say so; what it says itself, nil: nothing
	waits       func(*protocol.Spec) []protocol.PeerID // for messages of these members; it does not finish
	outside     bool                                   // waits before the rounds, for who has not joined the topic
	late        time.Duration                          // so long the other members' word comes before its own
	avoid       []protocol.PeerID                      // refuses rosters with them: they are in quarantine
	saves       bool                                   // tells that it saves its share; then it acts on the rest
	far         bool                                   // tells that it is in the last round
	dieInRounds bool                                   // after it has accepted
	mute        bool                                   // accepts, and then says nothing more
	wordless    bool                                   // says nothing of a signing before its outcome
	wrong       bool                                   // delivers a result that does not verify
	otherKey    bool                                   // keygen: a certificate for another key
	hold        bool                                   // keeps its outcomes until released
	stalls      bool                                   // accepts signings, and then takes no part in them: nobody finishes

	presign  protocol.Code // refuses every presigning
	room     int           // presignatures that it holds at most, and refuses more; 0: any number
	noHold   bool          // accepts presignings, and never holds what they make
	holdsFor time.Duration // so long it holds what they make; 0: as long as it is asked to

	deaf      bool          // it answers no pings
	shareCode protocol.Code // delegates: refuse to give shares out, or to erase them
	shareMute bool          // delegates: do not answer about shares
}

// party is a scripted party.
type party struct {
	net *fakeNet
	identity
	name     string
	delegate bool // it is for users alone
	external bool // a user's device: no heartbeats, no membership
	seal     *ecdh.PrivateKey
	sealKey  []byte // its statement about seal

	mu       sync.Mutex
	script   script
	boot     uint64
	seq      uint64
	busy     int // sessions, as its heartbeats say
	pending  map[protocol.SID]*delivery
	acked    int
	draining bool
	stopped  map[protocol.SID]bool // attempts that it was told to end
	shares   map[string]*fakeShare // users' shares, by key id

	presigned fakeHeld
	bound     map[protocol.SID]bool // signings that have used a presignature
}

// delivery is an outcome that is sent until it is acknowledged.
type delivery struct {
	frame protocol.Frame
	acked chan struct{}
}

const redeliver = 50 * time.Millisecond

func (p *party) set(s script) {
	p.mu.Lock()
	p.script = s
	held := !s.hold && !s.dead
	var pending []*delivery
	for _, d := range p.pending {
		pending = append(pending, d)
	}
	p.mu.Unlock()
	if held {
		for _, d := range pending {
			p.net.deliver(p.ID(), d.frame)
		}
	}
}

func (p *party) now() script {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.script
}

func (p *party) isDead() bool { return p.now().dead }

// beat returns the next heartbeat, nil while the party gives none.
func (p *party) beat() *protocol.Heartbeat {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.script.dead || p.script.silent {
		return nil
	}
	p.seq++
	return &protocol.Heartbeat{
		Version: protocol.HeartbeatVersion, Network: testNetwork, Peer: p.ID(), Boot: p.boot, Seq: p.seq, Time: time.Now().UnixMilli(),
		Software: "test", Stock: 3, Held: len(p.presigned.held), Sessions: p.busy, Draining: p.draining, SealKey: p.sealKey,
	}
}

// heartbeat returns the next heartbeat as it goes over the network, nil while there is none.
func (p *party) heartbeat() []byte {
	h := p.beat()
	if h == nil {
		return nil
	}
	data, err := protocol.SealHeartbeat(p.identity, *h)
	if err != nil {
		p.net.t.Errorf("heartbeat: %v", err)
	}
	return data
}

// handle acts on a frame of the coordinator by the script that was set when it
// came: what is handled late must not meet the script of the next step.
func (p *party) handle(f *protocol.Frame, act script) {
	switch {
	case f.Propose != nil:
		p.propose(f.Propose, act)
	case f.ShareRequest != nil:
		p.shareRequest(f.ShareRequest, act)
	case f.Cancel != nil:
		p.mu.Lock()
		p.stopped[f.Cancel.SID] = true
		p.mu.Unlock()
		p.forget(&f.Cancel.SID)
	case f.Forget != nil:
		p.forget(nil)
	case f.Ack != nil:
		p.mu.Lock()
		if d := p.pending[f.Ack.SID]; d != nil {
			p.acked++
			close(d.acked)
			delete(p.pending, f.Ack.SID)
		}
		p.mu.Unlock()
	}
}

func (p *party) propose(f *protocol.Propose, act script) {
	s, sid := &f.Spec, f.Spec.SID()
	answer := protocol.Answer{SID: sid, Code: act.refuse}
	if act.refuses != nil {
		answer.Code = act.refuses(s)
	}
	if err := s.Validate(); err != nil {
		answer.Code, answer.Detail = protocol.CodeInvalid, err.Error()
		p.net.t.Errorf("the coordinator proposed an invalid spec: %v", err)
	}
	if s.Kind == protocol.KindPresign {
		p.presign(s, act)
		return
	}
	if s.Kind == protocol.KindSign {
		if answer.Code == "" {
			answer.Code = p.bind(s)
		}
		if _, err := protocol.Authorise(s, p.net.approvers(s), time.Now()); err != nil {
			answer.Code, answer.Detail = protocol.CodeUnauthorised, err.Error()
		}
		if code := p.checkUserShare(f); code != "" {
			answer.Code, answer.Detail = code, "the user's share that came does not do"
		}
	}
	for _, peer := range act.avoid {
		if slices.Contains(s.Peers(), peer) && peer != p.ID() {
			answer.Code, answer.Peers = protocol.CodeQuarantined, append(answer.Peers, peer)
		}
	}
	if answer.Code != "" && answer.Detail == "" {
		answer.Detail = "scripted"
	}
	now := protocol.Progress{SID: sid, Phase: protocol.PhaseRounds, Round: 1, Rounds: 9}
	if act.outside {
		now.Phase, now.Round = protocol.PhaseAccepted, 0
	}
	if wordless := act.wordless && s.Kind == protocol.KindSign && answer.Code == ""; !wordless {
		p.net.deliver(p.ID(), protocol.Frame{Answer: &answer})
		if answer.Code != "" {
			return
		}
		p.net.deliver(p.ID(), protocol.Frame{Progress: &now})
	}
	if act.far {
		p.net.deliver(p.ID(), protocol.Frame{Progress: &protocol.Progress{SID: sid, Phase: protocol.PhaseRounds, Round: 9, Rounds: 9}})
	}
	if act.saves {
		p.net.deliver(p.ID(), protocol.Frame{Progress: &protocol.Progress{SID: sid, Phase: protocol.PhaseConfirm, Rounds: 9}})
	}
	if act.waits != nil {
		if missing := act.waits(s); len(missing) > 0 {
			waiting := now
			waiting.Missing = missing
			p.net.deliver(p.ID(), protocol.Frame{Progress: &waiting})
			return
		}
	}
	if act.dieInRounds {
		p.set(script{dead: true})
		return
	}
	if act.stalls && s.Kind == protocol.KindSign {
		return
	}
	for _, ready := range p.net.join(s, p.ID(), act) {
		p.net.spawn(func() { ready.finish(s) })
	}
}

// finish delivers the party's outcome.
func (p *party) finish(s *protocol.Spec) {
	act := p.net.actOf(s, p.ID())
	if act.mute || p.isDead() {
		return
	}
	if act.late > 0 && p.net.isSpoiled(s) {
		select {
		case <-time.After(act.late):
		case <-p.net.down:
		}
	}
	out := protocol.Outcome{SID: s.SID(), Failure: act.fail}
	switch quitter := p.net.quitter(s); {
	case act.blame != nil:
		out.Failure = act.blame(s)
	case act.quits != nil:
		if out.Failure = act.quits(s); out.Failure == nil {
			return
		}
	case quitter != "":
		out.Failure = &protocol.Failure{Code: protocol.CodeProtocol, GaveUp: quitter, Detail: "another member gave up"}
	case p.net.isSpoiled(s):
		out.Failure = &protocol.Failure{Code: protocol.CodeProtocol, Reason: protocol.ReasonUnattributed, Detail: "another member gave up"}
	}
	if out.Failure == nil {
		out.Record = p.record(s, act)
	}
	d := &delivery{frame: protocol.Frame{Outcome: &out}, acked: make(chan struct{})}
	p.mu.Lock()
	p.pending[out.SID] = d
	p.mu.Unlock()
	tick := time.NewTicker(redeliver)
	defer tick.Stop()
	for {
		if now := p.now(); !now.hold && !now.dead {
			p.net.deliver(p.ID(), d.frame)
		}
		select {
		case <-d.acked:
			return
		case <-p.net.down:
			return
		case <-tick.C:
		}
	}
}

// isSpoiled reports whether a member gives up, and the others because of it.
func (n *fakeNet) isSpoiled(s *protocol.Spec) bool {
	return slices.ContainsFunc(s.Peers(), func(peer protocol.PeerID) bool {
		blame := n.actOf(s, peer).blame
		return blame != nil && blame(s) != nil
	})
}

// quitter returns a member that gives up, if there is one.
func (n *fakeNet) quitter(s *protocol.Spec) protocol.PeerID {
	for _, peer := range s.Peers() {
		if n.actOf(s, peer).quits != nil {
			return peer
		}
	}
	return ""
}

func (p *party) record(s *protocol.Spec, act script) *protocol.Record {
	body := protocol.RecordBody{Spec: *s}
	if s.Kind == protocol.KindKeygen {
		p.net.remember(s)
		p.keepShare(s)
		keyID := s.Key
		if act.otherKey {
			keyID += "x"
		}
		body.Certificate = p.net.certificate(s, p.net.publicKey(s.Scheme, keyID))
	} else {
		body.Signature, body.Recovery = p.net.sign(s)
		if act.wrong {
			body.Signature[40] ^= 1
		}
	}
	rec := protocol.SignRecord(p.identity, body)
	if act.wrong && s.Kind == protocol.KindKeygen {
		rec.Signature[5] ^= 1
	}
	return rec
}

// wasStopped counts the attempts that the party was told to end.
func (p *party) wasStopped() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.stopped)
}

func (p *party) waiting() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.pending)
}
