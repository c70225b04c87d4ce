package rest

import "time"

// Invite lets one user's device join one session.
type Invite struct {
	ID        string    `json:"id"`
	SessionID string    `json:"session_id"`
	Code      string    `json:"code,omitempty" doc:"256 bits, single use: give it to the user over a safe way. Only in the answer that made the invite."`
	Status    string    `json:"status" enum:"open,used,revoked,expired"`
	PeerID    string    `json:"peer_id,omitempty" doc:"Who has used it."`
	ExpiresAt time.Time `json:"expires_at"`
}

// CreateInvites is the body of POST /api/v1/sessions/{id}/invites.
type CreateInvites struct {
	Replace string `json:"replace,omitempty" maxLength:"64" doc:"Id of an unused invite that is revoked in favour of the new one; default: the oldest unused one, if the session has no free place."`
}

// InviteList is a list of invites.
type InviteList struct {
	Invites []Invite `json:"invites"`
}

// InviteInfo is the answer of GET /api/v1/invites/{code}: what a user joins.
type InviteInfo struct {
	SessionID       string    `json:"session_id"`
	Kind            string    `json:"kind" enum:"co_managed_keygen,sign"`
	UserID          string    `json:"user_id"`
	AccountID       string    `json:"account_id"`
	KeygenSessionID string    `json:"keygen_session_id"`
	PublicKey       string    `json:"public_key,omitempty" doc:"Hex. Sign sessions: the account's key."`
	Scheme          string    `json:"scheme"`
	ThresholdT      int       `json:"threshold_t"`
	ThresholdN      int       `json:"threshold_n"`
	Message         string    `json:"message,omitempty" doc:"Hex. Sign sessions: the bytes that were given."`
	Hash            string    `json:"hash,omitempty"`
	Digest          string    `json:"digest,omitempty" doc:"Hex. Sign sessions: the bytes that the key signs."`
	Network         string    `json:"network"`
	SessionStatus   string    `json:"session_status" enum:"created,running,completed,failed,cancelled,expired" doc:"How far the session is."`
	Status          string    `json:"status" enum:"open,used,revoked,expired"`
	ExpiresAt       time.Time `json:"expires_at"`
}

// Join is the body of POST /api/v1/invites/{code}/join.
type Join struct {
	PeerID     string         `json:"peer_id" maxLength:"128" doc:"The device's peer id."`
	Proof      string         `json:"proof" maxLength:"128" doc:"Base64: the device's Ed25519 signature over the join statement; see protocol.JoinStatement."`
	Name       string         `json:"name,omitempty" maxLength:"64" doc:"What the device is to be called in the session."`
	DeviceInfo map[string]any `json:"device_info,omitempty" doc:"Anything about the device; kept, never required; at most 4 KiB as JSON."`
}

// Joined is the answer of a join: what the device needs to reach the session.
type Joined struct {
	SessionID   string        `json:"session_id"`
	JoinToken   string        `json:"join_token" doc:"Authorization: Bearer … for GET of this session and its events. It admits to nothing else."`
	Pass        string        `json:"pass" doc:"For the device's hello in the network, until it expires."`
	Network     NetworkInfo   `json:"network"`
	Coordinator NetworkMember `json:"coordinator"`
	ExpiresAt   time.Time     `json:"expires_at"`
}

// NetworkInfo is what a device must know of the network.
type NetworkInfo struct {
	Name         string   `json:"name"`
	AuthorityKey string   `json:"authority_key" doc:"Base64: Ed25519, 32 bytes."`
	Bootstrap    []string `json:"bootstrap" doc:"Multiaddrs of bootstrap nodes, which also relay."`
}

// NetworkMember is a node and where it is.
type NetworkMember struct {
	PeerID string   `json:"peer_id"`
	Addrs  []string `json:"addrs,omitempty" doc:"Multiaddrs."`
}
