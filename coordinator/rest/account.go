package rest

import "time"

// Custody says who holds the shares of a key.
//
//	server      parties of the network hold all of them
//	hybrid      one share is the user's: a delegate party computes for the user and keeps nothing
//	co_managed  users' own devices hold some: they join by invite
const (
	CustodyServer    = "server"
	CustodyHybrid    = "hybrid"
	CustodyCoManaged = "co_managed"
)

// CreateAccount is the body of POST /api/v1/accounts.
type CreateAccount struct {
	UserID       string            `json:"user_id" minLength:"1" maxLength:"128" example:"alice" doc:"The owner, in the caller's words. One owner may have several accounts."`
	Scheme       string            `json:"scheme,omitempty" enum:"ecdsa-secp256k1,eddsa-ed25519" doc:"Signature scheme; default ecdsa-secp256k1."`
	Threshold    *Threshold        `json:"threshold,omitempty" doc:"Default 2-of-3."`
	Parties      []string          `json:"parties,omitempty" maxItems:"32" doc:"Names or peer ids of the parties that are to hold the shares (with user_share: the n-1 parties beside the user's); default: the coordinator chooses."`
	Labels       map[string]string `json:"labels,omitempty" doc:"Kept with the account; at most 32."`
	UserShare    bool              `json:"user_share,omitempty" doc:"Custody hybrid: one of the n shares is the user's. The answer carries it once; POST /api/v1/shares/{id}/ack when it is stored safely."`
	RecipientKey string            `json:"recipient_key,omitempty" maxLength:"64" doc:"With user_share. Base64: an X25519 public key, 32 bytes. The share is sealed to it (RFC 9180) by the party that made it, and never to another key."`
	Presign      *Presign          `json:"presign,omitempty" doc:"Make presignatures ahead, so that signing takes milliseconds; default: a few while the account is in use."`
	Approvers    *Approvers        `json:"approvers,omitempty" doc:"Who must approve each signature; default: the network's approver key, which the coordinator holds."`
	DeviceInfo   map[string]any    `json:"device_info,omitempty" doc:"Anything about the user's device; kept, never required; at most 4 KiB as JSON."`
}

// Threshold is a threshold t-of-n.
type Threshold struct {
	T int `json:"t" example:"2" doc:"Parties needed to sign, at least 2."`
	N int `json:"n,omitempty" example:"3" doc:"Parties that hold a share, at most 32. A co-managed keygen may leave it out."`
}

// Approvers are the keys of whom a signature needs an approval: m of them.
type Approvers struct {
	M    int      `json:"m" example:"2" doc:"Approvals needed."`
	Keys []string `json:"keys" minItems:"1" maxItems:"32" doc:"Public keys, Ed25519 or ECDSA P-256: SubjectPublicKeyInfo in base64 DER, or PEM."`
}

// Account is an account as the API shows it.
type Account struct {
	ID              string            `json:"id"`
	UserID          string            `json:"user_id"`
	Scheme          string            `json:"scheme" enum:"ecdsa-secp256k1,eddsa-ed25519"`
	Custody         string            `json:"custody" enum:"server,hybrid,co_managed" doc:"Who holds the shares: parties of the network, one of them for the user, or also users' own devices."`
	Status          string            `json:"status" enum:"creating,active,failed"`
	ThresholdT      int               `json:"threshold_t" doc:"Parties needed to sign."`
	ThresholdN      int               `json:"threshold_n" doc:"Parties that hold a share."`
	PublicKey       string            `json:"public_key,omitempty" doc:"Hex: 33 bytes SEC 1 compressed (ecdsa-secp256k1), or 32 bytes RFC 8032 (eddsa-ed25519). None before the account is active."`
	Addresses       *Addresses        `json:"addresses,omitempty" doc:"What the key is called on chains."`
	KeygenSessionID string            `json:"keygen_session_id"`
	Parties         []PartyName       `json:"parties,omitempty" doc:"The holders of the shares, in the order of the key's roster."`
	SigningParties  []PartyName       `json:"signing_parties,omitempty" doc:"The parties that sign for the account, when fixed; none: chosen for each session."`
	Presign         *Presigning       `json:"presign,omitempty" doc:"Its presignatures. Present when the account can have some."`
	Approval        Approval          `json:"approval" doc:"Who approves signatures."`
	Certificate     *Certificate      `json:"certificate,omitempty"`
	SealKey         *SealKey          `json:"seal_key,omitempty" doc:"Custody hybrid: seal the user's share to this key when it is to sign. Present while the delegate is live."`
	UserShare       *UserShare        `json:"user_share,omitempty" doc:"Only in the answer that made the account, when it was asked for."`
	Labels          map[string]string `json:"labels,omitempty"`
	DeviceInfo      map[string]any    `json:"device_info,omitempty"`
	CreatedAt       time.Time         `json:"created_at"`
	Error           *Problem          `json:"error,omitempty" doc:"Why the account has no key."`
}

