package protocoltest

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/meshmpc/mpcd/protocol"
)

// Seat is one member of a session.
type Seat struct {
	Signer       protocol.Signer
	Machine      protocol.Machine
	Contribution []byte // keygen: protocol.ContributionSize bytes
	// Scripted members are driven by Tamper: the run is over when all others have ended. Their
	// sessions believe every signature, so that Tamper can keep them going.
	Scripted bool
	// Spec, if it is set, is what this member was told: the others have the script's.
	Spec *protocol.Spec
	// Slow members begin when nothing is on its way any more.
	Slow bool
}

// Parcel is an envelope on its way to one member.
type Parcel struct {
	From, To protocol.PeerID // who carries it, and to whom; the header may say otherwise
	Data     []byte          // an encoded envelope, or what a script makes of it
	Direct   bool            // over a direct stream; otherwise on the topic
	Pulled   bool            // an answer to a pull
	Late     bool            // delivered when nothing else is on its way
	Bad      bool            // the script's mark; its receipt is recorded
	Shows    bool            // another mark: what was bad before shows by this one

	hop int
}

// Script sets up a network of sessions.
type Script struct {
	Spec  *protocol.Spec
	Seats []Seat // of the whole roster
	// Seed gives the order of deliveries if Reorder is set: otherwise they are first in,
	// first out.
	Seed    uint64
	Reorder bool
	// Tamper replaces what is sent to one member by any number of parcels. Broadcasts come
	// once for each receiver. It must not change p.Data in place.
	Tamper func(p Parcel) []Parcel
}

// Times of the virtual clock: what a node takes for a hop at most, and after which
// silence it pulls.
const (
	hopTime  = 10 * time.Millisecond
	pullTime = 4 * time.Second
	lifeTime = 2 * time.Minute // of an attempt
	idlePull = 2               // pulls in a row that bring nothing new: none ever will
)

// ErrDeadline ends the sessions that still wait when nothing more can come.
var ErrDeadline = errors.New("the deadline has passed")

// ErrPanicked reports a panic in a session's call.
var ErrPanicked = errors.New("a session panicked")

// Sent is an envelope that a member has sent.
type Sent struct {
	Header  protocol.Header
	Payload []byte
	Late    bool // after the receipt of a parcel that the script marks
}

// Ending is how a session ended at one member.
type Ending struct {
	Done    *protocol.RecordBody // nil if it failed, or was a presigning
	Held    bool                 // a presigning has ended well: the seat's machine holds the result
	Err     error                // ErrDeadline, ErrPanicked, or the session's
	Waited  []protocol.PeerID    // with ErrDeadline: for whom, sorted
	Pending *protocol.KeyRecord  // what its disk holds
	Active  *protocol.KeyRecord
	Dropped []string // why messages were ignored, one entry each
	Sent    []Sent

	Bad   bool          // a parcel that the script marks as bad was taken, not dropped
	Shown bool          // the same of one by which a bad one shows
	Hops  int           // to the end from the first that shows it, otherwise from the first bad one
	Took  time.Duration // the same on the real clock
}

// Played is what became of a session.
type Played struct {
	Endings map[protocol.PeerID]*Ending
	Elapsed time.Duration // on the virtual clock
}

type sessions struct {
	script Script
	random *rand.Rand
	seats  []*seat
	queue  []Parcel
	now    int           // hops
	quiet  time.Duration // spent on pulls
}

// seat is a member with its caller's duties.
type seat struct {
	Seat
	Ending
	session *protocol.Session
	begun   bool
	badHop  int
	badTime time.Time
}

func (s *seat) ended() bool { return s.Well() || s.Err != nil }

// Well tells whether a session has ended well.
func (e *Ending) Well() bool { return e.Done != nil || e.Held }

