package protocol

import (
	"errors"
	"fmt"
	"slices"
)

// advance does everything that has become possible: from readiness into the
// rounds, through the rounds, and from the last round to the end.
func (s *Session) advance() (Output, error) {
	var out Output
	for {
		var (
			next     Output
			progress bool
			err      error
		)
		switch s.phase {
		case PhaseReady:
			next, progress, err = s.startRounds()
		case PhaseRounds:
			next, progress, err = s.stepRound()
		case PhaseConfirm:
			next, progress, err = s.finishKeygen()
		case PhaseAccepted, PhaseHeld, PhaseDone, PhaseFailed:
		}
		out.add(next)
		if err != nil {
			return out, s.fail(err)
		}
		if !progress {
			return out, nil
		}
		if next.Save != nil {
			return out, nil // what follows a save must not be mixed with it; the caller comes back with Resume
		}
	}
}

// Resume goes on after a Save was made durable. Only then do members that ask get
// the confirmation.
func (s *Session) Resume() (Output, error) {
	if s.failed != nil {
		return Output{}, s.failed
	}
	s.kept = s.kept || s.phase == PhaseConfirm
	return s.advance()
}

// startRounds begins the ceremony, a keygen once every member is ready.
func (s *Session) startRounds() (Output, bool, error) {
	if s.meets() {
		if len(s.in.without(s.others, TypeReady)) > 0 {
			return Output{}, false, nil
		}
		if err := s.checkContributions(); err != nil { // now, not after a ceremony that costs seconds
			return Output{}, false, err
		}
	}
	s.phase = PhaseRounds
	step, err := s.cfg.Machine.Start()
	if err != nil {
		return Output{}, false, err
	}
	out, err := s.take(step)
	return out, true, err
}

// checkContributions checks what came with everyone's readiness.
func (s *Session) checkContributions() error {
	want := contributionSize(s.cfg.Spec.Kind)
	for _, p := range s.others {
		if got := len(s.in.get(p, TypeReady).Payload); got != want {
			return &Blame{Culprits: []PeerID{p}, Reason: ReasonContribution, Err: fmt.Errorf("contribution to the chain code has %d bytes, not %d", got, want)}
		}
	}
	return nil
}

// stepRound feeds one held message to the machine, the last one of some rounds
// only when all members have agreed on what they have heard.
func (s *Session) stepRound() (Output, bool, error) {
	e := s.in.next(s.cfg.Machine)
	if e == nil {
		return Output{}, false, nil
	}
	last := s.last(e)
	if last && s.gated() {
		return s.agree()
	}
	s.in.drop(e)
	if last && s.ends() {
		return s.hold(e)
	}
	step, err := s.cfg.Machine.Step(e.message())
	if err != nil {
		return Output{}, false, blameFor(e, err)
	}
	e.Payload = nil // the machine has it; the header stays for duplicates and evidence
	out, err := s.take(step)
	return out, true, err
}

// last tells whether e is all that the machine's round still lacks.
func (s *Session) last(e *Envelope) bool {
	waiting := s.cfg.Machine.Waiting()
	return len(waiting) == 1 && waiting[0] == Slot{From: e.Header.From, Name: e.Header.Name}
}

// ends tells whether the round is the last one of a presigning.
func (s *Session) ends() bool {
	m := s.cfg.Machine
	return s.cfg.Spec.Kind == KindPresign && m.Round() == m.Rounds()
}

// hold ends a presigning with its last message.
func (s *Session) hold(e *Envelope) (Output, bool, error) {
	holder, ok := s.cfg.Machine.(Holder)
	if !ok || len(s.echo.rounds) > 0 {
		return Output{}, false, errHold // cannot happen: see checkMachine, and stepRound
	}
	if err := holder.Hold(e.message()); err != nil {
		return Output{}, false, blameFor(e, err)
	}
	e.Payload = nil
	s.phase = PhaseHeld
	return Output{Held: true}, true, nil
}

var errHold = errors.New("a presigning cannot end here: this is a mistake of this program")

