package rest

import "time"

// Kinds of sessions.
const (
	KindKeygen          = "keygen"
	KindCoManagedKeygen = "co_managed_keygen"
	KindSign            = "sign"
)

// CreateSession is the body of POST /api/v1/sessions. Which fields count depends
// on kind.
type CreateSession struct {
	Kind      string `json:"kind" enum:"keygen,co_managed_keygen,sign"`
	ExpiresIn int    `json:"expires_in,omitempty" minimum:"10" maximum:"604800" doc:"Seconds that the session waits for whom it needs (users, approvals); default 3600 for keygens, 600 for signing."`

	UserID          string            `json:"user_id,omitempty" maxLength:"128" doc:"Keygens: the owner of the account."`
	Scheme          string            `json:"scheme,omitempty" enum:"ecdsa-secp256k1,eddsa-ed25519" doc:"Keygens; default ecdsa-secp256k1."`
	Threshold       *Threshold        `json:"threshold,omitempty" doc:"keygen; default 2-of-3. co_managed_keygen: only t counts, n is server_parties + external_parties."`
	Parties         []string          `json:"parties,omitempty" maxItems:"32" doc:"Keygens: the parties of the network, by name or peer id; default: the coordinator chooses."`
	Labels          map[string]string `json:"labels,omitempty"`
	Approvers       *Approvers        `json:"approvers,omitempty"`
	DeviceInfo      map[string]any    `json:"device_info,omitempty"`
	OpenUserSlot    bool              `json:"open_user_slot,omitempty" doc:"keygen: one share is the user's; the session waits for POST /api/v1/shares/generate."`
	ServerParties   int               `json:"server_parties,omitempty" minimum:"0" maximum:"31" doc:"co_managed_keygen: parties of the network that take part."`
	ExternalParties int               `json:"external_parties,omitempty" minimum:"0" maximum:"32" doc:"co_managed_keygen: users' devices, which get an invite each. sign: how many of the signers are users' devices; default: as few as possible."`

	AccountID string   `json:"account_id,omitempty" maxLength:"64" doc:"sign: the account."`
	Message   string   `json:"message,omitempty" doc:"sign: see POST /api/v1/accounts/{id}/sign."`
	Encoding  string   `json:"encoding,omitempty" enum:"hex,base64,utf8"`
	Hash      string   `json:"hash,omitempty" enum:"none,sha256,keccak256,eip191"`
	UserShare string   `json:"user_share,omitempty" maxLength:"131072"`
	Approvals []string `json:"approvals,omitempty" maxItems:"32"`
	RequestID string   `json:"request_id,omitempty" maxLength:"64" format:"uuid"`
}

// Session is a session as the API shows it.
type Session struct {
	ID              string         `json:"id"`
	Kind            string         `json:"kind" enum:"keygen,co_managed_keygen,sign"`
	Custody         string         `json:"custody" enum:"server,hybrid,co_managed"`
	Status          string         `json:"status" enum:"created,running,completed,failed,cancelled,expired"`
	WaitingFor      string         `json:"waiting_for,omitempty" enum:"user,external_parties,approvals" doc:"What a created session waits for: POST /api/v1/shares/generate, invited users to join, or approvals."`
	AccountID       string         `json:"account_id"`
	UserID          string         `json:"user_id"`
	Scheme          string         `json:"scheme"`
	ThresholdT      int            `json:"threshold_t"`
	ThresholdN      int            `json:"threshold_n"`
	KeygenSessionID string         `json:"keygen_session_id"`
	Message         string         `json:"message,omitempty" doc:"Hex. Sign sessions: the bytes that were given. Lists leave out more than 256 bytes of sessions that have ended."`
	Hash            string         `json:"hash,omitempty" enum:"none,sha256,keccak256,eip191" doc:"Sign sessions: what is applied to them."`
	Digest          string         `json:"digest,omitempty" doc:"Hex. Sign sessions: the bytes that the key signs. Lists leave out more than 256 bytes of sessions that have ended."`
	Attempt         uint32         `json:"attempt" doc:"The attempt that runs or was the last, from 1; 0 before the first."`
	SID             string         `json:"sid,omitempty" doc:"Hex: identifies the attempt among the parties."`
	Presigned       bool           `json:"presigned,omitempty" doc:"Sign sessions: the attempt uses a presignature."`
	Fingerprint     string         `json:"roster_fingerprint,omitempty" doc:"Of the roster, for people to compare; see mpcctl join. Present once the parties are chosen."`
	Parties         []SessionParty `json:"parties" doc:"The parties of the attempt; before it, those that have joined."`
	Invites         []Invite       `json:"invites,omitempty" doc:"The session's invites. Codes are shown only by the calls that make them."`
	Approval        *Approval      `json:"approval,omitempty" doc:"Sign sessions: who approves."`
	Approved        []string       `json:"approved,omitempty" doc:"Key ids of the approvers that have approved."`
	Signature       *Signature     `json:"signature,omitempty" doc:"Sign sessions that are completed."`
	CreatedAt       time.Time      `json:"created_at"`
	ExpiresAt       time.Time      `json:"expires_at"`
	FinishedAt      *time.Time     `json:"finished_at,omitempty"`
	Blame           []Blame        `json:"blame,omitempty" doc:"Who is blamed for attempts that failed, of all attempts; at most 64. Lists leave out detail and evidence."`
	Error           *Problem       `json:"error,omitempty" doc:"Why the session ended without a result."`
}

