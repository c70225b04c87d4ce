package protocol

import (
	"errors"
	"fmt"
	"slices"
)

// ContributionSize is the size of a member's share of the chain code, bytes.
const ContributionSize = 32

// SessionConfig describes one attempt of a session at one party.
type SessionConfig struct {
	Spec    *Spec
	Signer  Signer
	Verify  Verifier
	Machine Machine
	// Contribution is keygen's random share of the chain code, ContributionSize
	// bytes; nil when signing.
	Contribution []byte
}

// Save is what must be on disk, fsynced, before anything else of an Output is
// acted on. It is made twice: pending, before this party confirms the key to
// the others, and active, with the certificate, before the outcome is told.
type Save struct {
	Active bool
	Key    KeyRecord
}

// KeyRecord is the plaintext of a share record in the keystore.
type KeyRecord struct {
	Version     uint8        `cbor:"1,keyasint"`
	Spec        Spec         `cbor:"2,keyasint"` // of the session that made this epoch
	Share       []byte       `cbor:"3,keyasint"` // secret: one party's encoded share
	PublicKey   []byte       `cbor:"4,keyasint"`
	ChainCode   [32]byte     `cbor:"5,keyasint"`
	PublicHash  [32]byte     `cbor:"6,keyasint"`
	Certificate *Certificate `cbor:"7,keyasint"` // while pending nil, or with the signatures that are known
	// Delivered is the delegate's signature on everything else, in a user's share;
	// no keystore has it. See SignDelivery.
	Delivered []byte `cbor:"8,keyasint,omitempty"`
}

// KeyRecordVersion is the version of the KeyRecord format.
const KeyRecordVersion = 1

// Direct is an envelope for one member only.
type Direct struct {
	To       PeerID
	Envelope []byte
}

// Output is what the caller must do, in the order of the fields.
type Output struct {
	Save      *Save
	Broadcast [][]byte // encoded envelopes for the session topic
	Direct    []Direct
	Done      *RecordBody // the session has ended well
	Held      bool        // a presigning has ended well: its machine holds the result
	Dropped   string      // the message was ignored, and why: for counters and debugging
}

func (o *Output) add(p Output) {
	if p.Save != nil {
		o.Save = p.Save
	}
	o.Broadcast = append(o.Broadcast, p.Broadcast...)
	o.Direct = append(o.Direct, p.Direct...)
	if p.Done != nil {
		o.Done = p.Done
	}
	o.Held = o.Held || p.Held
}

// Session is one attempt at one party: readiness, the ceremony's rounds and,
// for keygen, the key certificate. See the package comment for the duties of
// the caller. It is not safe for concurrent use.
type Session struct {
	cfg    SessionConfig
	sid    SID
	others []PeerID
	phase  Phase
	in     inbox
	out    outbox
	echo   echo
	cert   *Certificate
	key    KeyRecord
	kept   bool // the pending share is on disk
	failed error
	silent bool // see Silence
}

// Aborted is the error of a session that another member gave up. What it says of
// others is its word, unless its evidence proves it: then Proof blames them.
type Aborted struct {
	By      PeerID
	Failure Failure
	Proof   *Blame
}

func (a *Aborted) Unwrap() error {
	if a.Proof == nil {
		return nil
	}
	return a.Proof
}

func (a *Aborted) Error() string {
	return fmt.Sprintf("party %s gave up: %s: %s", a.By, a.Failure.Code, a.Failure.Detail)
}

// ErrDisagreement reports members that hold different results of one session.
var ErrDisagreement = errors.New("the members' results do not match")

// NewSession prepares a session; it sends nothing until Ready.
func NewSession(cfg SessionConfig) (*Session, error) {
	if err := cfg.Spec.Validate(); err != nil {
		return nil, err
	}
	peers := cfg.Spec.Peers()
	self := slices.Index(peers, cfg.Signer.ID())
	if self < 0 {
		return nil, fmt.Errorf("%w: this party is not in the roster", ErrSpec)
	}
	if want := contributionSize(cfg.Spec.Kind); len(cfg.Contribution) != want {
		return nil, fmt.Errorf("the chain code's contribution has %d bytes, not %d", len(cfg.Contribution), want)
	}
	if err := checkMachine(&cfg); err != nil {
		return nil, err
	}
	sid, gates := cfg.Spec.SID(), newEcho(cfg.Machine, len(peers))
	return &Session{
		cfg: cfg, sid: sid, others: slices.Delete(slices.Clone(peers), self, self+1), phase: PhaseAccepted,
		in: newInbox(cfg.Machine, gates.rounds), out: outbox{signer: cfg.Signer, sid: sid}, echo: gates,
	}, nil
}

