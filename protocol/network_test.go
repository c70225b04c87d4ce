package protocol

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"
)

// player is a party of the scripted network with what its caller would keep.
type player struct {
	*identity
	session *Session
	machine *toy
	held    bool
	pending *KeyRecord // the disk
	active  *KeyRecord
	done    *RecordBody
	err     error
	dropped []string
}

func (p *player) ended() bool { return p.held || p.done != nil || p.err != nil }

// packet is one delivery. Without data it is the moment at which the receiver
// has seen everyone on the topic.
type packet struct {
	to     int
	data   []byte
	direct bool
}

// network runs the parties of a spec on one goroutine. It obeys the duties of
// the package comment and checks that the session keeps its promises.
type network struct {
	tb      testing.TB
	spec    *Spec
	players []*player
	queue   []packet
	random  *rand.Rand // nil: first in, first out
	drop    float64    // probability that a delivery is lost
	twice   float64    // probability that it comes again later
	known   map[string]bool
	script  func(packet) []packet // what becomes of a delivery; nil: it arrives
	aborts  bool                  // whoever fails tells the others
	pulls   int                   // how often one asks before one gives up; 0: until everyone has ended
}

func newNetwork(tb testing.TB, spec *Spec) *network {
	tb.Helper()
	n := &network{tb: tb, spec: spec, known: make(map[string]bool)}
	var presigned *network
	if len(spec.Presign) > 0 {
		presigned = newNetwork(tb, presignOf(spec))
		presigned.run()
		presigned.agreed()
	}
	for i := range spec.Roster {
		p := &player{identity: parties[i], machine: newToy(spec, parties[i].id)}
		cfg := SessionConfig{Spec: spec, Signer: p.identity, Verify: n.verify, Machine: p.machine}
		switch {
		case presigned != nil:
			p.machine = presignToy{presigned.players[i].machine}.bind()
			cfg.Machine = p.machine
		case spec.Kind == KindPresign:
			cfg.Machine = presignToy{p.machine}
		}
		if spec.Kind == KindKeygen {
			cfg.Contribution = contribution(i)
		}
		var err error
		p.session, err = NewSession(cfg)
		noError(tb, err)
		n.players = append(n.players, p)
		n.queue = append(n.queue, packet{to: i})
	}
	return n
}

// verify remembers its answers: all parties of the network check the same bytes.
func (n *network) verify(peer PeerID, data, sig []byte) bool {
	key := peer + string(data) + string(sig)
	ok, found := n.known[key]
	if !found {
		ok = verify(peer, data, sig)
		n.known[key] = ok
	}
	return ok
}

// run delivers until everyone has ended, or until nothing moves any more.
func (n *network) run() {
	n.tb.Helper()
	for pulls := 0; len(n.queue) > 0; pulls++ {
		switch {
		case n.pulls > 0 && pulls > n.pulls:
			return
		case pulls > 1000:
			n.tb.Fatal("pulls are answered but nothing moves")
		}
		for len(n.queue) > 0 {
			n.deliver(n.pick())
		}
		n.pull()
	}
}

// pick takes the next packet and may leave a copy for later.
func (n *network) pick() packet {
	i := 0
	if n.random != nil {
		i = n.random.IntN(len(n.queue))
	}
	p := n.queue[i]
	if n.random == nil || p.data == nil || n.random.Float64() >= n.twice {
		n.queue = append(n.queue[:i], n.queue[i+1:]...)
	}
	return p
}

func (n *network) deliver(p packet) {
	if n.script == nil || p.data == nil {
		n.hand(p)
		return
	}
	for _, q := range n.script(p) {
		n.hand(q)
	}
}

func (n *network) hand(p packet) {
	to := n.players[p.to]
	if p.data == nil {
		out, err := to.session.Ready()
		n.perform(to, out, err)
		return
	}
	if to.err != nil {
		return // the caller has let go of the session
	}
	out, err := to.session.Deliver(bytes.Clone(p.data), p.direct)
	if out.Dropped != "" {
		to.dropped = append(to.dropped, out.Dropped)
	}
	n.perform(to, out, err)
}

// perform does what a session asks for, in the order of its contract.
func (n *network) perform(p *player, out Output, err error) {
	n.tb.Helper()
	for {
		n.save(p, out.Save)
		for _, data := range out.Broadcast {
			n.checkSent(p, data, "")
			for i, other := range n.players {
				if other != p {
					n.send(packet{to: i, data: data})
				}
			}
		}
		for _, d := range out.Direct {
			n.checkSent(p, d.Envelope, d.To)
			n.send(packet{to: n.index(d.To), data: d.Envelope, direct: true})
		}
		if err != nil {
			p.err = err
			n.abort(p)
			return
		}
		if out.Done != nil {
			n.finish(p, out.Done)
		}
		if out.Held {
			n.hold(p)
		}
		if out.Save == nil {
			return
		}
		out, err = p.session.Resume()
	}
}

