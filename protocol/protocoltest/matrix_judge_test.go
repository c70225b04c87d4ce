package protocoltest_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/protocoltest"
)

// presigned is the last round of a presigning.
const presigned = 3

// verdict is what an attack did. All counts must stay 0.
type verdict struct {
	problems []string // not as expected
	panics   int
	leaks    int // confidential bytes in what an honest member says in public
	wrong    int // honest members that an honest one blames
	changed  int // shares
	finals   int // of honest members, after a bad message
	hops     int // from the receipt of a bad message, or of what shows it, to the end, at most, where its author is to be named
	took     time.Duration
	reasons  []protocol.Reason
}

func (v *verdict) problem(format string, args ...any) {
	v.problems = append(v.problems, fmt.Sprintf(format, args...))
}

// judge looks at everything that must hold whatever mallory does, and at the outcome
// that is expected.
func (r *run) judge(m *mallory, played *protocoltest.Played) *verdict {
	v := &verdict{}
	confidential := r.confidential(m, played)
	for _, peer := range m.honest {
		e := played.Endings[peer]
		if errors.Is(e.Err, protocoltest.ErrPanicked) {
			v.panics++
			v.problem("%s: %v", r.name(peer), e.Err)
		}
		v.blames(r, m, peer, e)
		for i := range e.Sent {
			s := &e.Sent[i]
			if s.Late && r.ceremony.final(&s.Header) {
				v.finals++
				v.problem("%s sends %s after a bad message", r.name(peer), s.Header.Name)
			}
			if r.ceremony.kind == protocol.KindPresign && s.Header.Round > presigned {
				v.problem("%s sends %s in a presigning", r.name(peer), s.Header.Name)
			}
			if s.Header.To == "" && slices.ContainsFunc(confidential, func(secret []byte) bool { return bytes.Contains(s.Payload, secret) }) {
				v.leaks++
				v.problem("%s leaks in %s %s", r.name(peer), s.Header.Type, s.Header.Name)
			}
		}
		if (e.Bad || e.Shown) && m.attack.timed() {
			v.took = max(v.took, e.Took)
			if !m.attack.nameless() {
				v.hops = max(v.hops, e.Hops)
			}
		}
		v.disk(r, peer, e)
	}
	if e := played.Endings[m.ID()]; errors.Is(e.Err, protocoltest.ErrPanicked) {
		v.panics++
		v.problem("mallory: %v", e.Err)
	}
	r.outcome(v, m, played)
	return v
}

func (r *run) name(peer protocol.PeerID) string {
	for _, id := range r.ids {
		if id.ID() == peer {
			return id.Name
		}
	}
	return peer
}

// confidential lists what must not be seen in public: what honest members tell one
// other, what mallory told one of them, and the secrets of all shares.
func (r *run) confidential(m *mallory, played *protocoltest.Played) [][]byte {
	var secret [][]byte
	for peer, e := range played.Endings {
		for _, s := range e.Sent {
			public := peer == m.ID() && m.attack.expect == named && m.target.direct // it may tell what is its own
			if s.Header.To != "" && len(s.Payload) > 0 && !public {
				secret = append(secret, s.Payload)
			}
		}
		if peer != m.ID() && e.Pending != nil {
			secret = append(secret, secrets(r.tb, e.Pending.Share)...)
		}
	}
	for peer := range r.shares {
		if peer != m.ID() {
			secret = append(secret, secrets(r.tb, r.key.shares[peer])...)
		}
	}
	return secret
}

// blames checks whom an honest member blames, in its error and to the others, and that
// the evidence holds.
func (v *verdict) blames(r *run, m *mallory, peer protocol.PeerID, e *protocoltest.Ending) {
	culprits := slices.Clone(protocol.Culprits(e.Err))
	var evidence []*protocol.Evidence
	var blame *protocol.Blame
	if errors.As(e.Err, &blame) {
		evidence = append(evidence, blame.Evidence)
		if (len(blame.Culprits) == 0) != (blame.Reason == protocol.ReasonUnattributed || blame.Reason == protocol.ReasonPanic) || blame.Reason == "" {
			v.problem("%s blames %d members for %q", r.name(peer), len(blame.Culprits), blame.Reason)
		}
		v.reasons = append(v.reasons, blame.Reason)
		if m.attack.proven && !proven(blame.Evidence) {
			v.problem("%s has no proof", r.name(peer))
		}
	}
	for i := range e.Sent {
		if e.Sent[i].Header.Type != protocol.TypeAbort {
			continue
		}
		var f protocol.Failure
		if err := protocol.Unmarshal(e.Sent[i].Payload, &f); err != nil {
			v.problem("%s: an abort that cannot be read: %v", r.name(peer), err)
		}
		culprits = append(culprits, f.Culprits...)
		evidence = append(evidence, f.Evidence)
	}
	for _, x := range evidence {
		if x == nil {
			continue
		}
		culprits = append(culprits, x.Culprit)
		finding, err := x.Verify(protocol.VerifyPeer)
		if err != nil || x.Reason == protocol.ReasonContradiction && !finding.Proven {
			v.problem("%s: evidence of %s that does not hold: %v", r.name(peer), x.Reason, err)
		}
	}
	for _, c := range culprits {
		if c != m.ID() {
			v.wrong++
			v.problem("%s blames %s", r.name(peer), r.name(c))
		}
	}
}

func proven(e *protocol.Evidence) bool {
	if e == nil {
		return false
	}
	finding, err := e.Verify(protocol.VerifyPeer)
	return err == nil && finding.Proven
}