// checkMachine checks that the machine is one for the spec: what a presignature is used
// up for is what the session's id, its approvals and its deadline are about.
func checkMachine(cfg *SessionConfig) error {
	_, holds := cfg.Machine.(Holder)
	switch {
	case holds != (cfg.Spec.Kind == KindPresign):
		return fmt.Errorf("%w: a machine that holds its result is for a presigning, and it needs one", ErrSpec)
	case (cfg.Machine.Round() != 0) != (len(cfg.Spec.Presign) != 0):
		return fmt.Errorf("%w: a machine that goes on after its first rounds is for a signing that names a presignature, and it needs one", ErrSpec)
	}
	return nil
}

func contributionSize(k Kind) int {
	if k == KindKeygen {
		return ContributionSize
	}
	return 0
}

// SID returns the session's id.
func (s *Session) SID() SID { return s.sid }

// Phase and Round tell how far the session is.
func (s *Session) Phase() Phase { return s.phase }

// Round is the round being collected and the number of rounds; 0 before the first.
func (s *Session) Round() (round, rounds int) {
	if s.cfg.Machine == nil { // see Retire
		return 0, 0
	}
	if s.phase != PhaseAccepted && s.phase != PhaseReady {
		round = s.cfg.Machine.Round()
	}
	return round, s.cfg.Machine.Rounds()
}

// meets tells whether the members wait for each other before the rounds. A keygen's do:
// with their readiness come their parts of the chain code. Signers need not: who is not
// there yet hears or pulls the first round later.
func (s *Session) meets() bool { return s.cfg.Spec.Kind == KindKeygen }

// Ready is called once every member has been seen on the topic.
func (s *Session) Ready() (out Output, err error) {
	if s.phase != PhaseAccepted {
		return Output{}, nil
	}
	s.phase = PhaseReady
	if s.meets() {
		if out, err = s.out.send(Header{Type: TypeReady}, s.cfg.Contribution); err != nil {
			return Output{}, s.fail(err)
		}
	}
	next, err := s.advance()
	out.add(next)
	return out, err
}

// Deliver takes an encoded envelope that arrived on the topic or, if direct,
// over a direct stream. A returned error is the end of the session; a message
// that is merely of no use is dropped.
func (s *Session) Deliver(data []byte, direct bool) (Output, error) {
	if s.failed != nil || s.over() {
		return s.Take(nil, direct)
	}
	o, err := OpenEnvelope(data, s.cfg.Verify)
	if err != nil {
		return Output{Dropped: err.Error()}, nil
	}
	return s.Take(o, direct)
}

// over tells whether the session has ended well.
func (s *Session) over() bool { return s.phase == PhaseDone || s.phase == PhaseHeld }

// Take is Deliver for an envelope that has been opened where it arrived.
func (s *Session) Take(o *Opened, direct bool) (Output, error) {
	if s.failed != nil {
		return Output{Dropped: "the session has failed"}, s.failed
	}
	if s.over() {
		return Output{Dropped: "the session is done"}, nil
	}
	e := o.envelope
	if reason := s.refuse(&e.Header, direct); reason != "" {
		return Output{Dropped: reason}, nil
	}
	switch reason, err := s.in.put(e); {
	case err != nil:
		return Output{}, s.fail(err)
	case reason != "":
		return Output{Dropped: reason}, nil
	}
	if e.Header.Type == TypeAbort {
		return Output{}, s.aborted(e)
	}
	return s.advance()
}

// Useless says why Take would drop an envelope and go on as before, "" if it would not.
// That costs little, and the session stays as it is.
func (s *Session) Useless(o *Opened, direct bool) string {
	switch {
	case s.failed != nil:
		return ""
	case s.over():
		return "the session is done"
	}
	if reason := s.refuse(&o.envelope.Header, direct); reason != "" {
		return reason
	}
	return s.in.useless(o.envelope)
}

