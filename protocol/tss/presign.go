package tss

import (
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"sync"

	"github.com/bnb-chain/tss-lib/v2/ecdsa/signing"
	tsslib "github.com/bnb-chain/tss-lib/v2/tss"
	"google.golang.org/protobuf/proto"

	"github.com/meshmpc/mpcd/protocol"
)

// presignRounds are the rounds of GG18 (eprint 2019/114) that do all the work with
// Paillier's encryption and read no message.
const presignRounds = 3

// Errors of a presignature that cannot be bound.
var (
	ErrNotHeld = errors.New("the presigning is not complete")
	ErrBound   = errors.New("the presignature was bound to a message or dropped: it serves one signature")
)

// PresignConfig sets up one member of a presigning.
type PresignConfig struct {
	SID    protocol.SID      // of the presigning
	Roster []protocol.Member // exactly t members of the key
	Self   protocol.PeerID   // whose share it is
	Share  *Share            // of an ECDSA key
}

// Presign is the machine of rounds 1 to 3, and after them a presignature: the party of
// the library, in memory only, in front of its last message of round 3.
//
// That it may wait there safely rests on this: the library reads the message in rounds 5
// and 7 and at the end, and R is unknown to everybody who lacks one honest party's message
// of round 4, because its Γ is committed to in round 1. So R becomes known only after
// this party has bound its one message: this is GG18 with a pause, and no stored
// presignature with a known R. Until Bind the library holds a secret random number in place of the message, so
// that what went on unbound would fail, and sign nothing.
//
// A presignature is of one session of presigning, one share and one set of signers, which
// the library's party was made for; it has no encoding, so that it ends with the process.
// When it may be used, and for how long it is held, is for its owner to know.
//
// Its methods may be called from any goroutine.
type Presign struct {
	mu     sync.Mutex
	m      *machine
	setup  *signSetup
	number *big.Int             // the library's message
	party  *spender             // the library's party, until it holds
	last   tsslib.ParsedMessage // of round 3, checked, not yet given to the library
	over   bool                 // bound, or dropped
}

// NewPresign returns a member of a presigning.
func NewPresign(c PresignConfig) (*Presign, error) {
	sign := SignConfig{SID: c.SID, Roster: c.Roster, Self: c.Self, Share: c.Share}
	if err := sign.validateSigners(); err != nil {
		return nil, err
	}
	if c.Share.Scheme() != protocol.ECDSA {
		return nil, fmt.Errorf("%w: only ECDSA keys presign", ErrConfig)
	}
	setup, m := newSigner(&sign)
	placeholder, err := randomScalar(setup.share.suite.curve.Params().N)
	if err != nil {
		return nil, err
	}
	m.runner = ecdsaSigner(setup, placeholder)
	party := &spender{Party: m.runner.party}
	m.runner.party = party
	return &Presign{m: m, setup: setup, number: placeholder, party: party}, nil
}

// randomScalar returns a secret number in [1, q).
func randomScalar(q *big.Int) (*big.Int, error) {
	one := big.NewInt(1)
	r, err := rand.Int(rand.Reader, new(big.Int).Sub(q, one))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return r.Add(r, one), nil
}

// Form implements protocol.Machine.
func (p *Presign) Form(msg protocol.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return ErrDead
	}
	return p.m.Form(msg)
}

// Start implements protocol.Machine.
func (p *Presign) Start() (protocol.Step, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return protocol.Step{}, ErrDead
	}
	return p.m.Start()
}

// Step implements protocol.Machine. It never takes the last message of round 3: Hold
// does.
func (p *Presign) Step(msg protocol.Message) (protocol.Step, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.over:
		return protocol.Step{}, ErrDead
	case p.last != nil:
		return protocol.Step{}, fmt.Errorf("%w: the presigning is complete", ErrDelivery)
	case p.m.round == presignRounds && len(p.m.waiting) == 1 && p.m.waiting[0] == protocol.Slot{From: msg.From, Name: msg.Name}:
		return protocol.Step{}, fmt.Errorf("%w: the last message of round %d is for Hold", ErrDelivery, presignRounds)
	}
	return p.m.Step(msg)
}

// Hold implements protocol.Holder.
func (p *Presign) Hold(msg protocol.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.over || p.m.ended:
		return ErrDead
	case p.last != nil || p.m.round != presignRounds || len(p.m.waiting) != 1:
		return fmt.Errorf("%w: only the last message of round %d is held", ErrDelivery, presignRounds)
	}
	slot, parsed, err := p.m.admit(&msg)
	if err != nil {
		return p.m.end(err)
	}
	p.m.accept(slot, &msg)
	p.last = parsed
	p.trim()
	return nil
}

