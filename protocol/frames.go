package protocol

import (
	"errors"
	"fmt"
	"strings"
)

// Channels of direct streams between nodes.
const (
	ChannelDispatch = "dispatch" // Frame: coordinator ↔ party
	ChannelDirect   = "direct"   // DirectFrame: party ↔ party
	TopicPool       = "pool"     // Heartbeat: everyone
)

// SessionTopic is the name of a session's topic inside the network's prefix.
func SessionTopic(sid SID) string { return "s/" + sid.String() }

// Topic is the name of the topic on which the session's members meet, inside the
// network's prefix, and whether others share it: all signings of one set of parties that
// keep their shares, with one key and epoch, have one topic, which stays open between
// them. Every other session has its own.
func (s *Spec) Topic() (name string, shared bool) {
	if s.Kind == KindKeygen || !s.standing() {
		return SessionTopic(s.SID()), false
	}
	b, err := Marshal(struct {
		Key    string   `cbor:"1,keyasint"`
		Epoch  uint32   `cbor:"2,keyasint"`
		Roster []Member `cbor:"3,keyasint"`
	}{s.Key, s.Epoch, s.Roster})
	if err != nil {
		return SessionTopic(s.SID()), false // cannot happen: see Marshal
	}
	return "k/" + SID(hash("mpc/set/v1", b)).String(), true
}

// Frame is one message between a coordinator and a party; exactly one field is
// set. The stream authenticates the sender.
type Frame struct {
	Propose  *Propose  `cbor:"1,keyasint,omitempty"` // to a party
	Cancel   *Cancel   `cbor:"2,keyasint,omitempty"` // to a party
	Ack      *Ack      `cbor:"3,keyasint,omitempty"` // to a party
	Answer   *Answer   `cbor:"4,keyasint,omitempty"` // to the coordinator
	Progress *Progress `cbor:"5,keyasint,omitempty"` // to the coordinator
	Outcome  *Outcome  `cbor:"6,keyasint,omitempty"` // to the coordinator

	ShareRequest *ShareRequest `cbor:"7,keyasint,omitempty"` // to a delegate
	ShareReply   *ShareReply   `cbor:"8,keyasint,omitempty"` // to the coordinator

	Held   *Held   `cbor:"9,keyasint,omitempty"`  // to the coordinator
	Forget *Forget `cbor:"10,keyasint,omitempty"` // to a party
}

// Held says that a party holds what a presigning has made, until it is used, cancelled
// or too old. It is sent once: what a coordinator does not know to be held by all
// members it cancels. Until 0 takes it back: the party has dropped it, to make room for other
// coordinators.
type Held struct {
	SID   SID   `cbor:"1,keyasint"` // of the presigning
	Until int64 `cbor:"2,keyasint"` // Unix seconds; not after the spec's HoldUntil
}

// Forget tells a party to drop all presignatures that it holds for the sender: a
// coordinator that was restarted does not know them.
type Forget struct{}

// Propose asks a party to take part in a session. A party answers every copy.
type Propose struct {
	Spec Spec `cbor:"1,keyasint"`
	// UserShare goes to the delegate of a signing alone: the text form of the
	// user's share (see FormatShare), sealed to the delegate for this digest.
	UserShare string `cbor:"2,keyasint,omitempty"`
}

// ShareRequest asks a delegate for the user's share of a key, or tells it that
// the user has it. A delegate answers every copy.
type ShareRequest struct {
	ID    string `cbor:"1,keyasint"` // of the request: the reply repeats it
	Key   string `cbor:"2,keyasint"`
	Epoch uint32 `cbor:"3,keyasint"`
	// Recipient is the X25519 key to seal the share to; empty: in plain, which a
	// delegate refuses if the key's spec names a recipient.
	Recipient []byte `cbor:"4,keyasint"`
	Erase     bool   `cbor:"5,keyasint"` // the user has the share: erase it
}

// ShareReply is a delegate's answer. An empty Code means that it did as asked.
type ShareReply struct {
	ID      string `cbor:"1,keyasint"`
	Code    Code   `cbor:"2,keyasint"`
	Detail  string `cbor:"3,keyasint"`
	Share   string `cbor:"4,keyasint"` // text form, see FormatShare
	Expires int64  `cbor:"5,keyasint"` // Unix seconds: until then it can be fetched again
	Erased  bool   `cbor:"6,keyasint"`
}

// Cancel ends an attempt.
type Cancel struct {
	SID    SID    `cbor:"1,keyasint"`
	Reason string `cbor:"2,keyasint"`
}

