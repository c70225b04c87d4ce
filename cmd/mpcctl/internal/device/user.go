package device

import (
	"context"
	"time"

	"github.com/meshmpc/mpcd/coordinator/rest"
)

// User is the person at the device, or a script in their place. Its methods may
// be called from several goroutines.
type User interface {
	// Tell shows something that has happened.
	Tell(Event)
	// Ask asks whether to take part. nil: yes; an error, such as ErrDeclined: no.
	// When ctx ends the question is void.
	Ask(ctx context.Context, q Question) error
}

// Types of events.
const (
	EventInvited     = "invited"     // Invite
	EventDevice      = "device"      // PeerID
	EventPreparing   = "preparing"   // pre-parameters are being made
	EventPrepared    = "prepared"    // Detail: how long it took
	EventJoined      = "joined"      // SessionID; ExpiresAt, when the device has to join again
	EventSession     = "session"     // Session: something happened in the session
	EventQuestion    = "question"    // Question, which is about to be asked
	EventAnswer      = "answer"      // Detail: accepted, or why not
	EventUnreachable = "unreachable" // Detail: the coordinator does not answer; it is tried again
	EventResult      = "result"      // Result
)

// Event is something to show; Type says which fields it has.
type Event struct {
	Type      string           `json:"event"`
	Invite    *rest.InviteInfo `json:"invite,omitempty"`
	PeerID    string           `json:"peer_id,omitempty"`
	SessionID string           `json:"session_id,omitempty"`
	ExpiresAt *time.Time       `json:"expires_at,omitempty"`
	Session   *rest.Event      `json:"session,omitempty"`
	Question  *Question        `json:"question,omitempty"`
	Result    *Result          `json:"result,omitempty"`
	Detail    string           `json:"detail,omitempty"`
}

// Question is what the user decides about.
type Question struct {
	Kind      string `json:"kind"` // keygen or sign
	SessionID string `json:"session_id"`
	Attempt   uint32 `json:"attempt"`
	Network   string `json:"network"`
	UserID    string `json:"user_id"`
	AccountID string `json:"account_id"`
	Scheme    string `json:"scheme"`
	Threshold int    `json:"threshold_t"`
	// Fingerprint is protocol.Fingerprint: the participants compare it over another
	// way than the one on which they were invited.
	Fingerprint string    `json:"fingerprint"`
	Members     []Member  `json:"members"`
	Expires     time.Time `json:"expires"` // an answer must come before

	// Keygen: how many approvals of how many approvers signing will need, and who
	// they are: SHA-256 of their SubjectPublicKeyInfo, hex.
	Approvers    string   `json:"approvers,omitempty"`
	ApproverKeys []string `json:"approver_keys,omitempty"`

	// Signing.
	PublicKey string `json:"public_key,omitempty"` // hex, from this device's record
	Message   string `json:"message,omitempty"`    // hex: the bytes given, whose hash the digest is
	Hash      string `json:"hash,omitempty"`       // what was applied to them
	Digest    string `json:"digest,omitempty"`     // hex: what the key signs
}

// Member is one member of a session.
type Member struct {
	PeerID string `json:"peer_id"`
	Role   string `json:"role"`
	Name   string `json:"name,omitempty"` // as the coordinator says
	Self   bool   `json:"self,omitempty"`
}

// Result is how a session ended well.
type Result struct {
	ShareInfo
	Kind        string          `json:"kind"` // keygen or sign
	SessionID   string          `json:"session_id"`
	UserID      string          `json:"user_id"`
	Fingerprint string          `json:"fingerprint,omitempty"`
	Addresses   *rest.Addresses `json:"addresses"`

	// Signing.
	Message   string          `json:"message,omitempty"` // hex
	Hash      string          `json:"hash,omitempty"`
	Digest    string          `json:"digest,omitempty"`    // hex
	Signature *rest.Signature `json:"signature,omitempty"` // verified
}