// abort is how a caller ends a session that has failed.
func (n *network) abort(p *player) {
	if !n.aborts {
		return
	}
	n.perform(p, p.session.Abort(failureOf(p.err)), nil)
}

// failureOf says in an abort what an error says.
func failureOf(err error) Failure {
	f := Failure{Code: CodeProtocol, Detail: err.Error()}
	var b *Blame
	if errors.As(err, &b) {
		f.Culprits, f.Reason, f.Evidence = b.Culprits, b.Reason, b.Evidence
	}
	return f
}

func (n *network) save(p *player, s *Save) {
	n.tb.Helper()
	switch {
	case s == nil:
	case n.spec.Kind != KindKeygen:
		n.tb.Fatalf("%s saves a key while signing", p.name)
	case s.Active && (p.pending == nil || p.active != nil || s.Key.Certificate == nil):
		n.tb.Fatalf("%s: an active save comes once, after a pending one, with a certificate", p.name)
	case !s.Active && (p.pending != nil || s.Key.Certificate != nil):
		n.tb.Fatalf("%s: a pending save comes once and has no certificate", p.name)
	case s.Active:
		key := s.Key
		p.active = &key
	default:
		key := s.Key
		p.pending = &key
	}
}

// checkSent checks that an envelope may leave now, and by this way.
func (n *network) checkSent(p *player, data []byte, to PeerID) {
	n.tb.Helper()
	opened, err := OpenEnvelope(data, n.verify)
	noError(n.tb, err)
	switch h := opened.Header(); {
	case h.From != p.id || h.SID != n.spec.SID():
		n.tb.Fatalf("%s sends as %s in session %s", p.name, h.From, h.SID)
	case h.To != to || (h.Name == "Number") != (to != ""):
		n.tb.Fatalf("%s sends %s %q for %q to %q", p.name, h.Type, h.Name, h.To, to)
	case h.Type == TypeConfirm && p.pending == nil:
		n.tb.Fatalf("%s confirms a key that is not on its disk", p.name)
	}
}

func (n *network) finish(p *player, body *RecordBody) {
	n.tb.Helper()
	if p.done != nil {
		n.tb.Fatalf("%s is done twice", p.name)
	}
	if n.spec.Kind == KindKeygen && p.active == nil {
		n.tb.Fatalf("%s is done, and its key is not active", p.name)
	}
	p.done = body
	noError(n.tb, SignRecord(p, *body).Verify(n.verify))
}

// hold checks that a presigning ends once, with everything that its machine can get.
func (n *network) hold(p *player) {
	n.tb.Helper()
	if n.spec.Kind != KindPresign || p.held || p.session.Phase() != PhaseHeld || p.machine.round != toyPresigned || len(p.machine.Waiting()) > 0 {
		n.tb.Fatalf("%s holds in phase %s, round %d, for %v", p.name, p.session.Phase(), p.machine.round, p.machine.Waiting())
	}
	p.held = true
}

func (n *network) send(p packet) {
	if n.random == nil || n.random.Float64() >= n.drop {
		n.queue = append(n.queue, p)
	}
}

func (n *network) index(peer PeerID) int {
	for i, p := range n.players {
		if p.id == peer {
			return i
		}
	}
	n.tb.Fatalf("%s is no party of the network", peer)
	return -1
}

// pull lets everyone who waits ask, as a caller does after a while without
// progress. Answers may be lost like anything else; then one asks again.
func (n *network) pull() {
	for again := true; again; {
		again = false
		for i, p := range n.players {
			if p.ended() {
				continue
			}
			for peer, pull := range p.session.Missing() {
				for _, data := range n.players[n.index(peer)].session.Answer(p.id, pull) {
					again = true // there is something to lose
					n.send(packet{to: i, data: data, direct: true})
				}
			}
		}
		if len(n.queue) > 0 {
			return
		}
	}
}

// agreed checks that everyone ended well and the same way.
func (n *network) agreed() {
	n.tb.Helper()
	for _, p := range n.players {
		if n.spec.Kind == KindPresign && p.err == nil && p.held && p.session.Phase() == PhaseHeld {
			continue
		}
		if p.err != nil || p.done == nil {
			n.tb.Fatalf("%s: phase %s, error %v", p.name, p.session.Phase(), p.err)
		}
		if p.session.Phase() != PhaseDone {
			n.tb.Fatalf("%s: phase %s at the end", p.name, p.session.Phase())
		}
		if a, b := encode(n.tb, p.done), encode(n.tb, n.players[0].done); !bytes.Equal(a, b) {
			n.tb.Fatalf("%s and %s tell different outcomes:\n%x\n%x", p.name, n.players[0].name, a, b)
		}
	}
}