// Ack tells a party that its outcome is on the coordinator's disk; until then
// the party keeps it and sends it again.
type Ack struct {
	SID SID `cbor:"1,keyasint"`
	// Failure: what is on disk is the party's failure. A result that came to be
	// after it is still to be told.
	Failure bool `cbor:"2,keyasint,omitempty"`
}

// Code is a stable reason why a party refused or an attempt failed.
type Code string

// Codes.
const (
	CodeInvalid      Code = "invalid_spec"         // the spec breaks a rule
	CodeNotMember    Code = "not_a_member"         // this party is not in the roster, or a member is not admitted
	CodeExpired      Code = "expired"              // too late, or the clocks differ
	CodeUnauthorised Code = "unauthorised"         // approvals missing or wrong
	CodeReplay       Code = "replay"               // the request id was used for something else
	CodeUnknownKey   Code = "unknown_key"          // no active share of the key and epoch
	CodeBusy         Code = "busy"                 // a limit is reached; try again
	CodeDraining     Code = "draining"             // the party is shutting down
	CodeUnreachable  Code = "unreachable"          // a member could not be reached
	CodeTimeout      Code = "timeout"              // the attempt reached its deadline
	CodeCancelled    Code = "cancelled"            // by the coordinator
	CodeProtocol     Code = "protocol_failure"     // the ceremony failed; culprits, if any, are named
	CodeInternal     Code = "internal_error"       // a fault of this party
	CodeStorage      Code = "storage_failure"      // the party could not save
	CodeDisagreement Code = "results_do_not_match" // members report different results
	CodeNoShare      Code = "no_user_share"        // the user's share is not here: erased, expired or never made here
	CodeUserShare    Code = "bad_user_share"       // the user's share that came with a proposal cannot be used
	CodeSealKey      Code = "stale_seal_key"       // it is sealed to a key that this delegate no longer has
	CodePlainShare   Code = "plain_share_refused"  // the network's configuration wants user shares sealed
	CodeDeclined     Code = "declined"             // the person at an external party said no
	CodeQuarantined  Code = "quarantined"          // a member has broken the protocol too often with this key
	CodeCrashed      Code = "party_crashed"        // the party's process ended unexpectedly and was started again; in an Answer: it had accepted this signing, and nothing is left of it
	CodeNoPresign    Code = "no_presignature"      // the presignature that a signing names is not here: used, expired or lost with a restart
)

// Answer accepts or refuses a proposal. An empty Code accepts.
type Answer struct {
	SID    SID    `cbor:"1,keyasint"`
	Code   Code   `cbor:"2,keyasint"`
	Detail string `cbor:"3,keyasint"` // a sentence for people
	// Peers are the members because of whom a party refuses, such as those that it
	// has in quarantine.
	Peers []PeerID `cbor:"4,keyasint,omitempty"`
}

// Progress tells how far a party is; lost ones do no harm.
type Progress struct {
	SID     SID      `cbor:"1,keyasint"`
	Phase   Phase    `cbor:"2,keyasint"`
	Round   int      `cbor:"3,keyasint"` // in PhaseRounds: messages of this round are being collected
	Rounds  int      `cbor:"4,keyasint"`
	Missing []PeerID `cbor:"5,keyasint"` // who the party waits for, if it has waited for long
}

// Outcome is how an attempt ended at a party: a record, or a failure.
type Outcome struct {
	SID     SID      `cbor:"1,keyasint"`
	Record  *Record  `cbor:"2,keyasint,omitempty"`
	Failure *Failure `cbor:"3,keyasint,omitempty"`
}

// Failure says why an attempt failed at a party. Culprits are its word; Evidence,
// where there is some, may prove it to anybody (see Evidence.Verify).
type Failure struct {
	Code     Code      `cbor:"1,keyasint"`
	Detail   string    `cbor:"2,keyasint"`
	Culprits []PeerID  `cbor:"3,keyasint"`
	Reason   Reason    `cbor:"4,keyasint,omitempty"` // with CodeProtocol
	Evidence *Evidence `cbor:"5,keyasint,omitempty"`
	// GaveUp is the member whose abort ended the session here, with CodeProtocol. It may
	// have had every reason to: this is no blame.
	GaveUp PeerID `cbor:"6,keyasint,omitempty"`
}