// Blame is what one party says of another's part in a failed attempt. Unless it is
// proven it is that party's word: nobody is shut out by it, the two are kept apart
// in later attempts, if there are others.
type Blame struct {
	Party    PartyName `json:"party" doc:"Who is blamed."`
	By       PartyName `json:"by" doc:"Who says so."`
	Attempt  uint32    `json:"attempt"`
	SID      string    `json:"sid" doc:"Hex: the attempt among the parties."`
	Reason   string    `json:"reason" example:"contradiction" doc:"A stable word: contradiction, false_digest, invalid_message, invalid_value, invalid_proof, invalid_contribution, invalid_confirmation, library_panic, unattributed (it cannot be told who sent what is wrong), quarantined (the other refuses to take part with it), unknown_reason."`
	Proven   bool      `json:"proven" doc:"true: evidence proves it to anybody, and the coordinator has verified that."`
	Detail   string    `json:"detail,omitempty" doc:"What the party says that happened, in its words."`
	Evidence string    `json:"evidence,omitempty" doc:"Base64: what the blamed party has signed, in canonical CBOR, without the payloads that a proof does not need; mpcd evidence verify reads it. There may be some without a proof."`
}

// SessionParty is a party in an attempt.
type SessionParty struct {
	PeerID string `json:"peer_id"`
	Name   string `json:"name"`
	Role   string `json:"role" enum:"persistent,delegate,external"`
	State  string `json:"state" enum:"joined,invited,accepted,refused,running,finished,failed,lost"`
	Phase  string `json:"phase,omitempty"`
	Round  int    `json:"round" doc:"The round whose messages the party collects; 0 outside of rounds."`
	Rounds int    `json:"rounds" doc:"The number of rounds, once known."`
}

// SessionList is a page of sessions.
type SessionList struct {
	Sessions   []Session `json:"sessions"`
	NextCursor string    `json:"next_cursor,omitempty" doc:"For the next page; none: this is the last."`
}

// Event is one thing that happened in a session.
type Event struct {
	Seq     uint64     `json:"seq" doc:"Grows over all events of the coordinator."`
	Time    time.Time  `json:"time"`
	Type    string     `json:"type" example:"party.accepted"`
	Attempt uint32     `json:"attempt,omitempty"`
	SID     string     `json:"sid,omitempty" doc:"Hex: the attempt among the parties."`
	Party   *PartyName `json:"party,omitempty" doc:"The party that it is about; of a signature's session.completed: the one that delivered it."`
	Phase   string     `json:"phase,omitempty"`
	Round   int        `json:"round,omitempty"`
	Rounds  int        `json:"rounds,omitempty"`
	Code    string     `json:"code,omitempty"`
	Detail  string     `json:"detail,omitempty"`
	Roster  []string   `json:"roster,omitempty" doc:"Peer ids of the attempt that starts."`
	Blame   []Blame    `json:"blame,omitempty" doc:"Whom the party blames."`
	Actor   *Actor     `json:"actor,omitempty" doc:"Who asked for it."`
}

// Actor is who made a request.
type Actor struct {
	Key       string `json:"key,omitempty" doc:"Id of the API key; empty: a join token or nobody."`
	KeyName   string `json:"key_name,omitempty"`
	Client    string `json:"client,omitempty" doc:"The address."`
	RequestID string `json:"request_id,omitempty"`
}

// EventList is a part of a session's events.
type EventList struct {
	Events []Event `json:"events"`
	After  uint64  `json:"after" doc:"Sequence of the last event here: give it as after to get what follows."`
}

// AuditEntry is one line of the audit log: what was asked for or changed, and by
// whom; failed authentications are aggregated by address and reason.
type AuditEntry struct {
	Seq       uint64    `json:"seq"`
	Time      time.Time `json:"time"`
	Type      string    `json:"type" example:"session.created"`
	Actor     *Actor    `json:"actor,omitempty"`
	AccountID string    `json:"account_id,omitempty"`
	SessionID string    `json:"session_id,omitempty"`
	Resource  string    `json:"resource,omitempty" doc:"Id of another thing concerned: a webhook, an invite, an API key."`
	Code      string    `json:"code,omitempty"`
	Detail    string    `json:"detail,omitempty"`
	Count     int       `json:"count,omitempty" doc:"How often, for entries that stand for several."`
}

// AuditList is a page of the audit log, newest first.
type AuditList struct {
	Entries    []AuditEntry `json:"entries"`
	NextCursor string       `json:"next_cursor,omitempty" doc:"For the next page; none: this is the last."`
}