// refuse says why a header cannot belong here. A forged message must not end
// the session: that would let anyone end it.
func (s *Session) refuse(h *Header, direct bool) string {
	switch {
	case h.SID != s.sid:
		return "of another session"
	case !slices.Contains(s.others, h.From):
		return "not from another member"
	case h.To != "" && h.To != s.cfg.Signer.ID():
		return "for another member"
	case h.To != "" && !direct:
		return "a confidential message on the topic"
	case h.Type == TypeReady && !s.meets():
		return "of a kind that only a keygen has"
	}
	return ""
}

func (s *Session) aborted(e *Envelope) error {
	var f Failure
	if err := Unmarshal(e.Payload, &f); err != nil {
		f = Failure{Code: CodeProtocol, Detail: "no reason that can be read"}
	}
	f.cut()
	return s.fail(&Aborted{By: e.Header.From, Failure: f, Proof: s.proof(f.Evidence)})
}

// proof is the blame that another member's evidence proves. Whatever does not prove anything
// is passed over: it may be there to frame somebody.
func (s *Session) proof(v *Evidence) *Blame {
	if v == nil || v.SID != s.sid || !slices.Contains(s.others, v.Culprit) {
		return nil
	}
	f, err := v.Verify(s.cfg.Verify)
	if err != nil || !f.Proven {
		return nil
	}
	return &Blame{Round: v.Exhibits[0].Header.Round, Culprits: []PeerID{f.Culprit}, Reason: f.Reason, Evidence: v, Err: errors.New(f.Why)}
}

// Abort gives the session up and returns the message that tells the others. A
// session that is done stays done, and a second call says nothing: two aborts
// with different reasons would contradict each other.
func (s *Session) Abort(f Failure) Output {
	if s.over() || s.silent || s.out.sentType(TypeAbort) {
		return Output{}
	}
	s.phase = PhaseFailed
	if s.failed == nil {
		s.failed = fmt.Errorf("%s: %s", f.Code, f.Detail)
	}
	f.Detail, f.Evidence = CutDetail(f.Detail), f.Evidence.Brief()
	out, err := s.sendAbort(f)
	if err != nil { // a digest can be as large as an envelope: then the others get this member's word alone
		f.Evidence = nil
		if out, err = s.sendAbort(f); err != nil {
			return Output{} // nothing can be said; the others' deadlines end the session
		}
	}
	return out
}

func (s *Session) sendAbort(f Failure) (Output, error) {
	payload, err := Marshal(f)
	if err != nil {
		return Output{}, err
	}
	return s.out.send(Header{Type: TypeAbort}, payload)
}

// fail ends the session. Its evidence says whose it is.
func (s *Session) fail(err error) error {
	s.phase, s.failed = PhaseFailed, err
	s.in.release()
	var b *Blame
	if errors.As(err, &b) && b.Evidence != nil && b.Evidence.By == "" {
		b.Evidence.By, b.Evidence.Detail = s.cfg.Signer.ID(), CutDetail(b.Err.Error())
	}
	return err
}

// Answer returns the envelopes that a member asks for. It works as long as the
// session is kept, also after its end. A confirmation whose share could not be saved
// was never sent and is nobody's to have.
func (s *Session) Answer(from PeerID, p *Pull) [][]byte {
	if !slices.Contains(s.others, from) {
		return nil
	}
	have := p.Have
	if !s.kept {
		have = append(slices.Clone(have), Have{Type: TypeConfirm})
	}
	return s.out.missing(from, have)
}

// Missing returns, for each member that this party waits for, the pull to send. Until Ready
// that is nobody: only the topic knows who has not been seen there.
func (s *Session) Missing() map[PeerID]*Pull {
	pulls := make(map[PeerID]*Pull)
	for _, peer := range s.waiting() {
		pulls[peer] = &Pull{Have: s.in.have(peer)}
	}
	return pulls
}

// waiting lists the members whose messages the current phase lacks.
func (s *Session) waiting() []PeerID {
	var peers []PeerID
	switch s.phase {
	case PhaseReady: // of a keygen: others leave it at once
		peers = s.in.without(s.others, TypeReady)
	case PhaseRounds:
		if s.echo.sent { // the messages of the round are here
			return s.echoMissing()
		}
		for _, slot := range s.cfg.Machine.Waiting() {
			if !slices.Contains(peers, slot.From) {
				peers = append(peers, slot.From)
			}
		}
	case PhaseConfirm:
		peers = s.in.without(s.others, TypeConfirm)
	case PhaseAccepted, PhaseHeld, PhaseDone, PhaseFailed:
	}
	return peers
}
