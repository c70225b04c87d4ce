package rest

import "time"

// SignBody is the body of POST /api/v1/accounts/{id}/sign.
type SignBody struct {
	Message        string   `json:"message" minLength:"1" doc:"What to sign. ECDSA: a digest of 32 bytes, or with hash a message of 1 to 32768 bytes. EdDSA: a message of 1 to 32768 bytes."`
	Encoding       string   `json:"encoding,omitempty" enum:"hex,base64,utf8" doc:"How message is written; default hex, with or without 0x."`
	Hash           string   `json:"hash,omitempty" enum:"none,sha256,keccak256,eip191" doc:"What is applied to the message before it is signed; default none."`
	DerivationPath string   `json:"derivation_path,omitempty" doc:"Not supported yet: must be absent."`
	UserShare      string   `json:"user_share,omitempty" maxLength:"131072" doc:"Custody hybrid: the user's share, sealed to the delegate's seal_key for this very digest (the Go SDK does it); in plain only where the network's configuration allows it."`
	Approvals      []string `json:"approvals,omitempty" maxItems:"32" doc:"Approvals (compact JWS) of the account's approvers; needs request_id. Too few: the session waits for the others."`
	RequestID      string   `json:"request_id,omitempty" maxLength:"64" format:"uuid" doc:"The session's id, chosen by the caller so that approvals can name it before the call: a fresh UUID, version 7 or 4."`
}

// SignResult is the answer of POST /api/v1/accounts/{id}/sign. Hex is lower
// case, without 0x.
type SignResult struct {
	SessionID string    `json:"session_id"`
	AccountID string    `json:"account_id"`
	Scheme    string    `json:"scheme"`
	PublicKey string    `json:"public_key" doc:"Hex: the key that verifies the signature."`
	Message   string    `json:"message" doc:"Hex: the bytes that were given."`
	Hash      string    `json:"hash" enum:"none,sha256,keccak256,eip191" doc:"What was applied to them."`
	Digest    string    `json:"digest" doc:"Hex: the bytes that the key signed."`
	Signature Signature `json:"signature"`
}

// Signature is a signature in the forms that verifiers expect.
type Signature struct {
	R         string `json:"r,omitempty" doc:"ECDSA. Hex, 32 bytes."`
	S         string `json:"s,omitempty" doc:"ECDSA. Hex, 32 bytes, at most q/2 (BIP 62)."`
	V         *int   `json:"v,omitempty" minimum:"0" maximum:"3" doc:"ECDSA. The recovery id, 0 to 3."`
	VEthereum *int   `json:"v_ethereum,omitempty" doc:"ECDSA. 27 or 28; absent in the one case in 2^127 that Ethereum has no form for."`
	DER       string `json:"der,omitempty" doc:"ECDSA. Hex: ASN.1 DER (X9.62, BIP 66), without a sighash byte."`
	DERBase64 string `json:"der_base64,omitempty" doc:"ECDSA. The same in base64."`
	RSV       string `json:"rsv,omitempty" doc:"ECDSA. Hex, 65 bytes: r, s and the recovery id."`
	RSVBase64 string `json:"rsv_base64,omitempty" doc:"ECDSA. The same in base64."`
	Ethereum  string `json:"ethereum,omitempty" doc:"ECDSA. Hex, 65 bytes: r, s and v_ethereum; absent when that is."`
	Compact   string `json:"compact" doc:"Hex, 64 bytes: r and s, or R and S (RFC 8032)."`
	Base64    string `json:"base64" doc:"The 64 bytes in base64."`
}

// Approvals is the body of POST /api/v1/sessions/{id}/approvals.
type Approvals struct {
	Approvals []string `json:"approvals" minItems:"1" maxItems:"32" doc:"Approvals as compact JWS."`
}

// ApprovalClaims are the claims of an approval (JWT, typ mpc-approval+jwt) that
// the request fixes; nbf and exp are the approver's to choose, at most 24 hours
// apart.
type ApprovalClaims struct {
	Audience  string   `json:"aud" doc:"The network."`
	Operation string   `json:"op" example:"sign"`
	Subject   string   `json:"sub" doc:"The account."`
	Key       string   `json:"key" doc:"The keygen session."`
	Epoch     uint32   `json:"epoch"`
	Path      []uint32 `json:"path" doc:"[]: the key itself."`
	Digest    string   `json:"digest" doc:"Hex: the ECDSA digest, or SHA-256 of the EdDSA message."`
	JTI       string   `json:"jti" doc:"The session."`
}

// PendingApproval is a sign session that waits for approvals.
type PendingApproval struct {
	SessionID string         `json:"session_id"`
	AccountID string         `json:"account_id"`
	UserID    string         `json:"user_id"`
	Scheme    string         `json:"scheme"`
	Message   string         `json:"message" doc:"Hex: the bytes that were given."`
	Hash      string         `json:"hash"`
	Needed    int            `json:"needed" doc:"Approvals that are needed in all."`
	Approved  []string       `json:"approved" doc:"Key ids of the approvers that have approved."`
	Approvers []string       `json:"approvers" doc:"Key ids of all approvers."`
	Claims    ApprovalClaims `json:"claims" doc:"What an approval must claim."`
	ExpiresAt time.Time      `json:"expires_at"`
}

// ApprovalList is the answer of GET /api/v1/approvals.
type ApprovalList struct {
	Approvals  []PendingApproval `json:"approvals"`
	NextCursor string            `json:"next_cursor,omitempty" doc:"For the next page; none: this is the last."`
}