// blameFor adds to the machine's blame of a message's sender what it has signed.
// Confidential payloads stay out.
func blameFor(e *Envelope, err error) error {
	var b *Blame
	if errors.As(err, &b) && b.Evidence == nil && slices.Equal(b.Culprits, []PeerID{e.Header.From}) {
		x := e.exhibit()
		if e.Header.To == "" {
			x.Payload = e.Payload
		}
		b.Evidence = newEvidence(b.Reason, x)
	}
	return err
}

// take turns a machine's step into envelopes and a result.
func (s *Session) take(step Step) (Output, error) {
	var out Output
	for _, m := range step.Send {
		sent, err := s.out.send(Header{Type: TypeRound, Round: m.Round, Name: m.Name, To: m.To}, m.Body)
		if err != nil {
			return out, err
		}
		out.add(sent)
	}
	if step.Result == nil {
		return out, nil
	}
	end, err := s.result(step.Result)
	out.add(end)
	return out, err
}

// result ends a signing, or begins the confirmation of a new key.
func (s *Session) result(r *Result) (Output, error) {
	if s.cfg.Spec.Kind == KindSign {
		s.phase = PhaseDone
		return Output{Done: &RecordBody{Spec: *s.cfg.Spec, Signature: r.Signature, Recovery: r.Recovery}}, nil
	}
	chain := s.chainCode()
	body := NewCertificateBody(s.cfg.Spec, r, chain)
	s.cert = &Certificate{Body: body, Signatures: make([][]byte, len(body.Roster))}
	s.key = KeyRecord{
		Version: KeyRecordVersion, Spec: *s.cfg.Spec, Share: r.Share, PublicKey: r.PublicKey, ChainCode: chain, PublicHash: r.PublicHash,
	}
	s.phase = PhaseConfirm
	out, err := s.out.send(Header{Type: TypeConfirm}, s.cfg.Signer.Sign(body.Signed()))
	out.Save = &Save{Key: s.key}
	return out, err
}

// chainCode combines the contributions that came with everyone's readiness.
func (s *Session) chainCode() [32]byte {
	parts := make([][]byte, 0, len(s.cfg.Spec.Roster))
	for _, m := range s.cfg.Spec.Roster {
		if m.Peer == s.cfg.Signer.ID() {
			parts = append(parts, s.cfg.Contribution)
			continue
		}
		parts = append(parts, s.in.get(m.Peer, TypeReady).Payload)
	}
	return ChainCode(s.sid, parts)
}

// finishKeygen collects every member's signature on the certificate.
func (s *Session) finishKeygen() (Output, bool, error) {
	if len(s.in.without(s.others, TypeConfirm)) > 0 {
		return Output{}, false, nil
	}
	data := s.cert.Body.Signed()
	for i, m := range s.cert.Body.Roster {
		if m.Peer == s.cfg.Signer.ID() {
			s.cert.Signatures[i] = s.cfg.Signer.Sign(data)
			continue
		}
		e := s.in.get(m.Peer, TypeConfirm)
		if !s.cfg.Verify(m.Peer, data, e.Payload) {
			return Output{}, false, badConfirmation(e)
		}
		s.cert.Signatures[i] = e.Payload
	}
	s.phase = PhaseDone
	s.key.Certificate = s.cert
	return Output{
		Save: &Save{Active: true, Key: s.key},
		Done: &RecordBody{Spec: *s.cfg.Spec, Certificate: s.cert},
	}, true, nil
}

// badConfirmation blames a member that has not signed this party's certificate.
// All that is in a certificate follows from the spec and from broadcasts on which
// all members have agreed, so an honest member has the same.
func badConfirmation(e *Envelope) error {
	return &Blame{
		Culprits: []PeerID{e.Header.From}, Reason: ReasonConfirmation, Evidence: newEvidence(ReasonConfirmation, e.exhibit()),
		Err: fmt.Errorf("%w: its confirmation is not a signature on the certificate", ErrDisagreement),
	}
}
