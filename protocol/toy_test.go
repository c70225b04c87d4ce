package protocol

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
)

// toy is a ceremony of four rounds that is as strict as the contract of Machine
// allows: round 1 broadcasts a nonce, round 2 sends a confidential number to each
// member beside a broadcast, round 3 broadcasts what was received, and round 4 what
// nobody may say before all have heard the same. The result is a hash of what was
// broadcast before, so that all members agree only if all heard the same. It knows no cryptography and keeps no secret.
//
// A toy's presigning has the first three rounds; what is bound to it has the fourth and a fifth.
type toy struct {
	self    PeerID
	peers   []PeerID // in roster order
	kind    Kind
	round   int
	rounds  int
	echoes  []int
	started bool
	got     map[Slot][]byte
	calls   int
	dead    bool
}

const (
	toyRounds    = 4
	toyPresigned = 3
	toyBound     = 5
)

// toySlots are the messages of a round.
var toySlots = map[int][]string{1: {"Nonce"}, 2: {"Number", "Echo"}, 3: {"Sum"}, 4: {"End"}, 5: {"Part"}}

// newToy returns a toy with gates after the round of the nonces, and before the last one.
func newToy(s *Spec, self PeerID) *toy {
	m := &toy{self: self, peers: s.Peers(), kind: s.Kind, rounds: toyRounds, echoes: []int{1, 3}, got: make(map[Slot][]byte)}
	if s.Kind == KindPresign {
		m.rounds = toyPresigned
	}
	return m
}

func (m *toy) Round() int    { return m.round }
func (m *toy) Rounds() int   { return m.rounds }
func (m *toy) Echoes() []int { return m.echoes }

// Form knows the names, and their rounds and ways.
func (m *toy) Form(msg Message) error {
	if slices.Contains(toySlots[msg.Round], msg.Name) && (msg.Name == "Number") == (msg.To != "") {
		return nil
	}
	return &Blame{Round: m.round, Culprits: []PeerID{msg.From}, Reason: ReasonMessage, Err: fmt.Errorf("no %s of round %d is sent like that", msg.Name, msg.Round)}
}

func (m *toy) Start() (Step, error) {
	if m.started {
		return Step{}, fmt.Errorf("started twice")
	}
	m.started = true
	if m.round == toyPresigned {
		return m.collect(nil), nil
	}
	m.round = 1
	return m.collect([]Message{m.broadcast("Nonce", []byte("nonce of "+m.self))}), nil
}

func (m *toy) broadcast(name string, body []byte) Message {
	m.got[Slot{From: m.self, Name: name}] = body
	return Message{Round: m.round, Name: name, From: m.self, Body: body}
}

// presignToy is a toy's presigning.
type presignToy struct{ *toy }

// Step never gets what is for Hold.
func (m presignToy) Step(msg Message) (Step, error) {
	if waiting := m.Waiting(); m.round == toyPresigned && len(waiting) == 1 && waiting[0] == (Slot{From: msg.From, Name: msg.Name}) {
		m.dead = true
		return Step{}, fmt.Errorf("the last message is for Hold")
	}
	return m.toy.Step(msg)
}

func (m presignToy) Hold(msg Message) error {
	if m.round != toyPresigned || len(m.Waiting()) != 1 {
		m.dead = true
		return fmt.Errorf("only the last message is for Hold")
	}
	return m.take(msg)
}

// bind returns the toy that goes on.
func (m presignToy) bind() *toy {
	return &toy{self: m.self, peers: m.peers, kind: KindSign, round: m.round, rounds: toyBound, echoes: []int{4}, got: m.got}
}

func (m *toy) Step(msg Message) (Step, error) {
	if err := m.take(msg); err != nil {
		return Step{}, err
	}
	return m.collect(nil), nil
}

// take fails on everything that the session promises never to deliver.
func (m *toy) take(msg Message) error {
	m.calls++
	slot := Slot{From: msg.From, Name: msg.Name}
	switch _, twice := m.got[slot]; {
	case m.dead:
		return fmt.Errorf("a dead machine was called")
	case !m.started:
		return fmt.Errorf("a machine was called before its start")
	case msg.Round != m.round, !slices.Contains(toySlots[m.round], msg.Name), twice, msg.From == m.self,
		(msg.Name == "Number") != (msg.To == m.self):
		m.dead = true
		return &Blame{Round: m.round, Culprits: []PeerID{msg.From}, Err: fmt.Errorf("%s of round %d does not belong here", msg.Name, msg.Round)}
	case msg.Name == "Number" && !bytes.Equal(msg.Body, number(msg.From, m.self)):
		m.dead = true
		return &Blame{Round: m.round, Culprits: []PeerID{msg.From}, Err: fmt.Errorf("wrong number")}
	}
	m.got[slot] = msg.Body
	return nil
}

func number(from, to PeerID) []byte { return digestOf(from + " for " + to) }

// collect goes to the next round when nothing of this one is missing.
func (m *toy) collect(send []Message) Step {
	step := Step{Send: send}
	for len(m.Waiting()) == 0 {
		if m.round == m.rounds {
			step.Result = m.result()
			return step
		}
		m.round++
		switch m.round {
		case 2:
			step.Send = append(step.Send, m.numbers()...)
			step.Send = append(step.Send, m.broadcast("Echo", m.transcript("Nonce")))
		case 3:
			step.Send = append(step.Send, m.broadcast("Sum", m.transcript("Nonce", "Echo")))
		case 4:
			step.Send = append(step.Send, m.broadcast("End", m.transcript("Sum")))
		case 5:
			step.Send = append(step.Send, m.broadcast("Part", m.transcript("End")))
		}
	}
	return step
}

func (m *toy) numbers() []Message {
	var send []Message
	for _, p := range m.peers {
		if p != m.self {
			send = append(send, Message{Round: 2, Name: "Number", From: m.self, To: p, Body: number(m.self, p)})
		}
	}
	return send
}

// transcript hashes messages of everyone, in roster order.
func (m *toy) transcript(names ...string) []byte {
	h := sha256.New()
	for _, name := range names {
		for _, p := range m.peers {
			h.Write(m.got[Slot{From: p, Name: name}])
		}
	}
	return h.Sum(nil)
}

func (m *toy) result() *Result {
	sum := m.transcript("Nonce", "Echo", "Sum")
	if m.kind == KindSign {
		return &Result{Signature: append(slices.Clone(sum), sum...), Recovery: 1}
	}
	return &Result{PublicKey: append([]byte{2}, sum...), Share: []byte("share of " + m.self), PublicHash: sha256.Sum256(sum)}
}

func (m *toy) Waiting() []Slot {
	var slots []Slot
	for _, name := range toySlots[m.round] {
		for _, p := range m.peers {
			slot := Slot{From: p, Name: name}
			if _, ok := m.got[slot]; !ok && p != m.self {
				slots = append(slots, slot)
			}
		}
	}
	return slots
}
