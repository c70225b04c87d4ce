package protocol

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// EvidenceVersion is the version of the Evidence format.
const EvidenceVersion = 1

// Evidence is what can be shown of a member's fault: messages that it signed. Some
// of it proves the fault to anybody, offline (Verify says which): signatures are
// by the node keys that are part of the peer ids, and an honest member signs at most one
// message for a slot. The rest shows only what was sent; that it is wrong is the word of By.
//
// No Evidence has a confidential message in it: headers carry hashes.
type Evidence struct {
	Version  uint8     `cbor:"1,keyasint"`
	Reason   Reason    `cbor:"2,keyasint"`
	Culprit  PeerID    `cbor:"3,keyasint"`
	By       PeerID    `cbor:"4,keyasint"` // who saw it
	Detail   string    `cbor:"5,keyasint"` // what it saw, in its words
	SID      SID       `cbor:"6,keyasint"` // of the attempt
	Exhibits []Exhibit `cbor:"7,keyasint"`
}

// Exhibit is a signed header; the payload comes along only where the proof needs
// it, and only of broadcasts.
type Exhibit struct {
	Header    Header `cbor:"1,keyasint"`
	Signature []byte `cbor:"2,keyasint"`
	Payload   []byte `cbor:"3,keyasint,omitempty"`
}

// Finding is what evidence shows.
type Finding struct {
	Culprit PeerID
	Reason  Reason
	Proven  bool   // to anybody; otherwise it rests on the word of Evidence.By
	Why     string // a sentence for people
}

// ErrEvidence reports evidence that shows nothing: it is malformed, or a signature
// in it is not the culprit's.
var ErrEvidence = errors.New("evidence does not hold")

const maxExhibits = 2

// exhibit shows an envelope without its payload.
func (e *Envelope) exhibit() Exhibit { return Exhibit{Header: e.Header, Signature: e.Signature} }

// Verify checks the evidence by itself: every exhibit is signed by the culprit,
// for this attempt. Errors are ErrEvidence.
func (v *Evidence) Verify(verify Verifier) (Finding, error) {
	switch {
	case v.Version != EvidenceVersion:
		return Finding{}, fmt.Errorf("%w: version %d, this program reads %d", ErrEvidence, v.Version, EvidenceVersion)
	case len(v.Exhibits) == 0 || len(v.Exhibits) > maxExhibits:
		return Finding{}, fmt.Errorf("%w: it has %d exhibits, not 1 or 2", ErrEvidence, len(v.Exhibits))
	}
	if err := v.checkWords(); err != nil {
		return Finding{}, err
	}
	for i := range v.Exhibits {
		if err := v.Exhibits[i].check(v, verify); err != nil {
			return Finding{}, fmt.Errorf("%w: exhibit %d: %w", ErrEvidence, i+1, err)
		}
	}
	f := Finding{Culprit: v.Culprit, Reason: v.Reason}
	switch v.Reason {
	case ReasonContradiction:
		return f.contradiction(v.Exhibits)
	case ReasonFalseDigest:
		return f.falseDigest(v, verify), nil
	}
	f.Why = fmt.Sprintf("%s signed %s; that it is wrong (%q) is what %s says", v.Culprit, v.Exhibits[0].Header.describe(), v.Detail, v.By)
	return f, nil
}

// checkWords refuses text that no party writes: it ends up in logs, in answers and
// on terminals.
func (v *Evidence) checkWords() error {
	words := []string{string(v.Reason), v.Culprit, v.By}
	for i := range v.Exhibits {
		h := &v.Exhibits[i].Header
		words = append(words, h.From, h.To, string(h.Type), h.Name)
	}
	for _, w := range words {
		if len(w) > maxWord || strings.ContainsFunc(w, func(r rune) bool { return r < ' ' || r > '~' }) {
			return fmt.Errorf("%w: a name in it is not one", ErrEvidence)
		}
	}
	if len(v.Detail) > MaxDetail {
		return fmt.Errorf("%w: its explanation has %d bytes, at most %d are allowed", ErrEvidence, len(v.Detail), MaxDetail)
	}
	return nil
}