// DirectFrame is one message between parties; exactly one field is set.
type DirectFrame struct {
	SID      SID    `cbor:"1,keyasint"`
	Envelope []byte `cbor:"2,keyasint,omitempty"` // an encoded Envelope
	Pull     *Pull  `cbor:"3,keyasint,omitempty"`

	Endorse *Endorse `cbor:"4,keyasint,omitempty"`
}

// Endorse says what a member knows of a key after its keygen's session has
// ended: the certificate with all signatures or, as long as its share is pending,
// with its own and those that it has heard of. So a key whose keygen was
// interrupted between the two saves is completed later. SID is the keygen's.
type Endorse struct {
	Certificate Certificate `cbor:"1,keyasint"` // Signatures has a place for every member; unknown ones are empty
	Reply       bool        `cbor:"2,keyasint"` // an answer, which is not answered
	// Spec is that of the certificate's keygen, in a question: only by it can a member
	// without a share tell that it will never sign.
	Spec *Spec `cbor:"3,keyasint,omitempty"`
	// Abandon, in a reply, says that the sender will never complete the key: it has not
	// signed and never will or, if the word is another member's, has dropped its share or will
	// never take that one's signature. In a question it is a word that the sender has heard: who
	// does not know that signature is asked to say so.
	Abandon *Abandon `cbor:"4,keyasint,omitempty"`
}

// Pull asks a member for the envelopes that it has sent, to everyone or to the
// asker, and that the asker lacks.
type Pull struct {
	Have []Have `cbor:"1,keyasint"` // what the asker has of this member
}

// Have names one envelope of the member asked.
type Have struct {
	Type Type   `cbor:"1,keyasint"`
	Name string `cbor:"2,keyasint"`
}

// MaxDetail bounds the sentences that nodes send each other, in bytes: they end
// up in logs and answers.
const MaxDetail = 1 << 10

// CutDetail shortens a sentence to MaxDetail bytes of valid UTF-8.
func CutDetail(s string) string {
	if len(s) > MaxDetail {
		s = s[:MaxDetail-len("…")] + "…"
	}
	return strings.ToValidUTF8(s, "")
}

// ErrFrame reports a frame that carries nothing, or several things.
var ErrFrame = errors.New("invalid frame: exactly one message is expected")

// DecodeFrame reads a Frame.
func DecodeFrame(data []byte) (*Frame, error) {
	var f Frame
	if err := Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("frame: %w", err)
	}
	n := count(f.Propose != nil, f.Cancel != nil, f.Ack != nil, f.Answer != nil, f.Progress != nil, f.Outcome != nil,
		f.ShareRequest != nil, f.ShareReply != nil, f.Held != nil, f.Forget != nil)
	if n != 1 || (f.Outcome != nil && count(f.Outcome.Record != nil, f.Outcome.Failure != nil) != 1) {
		return nil, ErrFrame
	}
	f.cutDetails()
	return &f, nil
}

// cutDetails bounds what a peer says in its own words.
func (f *Frame) cutDetails() {
	switch {
	case f.Cancel != nil:
		f.Cancel.Reason = CutDetail(f.Cancel.Reason)
	case f.Answer != nil:
		f.Answer.Detail = CutDetail(f.Answer.Detail)
	case f.ShareReply != nil:
		f.ShareReply.Detail = CutDetail(f.ShareReply.Detail)
	case f.Outcome != nil && f.Outcome.Failure != nil:
		f.Outcome.Failure.cut()
	}
}

// cut bounds what a failure says in its author's words. Evidence in words that no
// party writes is left out: it would prove nothing.
func (f *Failure) cut() {
	f.Detail = CutDetail(f.Detail)
	f.Code, f.Reason = Code(cutWord(string(f.Code))), Reason(cutWord(string(f.Reason)))
	if f.Evidence != nil && f.Evidence.checkWords() != nil {
		f.Evidence = nil
	}
}

// maxWord bounds codes, reasons and the names of messages, bytes.
const maxWord = 64

// cutWord returns a stable code as it is, and "unknown" for what cannot be one.
func cutWord(s string) string {
	if len(s) > maxWord || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return "unknown"
	}
	return s
}

// DecodeDirectFrame reads a DirectFrame.
func DecodeDirectFrame(data []byte) (*DirectFrame, error) {
	var f DirectFrame
	if err := Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("direct frame: %w", err)
	}
	if count(len(f.Envelope) > 0, f.Pull != nil, f.Endorse != nil) != 1 {
		return nil, ErrFrame
	}
	return &f, nil
}

func count(set ...bool) int {
	n := 0
	for _, s := range set {
		if s {
			n++
		}
	}
	return n
}