// disk checks that signing changes no share, and that a new one is active only with a
// certificate of all.
func (v *verdict) disk(r *run, peer protocol.PeerID, e *protocoltest.Ending) {
	if share := r.shares[peer]; share != nil {
		b, err := share.Encode()
		if err != nil || !bytes.Equal(b, r.key.shares[peer]) {
			v.changed++
			v.problem("%s's share has changed: %v", r.name(peer), err)
		}
	}
	if e.Active == nil {
		return
	}
	err := errors.New("it has no certificate")
	if e.Active.Certificate != nil {
		err = e.Active.Certificate.Verify(protocol.VerifyPeer)
	}
	if err != nil || !bytes.Equal(e.Active.Share, e.Pending.Share) {
		v.changed++
		v.problem("%s has an active share: %v", r.name(peer), err)
	}
}

// way is how a session ended at one member.
type way int

const (
	done    way = iota
	late        // at the deadline
	blaming     // it names mallory, by itself or by proof
	nobody      // it names nobody
	heard       // of it from another honest member
	left        // mallory has given up
	somehow     // anything else
	maxHops = 2 // a message that comes early or is held for the digests
)

func (r *run) wayOf(m *mallory, e *protocoltest.Ending) way {
	var (
		abort *protocol.Aborted
		blame *protocol.Blame
	)
	switch {
	case e.Err == nil && e.Well():
		return done
	case errors.Is(e.Err, protocoltest.ErrDeadline):
		return late
	case slices.Equal(protocol.Culprits(e.Err), []protocol.PeerID{m.ID()}):
		return blaming
	case errors.As(e.Err, &abort) && abort.By == m.ID():
		if len(abort.Failure.Detail) > protocol.MaxDetail {
			return somehow
		}
		return left
	case errors.As(e.Err, &abort):
		return heard
	case errors.As(e.Err, &blame) && len(blame.Culprits) == 0:
		return nobody
	}
	return somehow
}

// allowed are the ways to end, of members that took a bad message and of the others.
var allowed = map[class]struct{ bad, good []way }{
	completes:    {[]way{done}, []way{done}},
	deadline:     {nil, []way{late, left}},
	aborted:      {nil, []way{left}},
	named:        {[]way{blaming, heard}, []way{blaming, heard}},
	unattributed: {[]way{nobody, heard}, []way{heard}},
	overOrNamed:  {[]way{blaming, heard}, []way{done, blaming, heard}},
	partly:       {[]way{blaming, nobody, heard}, nil},
	later:        {[]way{done, blaming, heard}, []way{done, blaming, heard}},
}

// must are the ways of which there must be one.
var must = map[class]way{deadline: late, named: blaming, partly: blaming, unattributed: nobody}

func (r *run) outcome(v *verdict, m *mallory, played *protocoltest.Played) {
	a := m.attack
	ways := make(map[way]int)
	for _, peer := range m.honest {
		e := played.Endings[peer]
		w := r.wayOf(m, e)
		ways[w]++
		can := allowed[a.expect].good
		if e.Bad {
			can = allowed[a.expect].bad
		}
		endsBefore := w == done && !e.Bad && m.target.last // what it lacks is only at others
		if !slices.Contains(can, w) && !endsBefore {
			v.problem("%s (bad: %v) ends with %v", r.name(peer), e.Bad, e.Err)
		}
		if w == heard && a.expect == named && !r.told(m, e) {
			v.problem("%s does not hear who it was: %v", r.name(peer), e.Err)
		}
		if w == late && !a.waits && !slices.Equal(e.Waited, []protocol.PeerID{m.ID()}) {
			v.problem("%s waits for %v", r.name(peer), e.Waited)
		}
		if a.counted && len(e.Dropped) == 0 && e.Err == nil {
			v.problem("%s has counted nothing", r.name(peer))
		}
	}
	if w, ok := must[a.expect]; ok && ways[w] == 0 {
		v.problem("nobody ends as expected")
	}
	if a.expect == named && (v.hops > maxHops || a.atOnce && v.hops > 0) {
		v.problem("it takes %d hops", v.hops)
	}
	shown := slices.ContainsFunc(m.honest, func(p protocol.PeerID) bool { return played.Endings[p].Shown })
	if a.equivocates && a.proven && !shown {
		v.problem("no digest shows it")
	}
	if (a.nameless() || ways[nobody] > 0) && !a.excused() {
		v.problem("nobody is named, and the list of exceptions does not have it")
	}
	r.results(v, m, played)
}

// told tells whether an abort says that it was mallory.
func (r *run) told(m *mallory, e *protocoltest.Ending) bool {
	var abort *protocol.Aborted
	return errors.As(e.Err, &abort) && slices.Equal(abort.Failure.Culprits, []protocol.PeerID{m.ID()})
}

// results checks that all who are done have the same, and that it is right.
func (r *run) results(v *verdict, m *mallory, played *protocoltest.Played) {
	var first []byte
	for _, peer := range m.honest {
		e := played.Endings[peer]
		if e.Done == nil {
			continue
		}
		result := e.Done.Signature
		if r.ceremony.kind == protocol.KindKeygen {
			result = e.Done.Certificate.Body.Signed()
		} else if err := protocol.VerifySignature(r.ceremony.scheme, r.key.public, digest[:], result); err != nil {
			v.problem("%s has a wrong signature: %v", r.name(peer), err)
		}
		if first == nil {
			first = result
		}
		if !bytes.Equal(first, result) {
			v.problem("%s has another result", r.name(peer))
		}
	}
}