// trim lets go of what rounds 4 to 9 do not need: a presignature may wait for hours beside
// thousands of others.
func (p *Presign) trim() {
	p.m.runner.party = p.party.clear()
	p.party = nil
	if g, ok := p.m.runner.guard.(*ecdsaSignGuard); ok {
		g.ranges = nil
	}
	s := p.setup.share
	p.setup.share = &Share{suite: s.suite, public: s.public}
}

// Round implements protocol.Machine.
func (p *Presign) Round() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.m.round
}

// Rounds implements protocol.Machine.
func (p *Presign) Rounds() int { return presignRounds }

// Echoes implements protocol.Machine: before anything is bound, all members have shown
// that they heard the same.
func (p *Presign) Echoes() []int { return []int{presignRounds} }

// Waiting implements protocol.Machine.
func (p *Presign) Waiting() []protocol.Slot {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last != nil {
		return nil
	}
	return p.m.Waiting()
}

// Bind uses the presignature up for one digest of 32 bytes, and returns the machine of
// rounds 4 to 9. The first call wins, whatever becomes of the signature. Errors:
// ErrNotHeld, ErrBound, and ErrConfig for a digest that nobody can sign, which leaves the
// presignature as it is.
func (p *Presign) Bind(digest []byte) (protocol.Machine, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.over:
		return nil, ErrBound
	case p.last == nil || p.m.ended:
		return nil, ErrNotHeld
	}
	payload := append([]byte(nil), digest...) // the caller's may change
	number, err := p.setup.digest(payload)
	if err != nil {
		return nil, err
	}
	p.setup.payload = payload
	p.number.Set(number) // the library has kept this very number
	b := &bound{machine: p.m, last: p.last}
	b.runner.party = faulty(b.runner.party, payload)
	p.forget()
	return b, nil
}

// Drop forgets the presignature, or ends the presigning.
func (p *Presign) Drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return
	}
	p.m.drop()
	p.forget()
}

// forget leaves nothing of a presignature that is used up.
func (p *Presign) forget() {
	p.over = true
	p.m, p.setup, p.number, p.party, p.last = &machine{round: p.m.round, ended: true}, nil, nil, nil, nil
}

// spender is the library's party, which keeps all messages that it was given: it remembers
// those that only the presigning reads.
type spender struct {
	tsslib.Party
	spent []proto.Message
}

// Update implements tsslib.Party.
func (s *spender) Update(msg tsslib.ParsedMessage) (bool, *tsslib.Error) {
	switch m := msg.Content().(type) {
	case *signing.SignRound1Message1: // read at the start of round 2
		s.spent = append(s.spent, m)
	case *signing.SignRound2Message: // read at the start of round 3
		s.spent = append(s.spent, m)
	}
	return s.Party.Update(msg)
}

// clear empties the remembered messages, once round 3 has started, and returns the party.
func (s *spender) clear() tsslib.Party {
	for _, m := range s.spent {
		proto.Reset(m)
	}
	return s.Party
}

// bound is the machine of rounds 4 to 9.
type bound struct {
	*machine
	last    tsslib.ParsedMessage
	started bool
}

// Start implements protocol.Machine: it gives the library the last message of round 3.
func (b *bound) Start() (protocol.Step, error) {
	switch {
	case b.ended:
		return protocol.Step{}, ErrDead
	case b.started:
		return protocol.Step{}, b.end(fmt.Errorf("%w: it has started", ErrDelivery))
	}
	b.started = true
	last := b.last
	b.last = nil
	return b.give(last, 0)
}

// Step implements protocol.Machine. Before Start nothing reaches the library: an early
// message of round 4 would follow that of round 3 into round 5 at once.
func (b *bound) Step(msg protocol.Message) (protocol.Step, error) {
	if !b.started && !b.ended {
		return protocol.Step{}, b.end(fmt.Errorf("%w: it has not started", ErrDelivery))
	}
	return b.machine.Step(msg)
}

// Waiting implements protocol.Machine.
func (b *bound) Waiting() []protocol.Slot {
	if !b.started {
		return nil
	}
	return b.machine.Waiting()
}

// Echoes implements protocol.Machine: before a part of the signature leaves.
func (b *bound) Echoes() []int { return []int{8} }

var _ protocol.Holder = (*Presign)(nil)

// ecdsaSigner runs the library's party on a number, which it reads through the pointer.
func ecdsaSigner(s *signSetup, number *big.Int) runner {
	// The length makes the library keep leading zeros.
	party := signing.NewLocalParty(number, s.params, s.ecdsaSaveData(), s.out, s.end, protocol.DigestSize)
	return runner{party: party, guard: newECDSASignGuard(s), outcome: collect(s.end, s.ecdsaResult)}
}
