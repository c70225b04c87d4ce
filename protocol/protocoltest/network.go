package protocoltest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/meshmpc/mpcd/protocol"
)

// Party is a machine under its peer id.
type Party struct {
	Peer    protocol.PeerID
	Machine protocol.Machine
}

// Options script the network. The zero value delivers everything in order.
type Options struct {
	Seed      uint64 // of Reorder; print it
	Reorder   bool   // deliver in random order instead of first in, first out
	Duplicate bool   // deliver everything twice
	// Drop says which deliveries are lost. A broadcast is one delivery for each
	// receiver, with an empty m.To.
	Drop func(m protocol.Message, to protocol.PeerID) bool
	// Tamper replaces a delivery by others, none or several. It may change the
	// message but not the bytes of its body.
	Tamper func(m protocol.Message, to protocol.PeerID) []protocol.Message
}

// ErrStuck reports parties that still wait when no message is left.
var ErrStuck = errors.New("no message is left")

// Failure says what became of the parties that have no result.
type Failure struct {
	Errors map[protocol.PeerID]error
	order  []protocol.PeerID
}

func (f *Failure) Error() string {
	var b bytes.Buffer
	for i, p := range f.order {
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "%s: %v", p, f.Errors[p])
	}
	return b.String()
}

// Unwrap gives the errors to errors.Is and errors.As.
func (f *Failure) Unwrap() []error {
	errs := make([]error, len(f.order))
	for i, p := range f.order {
		errs[i] = f.Errors[p]
	}
	return errs
}

func (f *Failure) add(p protocol.PeerID, err error) {
	f.Errors[p] = err
	f.order = append(f.order, p)
}

type delivery struct {
	message protocol.Message
	to      protocol.PeerID
}

type network struct {
	options    Options
	random     *rand.Rand
	parties    []*node
	pending    []delivery
	transcript []string
}

// node is a party with what its session would keep.
type node struct {
	Party
	result *protocol.Result
	holds  bool // a presigning has ended well
	err    error
	got    map[protocol.Slot][]byte
	held   []protocol.Message
}

// Run starts all machines in the given order and delivers messages until none is
// left. It returns the results of the parties that have one, what was sent, one
// line "round name from->to" for each message with * for everyone, and a *Failure
// if a party has no result. A presigning's has none: its machines hold it.
func Run(parties []Party, options Options) (map[protocol.PeerID]*protocol.Result, []string, error) {
	n := &network{
		options: options,
		random:  rand.New(rand.NewPCG(options.Seed, 0)), // #nosec G404 -- a test that repeats
	}
	for _, p := range parties {
		n.parties = append(n.parties, &node{Party: p, got: map[protocol.Slot][]byte{}})
	}
	for _, p := range n.parties {
		n.took(p)(p.Machine.Start())
	}
	for len(n.pending) > 0 {
		n.deliver(n.next())
	}
	results, err := n.outcome()
	return results, n.transcript, err
}

// next takes a pending delivery.
func (n *network) next() delivery {
	i := 0
	if n.options.Reorder {
		i = n.random.IntN(len(n.pending))
	}
	d := n.pending[i]
	n.pending = slices.Delete(n.pending, i, i+1)
	return d
}

// took records a step: what it sends is on its way afterwards.
func (n *network) took(p *node) func(protocol.Step, error) {
	return func(step protocol.Step, err error) {
		p.err = err
		if step.Result != nil {
			p.result = step.Result
		}
		for _, m := range step.Send {
			n.send(p, m)
		}
	}
}

func (n *network) send(from *node, m protocol.Message) {
	to := m.To
	if to == "" {
		to = "*"
	}
	n.transcript = append(n.transcript, fmt.Sprintf("%d %s %s->%s", m.Round, m.Name, m.From, to))
	for _, p := range n.parties {
		if p == from || (m.To != "" && m.To != p.Peer) {
			continue
		}
		n.enqueue(m, p.Peer)
	}
}

// enqueue applies the script to one delivery.
func (n *network) enqueue(m protocol.Message, to protocol.PeerID) {
	if n.options.Drop != nil && n.options.Drop(m, to) {
		return
	}
	messages := []protocol.Message{m}
	if n.options.Tamper != nil {
		messages = n.options.Tamper(m, to)
	}
	for _, m := range messages {
		n.pending = append(n.pending, delivery{m, to})
		if n.options.Duplicate {
			n.pending = append(n.pending, delivery{m, to})
		}
	}
}

// deliver hands a message to a party, or keeps it for later, as a session does.
func (n *network) deliver(d delivery) {
	i := slices.IndexFunc(n.parties, func(p *node) bool { return p.Peer == d.to })
	p := n.parties[i]
	slot := protocol.Slot{From: d.message.From, Name: d.message.Name}
	if before, seen := p.got[slot]; seen && bytes.Equal(before, d.message.Body) {
		return
	}
	p.got[slot] = d.message.Body
	p.held = append(p.held, d.message)
	for n.stepReady(p) {
	}
}

// stepReady gives the first held message whose round has come to the machine and
// says whether there was one.
func (n *network) stepReady(p *node) bool {
	if p.err != nil || p.result != nil || p.holds {
		return false
	}
	i := slices.IndexFunc(p.held, func(m protocol.Message) bool { return m.Round <= p.Machine.Round() })
	if i < 0 {
		return false
	}
	m := p.held[i]
	p.held = slices.Delete(p.held, i, i+1)
	if holder, ok := p.Machine.(protocol.Holder); ok && ends(holder, &m) {
		p.err = holder.Hold(m)
		p.holds = p.err == nil
		return true
	}
	n.took(p)(p.Machine.Step(m))
	return true
}

// ends tells whether a message is the last one of a presigning.
func ends(h protocol.Holder, m *protocol.Message) bool {
	waiting := h.Waiting()
	return h.Round() == h.Rounds() && len(waiting) == 1 && waiting[0] == protocol.Slot{From: m.From, Name: m.Name}
}

func (n *network) outcome() (map[protocol.PeerID]*protocol.Result, error) {
	results := map[protocol.PeerID]*protocol.Result{}
	failure := &Failure{Errors: map[protocol.PeerID]error{}}
	for _, p := range n.parties {
		switch {
		case p.err != nil:
			failure.add(p.Peer, p.err)
		case p.holds:
		case p.result != nil:
			results[p.Peer] = p.result
		default:
			failure.add(p.Peer, fmt.Errorf("%w: round %d waits for %v", ErrStuck, p.Machine.Round(), p.Machine.Waiting()))
		}
	}
	if len(failure.order) > 0 {
		return results, failure
	}
	return results, nil
}