// Addresses are an account's addresses on chains that use its scheme.
type Addresses struct {
	Ethereum       string `json:"ethereum,omitempty" doc:"EIP-55."`
	Bitcoin        string `json:"bitcoin,omitempty" doc:"P2WPKH of the main network (BIP 173)."`
	BitcoinTestnet string `json:"bitcoin_testnet,omitempty" doc:"P2WPKH of the test networks."`
	Solana         string `json:"solana,omitempty" doc:"Base58 of the public key."`
}

// Approval says who approves an account's signatures.
type Approval struct {
	By   string   `json:"by" enum:"coordinator,approvers" doc:"coordinator: the network's approver key, which coordinators hold; approvers: keys that only their owners hold."`
	M    int      `json:"m" doc:"Approvals needed."`
	Keys []string `json:"keys" doc:"Key ids of the approvers: SHA-256 of their SubjectPublicKeyInfo, hex."`
	// PublicKeys make a lie about the approvers of a key with a certificate evident.
	PublicKeys []string `json:"public_keys,omitempty" maxItems:"32" doc:"The approvers' SubjectPublicKeyInfo, base64 DER, in the order in which the key certificate's hash of the approvers has them."`
}

// PartyName names a party.
type PartyName struct {
	PeerID string `json:"peer_id"`
	Name   string `json:"name"`
	Role   string `json:"role,omitempty" enum:"persistent,delegate,external" doc:"persistent: keeps its share. delegate: computes for a user and keeps nothing. external: a user's own device."`
}

// Certificate is a key certificate: what every member of the key has signed
// with its node key. Encoded is what the signatures can be checked with.
type Certificate struct {
	Version    uint8             `json:"version"`
	Network    string            `json:"network"`
	Account    string            `json:"account"`
	Key        string            `json:"key" doc:"The keygen session."`
	Epoch      uint32            `json:"epoch"`
	Scheme     string            `json:"scheme"`
	ThresholdT int               `json:"threshold_t"`
	ThresholdN int               `json:"threshold_n"`
	Roster     []CertificateSign `json:"roster"`
	PublicKey  string            `json:"public_key" doc:"Hex."`
	ChainCode  string            `json:"chain_code" doc:"Hex, 32 bytes (BIP 32)."`
	PublicHash string            `json:"public_hash" doc:"Hex: SHA-256 over the key's public data."`
	Approvers  string            `json:"approvers" doc:"Hex: SHA-256 over the key's approvers."`
	SID        string            `json:"sid" doc:"Hex: the attempt that made the key."`
	Encoded    string            `json:"encoded" doc:"Base64: the certificate in canonical CBOR."`
}

// CertificateSign is a member and its signature.
type CertificateSign struct {
	PeerID    string `json:"peer_id"`
	Role      string `json:"role"`
	Signature string `json:"signature" doc:"Base64: Ed25519 by the peer id's key."`
}

// AccountList is a page of accounts.
type AccountList struct {
	Accounts   []Account `json:"accounts"`
	NextCursor string    `json:"next_cursor,omitempty" doc:"For the next page; none: this is the last."`
}

// SigningParties is the body of PUT /api/v1/accounts/{id}/signing-parties.
type SigningParties struct {
	Parties []string `json:"parties" minItems:"2" maxItems:"32" doc:"Names or peer ids of members of the key's roster, at least t."`
}

// SigningPartyList is the answer of the signing-parties routes.
type SigningPartyList struct {
	Fixed   bool        `json:"fixed" doc:"false: the parties are chosen for each session."`
	Parties []PartyName `json:"parties" doc:"Those that may sign: the fixed ones, or all of the key's roster."`
}
