package protocol

import "fmt"

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
		case PhaseAccepted, PhaseDone, PhaseFailed:
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

// Resume goes on after a Save was made durable.
func (s *Session) Resume() (Output, error) {
	if s.failed != nil {
		return Output{}, s.failed
	}
	return s.advance()
}

// startRounds begins the ceremony once every member is ready.
func (s *Session) startRounds() (Output, bool, error) {
	if len(s.in.without(s.others, TypeReady)) > 0 {
		return Output{}, false, nil
	}
	if err := s.checkContributions(); err != nil { // now, not after a ceremony that costs seconds
		return Output{}, false, err
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
			return &Blame{Culprits: []PeerID{p}, Err: fmt.Errorf("contribution to the chain code has %d bytes, not %d", got, want)}
		}
	}
	return nil
}

// stepRound feeds one held message to the machine.
func (s *Session) stepRound() (Output, bool, error) {
	e := s.in.next(s.cfg.Machine.Round())
	if e == nil {
		return Output{}, false, nil
	}
	h := &e.Header
	step, err := s.cfg.Machine.Step(Message{Round: h.Round, Name: h.Name, From: h.From, To: h.To, Body: e.Payload})
	if err != nil {
		return Output{}, false, err
	}
	e.Payload = nil // the machine has it; the header stays for duplicates and evidence
	out, err := s.take(step)
	return out, true, err
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
	for i, m := range s.cert.Body.Roster {
		if m.Peer == s.cfg.Signer.ID() {
			s.cert.Signatures[i] = s.cfg.Signer.Sign(s.cert.Body.Signed())
			continue
		}
		s.cert.Signatures[i] = s.in.get(m.Peer, TypeConfirm).Payload
	}
	if err := s.cert.Verify(s.cfg.Verify); err != nil {
		return Output{}, false, fmt.Errorf("%w: %w", ErrDisagreement, err)
	}
	s.phase = PhaseDone
	s.key.Certificate = s.cert
	return Output{
		Save: &Save{Active: true, Key: s.key},
		Done: &RecordBody{Spec: *s.cfg.Spec, Certificate: s.cert},
	}, true, nil
}