// Play runs a session at all members of a roster, as their nodes do: signed
// envelopes, saves before sends, pulls after silence, farewells, deadline. It is
// deterministic but for the values that the machines draw.
func Play(s Script) (*Played, error) {
	n := &sessions{script: s, random: rand.New(rand.NewPCG(s.Seed, 0))} // #nosec G404 -- a test that repeats
	for _, seated := range s.Seats {
		verify := protocol.VerifyPeer
		if seated.Scripted {
			verify = func(protocol.PeerID, []byte, []byte) bool { return true }
		}
		spec := s.Spec
		if seated.Spec != nil {
			spec = seated.Spec
		}
		session, err := protocol.NewSession(protocol.SessionConfig{
			Spec: spec, Signer: seated.Signer, Verify: verify, Machine: seated.Machine, Contribution: seated.Contribution,
		})
		if err != nil {
			return nil, err
		}
		n.seats = append(n.seats, &seat{Seat: seated, session: session})
	}
	n.begin(func(p *seat) bool { return !p.Slow })
	n.run()
	if s.Spec.Kind == protocol.KindPresign { // what scripted members hold may be used as well
		for len(n.queue) > 0 {
			n.deliver(n.next())
		}
	}
	played := &Played{Endings: make(map[protocol.PeerID]*Ending), Elapsed: n.clock()}
	for _, p := range n.seats {
		played.Endings[p.Signer.ID()] = &p.Ending
	}
	return played, nil
}

// begin lets members begin that have not, and tells whether there were any.
func (n *sessions) begin(who func(*seat) bool) (any bool) {
	for _, p := range n.seats {
		if !p.begun && who(p) {
			p.begun, any = true, true
			n.perform(p, p.session.Ready)
		}
	}
	return any
}

// clock is the virtual time since the start.
func (n *sessions) clock() time.Duration { return time.Duration(n.now)*hopTime + n.quiet }

// run delivers until all members that are not scripted have ended.
func (n *sessions) run() {
	idle := 0
	for !n.over() {
		switch moved := n.drain(); {
		case n.over():
		case moved:
			idle = 0
			n.pull()
		case idle < idlePull && n.clock()+pullTime < lifeTime:
			idle++
			n.pull()
		default:
			n.quiet = max(n.quiet, lifeTime-time.Duration(n.now)*hopTime)
			n.expire()
		}
	}
}

func (n *sessions) over() bool {
	return !slices.ContainsFunc(n.seats, func(p *seat) bool { return !p.Scripted && !p.ended() })
}

// drain delivers what is on its way, and tells whether anybody took any of it. Then slow
// members begin.
func (n *sessions) drain() (moved bool) {
	for {
		for len(n.queue) > 0 && !n.over() {
			if n.deliver(n.next()) {
				moved = true
			}
		}
		if n.over() || !n.begin(func(*seat) bool { return true }) {
			return moved
		}
	}
}

// next takes a parcel that is not late, if there is one.
func (n *sessions) next() Parcel {
	var ready []int
	for i := range n.queue {
		if !n.queue[i].Late {
			ready = append(ready, i)
		}
		if len(ready) == 1 && !n.script.Reorder {
			break
		}
	}
	i := 0
	switch {
	case len(ready) > 0 && n.script.Reorder:
		i = ready[n.random.IntN(len(ready))]
	case len(ready) > 0:
		i = ready[0]
	default:
		n.queue[0].hop = n.now + 1
	}
	p := n.queue[i]
	n.queue = slices.Delete(n.queue, i, i+1)
	return p
}

// deliver tells whether the receiver took the parcel.
func (n *sessions) deliver(p Parcel) bool {
	to := n.seat(p.To)
	if to == nil || to.Err != nil {
		return false // its caller has let go of the session
	}
	n.now = max(n.now, p.hop)
	taken := false
	n.perform(to, func() (protocol.Output, error) {
		out, err := to.session.Deliver(p.Data, p.Direct)
		if out.Dropped != "" {
			to.Dropped = append(to.Dropped, out.Dropped)
			return out, err
		}
		taken = true
		to.marked(p, n.now)
		return out, err
	})
	return taken
}

// seat returns a member, nil if the peer is none.
func (n *sessions) seat(peer protocol.PeerID) *seat {
	i := slices.IndexFunc(n.seats, func(p *seat) bool { return p.Signer.ID() == peer })
	if i < 0 {
		return nil
	}
	return n.seats[i]
}

// perform calls a session and does what it asks for, in the order of its contract.
func (n *sessions) perform(p *seat, call func() (protocol.Output, error)) {
	out, err := contain(call)
	for {
		p.save(out.Save)
		n.send(p, &out)
		switch {
		case err != nil:
			n.farewell(p, err)
			return
		case out.Done != nil, out.Held:
			p.Done, p.Held = out.Done, out.Held
			p.end(n.now)
		}
		if out.Save == nil {
			return
		}
		out, err = contain(p.session.Resume)
	}
}

