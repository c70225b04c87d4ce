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
	SessionCancelled Type = "session.cancelled"
	SessionReady     Type = "session.ready"
	InviteCreated    Type = "invite.created"
	InviteRevoked    Type = "invite.revoked"
	PartyJoined      Type = "party.joined"
	ApprovalAdded    Type = "approval.added"
	AccountCreated   Type = "account.created"
	AccountActivated Type = "account.activated"
	AccountFailed    Type = "account.failed"
	SigningParties   Type = "account.signing_parties"
	AccountPresign   Type = "account.presign"
	ShareErased      Type = "account.share_erased"
	ShareFetched     Type = "account.share_fetched"
	RequestAnswered  Type = "request.answered"
	WebhookCreated   Type = "webhook.created"
	WebhookDeleted   Type = "webhook.deleted"
	AuthFailed       Type = "auth.failed"
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
	SID     string          `json:"sid,omitempty"`   // hex
	Party   protocol.PeerID `json:"party,omitempty"` // session.completed of a signing: who delivered the signature
	Phase   protocol.Phase  `json:"phase,omitempty"`
	Round   int             `json:"round,omitempty"`
	Rounds  int             `json:"rounds,omitempty"`
	Code    string          `json:"code,omitempty"`
	Detail  string          `json:"detail,omitempty"`
	Again   bool            `json:"again,omitempty"` // attempt.failed: it does not count, for a party had no room, or was gone

	Session   *NewSession `json:"session,omitempty"`
	Account   *NewAccount `json:"account,omitempty"`
	Start     *Start      `json:"start,omitempty"`
	Outcome   *Outcome    `json:"outcome,omitempty"`
	Signature *Signature  `json:"signature,omitempty"`
	Key       *Key        `json:"key,omitempty"`
	Problem   *Problem    `json:"problem,omitempty"`
	Blames    []Blame     `json:"blames,omitempty"` // party.failed, party.refused, outcome.late: whom Party blames

	Actor     *Actor     `json:"actor,omitempty"`     // who asked for it
	Idem      *Idem      `json:"idem,omitempty"`      // the request that it answers
	Invite    *Invite    `json:"invite,omitempty"`    // invite.*, party.joined
	Joined    *Party     `json:"joined,omitempty"`    // party.joined
	Approval  string     `json:"approval,omitempty"`  // approval.added: compact JWS
	Parties   []Party    `json:"parties,omitempty"`   // account.signing_parties; none: chosen for each session
	Presign   *Presign   `json:"presign,omitempty"`   // account.presign; none: the coordinator's default holds
	Device    DeviceInfo `json:"device,omitempty"`    // party.joined
	Expires   time.Time  `json:"expires,omitzero"`    // session.ready: the new deadline
	Recipient []byte     `json:"recipient,omitempty"` // session.ready: the user's X25519 key
	Webhook   *Webhook   `json:"webhook,omitempty"`   // webhook.created
	Count     int        `json:"count,omitempty"`     // auth.failed: how often
}

// Actor is who made a request.
type Actor struct {
	Key     string `json:"key,omitempty"` // id of the API key
	KeyName string `json:"key_name,omitempty"`
	Client  string `json:"client,omitempty"` // address
	Request string `json:"request,omitempty"`
}

// Idem makes a repeated request known: it refers to what the first one made,
// and holds nothing of it.
type Idem struct {
	Key  string `json:"key"`  // hash of the API key's id and the Idempotency-Key
	Body string `json:"body"` // hash of route and body
	Ref  string `json:"ref"`  // id of what was made: a session, an invite, a webhook
}

// Meta is what every change carries: who asked, and the request's idempotency.
type Meta struct {
	Actor *Actor
	Idem  *Idem
}

// DeviceInfo is what a caller says about a device, as JSON.
type DeviceInfo = map[string]any

// Presign is how many presignatures an account asks for.
type Presign struct {
	Target int `json:"target"` // 0: none
	TTL    int `json:"ttl"`    // seconds
}

