package registry

import (
	"time"

	"github.com/meshmpc/mpcd/protocol"
)

// Type says what an event tells; see the package comment.
type Type string

// Types of events.
const (
	SessionCreated   Type = "session.created"
	AttemptStarted   Type = "attempt.started"
	PartyAccepted    Type = "party.accepted"
	PartyRefused     Type = "party.refused"
	PartyProgress    Type = "party.progress"
	PartyFinished    Type = "party.finished"
	PartyFailed      Type = "party.failed"
	PartyLost        Type = "party.lost"
	OutcomeRejected  Type = "outcome.rejected"
	OutcomeLate      Type = "outcome.late"
	AttemptFailed    Type = "attempt.failed"
	SessionCompleted Type = "session.completed"
	SessionFailed    Type = "session.failed"
	SessionExpired   Type = "session.expired"
	AccountCreated   Type = "account.created"
	AccountActivated Type = "account.activated"
	AccountFailed    Type = "account.failed"
	OutcomeOrphaned  Type = "outcome.orphaned"
)

// Event is one entry of the log. Append fills Seq and Time; which other fields
// are set depends on Type.
type Event struct {
	Seq     uint64          `json:"seq"` // over all streams, from 1, without gaps
	Time    time.Time       `json:"time"`
	Stream  string          `json:"stream"`
	Type    Type            `json:"type"`
	Attempt uint32          `json:"attempt,omitempty"`
	SID     string          `json:"sid,omitempty"` // hex
	Party   protocol.PeerID `json:"party,omitempty"`
	Phase   protocol.Phase  `json:"phase,omitempty"`
	Round   int             `json:"round,omitempty"`
	Rounds  int             `json:"rounds,omitempty"`
	Code    string          `json:"code,omitempty"`
	Detail  string          `json:"detail,omitempty"`

	Session   *NewSession `json:"session,omitempty"`
	Account   *NewAccount `json:"account,omitempty"`
	Start     *Start      `json:"start,omitempty"`
	Outcome   *Outcome    `json:"outcome,omitempty"`
	Signature *Signature  `json:"signature,omitempty"`
	Key       *Key        `json:"key,omitempty"`
	Problem   *Problem    `json:"problem,omitempty"`
}

// Party is a node and the name that its membership credential gave it.
type Party struct {
	Peer protocol.PeerID `json:"peer_id"`
	Name string          `json:"name"`
}

// NewSession is what a session was asked to do.
type NewSession struct {
	Kind      protocol.Kind      `json:"kind"`
	Account   string             `json:"account"`
	Owner     string             `json:"owner"`
	KeyID     string             `json:"key_id"` // id of the keygen session
	Scheme    protocol.Scheme    `json:"scheme"`
	Threshold protocol.Threshold `json:"threshold"`
	Payload   []byte             `json:"payload,omitempty"` // sign: digest or message
	Parties   []Party            `json:"parties,omitempty"` // keygen: the ones asked for; none: any
	Expires   time.Time          `json:"expires"`           // all attempts have ended by then
}

// NewAccount is what an account was asked to be.
type NewAccount struct {
	Owner     string             `json:"owner"`
	KeyID     string             `json:"key_id"` // id of the keygen session
	Scheme    protocol.Scheme    `json:"scheme"`
	Threshold protocol.Threshold `json:"threshold"`
	Approvers protocol.Approvers `json:"approvers"`
	Labels    map[string]string  `json:"labels,omitempty"`
}

// Start is one attempt: its spec, with which it can be taken up again.
type Start struct {
	Spec    []byte  `json:"spec"`    // canonical CBOR of protocol.Spec
	Parties []Party `json:"parties"` // the roster, in order
}

// Outcome is a party's signed record, with the hash of what the members of a
// keygen must agree on.
type Outcome struct {
	Record []byte `json:"record,omitempty"` // canonical CBOR of protocol.Record
	Digest []byte `json:"digest,omitempty"` // keygen: protocol.CertificateBody.Signed
}

// Signature is the result of a sign session.
type Signature struct {
	Bytes    []byte `json:"bytes"`    // 64: r ‖ s (s ≤ q/2), or R ‖ S
	Recovery byte   `json:"recovery"` // ECDSA: 0 to 3
}

// Key is the result of a keygen.
type Key struct {
	PublicKey   []byte  `json:"public_key"`  // 33 bytes SEC 1 compressed, or 32 bytes RFC 8032
	Certificate []byte  `json:"certificate"` // canonical CBOR of protocol.Certificate
	Parties     []Party `json:"parties"`     // the roster, in order
}

const (
	sessionPrefix = "session/"
	accountPrefix = "account/"
	orphanPrefix  = "orphan/"
)

// SessionStream and AccountStream name the streams of a session and an account;
// OrphanStream the one of outcomes that belong to no session in this registry.
func SessionStream(id string) string       { return sessionPrefix + id }
func AccountStream(id string) string       { return accountPrefix + id }
func OrphanStream(sid protocol.SID) string { return orphanPrefix + sid.String() }
