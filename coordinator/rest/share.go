package rest

import "time"

// UserShare is the share of a user: custody hybrid.
type UserShare struct {
	ID           string     `json:"id" doc:"For POST /api/v1/shares/{id}/ack; it is the keygen session's id."`
	SessionID    string     `json:"session_id"`
	AccountID    string     `json:"account_id"`
	PublicKey    string     `json:"public_key" doc:"Hex: the account's key."`
	Sealed       bool       `json:"sealed" doc:"Whether share is sealed to recipient_key."`
	RecipientKey string     `json:"recipient_key,omitempty" doc:"Base64."`
	Share        string     `json:"share" doc:"The share as text: mpcshare-sealed-1.… or mpcshare-plain-1.…; whoever has it in plain can take part in signatures."`
	ExpiresAt    time.Time  `json:"expires_at" doc:"Until then the delegate gives it out again, unless it is acknowledged."`
	SealKey      *SealKey   `json:"seal_key,omitempty" doc:"Of the delegate, for signing with the share."`
	Party        *PartyName `json:"party,omitempty" doc:"The delegate."`
}

// SealKey is the key that a delegate publishes: a user's share is sealed to it
// (RFC 9180: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM) to sign.
type SealKey struct {
	PeerID    string `json:"peer_id"`
	Key       string `json:"key" doc:"Base64: X25519, 32 bytes."`
	Statement string `json:"statement" doc:"Base64: the delegate's signed statement that this is its key; check it, the coordinator might lie."`
}

// GenerateShare is the body of POST /api/v1/shares/generate.
type GenerateShare struct {
	SessionID    string `json:"session_id" minLength:"1" maxLength:"64" doc:"The keygen session of an account with a user's share, or one that was created with an open user slot, which this call completes."`
	RecipientKey string `json:"recipient_key,omitempty" maxLength:"64" doc:"Base64: X25519, 32 bytes. The share is sealed to it."`
}

// ShareAck is the answer of POST /api/v1/shares/{id}/ack.
type ShareAck struct {
	ID     string `json:"id"`
	Erased bool   `json:"erased" doc:"The delegate has erased the share."`
}