func (x *Exhibit) check(v *Evidence, verify Verifier) error {
	switch {
	case x.Header.From != v.Culprit:
		return errors.New("it is not by the culprit")
	case x.Header.SID != v.SID:
		return errors.New("it is of another session")
	case x.Header.Version != EnvelopeVersion: // what a later version allows is not for this one to judge
		return fmt.Errorf("its envelope has version %d, this program knows %d", x.Header.Version, EnvelopeVersion)
	case len(x.Payload) > 0 && (x.Header.To != "" || x.Header.Hash != PayloadHash(x.Payload)):
		return errors.New("its payload is confidential or another one")
	case !verify(x.Header.From, x.Header.signed(), x.Signature):
		return ErrSignature
	}
	return nil
}

// contradicts tells whether no honest member signs both headers: they are of one
// slot and one attempt, and differ in the payload or in whom they are for.
func (h *Header) contradicts(o *Header) bool {
	same := h.Version == o.Version && h.SID == o.SID && h.From == o.From && slotOf(h) == slotOf(o)
	public := h.To == "" || o.To == "" // a type is a broadcast or one message for each member, never both
	return same && (h.To == o.To && h.Hash != o.Hash || h.To != o.To && public)
}

// describe names a message for people.
func (h *Header) describe() string {
	name := string(h.Type)
	if h.Name != "" {
		name += " " + fmt.Sprintf("%.40q", h.Name)
	}
	to := "everyone"
	if h.To != "" {
		to = h.To
	}
	return fmt.Sprintf("a message %s to %s with hash %x in session %s", name, to, h.Hash[:8], h.SID.Short())
}

func (f Finding) contradiction(x []Exhibit) (Finding, error) {
	if len(x) != 2 || !x[0].Header.contradicts(&x[1].Header) {
		return Finding{}, fmt.Errorf("%w: the messages do not contradict each other", ErrEvidence)
	}
	f.Proven = true
	f.Why = fmt.Sprintf("%s signed two messages of which an honest party signs one: %s, and %s", f.Culprit, x[0].Header.describe(), x[1].Header.describe())
	return f, nil
}

// falseDigest proves a digest false by itself: it cannot be read, or claims a
// message with a signature that its sender did not make.
func (f Finding) falseDigest(v *Evidence, verify Verifier) Finding {
	x := &v.Exhibits[0]
	d, err := decodeDigest(x.Payload)
	liar := err == nil && slices.ContainsFunc(d.Heard, func(h Heard) bool { return !h.signed(v.SID, verify) })
	f.Proven = x.Header.Type == TypeDigest && len(x.Payload) > 0 && (err != nil || liar)
	switch {
	case !f.Proven:
		f.Why = fmt.Sprintf("%s signed %s; that it is false (%q) is what %s says", f.Culprit, x.Header.describe(), v.Detail, v.By)
	case err != nil:
		f.Why = fmt.Sprintf("%s signed an echo digest that no member writes: %v", f.Culprit, err)
	default:
		f.Why = fmt.Sprintf("%s signed an echo digest that claims to have heard a message which its sender did not sign", f.Culprit)
	}
	return f
}

// contradiction blames the signer of two messages for one slot.
func contradiction(first, second *Envelope) *Blame {
	h := &second.Header
	return &Blame{
		Round: h.Round, Culprits: []PeerID{h.From}, Reason: ReasonContradiction,
		Evidence: newEvidence(ReasonContradiction, first.exhibit(), second.exhibit()),
		Err:      fmt.Errorf("two different messages %q of one sender", slotOf(h).Name),
	}
}

func newEvidence(r Reason, x ...Exhibit) *Evidence {
	return &Evidence{Version: EvidenceVersion, Reason: r, Culprit: x[0].Header.From, SID: x[0].Header.SID, Exhibits: x}
}

// Brief returns the evidence without the payloads that its proof does not need:
// for messages, where the whole evidence may be too large. Nil stays nil.
func (v *Evidence) Brief() *Evidence {
	if v == nil || v.Reason == ReasonFalseDigest {
		return v
	}
	brief := *v
	brief.Exhibits = slices.Clone(v.Exhibits)
	for i := range brief.Exhibits {
		brief.Exhibits[i].Payload = nil
	}
	return &brief
}