// Life is after which time one that was not used is dropped.
func (p *Presign) Life() time.Duration { return time.Duration(p.TTL) * time.Second }

// Invite lets one device join one session. The code itself is derived again when
// it must be shown; the log holds its hash.
type Invite struct {
	ID      string    `json:"id"`
	Hash    string    `json:"hash"` // hex: SHA-256 of the code
	Expires time.Time `json:"expires"`
}

// Webhook is a webhook as the log keeps it.
type Webhook struct {
	URL    string   `json:"url"`
	Events []string `json:"events"`
	Secret []byte   `json:"secret"` // sealed
}

// Party is a node and the name that its membership credential gave it.
type Party struct {
	Peer protocol.PeerID `json:"peer_id"`
	Name string          `json:"name"`
	Role protocol.Role   `json:"role,omitempty"` // empty: persistent
}

// Member returns the party as a roster has it.
func (p Party) Member() protocol.Member {
	m := protocol.Member{Peer: p.Peer, Role: p.Role}
	if m.Role == "" {
		m.Role = protocol.Persistent
	}
	return m
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

	Custody   Custody            `json:"custody,omitempty"`   // empty: server
	Wait      Wait               `json:"wait,omitempty"`      // what must come before the first attempt
	Externals int                `json:"externals,omitempty"` // users' devices that take part
	Message   []byte             `json:"message,omitempty"`   // sign: what was given, if it was hashed to Payload
	Hash      string             `json:"hash,omitempty"`      // sign: what was applied to it; empty: none
	Delegate  bool               `json:"delegate,omitempty"`  // sign: with the user's share
	Recipient []byte             `json:"recipient,omitempty"` // keygen: X25519 key of the user
	Approvers protocol.Approvers `json:"approvers,omitzero"`  // keygen: of the key
	Approvals []string           `json:"approvals,omitempty"` // sign: that came with the request
}

// Custody says who holds the shares of a key.
type Custody string

// Custody models.
const (
	CustodyServer    Custody = "server"
	CustodyHybrid    Custody = "hybrid"
	CustodyCoManaged Custody = "co_managed"
)

// Wait says what a session waits for before its first attempt.
type Wait string

// What a session may wait for.
const (
	WaitUser      Wait = "user"             // shares/generate
	WaitExternal  Wait = "external_parties" // joins
	WaitApprovals Wait = "approvals"
)

// NewAccount is what an account was asked to be.
type NewAccount struct {
	Owner     string             `json:"owner"`
	KeyID     string             `json:"key_id"` // id of the keygen session
	Scheme    protocol.Scheme    `json:"scheme"`
	Threshold protocol.Threshold `json:"threshold"`
	Approvers protocol.Approvers `json:"approvers"`
	Labels    map[string]string  `json:"labels,omitempty"`
	Custody   Custody            `json:"custody,omitempty"` // empty: server
	Device    DeviceInfo         `json:"device,omitempty"`
	Presign   *Presign           `json:"presign,omitempty"` // nil: the coordinator's default holds
}

// Start is one attempt: its spec, with which it can be taken up again.
type Start struct {
	Spec    []byte  `json:"spec"`              // canonical CBOR of protocol.Spec
	Parties []Party `json:"parties"`           // the roster, in order
	Presign bool    `json:"presign,omitempty"` // the attempt uses a presignature
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
	webhookPrefix = "webhook/"
)

// Streams that are about no single thing.
const (
	AuthFailures  = "auth/failures"    // failed authentications
	RequestStream = "request/answered" // requests that changed nothing else
)

// SessionStream, AccountStream and WebhookStream name the streams of a session,
// an account and a webhook; OrphanStream the one of outcomes that belong to no
// session in this registry.
func SessionStream(id string) string       { return sessionPrefix + id }
func AccountStream(id string) string       { return accountPrefix + id }
func WebhookStream(id string) string       { return webhookPrefix + id }
func OrphanStream(sid protocol.SID) string { return orphanPrefix + sid.String() }