// contain turns a panic into ErrPanicked.
func contain(call func() (protocol.Output, error)) (out protocol.Output, err error) {
	defer func() {
		if v := recover(); v != nil {
			out, err = protocol.Output{}, fmt.Errorf("%w: %v", ErrPanicked, v)
		}
	}()
	return call()
}

func (s *seat) save(save *protocol.Save) {
	if save == nil {
		return
	}
	key := save.Key
	if save.Active {
		s.Active = &key
		return
	}
	s.Pending = &key
}

// marked keeps what the script says of a parcel that was taken.
func (s *seat) marked(p Parcel, now int) {
	if p.Shows && !s.Shown || p.Bad && !s.Bad && !s.Shown {
		s.badHop, s.badTime = now, time.Now()
	}
	s.Bad, s.Shown = s.Bad || p.Bad, s.Shown || p.Shows
}

func (s *seat) end(now int) {
	if s.Bad || s.Shown {
		s.Hops, s.Took = now-s.badHop, time.Since(s.badTime)
	}
}

// send puts what a session sends on its way.
func (n *sessions) send(p *seat, out *protocol.Output) {
	for _, data := range out.Broadcast {
		p.note(data)
		for _, other := range n.seats {
			if other != p {
				n.enqueue(Parcel{From: p.Signer.ID(), To: other.Signer.ID(), Data: data})
			}
		}
	}
	for _, d := range out.Direct {
		p.note(d.Envelope)
		n.enqueue(Parcel{From: p.Signer.ID(), To: d.To, Data: d.Envelope, Direct: true})
	}
}

// note keeps what a member has sent.
func (s *seat) note(data []byte) {
	var e protocol.Envelope
	if err := protocol.Unmarshal(data, &e); err != nil {
		s.Err = fmt.Errorf("%w: it sends what is no envelope: %w", ErrPanicked, err)
		return
	}
	s.Sent = append(s.Sent, Sent{Header: e.Header, Payload: e.Payload, Late: s.Bad || s.Shown})
}

func (n *sessions) enqueue(p Parcel) {
	parcels := []Parcel{p}
	if n.script.Tamper != nil {
		parcels = n.script.Tamper(p)
	}
	for _, p := range parcels {
		p.hop = n.now + 1
		n.queue = append(n.queue, p)
	}
}

// farewell ends a member's session and lets it tell the others, unless it ended by
// the word of one of them.
func (n *sessions) farewell(p *seat, err error) {
	p.Err = err
	p.end(n.now)
	var aborted *protocol.Aborted
	if errors.As(err, &aborted) || errors.Is(err, ErrPanicked) {
		return
	}
	f := protocol.Failure{Code: protocol.CodeProtocol, Detail: err.Error(), Culprits: protocol.Culprits(err)}
	var blame *protocol.Blame
	switch {
	case errors.As(err, &blame):
		f.Reason, f.Evidence = blame.Reason, blame.Evidence
	case errors.Is(err, ErrDeadline):
		f.Code = protocol.CodeTimeout
	}
	out := p.session.Abort(f)
	n.send(p, &out)
}

// pull lets time pass, and everyone who waits ask.
func (n *sessions) pull() {
	n.quiet += pullTime
	for _, p := range n.seats {
		if p.ended() {
			continue
		}
		pulls := p.session.Missing()
		for _, peer := range slices.Sorted(maps.Keys(pulls)) {
			for _, data := range n.seat(peer).session.Answer(p.Signer.ID(), pulls[peer]) {
				n.enqueue(Parcel{From: peer, To: p.Signer.ID(), Data: data, Direct: true, Pulled: true})
			}
		}
	}
}

// expire is the moment of the deadline.
func (n *sessions) expire() {
	for _, p := range n.seats {
		if !p.ended() {
			p.Waited = slices.Sorted(maps.Keys(p.session.Missing()))
		}
	}
	for _, p := range n.seats {
		if !p.ended() {
			n.farewell(p, ErrDeadline)
		}
	}
}
